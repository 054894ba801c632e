"""Where deliveries are stored, whoever brings them: a door of the web, or the poll that finds what a lost delivery told of."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from rotator.core.faults import Fault
from rotator.core.judge import SourcePolicy
from rotator.core.report import Arrival, Receipt
from rotator.daemon.fleet import Fleet
from rotator.engine.registry import Registry, registry_of
from rotator.ledger.inbox import BATCH_MAX, Inbox

CLOSED_BY_US = "done"


class Polled(Protocol):
    """A source that is asked what is open there."""

    def poll(self) -> AsyncIterator[Arrival]: ...


class Reception:
    """`store` fulfils what the doors ask for."""

    def __init__(self, fleet: Fleet, inbox: Inbox, policies: Callable[[str], SourcePolicy], ourselves: str) -> None:
        self._fleet, self._inbox, self._policies, self._ourselves = fleet, inbox, policies, ourselves
        self._made: tuple[object, Registry] | None = None

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

    async def poll(self, source: Polled) -> None:
        """Take what is open at the source and was never reported; what we closed and is open again is opened again here."""
        found: list[Arrival] = []
        try:
            async for arrival in source.poll():
                found.append(arrival)
        except Fault as fault:
            self._fleet.world.watch("poll_failed", because=f"{fault.what}; {fault.remedy}" if fault.remedy else fault.what)
        for start in range(0, len(found), BATCH_MAX):
            await self._take_lost(found[start : start + BATCH_MAX])

    async def _take_lost(self, some: list[Arrival]) -> None:
        known = await self._inbox.known("github", [report.source_id for arrival in some for report in arrival.reports])
        lost = [one for arrival in some if (one := _lost(arrival, known)) is not None]
        if lost:
            receipts = await self.store(lost)
            taken = [report for receipt in receipts for report in receipt.reports]
            self._fleet.world.watch("poll_found", reports=[report.source_id for report in taken])


def _lost(arrival: Arrival, known: dict[str, str]) -> Arrival | None:
    """What of a polled alert is news: one that nobody reported, or one that we closed and that is open again."""
    (report,) = arrival.reports
    closing = known.get(report.source_id)
    if closing is None:
        return arrival
    if closing != CLOSED_BY_US:
        return None
    again = f"{arrival.identities[0]}@{report.reported_at:%Y-%m-%dT%H:%M}"
    return replace(arrival, identities=(again,), reports=(replace(report, reopened=True),))
