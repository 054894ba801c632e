"""What the scenarios stand on: trouble that is written down instead of drawn, and a daemon that walks the corridor whenever it is due."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rotator.core.credential import Slot
from rotator.core.faults import Ambiguous, Fault
from rotator.core.incident import Alert, Incident
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed, fingerprint
from rotator.core.waiting import RECHECK
from rotator.engine.intake import intake
from rotator.engine.ports import HeldBy, Verdict
from rotator.engine.reconcile import Run, reconcile
from rotator.engine.stay import Stay
from tests.engine.world import START, Crash, Fate, MemoryWorld, Weather, credential_of

EVER = 1_000_000


@dataclass(slots=True)
class Rule:
    """The next `times` calls of this name meet `what`; `skips` of them go through first."""

    call: str
    what: Callable[[], "Fault | float | Fate | BaseException | None"]
    times: int = 1
    skips: int = 0
    after: bool = False


class Trouble(Weather):
    """Calm, but for what a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.rules: list[Rule] = []
        self.lags = {"old": 0.0, "new": 0.0}
        self.lists_lag_s = 0.0
        self.verdicts: dict[str, Verdict] = {}
        self.calls: list[str] = []

    def fails(self, call: str, fault: Fault, *, times: int = 1, skips: int = 0) -> None:
        self.rules.append(Rule(call, lambda: fault, times, skips))

    def hangs(self, call: str, seconds: float, *, times: int = 1) -> None:
        self.rules.append(Rule(call, lambda: seconds, times))

    def loses_the_answer(self, call: str, *, times: int = 1) -> None:
        self.rules.append(Rule(call, lambda: Fate(lost=Ambiguous(f"{call}: no answer")), times))

    def loses_the_effect(self, call: str) -> None:
        self.rules.append(Rule(call, lambda: Ambiguous(f"{call}: no answer")))

    def comes_late(self, call: str, seconds: float) -> None:
        self.rules.append(Rule(call, lambda: Fate(late_s=seconds)))

    def crashes(self, call: str, *, after: bool = False, skips: int = 0) -> None:
        self.rules.append(Rule(call, Crash, 1, skips, after))

    def then(self, call: str, act: Callable[[], Any], *, skips: int = 0) -> None:
        """Something else happens right before the next call of this name."""
        self.rules.append(Rule(call, act, 1, skips))

    def ends(self) -> None:
        self.rules.clear()

    async def before(self, worker: str, call: str) -> Fate:
        await asyncio.sleep(0)
        if worker == "door":
            return Fate()
        self.calls.append(call)
        match self._meets(call, after=False):
            case BaseException() as fault:
                raise fault
            case Fate() as fate:
                return fate
            case int() | float() as seconds:
                await asyncio.sleep(seconds)
        return Fate()

    async def after(self, worker: str, call: str) -> None:
        await asyncio.sleep(0)
        fault = self._meets(call, after=True)
        if isinstance(fault, BaseException):
            raise fault

    def _meets(self, call: str, *, after: bool) -> Any:
        rule = next((rule for rule in self.rules if rule.call == call and rule.times and rule.after is after), None)
        if rule is None:
            return None
        if rule.skips:
            rule.skips -= 1
            return None
        rule.times -= 1
        return rule.what()

    def keys_as_seen(self, worker: str) -> tuple[int, dict[Slot, str]]:
        return self.world.slots_at(self.world.now() - timedelta(seconds=self.lists_lag_s))

    def lag_s(self, what: str) -> float:
        return self.lags[what]

    def verdict(self, host: str, value: str) -> Verdict | None:
        return self.verdicts.get(host)


class Corridor:
    """One world, and a daemon that is started again when it dies."""

    def __init__(self, *, apps: int = 0, age: timedelta = timedelta(0), ours: bool = True, **policy: Any) -> None:
        short = {"cryptoperiod": timedelta(days=7), "overlap": timedelta(minutes=10), "grace": timedelta(minutes=5)}
        self.trouble = Trouble()
        self.world = MemoryWorld(credential_of(apps=apps, **{**short, **policy}), self.trouble, age=age, ours=ours)
        self.lives = 0
        self.runs: list[Run] = []

    @property
    def last(self) -> Run:
        return self.runs[-1]

    @property
    def steps(self) -> list[str]:
        """What was done with success, in order."""
        return [step.step for run in self.runs for step in run.steps if not step.failed]

    @property
    def minted(self) -> int:
        """How many regenerates reached Azure by a worker's hand."""
        return sum(key.by.startswith("w") for key in self.world.keys.values())

    def seconds(self) -> float:
        return (self.world.now() - START).total_seconds()

    async def walk(
        self,
        *,
        until: timedelta | None = None,
        known: tuple[Sealed, ...] = (),
        stay: Stay = Stay.THROUGH,
        retries_for: timedelta | None = None,
    ) -> Run:
        """One run in the foreground, as an operator's command does it."""
        world, name = self.world, f"w{self.lives}"
        ports = world.ports(name)
        lease = await ports.work.claim(world.credential.name)
        assert not isinstance(lease, HeldBy)
        limit = ports.clock.now() + until if until else None
        run = await reconcile(world.credential, ports, lease, until=limit, known=known, stay=stay, retries_for=retries_for)
        self.runs.append(run)
        await ports.work.finish(lease, again=min(getattr(run.decision, "until", world.now()), world.now() + RECHECK))
        return run

    async def live(self, length: timedelta, *, empties_the_ledger: bool = False) -> None:
        """The daemon, for so long. A crash kills the process; the next one starts at once."""
        end = self.world.now() + length
        while self.world.now() < end:
            await self._until_due(end)
            if self.world.now() >= end:
                return
            try:
                await self.walk()
            except Crash:
                self.world.kill(f"w{self.lives}")
                self.lives += 1
                if empties_the_ledger:
                    self.world.empty_the_ledger()

    async def live_no_longer(self, length: timedelta) -> None:
        """The same, and seen at that moment: a run that tries something again and again would go on for hours of its own."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(length.total_seconds()):
                await self.live(length)

    async def _until_due(self, end: Any) -> None:
        row = self.world.ledger.row
        due = min(row.due_at, end) if row else self.world.now()
        self.world.wake.clear()
        try:
            await asyncio.wait_for(self.world.wake.wait(), max((due - self.world.now()).total_seconds(), 0.01))
        except TimeoutError:
            return

    async def leak(self, value: str, mode: Mode | None = None, *, ago: timedelta = timedelta(0)) -> Incident:
        """Somebody reports `value`."""
        world = self.world
        alert = Alert(source="test", reported_at=world.now() - ago, fingerprint=fingerprint(value))
        return await intake(alert, world.credential, world.ports("door"), slot=world.slot_of(value), mode=mode)

    def case(self, incident: Incident) -> Incident:
        return self.world.ledger.cases[incident.id]

    def order(self) -> None:
        """The operator says `rotate --now`."""
        current = self.world.current_value
        assert current
        self.world.ledger.order(fingerprint(current), foreign=False)
