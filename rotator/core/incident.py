"""Our case about one key: from a report to a proof. The transition table says which way a case may go."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from rotator.core.credential import Credential, Reason, Slot
from rotator.core.policy import Mode
from rotator.core.sealed import Fingerprint


class State(StrEnum):
    """Where a case stands. `held` waits for a person; `dead` is said only with proof; `unproven` means that no one holds the value any more
    to prove it."""

    HELD = "held"
    OPEN = "open"
    REVOKED = "revoked"
    UNPROVEN = "unproven"
    DEAD = "dead"
    CLOSED = "closed"
    DISMISSED = "dismissed"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.HELD: frozenset({State.OPEN, State.DISMISSED}),
    State.OPEN: frozenset({State.REVOKED, State.DEAD, State.DISMISSED}),
    State.REVOKED: frozenset({State.OPEN, State.DEAD, State.UNPROVEN}),
    State.UNPROVEN: frozenset({State.REVOKED, State.DEAD, State.OPEN}),
    State.DEAD: frozenset({State.CLOSED, State.OPEN}),
    State.CLOSED: frozenset({State.OPEN}),
    State.DISMISSED: frozenset({State.OPEN, State.HELD}),
}
"""OPEN can be entered from everywhere: a value that is seen alive again reopens its case. HELD again only by a person's order that waits
for another person."""

UNFINISHED = frozenset({State.OPEN, State.REVOKED, State.DEAD})
ASLEEP = frozenset({State.HELD, State.DISMISSED})
"""Nothing is done about these: a person has not said so, or has said not to."""
OPERATOR = "operator"
"""How the source of a case begins that a person filed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A report that a key is in wrong hands: by whom, when, and what it proves to know (the fingerprint of a live key)."""

    source: str
    reported_at: datetime
    fingerprint: Fingerprint
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One key value of one account that must end dead. `deadline` is when a drain stops waiting for anyone; `held_because` why a person is
    asked first."""

    id: str
    credential: str
    account: str
    fingerprint: Fingerprint
    slot: Slot | None
    reason: Reason
    mode: Mode
    source: str
    note: str
    reported_at: datetime
    deadline: datetime
    state: State = State.OPEN
    contained_at: datetime | None = None
    regenerate_refused: bool = False
    revoked_at: datetime | None = None
    dead_at: datetime | None = None
    held_because: str = ""

    @property
    def is_acted_on(self) -> bool:
        return self.state not in ASLEEP

    @property
    def by_person(self) -> bool:
        return self.source.startswith(OPERATOR)

    @property
    def is_open(self) -> bool:
        return self.state in UNFINISHED

    @property
    def presses(self) -> bool:
        """Whether what is done for it goes before everything else: alive, or not proven dead, or not contained."""
        return self.state in (State.OPEN, State.REVOKED) or self.awaits_containment

    @property
    def awaits_containment(self) -> bool:
        """Whether local auth is to be switched off and was not yet seen to be off; also where no proof can be had any more."""
        return self.mode is Mode.CONTAIN and self.contained_at is None and (self.is_open or self.state is State.UNPROVEN)

    @property
    def cuts(self) -> bool:
        """Whether the key is killed before it is replaced."""
        return self.mode in (Mode.CUT, Mode.CONTAIN)


class ForbiddenTransition(ValueError):
    """The table does not let a case go that way: a mistake of the program, never of a user."""


def open_incident(
    identity: str,
    credential: Credential,
    alert: Alert,
    *,
    slot: Slot | None,
    mode: Mode | None = None,
    reason: Reason = Reason.KEY_COMPROMISE,
    held_because: str = "",
) -> Incident:
    """The case that `alert` opens, or that waits for a person. An alert is about one value, so a hundred alerts about it are one case."""
    return Incident(
        id=identity,
        credential=credential.name,
        account=credential.account,
        fingerprint=alert.fingerprint,
        slot=slot,
        reason=reason,
        mode=mode or credential.policy.on_compromise,
        source=alert.source,
        note=alert.note,
        reported_at=alert.reported_at,
        deadline=alert.reported_at + credential.policy.drain_deadline,
        state=State.HELD if held_because else State.OPEN,
        held_because=held_because,
    )


def reported_again(known: Incident, reported: Incident, *, reopened: bool = False) -> Incident:
    """A case about this value is there, and another word about it comes: never milder, and never louder than a person's no.

    One that is done is opened again (a look tells whether the value is alive after all), and so is one that is proven dead and whose alert
    is `reopened` at its source; one that a person dismissed only by a person, or where a suspicion has become a proof.
    """
    proven = known.reason is Reason.SUSPECTED_COMPROMISE and reported.reason is Reason.KEY_COMPROMISE
    case = replace(known, reason=Reason.KEY_COMPROMISE) if proven else known
    case = replace(case, slot=known.slot or reported.slot)
    if known.state in ASLEEP and reported.state is State.HELD and reported.by_person:
        return escalate(_held_anew(case, reported), reported.mode)
    if (known.state in UNFINISHED and not (reopened and known.state is State.DEAD)) or reported.state is State.HELD:
        return escalate(case, reported.mode)
    if known.state is State.DISMISSED and not (reported.by_person or proven):
        return known
    return escalate(_opened(case, reported), reported.mode)


def _held_anew(known: Incident, reported: Incident) -> Incident:
    """A person orders what another person has to approve: from now on the case waits for that."""
    held = move(known, State.HELD, reported.reported_at)
    return replace(held, source=reported.source, note=reported.note, held_because=reported.held_because)


def _opened(known: Incident, reported: Incident) -> Incident:
    opened = move(known, State.OPEN, reported.reported_at)
    return replace(opened, reported_at=reported.reported_at, deadline=reported.deadline, source=reported.source, note=reported.note)


def decided(incident: Incident, to: State, at: datetime, drain_deadline: timedelta) -> Incident:
    """A person's word about a case that is held: its deadline is counted from now. Raises ForbiddenTransition."""
    moved = move(incident, to, at)
    return replace(moved, deadline=at + drain_deadline) if to is State.OPEN else moved


def escalate(incident: Incident, mode: Mode) -> Incident:
    """The same case under a stricter order: drain < cut < contain. A case is never made milder."""
    ranks = list(Mode)
    return replace(incident, mode=max(incident.mode, mode, key=ranks.index))


def move(incident: Incident, to: State, at: datetime) -> Incident:
    """The case in its next state, with the time kept.

    Raises:
        ForbiddenTransition: the table has no such way.
    """
    if to is incident.state:
        return incident
    if to not in TRANSITIONS[incident.state]:
        raise ForbiddenTransition(f"{incident.id}: {incident.state} -> {to}")
    match to:
        case State.REVOKED:
            return replace(incident, state=to, revoked_at=incident.revoked_at or at)
        case State.DEAD:
            return replace(incident, state=to, revoked_at=incident.revoked_at or at, dead_at=incident.dead_at or at)
        case State.OPEN:
            return replace(incident, state=to, revoked_at=None, dead_at=None, regenerate_refused=False, held_because="")
        case _:
            return replace(incident, state=to)
