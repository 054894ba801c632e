"""Dependents that lag are handed what is published, stage by stage."""

from rotator.core.credential import Reason
from rotator.core.facts import Facts
from rotator.core.rules.stages import turn
from rotator.core.snapshot import Adoption
from rotator.core.step import Decision, Do, Propagate

DELIVERIES_AT_ONCE = 8


def propagate(facts: Facts) -> Decision | None:
    """Dependents lag whose stage has its turn: make them pick up the value, all at once.

    One that was tried lately, or cannot be seen, does not hold the others of its stage back.
    """
    active, current = facts.active, facts.current
    if active is None or current is None or current.fingerprint is None:
        return None
    behind = {view.name: view for view in turn(facts).theirs if view.adoption is Adoption.STALE}
    steps = [Propagate(dependent=name, slot=active, fingerprint=current.fingerprint, version=current.version) for name in behind]
    ready = [step for step in steps if not facts.held_back(step)] or steps[:1]
    if not ready:
        return None
    step, *beside = ready[:DELIVERIES_AT_ONCE]
    view = behind[step.dependent]
    because = f"{view.name} lags: {view.because or view.seen}"
    because += f"; at the same time {', '.join(one.dependent for one in beside)}" if beside else ""
    return Do(step=step, beside=tuple(beside), reason=_reason_of_current(facts), because=because, phase="propagating")


def _reason_of_current(facts: Facts) -> Reason:
    version = facts.secret.current_version
    return Reason(version.reason) if version and version.reason in set(Reason) else Reason.SUPERSEDED
