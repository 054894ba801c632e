"""The wave of cadence rotations that is out now: kept as text that `core/wave.py` writes and reads, changed under a lock."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from rotator.ledger.audit import say
from rotator.ledger.database import Database
from rotator.ledger.schema import waves

T = TypeVar("T")


class WaveTable:
    """One wave for all workers of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> str | None:
        """The wave as it is."""
        async with self._database.connect() as connection:
            return await _wave(connection, locked=False)

    async def change(self, change: Callable[[str | None], tuple[str, T, str]]) -> T:
        """Read, decide with a pure function, write: in one transaction that no other worker's can cross. A note goes into the audit."""
        async with self._database.begin() as connection:
            await connection.execute(self._database.upsert(waves).values(id=1, wave="").on_conflict_do_nothing())
            was = await _wave(connection, locked=True)
            text, result, note = change(was)
            if text != was:
                await connection.execute(waves.update().values(wave=text))
            if note:
                await say(self._database, connection, "wave", "", {"note": note})
        return result


async def _wave(connection: AsyncConnection, *, locked: bool) -> str | None:
    query = select(waves.c.wave)
    return (await connection.execute(query.with_for_update() if locked else query)).scalar() or None
