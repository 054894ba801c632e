"""Cases before people, on both databases: one word decides, about what was seen; found by the beginning of an id; an anchor is set once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.credential import Slot
from rotator.core.incident import ForbiddenTransition, Incident, State, move
from rotator.core.policy import Mode
from rotator.core.sealed import fingerprint
from rotator.core.snapshot import KeyMemory
from rotator.ledger.cases import Overtaken
from rotator.ledger.opening import open_ledger
from rotator.ledger.store import Ledger
from rotator.ledger.work import EMERGENCY, OPERATOR
from tests.contract import test_inbox as inbox
from tests.contract.ledgers import NAME, ask, case, claimed, row_of, soon

DRAIN = timedelta(minutes=2)
REPORT = """
    INSERT INTO reports (id, source, source_id, matter, reported_at, clues, verdict, incident)
    VALUES (:id, 'github', 'o/r', 'leak', :at, '{}', 'compromised', :incident)
"""


async def filed(ledger: Ledger, name: str = "inc-1", mode: Mode = Mode.DRAIN, **changes: object) -> Incident:
    """A case as it stands, with its credential at rest."""
    told = await ledger.cases.file(replace(case(name, mode), **changes))  # type: ignore[arg-type]
    await ledger.work.finish(await claimed(ledger, told.credential), again=soon(), rests_until=soon())
    return told


async def held(ledger: Ledger) -> Incident:
    return await filed(ledger, state=State.HELD, held_because="ask")


async def decide(ledger: Ledger, seen: Incident, to: State, who: str = "ada") -> Incident:
    return await ledger.cases.decide(seen, to, by=who, because="it is so", drain_deadline=DRAIN)


async def words(ledger: Ledger) -> list[tuple[str, str | None]]:
    return [(event.event, event.fields.get("by")) async for event in ledger.audit.events() if event.event.startswith("incident.")]


async def test_approved_is_open_due_at_once_and_counted_from_now(ledger: Ledger, url: str) -> None:
    seen = await held(ledger)
    decided = await decide(ledger, seen, State.OPEN)
    assert (decided.state, decided.held_because) == (State.OPEN, "")
    assert decided.deadline - ledger.database.now() <= DRAIN
    assert decided.deadline > datetime.now(UTC)
    row = row_of(url)
    assert (row["priority"], row["rests_until"]) == (EMERGENCY, None)
    assert [one.lease.credential for one in await ledger.work.claim_due(9, least_priority=EMERGENCY)] == [NAME]
    assert [one.state for one in await ledger.cases.of(NAME)] == [State.OPEN]
    assert (await words(ledger))[-1] == ("incident.approved", "ada")
    assert not (await ledger.audit.verify()).broken


async def test_dismissed_is_left_alone_and_a_worker_hears_of_it(ledger: Ledger, url: str) -> None:
    seen = await filed(ledger)
    lease = await claimed(ledger)
    decided = await decide(ledger, seen, State.DISMISSED)
    assert not decided.is_acted_on
    assert await ledger.work.woken(lease)
    assert row_of(url)["priority"] == OPERATOR
    assert await ledger.cases.unfinished() == []
    event = [event async for event in ledger.audit.events()][-1]
    assert (event.event, event.fields["was"], event.fields["reason"]) == ("incident.dismissed", "open", "it is so")


async def test_a_look_from_before_does_not_undo_a_persons_no(ledger: Ledger) -> None:
    seen = await filed(ledger)
    await decide(ledger, seen, State.DISMISSED)
    await ledger.cases.save(move(seen, State.REVOKED, datetime.now(UTC)), because="as a look shows")
    assert [one.state for one in await ledger.cases.of(NAME)] == [State.DISMISSED]
    assert (await words(ledger))[-1][0] == "incident.dismissed"


async def test_two_persons_decide_at_once_and_one_of_them_did(ledger: Ledger, url: str) -> None:
    seen = await held(ledger)
    async with open_ledger(url) as other:
        both = (decide(ledger, seen, State.OPEN, "ada"), decide(other, seen, State.DISMISSED, "bob"))
        done = await asyncio.gather(*both, return_exceptions=True)
    decided = [one for one in done if isinstance(one, Incident)]
    late = [one for one in done if isinstance(one, Overtaken)]
    assert (len(decided), len(late)) == (1, 1)
    assert late[0].case.state is decided[0].state
    assert len([word for word in await words(ledger) if word[1]]) == 1


async def test_a_yes_to_a_drain_is_none_to_what_a_report_made_of_it_meanwhile(ledger: Ledger) -> None:
    seen = await held(ledger)
    await ledger.cases.file(replace(case("inc-2", Mode.CONTAIN), state=State.HELD, held_because="ask"))
    with pytest.raises(Overtaken) as caught:
        await decide(ledger, seen, State.OPEN)
    assert (caught.value.case.state, caught.value.case.mode) == (State.HELD, Mode.CONTAIN)
    assert (await ledger.cases.of(NAME))[0].state is State.HELD


async def test_what_the_table_forbids_changes_nothing(ledger: Ledger, url: str) -> None:
    seen = await filed(ledger, state=State.REVOKED)
    before = row_of(url)
    with pytest.raises(ForbiddenTransition):
        await decide(ledger, seen, State.DISMISSED)
    assert row_of(url) == before
    assert [word for word in await words(ledger) if word[1]] == []


async def test_one_value_is_one_case_whoever_reports_it_at_the_same_moment(ledger: Ledger, url: str) -> None:
    await ledger.journal.index(NAME, inbox.ACCOUNT, {Slot.KEY1: inbox.LEAKED})
    inbox._now[:] = [ledger.database.now()]
    by_hand = replace(case("inc-1", Mode.DRAIN), fingerprint=inbox.LEAKED.fingerprint)
    async with open_ledger(url) as other:
        doors = (
            inbox.take(ledger, inbox.arrival(1)),
            inbox.take(other, inbox.arrival(2, inbox.leak(2))),
            ledger.cases.file(by_hand),
            other.cases.file(replace(by_hand, id="inc-2")),
        )
        await asyncio.gather(*doors)
    (one,) = ask(url, "SELECT id FROM incidents")
    assert {row["incident"] for row in ask(url, "SELECT incident FROM reports")} == {one["id"]}


async def test_a_case_is_found_by_the_beginning_of_its_id(ledger: Ledger) -> None:
    for number, name in enumerate(("inc-ab12", "inc-ab1", "inc-cd34", "inc-a_b")):
        await filed(ledger, name, fingerprint=fingerprint(f"value {number}"))
    assert [one.id for one in await ledger.cases.find("inc-c")] == ["inc-cd34"]
    assert [one.id for one in await ledger.cases.find("cd")] == ["inc-cd34"]
    assert [one.id for one in await ledger.cases.find("inc-ab1")] == ["inc-ab1"], "an id that is whole is itself"
    assert [one.id for one in await ledger.cases.find("ab")] == ["inc-ab1", "inc-ab12"]
    assert [one.id for one in await ledger.cases.find("a_")] == ["inc-a_b"], "an underscore stands for itself"
    assert await ledger.cases.find("inc-%") == []


async def test_a_list_tells_how_many_reported_it_when_first_and_when_it_died(ledger: Ledger, url: str) -> None:
    first = await filed(ledger)
    await filed(ledger, "inc-2", fingerprint=fingerprint("another"), credential="other", state=State.CLOSED)
    earlier = first.reported_at - timedelta(seconds=5)
    for number in range(3):
        at = int(earlier.timestamp() * 1000) + number
        ask(url, REPORT, id=f"rep-{number}", at=at, incident=first.id)
    died = first.reported_at + timedelta(seconds=9)
    await ledger.journal.remember(await claimed(ledger), [KeyMemory(fingerprint=first.fingerprint, dead_at=died)])
    (one,) = await ledger.cases.listed([State.OPEN])
    assert (one.case.id, one.reports) == (first.id, 3)
    assert abs(one.first_reported_at - earlier) < timedelta(milliseconds=2)
    assert one.dead_at is not None
    assert abs(one.dead_at - died) < timedelta(milliseconds=2)
    assert [(each.case.id, each.reports, each.dead_at) for each in await ledger.cases.listed([State.CLOSED], "other")] == [
        ("inc-2", 0, None)
    ]
    assert await ledger.cases.listed([State.CLOSED], NAME) == []


async def test_the_same_anchor_is_set_once_also_by_two_at_once(ledger: Ledger, url: str) -> None:
    await filed(ledger)
    said = {"incident": "inc-1", "sha256": "0" * 64, "format": "json"}
    async with open_ledger(url) as other:
        some = [(ledger, other)[number % 2].audit.record_once("report.anchored", NAME, said) for number in range(6)]
        done = await asyncio.gather(*some)
    assert [new for _, new in done].count(True) == 1
    assert len({event.seq for event, _ in done}) == 1
    _, new = await ledger.audit.record_once("report.anchored", NAME, {**said, "sha256": "1" * 64})
    assert new
    assert not (await ledger.audit.verify()).broken
