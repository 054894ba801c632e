"""Which workers are alive, told by the operating system and not by a clock.

Each worker holds an `flock` on a file of its own beside the SQLite ledger. Who can take another's lock knows that it is dead: a kernel
drops the locks of a killed process at once, and keeps those of a paused one. For one host and a local disk.
"""

import fcntl
import os
import socket
import uuid
from pathlib import Path


class Workers:
    """This process's own lock, and the question whether another's still stands."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.me = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self._path(self.me), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_alive(self, owner: str) -> bool:
        """Whether the worker's lock is held. A lock that could be taken, or has no file, belongs to the dead."""
        if owner == self.me:
            return True
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

    def close(self) -> None:
        """Give the lock back and tidy its file away."""
        self._path(self.me).unlink(missing_ok=True)
        os.close(self._file)

    def _path(self, owner: str) -> Path:
        return self._directory / f"{owner.replace('/', '_').replace(':', '-')}.lock"
