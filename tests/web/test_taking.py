"""Storing in batches: each is answered after the ledger has it; an odd delivery, or a ledger that is away, is told to whom it concerns."""

import asyncio
from collections.abc import Sequence

from rotator.core.report import Arrival, Receipt
from rotator.ledger.fault import LedgerFault
from rotator.web.taking import BATCH_MAX, QUEUE_MAX, Taking, Unstored


def arrival(name: str) -> Arrival:
    return Arrival(source="signed", identities=(name,), reports=())


class Store:
    """A ledger that can be slow, refuse one delivery, or be away."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.odd = ""
        self.away = False
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        names = [one.identities[0] for one in arrivals]
        self.batches.append(names)
        await self.open.wait()
        if self.away:
            raise LedgerFault("rotator.db: disk full")
        if self.odd in names:
            raise ValueError("no such thing was foreseen")
        return [Receipt() for _ in arrivals]


async def test_what_comes_while_one_batch_is_stored_is_the_next_one() -> None:
    store = Store()
    store.open.clear()
    taking = Taking(store)
    async with taking.running():
        waiting = [asyncio.create_task(taking.take(arrival(str(number)))) for number in range(BATCH_MAX + 50)]
        await asyncio.sleep(0.01)
        assert not any(one.done() for one in waiting), "nobody is answered before the ledger has it"
        store.open.set()
        await asyncio.gather(*waiting)
    assert [len(batch) for batch in store.batches] == [BATCH_MAX, 50]


async def test_an_odd_delivery_does_not_take_the_others_of_its_batch_with_it() -> None:
    store = Store()
    store.odd = "2"
    taking = Taking(store)
    async with taking.running():
        told = await asyncio.gather(*(taking.take(arrival(str(number))) for number in range(5)), return_exceptions=True)
    assert [isinstance(one, Receipt) for one in told] == [True, True, False, True, True]
    assert str(told[2]) == "ValueError", "by its name alone: a text may hold anything"


async def test_a_ledger_that_is_away_is_told_to_everyone_and_then_it_goes_on() -> None:
    store = Store()
    store.away = True
    taking = Taking(store)
    async with taking.running():
        told = await asyncio.gather(*(taking.take(arrival(str(number))) for number in range(3)), return_exceptions=True)
        assert [str(one) for one in told] == ["rotator.db: disk full"] * 3
        store.away = False
        assert await taking.take(arrival("later")) == Receipt()


async def test_a_flood_fills_the_queue_and_no_more() -> None:
    store = Store()
    store.open.clear()
    taking = Taking(store)
    async with taking.running():
        waiting = [asyncio.create_task(taking.take(arrival(str(number)))) for number in range(QUEUE_MAX + 1)]
        await asyncio.sleep(0.01)
        (refused,) = [one for one in waiting if one.done()]
        assert str(refused.exception()) == "the queue is full"
        store.open.set()
        told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in told].count(Receipt) == QUEUE_MAX
    assert [type(one) for one in told].count(Unstored) == 1
