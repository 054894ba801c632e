"""The ledger: one worker a credential, told by locks and fenced by tokens; an audit that shows what was changed; its faults in words."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import signal
import sqlite3
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from sqlalchemy import create_engine

import rotator.ledger
from rotator.core.credential import Reason, Slot
from rotator.core.faults import LeaseLost
from rotator.core.incident import Incident, State
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed, fingerprint
from rotator.core.snapshot import KeyMemory
from rotator.core.step import Do, Mint
from rotator.engine.ports import HeldBy, Lease
from rotator.ledger.opening import LedgerFault, open_ledger
from rotator.ledger.schema import REVISION, metadata
from rotator.ledger.store import Ledger

NAME = "chat-prod"
LATER = timedelta(days=1)
TAKEOVER_WITHIN_S = 2
FORK = multiprocessing.get_context("spawn")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rotator.db"


@pytest_asyncio.fixture
async def ledger(path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(f"sqlite:///{path}") as opened:
        yield opened


def _soon() -> datetime:
    return datetime.now(UTC) + LATER


def _row(path: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return dict(database.execute("SELECT * FROM work WHERE credential = ?", [NAME]).fetchone())


# --- one worker at a time ---------------------------------------------------------------------------------------------------


async def test_a_claim_is_held_until_it_is_finished(ledger: Ledger, path: Path) -> None:
    lease = await _claimed(ledger)
    async with open_ledger(f"sqlite:///{path}") as other:
        assert await other.claim(NAME) == HeldBy(owner=lease.owner)
        await ledger.hold(lease)
        await ledger.finish(lease, again=_soon())
        taken = await _claimed(other)
        assert taken.token != lease.token
        with pytest.raises(LeaseLost):
            await ledger.hold(lease)


async def test_a_stale_token_finishes_nothing(ledger: Ledger, path: Path) -> None:
    lease = await _claimed(ledger)
    await ledger.finish(lease, again=_soon())
    async with open_ledger(f"sqlite:///{path}") as other:
        taken = await _claimed(other)
        before = _row(path)
        await ledger.finish(lease, again=_soon())
        assert _row(path) == before
        await other.hold(taken)


async def test_a_wake_during_a_run_makes_it_due_once_more_and_no_more(ledger: Ledger, path: Path) -> None:
    lease = await _claimed(ledger)
    for _ in range(3):
        await ledger.wake(NAME, priority=100)
    await ledger.finish(lease, again=_soon())
    assert _row(path)["due_at"] <= time.time() * 1000
    assert _row(path)["priority"] == 100
    again = await _claimed(ledger)
    assert not await ledger.woken(again)
    await ledger.finish(again, again=_soon())
    assert _row(path)["due_at"] > time.time() * 1000
    assert _row(path)["priority"] == 0


async def test_a_wake_is_told_once_to_who_listens(ledger: Ledger) -> None:
    lease = await _claimed(ledger)
    await ledger.wake(NAME)
    assert [await ledger.woken(lease), await ledger.woken(lease)] == [True, False]


async def test_the_row_of_a_killed_worker_is_taken_over_at_once(ledger: Ledger, path: Path) -> None:
    with _worker(path) as (process, owner):
        assert await ledger.claim(NAME) == HeldBy(owner=owner)
        os.kill(process.pid or 0, signal.SIGKILL)
        killed = time.monotonic()
        while isinstance(lease := await ledger.claim(NAME), HeldBy):  # noqa: ASYNC110  # what is waited for is in another process
            await asyncio.sleep(0.02)
        assert time.monotonic() - killed < TAKEOVER_WITHIN_S
        await ledger.hold(lease)


async def test_a_paused_worker_keeps_its_row_and_goes_on(ledger: Ledger, path: Path) -> None:
    with _worker(path) as (process, owner):
        os.kill(process.pid or 0, signal.SIGSTOP)
        await asyncio.sleep(0.3)
        assert await ledger.claim(NAME) == HeldBy(owner=owner)
        os.kill(process.pid or 0, signal.SIGCONT)
        assert await ledger.claim(NAME) == HeldBy(owner=owner)


@pytest.mark.parametrize("how", ["deleted", "replaced", "moved-and-restored-copy"])
async def test_a_lease_does_not_outlive_its_file(ledger: Ledger, path: Path, how: str) -> None:
    lease = await _claimed(ledger)
    if how == "moved-and-restored-copy":
        shutil.copy(path, path.with_name("copy"))
    path.unlink()
    if how == "replaced":
        path.touch()
    elif how == "moved-and-restored-copy":
        shutil.move(path.with_name("copy"), path)
    with pytest.raises(LeaseLost, match="removed or replaced"):
        await ledger.hold(lease)


WORKERS, ROUNDS = 4, 5


def test_workers_that_hammer_never_overlap(path: Path, tmp_path: Path) -> None:
    """Each worker claims, writes when it began and ended, and finishes; no two such times of one credential overlap."""
    results = FORK.Queue()
    workers = [FORK.Process(target=_hammer, args=(path, results)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    told = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    for credential in range(WORKERS):
        spans = sorted(span for one in told for name, *span in one if name == f"c{credential}")
        assert len(spans) == WORKERS * ROUNDS
        assert all(ended <= began for (_, ended), (began, _) in pairwise(spans))


def _hammer(path: Path, results: Any) -> None:
    async def run() -> list[tuple[str, float, float]]:
        spans = []
        async with open_ledger(f"sqlite:///{path}") as ledger:
            left = {f"c{number}": ROUNDS for number in range(WORKERS)}
            while left:
                for name in list(left):
                    lease = await ledger.claim(name)
                    if isinstance(lease, HeldBy):
                        continue
                    began = time.monotonic()
                    await ledger.hold(lease)
                    spans.append((name, began, time.monotonic()))
                    await ledger.finish(lease, again=datetime.now(UTC))
                    left[name] -= 1
                    left = {one: rounds for one, rounds in left.items() if rounds}
        return spans

    results.put(asyncio.run(run()))


async def _claimed(ledger: Ledger, name: str = NAME) -> Lease:
    lease = await ledger.claim(name)
    assert isinstance(lease, Lease)
    return lease


@contextmanager
def _worker(path: Path) -> Iterator[tuple[Any, str]]:
    """Another process that holds the credential."""
    here, there = FORK.Pipe()
    process = FORK.Process(target=_hold, args=(path, there), daemon=True)
    process.start()
    try:
        assert here.poll(30)
        yield process, here.recv()
    finally:
        process.kill()
        process.join(10)


def _hold(path: Path, there: Any) -> None:
    async def run() -> None:
        async with open_ledger(f"sqlite:///{path}") as ledger:
            there.send((await _claimed(ledger)).owner)
            await asyncio.sleep(60)

    asyncio.run(run())


# --- what is remembered -------------------------------------------------------------------------------------------------------


async def test_an_intent_is_open_until_its_outcome(ledger: Ledger) -> None:
    lease = await _claimed(ledger)
    old, new = Sealed("an old value"), Sealed("a new value")
    await ledger.index(NAME, "account", {Slot.KEY1: old, Slot.KEY2: new})
    await ledger.intend(lease, "op", _mint(old))
    memory, unsettled = await ledger.recall(NAME)
    assert [intent.operation for intent in unsettled] == ["op"]
    assert set(memory.keys) == {old.fingerprint, new.fingerprint}
    now = datetime.now(UTC).replace(microsecond=0)
    await ledger.outcome(lease, "op", "regenerated", learned=[KeyMemory(fingerprint=new.fingerprint, slot=Slot.KEY2, minted_at=now)])
    memory, unsettled = await ledger.recall(NAME)
    assert unsettled == []
    assert memory.of(new.fingerprint).minted_at == now
    assert await ledger.known_as(sha256=new.sha256()) == [(NAME, new.fingerprint)]
    assert await ledger.known_as(hmsl_hash=old.hmsl_hash()) == [(NAME, old.fingerprint)]


async def test_the_same_leak_reported_twice_is_one_case(ledger: Ledger) -> None:
    first = await ledger.file(_case("one", Mode.DRAIN))
    second = await ledger.file(_case("two", Mode.CUT))
    assert (second.id, second.mode) == (first.id, Mode.CUT)
    assert [case.id for case in await ledger.of(NAME)] == ["one"]


def _mint(old: Sealed) -> Do:
    return Do(step=Mint(slot=Slot.KEY2, replaces=old.fingerprint), reason=Reason.SUPERSEDED, because="a test", phase="minting")


def _case(name: str, mode: Mode) -> Incident:
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


# --- the audit ----------------------------------------------------------------------------------------------------------------


TAMPERINGS = {
    "changed": "UPDATE audit SET fields = replace(fields, 'test', 'tset') WHERE seq = 2",
    "no JSON": "UPDATE audit SET fields = 'nothing of the sort' WHERE seq = 2",
    "other JSON": "UPDATE audit SET fields = '[1]' WHERE seq = 2",
    "no time": "UPDATE audit SET at = 'yesterday' WHERE seq = 2",
    "another time": "UPDATE audit SET at = '2020-01-01T00:00:00.000+00:00' WHERE seq = 2",
    "dropped": "DELETE FROM audit WHERE seq = 2",
    "cut at the end": "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
    "cut at the start": "DELETE FROM audit WHERE seq = 1",
    "emptied": "DELETE FROM audit",
    "no head": "DELETE FROM audit_head",
}


@pytest.mark.parametrize("sql", TAMPERINGS.values(), ids=TAMPERINGS)
async def test_a_tampered_audit_does_not_verify(ledger: Ledger, path: Path, sql: str) -> None:
    await _three_events(ledger)
    whole = await ledger.verify_audit()
    assert not whole.broken
    assert whole.events == 3
    with closing(sqlite3.connect(path)) as database:
        database.execute(sql)
        database.commit()
    assert (await ledger.verify_audit()).broken


async def test_an_audit_cut_with_its_head_is_found_by_the_head_noted_elsewhere(ledger: Ledger, path: Path) -> None:
    await _three_events(ledger)
    head = (await ledger.verify_audit()).head
    with closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM audit WHERE seq = 3")
        database.execute("UPDATE audit_head SET events = 2, head = (SELECT hash FROM audit WHERE seq = 2)")
        database.commit()
    assert not (await ledger.verify_audit()).broken
    assert (await ledger.verify_audit(head=head)).broken


async def _three_events(ledger: Ledger) -> None:
    for number in range(3):
        await ledger.order(NAME, f"test {number}", foreign=False)


# --- the file -----------------------------------------------------------------------------------------------------------------


async def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        async with open_ledger(f"sqlite:///{path}") as ledger:
            await ledger.wake(NAME)
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
        await ledger.wake(NAME)
        await ledger.verify_audit()


def _assert_said_by_the_command_line(path: Path, settings: Path | None = None) -> None:
    from rotator.cli import main

    file = (settings or path.parent) / "rotator.yaml"
    file.write_text(f"ledger: sqlite:///{path}\n")
    result = CliRunner().invoke(main, ["audit", "verify", "--config", str(file)])
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("The ledger cannot be used: ")
    assert "Traceback" not in result.output
    assert len(result.stderr.splitlines()) == 1


# --- the schema ---------------------------------------------------------------------------------------------------------------


async def test_what_the_migrations_make_is_what_the_tables_say(ledger: Ledger, path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
    engine.dispose()


def test_the_newest_migration_is_the_one_that_the_program_knows() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(rotator.ledger.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_two_who_open_a_new_ledger_at_once_both_can(path: Path) -> None:
    async def both() -> None:
        await asyncio.gather(*(_opened(path) for _ in range(4)))

    asyncio.run(both())
