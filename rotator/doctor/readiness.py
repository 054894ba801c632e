"""Could a credential's key be revoked right now, and in how many seconds? Judged from what a look found and how long things took. Pure.

What took time before counts more than a guess: each step is as long as its median in the ledger, or else as long as the dry calls that are
like it, waits for Azure's budget among it (an emergency waits for less). The time that Azure's gateways take to forget a key is in the
history of `prove_dead`, and in no guess.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median

from rotator.core.policy import Mode

PROBES = 3
"""So many refusals in a row, on fresh connections, prove a death."""
LIKE: Mapping[str, tuple[str, int]] = {
    "mint": ("keys", 1),
    "revoke": ("keys", 1),
    "prove": ("probe", 1),
    "publish": ("look", 1),
    "prove_dead": ("probe", PROBES),
    "switch_off_local_auth": ("account", 3),
}
"""A step that was never taken here is as long as so many of these dry calls."""
LOOK = ("account", "keys", "look")
RUNS: Mapping[Mode, tuple[str, ...]] = {
    Mode.CUT: ("revoke",),
    Mode.CONTAIN: ("revoke", "switch_off_local_auth"),
    Mode.DRAIN: ("mint", "prove", "publish", "revoke"),
}
"""What stands between a report and the kill; before each step is a look."""
PROPAGATE = "propagate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One credential as the doctor found it. `forbids`: what is in the way of a kill; `hinders`: of what replaces the key."""

    name: str
    mode: Mode
    dependents: int
    forbids: tuple[str, ...] = ()
    hinders: tuple[str, ...] = ()
    took: Mapping[str, timedelta] = field(default_factory=dict)
    keyless: bool = False
    provable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`killed_in` by the mode of its policy, `cut_in` if a person says cut; both None where it could not be done at all.

    `proven_in` is what the proof takes after that, None where no endpoint can be asked from here. `guessed`: steps without any history.
    """

    name: str
    ready: bool
    because: tuple[str, ...]
    mode: Mode
    killed_in: timedelta | None
    cut_in: timedelta | None
    proven_in: timedelta | None
    guessed: tuple[str, ...]


def judged(one: Reading, history: Mapping[str, Sequence[timedelta]]) -> Readiness:
    """Nobody waits for what only hinders under a cut; a drain without its replacement is one that runs into its deadline."""
    if one.keyless and not one.forbids:
        return _dead_already(one)
    replaces = one.mode is Mode.DRAIN
    because = (*one.forbids, *(one.hinders if replaces else ()))
    able = not one.forbids
    steps = RUNS[one.mode]
    if replaces and one.dependents:
        steps = (*steps[:-1], PROPAGATE, steps[-1])
    return Readiness(
        name=one.name,
        ready=not because,
        because=because,
        mode=one.mode,
        killed_in=_run(steps, one, history) if able and not because else None,
        cut_in=_run(RUNS[Mode.CUT], one, history) if able else None,
        proven_in=_step("prove_dead", one, history) if able and one.provable else None,
        guessed=tuple(step for step in (*steps, "prove_dead") if not history.get(step)),
    )


def _dead_already(one: Reading) -> Readiness:
    none = timedelta()
    because = ("local auth is off: no key of it is accepted",)
    return Readiness(name=one.name, ready=True, because=because, mode=one.mode, killed_in=none, cut_in=none, proven_in=none, guessed=())


def ordered(found: Iterable[Readiness]) -> list[Readiness]:
    """The worst first: what cannot be killed at all, then what cannot be replaced, then by how long it takes."""
    return sorted(found, key=lambda one: (one.cut_in is not None, one.ready, -(one.killed_in or timedelta()), one.name))


def _run(steps: Iterable[str], one: Reading, history: Mapping[str, Sequence[timedelta]]) -> timedelta:
    look = max((one.took.get(call, timedelta()) for call in LOOK), default=timedelta())
    return sum((look + _step(step, one, history) for step in steps), timedelta())


def _step(step: str, one: Reading, history: Mapping[str, Sequence[timedelta]]) -> timedelta:
    known = history.get(step)
    if known:
        return timedelta(seconds=median(took.total_seconds() for took in known))
    call, times = LIKE.get(step, ("look", 1))
    return one.took.get(call, max(one.took.values(), default=timedelta())) * times
