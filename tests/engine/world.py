"""One Azure in memory behind every port: an account with two slots, its data plane, a vault, dependents and the ledger.

It keeps the truth, and hands each worker what that worker is allowed to see: late, old, or a fault, as the weather has it. Whatever a
worker changes goes past the oracle, which knows the invariants. It imitates Azure where Azure is awkward: versions are listed by id,
`created` has whole seconds, a tag PATCH replaces all tags, a gateway accepts an old key for a while and a new one late.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar

from rotator.core.credential import (
    TAG_ACCOUNT,
    TAG_FINGERPRINT,
    TAG_OPERATION,
    TAG_REASON,
    TAG_RETIRED,
    TAG_SLOT,
    Credential,
    Dependent,
    Secret,
    Slot,
    Version,
)
from rotator.core.faults import Ambiguous, Conflict, Fault, Missing, Rejected
from rotator.core.incident import Incident
from rotator.core.sealed import Fingerprint, Sealed, fingerprint
from rotator.core.settle import Intent
from rotator.core.snapshot import AccountView, Adoption, Current, DependentView, Kept, KeyMemory, Memory, SecretView
from rotator.core.step import Do
from rotator.engine import ports
from rotator.engine.ports import Answer, Edition, Glimpse, HeldBy, Lease, Placed, Published, SecretLook, Verdict
from tests.engine.memory_ledger import MemoryLedger
from tests.engine.oracle import Oracle

T = TypeVar("T")

START = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
HOSTS = ("https://account.example", "https://account.region.example")


class Crash(BaseException):
    """The process is gone: nothing in it may catch this."""


# --- the truth ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Key:
    """One value that a slot ever held. Each host accepts it from a time on, and stops some time after it was replaced."""

    value: str
    slot: Slot
    by: str
    minted: datetime
    accepted_from: dict[str, datetime]
    replaced: datetime | None = None
    accepted_until: dict[str, datetime] = field(default_factory=dict)

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One version in the vault. `made` is its place in the vault's history, which no reader is told."""

    id: str
    text: str
    made: int
    by: str
    created: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    content_type: str | None = None


@dataclass(slots=True)
class App:
    """A dependent: what it runs on, and what it says of that. `lies` says Proven whatever it runs on; `mute` can only claim."""

    name: str
    running: str
    lag_s: float = 0.0
    pulls: bool = False
    lies: bool = False
    mute: bool = False
    deaf: bool = False
    delivered: str = ""
    deliveries: int = 0
    heard: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one call: its effect comes `late_s` after the answer was lost, or its answer is `lost`."""

    late_s: float | None = None
    lost: Fault | None = None


class Weather:
    """Calm. Before a call it may raise (no effect), wait, or let something else happen; after it, only the answer can be lost."""

    def __init__(self) -> None:
        self.world: MemoryWorld

    async def before(self, worker: str, call: str) -> Fate:
        await asyncio.sleep(0)
        return Fate()

    async def after(self, worker: str, call: str) -> None:
        await asyncio.sleep(0)

    def keys_as_seen(self, worker: str) -> tuple[int, dict[Slot, str]]:
        return self.world.act, dict(self.world.slots)

    def vault_as_seen(self, worker: str) -> tuple[int, tuple[Entry, ...]]:
        return self.world.act, tuple(self.world.entries)

    def verdict(self, host: str, value: str) -> Verdict | None:
        return None

    def lag_s(self, what: str) -> float:
        return 0.0


class MemoryWorld:
    """The truth, the acts of persons, and `ports(worker)`: everything that one worker can see and do."""

    def __init__(self, credential: Credential, weather: Weather | None = None, *, age: timedelta = timedelta(0), ours: bool = True) -> None:
        self.credential = credential
        self.weather = weather or Weather()
        self.weather.world = self
        self.trace: list[str] = []
        self.act, self.made = 0, 0
        self.kind, self.provable = "OpenAI", True
        self.local_auth, self.regenerates_when_off, self.gone = True, True, False
        self.skew: dict[str, timedelta] = {}
        self.dead: set[str] = set()
        self.wake = asyncio.Event()
        self.keys: dict[str, Key] = {}
        self.slots: dict[Slot, str] = {}
        self.slots_were: list[tuple[datetime, int, dict[Slot, str]]] = []
        self.entries: list[Entry] = []
        self.deleted = False
        self.apps: dict[str, App] = {}
        self.oracle = Oracle(self)
        self.ledger = self.new_ledger()
        for slot in Slot:
            self._mint(slot, "azure")
        for key in self.keys.values():
            key.accepted_from = dict.fromkeys(HOSTS, START - timedelta(days=400))
        tags = self._tags(Slot.KEY1) if ours else {}
        self.set_secret(self.slots[Slot.KEY1], by="setup", tags=tags, created=self.now() - age)
        for dependent in credential.dependents:
            self.apps[dependent.name] = App(name=dependent.name, running=self.slots[Slot.KEY1])
        self.act += 1

    # --- time, trace

    def now(self, worker: str = "") -> datetime:
        try:
            passed = asyncio.get_running_loop().time()
        except RuntimeError:
            passed = 0.0
        return START + timedelta(seconds=passed) + self.skew.get(worker, timedelta(0))

    def say(self, who: str, text: str) -> None:
        self.trace.append(f"{(self.now() - START).total_seconds():11.3f}  {who:<10} {text}")

    def name(self, value: str | Fingerprint) -> str:
        """A value in the words of the trace."""
        known = next((key for key in self.keys.values() if value in (key.value, key.fingerprint)), None)
        return known.value if known else str(value)

    # --- what is so

    @property
    def current(self) -> Entry | None:
        """What a reader without a version gets."""
        return max(self.entries, key=lambda entry: entry.made, default=None) if not self.deleted else None

    @property
    def current_value(self) -> str | None:
        entry = self.current
        return self.credential.template.extract(entry.text) if entry and entry.enabled else None

    def slots_at(self, then: datetime) -> tuple[int, dict[Slot, str]]:
        """What a list that lags shows: the slots as they were `then`, with the number of the last act before it."""
        later = next(((act, slots) for at, act, slots in self.slots_were if at > then and len(slots) == len(Slot)), None)
        return later or (self.act, dict(self.slots))

    def slot_of(self, value: str) -> Slot | None:
        return next((slot for slot, held in self.slots.items() if held == value), None)

    def key_of(self, value: Fingerprint) -> Key | None:
        return next((key for key in self.keys.values() if key.fingerprint == value), None)

    def accepts(self, host: str, value: str, at: datetime) -> bool:
        key = self.keys.get(value)
        if key is None or at < key.accepted_from[host]:
            return False
        return key.replaced is None or at < key.accepted_until[host]

    def refused_everywhere(self, value: str) -> bool:
        return not any(self.accepts(host, value, self.now()) for host in HOSTS)

    # --- what changes

    def _mint(self, slot: Slot, by: str) -> Key:
        now = self.now()
        old = self.keys.get(self.slots.get(slot, ""))
        if old:
            old.replaced = now
            ends = {host: now + timedelta(seconds=self.weather.lag_s("old")) for host in HOSTS}
            old.accepted_until = {host: ends[host] if old.accepted_from[host] <= now else now for host in HOSTS}
        born = {host: now + timedelta(seconds=self.weather.lag_s("new")) for host in HOSTS}
        key = Key(value=f"value-{len(self.keys) + 1}-{slot.value}", slot=slot, by=by, minted=now, accepted_from=born)
        self.keys[key.value] = key
        self.slots_were.append((now, self.act, dict(self.slots)))
        self.slots[slot] = key.value
        self.say(by, f"AZURE   {slot} now holds {key.value}" + (f", {old.value} is replaced" if old else ""))
        if old:
            self.oracle.replaced(old)
        return key

    def set_secret(
        self, text: str, *, by: str, tags: Mapping[str, str] | None = None, created: datetime | None = None, content_type: str | None = None
    ) -> Entry:
        self.made += 1
        number = self.made
        identity = sha256(f"{number} {text}".encode()).hexdigest()[:32]
        whole_second = (created or self.now()).replace(microsecond=0)
        entry = Entry(id=identity, text=text, made=number, by=by, created=whole_second, tags=dict(tags or {}), content_type=content_type)
        self.entries.append(entry)
        self.say(by, f"VAULT   version {identity[:6]} holds {text}, tagged {self._short(entry.tags)}")
        for app in self.apps.values():
            if app.pulls:
                self._later(app.lag_s, self._pull, app)
        return entry

    def _pull(self, app: App) -> None:
        value = self.current_value
        if value:
            app.running = value
            self.say(app.name, f"pulled {value}")

    def _later(self, seconds: float, what: Callable[..., None], *arguments: Any) -> None:
        asyncio.get_running_loop().call_later(seconds, what, *arguments)

    def _change(self, identity: str, **changes: Any) -> None:
        self.entries = [replace(entry, **changes) if entry.id == identity else entry for entry in self.entries]

    def _tags(self, slot: Slot) -> dict[str, str]:
        return {TAG_FINGERPRINT: fingerprint(self.slots[slot]), TAG_ACCOUNT: self.credential.account, TAG_SLOT: slot.value}

    def _short(self, tags: Mapping[str, str]) -> str:
        value = tags.get(TAG_FINGERPRINT)
        return "-" if not value else f"{self.name(value)}/{tags.get(TAG_REASON, '?')}{'/retired' if TAG_RETIRED in tags else ''}"

    # --- what persons do

    def by_hand(self, what: str) -> None:
        """Something outside changed: whoever looked before it may be wrong, once."""
        self.act += 1
        self.oracle.outside_act(what)

    def person_regenerates(self, slot: Slot) -> None:
        self.by_hand(f"regenerates {slot} in the portal")
        self._mint(slot, "person")

    def person_sets(self, text: str, *, tags: Mapping[str, str] | None = None) -> Entry:
        self.by_hand(f"sets the secret to {text}")
        self.deleted = False
        return self.set_secret(text, by="person", tags=tags)

    def person_disables_current(self) -> None:
        if self.current:
            self.by_hand("disables the current version")
            self._change(self.current.id, enabled=False)

    def person_deletes_secret(self, *, purge: bool = False) -> None:
        self.by_hand("purges the secret" if purge else "soft-deletes the secret")
        self.deleted = not purge
        self.entries = [] if purge else self.entries
        if purge:
            self.oracle.purged()

    def person_reverts_app(self, app: App, value: str) -> None:
        self.by_hand(f"sets {app.name} back to {value}")
        app.running, app.heard, app.deliveries = value, True, app.deliveries + 1

    # --- workers and the ledger

    def new_ledger(self) -> MemoryLedger:
        return MemoryLedger(now=self.now, alive=lambda owner: owner not in self.dead, woken_up=self.wake.set)

    def empty_the_ledger(self) -> None:
        """The file is gone. Its chain is kept here, to be verified to its end."""
        self.oracle.chains.append(self.ledger)
        self.ledger = self.new_ledger()
        self.act += 1
        self.oracle.ledger_emptied()
        self.say("-", "THE LEDGER IS EMPTIED")

    def kill(self, worker: str) -> None:
        self.dead.add(worker)
        self.say(worker, "IS KILLED")

    def ports(self, worker: str = "worker") -> ports.World:
        """What one worker sees of the world."""
        eyes = Eyes(self, worker)
        kinds = {dependent.kind: eyes for dependent in self.credential.dependents}
        return ports.World(
            clock=eyes,
            issuer=eyes,
            data_plane=eyes,
            vault=eyes,
            recovery=eyes,
            kinds=kinds,
            work=LedgerEyes(self, worker),
            cases=LedgerEyes(self, worker),
            journal=LedgerEyes(self, worker),
            watch=eyes.watch,
        )


# --- what a worker sees ---------------------------------------------------------------------------------------------------


async def _call(world: MemoryWorld, worker: str, call: str, effect: Callable[[], T]) -> T:
    """One call on the wire: the weather before it, the effect, the weather after it."""
    _alive(world, worker)
    try:
        fate = await world.weather.before(worker, call)
    except Ambiguous:
        world.oracle.lost_answer(call)
        raise
    _alive(world, worker)
    if fate.late_s is not None or fate.lost is not None:
        world.oracle.lost_answer(call)
    if fate.late_s is not None:
        asyncio.get_running_loop().call_later(fate.late_s, effect)
        raise Ambiguous(f"{call}: no answer")
    answer = effect()
    if fate.lost is not None:
        world.say(worker, f"{call}: done, and the answer is lost ({type(fate.lost).__name__})")
        raise fate.lost
    await world.weather.after(worker, call)
    _alive(world, worker)
    return answer


def _alive(world: MemoryWorld, worker: str) -> None:
    if worker in world.dead:
        raise Crash


class Eyes:
    """The Azure side of one worker's ports."""

    def __init__(self, world: MemoryWorld, worker: str) -> None:
        self._world = world
        self._worker = worker

    def watch(self, event: str, **fields: Any) -> None:
        told = {name: value for name, value in fields.items() if name not in ("credential", "operation")}
        self._world.say(self._worker, f"{event} " + " ".join(f"{name}={value}" for name, value in told.items()))

    # --- clock

    def now(self) -> datetime:
        return self._world.now(self._worker)

    async def sleep(self, length: timedelta) -> None:
        _alive(self._world, self._worker)
        await asyncio.sleep(max(length.total_seconds(), 0))
        _alive(self._world, self._worker)

    # --- issuer

    async def account(self, account: str) -> AccountView:
        def effect() -> AccountView:
            self._is_there()
            return AccountView(kind=world.kind, endpoints=HOSTS, local_auth=world.local_auth, provable=world.provable)

        world = self._world
        return await _call(world, self._worker, "issuer.account", effect)

    async def keys(self, account: str) -> Mapping[Slot, Sealed]:
        def effect() -> Mapping[Slot, Sealed]:
            self._is_there()
            if not world.local_auth:
                raise Rejected("Failed to list key. disableLocalAuth is set to be true")
            as_of, slots = world.weather.keys_as_seen(self._worker)
            world.oracle.saw_keys(self._worker, as_of, old=slots != world.slots)
            return {slot: Sealed(value) for slot, value in slots.items()}

        world = self._world
        return await _call(world, self._worker, "issuer.keys", effect)

    async def regenerate(self, account: str, slot: Slot) -> Mapping[Slot, Sealed]:
        world = self._world
        world.oracle.sends(self._worker, ("mint", "revoke"), slot=slot)
        known = world.oracle.as_known(self._worker)

        def effect() -> Mapping[Slot, Sealed]:
            self._is_there()
            if not world.local_auth and not world.regenerates_when_off:
                raise Rejected("regenerateKey: disableLocalAuth is set to be true")
            world.oracle.before_regenerate(self._worker, slot, known)
            world._mint(slot, self._worker)
            return {slot: Sealed(value) for slot, value in world.slots.items()}

        return await _call(world, self._worker, "issuer.regenerate", effect)

    async def switch_off_local_auth(self, account: str) -> None:
        world = self._world
        world.oracle.sends(self._worker, ("switch_off_local_auth",))

        def effect() -> None:
            world.local_auth = False
            world.say(self._worker, "AZURE   local auth is off")

        await _call(world, self._worker, "issuer.switch_off", effect)

    def _is_there(self) -> None:
        if self._world.gone:
            raise Missing("account: 404 ResourceNotFound")

    # --- data plane

    async def probe(self, account: AccountView, endpoint: str, value: Sealed) -> Answer:
        def effect() -> Answer:
            plain = value.reveal()
            verdict = world.weather.verdict(endpoint, plain)
            if verdict is None and not world.provable:
                verdict = Verdict.BARRED
            if verdict is None and not world.local_auth:
                verdict = Verdict.BARRED
            if verdict is None:
                verdict = Verdict.ACCEPTED if world.accepts(endpoint, plain, world.now()) else Verdict.REFUSED
            world.oracle.probed(plain, verdict)
            return Answer(verdict=verdict, seen=verdict.value, at=self.now())

        world = self._world
        return await _call(world, self._worker, "data_plane.probe", effect)

    # --- vault

    async def look(self, secret: Secret) -> SecretLook:
        def effect() -> SecretLook:
            as_of, entries = world.weather.vault_as_seen(self._worker)
            world.oracle.saw_vault(self._worker, as_of, old=list(entries) != world.entries)
            if world.deleted or not entries:
                return SecretLook(view=SecretView(current=None, deleted=world.deleted), text=None, foreign_tags={})
            return _secret_look(entries)

        world = self._world
        world.oracle.asked_vault(self._worker)
        return await _call(world, self._worker, "vault.look", effect)

    async def glimpse(self, secret: Secret) -> Glimpse:
        def effect() -> Glimpse:
            entry = self._world.current
            if entry is None or not entry.enabled:
                raise Missing("the secret is not there, or its current version is disabled")
            said = entry.tags.get(TAG_FINGERPRINT)
            return Glimpse(version=entry.id, text=Sealed(entry.text), fingerprint=Fingerprint(said) if said else None)

        return await _call(self._world, self._worker, "vault.glimpse", effect)

    async def read(self, secret: Secret, version: str) -> Sealed:
        def effect() -> Sealed:
            found = next((entry for entry in self._world.entries if entry.id == version), None)
            if found is None or not found.enabled or self._world.deleted:
                raise Missing(f"version {version[:8]} cannot be read")
            return Sealed(found.text)

        return await _call(self._world, self._worker, "vault.read", effect)

    async def publish(self, secret: Secret, edition: Edition) -> Placed:
        world = self._world
        world.oracle.sends(self._worker, ("publish",), operation=edition.tags.get(TAG_OPERATION))
        world.oracle.before_publish(self._worker, edition)

        def effect() -> Placed:
            if world.deleted:
                raise Conflict("set: 409 ObjectIsDeletedButRecoverable")
            text = edition.text.reveal()
            entry = world.set_secret(text, by=self._worker, tags=edition.tags, content_type=edition.content_type)
            world.oracle.published(world.credential.template.extract(text) or "")
            return Placed(version=entry.id, created=entry.created)

        return await _call(world, self._worker, "vault.publish", effect)

    async def tag(self, secret: Secret, version: str, tags: Mapping[str, str], *, disable: bool = False) -> None:
        world = self._world
        world.oracle.sends(self._worker, ("retire",) if disable else ("adopt",))
        world.oracle.before_tag(self._worker, version, tags, disable=disable)

        def effect() -> None:
            if world.deleted or not any(entry.id == version for entry in world.entries):
                raise Missing(f"version {version[:8]} is not there")
            world._change(version, tags=dict(tags), **({"enabled": False} if disable else {}))
            world.say(self._worker, f"VAULT   version {version[:6]} tagged {world._short(tags)}{' and disabled' if disable else ''}")

        await _call(world, self._worker, "vault.tag", effect)

    async def recover(self, secret: Secret) -> None:
        world = self._world
        world.oracle.sends(self._worker, ("recover",))

        def effect() -> None:
            world.deleted = False
            world.say(self._worker, "VAULT   the secret is recovered")

        await _call(world, self._worker, "recovery.recover", effect)

    # --- dependents

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        def effect() -> DependentView:
            app = world.apps.get(dependent.name)
            if app is None:
                raise Missing(f"{dependent.name}: 404")
            view = _view(app, dependent, published)
            world.oracle.saw_app(self._worker, view)
            return view

        world = self._world
        world.oracle.saw_app(self._worker, DependentView(name=dependent.name, kind=dependent.kind, adoption=Adoption.UNSEEN))
        return await _call(world, self._worker, "kind.adoption", effect)

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        world = self._world
        world.oracle.delivers(self._worker, dependent.name)

        def effect() -> None:
            app = world.apps.get(dependent.name)
            if app is None:
                raise Missing(f"{dependent.name}: 404")
            again = app.delivered == published.value.reveal() and not app.heard
            app.delivered = published.value.reveal()
            world.say(self._worker, f"DELIVER {app.delivered} to {app.name}{', which is on it' if again else ''}")
            if not app.deaf and not again:
                app.deliveries, app.heard = app.deliveries + 1, False
                world._later(app.lag_s, _start_on, world, app, app.delivered, app.deliveries)

        await _call(world, self._worker, "kind.deliver", effect)


def _start_on(world: MemoryWorld, app: App, value: str, delivery: int) -> None:
    if app.deliveries == delivery:
        app.running, app.heard = value, True
        world.say(app.name, f"runs on {value}")


def _view(app: App, dependent: Dependent, published: Published) -> DependentView:
    wanted = published.value.reveal()
    if app.mute:
        adoption = Adoption.CLAIMED if app.delivered == wanted else Adoption.STALE
    else:
        adoption = Adoption.PROVEN if app.running == wanted or app.lies else Adoption.STALE
    return DependentView(name=app.name, kind=dependent.kind, adoption=adoption, running=fingerprint(app.running))


def _secret_look(entries: Sequence[Entry]) -> SecretLook:
    """As rotator/key_vault.py makes it: versions by id; a current version that is disabled is told by its time, as well as seconds can."""
    versions = tuple(_version(entry) for entry in sorted(entries, key=lambda entry: entry.id))
    newest = max(entries, key=lambda entry: entry.made)
    if newest.enabled:
        current = Current(version=newest.id, created=newest.created, fingerprint=None)
        text: Sealed | None = Sealed(newest.text)
        told = next(version for version in versions if version.id == newest.id)
    else:
        told = max(versions, key=lambda version: version.created)
        current = Current(version=told.id, created=told.created, fingerprint=None, enabled=False)
        text = None
    view = SecretView(current=current, versions=versions)
    return SecretLook(view=view, text=text, content_type=told.content_type, foreign_tags=told.foreign_tags)


_OURS = (TAG_FINGERPRINT, TAG_ACCOUNT, TAG_OPERATION, TAG_SLOT, TAG_REASON, TAG_RETIRED)


def _version(entry: Entry) -> Version:
    tags = entry.tags
    return Version(
        id=entry.id,
        created=entry.created,
        enabled=entry.enabled,
        content_type=entry.content_type,
        fingerprint=Fingerprint(tags[TAG_FINGERPRINT]) if TAG_FINGERPRINT in tags else None,
        slot=Slot(tags[TAG_SLOT]) if TAG_SLOT in tags else None,
        account=tags.get(TAG_ACCOUNT),
        operation=tags.get(TAG_OPERATION),
        reason=tags.get(TAG_REASON),
        retired=tags.get(TAG_RETIRED),
        foreign_tags={name: value for name, value in tags.items() if name not in _OURS},
    )


class LedgerEyes:
    """The ledger side of one worker's ports: every verb one transaction, with an await point before and after it."""

    def __init__(self, world: MemoryWorld, worker: str) -> None:
        self._world = world
        self._worker = worker

    async def _do(self, call: str, effect: Callable[[], T]) -> T:
        return await _call(self._world, self._worker, call, effect)

    @property
    def _ledger(self) -> MemoryLedger:
        return self._world.ledger

    # --- work

    async def claim(self, credential: str) -> Lease | HeldBy:
        return await self._do("work.claim", lambda: self._ledger.claim(credential, self._worker))

    async def hold(self, lease: Lease) -> None:
        def effect() -> None:
            self._ledger.hold(lease)
            self._world.oracle.held(self._worker)

        await self._do("work.hold", effect)

    async def woken(self, lease: Lease) -> bool:
        return await self._do("work.woken", lambda: self._ledger.woken(lease))

    async def finish(self, lease: Lease, *, again: datetime, rests_until: datetime | None = None) -> None:
        await self._do("work.finish", lambda: self._ledger.finish(lease, again))

    # --- cases

    async def file(self, incident: Incident) -> Incident:
        def effect() -> Incident:
            case = self._ledger.file(incident)
            self._world.by_hand(f"files {case.id}: {self._world.name(case.fingerprint)} leaked, {case.mode}, by {case.deadline:%H:%M:%S}")
            self._world.oracle.filed(case)
            return case

        return await self._do("cases.file", effect)

    async def of(self, credential: str) -> list[Incident]:
        def effect() -> list[Incident]:
            self._world.oracle.saw_cases(self._worker)
            return sorted(self._ledger.cases.values(), key=lambda case: case.reported_at)

        return await self._do("cases.of", effect)

    async def save(self, incident: Incident, *, because: str) -> None:
        def effect() -> None:
            self._world.oracle.before_save(incident)
            self._ledger.save(incident, because)
            self._world.say(self._worker, f"CASE    {incident.id} is {incident.state}: {because}")

        await self._do("cases.save", effect)

    # --- journal

    async def recall(self, credential: str) -> tuple[Memory, list[Intent]]:
        return await self._do("journal.recall", self._ledger.recall)

    async def index(self, credential: str, account: str, values: Mapping[Slot, Sealed]) -> None:
        await self._do("journal.index", lambda: self._ledger.index(values))

    async def intended(self, credential: str, operation: str) -> bool:
        return await self._do("journal.intended", lambda: operation in self._ledger.wishes)

    async def say_once(self, credential: str, event: str, fields: Mapping[str, str]) -> bool:
        return await self._do("journal.say_once", lambda: self._ledger.say_once(event, credential, fields))

    async def intend(self, lease: Lease, operation: str, do: Do) -> None:
        def effect() -> None:
            self._ledger.intend(lease, operation, do)
            self._world.oracle.intended(self._worker, operation, do)

        await self._do("journal.intend", effect)

    async def remember(self, lease: Lease, learned: Sequence[KeyMemory]) -> None:
        await self._do("journal.remember", lambda: self._ledger.remember(learned))

    async def adopted(self, lease: Lease, changed: Sequence[Kept]) -> None:
        await self._do("journal.adopted", lambda: self._ledger.adopted(lease, changed))

    async def outcome(
        self,
        lease: Lease,
        operation: str,
        result: str,
        *,
        learned: Sequence[KeyMemory] = (),
        handed: Sequence[Kept] = (),
        detail: Mapping[str, str] | None = None,
    ) -> None:
        def effect() -> None:
            self._world.oracle.before_outcome(learned)
            self._ledger.outcome(lease, operation, result, learned, handed, detail or {})

        await self._do("journal.outcome", effect)


def credential_of(name: str = "chat", *, apps: int = 0, **policy: Any) -> Credential:
    """A credential with so many dependents, under a policy of short times."""
    from rotator.core.policy import Policy

    dependents = tuple(Dependent(name=f"app-{number + 1}", kind="app") for number in range(apps))
    return Credential(
        name=name,
        account=f"/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/{name}",
        secret=Secret(vault="https://vault.example", name=name),
        policy=Policy(**policy),
        dependents=dependents,
    )


__all__ = ["HOSTS", "START", "App", "Crash", "Entry", "Eyes", "Fate", "Key", "MemoryWorld", "Weather", "credential_of"]
