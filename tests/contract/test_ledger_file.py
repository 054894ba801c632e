"""The ledger as a file: whose it is, what may stand in its place, and that every trouble with it is a sentence."""

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from rotator.core.faults import LeaseLost
from rotator.ledger.fault import LedgerFault
from rotator.ledger.locks import AlreadyServed
from rotator.ledger.opening import open_ledger
from tests.contract.ledgers import NAME, claimed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rotator.db"


@pytest.mark.parametrize("how", ["deleted", "replaced", "moved-and-restored-copy"])
async def test_a_lease_does_not_outlive_its_file(path: Path, how: str) -> None:
    async with open_ledger(f"sqlite:///{path}") as ledger:
        lease = await claimed(ledger)
        if how == "moved-and-restored-copy":
            shutil.copy(path, path.with_name("copy"))
        path.unlink()
        if how == "replaced":
            path.touch()
        elif how == "moved-and-restored-copy":
            shutil.move(path.with_name("copy"), path)
        with pytest.raises(LeaseLost, match="removed or replaced"):
            await ledger.work.hold(lease)
        await ledger.lock.beat()
        assert ledger.lock.lost.is_set()
        with pytest.raises(LedgerFault, match="start again"):
            await ledger.lock.lock_again()


async def test_a_lock_whose_file_was_removed_is_lost_and_can_be_taken_anew(path: Path) -> None:
    async with open_ledger(f"sqlite:///{path}") as ledger:
        lease = await claimed(ledger)
        shutil.rmtree(path.with_name(path.name + ".workers"))
        await ledger.lock.beat()
        assert ledger.lock.lost.is_set()
        with pytest.raises(LeaseLost, match="is gone"):
            await ledger.work.hold(lease)
        await ledger.lock.lock_again()
        assert await ledger.work.reap() == [lease.owner]
        await ledger.work.hold(await claimed(ledger))


async def test_a_second_daemon_on_one_file_is_refused(path: Path) -> None:
    async with open_ledger(f"sqlite:///{path}") as first:
        await first.lock.become_daemon()
        async with open_ledger(f"sqlite:///{path}") as second:
            with pytest.raises(AlreadyServed, match=first.lock.owner):
                await second.lock.become_daemon()
    async with open_ledger(f"sqlite:///{path}") as third:
        await third.lock.become_daemon()


async def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        async with open_ledger(f"sqlite:///{path}") as ledger:
            await ledger.work.wake(NAME)
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"rotator.db": 0o600, "rotator.db-wal": 0o600, "rotator.db-shm": 0o600, "rotator.db.workers": 0o700}


def _corrupt(path: Path) -> None:
    asyncio.run(_opened(path))
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(40_000))


def _newer(path: Path) -> None:
    asyncio.run(_opened(path))
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.execute("UPDATE compatibility SET oldest_program = '9999'")
        database.commit()


def _of_something_else(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE recipes (id INTEGER)")
        database.commit()


def _a_wal_that_is_a_directory(path: Path) -> None:
    asyncio.run(_opened(path))
    path.with_name(path.name + "-wal").mkdir()


SPOILS: dict[str, tuple[Callable[[Path], object], str]] = {
    "not a database": (lambda path: path.write_text("nothing of the sort " * 500), "not a database"),
    "corrupt": (_corrupt, "malformed|not a database|corrupt"),
    "newer": (_newer, "newer rotator"),
    "of something else": (_of_something_else, "something else"),
    "a directory": (lambda path: path.mkdir(), "directory"),
    "workers is a file": (lambda path: path.with_name(path.name + ".workers").touch(), "workers"),
    "wal is a directory": (_a_wal_that_is_a_directory, "rotator.db"),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_ledger_that_cannot_be_used_is_said_in_a_sentence(path: Path, spoil: str) -> None:
    do, told = SPOILS[spoil]
    do(path)
    with pytest.raises(LedgerFault, match=told):
        asyncio.run(_opened(path))
    _assert_said_by_the_command_line(path)


@pytest.mark.parametrize("where", ["/proc/nowhere/rotator.db", "/dev/null/rotator.db", "/sys/rotator.db"])
def test_a_place_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path, where: str) -> None:
    with pytest.raises(LedgerFault):
        asyncio.run(_opened(Path(where)))
    _assert_said_by_the_command_line(Path(where), tmp_path)


async def _opened(path: Path) -> None:
    async with open_ledger(f"sqlite:///{path}") as ledger:
        await ledger.work.wake(NAME)
        await ledger.audit.verify()


def _assert_said_by_the_command_line(path: Path, settings: Path | None = None) -> None:
    from rotator.cli import main

    file = (settings or path.parent) / "rotator.yaml"
    file.write_text(f"ledger: sqlite:///{path}\n")
    result = CliRunner().invoke(main, ["audit", "show", "--config", str(file)])
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("The ledger cannot be used: ")
    assert "Traceback" not in result.output
    assert len(result.stderr.splitlines()) == 1
