"""A leak that is only supposed, walked to its kill as the planner would walk it, with how long each step takes. Pure.

What the doctor has heard besides a look (of our permissions, of the data plane) is put into the snapshot: so the rules weigh it, and
nothing is decided twice.

What took time before counts more than a guess: each step is as long as its median in the ledger, or else as long as the dry calls that are
like it, waits for Azure's budget among it (an emergency waits for less). The time that Azure's gateways take to forget a key is in the
history of `prove_dead`, and in no guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median

from rotator.core.credential import Credential, Slot
from rotator.core.forecast import Forecast, runbook
from rotator.core.incident import Alert, Incident, open_incident
from rotator.core.policy import Mode, Unprovable
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import AccountView, Adoption, Snapshot, Unseen
from rotator.core.step import Do, Publish, Revoke, Step

PROBES = 3
"""So many refusals in a row, on fresh connections, prove a death."""
LIKE: Mapping[str, tuple[str, int]] = {
    "mint": ("keys", 1),
    "revoke": ("keys", 1),
    "prove": ("probe", 1),
    "prove_dead": ("probe", PROBES),
    "switch_off_local_auth": ("account", 3),
}
"""A step that was never taken here is as long as so many of these dry calls; at the vault, or at a dependent, as a look at the vault."""
LOOK = ("account", "keys", "look")
"""Before each step is a look."""

History = Mapping[str, Sequence[timedelta]]
"""How long steps took before, by their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One credential as the doctor found it. `forbids`: what is in the way of any kill; `hinders`: of a publish; `lacks`: of contain.

    `barred` is what the data plane said to the live key instead of accepting it, `refuses` that this was a word about the key and no door
    shut before us; `provable`: each endpoint did accept it.
    """

    credential: Credential
    snapshot: Snapshot
    incidents: Sequence[Incident] = ()
    now: datetime
    forbids: tuple[str, ...] = ()
    hinders: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    took: Mapping[str, timedelta] = field(default_factory=dict)
    barred: str = ""
    refuses: bool = False
    provable: bool = True

    @property
    def is_keyless(self) -> bool:
        return isinstance(self.snapshot.account, AccountView) and not self.snapshot.account.local_auth


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """`steps` lead to the kill. `waits`: for what it waits until the deadline of the drain, empty where it does not; `stuck`: where the
    whole walk ends.
    """

    killed_in: timedelta | None
    steps: tuple[str, ...]
    publishes: bool
    waits: str
    stuck: str

    def troubles(self, mode: Mode) -> tuple[str, ...]:
        if self.killed_in is None:
            return (self.stuck,)
        if self.publishes or mode is Mode.CONTAIN:
            return (f"killed only at the drain deadline: {self.waits}",) if self.waits else ()
        when = "killed at the drain deadline, and " if self.waits else ""
        return (f"{when}NOTHING CAN BE PUBLISHED: {self.stuck}",)


def walked(one: Reading, slot: Slot, value: Fingerprint, mode: Mode, history: History) -> Walk:
    """A step that was begun in time and lasts too long holds no kill up past the deadline."""
    alert = Alert(source="doctor", reported_at=one.now, fingerprint=value)
    case = open_incident("supposed", one.credential, alert, slot=slot, mode=mode)
    others = [known for known in one.incidents if known.fingerprint != value]
    lines = runbook(_as_found(one), _as_asked(one), [*others, case], one.now, barred=one.barred)
    at, steps, waited = timedelta(), list[str](), ""
    for line in lines:
        at = max(at, line.not_before - one.now)
        if not isinstance(line.decision, Do):
            waited = line.decision.because
            continue
        step: Step = line.decision.step
        at += _look(one) + length_of(step.name, one, history)
        steps.append(step.name)
        if isinstance(step, Revoke) and step.fingerprint == value:
            latest = case.deadline - one.now + _look(one) + length_of(step.name, one, history)
            break
    else:
        return Walk(killed_in=None, steps=tuple(steps), publishes=False, waits="", stuck=lines[-1].decision.because)
    publishes = any(isinstance(line.decision, Do) and isinstance(line.decision.step, Publish) for line in lines)
    blind = "" if case.cuts else _blind(one)
    waits = waited if not case.cuts and line.not_before >= case.deadline else blind
    return Walk(
        killed_in=latest if blind else min(at, latest), steps=tuple(steps), publishes=publishes, waits=waits, stuck=_stuck(one, lines)
    )


def _as_found(one: Reading) -> Snapshot:
    """What the planner is to know besides: a vault that takes nothing."""
    if not one.hinders:
        return one.snapshot
    return replace(one.snapshot, secret=Unseen(what="the secret", because="; ".join(one.hinders), hopeless=True))


def _as_asked(one: Reading) -> Credential:
    """`unprovable: accept` is for a data plane that nobody can ask, and not for one that answers and does not accept."""
    strict = replace(one.credential.policy, unprovable=Unprovable.REFUSE)
    return replace(one.credential, policy=strict) if one.refuses else one.credential


def _blind(one: Reading) -> str:
    """A runbook supposes that a step succeeds, so that whoever is handed a value has it; of one that cannot be seen nobody will know."""
    names = [view.name for view in one.snapshot.dependents if view.adoption is Adoption.UNSEEN]
    return f"whether {', '.join(names)} has moved cannot be seen" if names else ""


def _stuck(one: Reading, lines: Sequence[Forecast]) -> str:
    if one.hinders:
        return "; ".join(one.hinders)
    if one.refuses:
        return f"the data plane does not accept the live key now ({one.barred}), so it would accept no new one"
    return lines[-1].decision.because


def _look(one: Reading) -> timedelta:
    return max((one.took.get(call, timedelta()) for call in LOOK), default=timedelta())


def length_of(step: str, one: Reading, history: History) -> timedelta:
    known = history.get(step)
    if known:
        return timedelta(seconds=median(took.total_seconds() for took in known))
    call, times = LIKE.get(step, ("look", 1))
    return one.took.get(call, max(one.took.values(), default=timedelta())) * times
