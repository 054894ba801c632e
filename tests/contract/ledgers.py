"""Both ledgers behind one address, asked behind their back; and workers in processes of their own, to be killed."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, text

from rotator.core.credential import Reason, Slot
from rotator.core.incident import Incident, State
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed, fingerprint
from rotator.core.step import Do, Mint
from rotator.engine.ports import Lease
from rotator.ledger.opening import open_ledger
from rotator.ledger.store import Ledger

NAME = "chat-prod"
LATER = timedelta(days=1)
SPAWN = multiprocessing.get_context("spawn")


def soon() -> datetime:
    return datetime.now(UTC) + LATER


def ask(url: str, sql: str, **values: Any) -> list[dict[str, Any]]:
    """What the tables say, or what a person does to them, on a connection that the ledger does not know of."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            result = connection.execute(text(sql), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []
    finally:
        engine.dispose()


def row_of(url: str, name: str = NAME) -> dict[str, Any]:
    return ask(url, "SELECT * FROM work WHERE credential = :name", name=name)[0]


async def claimed(ledger: Ledger, name: str = NAME) -> Lease:
    lease = await ledger.work.claim(name)
    assert isinstance(lease, Lease)
    return lease


@contextmanager
def holder(url: str) -> Iterator[tuple[Any, str]]:
    """Another process that holds the credential; and who it is."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=_hold, args=(url, there), daemon=True)
    process.start()
    try:
        assert here.poll(30)
        yield process, here.recv()
    finally:
        process.kill()
        process.join(10)


def _hold(url: str, there: Any) -> None:
    async def run() -> None:
        async with open_ledger(url) as ledger:
            there.send((await claimed(ledger)).owner)
            await asyncio.sleep(60)

    asyncio.run(run())


def mint(old: Sealed) -> Do:
    return Do(step=Mint(slot=Slot.KEY2, replaces=old.fingerprint), reason=Reason.SUPERSEDED, because="a test", phase="minting")


def case(name: str, mode: Mode) -> Incident:
    now = datetime.now(UTC)
    return Incident(
        id=name,
        credential=NAME,
        account="account",
        fingerprint=fingerprint("leaked"),
        slot=Slot.KEY1,
        reason=Reason.KEY_COMPROMISE,
        mode=mode,
        source="test",
        note="",
        reported_at=now,
        deadline=now + LATER,
        state=State.OPEN,
    )
