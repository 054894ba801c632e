"""Reports that were taken and are not done: their value is fetched or looked for, and at the end the alert is closed at its source.

Each is claimed like any other work, so a kill anywhere only means that another worker does it again: fetching changes nothing, and closing
looks first. A source that is away delays its own reports and nothing else. Nothing is called nobody's that could not be looked at.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from rotator.core.faults import Denied, Fault, Missing, Rejected, Throttled
from rotator.core.incident import Incident, State
from rotator.core.report import Clues, Matter, Report, Verdict
from rotator.core.retry import LONGEST_THROTTLE, backoff, rest
from rotator.daemon.fleet import Fleet
from rotator.daemon.sweep import NotYet, Sweep, Swept
from rotator.engine.registry import Registry
from rotator.ledger.inbox import Asked
from rotator.ledger.store import Ledger

EACH_AT_ONCE = 16
"""How many reports of one source are worked on at once: one that is slow, or loud, has no other's place."""
JUDGED_AT_ONCE = 100
POLL = timedelta(seconds=2)
FETCHED_FOR = timedelta(days=2)
"""How long a sender is asked for a value before a person is to look."""
CLOSES_MAX, HOPELESS_CLOSES_MAX = 60, 4
"""How often closing is tried soon, before a person is told."""
CLOSED_AGAIN, CLOSED_FOR = timedelta(hours=6), timedelta(days=30)
"""After that: how seldom, and for how long. Then only a start or a reload of the daemon tries again."""
ANSWERS_AGAIN_MAX = 1
"""How often an alert that somebody opens again is closed again with the evidence. After that a person is told: two programs that each
have the last word would never end."""
LOOKS_MAX = 12
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
        self._sweep = Sweep(fleet)
        self._in_hand: dict[asyncio.Task[None], Report] = {}
        self._dropped: set[str] = set()
        self._asked: list[tuple[Asked, asyncio.Future[Report]]] = []
        self._judging = asyncio.Lock()
        self._closing: set[tuple[str, str]] = set()
        self._chance = random.Random()
        self._mended = 0

    def mended(self) -> None:
        """A person may have mended what stood in the way: what is in hand and is about to fail by it is tried again at once."""
        self._mended += 1

    async def serve(self) -> None:
        """Work off what is due, for ever: each report in a task of its own, so many of each source at once."""
        faults = 0
        try:
            while True:
                try:
                    await self._round()
                    faults = 0
                except Exception as fault:  # noqa: BLE001  # the one of this loop: a ledger that is away ends no daemon
                    faults += 1
                    self._fleet.world.watch("triage_failed", error=type(fault).__name__)
                    await self._fleet.world.clock.sleep(backoff(faults, self._chance))
        finally:
            for task in self._in_hand:
                task.cancel()
            await asyncio.gather(*self._in_hand, self._sweep.end(), return_exceptions=True)

    async def _round(self) -> None:
        """Take what is due, and wait for more where there was nothing."""
        inbox = self._ledger.inbox
        if self._dropped:
            await inbox.let_go(list(self._dropped))
            self._dropped.clear()
        await self._ledger.closings.make_closable()
        due = await inbox.claim_due(EACH_AT_ONCE, in_hand=Counter(report.source for report in self._in_hand.values()))
        for report in due:
            task = asyncio.create_task(self._one(report), name=report.id)
            self._in_hand[task] = report
            task.add_done_callback(self._ended)
        if not due:
            await inbox.wait(POLL)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """What failed on the way is given back by the next round: it may be the ledger that is away."""
        report = self._in_hand.pop(task)
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            self._fleet.world.watch("report_failed", source=report.source, report=report.id, error=type(fault).__name__)
        if task.cancelled() or fault is not None:
            self._dropped.add(report.id)
        if len(self._in_hand) <= EACH_AT_ONCE // 2:
            self._ledger.inbox.hear()

    async def _one(self, report: Report) -> None:
        before = self._mended
        try:
            await (self._judge(report) if report.waits else self._finish(report))
        except Fault as fault:
            if self._mended != before:  # it failed with what is replaced by now
                return await self._ledger.inbox.give_back(report, after=timedelta(0), told=fault.what)
            await self._put_off(report, fault)
        return None

    async def _put_off(self, report: Report, fault: Fault) -> None:
        """Again after a while: soon where it may pass by itself, seldom where a person has to act first, and not for ever."""
        attempts = await self._ledger.inbox.attempts(report)
        hopeless = isinstance(fault, Denied | Missing | Rejected)
        told = f"{fault.what}; {fault.remedy}" if fault.remedy else fault.what
        self._fleet.world.watch("report_put_off", source=report.source, report=report.id, attempt=attempts, because=told)
        if not report.waits and attempts >= (HOPELESS_CLOSES_MAX if hopeless else CLOSES_MAX):
            return await self._stays_open(report, told)
        if report.waits and self._fleet.world.clock.now() - report.reported_at > FETCHED_FOR:
            await self._say(Asked(report=report, clues=report.clues, final=f"its value could not be had: {told}", verdict=Verdict.NOTED))
            return None
        return await self._ledger.inbox.give_back(report, after=self._patience(report, fault, attempts, hopeless=hopeless), told=told)

    async def _stays_open(self, report: Report, told: str) -> None:
        if await self._ledger.closings.not_closed(report, told, again=CLOSED_AGAIN, for_as_long_as=CLOSED_FOR):
            self._tell_it_stays_open(report, told)

    def _tell_it_stays_open(self, report: Report, because: str) -> None:
        about = {"source": report.source, "at": report.source_id, "report": report.id, "credential": report.credential}
        self._fleet.world.watch("alert_not_closed", **about, incident=report.incident, because=because)

    def _patience(self, report: Report, fault: Fault, attempts: int, *, hopeless: bool) -> timedelta:
        """What a source asks for, within bounds. A value is asked for over days; that an alert stays open is said soon."""
        wait = rest(attempts, self._chance, hopeless=True) if hopeless and report.waits else backoff(attempts, self._chance)
        if isinstance(fault, Throttled):
            wait = max(wait, min(fault.until - self._fleet.world.clock.now(), LONGEST_THROTTLE))
        return wait

    # --- what it is -------------------------------------------------------------------------------------------------------

    async def _judge(self, report: Report) -> None:
        """Fetch what the sender holds; then the index; then, where it looks like one of ours, the fleet."""
        if report.matter is Matter.SUSPICION:
            return await self._look_first(report)
        if not report.clues.empty:
            return await self._ask_the_fleet(report)
        clues = await self._fetched(report)
        if clues.empty:
            untold = f"{report.source} does not show the value of {clues.held_by or report.source_id}; a person is to look"
            await self._say(Asked(report=report, clues=clues, final=untold, verdict=Verdict.NOTED))
            return None
        judged = await self._say(Asked(report=report, clues=clues, final="" if clues.likely else NOT_THE_SHAPE))
        return await self._ask_the_fleet(judged) if judged.waits else None

    async def _fetched(self, report: Report) -> Clues:
        fetch = self._fetch.get(report.source)
        if fetch is None:
            raise Rejected(f"{report.source} holds the value and there is no token to fetch it", remedy=f"set alerts.{report.source}.token")
        return await fetch(report.clues.held_by)

    async def _ask_the_fleet(self, report: Report) -> None:
        asked = Asked(report=report, clues=report.clues)
        match await self._sweep.since(report.reported_at):
            case Swept(accounts=accounts, hidden=()):
                asked = replace(asked, final=f"none of the {accounts} accounts in the settings has this key")
            case Swept(accounts=accounts, hidden=hidden):
                nobody = f"none of {accounts - len(hidden)} accounts has this key; of {_some(hidden)} the keys cannot be listed"
                asked = replace(asked, final=f"{nobody}; a person is to look", verdict=Verdict.NOTED)
            case NotYet(after=after, unseen=unseen):
                asked = replace(asked, again=after, told=f"the fleet is asked; still to answer: {_some(unseen)}")
        await self._say(asked)

    async def _look_first(self, report: Report) -> None:
        """A suspicion about an account that was never looked at: the look tells which value it is about."""
        attempts = await self._ledger.inbox.attempts(report)
        if attempts == 1 and report.credential in self._fleet.credentials:
            await self._ledger.work.wake(report.credential)
        unknown = f"a suspicion about {report.credential}, of which no active key is known; a person is to look"
        asked = Asked(report=report, clues=report.clues, verdict=Verdict.NOTED)
        await self._say(replace(asked, final=unknown) if attempts >= LOOKS_MAX else replace(asked, again=LOOKED_FOR_AGAIN))

    async def _say(self, asked: Asked) -> Report:
        """Judge it again, together with all that wait for the same: whoever comes first does it for those that have come meanwhile."""
        told: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self._asked.append((asked, told))
        async with self._judging:
            if not told.done():
                some, self._asked = self._asked[:JUDGED_AT_ONCE], self._asked[JUDGED_AT_ONCE:]
                await self._judge_all(some)
        return await told

    async def _judge_all(self, some: "list[tuple[Asked, asyncio.Future[Report]]]") -> None:
        limits, every = self._fleet.limits, list[Report]()
        try:
            every = await self._ledger.inbox.judge_again(
                [asked for asked, _ in some],
                self._registry().bench,
                per_hour_max=limits.compromises_per_hour,
                accounts_max=limits.accounts_per_alert,
            )
        finally:
            for _, told in some if not every else ():
                told.cancel()  # each of those tasks ends, and its report is given back
        for (_, told), judged in zip(some, every, strict=True):
            told.set_result(judged)
            if not judged.waits:
                facts = {"source": judged.source, "report": judged.id, "verdict": judged.verdict.value, "because": judged.because}
                self._fleet.world.watch("alert", **facts, credential=judged.credential, incident=judged.incident)

    # --- and its end ------------------------------------------------------------------------------------------------------

    async def _finish(self, report: Report) -> None:
        """Close the alert where it came from, with the evidence."""
        close = self._close.get(report.source)
        if close is None:
            raise Rejected(f"there is no token to close an alert of {report.source}", remedy=f"set alerts.{report.source}.token")
        alert = (report.source, report.source_id)
        if alert in self._closing:
            return await self._ledger.inbox.give_back(report, after=POLL, told="closed with another report of the same alert")
        self._closing.add(alert)
        try:
            await self._answer(report, close)
        finally:
            self._closing.discard(alert)
        return None

    async def _answer(self, report: Report, close: Close) -> None:
        cases, closings = await self._ledger.cases.of(report.credential), self._ledger.closings
        case = next((case for case in cases if case.id == report.incident), None)
        if case is not None and case.state not in PROVEN:
            return await closings.not_yet(report)
        if report.reopened and await closings.answered_again(report) >= ANSWERS_AGAIN_MAX:
            await closings.closed(report, "left", OPENED_AGAIN)
            return self._tell_it_stays_open(report, OPENED_AGAIN)
        how, told = await close(report, case)
        await closings.closed(report, how, told)
        self._fleet.world.watch("alert_closed", source=report.source, report=report.id, incident=report.incident, how=how, because=told)
        return None


PROVEN = (State.DEAD, State.CLOSED)
OPENED_AGAIN = "somebody opened it again after it was closed twice with the proof that the key is dead; whoever does that has to say why"
NOT_THE_SHAPE = "the index knows no such value, and it has not the shape of a key of ours"
NAMED_MAX = 5


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more
