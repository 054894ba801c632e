"""The ledger's contract, on both databases: one worker a credential, triggers that are never dropped, memory, audit."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.credential import Slot
from rotator.core.faults import LeaseLost
from rotator.core.incident import State, move
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed
from rotator.core.snapshot import KeyMemory
from rotator.engine.ports import HeldBy
from rotator.ledger.opening import open_ledger
from rotator.ledger.store import Ledger
from rotator.ledger.work import EMERGENCY, OPERATOR
from tests.contract.ledgers import LATER, NAME, ask, case, claimed, mint, row_of, soon

# --- one worker at a time ---------------------------------------------------------------------------------------------------


async def test_a_claim_is_held_until_it_is_finished(ledger: Ledger, url: str) -> None:
    lease = await claimed(ledger)
    async with open_ledger(url) as other:
        assert await other.work.claim(NAME) == HeldBy(owner=lease.owner)
        await ledger.work.hold(lease)
        await ledger.work.finish(lease, again=soon())
        taken = await claimed(other)
        assert taken.token != lease.token
        with pytest.raises(LeaseLost):
            await ledger.work.hold(lease)


async def test_a_stale_token_finishes_nothing_and_intends_nothing(ledger: Ledger, url: str) -> None:
    lease = await claimed(ledger)
    await ledger.work.finish(lease, again=soon())
    async with open_ledger(url) as other:
        taken = await claimed(other)
        before = row_of(url)
        await ledger.work.finish(lease, again=soon())
        await ledger.work.hand_back(lease)
        assert row_of(url) == before
        with pytest.raises(LeaseLost):
            await ledger.journal.intend(lease, "op", mint(Sealed("an old value")))
        assert ask(url, "SELECT * FROM intents") == []
        await other.work.hold(taken)


async def test_a_wake_during_a_run_makes_it_due_once_more_and_no_more(ledger: Ledger, url: str) -> None:
    lease = await claimed(ledger)
    for _ in range(3):
        await ledger.work.wake(NAME, priority=EMERGENCY)
    await ledger.work.finish(lease, again=soon(), rests_until=soon())
    row = row_of(url)
    assert row["due_at"] <= time.time() * 1000
    assert (row["priority"], row["rests_until"], row["rotation"]) == (EMERGENCY, None, lease.rotation)
    again = await claimed(ledger)
    assert not await ledger.work.woken(again)
    await ledger.work.finish(again, again=soon(), rests_until=soon())
    row = row_of(url)
    assert row["due_at"] > time.time() * 1000
    assert (row["priority"], row["rotation"]) == (0, None)


async def test_a_wake_is_told_once_to_who_listens(ledger: Ledger) -> None:
    lease = await claimed(ledger)
    await ledger.work.wake(NAME)
    assert [await ledger.work.woken(lease), await ledger.work.woken(lease)] == [True, False]


async def test_a_row_that_is_stolen_stops_its_worker_before_the_next_effect(ledger: Ledger, url: str) -> None:
    lease = await claimed(ledger)
    async with open_ledger(url) as operator:
        assert await operator.work.steal(NAME) == lease.owner
        assert await operator.work.steal(NAME) is None
    with pytest.raises(LeaseLost, match="another worker"):
        await ledger.work.hold(lease)
    assert (await claimed(ledger)).token != lease.token
    assert "stolen" in [event.event async for event in ledger.audit.events()]


# --- what is due ------------------------------------------------------------------------------------------------------------


async def test_an_emergency_goes_first_then_what_has_waited_longest(ledger: Ledger, url: str) -> None:
    names = [f"c{number}" for number in range(6)]
    await ledger.work.enlist(names)
    now_ms = int(time.time() * 1000)
    for number, name in enumerate(names):
        ask(url, "UPDATE work SET risk_at = :at WHERE credential = :name", at=now_ms - number * 1000, name=name)
    await ledger.work.wake("c2", priority=EMERGENCY)
    await ledger.work.wake("c1", priority=OPERATOR)
    order = [one.lease.credential for one in await ledger.work.claim_due(4)]
    assert order == ["c2", "c1", "c5", "c4"]
    assert [one.lease.credential for one in await ledger.work.claim_due(4)] == ["c3", "c0"]
    assert await ledger.work.claim_due(4) == []


async def test_only_emergencies_are_claimed_where_only_they_have_room(ledger: Ledger) -> None:
    await ledger.work.enlist(["a", "b", "c"])
    assert await ledger.work.claim_due(9, least_priority=EMERGENCY) == []
    assert await ledger.work.next_due(least_priority=EMERGENCY) is None
    await ledger.work.wake("b", priority=EMERGENCY)
    assert [one.lease.credential for one in await ledger.work.claim_due(9, least_priority=EMERGENCY)] == ["b"]


async def test_what_rests_is_due_when_it_was_said_and_not_before(ledger: Ledger, url: str) -> None:
    lease = await claimed(ledger)
    await ledger.work.finish(lease, again=ledger.database.now() + timedelta(hours=1), rests_until=soon())
    assert await ledger.work.claim_due(1) == []
    left = await ledger.work.next_due()
    assert left is not None
    assert timedelta(minutes=50) < left <= timedelta(hours=1)
    ask(url, "UPDATE work SET due_at = due_at - 3600000")  # an hour later
    left = await ledger.work.next_due()
    assert left is not None
    assert left <= timedelta(0)
    found = await ledger.work.claim_due(1)
    assert found[0].rests_until is not None
    assert found[0].looked_at is not None
    assert found[0].lease.rotation != lease.rotation


async def test_a_rotation_keeps_its_id_until_the_credential_rests(ledger: Ledger) -> None:
    first = await claimed(ledger)
    assert first.rotation.startswith(f"{NAME}.")
    await ledger.work.finish(first, again=ledger.database.now())
    second = await claimed(ledger)
    assert second.rotation == first.rotation
    await ledger.work.finish(second, again=soon(), rests_until=soon())
    assert (await claimed(ledger)).rotation != first.rotation


async def test_a_light_look_is_not_taken_for_a_look(ledger: Ledger, url: str) -> None:
    await ledger.work.finish(await claimed(ledger), again=soon(), rests_until=soon())
    looked = row_of(url)["looked_at"]
    await asyncio.sleep(0.01)
    await ledger.work.finish(await claimed(ledger), again=soon(), rests_until=soon(), looked=False)
    assert row_of(url)["looked_at"] == looked
    await ledger.work.finish(await claimed(ledger), again=soon(), rests_until=soon())
    assert row_of(url)["looked_at"] > looked


async def test_a_wake_ends_the_rest(ledger: Ledger, url: str) -> None:
    await ledger.work.finish(await claimed(ledger), again=soon(), rests_until=soon())
    await ledger.work.wake(NAME)
    assert row_of(url)["rests_until"] is None
    assert [one.lease.credential for one in await ledger.work.claim_due(1)] == [NAME]


async def test_what_is_handed_back_is_due_at_once_with_its_priority(ledger: Ledger, url: str) -> None:
    await ledger.work.wake(NAME, priority=EMERGENCY)
    lease = await claimed(ledger)
    await ledger.work.hand_back(lease)
    row = row_of(url)
    assert (row["owner"], row["priority"]) == (None, EMERGENCY)
    again = await ledger.work.claim_due(1)
    assert [one.attempts for one in again] == [2]
    await ledger.work.hand_back(again[0].lease, after=LATER)
    assert await ledger.work.claim_due(1) == []


async def test_enlisting_again_changes_no_row(ledger: Ledger, url: str) -> None:
    names = [f"c{number}" for number in range(1200)]
    await ledger.work.enlist(names)
    await ledger.work.wake("c7", priority=EMERGENCY)
    before = ask(url, "SELECT * FROM work ORDER BY credential")
    await ledger.work.enlist([*names, "new"])
    assert ask(url, "SELECT * FROM work WHERE credential <> 'new' ORDER BY credential") == before
    depth = await ledger.work.depth()
    assert (depth.rows, depth.due, depth.claimed) == (1201, 1201, 0)


@pytest.mark.parametrize("where", ["this process", "another"])
async def test_who_waits_for_work_hears_of_a_wake(ledger: Ledger, url: str, where: str) -> None:
    waiting = await unheard(ledger)
    if where == "another":
        async with open_ledger(url) as other:
            await other.work.wake(NAME)
    else:
        await ledger.work.wake(NAME)
    await asyncio.wait_for(waiting, 30)


async def unheard(ledger: Ledger) -> asyncio.Task[None]:
    """Somebody who waits for work, and goes on waiting: the ear is told once that it may have missed something before it listened."""
    for _ in range(3):
        waiting = asyncio.create_task(ledger.work.wait_for_wake(timedelta(seconds=60)))
        if not (await asyncio.wait([waiting], timeout=0.5))[0]:
            return waiting
    raise AssertionError("it is woken by nobody")


# --- what is remembered -----------------------------------------------------------------------------------------------------


async def test_an_intent_is_open_until_its_outcome(ledger: Ledger) -> None:
    lease = await claimed(ledger)
    old, new = Sealed("an old value"), Sealed("a new value")
    await ledger.journal.index(NAME, "account", {Slot.KEY1: old, Slot.KEY2: new})
    await ledger.journal.intend(lease, "op", mint(old))
    memory, unsettled = await ledger.journal.recall(NAME)
    assert [intent.operation for intent in unsettled] == ["op"]
    assert set(memory.keys) == {old.fingerprint, new.fingerprint}
    now = datetime.now(UTC).replace(microsecond=0)
    learned = [KeyMemory(fingerprint=new.fingerprint, slot=Slot.KEY2, minted_at=now)]
    await ledger.journal.outcome(lease, "op", "regenerated", learned=learned)
    memory, unsettled = await ledger.journal.recall(NAME)
    assert unsettled == []
    assert memory.of(new.fingerprint).minted_at == now
    assert await ledger.journal.known_as(sha256=new.sha256()) == [(NAME, new.fingerprint)]
    assert await ledger.journal.known_as(hmsl_hash=old.hmsl_hash()) == [(NAME, old.fingerprint)]


async def test_every_event_of_a_rotation_carries_its_id(ledger: Ledger) -> None:
    lease = await claimed(ledger)
    await ledger.journal.intend(lease, "op", mint(Sealed("an old value")))
    await ledger.journal.outcome(lease, "op", "regenerated")
    assert [event.fields["rotation"] async for event in ledger.audit.events()] == [lease.rotation] * 2


async def test_history_is_pruned_and_the_audit_is_not(ledger: Ledger, url: str) -> None:
    lease = await claimed(ledger)
    dead, leaked, live = Sealed("a dead value"), Sealed("leaked"), Sealed("a live value")
    await ledger.journal.index(NAME, "account", {Slot.KEY1: live})
    long_ago = datetime.now(UTC) - timedelta(days=500)
    await ledger.cases.file(case("one", Mode.CUT))
    gone = [KeyMemory(fingerprint=value.fingerprint, dead_at=long_ago) for value in (dead, leaked)]
    for operation in ("old", "unsettled"):
        await ledger.journal.intend(lease, operation, mint(dead))
    await ledger.journal.outcome(lease, "old", "regenerated", learned=gone)
    ask(url, "UPDATE intents SET outcome_at = 1 WHERE operation = 'old'")
    before = await ledger.audit.verify()
    assert await ledger.journal.prune(timedelta(days=400)) == 2
    memory, unsettled = await ledger.journal.recall(NAME)
    assert set(memory.keys) == {leaked.fingerprint, live.fingerprint}, "what a case speaks of is kept"
    assert [intent.operation for intent in unsettled] == ["unsettled"]
    assert await ledger.audit.verify() == before


# --- cases ------------------------------------------------------------------------------------------------------------------


async def test_the_same_leak_reported_twice_is_one_case(ledger: Ledger) -> None:
    first = await ledger.cases.file(case("one", Mode.DRAIN))
    second = await ledger.cases.file(case("two", Mode.CUT))
    assert (second.id, second.mode) == (first.id, Mode.CUT)
    assert [one.id for one in await ledger.cases.of(NAME)] == ["one"]


async def test_what_a_look_says_does_not_undo_what_a_door_said_meanwhile(ledger: Ledger) -> None:
    seen = await ledger.cases.file(case("one", Mode.DRAIN))
    await ledger.cases.file(case("two", Mode.CUT))
    await ledger.cases.save(move(seen, State.REVOKED, datetime.now(UTC)), because="as a look shows")
    now = (await ledger.cases.of(NAME))[0]
    assert (now.state, now.mode) == (State.REVOKED, Mode.CUT)


async def test_a_case_that_was_reported_anew_is_not_closed_by_an_older_look(ledger: Ledger) -> None:
    filed = await ledger.cases.file(case("one", Mode.DRAIN))
    revoked = move(filed, State.REVOKED, datetime.now(UTC))
    dead = move(revoked, State.DEAD, datetime.now(UTC))
    for state in (revoked, dead):
        await ledger.cases.save(state, because="as a look shows")
    closed = move(dead, State.CLOSED, datetime.now(UTC))
    await ledger.cases.save(closed, because="all is quiet")
    await asyncio.sleep(0.01)
    await ledger.cases.file(case("two", Mode.DRAIN))
    await ledger.cases.save(closed, because="of a look before it")
    assert (await ledger.cases.of(NAME))[0].state is State.OPEN
    assert [one.id for one in await ledger.cases.unfinished()] == ["one"]


async def test_a_case_and_its_wake_are_stored_together(ledger: Ledger, url: str) -> None:
    await ledger.cases.file(case("one", Mode.CUT))
    assert row_of(url)["priority"] == EMERGENCY
    assert [one.lease.credential for one in await ledger.work.claim_due(1, least_priority=EMERGENCY)] == [NAME]


# --- the audit --------------------------------------------------------------------------------------------------------------


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


async def test_an_audit_that_grows_while_it_is_walked_verifies(ledger: Ledger) -> None:
    growing = True

    async def grow() -> None:
        while growing:
            await ledger.audit.record("noted", "chat", {"what": "a fact"})

    writer = asyncio.create_task(grow())
    verdict = await ledger.audit.verify()
    while not verdict.broken and verdict.events < 30:
        verdict = await ledger.audit.verify()
    growing = False
    await writer
    assert verdict.broken == ""


@pytest.mark.parametrize("sql", TAMPERINGS.values(), ids=TAMPERINGS)
async def test_a_tampered_audit_does_not_verify(ledger: Ledger, url: str, sql: str) -> None:
    await _three_events(ledger)
    whole = await ledger.audit.verify()
    assert not whole.broken
    assert whole.events == 3
    ask(url, sql)
    assert (await ledger.audit.verify()).broken


async def test_an_audit_cut_with_its_head_is_found_by_the_head_noted_elsewhere(ledger: Ledger, url: str) -> None:
    await _three_events(ledger)
    head = (await ledger.audit.verify()).head
    ask(url, "DELETE FROM audit WHERE seq = 3")
    ask(url, "UPDATE audit_head SET events = 2, head = (SELECT hash FROM audit WHERE seq = 2)")
    assert not (await ledger.audit.verify()).broken
    assert (await ledger.audit.verify(head=head)).broken


async def test_events_said_at_once_are_one_chain(ledger: Ledger, url: str) -> None:
    async with open_ledger(url) as other:
        both = (one.audit.record("test", f"c{number}", {}) for number in range(20) for one in (ledger, other))
        await asyncio.gather(*both)
    verdict = await ledger.audit.verify()
    assert (verdict.events, verdict.broken) == (40, "")


async def _three_events(ledger: Ledger) -> None:
    for number in range(3):
        await ledger.work.order(NAME, f"test {number}", foreign=False)


# --- waves ------------------------------------------------------------------------------------------------------------------


async def test_a_wave_is_changed_by_one_worker_at_a_time(ledger: Ledger, url: str) -> None:
    def one_more(was: str | None) -> tuple[str, int, str]:
        count = int(was or 0) + 1
        return str(count), count, f"the {count}th" if count == 20 else ""

    async with open_ledger(url) as other:
        counts = await asyncio.gather(*(one.waves.change(one_more) for _ in range(10) for one in (ledger, other)))
    assert sorted(counts) == list(range(1, 21))
    assert await ledger.waves.now() == "20"
    assert [event.fields["note"] async for event in ledger.audit.events()] == ["the 20th"]
