"""The lock of a worker on SQLite: an `flock` on a file of its own beside the ledger. For one host and a local disk."""

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from rotator.ledger.fault import LedgerFault
from rotator.ledger.locks import AlreadyServed, new_owner

Token = Callable[[str], Awaitable[str | None]]
"""What token the row of a credential carries now."""


class FileLock:
    """Fulfils `Lock`. A kernel cannot lose a lock, but a person can remove the file that it stands on, or the ledger itself."""

    def __init__(self, ledger: Path, token: Token) -> None:
        self._ledger = ledger
        self._inode = ledger.stat().st_ino
        self._directory = ledger.with_name(ledger.name + ".workers")
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._token = token
        self._daemon: int | None = None
        self.lost = asyncio.Event()
        self.owner, self._file = self._taken()

    async def is_alive(self, owner: str, connection: AsyncConnection) -> bool:
        """A lock that could be taken, or has no file, belongs to the dead."""
        if owner == self.owner:
            return not self.lost.is_set()
        try:
            file = os.open(self._path(owner), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._path(owner).unlink(missing_ok=True)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    async def holds(self, credential: str, token: str) -> str:
        if self.lost.is_set():
            return f"this worker's lock in {self._directory} is gone"
        if _inode(self._ledger) != self._inode:
            return f"{self._ledger} was removed or replaced while this run was using it"
        return "" if await self._token(credential) == token else f"another worker has taken {credential} over"

    async def beat(self) -> None:
        if _inode(self._path(self.owner)) != os.fstat(self._file).st_ino or _inode(self._ledger) != self._inode:
            self.lost.set()

    async def lock_again(self) -> None:
        if _inode(self._ledger) != self._inode:
            raise LedgerFault(f"{self._ledger} was removed or replaced while it was in use; start again to use the new one")
        os.close(self._file)
        try:
            self.owner, self._file = self._taken()
        except OSError as error:
            raise LedgerFault(f"{self._directory}: {error.strerror}") from error
        self.lost = asyncio.Event()

    async def become_daemon(self) -> None:
        """One daemon a file: SQLite is for one host, and two of them would only wait for each other."""
        path = self._directory / "daemon"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.read(file, 300).decode(errors="replace")
            os.close(file)
            raise AlreadyServed(told or "another process") from None
        os.ftruncate(file, 0)
        os.pwrite(file, self.owner.encode(), 0)
        self._daemon = file

    async def close(self) -> None:
        self._path(self.owner).unlink(missing_ok=True)
        os.close(self._file)
        if self._daemon is not None:
            os.close(self._daemon)

    def _taken(self) -> tuple[str, int]:
        owner = new_owner()
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._path(owner), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return owner, file

    def _path(self, owner: str) -> Path:
        return self._directory / f"{owner.replace('/', '_').replace(':', '-')}.lock"


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
