"""What is waited for: how long until the next look, and what a person is told meanwhile."""

from datetime import datetime, timedelta

from rotator.core.facts import Facts
from rotator.core.snapshot import HeldBack, Unseen
from rotator.core.step import Do, Propagate, Wait

RECHECK = timedelta(minutes=15)
LOOK_AGAIN = timedelta(seconds=30)
LOOK_AGAIN_IN_AN_EMERGENCY = timedelta(seconds=2)
SOONEST = timedelta(milliseconds=250)


def until_tried_again(do: Do, held: HeldBack, facts: Facts) -> Wait:
    """Tried again later. A dependent that takes the value and does not move is told of past grace, however well each delivery went."""
    to = f" to {do.step.dependent}" if isinstance(do.step, Propagate) else ""
    because = f"{do.step.name}{to}: {held.because}; tried again {when(held.until)}"
    for_dependents = isinstance(do.step, Propagate)
    late = for_dependents and facts.grace_is_over
    because += f"; past grace {do.because}; {way_back(facts)}" if late else ""
    return Wait(
        until=held.until,
        because=because,
        phase=do.phase,
        reason=do.reason,
        failed=held.failed,
        tell=held.failed or late,
        for_dependents=for_dependents,
    )


def wait_to_see(facts: Facts, unseen: Unseen) -> Wait:
    """Rule 1: a needed fact is Unseen. Say who must do what; with a case open, look again sooner and tell."""
    until = max(unseen.again, facts.now + SOONEST) if unseen.again else look_again(facts)
    because = f"{unseen.what} cannot be seen: {unseen.because}" + (f"; {unseen.remedy}" if unseen.remedy else "")
    tell = facts.is_emergency or bool(unseen.remedy)
    phase = "settling" if unseen.settles else "unseen"
    return Wait(until=until, because=because, phase=phase, tell=tell, failed=True, hopeless=unseen.hopeless)


def look_again(facts: Facts) -> datetime:
    """When to look again at what nobody tells us of; sooner while a case is open."""
    return facts.now + (LOOK_AGAIN_IN_AN_EMERGENCY if facts.is_emergency else LOOK_AGAIN)


def way_back(facts: Facts) -> str:
    """What a person is told who has to see to a dependent that does not move."""
    return f"see to it, or go back to the value before: rotator rollback {facts.credential.name}"


def when(at: datetime) -> str:
    """A time, for people."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
