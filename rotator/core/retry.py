"""After a fault: again at T, or give up. Doubling with a bound; what the service asked for is honoured, bounded too."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from rotator.core.faults import Ambiguous, Conflict, Denied, Fault, Missing, Rejected, Throttled, Transient

FIRST_WAIT = timedelta(seconds=0.5)
LONGEST_WAIT = timedelta(minutes=5)
LONGEST_THROTTLE = timedelta(hours=1)
EMERGENCY_WAIT = timedelta(seconds=10)
LATE_EFFECT = timedelta(seconds=1)
"""How long a call whose answer was lost is left alone before the same step is tried anew: its effect may still come."""
LISTS_LAG = timedelta(seconds=15)
LISTS_LAG_IN_AN_EMERGENCY = timedelta(seconds=3)
"""How long a regenerate without an answer is not taken for one that never was, although the list of keys does not show its effect: lists
lag by several seconds. A scheduled one can wait; in an emergency one mint too many is the lesser harm."""
MOVES_WITHIN = timedelta(seconds=30)
"""A dependent that was handed the value is given this long to show it before it is handed it again; ever longer, if it does not."""
FAULTS_IN_A_ROW_MAX = 12
FIRST_REST = timedelta(seconds=15)
LONGEST_REST = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Look again at `at`."""

    at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Trying again by itself is of no use now: a person has to act, or the next tick tries."""

    because: str


def after(fault: Fault, failures: int, now: datetime, *, emergency: bool = False, chance: random.Random) -> Again | GiveUp:
    """What to do after the `failures`-th fault in a row (1 is the first). In an emergency the wait between two looks stays short."""
    wait = min(backoff(failures, chance), EMERGENCY_WAIT if emergency else LONGEST_WAIT)
    if failures >= FAULTS_IN_A_ROW_MAX and not emergency:
        return GiveUp(because=f"{fault.what}; {failures} faults in a row")
    match fault:
        case Throttled():
            soonest = wait if failures > 1 else FIRST_WAIT  # who is refused again and again asks ever less often, whatever was said
            return Again(at=min(max(fault.until, now + soonest), now + LONGEST_THROTTLE), because=fault.what)
        case Ambiguous():
            return Again(at=now + max(wait, LATE_EFFECT), because=fault.what)
        case Transient() | Conflict():
            return Again(at=now + wait, because=fault.what)
        case Denied() | Missing() | Rejected():
            return GiveUp(because=fault.what) if failures >= 2 else Again(at=now + wait, because=fault.what)
        case Fault():
            return GiveUp(because=fault.what)
        case _:
            assert_never(fault)


def handed_again(lags_since: datetime, handed: datetime, *, emergency: bool) -> datetime:
    """When a dependent that lags since then is handed the value again: each time twice as long after it began to lag, bounded."""
    longer = min(max(handed - lags_since, MOVES_WITHIN), LONGEST_WAIT)
    return handed + (MOVES_WITHIN if emergency else longer)


def backoff(failures: int, chance: random.Random) -> timedelta:
    """Doubling from half a second, with jitter of a quarter, bounded."""
    doubled: timedelta = FIRST_WAIT * 2 ** min(max(failures - 1, 0), 10)
    jittered: timedelta = doubled * chance.uniform(0.75, 1.25)
    return min(jittered, LONGEST_WAIT)


def rest(troubles: int, chance: random.Random, *, hopeless: bool) -> timedelta:
    """How long a credential rests after the `troubles`-th run in a row that ended in trouble, at least: so a fleet that cannot be seen
    costs little, and comes back by itself. Where a person has to act first, trying often is of no use.
    """
    longest = LONGEST_REST if hopeless else LONGEST_WAIT
    doubled: timedelta = FIRST_REST * 2 ** min(max(troubles - 1, 0), 10)
    jittered: timedelta = doubled * chance.uniform(0.75, 1.25)
    return min(jittered, longest)
