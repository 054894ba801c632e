"""The two ways Azure counts: a token bucket (Resource Manager) and a count over a sliding span (Key Vault).

Promises: `take` says 0 when the request may pass, else the whole seconds after which it is worth another try. Never
sleeps.
"""

from collections import deque
from dataclasses import dataclass, field
from math import ceil


@dataclass(slots=True)
class Bucket:
    size: float
    refill_per_s: float
    level: float = -1.0
    at_s: float = 0.0

    def take(self, now_s: float) -> int:
        level = self.size if self.level < 0 else self.level + (now_s - self.at_s) * self.refill_per_s
        self.level, self.at_s = min(self.size, level), now_s
        if self.level < 1:
            return max(1, ceil((1 - self.level) / self.refill_per_s)) if self.refill_per_s else 3600
        self.level -= 1
        return 0

    @property
    def remaining(self) -> int:
        return int(max(self.level, 0))


@dataclass(slots=True)
class Window:
    limit: int
    span_s: float
    arrivals_s: deque[float] = field(default_factory=deque)

    def take(self, now_s: float) -> int:
        while self.arrivals_s and self.arrivals_s[0] <= now_s - self.span_s:
            self.arrivals_s.popleft()
        if len(self.arrivals_s) >= self.limit:
            oldest_s = self.arrivals_s[0] if self.arrivals_s else now_s
            return max(1, ceil(oldest_s + self.span_s - now_s))
        self.arrivals_s.append(now_s)
        return 0
