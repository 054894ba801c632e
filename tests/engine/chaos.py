"""Weather drawn by a seed: faults, lost answers, crashes, old looks, persons and attackers, at every await point.

Each seed draws which kinds of trouble it has at all, so that some are seen alone and some together.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.credential import Slot
from rotator.core.faults import Ambiguous, Conflict, Denied, Fault, Missing, Rejected, Throttled, Transient
from rotator.core.incident import Alert
from rotator.core.policy import Mode
from rotator.core.retry import EMERGENCY_WAIT
from rotator.core.sealed import fingerprint
from rotator.core.waiting import RECHECK
from rotator.engine.intake import intake
from rotator.engine.ports import Verdict
from tests.engine.oracle import SKEW_MAX
from tests.engine.world import App, Crash, Entry, Fate, Weather

MUTATING = ("issuer.regenerate", "issuer.switch_off", "vault.publish", "vault.tag", "recovery.recover", "kind.deliver")
OUTSIDE = (*MUTATING, "issuer.account", "issuer.keys", "vault.look", "vault.read", "kind.adoption", "data_plane.probe")
REQUEST_TIMEOUT_S = 15
ACTS_MAX = 20
CRASHES_MAX = 8


@dataclass(frozen=True, slots=True)
class Phase:
    """A time in which calls whose name begins so fail in one way."""

    calls: str
    until: datetime
    fault: Callable[[datetime], Fault]


TROUBLES = (
    "faults",
    "phases",
    "lost answers",
    "lost effects",
    "late effects",
    "crashes",
    "emptied ledgers",
    "old lists",
    "old vault",
    "slow",
    "hangs",
    "gateways",
    "firewall",
    "portal",
    "secret set",
    "secret gone",
    "leaks",
    "orders",
    "thieves",
    "clocks",
    "flaps",
    "vanishing",
    "rollbacks",
    "haste",
)


class Chaos(Weather):
    """The drawn weather. `calm` ends it: nothing fails any more, and what was to come late has come."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.troubles = {trouble for trouble in TROUBLES if self.chance.random() < 0.45}
        self.rate = self.chance.choice([0.01, 0.03, 0.08])
        self.calm = False
        self.phases: list[Phase] = []
        self.keys_frozen: tuple[datetime, int, dict[Slot, str]] | None = None
        self.lists_lag: tuple[datetime, timedelta] | None = None
        self.vault_frozen: tuple[datetime, int, tuple[Entry, ...]] | None = None
        self.bars: dict[str, datetime] = {}
        self.acts, self.crashes = 0, 0
        self.away: list[App] = []
        self.tasks: set[asyncio.Task[object]] = set()

    def has(self, trouble: str, rate: float = 1.0) -> bool:
        return trouble in self.troubles and not self.calm and self.chance.random() < self.rate * rate

    # --- a call

    async def before(self, worker: str, call: str) -> Fate:
        if self.calm or worker == "door":
            await asyncio.sleep(0)
            return Fate()
        await self._pass_time(call)
        if self.has("crashes", 0.15) and self.crashes < CRASHES_MAX:
            self._crash(worker, f"before {call}")
        if self.chance.random() < 0.1 * self.rate:
            self.somebody_acts()
        if call not in OUTSIDE:
            return Fate()
        self._refuse(call)
        return self._fate(worker, call)

    async def after(self, worker: str, call: str) -> None:
        await asyncio.sleep(0)
        if call == "issuer.regenerate" and worker != "door" and self.has("haste", 10) and self.acts < ACTS_MAX:
            self.acts += 1
            self._leak_what_is_new()
        if worker != "door" and self.has("crashes", 0.3 if call in MUTATING else 0.05) and self.crashes < CRASHES_MAX:
            self._crash(worker, f"after {call}")

    async def _pass_time(self, call: str) -> None:
        seconds = 0.0
        if call in OUTSIDE and "slow" in self.troubles:
            seconds = self.chance.choice([0, 0, 0.01, 0.2, 1.5])
        if call in OUTSIDE and not call.startswith("issuer") and self.has("hangs", 0.5):
            seconds = self.chance.uniform(1, REQUEST_TIMEOUT_S) if call in (*MUTATING, "data_plane.probe") else self.chance.uniform(5, 200)
            self.world.say("weather", f"{call} hangs for {seconds:.0f} s")
        if call.startswith("issuer"):
            self.world.oracle.obstructed(timedelta(seconds=seconds))
        await asyncio.sleep(seconds)

    def _crash(self, worker: str, where: str) -> None:
        self.crashes += 1
        self.world.oracle.lost_answer("issuer.regenerate")
        self.world.say(worker, f"CRASH   {where}")
        self.world.dead.add(worker)
        raise Crash

    def _refuse(self, call: str) -> None:
        now = self.world.now()
        for phase in self.phases:
            if now < phase.until and call.startswith(phase.calls):
                self._raise(call, phase.fault(now))
        if self.has("faults"):
            self._raise(call, self._fault(now))
        if self.has("phases", 0.15):
            self._new_phase(now)

    def _raise(self, call: str, fault: Fault) -> None:
        if call == "data_plane.probe":
            return
        self.world.say("weather", f"{call} fails: {type(fault).__name__}")
        self._blame(call, fault)
        raise fault

    def _blame(self, call: str, fault: Fault) -> None:
        """What keeps a worker from killing: for how long it may wait after this fault."""
        if not call.startswith("issuer"):
            return
        match fault:
            case Throttled(until=until):
                self.world.oracle.obstructed(until - self.world.now() + EMERGENCY_WAIT)
            case Denied() | Missing() | Rejected():
                self.world.oracle.obstructed(RECHECK + EMERGENCY_WAIT)
            case _:
                self.world.oracle.obstructed(EMERGENCY_WAIT * 1.5)

    def _fault(self, now: datetime) -> Fault:
        seconds = self.chance.choice([1, 5, 40])
        faults: list[Fault] = [Transient("503"), Conflict("409"), Throttled("429", until=now + timedelta(seconds=seconds)), Denied("403")]
        return self.chance.choice(faults)

    def _new_phase(self, now: datetime, calls: str = "") -> None:
        calls = calls or self.chance.choice(
            ["issuer", "issuer.keys", "issuer.regenerate", "vault", "vault.publish", "vault.look", "kind", "kind.deliver"]
        )
        kinds: list[Callable[[datetime], Fault]] = [
            lambda now: Transient("503"),
            lambda now: Denied("403", remedy="grant it"),
            lambda now: Conflict("409"),
            lambda now: Throttled("429", until=now + timedelta(seconds=3)),
        ]
        phase = Phase(calls, now + timedelta(seconds=self.chance.choice([10, 60, 400])), self.chance.choice(kinds))
        self.phases.append(phase)
        self.world.say("weather", f"{calls} fails until {phase.until:%H:%M:%S}")

    def _fate(self, worker: str, call: str) -> Fate:
        if call not in MUTATING:
            return Fate()
        ambiguous = Ambiguous(f"{call}: no answer")
        if self.has("lost effects", 2):
            self._blame(call, ambiguous)
            self.world.say("weather", f"{call}: never arrives, and no answer")
            raise ambiguous
        if self.has("late effects", 2):
            self._blame(call, ambiguous)
            self.world.say("weather", f"{call}: arrives late")
            if self.has("crashes", 5) and self.crashes < CRASHES_MAX:
                self.world.dead.add(worker)
                self.crashes += 1
            return Fate(late_s=self.chance.uniform(0.05, 0.9))
        if self.has("lost answers", 3):
            self._blame(call, ambiguous)
            if call == "issuer.regenerate" and "old lists" in self.troubles:
                lag = timedelta(seconds=self.chance.choice([1, 4, 10]))
                self.lists_lag = (self.world.now() + timedelta(minutes=1), lag)
                self.world.say("weather", f"listKeys lags by {lag.total_seconds():.0f} s for a minute")
            return Fate(lost=self.chance.choice([ambiguous, ambiguous, Transient(f"{call}: 503")]))
        return Fate()

    # --- what is seen

    def keys_as_seen(self, worker: str) -> tuple[int, dict[Slot, str]]:
        now, seen = self.world.now(), (self.world.act, dict(self.world.slots))
        if worker == "door" or self.calm:
            return seen
        if self.lists_lag and now < self.lists_lag[0]:
            act, slots = self.world.slots_at(now - self.lists_lag[1])
            if slots != self.world.slots:
                self.world.oracle.obstructed(EMERGENCY_WAIT)
                self.world.say(worker, f"listKeys shows what was: {list(slots.values())}")
            return act, slots
        if self.keys_frozen is None and self.has("old lists"):
            self.keys_frozen = (now + timedelta(seconds=self.chance.choice([2, 20, 60])), *seen)
        if self.keys_frozen and now >= self.keys_frozen[0]:
            self.keys_frozen = None
        if self.keys_frozen and self.chance.random() < 0.7:
            _, act, slots = self.keys_frozen
            if slots != self.world.slots:
                self.world.oracle.obstructed(EMERGENCY_WAIT)
                self.world.say(worker, f"listKeys shows what was: {list(slots.values())}")
            return act, dict(slots)
        return seen

    def vault_as_seen(self, worker: str) -> tuple[int, tuple[Entry, ...]]:
        now, seen = self.world.now(), (self.world.act, tuple(self.world.entries))
        if worker == "door" or self.calm or self.world.deleted:
            return seen
        if self.vault_frozen is None and self.has("old vault"):
            self.vault_frozen = (now + timedelta(seconds=self.chance.choice([2, 20, 60])), *seen)
        if self.vault_frozen and now >= self.vault_frozen[0]:
            self.vault_frozen = None
        if self.vault_frozen and self.chance.random() < 0.7:
            if self.vault_frozen[2] != seen[1]:
                self.world.say(worker, f"the vault shows what was: {len(self.vault_frozen[2])} of {len(seen[1])} versions")
            return self.vault_frozen[1], self.vault_frozen[2]
        return seen

    def verdict(self, host: str, value: str) -> Verdict | None:
        now = self.world.now()
        if self.calm:
            return None
        if self.has("firewall", 0.3):
            self.bars[host] = now + timedelta(seconds=self.chance.choice([5, 60, 300]))
        if now < self.bars.get(host, now):
            return self.chance.choice([Verdict.BARRED, Verdict.INCONCLUSIVE, Verdict.BARRED])
        if self.has("firewall"):
            return Verdict.REFUSED  # a gateway that is wrong about every key: only a control tells
        return Verdict.INCONCLUSIVE if self.has("faults") else None

    def lag_s(self, what: str) -> float:
        if "gateways" not in self.troubles:
            return 0.0
        return self.chance.choice([0, 0.3, 4, 30] if what == "new" else [0, 2, 60, 1200])

    # --- what others do

    def somebody_acts(self) -> None:
        """One act of a person, an attacker, or chance, here and now."""
        acts: list[tuple[str, Callable[[], None]]] = [
            ("portal", self._portal),
            ("secret set", self._secret_set),
            ("secret gone", self._secret_gone),
            ("leaks", self._leak),
            ("leaks", self._leak),
            ("orders", self._order),
            ("rollbacks", self._go_back),
            ("thieves", self._steal),
            ("clocks", self._clock),
            ("flaps", self._flap),
            ("vanishing", self._vanish),
        ]
        possible = [act for trouble, act in acts if trouble in self.troubles]
        if possible and self.acts < ACTS_MAX and not self.calm:
            self.acts += 1
            self.chance.choice(possible)()

    def _portal(self) -> None:
        slots = self.chance.choice([[Slot.KEY1], [Slot.KEY2], [Slot.KEY1, Slot.KEY2]])
        for slot in slots:
            self.world.person_regenerates(slot)

    def _secret_set(self) -> None:
        world, current = self.world, self.world.current
        dead = [key.value for key in world.keys.values() if key.replaced]
        text = self.chance.choice([*world.slots.values(), "rubbish", "rubbish", "rubbish", *self.chance.sample(dead, min(len(dead), 1))])
        tags = dict(current.tags) if current and self.chance.random() < 0.3 else {"owner": "a team"}
        world.person_sets(text, tags=tags)

    def _secret_gone(self) -> None:
        act = self.chance.choice(["disable", "delete", "purge"])
        if act == "disable":
            self.world.person_disables_current()
        else:
            self.world.person_deletes_secret(purge=act == "purge")

    def _leak(self) -> None:
        world = self.world
        old = [key.value for key in world.keys.values() if key.replaced]
        values = [*world.slots.values(), *filter(None, [world.current_value] * 4), *self.chance.sample(old, min(len(old), 1))]
        value = self.chance.choice([value for value in values if value in world.keys])
        mode = self.chance.choice([Mode.DRAIN, Mode.DRAIN, Mode.DRAIN, Mode.CUT, Mode.CUT, Mode.CONTAIN, None])
        at = world.now() - timedelta(seconds=self.chance.choice([0, 0, 30]))
        self._report(value, mode, at)
        if "phases" in self.troubles and self.chance.random() < 0.4:
            self._new_phase(world.now(), self.chance.choice(["vault", "vault.publish", "kind", "kind.deliver"]))

    def _report(self, value: str, mode: Mode | None, at: datetime) -> None:
        world = self.world
        alert = Alert(source="attacker", reported_at=at, fingerprint=fingerprint(value))
        errand = intake(alert, world.credential, world.ports("door"), slot=world.slot_of(value), mode=mode)
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(errand)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _leak_what_is_new(self) -> None:
        """What was minted a moment ago leaks, while lists may still show what was, or what a person did since."""
        world = self.world
        newest = max((world.keys[value] for value in world.slots.values()), key=lambda key: key.minted)
        if "portal" in self.troubles and self.chance.random() < 0.5:
            world.person_regenerates(self.chance.choice(list(Slot)))
        self._report(newest.value, self.chance.choice([Mode.CUT, Mode.DRAIN, Mode.CONTAIN]), world.now())

    def _order(self) -> None:
        value = self.world.current_value
        if value:
            self.world.say("operator", f"rotate --now: {value} away")
            self.world.ledger.order(fingerprint(value), foreign=False)

    def _go_back(self) -> None:
        """An operator asks for the value before, whether that may be or not."""
        world, new = self.world, self.world.current_value
        slot = world.slot_of(new) if new else None
        if new and slot:
            old = world.slots[slot.other]
            world.say("operator", f"rollback: {old} in the place of {new}")
            world.oracle.going_back(old)
            world.ledger.order_back(fingerprint(old), instead_of=fingerprint(new))

    def _steal(self) -> None:
        """A worker's lock is gone, and the worker does not know: another may claim. Never between its look at the lease and its effect."""
        row = self.world.ledger.row
        if row and row.owner and not self.world.oracle.of(row.owner).busy:
            self.world.say("thief", f"takes the lease of {row.owner}")
            self.world.oracle.obstructed(EMERGENCY_WAIT)
            row.owner = row.token = None
            row.due_at = self.world.now()
            self.world.wake.set()

    def _clock(self) -> None:
        worker = self.chance.choice(list(self.world.oracle.known) or ["w0"])
        self.world.skew[worker] = self.skew()
        self.world.say("clock", f"{worker} is off by {self.world.skew[worker].total_seconds():.1f} s")

    def skew(self) -> timedelta:
        return SKEW_MAX * self.chance.uniform(-1, 1) / 2 if "clocks" in self.troubles else timedelta(0)

    def _flap(self) -> None:
        apps = list(self.world.apps.values())
        given = [entry.text for entry in self.world.entries]
        if apps and given:
            app = self.chance.choice(apps)
            self.world.person_reverts_app(app, self.chance.choice(given))
            app.delivered = app.running

    def _vanish(self) -> None:
        for name, app in list(self.world.apps.items())[:1]:
            self.away.append(app)
            self.world.by_hand(f"removes {name} for a while")
            del self.world.apps[name]
            self.world._later(self.chance.uniform(10, 300), self.world.apps.__setitem__, name, app)

    def draw_apps(self, apps: Iterable[App]) -> None:
        for app in apps:
            kind = self.chance.choice(["good", "slow", "pulls", "mute", "lies", "deaf", "deaf", "deaf"])
            app.lag_s = self.chance.choice([0.0, 1.0, 45.0]) if kind != "good" else 0.0
            app.pulls, app.mute, app.lies, app.deaf = kind == "pulls", kind == "mute", kind == "lies", kind == "deaf"

    def end(self) -> None:
        """Calm from now on: nobody acts, nothing fails, and what was wrong with the dependents is repaired."""
        self.calm = True
        self.phases.clear()
        for app in [*self.world.apps.values(), *self.away]:
            app.deaf = app.lies = False
        self.world.oracle.obstructed(timedelta(minutes=1))
        self.world.say("weather", "CALM FROM NOW ON")
