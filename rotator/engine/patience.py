"""One question, asked again while what is wrong is likely to pass: a 503, a 429, no connection. For looks alone, never for an effect."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from rotator.core.faults import Throttled, Transient
from rotator.engine.ports import Clock

T = TypeVar("T")

FIRST_PAUSE = timedelta(seconds=0.5)
LONGEST_PAUSE = timedelta(seconds=10)


async def once_more(ask: Callable[[], Awaitable[T]], clock: Clock, within: timedelta) -> T:
    """What `ask` says. Raises its fault where a person has to act, or where it does not pass `within` this time."""
    end, pause = clock.now() + within, FIRST_PAUSE
    while True:
        try:
            return await ask()
        except (Throttled, Transient) as fault:
            now = clock.now()
            again = max(fault.until, now + pause) if isinstance(fault, Throttled) else now + pause
            if again > end:
                raise
        await clock.sleep(again - now)
        pause = min(pause * 2, LONGEST_PAUSE)
