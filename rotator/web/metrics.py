"""`GET /metrics`: what was counted since the start, and what stands now, in Prometheus' own form. Costs no call to Azure.

Whoever asks often is given the last answer for a moment, so that nobody wears out the ledger.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from rotator.engine.ports import Watch
from rotator.metrics import BUCKETS_S, BY_NAME, KNOWN, OTHER, SERIES_MAX, Adoptions, Count, Figures, Metric, calls_of, counts_of, samples_of

if TYPE_CHECKING:
    from aiohttp import web

KEPT_FOR = timedelta(seconds=5)


class Metrics:
    """Fulfils `Watch` beside another one: every event is passed on first, and then counted. Also hears each call to Azure."""

    def __init__(self, watch: Watch) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody reads
        self._watch, self._registry = watch, CollectorRegistry()
        self._made: dict[str, Any] = {one.name: _made(one, self._registry) for one in KNOWN if one.kind != "gauge"}
        self._series: dict[str, set[tuple[str, ...]]] = {name: set() for name in self._made}
        self._adoptions = Adoptions()
        self._figures: Figures | None = None
        self._registry.register(self)

    def __call__(self, event: str, **fields: Any) -> None:
        self._watch(event, **fields)
        self._adoptions.note(event, fields)
        self._count(counts_of(event, fields))

    def heard(self, operation: str, answer: str, seconds: float) -> None:
        """One call to Azure."""
        self._count(calls_of(operation, answer, seconds))

    def page(self, figures: Figures) -> bytes:
        """Everything, as Prometheus reads it."""
        self._figures = figures
        return generate_latest(self._registry)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The registry asks for the gauges: each metric once, with all its series."""
        families = {one.name: GaugeMetricFamily(one.name, one.text, labels=one.labels) for one in KNOWN if one.kind == "gauge"}
        if self._figures is not None:
            for name, labels, value in (*samples_of(self._figures), *self._adoptions.samples()):
                families[name].add_metric(labels, value)
        return (family for family in families.values() if family.samples)

    def _count(self, counts: Iterable[Count]) -> None:
        for name, labels, value in counts:
            made = self._made[name]
            bound = made.labels(*self._bounded(name, labels)) if labels else made
            (bound.observe if BY_NAME[name].kind == "histogram" else bound.inc)(value)

    def _bounded(self, name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
        series = self._series[name]
        if labels not in series and len(series) >= SERIES_MAX:
            return (OTHER,) * len(labels)
        series.add(labels)
        return labels


def _made(one: Metric, registry: CollectorRegistry) -> Counter | Histogram:
    if one.kind == "histogram":
        return Histogram(one.name, one.text, one.labels, registry=registry, buckets=BUCKETS_S)
    return Counter(one.name, one.text, one.labels, registry=registry)


class Scrapes:
    """The route. `figures` reads what stands now; one reading at a time."""

    def __init__(self, metrics: Metrics, figures: Callable[[], Awaitable[Figures]]) -> None:
        self._metrics, self._read = metrics, figures
        self._asking = asyncio.Lock()
        self._kept: tuple[float, bytes] | None = None

    def routes(self) -> "Iterable[web.RouteDef]":
        from aiohttp import web

        return (web.get("/metrics", self._scraped),)

    async def _scraped(self, _request: "web.Request") -> "web.Response":
        from aiohttp import web

        loop = asyncio.get_running_loop()
        async with self._asking:
            if self._kept is None or loop.time() - self._kept[0] > KEPT_FOR.total_seconds():
                self._kept = loop.time(), self._metrics.page(await self._read())
            page = self._kept[1]
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})
