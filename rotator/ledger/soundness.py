"""Whether the ledger can be worked on: a write goes through, and the lock stands. If not, why, and since when.

Asked at most every few seconds, whoever asks, and bounded in time: a write that hangs is not asked for again beside itself.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.ledger.database import Database
from rotator.ledger.fault import LedgerFault
from rotator.ledger.locks import Lock

KEPT_FOR_S = 5
ANSWERS_WITHIN_S = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """`since` is when it was seen first."""

    what: str
    since: datetime
    because: str

    def __str__(self) -> str:
        return f"{self.what} since {self.since:%Y-%m-%d %H:%M:%S} UTC: {self.because}"


class Soundness:
    """`unheard`: how long ago the lock was last proven to stand."""

    def __init__(self, database: Database, lock: Lock, unheard: Callable[[], timedelta]) -> None:
        self._database, self._lock, self._unheard = database, lock, unheard
        self._asking = asyncio.Lock()
        self._writing: asyncio.Task[str] | None = None
        self._asked_at = float("-inf")
        self._unwritable: Trouble | None = None

    async def trouble(self) -> Trouble | None:
        return self.unlocked() or await self.unwritable()

    def unlocked(self) -> Trouble | None:
        if not self._lock.lost.is_set():
            return None
        again = "another worker may have its rows by now; it locks again as soon as it can"
        return Trouble(what="the lock of this worker in the ledger is lost", since=self._database.now() - self._unheard(), because=again)

    async def unwritable(self) -> Trouble | None:
        """By a real write; who comes while it is under way waits for the same answer."""
        loop = asyncio.get_running_loop()
        async with self._asking:
            if loop.time() - self._asked_at > KEPT_FOR_S:
                because = await self._written()
                since = self._unwritable.since if self._unwritable else self._database.now()
                self._unwritable = Trouble(what="the ledger cannot be written", since=since, because=because) if because else None
                self._asked_at = loop.time()
            return self._unwritable

    async def _written(self) -> str:
        """Why not, if not. One that takes too long is left to end by itself: cut off, it would cost the ledger a connection."""
        self._writing = self._writing or asyncio.create_task(self._write())
        done, _ = await asyncio.wait({self._writing}, timeout=ANSWERS_WITHIN_S)
        if not done:
            return f"no write within {ANSWERS_WITHIN_S} s"
        ended, self._writing = self._writing, None
        return ended.result()

    async def _write(self) -> str:
        try:
            await self._database.try_to_write()
        except LedgerFault as fault:
            return str(fault)
        return ""
