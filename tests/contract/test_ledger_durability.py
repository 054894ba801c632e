"""What must stand when workers die: killed, paused, cut off from the server, on machines with wrong clocks. On both databases."""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import time_machine

from rotator.core.faults import LeaseLost
from rotator.engine.ports import HeldBy, Lease
from rotator.ledger.fault import LedgerFault
from rotator.ledger.opening import open_ledger
from rotator.ledger.store import Ledger
from rotator.ledger.work import EMERGENCY
from tests.contract.ledgers import NAME, SPAWN, ask, claimed, holder, row_of, soon
from tests.postgres import Server

KILLED_WITHIN_S = 30
LOCKED = """SELECT count(*) AS workers FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
            WHERE locktype = 'advisory' AND datname = current_database()"""
CREDENTIALS = [f"c{number}" for number in range(4)]


async def test_the_row_of_a_killed_worker_is_taken_over_at_once(ledger: Ledger, url: str) -> None:
    with holder(url) as (process, owner):
        assert await ledger.work.claim(NAME) == HeldBy(owner=owner)
        await died(process, url)
        await ledger.work.hold(await claimed(ledger))


async def test_the_reaper_frees_the_dead_and_nobody_else(ledger: Ledger, url: str) -> None:
    await claimed(ledger, "mine")
    with holder(url) as (process, owner):
        assert await ledger.work.reap() == []
        await died(process, url)
        assert await ledger.work.reap() == [owner]
    assert [one.lease.credential for one in await ledger.work.claim_due(9)] == [NAME]


async def test_a_paused_worker_keeps_its_row_and_goes_on(ledger: Ledger, url: str) -> None:
    with holder(url) as (process, owner):
        os.kill(process.pid or 0, signal.SIGSTOP)
        await asyncio.sleep(0.3)
        assert await ledger.work.claim(NAME) == HeldBy(owner=owner)
        assert await ledger.work.reap() == []
        os.kill(process.pid or 0, signal.SIGCONT)
        assert await ledger.work.claim(NAME) == HeldBy(owner=owner)


async def died(process: Any, url: str) -> None:
    """Killed, and its lock is gone: from then on its row is free, at the first who asks."""
    process.kill()
    process.join(KILLED_WITHIN_S)
    assert process.exitcode == -signal.SIGKILL
    await alone(url)


async def alone(url: str) -> None:
    """No other worker has a lock. A server hears of a process that is gone in its own time; a file lock is gone with it."""
    async with asyncio.timeout(KILLED_WITHIN_S):
        while url.startswith("postgresql") and ask(url, LOCKED) != [{"workers": 1}]:  # noqa: ASYNC110  # the server's own time
            await asyncio.sleep(0.02)


# --- random kills -----------------------------------------------------------------------------------------------------------


WORKERS, KILLS = 3, 8
STARTED_WITHIN_S = 60


def test_workers_that_are_killed_at_random_never_overlap_and_leave_no_row(url: str, tmp_path: Path) -> None:
    """Each run writes when it began and ended into a file that survives its worker; a run that was killed has no end."""
    chance = random.Random(11)
    asyncio.run(_enlisted(url))
    workers = [_started(url, tmp_path, number) for number in range(WORKERS)]
    for number in range(WORKERS, WORKERS + KILLS):
        _worked(tmp_path / f"spans-{number - 1}")
        time.sleep(chance.uniform(0, 0.2))
        victim = chance.randrange(WORKERS)
        workers[victim].kill()
        workers[victim].join(10)
        workers[victim] = _started(url, tmp_path, number)
        asyncio.run(_woken(url, chance.choice(CREDENTIALS)))
    _worked(tmp_path / f"spans-{WORKERS + KILLS - 1}")
    for worker in workers:
        worker.terminate()
        worker.join(10)
    spans = [line.split() for file in tmp_path.glob("spans-*") for line in file.read_text().splitlines()]
    assert {name for name, *_ in spans} == set(CREDENTIALS)
    for credential in CREDENTIALS:
        mine = sorted((float(began), float(ended)) for name, began, ended in (s for s in spans if len(s) == 3) if name == credential)
        assert all(ended <= began for (_, ended), (began, _) in pairwise(mine)), f"two workers had {credential} at once"
    asyncio.run(_none_is_left(url))


def _started(url: str, place: Path, number: int) -> Any:
    worker = SPAWN.Process(target=_work, args=(url, place / f"spans-{number}"), daemon=True)
    worker.start()
    return worker


def _worked(file: Path) -> None:
    """Wait until the worker that was started last has done something: a busy machine starts a process late."""
    deadline = time.monotonic() + STARTED_WITHIN_S
    while not file.exists():
        assert time.monotonic() < deadline, f"no work of {file.name}"
        time.sleep(0.02)


def _work(url: str, file: Path) -> None:
    async def run() -> None:
        chance = random.Random(str(file))
        async with open_ledger(url) as ledger:
            while True:
                await ledger.work.reap()
                for one in await ledger.work.claim_due(1):
                    began = time.monotonic()
                    await ledger.work.hold(one.lease)
                    await asyncio.sleep(chance.uniform(0, 0.05))
                    with suppress(LeaseLost):
                        await ledger.work.hold(one.lease)
                        with file.open("a") as spans:
                            spans.write(f"{one.lease.credential} {began} {time.monotonic()}\n")
                    await ledger.work.finish(one.lease, again=ledger.database.now() + timedelta(milliseconds=20))

    asyncio.run(run())


async def _enlisted(url: str) -> None:
    async with open_ledger(url) as ledger:
        await ledger.work.enlist(CREDENTIALS)


async def _woken(url: str, credential: str) -> None:
    async with open_ledger(url) as ledger:
        await ledger.work.wake(credential, priority=EMERGENCY)


async def _none_is_left(url: str) -> None:
    async with open_ledger(url) as ledger:
        await alone(url)
        await ledger.work.reap()
        assert [row.credential for row in await ledger.work.rows() if row.owner] == []
        deadline = time.monotonic() + 10
        found: set[str] = set()
        while found != set(CREDENTIALS) and time.monotonic() < deadline:
            found |= {one.lease.credential for one in await ledger.work.claim_due(9)}
        assert found == set(CREDENTIALS)


@pytest.mark.parametrize("when", ["before the claim", "after the claim"])
def test_what_was_filed_before_a_kill_is_found_by_whoever_comes_next(url: str, when: str) -> None:
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=_file_and_hang, args=(url, there, when), daemon=True)
    process.start()
    assert here.poll(30)
    here.recv()
    process.kill()
    process.join(10)

    async def next_one() -> list[str]:
        async with open_ledger(url) as ledger:
            deadline = time.monotonic() + 10
            while not (found := await ledger.work.claim_due(9, least_priority=EMERGENCY)) and time.monotonic() < deadline:
                await ledger.work.reap()
            return [one.lease.credential for one in found]

    assert asyncio.run(next_one()) == [NAME]


def _file_and_hang(url: str, there: Connection, when: str) -> None:
    async def run() -> None:
        async with open_ledger(url) as ledger:
            await ledger.work.wake(NAME, priority=EMERGENCY)
            if when == "after the claim":
                await ledger.work.claim_due(1)
            there.send("filed")
            await asyncio.sleep(60)

    asyncio.run(run())


# --- the server and the clock -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_a_lock_session_that_is_cut_stops_the_worker_before_its_next_effect(ledger: Ledger, url: str, postgresql: Server) -> None:
    lease = await claimed(ledger)
    postgresql.restart()
    with pytest.raises(LeaseLost, match="gone"):
        await ledger.work.hold(lease)
    assert ledger.lock.lost.is_set()
    async with open_ledger(url) as other:
        assert await other.work.reap() == [lease.owner]
        taken = await claimed(other)
        await other.work.finish(taken, again=soon())
    await ledger.lock.lock_again()
    await ledger.work.hold(await claimed(ledger))
    waiting = asyncio.create_task(ledger.work.wait_for_wake(timedelta(seconds=60)))
    async with open_ledger(url) as other:
        while not waiting.done():  # the ear, too, comes back by itself
            await other.work.wake(NAME)
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_a_server_that_is_away_is_a_sentence_and_comes_back(ledger: Ledger, postgresql: Server) -> None:
    postgresql.stop()
    try:
        with pytest.raises(LedgerFault, match=r"127\.0\.0\.1"):
            await ledger.work.claim(NAME)
        await ledger.lock.beat()
        assert ledger.lock.lost.is_set()
        with pytest.raises(LedgerFault):
            await ledger.lock.lock_again()
    finally:
        postgresql.start()
    await ledger.lock.lock_again()
    assert isinstance(await ledger.work.claim(NAME), Lease)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_worker_whose_clock_is_wrong_changes_nothing(ledger: Ledger, url: str, hours: int) -> None:
    right = ledger.database.now()
    with time_machine.travel(right + timedelta(hours=hours), tick=True):
        async with open_ledger(url) as skewed:
            assert abs(skewed.database.now() - right) < timedelta(minutes=1)
            lease = await claimed(skewed)
            await skewed.work.finish(lease, again=skewed.database.now() + timedelta(hours=1))
    due = row_of(url)["due_at"] / 1000
    assert abs(due - (right + timedelta(hours=1)).timestamp()) < 60
    assert await ledger.work.claim_due(1) == []


async def test_an_emergency_is_the_first_of_many_thousands(ledger: Ledger, url: str) -> None:
    await ledger.work.enlist([f"c{number:05}" for number in range(20_000)])
    await ledger.work.wake("c19999", priority=EMERGENCY)
    assert [one.lease.credential for one in await ledger.work.claim_due(1)] == ["c19999"]
    assert ask(url, "SELECT count(*) AS claimed FROM work WHERE owner IS NOT NULL") == [{"claimed": 1}]
