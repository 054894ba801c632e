"""An event loop whose time is its own: a sleep of an hour takes none. What is awaited in it runs in the same order every time."""

import asyncio
import selectors
from typing import Any


class EverythingWaits(RuntimeError):
    """No task can run and no timer is set: whatever is awaited will never come."""


class _NoWaiting:
    """A selector that moves the loop's time on instead of waiting. Nothing here opens a socket, so there is nothing to select."""

    def __init__(self, real: selectors.BaseSelector) -> None:
        self.real = real
        self.time = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise EverythingWaits
        self.time += timeout
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop with virtual time; `wait_for` and `sleep` obey it, too."""

    def __init__(self) -> None:
        self._time = _NoWaiting(selectors.DefaultSelector())
        super().__init__(self._time)  # type: ignore[arg-type]

    def time(self) -> float:
        return self._time.time
