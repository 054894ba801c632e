"""The ledger in memory, row for row as rotator/ledger/store.py keeps it; each verb is one transaction, that is, one synchronous call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rotator.core.adoption import said
from rotator.core.audit import GENESIS, AuditEvent, Verdict, seal_event, verify
from rotator.core.credential import Slot
from rotator.core.faults import LeaseLost
from rotator.core.incident import Incident, State, reported_again
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.settle import APPLIED, NOT_APPLIED, Intent, last_regenerates
from rotator.core.snapshot import Kept, KeyMemory, Memory, Order, Rollback
from rotator.core.step import Do, Publish, fingerprint_of, slot_of
from rotator.engine.ports import HeldBy, Lease


@dataclass(slots=True)
class Row:
    """The work table's one row for the credential."""

    due_at: datetime
    generation: int = 0
    claimed_generation: int = 0
    owner: str | None = None
    token: str | None = None
    order: Order | None = None
    back: Rollback | None = None


@dataclass(slots=True)
class Wish:
    """One intent: what was wished, and what came of it."""

    intent: Intent
    do: Do
    outcome: str | None = None


@dataclass(slots=True)
class MemoryLedger:
    """`alive` says whether a worker's process lives: the lease of a dead one is free."""

    now: Callable[[], datetime]
    alive: Callable[[str], bool]
    woken_up: Callable[[], None]
    row: Row | None = None
    cases: dict[str, Incident] = field(default_factory=dict)
    keys: dict[Fingerprint, KeyMemory] = field(default_factory=dict)
    adoptions: dict[str, Kept] = field(default_factory=dict)
    wishes: dict[str, Wish] = field(default_factory=dict)
    chain: list[AuditEvent] = field(default_factory=list)
    tokens: int = 0

    # --- work

    def wake(self) -> Row:
        now = self.now()
        self.row = self.row or Row(due_at=now)
        self.row.due_at = min(self.row.due_at, now)
        self.row.generation += 1
        self.woken_up()
        return self.row

    def order(self, value: str, *, foreign: bool) -> None:
        row = self.wake()
        row.order, row.back = Order(value=value, foreign=foreign), None

    def order_back(self, value: Fingerprint, *, instead_of: Fingerprint) -> None:
        row = self.wake()
        row.order, row.back = None, Rollback(value=value, instead_of=instead_of, at=self.now())

    def claim(self, credential: str, owner: str) -> Lease | HeldBy:
        row = self.row or self.wake()
        if row.owner is not None and self.alive(row.owner):
            return HeldBy(owner=row.owner)
        self.tokens += 1
        row.owner, row.token, row.claimed_generation = owner, f"token-{id(self)}-{self.tokens}", row.generation
        return Lease(credential=credential, owner=owner, token=row.token)

    def hold(self, lease: Lease) -> None:
        if not self._is_held(lease):
            raise LeaseLost(f"another worker has taken {lease.credential} over")

    def woken(self, lease: Lease) -> bool:
        row = self.row
        if row is None or not self._is_held(lease) or row.generation == row.claimed_generation:
            return False
        row.claimed_generation = row.generation
        return True

    def finish(self, lease: Lease, again: datetime) -> None:
        row = self.row
        if row is None or not self._is_held(lease):
            return
        row.due_at = self.now() if row.generation != row.claimed_generation else again
        row.owner = row.token = None

    def _is_held(self, lease: Lease) -> bool:
        return self.row is not None and self.row.token == lease.token

    # --- cases

    def file(self, incident: Incident) -> Incident:
        known = next((case for case in self.cases.values() if case.fingerprint == incident.fingerprint), None)
        case = incident if known is None else reported_again(known, incident)
        self.cases[case.id] = case
        self.say("incident.filed", case.credential, {"incident": case.id, "mode": case.mode, "fingerprint": case.fingerprint})
        self.wake()
        return case

    def save(self, incident: Incident, because: str) -> None:
        """Where the case stands. What the doors said of it (mode, deadline, source) is theirs, and may have changed since the look."""
        known = self.cases[incident.id]
        if incident.state is State.CLOSED and known.mode is not incident.mode:
            return
        told = {"mode": known.mode, "reported_at": known.reported_at, "deadline": known.deadline, "source": known.source}
        self.cases[incident.id] = replace(incident, note=known.note, **told)  # type: ignore[arg-type]
        self.say("incident.moved", incident.credential, {"incident": incident.id, "state": incident.state, "because": because})

    # --- journal

    def recall(self) -> tuple[Memory, list[Intent]]:
        hour_ago = self.now() - timedelta(hours=1)
        heals = [wish for wish in self.wishes.values() if isinstance(wish.do.step, Publish) and wish.do.step.heals]
        healed = sum(wish.intent.at >= hour_ago and wish.outcome in ("published", APPLIED) for wish in heals)
        unsettled = [wish.intent for wish in self.wishes.values() if wish.outcome is None]
        doubted = [wish.intent for wish in self.wishes.values() if wish.outcome == NOT_APPLIED and wish.intent.at >= hour_ago]
        row = self.row
        memory = Memory(
            keys=dict(self.keys),
            adoptions=dict(self.adoptions),
            order=row.order if row else None,
            back=row.back if row else None,
            heals_last_hour=healed,
            unanswered=last_regenerates(unsettled),
            doubted=last_regenerates(doubted),
        )
        return memory, unsettled

    def index(self, values: Mapping[Slot, Sealed]) -> None:
        for slot, value in values.items():
            self.keys.setdefault(value.fingerprint, KeyMemory(fingerprint=value.fingerprint, slot=slot))

    def intend(self, lease: Lease, operation: str, do: Do) -> None:
        slot, value, now = slot_of(do.step), fingerprint_of(do.step), self.now()
        assert operation not in self.wishes
        intent = Intent(operation=operation, step=do.step.name, slot=slot, fingerprint=value, at=now)
        self.wishes[operation] = Wish(intent=intent, do=do)
        said = {"operation": operation, "step": do.step.name, "slot": str(slot), "because": do.because, "worker": lease.owner}
        self.say("intent", lease.credential, said)

    def remember(self, learned: Sequence[KeyMemory]) -> None:
        for memory in learned:
            self.keys[memory.fingerprint] = memory

    def adopted(self, lease: Lease, changed: Sequence[Kept]) -> None:
        for one in changed:
            self.say("adoption", lease.credential, said(one, self.adoptions.get(one.dependent)))
            self.adoptions[one.dependent] = one

    def outcome(
        self,
        lease: Lease,
        operation: str,
        result: str,
        learned: Sequence[KeyMemory],
        handed: Sequence[Kept],
        detail: Mapping[str, str],
    ) -> None:
        self.adoptions.update({one.dependent: one for one in handed})
        if operation in self.wishes:
            self.wishes[operation].outcome = result
        self.remember(learned)
        self.say("outcome", lease.credential, {"operation": operation, "result": result, **detail})

    # --- audit

    def say(self, event: str, credential: str, fields: Mapping[str, str]) -> None:
        previous = self.chain[-1].hash if self.chain else GENESIS
        told = {name: str(value) for name, value in fields.items()}
        at = self.now()
        sealed = seal_event(seq=len(self.chain) + 1, at=at, event=event, credential=credential, fields=told, previous=previous)
        self.chain.append(sealed)

    def say_once(self, event: str, credential: str, fields: Mapping[str, str]) -> bool:
        told = {name: str(value) for name, value in fields.items()}
        new = all((one.event, one.credential, one.fields) != (event, credential, told) for one in self.chain)
        if new:
            self.say(event, credential, fields)
        return new

    def verify(self) -> Verdict:
        return verify(self.chain, count=len(self.chain), head=self.chain[-1].hash if self.chain else GENESIS)
