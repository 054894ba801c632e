"""For who looks over everything once, and would rather wait than be told that a part of it could not be seen. Never for an effect."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from rotator.core.faults import Throttled, Transient

T = TypeVar("T")
ATTEMPTS = 4
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.5), timedelta(seconds=60)


async def patiently(call: Callable[[], Awaitable[T]], pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> T:
    """What comes of a call that only reads; again where the service or our own budget asks for patience, or where it failed in passing.

    Raises:
        Fault: the last one, or the first that no waiting mends.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return await call()
        except Throttled as throttled:
            length = min(max(throttled.until - datetime.now(UTC), SHORTEST_PAUSE), LONGEST_PAUSE)
        except Transient as transient:
            if transient.remedy:
                raise
            length = SHORTEST_PAUSE
        await pause(length.total_seconds())
    return await call()
