"""A fleet at rest, in virtual time: the daemon's own errands, claimed as they fall due, and every call counted that leaves for Azure."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from rotator.settings.limits import LimitSettings
from tests.daemon.town import Town

ON_THE_WIRE = {"vault.look": 2}
"""A look at a vault is the list of its versions and its current value; every other port's verb is one call."""
WRITES = ("issuer.keys", "issuer.regenerate")
"""What Azure Resource Manager counts as writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one credential cost on one day."""

    calls: int
    resource_manager: int
    writes: int
    looks: int


async def days(town: Town, count: int) -> list[list[Cost]]:
    """So many days, and for each what every credential cost."""
    await town.rows.enlist(list(town.worlds))
    told = []
    for _ in range(count):
        before = {name: Counter(town.asked(name)) for name in town.worlds}
        await live(town, timedelta(days=1))
        told.append([_cost(Counter(town.asked(name)) - before[name]) for name in town.worlds])
    return told


async def live(town: Town, length: timedelta) -> None:
    """Claim what is due and run it, for so long."""
    end = town.now() + length
    while town.now() < end:
        due = await town.rows.next_due()
        assert due is not None
        await asyncio.sleep(min(max(due, timedelta(0)), end - town.now()).total_seconds())
        for claimed in await town.rows.claim_due(1000):
            ending = await town.errands.run(claimed)
            await town.pump._end(claimed.lease, ending)


def _cost(asked: Counter[str]) -> Cost:
    return Cost(
        calls=sum(count * ON_THE_WIRE.get(call, 1) for call, count in asked.items()),
        resource_manager=sum(count for call, count in asked.items() if call.startswith("issuer.")),
        writes=sum(asked[call] for call in WRITES),
        looks=asked["vault.look"],
    )


def at_rest(size: int, limits: LimitSettings | None = None) -> Town:
    """Values of yesterday, due in two months."""
    ages = {f"c{number}": timedelta(days=1) for number in range(size)}
    return Town(ages, limits=limits, cryptoperiod=timedelta(days=60))
