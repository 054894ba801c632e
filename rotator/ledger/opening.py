"""Opens a ledger, on SQLite or on PostgreSQL: its engine, its schema, this worker's lock.

Raises `LedgerFault` with a sentence for whatever stands in the way: a directory that is missing, a file that is no database, a server
that is away, a schema that a newer version of the program has written.
"""

import asyncio
import contextlib
import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import create_async_engine

from rotator.ledger.advisory import CONNECT_TIMEOUT_S, KEEPALIVES, SessionLock
from rotator.ledger.audit import AuditChain
from rotator.ledger.cases import CaseBook
from rotator.ledger.closings import Closings
from rotator.ledger.database import WRITES, Database, cause
from rotator.ledger.fault import LedgerFault
from rotator.ledger.flock import FileLock
from rotator.ledger.inbox import Inbox
from rotator.ledger.journal import KeyJournal
from rotator.ledger.locks import Lock
from rotator.ledger.login import Password, logged_in
from rotator.ledger.onlooker import Onlooker
from rotator.ledger.store import Ledger
from rotator.ledger.upgrade import check, upgrade
from rotator.ledger.waves import WaveTable
from rotator.ledger.work import WorkTable, token_of

BUSY_TIMEOUT_S = 30
SESSIONS, SESSIONS_MORE = 10, 20
"""Connections to PostgreSQL that one worker keeps, and may open beside them; two more stand for its lock and its ear."""
LOOKS_AT_ONCE, LOOKS_WITHIN_S = 2, 4
"""So many connections an onlooker has, and so long a query of theirs may take."""


@asynccontextmanager
async def open_ledger(url: str, password: Password | None = None, *, patience_s: float = BUSY_TIMEOUT_S) -> AsyncIterator[Ledger]:
    """The ledger at `url` (`sqlite:///path` or `postgresql://host/database`), ready to be written. `password` is asked at each login to
    PostgreSQL; without it, libpq finds its own.

    SQLite is made and brought up to date on the way; PostgreSQL, which others share, only if it is empty. `patience_s` is how long a lock
    of SQLite's is waited for.

    Raises:
        LedgerFault: it cannot be opened, or its schema is not one that this program may use.
    """
    address = _address(url)
    opened = _postgresql(address, password) if address.get_backend_name() == "postgresql" else _sqlite(address, patience_s)
    async with opened as ledger:
        yield ledger


@asynccontextmanager
async def open_onlooker(url: str, password: Password | None = None) -> AsyncIterator[Onlooker]:
    """Who looks at a ledger that is open already, on few connections of its own, which can write nothing and wait for nobody for long."""
    database = _database_of(_address(url), password, LOOKS_WITHIN_S, sessions=(LOOKS_AT_ONCE, 0))
    event.listen(database.engine.sync_engine, "connect", _looks_in_postgresql if database.is_postgresql else _looks_in_sqlite)
    try:
        yield Onlooker(database)
    finally:
        await database.engine.dispose()


async def upgrade_ledger(url: str, password: Password | None = None) -> tuple[str | None, str]:
    """Bring the schema up to date: from which revision (None: from nothing) to which."""
    address = _address(url)
    database = _database_of(address, password)
    try:
        return await upgrade(database)
    finally:
        await database.engine.dispose()


def _address(url: str) -> URL:
    if url.startswith("sqlite:///"):  # a path as it stands: none of its characters means anything else
        return URL.create("sqlite", database=url.removeprefix("sqlite:///"))
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise LedgerFault("the ledger's address is not of the form sqlite:///path or postgresql://host/database") from error
    if address.get_backend_name() not in ("sqlite", "postgresql") or not address.database:
        kind = address.get_backend_name()
        raise LedgerFault(f"a ledger of the kind {kind!r} is not supported; write sqlite:///path or postgresql://host/database")
    return address


def _database_of(
    address: URL,
    password: Password | None = None,
    patience_s: float = BUSY_TIMEOUT_S,
    *,
    sessions: tuple[int, int] = (SESSIONS, SESSIONS_MORE),
) -> Database:
    if address.get_backend_name() == "postgresql":
        options: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S, **KEEPALIVES}
        pool = {"pool_size": sessions[0], "max_overflow": sessions[1], "pool_pre_ping": True}
        driven = address.set(drivername="postgresql+psycopg")
        how = (
            {"connect_args": options} if password is None else {"async_creator": lambda: logged_in(_libpq(address), password, **KEEPALIVES)}
        )
        engine = create_async_engine(driven, hide_parameters=True, **how, **pool)
        return Database(engine, f"{address.host or 'PostgreSQL'}/{address.database}")
    path = _prepared(address)
    connect = {"timeout": patience_s}
    engine = create_async_engine(address.set(drivername="sqlite+aiosqlite"), connect_args=connect, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _pragmas)
    event.listen(engine.sync_engine, "begin", _begin)
    return Database(engine, str(path))


def _ledger(database: Database, lock: Lock, heard: asyncio.Event, moved: Callable[[], bool]) -> Ledger:
    work = WorkTable(database, lock, heard, moved)
    cases, journal = CaseBook(database, work), KeyJournal(database)
    audit, waves, inbox = AuditChain(database), WaveTable(database), Inbox(database, lock, work)
    return Ledger(
        database=database,
        lock=lock,
        work=work,
        cases=cases,
        journal=journal,
        audit=audit,
        waves=waves,
        inbox=inbox,
        closings=Closings(database),
    )


# --- PostgreSQL ---------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _postgresql(address: URL, password: Password | None) -> AsyncIterator[Ledger]:
    database, heard = _database_of(address, password), asyncio.Event()
    lock = SessionLock(_libpq(address), database.name, heard, password)
    try:
        await check(database, make=True)
        async with database.connect() as connection:
            await database.ask_the_time(connection)
        await lock.open()
        try:
            yield _ledger(database, lock, heard, lambda: False)
        finally:
            await lock.close()
    finally:
        await database.engine.dispose()


def _libpq(address: URL) -> dict[str, Any]:
    """The address in libpq's words; what it does not say (a password, a service) comes from libpq's own environment and files."""
    named = {"host": address.host, "port": address.port, "user": address.username, "dbname": address.database}
    said = {name: value for name, value in named.items() if value is not None}
    return {**said, **dict(address.query), "connect_timeout": CONNECT_TIMEOUT_S}


def _looks_in_postgresql(connection: Any, _record: Any) -> None:
    """From now on this session writes nothing, and ends by itself what takes too long."""
    cursor = connection.cursor()
    cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    cursor.execute(f"SET statement_timeout = '{LOOKS_WITHIN_S}s'")
    cursor.close()
    connection.commit()


# --- SQLite -------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _sqlite(address: URL, patience_s: float) -> AsyncIterator[Ledger]:
    database = _database_of(address, patience_s=patience_s)
    path = Path(database.name)
    try:
        lock = _file_lock(path, database)
        try:
            await check(database, make=True, bring_up_to_date=True)
            with database.faults(), contextlib.closing(_Ear(path)) as ear:
                yield _ledger(database, lock, asyncio.Event(), ear.moved)
        finally:
            await lock.close()
    finally:
        await database.engine.dispose()


def _prepared(address: URL) -> Path:
    """The file, its directory there and its mode for its owner alone, before SQLite would create it for everyone.

    One that is there is never opened but by SQLite: closing it would let go of every lock that this process has on it (POSIX says so), and
    the next process to leave would take the journal away under us, with what was written into it.
    """
    path = Path(address.database or "").absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        elif not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise LedgerFault(f"{path}: {error.strerror}") from error
    return path


def _file_lock(path: Path, database: Database) -> FileLock:
    try:
        return FileLock(path, lambda credential: token_of(database, credential))
    except OSError as error:
        directory = path.with_name(path.name + ".workers")
        raise LedgerFault(f"{directory}: {error.strerror}; it has to be a directory that rotator may write") from error


def _pragmas(connection: Any, _record: Any) -> None:
    """WAL so that readers do not wait; FULL so that what is acknowledged survives a loss of power."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _looks_in_sqlite(connection: Any, _record: Any) -> None:
    """From now on this connection writes nothing."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Who writes takes the write lock at once: a transaction that reads first and writes later could not get it any more."""
    writes = connection.get_execution_options().get(next(iter(WRITES)))
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class _Ear:
    """Whether another process has written to the file: SQLite counts that, and telling costs microseconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._connection = sqlite3.connect(path)
            self._seen = self._version()
        except sqlite3.Error as error:
            raise LedgerFault(f"{path}: {cause(error)}") from error

    def moved(self) -> bool:
        try:
            was, self._seen = self._seen, self._version()
        except sqlite3.Error as error:
            raise LedgerFault(f"{self._path}: {cause(error)}") from error
        return was != self._seen

    def close(self) -> None:
        self._connection.close()

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
