"""The value before, which is still valid: revoked when its overlap is over and every dependent has moved, and waited for until then."""

from rotator.core.credential import Reason, Role, Slot
from rotator.core.facts import Facts
from rotator.core.rules.dead import probes_due
from rotator.core.rules.stages import turn
from rotator.core.snapshot import Adoption, DependentView
from rotator.core.step import Decision, Do, Revoke, Wait
from rotator.core.waiting import LOOK_AGAIN, LOOK_AGAIN_IN_AN_EMERGENCY, way_back, when


def supersede(facts: Facts) -> Decision | None:
    """A retired value dies when the overlap is over and every dependent has moved; never while one is Stale or Unseen."""
    retired = _retired_slot(facts)
    if retired is None or facts.is_compromised(facts.slots[retired]) or facts.now < facts.overlap_ends() or not facts.moved():
        return None
    step = Revoke(slot=retired, fingerprint=facts.slots[retired])
    return Do(step=step, reason=Reason.SUPERSEDED, because=f"the overlap is over and {_everyone(facts)}", phase="revoking")


def overlap(facts: Facts) -> Decision | None:
    """A retired value lives on: until its overlap is over, the dependents have moved, or its deadline has come."""
    retired = _retired_slot(facts)
    if retired is None:
        return None
    if facts.is_compromised(facts.slots[retired]):
        return _wait_to_drain(facts, retired)
    ends = facts.overlap_ends()
    if facts.now >= ends:
        return None if facts.moved() else _wait_for_dependents(facts, retired)
    late = facts.laggards() if facts.grace_is_over else []
    because = f"both values are valid until {when(ends)}; then {retired} is revoked"
    because += "".join(f"; past grace {view.name} is {view.adoption}" + _why_late(view, facts) for view in late)
    because += f"; {way_back(facts)}" if late else ""
    stage = turn(facts)
    because += f"; {stage.because}" if stage.because else ""
    until = min([ends, *probes_due(facts), *stage.until])
    return Wait(until=until, because=because, phase="overlap", reason=Reason.SUPERSEDED, tell=bool(late))


def _wait_to_drain(facts: Facts, slot: Slot) -> Wait:
    names = ", ".join(view.name for view in facts.laggards())
    until = facts.now + LOOK_AGAIN_IN_AN_EMERGENCY
    return Wait(
        until=until, because=f"{slot} is compromised and {names} still runs on it; revoked at its deadline", phase="draining", tell=True
    )


def _wait_for_dependents(facts: Facts, retired: Slot) -> Wait:
    behind = [view for view in facts.snapshot.dependents if view.adoption is not Adoption.PROVEN]
    told = ", ".join(f"{view.name} is {view.adoption}" + _why_late(view, facts) for view in behind)
    claimed_only = facts.current is not None and all(view.adoption is Adoption.CLAIMED for view in behind)
    until = facts.grace_ends() if facts.current and claimed_only else facts.now + LOOK_AGAIN
    because = f"{retired} is not revoked while {told}"
    late = facts.grace_is_over
    return Wait(until=until, because=because, phase="overlap", reason=Reason.SUPERSEDED, tell=late, for_dependents=True)


def _why_late(view: DependentView, facts: Facts) -> str:
    """What was seen of it, and what the last delivery said, which may name what a person has to do."""
    tries = [held.because for name, held in facts.memory.held_back.items() if held.failed and view.name in name.split()]
    told = "; ".join(dict.fromkeys(filter(None, (view.because, *tries))))
    return f" ({told})" if told else ""


def _retired_slot(facts: Facts) -> Slot | None:
    active = facts.active
    return active.other if active is not None and facts.role(active.other) is Role.RETIRED else None


def _everyone(facts: Facts) -> str:
    return "every dependent has moved" if facts.snapshot.dependents else "all readers have had time to move"
