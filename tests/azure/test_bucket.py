"""The token bucket on our side, in virtual time: who goes first, what is left to whom, and what an answer may say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from rotator.azure.bucket import BLOCK_MAX_S, WAITERS_MAX, Bucket, Rank, Shares, Size
from rotator.core.faults import Throttled
from tests.engine.virtual_time import VirtualLoop

SIZE = Size(burst=20, refill_per_s=10)
SLACK = 2
"""What stays in a bucket of this size, for calls that overtake each other."""


def in_virtual_time(story: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def test() -> None:
        loop = VirtualLoop()
        try:
            loop.run_until_complete(story())
        finally:
            loop.close()

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test


def a_bucket(size: Size = SIZE, **shares: float) -> Bucket:
    return Bucket(size, Shares(**shares), asyncio.get_running_loop().time)


async def spend(bucket: Bucket, count: int, rank: Rank = Rank.KILL) -> list[int]:
    return [await bucket.take(rank, "a call", within_s=60) for _ in range(count)]


def now() -> float:
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_a_burst_goes_at_once_and_the_rest_at_the_refill() -> None:
    bucket = a_bucket()
    await spend(bucket, 20 - SLACK)
    assert now() == 0
    await spend(bucket, 10)
    assert now() == pytest.approx(1.0, abs=0.02)


@in_virtual_time
async def test_cadence_leaves_the_last_share_to_an_emergency() -> None:
    bucket = a_bucket(reserve=0.5)
    await spend(bucket, 10, Rank.CADENCE)
    with pytest.raises(Throttled):
        await bucket.take(Rank.CADENCE, "a call", within_s=0)
    await spend(bucket, 10 - SLACK, Rank.EMERGENCY)
    assert now() == 0


@in_virtual_time
async def test_cadence_has_no_more_than_its_share_of_the_refill() -> None:
    bucket = a_bucket(cadence=0.5, reserve=0.2)
    await spend(bucket, 16, Rank.CADENCE)
    await spend(bucket, 10, Rank.CADENCE)
    assert now() == pytest.approx(2.0, abs=0.1)
    assert bucket.level().left > 10


@in_virtual_time
async def test_an_emergency_goes_before_who_waits_and_its_kill_before_its_looks() -> None:
    bucket, order = a_bucket(reserve=0.2), list[str]()

    async def one(rank: Rank, name: str) -> None:
        await bucket.take(rank, name, within_s=60)
        order.append(name)

    await spend(bucket, 20 - SLACK)
    async with asyncio.TaskGroup() as group:
        for rank, name in (
            (Rank.CADENCE, "cadence 1"),
            (Rank.CADENCE, "cadence 2"),
            (Rank.EMERGENCY, "look 1"),
            (Rank.EMERGENCY, "look 2"),
            (Rank.KILL, "kill 1"),
            (Rank.KILL, "kill 2"),
        ):
            group.create_task(one(rank, name))
            await asyncio.sleep(0)
    assert order == ["kill 1", "kill 2", "look 1", "look 2", "cadence 1", "cadence 2"]


@in_virtual_time
async def test_a_wait_that_is_too_long_is_refused_at_once_with_its_end() -> None:
    bucket = a_bucket(reserve=0.0)
    await spend(bucket, 20 - SLACK)
    with pytest.raises(Throttled) as caught:
        await bucket.take(Rank.EMERGENCY, "writes", within_s=0.05)
    assert now() == 0
    assert 0 < (caught.value.until - datetime.now(UTC)).total_seconds() < 0.2
    assert "writes" in caught.value.what
    assert bucket.level().waiting == 0


@in_virtual_time
async def test_who_is_overtaken_for_too_long_is_refused_and_leaves_the_line() -> None:
    bucket = a_bucket(reserve=0.0)
    await spend(bucket, 20 - SLACK)
    waiting = asyncio.ensure_future(bucket.take(Rank.CADENCE, "a call", within_s=0.5))
    await asyncio.sleep(0)
    await asyncio.gather(*(bucket.take(Rank.KILL, "a kill", within_s=60) for _ in range(9)))
    with pytest.raises(Throttled):
        await waiting
    assert now() < 1.0
    assert bucket.level().waiting == 0


@in_virtual_time
async def test_cadence_does_not_stand_in_line_behind_a_crowd_of_emergencies() -> None:
    bucket = a_bucket()
    await spend(bucket, 20 - SLACK)
    crowd = [asyncio.ensure_future(bucket.take(Rank.EMERGENCY, "a look", within_s=60)) for _ in range(11)]
    await asyncio.sleep(0)
    with pytest.raises(Throttled):
        await bucket.take(Rank.CADENCE, "a call", within_s=60)
    await asyncio.gather(*crowd)


@in_virtual_time
async def test_the_line_has_an_end() -> None:
    bucket = a_bucket(Size(burst=10, refill_per_s=1000))
    crowd = [asyncio.ensure_future(bucket.take(Rank.KILL, "a kill", within_s=60)) for _ in range(WAITERS_MAX + 9)]
    await asyncio.sleep(0)
    with pytest.raises(Throttled):
        await bucket.take(Rank.KILL, "a kill", within_s=60)
    await asyncio.gather(*crowd)


@in_virtual_time
async def test_a_confirmation_takes_nothing_that_another_may_want() -> None:
    bucket = a_bucket()
    await spend(bucket, 1, Rank.CONFIRMATION)
    await spend(bucket, 5)
    with pytest.raises(Throttled) as put_off:
        await bucket.take(Rank.CONFIRMATION, "a call", within_s=0)
    assert "used up" not in put_off.value.what, "it is not, and nothing is wrong"


@in_virtual_time
async def test_nobody_is_told_that_a_budget_is_used_up_for_no_time_at_all() -> None:
    bucket = a_bucket()
    await spend(bucket, 20 - SLACK)
    with pytest.raises(Throttled) as refused:
        await bucket.take(Rank.KILL, "a kill", within_s=0)
    assert refused.value.what.endswith("is used up; again in 1 s")


@in_virtual_time
async def test_who_gives_up_in_line_holds_up_nobody() -> None:
    bucket = a_bucket()
    await spend(bucket, 20 - SLACK)
    first, second = (asyncio.ensure_future(bucket.take(Rank.KILL, "a kill", within_s=60)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert now() == pytest.approx(0.1, abs=0.02)


@in_virtual_time
async def test_who_gives_up_with_a_token_in_hand_gives_it_back() -> None:
    bucket = a_bucket()
    await spend(bucket, 20 - SLACK)
    waiting = asyncio.ensure_future(bucket.take(Rank.KILL, "a kill", within_s=60))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_at(0.1 + 1e-10, waiting.cancel)  # right after its turn came, and before it could run
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    assert bucket.level().taken == 20 - SLACK + 1
    assert bucket.level().left == pytest.approx(SLACK + 1)


# --- what the answers say ---------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_an_answer_lowers_the_level_and_never_raises_it() -> None:
    bucket = a_bucket()
    first, second = await spend(bucket, 2)
    bucket.answered(first, 5)
    assert bucket.level().left == 5  # 5 told, one not told of, one more sent since
    bucket.answered(second, 15)
    assert bucket.level().left == 5


@in_virtual_time
async def test_what_flowed_in_since_the_call_is_counted() -> None:
    """Without it, a slow answer would take away what the service has granted meanwhile, and half the budget with it."""
    bucket = a_bucket()
    (ticket,) = await spend(bucket, 1)
    await asyncio.sleep(0.5)
    bucket.answered(ticket, 5)
    assert bucket.level().left == pytest.approx(5 + 1 + 5)


@in_virtual_time
async def test_an_answer_that_says_nothing_or_never_comes_changes_nothing() -> None:
    bucket = a_bucket()
    first, second = await spend(bucket, 2)
    bucket.answered(first, None)
    bucket.unanswered(second)
    assert (bucket.level().left, bucket.level().flying) == (18, 0)


@in_virtual_time
async def test_a_refusal_closes_the_bucket_until_then() -> None:
    bucket = a_bucket()
    bucket.block(3)
    assert bucket.level().blocked_s == 3
    await spend(bucket, 1)
    assert now() == pytest.approx(3 + (1 + SLACK) / 10, abs=0.02)
    bucket.block(86_400)
    assert bucket.level().blocked_s == BLOCK_MAX_S


class Service:
    """Azure's side: a strict bucket that refuses, and answers late."""

    def __init__(self, size: Size, chance: random.Random) -> None:
        self.size, self.chance = size, chance
        self.left, self.at = size.burst, 0.0
        self.refused = 0

    async def call(self, bucket: Bucket, rank: Rank) -> None:
        ticket = await bucket.take(rank, "a call", within_s=600)
        await asyncio.sleep(self.chance.uniform(0, 0.05))
        self.left = min(self.left + (now() - self.at) * self.size.refill_per_s, self.size.burst)
        self.at = now()
        if self.left < 1:
            self.refused += 1
            return bucket.block(1)
        self.left -= 1
        remaining = int(self.left)
        await asyncio.sleep(self.chance.uniform(0, 0.3))
        return bucket.answered(ticket, remaining)


@pytest.mark.parametrize("seed", range(8))
def test_a_strict_service_is_never_asked_too_much_and_little_of_it_is_left_unused(seed: int) -> None:
    """A thousand writes as fast as they go, answered late and out of order: no refusal, and next to no time lost."""
    size, chance, calls = Size(burst=200, refill_per_s=10), random.Random(seed), 1000

    async def story() -> None:
        bucket, service = a_bucket(size), Service(size, chance)
        for _ in range(calls // 100):
            await asyncio.gather(*(service.call(bucket, chance.choice([Rank.KILL, Rank.EMERGENCY])) for _ in range(100)))
        assert service.refused == 0
        assert now() < (calls - size.burst) / size.refill_per_s * 1.1

    in_virtual_time(story)()


def test_others_in_the_subscription_are_noticed_from_the_answers() -> None:
    size = Size(burst=200, refill_per_s=10)

    async def story() -> None:
        bucket, service = a_bucket(size), Service(size, random.Random(1))
        service.left = 20.0
        await asyncio.gather(*(service.call(bucket, Rank.KILL) for _ in range(5)))
        assert bucket.level().left < 30

    in_virtual_time(story)()
