"""The lock of a worker on PostgreSQL: a session advisory lock on a connection of its own, and another connection that listens for wakes.

The server drops the lock when the session ends, so a worker that is killed is free at once and one that is cut off is free when the
keepalives say so. Needs a direct connection: behind a pooler of transactions a session is nobody's.
"""

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rotator.ledger.database import cause
from rotator.ledger.fault import LedgerFault
from rotator.ledger.locks import new_owner
from rotator.ledger.login import Password, logged_in

if TYPE_CHECKING:
    import psycopg

ANSWERS_WITHIN_S = 4
KEEPALIVES: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
CONNECT_TIMEOUT_S = 5
CHANNEL = "rotator_work"
LISTEN_AGAIN_S = 1.0


class SessionLock:
    """Fulfils `Lock`. `heard` is set whenever any worker wakes a credential."""

    def __init__(self, address: dict[str, Any], name: str, heard: asyncio.Event, password: Password | None = None) -> None:
        self._address = address
        self._password = password
        self._name = name
        self._heard = heard
        self._session: psycopg.AsyncConnection[Any] | None = None
        self._ear: asyncio.Task[None] | None = None
        self._asking = asyncio.Lock()
        self.lost = asyncio.Event()
        self.owner = ""

    async def open(self) -> None:
        """Take the lock and begin to listen. Raises LedgerFault where the server is away."""
        owner = new_owner()
        session = await self._connected()
        found = await (await session.execute("SELECT pg_try_advisory_lock(%s)", [lock_key(owner)])).fetchone()
        if not found or not found[0]:
            await session.close()
            raise LedgerFault(f"{self._name}: the lock of a new worker is taken; is there a pooler between? It needs a direct connection")
        self.owner, self._session, self.lost = owner, session, asyncio.Event()
        self._ear = self._ear or asyncio.create_task(self._listen())

    async def is_alive(self, owner: str, connection: AsyncConnection) -> bool:
        """A lock that could be taken belongs to the dead; it is given back when the transaction of `connection` ends."""
        if owner == self.owner:
            return not self.lost.is_set()
        taken = (await connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": lock_key(owner)})).scalar()
        return not taken

    async def holds(self, credential: str, token: str) -> str:
        """Asked on the lock's own session: an answer proves that the session, and so the lock, still stands."""
        try:
            row = await self._ask("SELECT token FROM work WHERE credential = %s", [credential])
        except LedgerFault as gone:
            return str(gone)
        return "" if row is not None and row[0] == token else f"another worker has taken {credential} over"

    async def beat(self) -> None:
        with contextlib.suppress(LedgerFault):
            await self._ask("SELECT 1", [])

    async def lock_again(self) -> None:
        await self._drop_session()
        await self.open()

    async def become_daemon(self) -> None:
        """Several daemons share one PostgreSQL."""

    async def close(self) -> None:
        if self._ear is not None:
            self._ear.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ear
        await self._drop_session()

    async def _ask(self, query: str, values: list[Any]) -> Any:
        import psycopg

        if self._session is None or self.lost.is_set():
            raise LedgerFault(f"{self._name}: the session of this worker's lock is gone")
        try:
            async with self._asking, asyncio.timeout(ANSWERS_WITHIN_S):
                return await (await self._session.execute(query.encode(), values)).fetchone()
        except (psycopg.Error, OSError, TimeoutError) as error:
            self.lost.set()
            raise LedgerFault(f"{self._name}: the session of this worker's lock is gone ({cause(error) or 'no answer'})") from error

    async def _drop_session(self) -> None:
        """Closed on our side too: a server that was merely slow must not keep a lock that nobody minds any more."""
        session, self._session = self._session, None
        if session is not None:
            import psycopg

            with contextlib.suppress(psycopg.Error, OSError, TimeoutError):
                await asyncio.wait_for(session.close(), ANSWERS_WITHIN_S)

    async def _connected(self) -> "psycopg.AsyncConnection[Any]":
        import psycopg

        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S + 1):
                return await logged_in(self._address, self._password, **KEEPALIVES, autocommit=True)
        except (psycopg.Error, OSError, TimeoutError) as error:
            raise LedgerFault(f"{self._name}: {cause(error) or 'no answer'}") from error

    async def _listen(self) -> None:
        """A wake is only a hint: what it missed is found by the next look at what is due."""
        import psycopg

        while True:
            try:
                async with await self._connected() as ear:
                    await ear.execute(f"LISTEN {CHANNEL}".encode())
                    self._heard.set()
                    async for _ in ear.notifies():
                        self._heard.set()
            except (psycopg.Error, LedgerFault, OSError):
                pass
            await asyncio.sleep(LISTEN_AGAIN_S)


def lock_key(owner: str) -> int:
    """64 bits: the space of one-argument advisory locks is shared by everything in the database."""
    return int.from_bytes(hashlib.sha256(b"rotator/worker/" + owner.encode()).digest()[:8], "big", signed=True)
