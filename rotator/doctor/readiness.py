"""Could a credential's key be revoked right now, and in how many seconds? Judged from what a look found and how long things took. Pure.

What would be done is not decided here but by the planner: a leak is supposed (`doctor/supposed.py`), and the runbook walked as `plan` and a
dry run walk it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from rotator.core.credential import Slot
from rotator.core.plan import plan
from rotator.core.policy import Mode
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import SecretView, Snapshot, Unseen
from rotator.doctor.supposed import History, Reading, Walk, length_of, walked


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`killed_in` by the mode of its policy, `cut_in` if a person says cut; both None where it could not be done at all.

    `publishes`: whether readers of the vault get a live key in the end. `proven_in` is what the proof takes after the kill, None where no
    endpoint can be asked from here. `guessed`: steps without any history.
    """

    name: str
    ready: bool
    because: tuple[str, ...]
    mode: Mode
    killed_in: timedelta | None
    cut_in: timedelta | None
    publishes: bool
    proven_in: timedelta | None
    guessed: tuple[str, ...]


def judged(one: Reading, history: History) -> Readiness:
    """A leak of the key in use, or of the first one where the vault gives out none, and what would come of it."""
    leaked = None if one.forbids else _leaked(one.snapshot)
    if one.is_keyless and not one.forbids:
        return _dead_already(one)
    mode = one.credential.policy.on_compromise
    if leaked is None:
        because = one.forbids or ("no key of the account can be seen",)
        return _readiness(one, mode, because=because)
    walk, cut = walked(one, *leaked, mode, history), walked(one, *leaked, Mode.CUT, history)
    because = (*walk.troubles(mode), *(one.lacks if mode is Mode.CONTAIN else ()), *_dead_in_the_vault(one, walk))
    steps = dict.fromkeys([*walk.steps, "prove_dead"])
    return _readiness(
        one,
        mode,
        because=because,
        killed_in=walk.killed_in,
        cut_in=cut.killed_in,
        publishes=walk.publishes,
        proven_in=length_of("prove_dead", one, history) if one.provable else None,
        guessed=tuple(step for step in steps if not history.get(step)),
    )


def ordered(found: Iterable[Readiness]) -> list[Readiness]:
    """The worst first: what cannot be killed at all, then what cannot be replaced, then by how long it takes."""
    return sorted(found, key=lambda one: (one.cut_in is not None, one.ready, -(one.killed_in or timedelta()), one.name))


def _readiness(
    one: Reading,
    mode: Mode,
    *,
    because: tuple[str, ...],
    killed_in: timedelta | None = None,
    cut_in: timedelta | None = None,
    publishes: bool = False,
    proven_in: timedelta | None = None,
    guessed: tuple[str, ...] = (),
) -> Readiness:
    return Readiness(
        name=one.credential.name,
        ready=not because,
        because=because,
        mode=mode,
        killed_in=killed_in,
        cut_in=cut_in,
        publishes=publishes,
        proven_in=proven_in,
        guessed=guessed,
    )


def _dead_already(one: Reading) -> Readiness:
    none = timedelta()
    because = ("local auth is off: no key of it is accepted",)
    found = _readiness(one, one.credential.policy.on_compromise, because=because, killed_in=none, cut_in=none, proven_in=none)
    return replace(found, ready=True)


def _leaked(snapshot: Snapshot) -> tuple[Slot, Fingerprint] | None:
    slots = snapshot.slots
    if isinstance(slots, Unseen) or not slots:
        return None
    secret = snapshot.secret
    current = secret.current.fingerprint if isinstance(secret, SecretView) and secret.current else None
    return next(((slot, value) for slot, value in slots.items() if value == current), next(iter(sorted(slots.items()))))


def _dead_in_the_vault(one: Reading, walk: Walk) -> tuple[str, ...]:
    """Its readers are down already, whatever leaks; why that stays so is not said twice."""
    secret, slots = one.snapshot.secret, one.snapshot.slots
    if isinstance(secret, Unseen) or isinstance(slots, Unseen) or secret.current is None or secret.current.fingerprint in slots.values():
        return ()
    why = plan(one.snapshot, one.credential, one.incidents, one.now).because
    return (f"the vault gives out no live key of the account now{'' if why == walk.stuck else f': {why}'}",)
