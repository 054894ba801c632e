"""A ledger that can be read and not written is not sound: that is found by a real write, which changes nothing."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from rotator.ledger.opening import open_ledger
from rotator.ledger.soundness import Soundness
from rotator.ledger.store import Ledger
from tests.postgres import Server


def soundness_of(ledger: Ledger) -> Soundness:
    return Soundness(ledger.database, ledger.lock, lambda: timedelta(minutes=3))


@contextmanager
def full(database: Path) -> Iterator[None]:
    """No file of this process grows beyond what the ledger's journal has: to SQLite, a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = Path(f"{database}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_write_that_is_tried_changes_nothing(ledger: Ledger) -> None:
    await ledger.work.enlist(["chat-prod"])
    before = await ledger.work.rows(), await ledger.audit.height()
    for _ in range(3):
        await ledger.database.try_to_write()
    assert (await ledger.work.rows(), await ledger.audit.height()) == before
    async with ledger.database.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM deliveries"))).scalar_one() == 0
    assert await soundness_of(ledger).trouble() is None


async def test_a_disk_that_is_full_is_found_though_everything_can_be_read(tmp_path: Path) -> None:
    async with open_ledger(f"sqlite:///{tmp_path / 'rotator.db'}") as ledger:
        with full(tmp_path / "rotator.db"):
            await ledger.work.next_due()
            trouble = await soundness_of(ledger).trouble()
        assert trouble is not None
        assert trouble.what == "the ledger cannot be written"
        assert trouble.since <= ledger.database.now()
        assert await soundness_of(ledger).trouble() is None


async def test_a_server_that_takes_reads_alone_is_found(postgresql: Server) -> None:
    url = str(postgresql.database())
    async with open_ledger(url) as ledger:
        async with ledger.database.begin() as connection:
            name = (await connection.execute(text("SELECT current_database()"))).scalar_one()
            await connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
        await ledger.database.engine.dispose()
        await ledger.work.next_due()
        trouble = await soundness_of(ledger).trouble()
        assert trouble is not None
        assert "read-only" in trouble.because


async def test_a_write_that_hangs_is_said_and_is_asked_for_once(tmp_path: Path) -> None:
    async with open_ledger(f"sqlite:///{tmp_path / 'rotator.db'}") as ledger:
        sound = soundness_of(ledger)
        async with ledger.database.begin():
            answers = await asyncio.gather(*(sound.unwritable() for _ in range(20)))
            assert {str(one.because) for one in answers if one} == {"no write within 3 s"}
            assert len({one.since for one in answers if one}) == 1


async def test_a_lock_that_is_lost_is_told_with_when_it_was_last_proven(ledger: Ledger) -> None:
    ledger.lock.lost.set()
    trouble = await soundness_of(ledger).trouble()
    assert trouble is not None
    assert timedelta(minutes=2) < ledger.database.now() - trouble.since < timedelta(minutes=4)
    assert "lock" in trouble.what
