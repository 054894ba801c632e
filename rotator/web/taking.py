"""Deliveries that wait to be stored: as many as have come are stored by one transaction, and each sender is answered after it.

A flood fills the queue and is refused (503, or 429 at its own door) before it can fill the memory; what was answered 202 is in the ledger.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from rotator.core.report import Arrival, Receipt
from rotator.ledger.fault import LedgerFault

QUEUE_MAX = 2_000
BATCH_MAX = 100
ONE_BY_ONE_S_MAX = 5
"""How long the deliveries of a batch that failed are tried one by one: a ledger that is away is told to all of them at once."""

Waiting = tuple[Arrival, "asyncio.Future[Receipt]"]
Store = Callable[[Sequence[Arrival]], Awaitable[list[Receipt]]]


class Unstored(Exception):
    """It could not be stored now; the text says why."""


class Taking:
    """`take` one delivery; it returns when the ledger has it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue(QUEUE_MAX)

    async def take(self, arrival: Arrival) -> Receipt:
        """Raises Unstored."""
        told: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((arrival, told))
        except asyncio.QueueFull:
            raise Unstored("the queue is full") from None
        return await told

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Stored for as long as this lasts; who still waits at the end is told that it was not."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            while not self._queue.empty():
                self._queue.get_nowait()[1].cancel()

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH_MAX and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            fault = await self._settle(batch)
            if fault is not None:
                await self._one_by_one(batch, fault)

    async def _one_by_one(self, batch: list[Waiting], fault: Unstored) -> None:
        """So that one odd delivery does not take the others of its batch with it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for one in batch:
            if len(batch) > 1 and loop.time() - began < ONE_BY_ONE_S_MAX:
                fault = await self._settle([one]) or fault
            if not one[1].done():
                one[1].set_exception(fault)

    async def _settle(self, batch: list[Waiting]) -> Unstored | None:
        """Store them, and tell each who waits; or why they could not be stored."""
        try:
            receipts = await self._store([arrival for arrival, _ in batch])
        except Exception as fault:  # noqa: BLE001  # the one of this loop: told to each who waits
            return Unstored(str(fault) if isinstance(fault, LedgerFault) else type(fault).__name__)
        for (_, told), receipt in zip(batch, receipts, strict=True):
            if not told.done():
                told.set_result(receipt)
        return None
