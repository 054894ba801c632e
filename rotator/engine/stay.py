"""How long a run stays: what it waits for, what it tries again by itself, and when it ends and leaves the rest to the next one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from rotator.core.incident import Incident, State
from rotator.core.retry import EMERGENCY_WAIT, LATE_EFFECT, LISTS_LAG
from rotator.core.snapshot import Adoption
from rotator.core.step import Quiet, Wait
from rotator.engine.observe import Look
from rotator.engine.walk import Moment, Walk

FIRST_BLIND_WAIT = timedelta(seconds=0.5)
BLIND_LOOKS_MAX = 8
"""How many looks in a row may see nothing before a run gives up (about two minutes), and how many if a person has to act first."""
HOPELESS_LOOKS_MAX = 2
RETRIES_FOR = timedelta(minutes=1)
"""How long a run that nobody waits for tries again what failed, before it hands its slot to others and comes back for another turn."""
NOT_WAITED_FOR = timedelta(seconds=10)
"""The same for a command that does not wait: it does what can be done at once, and what fails is tried again within this. The rest is left
to the daemon, or to the same command."""
LAGGARDS_ARE_GIVEN = timedelta(seconds=30)
"""How long a run that does not stay for dependents stays for them all the same: most move within this."""


class Stay(StrEnum):
    """What a run waits for. Everything; everything but dependents that cannot be seen; or that every leaked value is proven dead."""

    THROUGH = "through"
    SEEN = "seen"
    DEAD = "dead"


def leaves(decision: Wait | Quiet, look: Look, incidents: Sequence[Incident], stay: Stay, walk: Walk) -> bool:
    """Whether nothing but dependents is waited for, by a run that does not stay for them."""
    if not isinstance(decision, Wait) or not decision.for_dependents or any(case.presses for case in incidents):
        walk.lingers_since = None
        return False
    now = walk.world.clock.now()
    walk.lingers_since = walk.lingers_since or now
    match stay:
        case Stay.THROUGH:
            return False
        case Stay.SEEN:
            return any(view.adoption is Adoption.UNSEEN for view in look.snapshot.dependents)
        case Stay.DEAD:
            return now >= walk.lingers_since + LAGGARDS_ARE_GIVEN


def ends(decision: Wait | Quiet, incidents: Sequence[Incident], walk: Walk) -> bool:
    """Whether the run ends here: quiet, longer than asked, refused, or nothing to be seen; never before a deadline that is in reach."""
    now, until = walk.world.clock.now(), walk.until
    if isinstance(decision, Quiet):
        return True
    if until and any(case.state is State.OPEN and now < case.deadline <= until for case in incidents):
        return False
    if decision.refused:
        return True
    if until is None:
        return not _is_a_moment(decision, incidents, walk)
    if decision.until > until:
        return True
    walk.blind_looks = walk.blind_looks + 1 if decision.phase == "unseen" else 0
    if walk.blind_looks < (HOPELESS_LOOKS_MAX if decision.hopeless else BLIND_LOOKS_MAX):
        return False
    return decision.hopeless or not any(case.state is State.OPEN for case in incidents)


def next_look(decision: Wait | Quiet, walk: Walk) -> datetime:
    """What cannot be seen is looked at again soon, then ever less often."""
    soon = walk.world.clock.now() + FIRST_BLIND_WAIT * 2 ** min(walk.blind_looks, 8)
    return min(decision.until, soon) if walk.blind_looks else decision.until


def _is_a_moment(wait: Wait, incidents: Sequence[Incident], walk: Walk) -> bool:
    """What failed just now is tried again in this run: the next one would not know how often it did, and a lost answer settles by then.

    For a while: else forty leaks behind one firewall would hold up the kill of the next. Not so what is counted before a containment, but
    for a command that was told not to wait.
    """
    longest, now = {"unseen": LATE_EFFECT, "settling": LISTS_LAG}.get(wait.phase, EMERGENCY_WAIT), walk.world.clock.now()
    if not wait.failed or wait.until - now > longest:
        return False
    this = Moment.now(walk.world.clock)
    walk.retries_since = walk.retries_since or this
    tried_s = this.loop_s - walk.retries_since.loop_s
    if walk.retries_for is not None:
        return tried_s + (wait.until - now).total_seconds() < walk.retries_for.total_seconds()
    return tried_s < RETRIES_FOR.total_seconds() or any(case.awaits_containment for case in incidents)
