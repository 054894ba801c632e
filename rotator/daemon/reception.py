"""Where deliveries are stored, whoever brings them: a door of the web, or the poll that finds what a lost delivery told of."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from rotator.core.faults import Fault
from rotator.core.judge import SourcePolicy
from rotator.core.report import Arrival, Receipt
from rotator.daemon.fleet import Fleet
from rotator.engine.registry import Registry, registry_of
from rotator.ledger.inbox import BATCH_MAX, Inbox, Standing

SETTLED = frozenset({"done", "otherwise"})
"""How an alert was closed that is open again: by us, or by a person."""
LISTS_LAG = timedelta(minutes=1)
"""A source's list may still show as open what was closed a moment ago."""


Place = TypeVar("Place")


class Polled(Protocol[Place]):
    """Sources that are asked what is open there, place by place."""

    @property
    def places(self) -> Sequence[Place]: ...

    def poll(self, place: Place) -> AsyncIterator[Arrival]: ...


class Reception:
    """`store` fulfils what the doors ask for. `who_we_are` asks for our own object id, and answers nothing where it cannot be told."""

    def __init__(
        self, fleet: Fleet, inbox: Inbox, policies: Callable[[str], SourcePolicy], who_we_are: Callable[[], Awaitable[str]]
    ) -> None:
        self._fleet, self._inbox, self._policies, self._who_we_are = fleet, inbox, policies, who_we_are
        self._made: tuple[object, Registry] | None = None
        self._ourselves = ""

    async def introduce(self) -> None:
        """Learn who we are, so that what we do ourselves is told from what strangers do; again, where Entra was away."""
        if not self._ourselves:
            self._ourselves, self._made = await self._who_we_are(), None

    def registry(self) -> Registry:
        """What reports are judged by; made anew when the fleet is another one."""
        credentials = self._fleet.credentials
        if self._made is None or self._made[0] is not credentials:
            made = registry_of(credentials, self._policies, self._ourselves, lambda: self._fleet.world.clock.now())
            self._made = credentials, made
        return self._made[1]

    async def store(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Stored, judged, filed and woken, all in one transaction. Raises LedgerFault."""
        limits = self._fleet.limits
        return await self._inbox.take(
            arrivals, self.registry().bench, per_hour_max=limits.compromises_per_hour, accounts_max=limits.accounts_per_alert
        )

    async def poll(self, source: Polled[Place]) -> None:
        """Take what is open at the source and was never reported; what was closed and is open again is opened again here.

        Raises:
            LedgerFault: the next poll finds the same.
        """
        await self.introduce()
        for place in source.places:
            began, found = self._fleet.world.clock.now(), list[Arrival]()
            try:
                async for arrival in source.poll(place):
                    found.append(arrival)
            except Fault as fault:
                because = f"{fault.what}; {fault.remedy}" if fault.remedy else fault.what
                self._fleet.world.watch("poll_failed", place=str(place), because=because)
            for start in range(0, len(found), BATCH_MAX):
                await self._take_lost(found[start : start + BATCH_MAX], began)

    async def _take_lost(self, some: list[Arrival], began: datetime) -> None:
        (source,) = {arrival.source for arrival in some}
        known = await self._inbox.known(source, [report.source_id for arrival in some for report in arrival.reports])
        lost = [one for arrival in some if (one := _lost(arrival, known, began)) is not None]
        if lost:
            receipts = await self.store(lost)
            taken = [report for receipt in receipts for report in receipt.reports]
            if taken:
                self._fleet.world.watch("poll_found", source=source, reports=[report.source_id for report in taken])


def _lost(arrival: Arrival, known: Mapping[str, Standing], began: datetime) -> Arrival | None:
    """What of a polled alert is news: one that nobody reported, or one that had been closed for a while and is open again."""
    (report,) = arrival.reports
    standing = known.get(report.source_id)
    if standing is None:
        return arrival
    if standing.closing not in SETTLED or standing.closed_at is None or standing.closed_at > began - LISTS_LAG:
        return None
    again = f"{arrival.identities[0]}@{standing.closed_at:%Y-%m-%dT%H:%M:%S}"
    return replace(arrival, identities=(again,), reports=(replace(report, reopened=True),))
