"""How long a revocation of many accounts takes: what the slower of two holds it up, the budget of writes or the round trips."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from rotator.core.forecast import Forecast
from rotator.core.step import Do, Mint, Revoke, SwitchOffLocalAuth

LISTS_BESIDE = 2
"""How often the keys are listed beside the steps: at first, and to see that all is quiet. Resource Manager counts a listing as a write."""
ROUND_TRIPS_OF_A_STEP = 1.5
"""A step, and now and then a look after it that may not be believed."""
ROUND_TRIPS_BESIDE = 4
"""The first look, the last, and the row of refusals that proves a death."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What Resource Manager lets one subscription write: at once, and a second after that."""

    burst: float
    refill_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """`held_up_by`: `the write budget of Resource Manager` or `round trips`."""

    accounts: int
    writes: int
    seconds: float
    held_up_by: str

    def turn(self, place: int) -> timedelta:
        """How long until the turn of the account that stands at this `place` of the order."""
        return timedelta(seconds=self.seconds * place / max(self.accounts, 1))


WRITES_OF_AN_ACCOUNT = 4


def spread(place: int, budget: Budget = Budget(burst=200, refill_per_s=10)) -> timedelta:
    """The turn of the account that stands at this place, by the budget of writes alone: where nobody has looked at any of them."""
    return timedelta(seconds=max(place * WRITES_OF_AN_ACCOUNT - budget.burst, 0) / budget.refill_per_s)


def estimate(runbooks: Iterable[tuple[str, list[Forecast]]], budget: Budget, *, at_once: int, round_trip_s: float) -> Estimate:
    """`runbooks`: for each account its subscription and what will be done; `round_trip_s` as a look at it was measured a moment ago."""
    writes, trips, accounts = Counter[str](), 0.0, 0
    for subscription, runbook in runbooks:
        steps = [line.decision.step for line in runbook if isinstance(line.decision, Do)]
        writes[subscription] += LISTS_BESIDE + sum(isinstance(step, Mint | Revoke | SwitchOffLocalAuth) for step in steps)
        trips += ROUND_TRIPS_BESIDE + ROUND_TRIPS_OF_A_STEP * len(steps)
        accounts += 1
    budgeted = max((max(count - budget.burst, 0) / budget.refill_per_s for count in writes.values()), default=0.0)
    rounds = math.ceil(accounts / at_once) if accounts else 0
    travelled = rounds * round_trip_s * trips / max(accounts, 1)
    held_up_by = "the write budget of Resource Manager" if budgeted > travelled else "round trips"
    return Estimate(accounts=accounts, writes=writes.total(), seconds=max(budgeted, travelled), held_up_by=held_up_by)
