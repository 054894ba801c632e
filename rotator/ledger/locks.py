"""Who is alive: told by the operating system or by the database server, never by a clock.

A worker holds one lock for as long as it lives. Who can take another's lock knows that it is dead: a kernel drops the locks of a killed
process at once, a server those of a session that is gone; both keep those of a paused one.
"""

import asyncio
import os
import socket
import uuid
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection


class AlreadyServed(Exception):
    """Another daemon serves this ledger."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


class Lock(Protocol):
    """This worker's own lock, and the question whether another's still stands."""

    owner: str
    lost: asyncio.Event

    async def is_alive(self, owner: str, connection: AsyncConnection) -> bool:
        """Whether the worker's lock is held. `connection` is where a server can be asked."""

    async def holds(self, credential: str, token: str) -> str:
        """Empty where this worker still holds its lock and the credential's row; else what happened. Asked right before each effect."""

    async def beat(self) -> None:
        """Prove that the lock lives; where it does not, `lost` is set. Never raises."""

    async def lock_again(self) -> None:
        """A new lock under a new name, after every task of the old one has ended. Raises LedgerFault while the database is away."""

    async def become_daemon(self) -> None:
        """Raises AlreadyServed where this ledger has its one daemon."""

    async def close(self) -> None:
        """Give the lock back."""


def new_owner() -> str:
    """A name that no other worker has or had."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
