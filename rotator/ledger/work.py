"""The work table: one row a credential is all the queue there is. Due, claimed, fenced by a token, freed when its owner's lock is gone.

A trigger is an upsert, so none is dropped and a hundred are one row; one that comes during a run makes the row due once more. Times are
compared by the database's clock alone.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, String, and_, case, func, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from rotator.core.faults import LeaseLost
from rotator.core.sealed import Fingerprint
from rotator.engine.ports import HeldBy, Lease
from rotator.ledger.advisory import CHANNEL
from rotator.ledger.audit import say
from rotator.ledger.database import Database, greatest, least
from rotator.ledger.locks import Lock
from rotator.ledger.rows import from_ms, to_ms
from rotator.ledger.schema import work

EMERGENCY, OPERATOR, CADENCE = 100, 10, 0
"""Priorities: work that an incident woke goes before what a person asked for, and that before any cadence."""
ENLIST_AT_ONCE = 500
OWNERS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A row that was due and is ours now, with what decides how closely it has to be looked at."""

    lease: Lease
    priority: int
    attempts: int
    rests_until: datetime | None
    looked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRow:
    """One row, for people."""

    credential: str
    due_at: datetime
    priority: int
    owner: str | None
    alive: bool
    attempts: int
    rests_until: datetime | None
    rotation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much there is to do: `late` is for how long the longest of the due rows has been due."""

    rows: int
    due: int
    claimed: int
    late: timedelta


class WorkTable:
    """Fulfils the engine's `Work`; and the daemon's and the operators' verbs."""

    def __init__(self, database: Database, lock: Lock, heard: asyncio.Event, moved: Callable[[], bool]) -> None:
        """`moved` tells whether another process has written since it was last asked, where no server says so."""
        self._database = database
        self._lock = lock
        self._heard = heard
        self._moved = moved
        self.listeners: list[Callable[[], None]] = []

    # --- triggers ---------------------------------------------------------------------------------------------------------

    async def wake(self, credential: str, *, priority: int = CADENCE) -> None:
        """Due now: a hundred triggers are one row, and none is dropped (its generation moves on)."""
        async with self._database.begin() as connection:
            await self.wake_in(connection, credential, priority)
        self.hear()

    async def order(self, credential: str, value: str, *, foreign: bool) -> None:
        """An operator's word: replace `value` (a fingerprint, or the version of a foreign value). It is over when that value is."""
        async with self._database.begin() as connection:
            await self.wake_in(connection, credential, OPERATOR)
            ordered = {"order_value": value, "order_foreign": foreign, "back_to": None, "back_from": None, "back_at": None}
            await connection.execute(update(work).where(work.c.credential == credential).values(**ordered))
            await say(self._database, connection, "ordered", credential, {"replace": value, "foreign": str(foreign)})
        self.hear()

    async def order_back(self, credential: str, value: Fingerprint, *, instead_of: Fingerprint) -> None:
        """An operator's word: publish `value`, the one before, again. It is over when `instead_of` is not current any more."""
        async with self._database.begin() as connection:
            await self.wake_in(connection, credential, OPERATOR)
            now = self._database.now_ms()
            ordered = {"order_value": None, "order_foreign": False, "back_to": value, "back_from": instead_of, "back_at": now}
            await connection.execute(update(work).where(work.c.credential == credential).values(**ordered))
            await say(self._database, connection, "ordered", credential, {"back_to": value, "replace": instead_of})
        self.hear()

    async def wake_in(self, connection: AsyncConnection, credential: str, priority: int) -> None:
        """The same, inside a transaction of the caller's (an incident and its wake are stored together or not at all)."""
        now = self._database.now_ms()
        fresh = self._database.upsert(work).values(credential=credential, due_at=now, priority=priority, risk_at=now)
        moved: dict[str, Any] = {
            "due_at": least(work.c.due_at, now),
            "risk_at": least(work.c.risk_at, now),
            "priority": greatest(work.c.priority, literal(priority)),
            "generation": work.c.generation + 1,
            "rests_until": None,
        }
        await connection.execute(fresh.on_conflict_do_update(index_elements=[work.c.credential], set_=moved))
        if self._database.is_postgresql:
            await connection.execute(text(f"NOTIFY {CHANNEL}"))

    async def enlist(self, credentials: Sequence[str]) -> None:
        """A row, due at once, for each that has none."""
        async with self._database.begin() as connection:
            now = self._database.now_ms()
            for start in range(0, len(credentials), ENLIST_AT_ONCE):
                some = [{"credential": name, "due_at": now, "risk_at": now} for name in credentials[start : start + ENLIST_AT_ONCE]]
                await connection.execute(self._database.upsert(work).values(some).on_conflict_do_nothing())

    def hear(self) -> None:
        """Something was woken or finished in this process: who waits for work looks at once, and so do the listeners."""
        self._heard.set()
        for listener in self.listeners:
            listener()

    async def wait_for_wake(self, longest: timedelta) -> None:
        """Until somebody wakes something (here, or in another process), but no longer than `longest`."""
        deadline = asyncio.get_running_loop().time() + longest.total_seconds()
        while not self._heard.is_set() and (left := deadline - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(min(left, POLL_S)):
                    await self._heard.wait()
            except TimeoutError:
                if self._moved():
                    return
        self._heard.clear()

    # --- claims -----------------------------------------------------------------------------------------------------------

    async def claim(self, credential: str) -> Lease | HeldBy:
        """The right to act, or who has it. A row whose owner's lock is gone is taken over."""
        mine = work.c.credential == credential
        async with self._database.begin() as connection:
            found = (await connection.execute(select(work.c.owner).where(mine).with_for_update())).first()
            if found is None:
                await self.wake_in(connection, credential, CADENCE)
            elif found.owner is not None and await self._lock.is_alive(found.owner, connection):
                return HeldBy(owner=found.owner)
            return (await self._take(connection, mine))[0].lease

    async def claim_due(self, limit: int, *, least_priority: int = CADENCE) -> list[Claimed]:
        """At most `limit` free rows that are due: by priority, then what has waited longest. Rows that others just claim are passed by."""
        free = and_(work.c.owner.is_(None), work.c.due_at <= self._database.now_ms(), work.c.priority >= least_priority)
        first = select(work.c.credential).where(free).order_by(work.c.priority.desc(), work.c.risk_at, work.c.credential).limit(limit)
        async with self._database.begin() as connection:
            return await self._take(connection, work.c.credential.in_(first.with_for_update(skip_locked=True)))

    async def _take(self, connection: AsyncConnection, which: ColumnElement[bool]) -> list[Claimed]:
        token = uuid.uuid4().hex
        taken = {
            "owner": self._lock.owner,
            "token": token,
            "claimed_generation": work.c.generation,
            "attempts": work.c.attempts + 1,
            "rotation": func.coalesce(work.c.rotation, work.c.credential.op("||")(literal(f".{token[:8]}", String))),
        }
        columns = (
            work.c.credential,
            work.c.rotation,
            work.c.priority,
            work.c.attempts,
            work.c.rests_until,
            work.c.looked_at,
            work.c.risk_at,
        )
        found = (await connection.execute(update(work).where(which).values(**taken).returning(*columns))).mappings().all()
        ordered = sorted(found, key=lambda row: (-row["priority"], row["risk_at"], row["credential"]))
        return [_claimed(row, self._lock.owner, token) for row in ordered]

    async def next_due(self, *, least_priority: int = CADENCE) -> timedelta | None:
        """How long until the next free row is due (nothing or less: now). None where no row is free."""
        free = and_(work.c.owner.is_(None), work.c.priority >= least_priority)
        async with self._database.connect() as connection:
            left = (await connection.execute(select(func.min(work.c.due_at) - self._database.now_ms()).where(free))).scalar()
        return None if left is None else timedelta(milliseconds=left)

    async def hold(self, lease: Lease) -> None:
        """Raises LeaseLost where the row carries another token, or this worker's lock does not stand any more."""
        why = await self._lock.holds(lease.credential, lease.token)
        if why:
            raise LeaseLost(why)

    async def woken(self, lease: Lease) -> bool:
        """Whether a trigger came since the claim, or since this was last asked; it is then taken note of."""
        moved = and_(_is_held(lease), work.c.generation != work.c.claimed_generation)
        async with self._database.connect() as connection:
            if (await connection.execute(select(work.c.credential).where(moved))).first() is None:
                return False
        async with self._database.begin() as connection:
            found = await connection.execute(update(work).where(moved).values(claimed_generation=work.c.generation))
        return bool(found.rowcount)

    # --- ends -------------------------------------------------------------------------------------------------------------

    async def finish(self, lease: Lease, *, again: datetime, rests_until: datetime | None = None, looked: bool = True) -> None:
        """Give the credential back, due at `again`, or at once if it was woken meanwhile. A stale token finishes nothing.

        `rests_until`: nothing is to be done before it, and the rotation is over; without it one is under way. `looked`: Azure was asked
        for everything (not only whether the key in use still works).
        """
        wait_ms = (again - self._database.now()) // timedelta(milliseconds=1)
        rest_ms = None if rests_until is None else to_ms(rests_until)
        due = self._database.now_ms() + wait_ms
        woken = work.c.generation != work.c.claimed_generation
        values: dict[str, Any] = {
            "owner": None,
            "token": None,
            "attempts": 0,
            "due_at": case((woken, self._database.now_ms()), else_=due),
            "priority": case((woken, work.c.priority), else_=CADENCE),
            "rests_until": case((woken, literal(None, BigInteger)), else_=literal(rest_ms, BigInteger)),
            "risk_at": case((woken, work.c.risk_at), else_=due if rest_ms is None else rest_ms),
        }
        if rest_ms is not None:
            values["rotation"] = case((woken, work.c.rotation), else_=None)
        if looked:
            values["looked_at"] = self._database.now_ms()
        async with self._database.begin() as connection:
            await connection.execute(update(work).where(_is_held(lease)).values(**values))
        self.hear()

    async def hand_back(self, lease: Lease, *, after: timedelta = timedelta(0)) -> None:
        """Give the credential back unfinished, with its priority: to whoever comes next, at once or `after` a while."""
        due = self._database.now_ms() + after // timedelta(milliseconds=1)
        async with self._database.begin() as connection:
            await connection.execute(update(work).where(_is_held(lease)).values(owner=None, token=None, due_at=due, rests_until=None))
        self.hear()

    async def reap(self) -> list[str]:
        """Free the rows of every owner whose lock is gone, due at once. Who they were."""
        async with self._database.connect() as connection:
            owners = select(work.c.owner).where(work.c.owner.is_not(None)).distinct().limit(OWNERS_MAX)
            found = [row.owner for row in await connection.execute(owners)]
            dead = [owner for owner in found if not await self._lock.is_alive(owner, connection)]
        if dead:
            async with self._database.begin() as connection:
                now = self._database.now_ms()
                freed = {"owner": None, "token": None, "due_at": least(work.c.due_at, now), "rests_until": None}
                await connection.execute(update(work).where(work.c.owner.in_(dead)).values(**freed))
            self.hear()
        return dead

    # --- for people -------------------------------------------------------------------------------------------------------

    async def rows(self) -> list[WorkRow]:
        """Every row, as the next claim would order them."""
        query = select(work).order_by(work.c.priority.desc(), work.c.due_at, work.c.credential)
        async with self._database.connect() as connection:
            found = (await connection.execute(query)).mappings().all()
            owners = {row["owner"] for row in found if row["owner"]}
            alive = {owner for owner in owners if await self._lock.is_alive(owner, connection)}
        return [_row(row, alive) for row in found]

    async def steal(self, credential: str) -> str | None:
        """Free the row of a worker that hangs, and say so in the audit. The worker finds out before its next effect. Whose it was."""
        mine = work.c.credential == credential
        async with self._database.begin() as connection:
            owner = (await connection.execute(select(work.c.owner).where(mine).with_for_update())).scalar()
            if owner is None:
                return None
            freed = {"owner": None, "token": None, "due_at": self._database.now_ms(), "rests_until": None}
            await connection.execute(update(work).where(mine).values(**freed))
            await say(self._database, connection, "stolen", credential, {"from": owner, "by": self._lock.owner})
        self.hear()
        return str(owner)

    async def depth(self) -> Depth:
        """How much there is to do."""
        now = self._database.now_ms()
        due = and_(work.c.owner.is_(None), work.c.due_at <= now)
        counts = (func.count(), func.count(case((due, 1))), func.count(work.c.owner), now - func.min(case((due, work.c.due_at))))
        async with self._database.connect() as connection:
            rows, ready, claimed, late_ms = (await connection.execute(select(*counts).select_from(work))).one()
        return Depth(rows=rows, due=ready, claimed=claimed, late=timedelta(milliseconds=late_ms or 0))


POLL_S = 0.2
"""How often another process's writes are asked after on SQLite: a call of microseconds."""


def _is_held(lease: Lease) -> ColumnElement[bool]:
    return and_(work.c.credential == lease.credential, work.c.token == lease.token)


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _claimed(row: Any, owner: str, token: str) -> Claimed:
    lease = Lease(credential=row["credential"], owner=owner, token=token, rotation=row["rotation"])
    rests, looked = _time(row["rests_until"]), _time(row["looked_at"])
    return Claimed(lease=lease, priority=row["priority"], attempts=row["attempts"], rests_until=rests, looked_at=looked)


def _row(row: Any, alive: set[str]) -> WorkRow:
    return WorkRow(
        credential=row["credential"],
        due_at=from_ms(row["due_at"]),
        priority=row["priority"],
        owner=row["owner"],
        alive=row["owner"] in alive,
        attempts=row["attempts"],
        rests_until=_time(row["rests_until"]),
        rotation=row["rotation"],
    )


async def token_of(database: Database, credential: str) -> str | None:
    """What token the row of a credential carries now."""
    async with database.connect() as connection:
        return (await connection.execute(select(work.c.token).where(work.c.credential == credential))).scalar()
