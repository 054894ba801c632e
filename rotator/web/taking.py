"""Deliveries that wait to be stored: as many as have come are stored by one transaction, and each sender is answered after it.

A flood fills the queue and is refused (503, or 429 at its own door) before it can fill the memory; what was answered 202 is in the ledger.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from rotator.core.report import Arrival, Receipt

QUEUE_MAX = 2_000
BATCH_MAX = 100

Store = Callable[[Sequence[Arrival]], Awaitable[list[Receipt]]]


class Full(Exception):
    """More is waiting than is stored in any reasonable time."""


class Taking:
    """`take` one delivery; it returns when the ledger has it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: asyncio.Queue[tuple[Arrival, asyncio.Future[Receipt]]] = asyncio.Queue(QUEUE_MAX)

    async def take(self, arrival: Arrival) -> Receipt:
        """Raises Full, or whatever the ledger raises."""
        told: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((arrival, told))
        except asyncio.QueueFull:
            raise Full from None
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
            await self._settle(batch)

    async def _settle(self, batch: list[tuple[Arrival, "asyncio.Future[Receipt]"]]) -> None:
        """A batch that the ledger refuses is tried one by one, so that one odd delivery does not take the others with it."""
        try:
            receipts = await self._store([arrival for arrival, _ in batch])
        except Exception as fault:  # noqa: BLE001  # told to each who waits
            for one in batch if len(batch) > 1 else ():
                await self._settle([one])
            if len(batch) == 1 and not batch[0][1].done():
                batch[0][1].set_exception(fault)
            return
        for (_, told), receipt in zip(batch, receipts, strict=True):
            if not told.done():
                told.set_result(receipt)
