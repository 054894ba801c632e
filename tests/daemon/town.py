"""A fleet: one in-memory Azure for each credential behind one world's ports, and the daemon's own parts over a work table in memory."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from rotator.core.credential import Secret, Slot
from rotator.core.faults import Transient
from rotator.core.incident import Alert, Incident
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed, fingerprint
from rotator.core.snapshot import AccountView
from rotator.daemon.errand import Errands
from rotator.daemon.fleet import Fleet
from rotator.daemon.overdue import Overdue
from rotator.daemon.pulse import Pulse
from rotator.daemon.pump import Pump
from rotator.engine import ports
from rotator.engine.gate import Paced
from rotator.engine.intake import intake
from rotator.ledger.work import EMERGENCY, OPERATOR
from rotator.settings.limits import LimitSettings
from tests.daemon.memory_rows import MemoryLock, MemoryRows, MemoryWave
from tests.engine.corridor import Trouble
from tests.engine.world import HOSTS, START, Fate, MemoryWorld, credential_of

SHORT: dict[str, Any] = {"cryptoperiod": timedelta(days=7), "overlap": timedelta(minutes=10), "grace": timedelta(minutes=5)}
CALLS_OF_AZURE = ("issuer.", "vault.", "data_plane.", "recovery.", "kind.")


class Outside(Trouble):
    """What stands between the daemon and Azure: it can be away, and counts what is asked of it."""

    def __init__(self, town: "Town") -> None:
        super().__init__()
        self._town = town

    async def before(self, worker: str, call: str) -> Fate:
        if call.startswith(CALLS_OF_AZURE) and self._town.away:
            await asyncio.sleep(0)
            raise Transient(f"{call}: 503")
        return await super().before(worker, call)

    @property
    def asked(self) -> list[str]:
        """The calls that reached for Azure."""
        return [call for call in self.calls if call.startswith(CALLS_OF_AZURE)]


class Town:
    """So many credentials by age, and a daemon that may be started, stopped and started again."""

    def __init__(self, ages: Mapping[str, timedelta], *, limits: LimitSettings | None = None, **policy: Any) -> None:
        self.away = False
        self.skew = timedelta(0)
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.worlds = {name: self._world(name, age, policy) for name, age in ages.items()}
        self.lock, self.waves = MemoryLock(), MemoryWave()
        self.rows = MemoryRows(self.now, self.lock)
        self.limits = limits or LimitSettings()
        self.overdue = Overdue()
        self.begin()

    def _world(self, name: str, age: timedelta, policy: Mapping[str, Any]) -> MemoryWorld:
        return MemoryWorld(credential_of(name, **{**SHORT, **policy}), Outside(self), age=age)

    def begin(self) -> None:
        """A daemon as it is after a start: nothing remembered but what the ledger has."""
        credentials = {name: world.credential for name, world in self.worlds.items()}
        self.fleet = Fleet(credentials, self.limits, self.ports())
        self.errands = Errands(self.fleet, self.rows, self.waves, self.overdue, lambda: self.pump.stopping, random.Random(7))
        self.pump = Pump(
            self.rows, self.lock, self.errands.run, lambda: self.fleet.slots, self.fleet.world.clock, self.watch, Pulse(), random.Random(8)
        )

    # --- time and the log

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time()) + self.skew

    async def sleep(self, length: timedelta) -> None:
        await asyncio.sleep(max(length.total_seconds(), 0))

    def watch(self, event: str, **fields: Any) -> None:
        self.said.append((event, fields))

    def told(self, event: str) -> list[dict[str, Any]]:
        return [fields for said, fields in self.said if said == event]

    def published(self) -> list[str]:
        """Which credentials got a new value, in order."""
        return [fields["credential"] for fields in self.told("done") if fields["step"] == "publish"]

    # --- the daemon

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """The daemon serves while this lasts, and is stopped at the end."""
        await self.rows.enlist(list(self.fleet.credentials))
        serving = asyncio.create_task(self.pump.serve(lambda: self.fleet.limits.stop_within))
        try:
            yield
        finally:
            self.pump.stop()
            await serving
        assert [violation for world in self.worlds.values() for violation in world.oracle.violations] == []

    async def live(self, length: timedelta) -> None:
        async with self.living():
            await asyncio.sleep(length.total_seconds())

    async def once(self) -> None:
        await self.rows.enlist(list(self.fleet.credentials))
        await self.pump.serve(lambda: self.fleet.limits.stop_within, once=True)

    def asked(self, name: str) -> list[str]:
        """What was asked of Azure for one credential."""
        weather = self.worlds[name].weather
        assert isinstance(weather, Outside)
        return weather.asked

    def trouble(self, name: str) -> Trouble:
        weather = self.worlds[name].weather
        assert isinstance(weather, Trouble)
        return weather

    # --- what others do

    async def leak(self, name: str, mode: Mode = Mode.CUT) -> Incident:
        """The value in key1 is reported."""
        world = self.worlds[name]
        alert = Alert(source="test", reported_at=self.now(), fingerprint=fingerprint(world.slots[Slot.KEY1]))
        return await intake(alert, world.credential, self.ports("door"), slot=Slot.KEY1, mode=mode)

    async def order(self, name: str) -> None:
        world = self.worlds[name]
        assert world.current_value
        world.ledger.order(fingerprint(world.current_value), foreign=False)
        await self.rows.wake(name, priority=OPERATOR)

    # --- one world's ports over all of them

    def ports(self, worker: str = "daemon") -> ports.World:
        routed: Any = Routed(self, worker)
        return ports.World(
            clock=self,
            issuer=routed,
            data_plane=routed,
            vault=routed,
            recovery=routed,
            kinds={},
            work=routed,
            cases=routed,
            journal=routed,
            watch=self.watch,
            gate=Paced(self.waves, lambda: self.fleet.limits.wave.limits(), lambda: self.fleet.size, self),
        )


class Routed:
    """Each call to the world it is about, told by an account, a secret, a credential, a lease or a host."""

    def __init__(self, town: Town, worker: str) -> None:
        self._town, self._worker = town, worker
        self._ports = {name: world.ports(worker) for name, world in town.worlds.items()}

    def _at(self, what: Any) -> ports.World:
        match what:
            case Secret():
                return self._ports[what.name]
            case ports.Lease() | Incident():
                return self._ports[what.credential]
            case _:
                return self._ports[str(what).rpartition("/")[2]]

    async def account(self, account: str) -> AccountView:
        view = await self._at(account).issuer.account(account)
        name = account.rpartition("/")[2]
        return replace(view, endpoints=tuple(f"https://{name}/{number}" for number in range(len(HOSTS))))

    async def probe(self, account: AccountView, endpoint: str, value: Sealed) -> ports.Answer:
        name, _, number = endpoint.removeprefix("https://").partition("/")
        return await self._ports[name].data_plane.probe(account, HOSTS[int(number)], value)

    async def hold(self, lease: ports.Lease) -> None:
        await self._town.rows.hold(lease)
        world = self._town.worlds[lease.credential]
        (world.ledger.row or world.ledger.wake()).owner = self._worker  # the row of record is the town's; the oracle asks this one
        world.oracle.held(self._worker)

    async def woken(self, lease: ports.Lease) -> bool:
        return await self._town.rows.woken(lease)

    async def file(self, incident: Incident) -> Incident:
        case = await self._at(incident).cases.file(incident)
        await self._town.rows.wake(incident.credential, priority=EMERGENCY)
        return case

    async def look(self, secret: Secret) -> Any:
        return await self._at(secret).vault.look(secret)

    async def tag(self, secret: Secret, *said: Any, **more: Any) -> None:
        await self._at(secret).vault.tag(secret, *said, **more)

    async def index(self, credential: str, *said: Any) -> None:
        await self._at(credential).journal.index(credential, *said)

    def __getattr__(self, name: str) -> Any:
        """Every other verb: its first argument says whose it is."""
        port = {
            "keys": "issuer",
            "regenerate": "issuer",
            "switch_off_local_auth": "issuer",
            "recover": "recovery",
            "of": "cases",
            "save": "cases",
        }
        port |= dict.fromkeys(("glimpse", "read", "publish"), "vault") | dict.fromkeys(
            ("recall", "intend", "intended", "say_once", "remember", "outcome"), "journal"
        )

        async def call(about: Any, *said: Any, **more: Any) -> Any:
            return await getattr(getattr(self._at(about), port[name]), name)(about, *said, **more)

        return call


def ages(*days: float) -> dict[str, timedelta]:
    """Credentials c0, c1, … whose values are so many days old."""
    return {f"c{number}": timedelta(days=age) for number, age in enumerate(days)}


def limits(**changes: Any) -> LimitSettings:
    """Limits of a test: no spread, unless it says otherwise."""
    return LimitSettings.model_validate({"spread": "0%", **changes})


def order_of(town: Town, among: Sequence[str]) -> list[str]:
    return [name for name in town.published() if name in among]
