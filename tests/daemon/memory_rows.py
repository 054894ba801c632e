"""The work table, its lock and the wave in memory, verb for verb as rotator/ledger keeps them; each verb is one transaction."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from rotator.core.faults import LeaseLost
from rotator.engine.ports import HeldBy, Lease
from rotator.ledger.work import CADENCE, Claimed, WorkRow

T = TypeVar("T")


@dataclass(slots=True)
class Row:
    """One credential's."""

    credential: str
    due_at: datetime
    risk_at: datetime
    priority: int = CADENCE
    generation: int = 1
    claimed_generation: int = 0
    owner: str | None = None
    token: str | None = None
    attempts: int = 0
    rests_until: datetime | None = None
    looked_at: datetime | None = None
    rotation: str | None = None


class MemoryLock:
    """A lock that a test can lose."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.number = 1
        self.dead: set[str] = set()
        self.away = False

    @property
    def owner(self) -> str:
        return f"worker-{self.number}"

    async def beat(self) -> None:
        await asyncio.sleep(0)

    async def lock_again(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionError("the database is away")
        self.dead.add(self.owner)
        self.number += 1
        self.lost = asyncio.Event()


class MemoryWave:
    """Where the wave is kept."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.notes: list[str] = []

    async def now(self) -> str | None:
        await asyncio.sleep(0)
        return self.text

    async def change(self, change: Callable[[str | None], tuple[str, T, str]]) -> T:
        await asyncio.sleep(0)
        self.text, result, note = change(self.text)
        self.notes += [note] if note else []
        return result


class MemoryRows:
    """Fulfils the daemon's `Rows` and the engine's `Work`."""

    def __init__(self, now: Callable[[], datetime], lock: MemoryLock) -> None:
        self.now, self.lock = now, lock
        self.table: dict[str, Row] = {}
        self.heard = asyncio.Event()
        self.away = self.full = False
        self.tokens = 0
        self.finished: list[tuple[str, datetime]] = []

    async def _answers(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionError("the database is away")

    async def enlist(self, credentials: Sequence[str]) -> None:
        await self._answers()
        for name in credentials:
            self.table.setdefault(name, Row(credential=name, due_at=self.now(), risk_at=self.now()))

    async def wake(self, credential: str, *, priority: int = CADENCE) -> None:
        await self._answers()
        now = self.now()
        row = self.table.setdefault(credential, Row(credential=credential, due_at=now, risk_at=now, generation=0))
        row.due_at, row.risk_at, row.priority = min(row.due_at, now), min(row.risk_at, now), max(row.priority, priority)
        row.generation, row.rests_until = row.generation + 1, None
        self.heard.set()

    async def claim(self, credential: str) -> Lease | HeldBy:
        await self._answers()
        row = self.table.setdefault(credential, Row(credential=credential, due_at=self.now(), risk_at=self.now()))
        return HeldBy(owner=row.owner) if row.owner else self._take(row).lease

    async def claim_due(self, limit: int, *, least_priority: int = CADENCE) -> list[Claimed]:
        await self._answers()
        now = self.now()
        free = [row for row in self.table.values() if row.owner is None and row.due_at <= now and row.priority >= least_priority]
        free.sort(key=lambda row: (-row.priority, row.risk_at, row.credential))
        return [self._take(row) for row in free[:limit]]

    def _take(self, row: Row) -> Claimed:
        self.tokens += 1
        row.owner, row.token, row.claimed_generation = self.lock.owner, f"token-{self.tokens}", row.generation
        row.attempts, row.rotation = row.attempts + 1, row.rotation or f"{row.credential}.{self.tokens}"
        lease = Lease(credential=row.credential, owner=row.owner, token=row.token, rotation=row.rotation)
        return Claimed(lease=lease, priority=row.priority, attempts=row.attempts, rests_until=row.rests_until, looked_at=row.looked_at)

    async def next_due(self, *, least_priority: int = CADENCE) -> timedelta | None:
        await self._answers()
        free = [row.due_at for row in self.table.values() if row.owner is None and row.priority >= least_priority]
        return min(free) - self.now() if free else None

    async def hold(self, lease: Lease) -> None:
        await self._answers()
        if self.lock.lost.is_set() or self.table[lease.credential].token != lease.token:
            raise LeaseLost(f"another worker has taken {lease.credential} over")

    async def woken(self, lease: Lease) -> bool:
        await self._answers()
        row = self.table[lease.credential]
        moved = row.token == lease.token and row.generation != row.claimed_generation
        row.claimed_generation = row.generation if moved else row.claimed_generation
        return moved

    async def finish(self, lease: Lease, *, again: datetime, rests_until: datetime | None = None, looked: bool = True) -> None:
        await self._answers()
        if self.full:
            raise OSError("the disk is full")
        row, now = self.table[lease.credential], self.now()
        if row.token != lease.token:
            return
        woken = row.generation != row.claimed_generation
        row.owner = row.token = None
        row.attempts, row.due_at = 0, now if woken else again
        row.priority = row.priority if woken else CADENCE
        row.rests_until = None if woken else rests_until
        row.risk_at = row.risk_at if woken else rests_until or again
        row.rotation = row.rotation if woken or rests_until is None else None
        row.looked_at = now if looked else row.looked_at
        self.finished.append((lease.credential, now))
        self.heard.set()

    async def hand_back(self, lease: Lease, *, after: timedelta = timedelta(0)) -> None:
        await self._answers()
        row = self.table[lease.credential]
        if row.token == lease.token:
            row.owner = row.token = row.rests_until = None
            row.due_at = self.now() + after
            self.heard.set()

    async def reap(self) -> list[str]:
        await self._answers()
        for row in self.table.values():
            if row.owner in self.lock.dead:
                row.owner = row.token = row.rests_until = None
                row.due_at = min(row.due_at, self.now())
        return sorted(self.lock.dead)

    async def wait_for_wake(self, longest: timedelta) -> None:
        try:
            await asyncio.wait_for(self.heard.wait(), longest.total_seconds())
        except TimeoutError:
            return
        self.heard.clear()

    async def rows(self) -> list[WorkRow]:
        await self._answers()
        return [
            WorkRow(
                credential=row.credential,
                due_at=row.due_at,
                priority=row.priority,
                owner=row.owner,
                alive=row.owner == self.lock.owner,
                attempts=row.attempts,
                rests_until=row.rests_until,
                rotation=row.rotation,
            )
            for row in self.table.values()
        ]
