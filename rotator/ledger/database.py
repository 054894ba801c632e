"""One database, whichever of the two it is: transactions, the statements that differ between them, and the database's own clock.

Every error of a driver becomes a `LedgerFault` here. On PostgreSQL time is the server's, carried on by this machine's monotonic clock, so
that a worker whose wall clock is wrong decides like the others; on SQLite there is one host, and its clock is the database's.
"""

import asyncio
import hashlib
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Table, case, cast, extract, func, insert, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rotator.ledger.fault import LedgerFault
from rotator.ledger.holders import held_by
from rotator.ledger.rows import from_ms, to_ms
from rotator.ledger.schema import deliveries

WRITES = {"rotator_writes": True}
"""The execution option of a transaction that writes: SQLite takes its write lock at once for it."""


ALONE = 0x726F7461
"""The space of the two-argument advisory locks that `alone` takes; a worker's own lock is one of one argument."""


class Database:
    """An engine with a name that people know it by."""

    def __init__(self, engine: AsyncEngine, name: str) -> None:
        self.engine = engine
        self._writer = engine.execution_options(**WRITES)
        self.name = name
        self._anchor: tuple[datetime, float] | None = None
        self._turn: AbstractAsyncContextManager[Any] = nullcontext() if self.is_postgresql else asyncio.Lock()

    @property
    def is_postgresql(self) -> bool:
        return self.engine.dialect.name == "postgresql"

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that writes. Raises LedgerFault where the database is away or refuses.

        Those of this process take turns on SQLite, first come first served: its own way to wait is to try again, which starves whom it may.
        """
        with self.faults():
            async with self._turn, self._writer.begin() as connection:
                yield connection

    async def try_to_write(self) -> None:
        """A real write that changes nothing. Raises LedgerFault where it is refused.

        PostgreSQL's is rolled back. On SQLite what is rolled back never leaves the memory, and a full disk would not be found: there, a
        number of the first page is written as it is, and committed.
        """
        if self.is_postgresql:
            try:
                async with self.begin() as connection:
                    await connection.execute(insert(deliveries).values(source="", identity=f"{uuid.uuid4()}", at=0))
                    raise _Undone
            except _Undone:
                return
        async with self.begin() as connection:
            number = (await connection.exec_driver_sql("PRAGMA user_version")).scalar_one()
            await connection.exec_driver_sql(f"PRAGMA user_version = {int(number)}")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that reads, and holds up no writer."""
        with self.faults():
            async with self.engine.connect() as connection:
                yield connection

    @contextmanager
    def faults(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, SQLAlchemyError, OSError) as error:
            told = cause(error)
            holder = held_by(Path(self.name)) if "locked" in told and not self.is_postgresql else ""
            raise LedgerFault(f"{self.name}: {told}{holder}") from error

    def upsert(self, table: Table) -> Any:
        """An INSERT that can be told what to do on a conflict."""
        return postgresql.insert(table) if self.is_postgresql else sqlite.insert(table)

    async def alone(self, connection: AsyncConnection, names: Iterable[str]) -> None:
        """Until the transaction ends, nobody else is in one about any of these names; also where there is no row yet that could be locked.

        Asked for before any row is locked. On SQLite one transaction writes at a time anyway.
        """
        if self.is_postgresql:
            keys = {int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], signed=True) for name in names}
            for key in sorted(keys):
                await connection.execute(select(func.pg_advisory_xact_lock(ALONE, key)))

    # --- time -------------------------------------------------------------------------------------------------------------

    def now_ms(self) -> ColumnElement[int]:
        """The database's time inside a statement, in milliseconds."""
        if self.is_postgresql:
            return cast(func.floor(extract("epoch", func.clock_timestamp()) * 1000), BigInteger)
        return literal(to_ms(self.now()), BigInteger)

    def now(self) -> datetime:
        """The database's time, as far as it is known without asking."""
        if self._anchor is None:
            return datetime.now(UTC)
        at, monotonic_s = self._anchor
        return at + timedelta(seconds=time.monotonic() - monotonic_s)

    async def ask_the_time(self, connection: AsyncConnection) -> None:
        """Anchor the clock to the server's. Nothing to ask on SQLite."""
        if self.is_postgresql:
            asked = time.monotonic()
            ms = (await connection.execute(select(self.now_ms()))).scalar_one()
            self._anchor = from_ms(ms), (asked + time.monotonic()) / 2


class _Undone(Exception):
    """Ends a transaction of which nothing is to stay."""


def least(column: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    """The smaller of two, said so that both databases understand it."""
    return case((column < other, column), else_=other)


def greatest(column: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((column > other, column), else_=other)


def cause(error: Exception) -> str:
    """The first line of what the driver said; drivers put no value of a row there."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
