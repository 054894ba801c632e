"""What arrived, in order.

Promises: one entry per request at any surface, written on arrival and completed when the answer is sent; it counts how
often the very same request came. Never: a body, a query, a header, a key. Bodies are compared by a keyed digest whose
key lives as long as the process.
"""

import os
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

_ENTRIES_MAX = 200_000


@dataclass(slots=True, kw_only=True)
class Entry:
    """`status` is None until an answer is sent: for ever, where a fault took it. `arrival` counts equal requests."""

    seq: int
    at: datetime
    surface: str
    method: str
    path: str
    operation: str
    target: str | None
    connection: int
    arrival: int
    status: int | None = None
    fault: str | None = None
    authorized: bool = True


class Journal:
    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=_ENTRIES_MAX)
        self._seq = 0
        self._salt = os.urandom(16)
        self._arrivals: Counter[bytes] = Counter()

    def arrived(
        self,
        *,
        at: datetime,
        surface: str,
        method: str,
        path: str,
        operation: str,
        target: str | None,
        connection: int,
        body: bytes,
    ) -> Entry:
        digest = blake2b(b"\0".join([surface.encode(), method.encode(), path.encode(), body]), key=self._salt).digest()
        self._arrivals[digest] += 1
        self._seq += 1
        entry = Entry(
            seq=self._seq,
            at=at,
            surface=surface,
            method=method,
            path=path,
            operation=operation,
            target=target,
            connection=connection,
            arrival=self._arrivals[digest],
        )
        self.entries.append(entry)
        return entry

    def clear(self) -> None:
        self.entries.clear()
        self._arrivals.clear()
