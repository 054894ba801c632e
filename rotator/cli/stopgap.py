"""A ledger for one emergency, where the settings' own cannot be used: it lives in a temporary directory and is gone with the run.

Azure is the truth, so a revocation needs no memory to be right: an empty ledger costs at most one extra mint. It is never used unsaid.
"""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import click

from rotator.ledger.fault import LedgerFault

if TYPE_CHECKING:
    from rotator.ledger.store import Ledger

PLACES = (None, "/dev/shm")  # noqa: S108  # the second is memory: for a machine whose disk is full
REMEDY = "If it cannot be mended, move it away, or point `ledger:` at another path: nothing is lost but history, at most one extra mint."
LOST = "this run is recorded in no ledger that lasts"


@contextlib.asynccontextmanager
async def stopgap(why: LedgerFault) -> "AsyncIterator[Ledger]":
    """An empty ledger, said loudly. Raises `why` where there is no place even for that."""
    from rotator.ledger.opening import open_ledger

    click.echo(f"The ledger cannot be used: {why}. {REMEDY}", err=True)
    click.echo(f"The revocation does not wait for it: it goes on with a temporary ledger; {LOST}.", err=True)
    async with contextlib.AsyncExitStack() as stack:
        for place in PLACES:
            try:
                directory = stack.enter_context(_directory(place))
                ledger = await stack.enter_async_context(open_ledger(f"sqlite:///{directory}/rotator.db"))
            except (LedgerFault, OSError):
                continue
            break
        else:
            raise why
        yield ledger


@contextlib.contextmanager
def _directory(place: str | None) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="rotator-", dir=place, ignore_cleanup_errors=True) as directory:
        yield directory
