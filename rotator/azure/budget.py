"""Fair use of Azure: what one process may ask of Resource Manager and of the connections, and who goes first.

    bucket        a burst, then a second    counts
    reads         250, 25                   GET, HEAD
    writes        200, 10                   everything else, POST actions (listKeys, regenerateKey) too

One bucket for each subscription and sort (Azure: for each principal and region; and a larger one over all principals, which has headers of
its own). Requests to other hosts have no bucket here. Whether a call is urgent, or would rather come back than wait, is asked of what
wiring hands in: this room knows no engine. The last connections are kept for emergencies, too: a flood of cadence makes none of them wait.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from rotator.azure.bucket import Bucket, Level, Rank, Shares, Size
from rotator.core.faults import Throttled

CONNECTIONS_MAX = 100
CONNECTIONS_RESERVED = 20
"""The last of each pool, which cadence may not take."""
PLACE_WAIT_MAX_S = 30.0
RETRY_UNSAID_S = 5.0

WAIT_MAX_S: Mapping[tuple[Rank, bool], float] = {
    (Rank.CADENCE, False): 30.0,
    (Rank.CADENCE, True): 5.0,
    (Rank.EMERGENCY, False): 30.0,
    (Rank.KILL, True): 15.0,
    (Rank.CONFIRMATION, False): 0.0,
}
"""By rank, and whether the call has an effect: one that was decided on a look must not grow old in a queue; the corridor looks again."""

_SUBSCRIPTION = re.compile(r"/subscriptions/([^/?]+)", re.IGNORECASE)


class Sort(StrEnum):
    """How Resource Manager counts a call."""

    READS = "reads"
    WRITES = "writes"


SIZES: Mapping[Sort, Size] = {Sort.READS: Size(burst=250, refill_per_s=25), Sort.WRITES: Size(burst=200, refill_per_s=10)}


@dataclass(slots=True)
class Call:
    """One call under way: what its answer says of the budget is told here."""

    bucket: Bucket
    ticket: int
    scope: str
    sort: Sort
    told: bool = False

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        self.told = True
        self.bucket.answered(self.ticket, _remaining(headers, self.scope, self.sort))
        if status == 429 and headers.get("x-ms-failure-cause", "").lower() != "service":  # "service": one provider refuses, not ARM
            self.bucket.block(_retry_after_s(headers))


@dataclass(slots=True, kw_only=True)
class Budget:
    """Every bucket of a process, and the places on its connections."""

    resource_manager: str
    shares: Shares = field(default_factory=Shares)
    sizes: Mapping[Sort, Size] = field(default_factory=lambda: SIZES)
    is_urgent: Callable[[], bool] = lambda: False
    gives_way: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[tuple[str, Sort], Bucket] = field(init=False, default_factory=dict)

    @contextlib.asynccontextmanager
    async def spent(self, method: str, url: str, *, effect: bool) -> AsyncIterator[Call | None]:
        """Inside, the call may go on the wire; None for one that no bucket counts.

        Raises:
            Throttled: it would have to wait longer than it may. Nothing was sent.
        """
        if urlsplit(url).netloc.lower() != urlsplit(self.resource_manager).netloc.lower():
            yield None
            return
        call = await self._taken(method, url, effect)
        try:
            yield call
        finally:
            if not call.told:
                call.bucket.unanswered(call.ticket)

    async def _taken(self, method: str, url: str, effect: bool) -> Call:
        sort = Sort.READS if method in ("GET", "HEAD") else Sort.WRITES
        found = _SUBSCRIPTION.search(urlsplit(url).path)
        subscription = found[1].lower() if found else ""
        bucket = self._buckets.setdefault((subscription, sort), Bucket(self.sizes[sort], self.shares, self.clock))
        rank = self._rank(sort, effect)
        what = f"{sort} of {f'subscription {subscription[:8]}…' if subscription else 'the tenant'}"
        ticket = await bucket.take(rank, what, within_s=WAIT_MAX_S[rank, effect])
        return Call(bucket, ticket, "subscription" if subscription else "tenant", sort)

    def _rank(self, sort: Sort, effect: bool) -> Rank:
        """Only writes are scarce: a look that gives way is worth its reads."""
        if self.is_urgent():
            return Rank.KILL if effect else Rank.EMERGENCY
        return Rank.CONFIRMATION if sort is Sort.WRITES and not effect and self.gives_way() else Rank.CADENCE

    def levels(self) -> Iterator[tuple[str, Sort, Level]]:
        """Every bucket that was used, for the metrics: its subscription (empty: the tenant), its sort, and how it stands."""
        return ((subscription, sort, bucket.level()) for (subscription, sort), bucket in self._buckets.items())


@dataclass(slots=True, kw_only=True)
class Places:
    """The connections of one pool. Cadence waits where it would take the last of them; an emergency never waits for cadence."""

    is_urgent: Callable[[], bool] = lambda: False
    cadence_max: int = CONNECTIONS_MAX - CONNECTIONS_RESERVED
    _cadence: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._cadence = asyncio.Semaphore(self.cadence_max)

    @contextlib.asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Inside, a connection may be used.

        Raises:
            Throttled: there was none for too long. Nothing was sent.
        """
        if self.is_urgent():
            yield
            return
        try:
            await asyncio.wait_for(self._cadence.acquire(), PLACE_WAIT_MAX_S)
        except TimeoutError as error:
            soon = datetime.now(UTC) + timedelta(seconds=RETRY_UNSAID_S)
            raise Throttled(f"no connection was free for {PLACE_WAIT_MAX_S:.0f} s", until=soon) from error
        try:
            yield
        finally:
            self._cadence.release()


def _remaining(headers: Mapping[str, str], scope: str, sort: Sort) -> int | None:
    """The least of what the answer says is left, over our own principal and over all of them."""
    names = (f"x-ms-ratelimit-remaining-{scope}-{sort}", f"x-ms-ratelimit-remaining-{scope}-global-{sort}")
    told = [headers.get(name, "") for name in names]
    return min((int(one) for one in told if one.isascii() and one.isdecimal()), default=None)


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """A Retry-After in seconds; what is not said, or said as a date, is a few."""
    said = headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdecimal() else RETRY_UNSAID_S
