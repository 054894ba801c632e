"""Failed tries at the doors for people (orders, the page): counted together, told once a minute, and answered 429 when there are too many.

Who brings the right token is let in whatever strangers do meanwhile: nobody can lock out the person on call by knocking. What keeps a
token from being guessed is its length; what is bounded here is what a stranger's knocking costs, and that it fills no log.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

PER_MINUTE, AT_ONCE = 60, 30
TOLD_EVERY_S = 60
AGAIN = {"Retry-After": "10"}
TOO_OFTEN = "too many failed tries; wait a moment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What to make of a failed try. `told`: how many there were since the last that was told, where it is time to tell again."""

    too_often: bool
    told: int


@dataclass(slots=True)
class Tries:
    """A token bucket of failures."""

    clock: Callable[[], float] = time.monotonic
    _left: float = field(init=False, default=AT_ONCE)
    _at: float = field(init=False, default=float("-inf"))
    _told_at: float = field(init=False, default=float("-inf"))
    _untold: int = field(init=False, default=0)

    def failed(self) -> Tried:
        """One more."""
        now = self.clock()
        self._left = min(self._left + max(now - self._at, 0) * PER_MINUTE / 60, AT_ONCE)
        self._at = now
        too_often = self._left < 1
        self._left -= 0 if too_often else 1
        return Tried(too_often=too_often, told=self._tells(now))

    def _tells(self, now: float) -> int:
        self._untold += 1
        if now - self._told_at < TOLD_EVERY_S:
            return 0
        told, self._untold, self._told_at = self._untold, 0, now
        return told
