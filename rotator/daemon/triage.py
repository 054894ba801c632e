"""Reports that were taken and are not done: their value is fetched or looked for, and at the end the alert is closed at its source.

Each is claimed like any other work, so a kill anywhere only means that another worker does it again: fetching changes nothing, and closing
looks first. A source that is away delays its own reports and nothing else.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from rotator.core.faults import Denied, Fault, Missing, Rejected
from rotator.core.incident import Incident
from rotator.core.report import Clues, Matter, Report
from rotator.core.retry import backoff
from rotator.daemon.fleet import Fleet
from rotator.engine.registry import Registry, index_fleet
from rotator.ledger.store import Ledger

AT_ONCE = 8
POLL = timedelta(seconds=2)
FETCHES_MAX = 40
"""How often a sender is asked for a value (over about three hours) before it is said that nobody can tell."""
CLOSES_MAX = 60
SWEEP_EVERY = timedelta(minutes=15)
"""How often the whole fleet may be asked for keys that the index does not know: an alert about such a key must not cost ARM's budget."""
LOOKED_FOR_AGAIN = timedelta(seconds=5)

Fetch = Callable[[str], Awaitable[Clues]]
"""By what a value that its sender holds can be recognised, given the sender's name for it. Raises Fault."""

Close = Callable[[Report, Incident | None], Awaitable[tuple[str, str]]]
"""Close the alert at its source: how that ended (`done`, `otherwise`), and a sentence. Raises Fault."""


class Triage:
    """`serve` until cancelled. `fetch` and `close` by the name of the source."""

    def __init__(
        self, fleet: Fleet, ledger: Ledger, registry: Callable[[], Registry], fetch: Mapping[str, Fetch], close: Mapping[str, Close]
    ) -> None:
        self._fleet, self._ledger, self._registry, self._fetch, self._close = fleet, ledger, registry, fetch, close
        self._swept_at: datetime | None = None
        self._sweep_began: datetime | None = None
        self._sweeping = asyncio.Lock()
        self._chance = random.Random()

    async def serve(self) -> None:
        """Work off what is due, for ever."""
        faults = 0
        while True:
            try:
                worked = await self.round()
                faults = 0
            except Exception as fault:  # noqa: BLE001  # the one of this loop: a ledger that is away ends no daemon
                faults += 1
                worked = False
                self._fleet.world.watch("triage_failed", error=type(fault).__name__)
            if faults:
                await self._fleet.world.clock.sleep(backoff(faults, self._chance))
            elif not worked:
                await self._ledger.inbox.wait(POLL)

    async def round(self) -> bool:
        """What is due now; whether there was anything."""
        inbox = self._ledger.inbox
        await inbox.make_closable()
        due = await inbox.claim_due(AT_ONCE)
        await asyncio.gather(*(self._one(report) for report in due))
        return bool(due)

    async def _one(self, report: Report) -> None:
        try:
            await (self._judge(report) if report.waits else self._finish(report))
        except Fault as fault:
            await self._put_off(report, fault)

    async def _put_off(self, report: Report, fault: Fault) -> None:
        attempts = await self._ledger.inbox.attempts(report)
        hopeless = isinstance(fault, Denied | Missing | Rejected)
        told = f"{fault.what}; {fault.remedy}" if fault.remedy else fault.what
        self._fleet.world.watch("report_put_off", source=report.source, report=report.id, attempt=attempts, because=told)
        if not report.waits and attempts >= (3 if hopeless else CLOSES_MAX):
            return await self._ledger.inbox.closed(report, "failed", told)
        if report.waits and attempts >= (3 if hopeless else FETCHES_MAX):
            await self._judge_again(report, report.clues, final=f"its value could not be had: {told}")
            return None
        return await self._ledger.inbox.give_back(report, after=backoff(attempts + 2, self._chance), told=told)

    # --- what it is -------------------------------------------------------------------------------------------------------

    async def _judge(self, report: Report) -> None:
        """Fetch what the sender holds; then the index; then, where it looks like one of ours, the fleet."""
        if report.matter is Matter.SUSPICION:
            return await self._look_first(report)
        clues = report.clues
        if clues.held_by and clues.empty:
            clues = await self._fetched(report)
        swept = self._sweep_began is not None and self._swept_at is not None and self._sweep_began >= report.reported_at
        final = _nobody(len(self._fleet.credentials)) if swept or not clues.likely else ""
        judged = await self._judge_again(report, clues, final=final)
        if judged.waits:
            await self._sweep(report)
        return None

    async def _fetched(self, report: Report) -> Clues:
        fetch = self._fetch.get(report.source)
        if fetch is None:
            raise Rejected(f"{report.source} holds the value and there is no token to fetch it", remedy=f"set alerts.{report.source}.token")
        return await fetch(report.clues.held_by)

    async def _judge_again(self, report: Report, clues: Clues, *, final: str) -> Report:
        limits = self._fleet.limits
        judged = await self._ledger.inbox.judge_again(
            report,
            clues,
            self._registry().bench,
            final=final,
            per_hour_max=limits.compromises_per_hour,
            accounts_max=limits.accounts_per_alert,
        )
        facts = {"source": judged.source, "report": judged.id, "verdict": judged.verdict.value, "because": judged.because}
        self._fleet.world.watch("alert", **facts, credential=judged.credential, incident=judged.incident)
        return judged

    async def _look_first(self, report: Report) -> None:
        """A suspicion about an account that was never looked at: the look tells which value it is about."""
        if report.credential in self._fleet.credentials:
            await self._ledger.work.wake(report.credential)
        judged = await self._judge_again(report, report.clues, final="")
        if judged.waits:
            await self._ledger.inbox.give_back(judged, after=LOOKED_FOR_AGAIN, told=judged.because)

    async def _sweep(self, report: Report) -> None:
        """Ask every account once for all reports that wait; not again before some time has passed."""
        world = self._fleet.world
        async with self._sweeping:
            now = world.clock.now()
            wait = timedelta(0) if self._sweep_began is None else self._sweep_began + SWEEP_EVERY - now
            if wait <= timedelta(0):
                world.watch(
                    "fleet_asked", accounts=len(self._fleet.credentials), because="a report speaks of a key that the index does not know"
                )
                unseen = await index_fleet(self._fleet.credentials.values(), world)
                self._sweep_began, self._swept_at, wait = now, world.clock.now(), timedelta(0)
                if unseen:
                    world.watch("fleet_not_all_seen", accounts=unseen)
        await self._ledger.inbox.give_back(report, after=max(wait, timedelta(0)), told="the fleet is asked")

    # --- and its end ------------------------------------------------------------------------------------------------------

    async def _finish(self, report: Report) -> None:
        """Close the alert where it came from, with the evidence."""
        close = self._close.get(report.source)
        if close is None:
            raise Rejected(f"there is no token to close an alert of {report.source}", remedy=f"set alerts.{report.source}.token")
        cases = await self._ledger.cases.of(report.credential)
        case = next((case for case in cases if case.id == report.incident), None)
        how, told = await close(report, case)
        await self._ledger.inbox.closed(report, how, told)
        self._fleet.world.watch("alert_closed", source=report.source, report=report.id, incident=report.incident, how=how, because=told)


def _nobody(accounts: int) -> str:
    return f"none of the {accounts} accounts in the settings has this key"
