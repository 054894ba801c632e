"""Whose turn it is: dependents move stage by stage, a canary first inside its stage.

of the stage before            then the next one
Proven, all of them            has its turn
Claimed                        has it `pause` after that was first seen
Stale, or Unseen               waits; past grace it waits no longer, and a person is told
a compromise, or nobody can
call with the value before     everyone at once
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from rotator.core.credential import Dependent, Reason, Role
from rotator.core.facts import Facts
from rotator.core.snapshot import Adoption, DependentView
from rotator.core.waiting import LOOK_AGAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """`theirs` is it now. `because` says whom the others wait for, and `until` when that may have changed; both empty where none waits."""

    theirs: tuple[DependentView, ...]
    because: str = ""
    until: tuple[datetime, ...] = ()


def turn(facts: Facts) -> Turn:
    """Whose turn it is now."""
    views = facts.snapshot.dependents
    if not views or facts.current is None or _nobody_waits(facts):
        return Turn(theirs=views)
    places = {dependent.name: _place(dependent) for dependent in facts.credential.dependents}
    ordered = sorted(views, key=lambda view: places.get(view.name, FIRST))
    theirs: list[DependentView] = []
    for place, some in groupby(ordered, key=lambda view: places.get(view.name, FIRST)):
        these = list(some)
        theirs += these
        slow = [view for view in these if _counts_from(view, facts) > facts.now]
        later = [view for view in ordered[len(theirs) :] if view.adoption in (Adoption.STALE, Adoption.UNSEEN)]
        if slow and later:
            return Turn(theirs=tuple(theirs), because=_told(place, slow, later), until=_until(slow, facts))
    return Turn(theirs=tuple(theirs))


FIRST = (1, True)


def _place(dependent: Dependent) -> tuple[int, bool]:
    return dependent.stage, not dependent.canary


def _nobody_waits(facts: Facts) -> bool:
    """In an emergency, where the value before is dead, and past grace."""
    assert facts.current is not None
    version, active = facts.secret.current_version, facts.active
    emergency = version is not None and version.reason in (Reason.KEY_COMPROMISE, Reason.SUSPECTED_COMPROMISE)
    lives = active is not None and facts.role(active.other) is Role.RETIRED
    return emergency or facts.is_emergency or not lives or facts.grace_is_over


def _counts_from(view: DependentView, facts: Facts) -> datetime:
    """From when on this one holds nobody up any more."""
    assert facts.current is not None
    if view.adoption is Adoption.PROVEN:
        return facts.now
    if view.adoption is not Adoption.CLAIMED:
        return facts.grace_ends()
    kept = facts.memory.adoptions.get(view.name)
    known = kept is not None and kept.version == facts.current.version and kept.adoption is Adoption.CLAIMED
    since = kept.since if kept and known else facts.now
    return min(since + facts.credential.policy.pause, facts.grace_ends())


def _until(slow: Iterable[DependentView], facts: Facts) -> tuple[datetime, ...]:
    """What only waits is known beforehand; who lags or cannot be seen is looked at again."""
    lags = any(view.adoption is not Adoption.CLAIMED for view in slow)
    return (facts.now + LOOK_AGAIN,) if lags else (max(_counts_from(view, facts) for view in slow),)


def _told(place: tuple[int, bool], slow: Iterable[DependentView], later: Iterable[DependentView]) -> str:
    stage, follows = place
    who = ", ".join(f"{view.name} ({view.adoption})" for view in slow)
    return f"{', '.join(view.name for view in later)} wait for {'stage' if follows else 'the canary of stage'} {stage}: {who}"
