"""Planner and engine against one Azure in memory, in weather drawn by a seed.

After the weather comes calm; then the world must be as DESIGN.md's invariants say, and at no effect before may one of them be broken.
A failing seed prints what happened and how to see it again.
"""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.faults import LeaseLost
from rotator.core.policy import Mode, Unprovable
from rotator.core.rules.local_auth import OFF
from rotator.core.step import Quiet, Wait
from rotator.core.waiting import RECHECK
from rotator.engine.ports import HeldBy, World
from rotator.engine.reconcile import Run, reconcile
from tests.engine.chaos import Chaos
from tests.engine.oracle import Violation
from tests.engine.virtual_time import VirtualLoop
from tests.engine.world import Crash, MemoryWorld, credential_of

CALM_MAX = timedelta(hours=8)
TRACE_LINES = 400


def test_any_weather_ends_well(seed: int) -> None:
    failure, trace = simulate(seed)
    if failure:
        shown = "\n".join(trace[-TRACE_LINES:])
        pytest.fail(f"{shown}\n\n{failure}\nreplay: pytest tests/engine/test_simulation.py --seed {seed}", pytrace=False)


def simulate(seed: int) -> tuple[str, list[str]]:
    """One seed from chaos to calm: what was violated, if anything, and the trace."""
    loop = VirtualLoop()
    loop.set_exception_handler(lambda loop, context: None)
    try:
        return loop.run_until_complete(_Simulation(seed).run())
    finally:
        loop.close()


class _Simulation:
    def __init__(self, seed: int) -> None:
        self.chaos = Chaos(seed)
        self.chance = self.chaos.chance
        self.last: Run | None = None

    async def run(self) -> tuple[str, list[str]]:
        self.world = self._world()
        for line in (f"troubles: {sorted(self.chaos.troubles)} at {self.chaos.rate}", f"policy: {self.world.credential.policy}"):
            self.world.say("-", line)
        workers = [asyncio.create_task(self._worker(number)) for number in range(self.chance.choice([1, 1, 2]))]
        try:
            await self._chaos(workers)
            await self._calm(workers)
            self.world.oracle.settled()
        except Violation as violation:
            return str(violation), self.world.trace
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"{type(error).__name__}: {error}", self.world.trace
        finally:
            for task in workers:
                task.cancel()
        return next(iter(self.world.oracle.violations), ""), self.world.trace

    def _world(self) -> MemoryWorld:
        chance = self.chance
        credential = credential_of(
            apps=chance.choice([0, 1, 2, 5]),
            pause=timedelta(seconds=chance.choice([0, 20])),
            cryptoperiod=timedelta(hours=20),
            overlap=timedelta(minutes=chance.choice([0, 1, 10, 30])),
            grace=timedelta(minutes=chance.choice([0, 1, 5])),
            drain_deadline=timedelta(seconds=chance.choice([30, 120])),
            on_compromise=chance.choice([Mode.DRAIN, Mode.CUT]),
            unprovable=chance.choice([Unprovable.REFUSE, Unprovable.REFUSE, Unprovable.ACCEPT]),
        )
        dependents = tuple(replace(one, stage=chance.choice([1, 1, 2]), canary=chance.random() < 0.2) for one in credential.dependents)
        credential = replace(credential, dependents=dependents)
        age, ours = timedelta(hours=chance.choice([0, 21])), chance.random() < 0.6
        world = MemoryWorld(credential, self.chaos, age=age, ours=ours)
        world.regenerates_when_off = chance.random() < 0.5
        world.provable = chance.random() < 0.93
        self.chaos.draw_apps(world.apps.values())
        return world

    # --- chaos, then calm

    async def _chaos(self, workers: list["asyncio.Task[None]"]) -> None:
        end = self.world.now() + timedelta(minutes=self.chance.choice([2, 8, 30]))
        while self.world.now() < end:
            await self._pass(workers, timedelta(seconds=self.chance.choice([1, 10, 60])))
            self.chaos.somebody_acts()

    async def _calm(self, workers: list["asyncio.Task[None]"]) -> None:
        self.chaos.end()
        world, end = self.world, self.world.now() + CALM_MAX
        self.last = None
        world.ledger.wake()
        if not world.local_auth and self.chance.random() < 0.7:
            world.by_hand("switches local auth on again")
            world.local_auth = True
            world.oracle.obstructed(timedelta(minutes=1))
            world.ledger.wake()
        while world.now() < end and not self._is_quiet():
            await self._pass(workers, timedelta(minutes=1))
            self._help()
        if not self._is_quiet():
            decision = self.last.decision if self.last else None
            world.oracle.violated(4, f"no end after {CALM_MAX} of calm; the last decision: {decision}")

    async def _pass(self, workers: list["asyncio.Task[None]"], length: timedelta) -> None:
        await asyncio.wait(workers, timeout=length.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        for task in workers:
            if task.done():
                task.result()
        if self.world.oracle.violations:
            raise Violation(self.world.oracle.violations[0])

    def _is_quiet(self) -> bool:
        row, last = self.world.ledger.row, self.last
        at_rest = row is not None and row.owner is None and row.due_at > self.world.now() + RECHECK / 3
        if last is None or not at_rest:
            return False
        refused = isinstance(last.decision, Wait) and last.decision.phase == "unprovable" and not self.world.provable
        switched_off = isinstance(last.decision, Wait) and last.decision.phase == OFF and not self.world.local_auth
        return isinstance(last.decision, Quiet) or refused or switched_off

    def _help(self) -> None:
        """The operator does what a decision asks of a person."""
        decision, current, row = self.last.decision if self.last else None, self.world.current, self.world.ledger.row
        asked = isinstance(decision, Wait) and decision.phase == "foreign"
        if asked and current and row and (row.order is None or row.order.value != current.id):
            self.world.say("operator", "rotate --replace-foreign")
            self.world.ledger.order(current.id, foreign=True)

    # --- a worker's process

    async def _worker(self, number: int) -> None:
        life = 0
        while True:
            name = f"w{number}.{life}"
            self.world.skew[name] = self.chaos.skew()
            try:
                await self._serve(name, self.world.ports(name))
            except Crash:
                life += 1
                self.world.kill(name)
                self._perhaps_empty_the_ledger()
                pause = self.chance.choice([0, 0, 0.3, 5, 60]) if not self.chaos.calm else 0
                self.world.oracle.obstructed(timedelta(seconds=pause + 5))
                await asyncio.sleep(pause)

    def _perhaps_empty_the_ledger(self) -> None:
        """With the file every worker that has it open is gone. No old look outlives it: nobody could tell then what is old."""
        if "emptied ledgers" in self.chaos.troubles and not self.chaos.calm and self.chance.random() < 0.5:
            for worker in self.world.oracle.known:
                self.world.dead.add(worker)
            self.chaos.keys_frozen = self.chaos.vault_frozen = None
            self.world.empty_the_ledger()

    async def _serve(self, name: str, ports: World) -> None:
        while True:
            await self._until_due()
            lease = await ports.work.claim(self.world.credential.name)
            if isinstance(lease, HeldBy):
                await asyncio.sleep(1)
                continue
            until = self.chance.choice([None, None, ports.clock.now() + timedelta(seconds=self.chance.uniform(1, 60))])
            chance = random.Random(self.chance.getrandbits(64))
            try:
                run = await reconcile(self.world.credential, ports, lease, until=until, chance=chance)
            except LeaseLost as lost:
                self.world.say(name, f"stops: {lost}")
                continue
            self.last = run
            again = getattr(run.decision, "until", ports.clock.now())
            await ports.work.finish(lease, again=min(again, ports.clock.now() + RECHECK))

    async def _until_due(self) -> None:
        while (row := self.world.ledger.row) is not None and (left := row.due_at - self.world.now()) > timedelta(0):
            self.world.wake.clear()
            try:
                await asyncio.wait_for(self.world.wake.wait(), left.total_seconds())
            except TimeoutError:
                return
        await asyncio.sleep(0.05)
