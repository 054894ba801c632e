"""Opens a ledger: the engine, its pragmas, its schema brought up to date, and who this worker is.

Raises `LedgerFault` with a sentence for whatever stands in the way: a directory that is missing, a file that is no database, a schema
that a newer version of the program has written.
"""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from rotator.ledger.schema import REVISION
from rotator.ledger.store import Ledger
from rotator.ledger.workers import Workers

BUSY_TIMEOUT_S = 30


class LedgerFault(Exception):
    """The ledger cannot be used; the text says why and what to do."""


@asynccontextmanager
async def open_ledger(url: str) -> AsyncIterator[Ledger]:
    """The ledger at `url` (`sqlite:///path`), made if it is not there, ready to be written.

    Raises:
        LedgerFault: it cannot be opened, or a newer program wrote it.
    """
    address = _address(url)
    path = _prepared(address)
    engine = create_async_engine(address.set(drivername="sqlite+aiosqlite"), connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine.sync_engine, "connect", _pragmas)
    event.listen(engine.sync_engine, "begin", _begin_immediate)
    workers = _workers(path.with_name(path.name + ".workers"))
    try:
        await _bring_up_to_date(engine, path)
        yield Ledger(engine, workers, path)
    except (sqlite3.Error, SQLAlchemyError) as error:
        raise LedgerFault(f"{path}: {_cause(error)}") from error
    finally:
        workers.close()
        await engine.dispose()


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise LedgerFault("the ledger's address is not of the form sqlite:///path/to/rotator.db") from error
    if address.get_backend_name() != "sqlite" or not address.database:
        raise LedgerFault(f"a ledger of the kind {address.get_backend_name()!r} is not supported; write sqlite:///path/to/rotator.db")
    return address


def _prepared(address: URL) -> Path:
    """The file, its directory there and its mode for its owner alone, before SQLite would create it for everyone."""
    path = Path(address.database or "").absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerFault(f"{path}: {error.strerror}") from error
    return path


def _workers(directory: Path) -> Workers:
    try:
        return Workers(directory)
    except OSError as error:
        raise LedgerFault(f"{directory}: {error.strerror}; it has to be a directory that rotator may write") from error


def _pragmas(connection: Any, _record: Any) -> None:
    """WAL so that readers do not wait; FULL so that what is acknowledged survives a loss of power."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock at once: a transaction that reads first and writes later could not get it any more."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _bring_up_to_date(engine: AsyncEngine, path: Path) -> None:
    async with engine.begin() as connection:
        found = await connection.run_sync(_revision)
        if found == REVISION:
            return
        if found is not None and found > REVISION:
            raise LedgerFault(f"{path}: written by a newer rotator (schema {found}, this one knows {REVISION}); upgrade this one")
        await connection.run_sync(_upgrade)


def _revision(connection: Connection) -> str | None:
    tables = {row[0] for row in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))}
    if "alembic_version" in tables:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if tables:
        raise LedgerFault("the file is a database of something else; name another one")
    return None


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
