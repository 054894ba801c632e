"""Who looks at a ledger: the same on both databases, on connections that write nothing and take nothing from those who work."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import create_engine, text

from rotator.core.credential import Slot
from rotator.core.incident import State
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption, Kept, KeyMemory
from rotator.engine.ports import Lease
from rotator.ledger.fault import LedgerFault
from rotator.ledger.onlooker import Onlooker
from rotator.ledger.opening import open_ledger, open_onlooker
from rotator.ledger.schema import metadata
from rotator.ledger.store import Ledger
from tests.contract.ledgers import NAME, ask, case, claimed, mint

OLD, NEW = Sealed("an old value"), Sealed("a new value")


@pytest_asyncio.fixture
async def look(ledger: Ledger, url: str) -> AsyncIterator[Onlooker]:
    async with open_onlooker(url) as onlooker:
        yield onlooker


async def lived(ledger: Ledger) -> Lease:
    """One rotation with a fault on its way, a dependent that lags, and a case."""
    now = ledger.database.now().replace(microsecond=0)
    lease = await claimed(ledger)
    for number, outcome in enumerate(("denied", "denied", "regenerated")):
        await ledger.journal.intend(lease, f"op-{number}", mint(OLD))
        detail = {"fault": f"listKeys of {NAME}: 403"} if outcome == "denied" else {}
        await ledger.journal.outcome(lease, f"op-{number}", outcome, detail=detail)
    values = [
        KeyMemory(
            fingerprint=OLD.fingerprint, slot=Slot.KEY1, published_at=now - timedelta(days=9), version="1", replaced_at=now, dead_at=now
        ),
        KeyMemory(fingerprint=NEW.fingerprint, slot=Slot.KEY2, published_at=now - timedelta(days=1), version="2"),
        KeyMemory(fingerprint=Sealed("a standby").fingerprint, slot=Slot.KEY1),
    ]
    await ledger.journal.remember(lease, values)
    kept = Kept(dependent="api", kind="webhook", adoption=Adoption.STALE, version="2", fingerprint=NEW.fingerprint, since=now)
    await ledger.journal.adopted(lease, [kept, replace(kept, dependent="worker", adoption=Adoption.PROVEN)])
    await ledger.cases.file(replace(case("inc-1", Mode.DRAIN), fingerprint=OLD.fingerprint))
    return lease


async def test_an_empty_ledger_shows_nothing(look: Onlooker) -> None:
    known = await look.fleet()
    assert (known.published_ms, known.lagging, known.cases) == ({}, {}, {})
    assert await look.ways(list(State), 10) == []
    assert await look.count() == {}
    assert await look.story("inc-1") is None
    assert await look.wave() is None
    assert (await look.portrait(NAME, before=None, events=10)).empty


async def test_the_fleet_is_when_each_was_published_who_lags_and_which_cases_press(ledger: Ledger, look: Onlooker) -> None:
    await lived(ledger)
    known = await look.fleet()
    assert list(known.published_ms) == [NAME]
    assert known.lagging == {NAME: 1}
    assert known.cases == {NAME: [State.OPEN]}


async def test_a_glance_is_what_readers_get_and_the_last_step_with_its_sentence(ledger: Ledger, look: Onlooker) -> None:
    await lived(ledger)
    glance = (await look.glances([NAME, "another"]))[NAME]
    assert (glance.fingerprint, glance.slot) == (NEW.fingerprint, Slot.KEY2)
    assert glance.adoptions == ((Adoption.PROVEN, 1), (Adoption.STALE, 1))
    assert glance.last is not None
    assert (glance.last.step, glance.last.because, glance.last.result) == ("mint", "a test", "regenerated")


async def test_a_way_has_the_ends_that_a_value_came_to(ledger: Ledger, look: Onlooker) -> None:
    await lived(ledger)
    (way,) = await look.ways([State.OPEN], 10)
    assert (way.case.id, way.reports, way.published_at) == ("inc-1", 0, None)
    assert way.dead_at is not None
    assert await look.ways([State.HELD], 10) == []
    assert await look.count() == {State.OPEN: 1}


async def test_a_publish_after_the_report_is_on_its_way(ledger: Ledger, look: Onlooker, url: str) -> None:
    await ledger.journal.intend(await lived(ledger), "op-9", mint(OLD))
    ask(url, "UPDATE intents SET step = 'publish', outcome = 'published', outcome_at = at + 40 WHERE operation = 'op-9'")
    (way,) = await look.ways([State.OPEN], 10)
    assert way.published_at is not None
    assert way.published_at >= way.case.reported_at


async def test_failures_are_told_once_each_with_their_fault_and_how_often(ledger: Ledger, look: Onlooker) -> None:
    await lived(ledger)
    now = ledger.database.now()
    (failed,) = await look.failures(now - timedelta(hours=1), 10)
    assert (failed.credential, failed.step, failed.slot, failed.result, failed.count) == (NAME, "mint", "key2", "denied", 2)
    assert failed.fault == f"listKeys of {NAME}: 403"
    assert await look.failures(now + timedelta(hours=1), 10) == []


async def test_a_portrait_is_the_newest_and_says_whether_there_is_more(ledger: Ledger, look: Onlooker) -> None:
    await lived(ledger)
    seen = await look.portrait(NAME, before=None, events=4)
    assert [one.fingerprint for one in seen.values][:2] == [NEW.fingerprint, OLD.fingerprint]
    assert [one.dependent for one in seen.adoptions] == ["api", "worker"]
    assert seen.work is not None
    assert seen.work.worked_on
    assert seen.earlier
    before = await look.portrait(NAME, before=seen.events[0].seq, events=100)
    assert [event.seq for event in (*before.events, *seen.events)] == list(range(1, seen.events[-1].seq + 1))
    assert not before.earlier


async def test_a_story_has_all_that_a_timeline_is_made_from(ledger: Ledger, look: Onlooker) -> None:
    await lived(ledger)
    story = await look.story("inc-1")
    assert story is not None
    assert (story.case.id, story.whole, story.reports) == ("inc-1", True, 0)
    assert story.memory is not None
    assert story.memory.fingerprint == OLD.fingerprint
    assert [row["seq"] for row in story.events] == sorted(row["seq"] for row in story.events)


async def test_who_looks_cannot_write(look: Onlooker) -> None:
    with pytest.raises(LedgerFault):
        async with look._database.begin() as connection:
            await connection.execute(text("DELETE FROM compatibility"))


async def test_whoever_holds_the_ledger_to_write_holds_up_no_look(ledger: Ledger, look: Onlooker) -> None:
    await lived(ledger)
    async with ledger.database.begin() as connection:
        await connection.execute(text("UPDATE work SET attempts = attempts + 1"))
        assert (await look.portrait(NAME, before=None, events=10)).work is not None


def test_what_is_asked_of_one_credential_or_of_the_end_of_the_chain_walks_over_no_whole_table(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'rotator.db'}"
    engine = create_engine(url)
    metadata.create_all(engine)
    engine.dispose()
    for query, table in (
        ("SELECT credential, max(at) FROM intents WHERE credential IN ('a', 'b') GROUP BY credential", "intents"),
        ("SELECT * FROM audit WHERE seq > 10 AND event = 'outcome' ORDER BY seq DESC LIMIT 10", "audit"),
        ("SELECT * FROM audit WHERE credential = 'a' ORDER BY seq DESC LIMIT 10", "audit"),
    ):
        told = " ".join(row["detail"] for row in ask(url, f"EXPLAIN QUERY PLAN {query}"))
        assert f"SCAN {table}" not in told, told


async def test_a_look_in_the_same_process_lets_go_of_no_lock_of_the_file(tmp_path: Path) -> None:
    """POSIX drops every lock of a process on a file when it closes any descriptor of it. The next process to leave would then take the
    journal away under the daemon, and with it what was acknowledged."""
    path = tmp_path / "rotator.db"
    url = f"sqlite:///{path}"
    async with open_ledger(url) as ledger, open_onlooker(url) as onlooker:
        await ledger.work.wake("before")
        await onlooker.fleet()
        assert await elsewhere(path) == "before"
        await ledger.work.wake("then")
        assert await elsewhere(path) == "before then", "what was written is not in the file that others read"


async def elsewhere(path: Path) -> str:
    """What another process finds in the work table, before it leaves."""
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
        "print(*(name for name, in c.execute('SELECT credential FROM work ORDER BY 1'))); c.close()"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(path), stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0].decode().strip()
