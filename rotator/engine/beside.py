"""Work beside other work, which may be cut off: whatever it ends with is heard, also where nobody waits for it any more.

asyncio logs the end of a task that nobody heard of, with its traceback, whenever the collector finds it. That is noise where the work was
given up on purpose, and a traceback has no place in the log.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def beside(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """It begins now. Whoever made it ends it (`over`), or leaves it to itself."""
    task = asyncio.create_task(work)
    task.add_done_callback(_hear)
    return task


async def over(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """None of them goes on."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _hear(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
