"""Who beat when, by the monotonic clock: what `/healthz` and the watchdog tell the outside."""

import asyncio
from datetime import timedelta

from rotator.core.legible import span

LATE_AFTER = {"pump": timedelta(seconds=60), "ledger": timedelta(seconds=30)}
"""The pump may wait for a database that is busy; longer than this it hangs."""


class Pulse:
    """The last beat of each part. A part that never beat is late from the start."""

    def __init__(self) -> None:
        self._beats: dict[str, float] = {}
        self._started = asyncio.get_running_loop().time()

    def beat(self, part: str) -> None:
        self._beats[part] = asyncio.get_running_loop().time()

    def age(self, part: str) -> timedelta:
        return timedelta(seconds=asyncio.get_running_loop().time() - self._beats.get(part, self._started))

    def late(self, *parts: str) -> list[str]:
        """The parts whose last beat is too long ago, each with how long."""
        late = [part for part in parts if self.age(part) > LATE_AFTER[part]]
        return [f"{part} has not beat for {span(self.age(part))}" for part in late]
