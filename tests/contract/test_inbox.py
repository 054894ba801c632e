"""The inbox, on both databases: what was acknowledged is never lost, a replay does nothing, and a hundred reports are one case."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.core.credential import Credential, Secret, Slot
from rotator.core.exposure import Bound, words
from rotator.core.incident import State, move
from rotator.core.judge import Bench, Rails, SourcePolicy
from rotator.core.report import Arrival, Clues, Matter, Receipt, Report, Verdict
from rotator.core.sealed import Sealed
from rotator.core.snapshot import KeyMemory
from rotator.ledger.inbox import Asked
from rotator.ledger.opening import open_ledger
from rotator.ledger.store import Ledger
from rotator.ledger.work import EMERGENCY
from tests.contract.ledgers import NAME, SPAWN, ask, claimed, row_of

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/chat"
LEAKED, OTHER = Sealed("a value that leaked"), Sealed("a value of nobody")
BOUNDS: Mapping[str, Any] = {"per_hour_max": 20, "accounts_max": 5}


def bench_of(source: str, rails: Rails, open_cases: Any) -> Bench:
    credential = Credential(name=NAME, account=ACCOUNT, secret=Secret(vault="https://kv", name="k"))
    return Bench(
        credentials={NAME: credential},
        by_account={ACCOUNT.lower(): NAME},
        by_secret={},
        policy=SourcePolicy(),
        rails=rails,
        open_cases=open_cases,
        ourselves="",
        now=_now[0],
    )


_now: list[Any] = []


@pytest.fixture(autouse=True)
def _time(ledger: Ledger) -> None:
    _now[:] = [ledger.database.now()]


def leak(number: int, value: Sealed = LEAKED, **changes: Any) -> Report:
    clues = Clues(fingerprints=(value.fingerprint,), sha256=(value.sha256(),), likely=True)
    told = Report(id=f"rep-{number}", source="github", source_id=f"o/r#{number}", matter=Matter.LEAK, reported_at=_now[0], clues=clues)
    return replace(told, **changes)


def arrival(number: int, *reports: Report, names: tuple[str, ...] = ()) -> Arrival:
    return Arrival(source="github", identities=names or (f"id-{number}", f"hash-{number}"), reports=reports or (leak(number),))


async def take(ledger: Ledger, *arrivals: Arrival) -> list[Receipt]:
    return await ledger.inbox.take(arrivals, bench_of, **BOUNDS)


async def known(ledger: Ledger) -> None:
    await ledger.journal.index(NAME, ACCOUNT, {Slot.KEY1: LEAKED})


async def test_a_leak_of_ours_is_stored_filed_and_woken_at_once(ledger: Ledger, url: str) -> None:
    await known(ledger)
    (receipt,) = await take(ledger, arrival(1))
    (report,) = receipt.reports
    assert (report.verdict, report.credential, report.fingerprint) == (Verdict.COMPROMISED, NAME, LEAKED.fingerprint)
    (case,) = await ledger.cases.of(NAME)
    assert (case.id, case.state) == (report.incident, State.OPEN)
    assert row_of(url)["priority"] == EMERGENCY
    assert not (await ledger.audit.verify()).broken


async def test_the_senders_word_for_since_when_is_kept_with_the_report(ledger: Ledger) -> None:
    await known(ledger)
    said = words(_now[0], (Bound.LATEST, "created", _now[0] - timedelta(days=2)), (Bound.EARLIEST, "odd", _now[0] + timedelta(days=2)))
    await take(ledger, arrival(1, leak(1, exposed=said)), arrival(2))
    (case,) = await ledger.cases.of(NAME)
    first, second = sorted(await ledger.inbox.about(case.id), key=lambda told: told.report.id)
    latest, odd = first.report.exposed
    assert latest.at is not None
    assert abs(latest.at - (_now[0] - timedelta(days=2))) < timedelta(milliseconds=1)
    assert (odd.at, odd.refused) == (None, "it lies in the future")
    assert second.report.exposed == ()
    assert case.deadline > _now[0], "and no deadline is counted from it"


async def test_a_hundred_reports_are_one_case_with_a_hundred_sources(ledger: Ledger, url: str) -> None:
    await known(ledger)
    for start in (0, 50):
        await take(ledger, *(arrival(number) for number in range(start, start + 50)))
    (case,) = await ledger.cases.of(NAME)
    assert len(await ledger.inbox.about(case.id)) == 100
    assert len(ask(url, "SELECT 1 FROM audit")) == 1, "more of the same says nothing new"


@pytest.mark.parametrize("names", [("id-1", "another hash"), ("another id", "hash-1")], ids=["same id", "same body"])
async def test_a_replay_is_known_by_either_of_its_names(ledger: Ledger, url: str, names: tuple[str, ...]) -> None:
    await known(ledger)
    await take(ledger, arrival(1))
    await ledger.work.finish(await claimed(ledger), again=_now[0] + timedelta(days=1))
    (receipt,) = await take(ledger, arrival(2, leak(2), names=names))
    assert receipt == Receipt(seen_before=True)
    assert row_of(url)["priority"] == 0
    assert len(ask(url, "SELECT id FROM reports")) == 1


async def test_a_replay_inside_one_batch_is_known_too(ledger: Ledger) -> None:
    first, second = await take(ledger, arrival(1), arrival(2, leak(2), names=("id-1",)))
    assert (first.seen_before, second.seen_before) == (False, True)


async def test_no_value_and_no_more_than_its_digests_is_stored(ledger: Ledger, url: str) -> None:
    await take(ledger, arrival(1))
    assert LEAKED.reveal() not in str(ask(url, "SELECT * FROM reports"))


async def test_what_the_index_does_not_know_waits_and_is_judged_again(ledger: Ledger) -> None:
    await take(ledger, arrival(1))
    (waiting,) = await ledger.inbox.claim_due(9)
    assert waiting.verdict is Verdict.WAITING
    assert await ledger.inbox.claim_due(9) == [], "one worker at a time"
    await known(ledger)
    (judged,) = await ledger.inbox.judge_again([Asked(report=waiting, clues=waiting.clues)], bench_of, **BOUNDS)
    assert judged.verdict is Verdict.COMPROMISED
    assert [case.id for case in await ledger.cases.of(NAME)] == [judged.incident]
    assert await ledger.inbox.claim_due(9) == []


async def test_what_nobody_knows_even_then_is_not_ours(ledger: Ledger) -> None:
    await take(ledger, arrival(1, leak(1, OTHER)))
    (waiting,) = await ledger.inbox.claim_due(9)
    asked = Asked(report=waiting, clues=waiting.clues, final="none of 1 account has it")
    (judged,) = await ledger.inbox.judge_again([asked], bench_of, **BOUNDS)
    assert (judged.verdict, judged.because) == (Verdict.NOT_OURS, "none of 1 account has it")


async def test_what_cannot_be_judged_now_comes_back(ledger: Ledger, url: str) -> None:
    await take(ledger, arrival(1))
    (waiting,) = await ledger.inbox.claim_due(9)
    await ledger.inbox.give_back(waiting, after=timedelta(0), told="GitHub does not answer")
    (again,) = await ledger.inbox.claim_due(9)
    assert (again.id, again.because) == (waiting.id, "GitHub does not answer")
    assert await ledger.inbox.attempts(again) == 2


def test_what_a_killed_worker_had_in_hand_comes_back(url: str) -> None:
    async def scenario() -> list[str]:
        async with open_ledger(url) as ledger:
            _now[:] = [ledger.database.now()]
            await take(ledger, arrival(1))
            here, there = SPAWN.Pipe()
            process = SPAWN.Process(target=_claim_and_hang, args=(url, there), daemon=True)
            process.start()
            assert await asyncio.to_thread(here.poll, 30)
            assert here.recv() == 1
            await ledger.inbox.reap()
            assert await ledger.inbox.claim_due(9) == []
            process.kill()
            process.join(10)
            while not (found := await ledger.inbox.claim_due(9)):
                await ledger.inbox.reap()
            return [report.id for report in found]

    assert asyncio.run(asyncio.wait_for(scenario(), 60)) == ["rep-1"]


def _claim_and_hang(url: str, there: Any) -> None:
    async def run() -> None:
        async with open_ledger(url) as ledger:
            there.send(len(await ledger.inbox.claim_due(9)))
            await asyncio.sleep(60)

    asyncio.run(run())


async def test_a_report_is_closed_at_its_source_once_its_value_is_dead(ledger: Ledger, url: str) -> None:
    await known(ledger)
    await take(ledger, arrival(1))
    (case,) = await ledger.cases.of(NAME)
    assert await ledger.closings.make_closable() == 0
    dead = move(case, State.DEAD, _now[0])
    await ledger.cases.save(dead, because="three 401s")
    assert await ledger.closings.make_closable() == 1
    assert await ledger.closings.make_closable() == 0
    (closing,) = await ledger.inbox.claim_due(9)
    await ledger.closings.closed(closing, "done", "resolved as revoked")
    assert await ledger.inbox.claim_due(9) == []
    (told,) = await ledger.inbox.about(case.id)
    assert (told.closing, told.answer, told.again_at) == ("done", "resolved as revoked", None)


QUARTER_OF_A_DAY = timedelta(hours=6)
MONTH = timedelta(days=30)


async def _to_be_closed(ledger: Ledger) -> Report:
    """Two reports of one alert about a dead value, one of them in hand."""
    await known(ledger)
    await ledger.journal.remember(await claimed(ledger), [KeyMemory(fingerprint=LEAKED.fingerprint, dead_at=_now[0])])
    await take(ledger, arrival(1), arrival(2, leak(2, source_id="o/r#1")))
    return (await ledger.inbox.claim_due(1))[0]


async def test_what_cannot_be_closed_is_said_once_and_tried_again_for_as_long_as_was_said(ledger: Ledger, url: str) -> None:
    report = await _to_be_closed(ledger)
    assert await ledger.closings.not_closed(report, "403", again=QUARTER_OF_A_DAY, for_as_long_as=MONTH)
    assert not await ledger.closings.not_closed(report, "404", again=QUARTER_OF_A_DAY, for_as_long_as=MONTH), "no news any more"
    assert await ledger.inbox.claim_due(9) == [], "later"
    rows = ask(url, "SELECT closing, closing_told, due_at, closed_at, owner FROM reports")
    assert [(row["closing"], row["closing_told"], row["owner"]) for row in rows] == [("failed", "404", None)] * 2
    assert all(row["due_at"] - row["closed_at"] >= 6 * 3_600_000 for row in rows)
    assert len(ask(url, "SELECT 1 FROM audit WHERE event = 'report.closed'")) == 1

    ask(url, "UPDATE reports SET due_at = 0")
    (again, _) = await ledger.inbox.claim_due(9)
    await ledger.closings.closed(again, "done", "resolved as revoked")
    assert {row["closing"] for row in ask(url, "SELECT closing FROM reports")} == {"done"}
    assert await ledger.inbox.claim_due(9) == []


async def test_only_what_was_closed_for_having_been_opened_again_counts_as_an_answer_to_that(ledger: Ledger, url: str) -> None:
    report = await _to_be_closed(ledger)
    await ledger.closings.closed(report, "done", "resolved as revoked")
    assert await ledger.closings.answered_again(report) == 0
    ask(url, "UPDATE reports SET reopened = true WHERE id = 'rep-2'")
    assert await ledger.closings.answered_again(report) == 0, "opened again before it was closed the first time"
    ask(url, "UPDATE reports SET closed_at = closed_at + 1 WHERE id = 'rep-2'")
    assert await ledger.closings.answered_again(report) == 1


async def test_an_alert_first_heard_of_when_it_was_opened_again_was_not_answered_for_that_the_first_time(ledger: Ledger, url: str) -> None:
    report = await _to_be_closed(ledger)
    ask(url, "UPDATE reports SET reopened = true")
    await ledger.closings.closed(report, "done", "resolved as revoked")
    assert await ledger.closings.answered_again(report) == 0
    ask(url, "UPDATE reports SET closed_at = closed_at + 1 WHERE id = 'rep-2'")
    assert await ledger.closings.answered_again(report) == 1


async def test_what_may_be_tried_for_no_time_at_all_is_not_tried_again(ledger: Ledger, url: str) -> None:
    await ledger.closings.not_closed(await _to_be_closed(ledger), "403", again=QUARTER_OF_A_DAY, for_as_long_as=timedelta(0))
    assert ask(url, "SELECT DISTINCT due_at, closing FROM reports") == [{"due_at": None, "closing": "failed"}]


async def test_what_could_not_be_closed_for_too_long_is_due_only_when_somebody_begins_anew(ledger: Ledger, url: str) -> None:
    report = await _to_be_closed(ledger)
    await ledger.closings.not_closed(report, "403", again=QUARTER_OF_A_DAY, for_as_long_as=MONTH)
    ask(url, "UPDATE reports SET closed_at = closed_at - 2600000000")
    await ledger.closings.not_closed(report, "403", again=QUARTER_OF_A_DAY, for_as_long_as=MONTH)
    assert ask(url, "SELECT DISTINCT due_at, closing FROM reports") == [{"due_at": None, "closing": "failed"}]
    assert await ledger.closings.try_again() == 2
    assert len(await ledger.inbox.claim_due(9)) == 2
    assert await ledger.closings.not_closed(report, "403", again=QUARTER_OF_A_DAY, for_as_long_as=MONTH), "and news again"


async def test_what_is_closed_or_in_hand_is_not_tried_again(ledger: Ledger, url: str) -> None:
    report = await _to_be_closed(ledger)
    await ledger.closings.closed(report, "otherwise", "by a person")
    assert await ledger.closings.try_again() == 0
    assert not await ledger.closings.not_closed(report, "403", again=QUARTER_OF_A_DAY, for_as_long_as=MONTH)
    assert {row["closing"] for row in ask(url, "SELECT closing FROM reports")} == {"otherwise"}


async def test_an_alert_about_a_value_long_dead_is_closed_at_its_source_at_once(ledger: Ledger) -> None:
    await known(ledger)
    lease = await claimed(ledger)
    await ledger.journal.remember(lease, [KeyMemory(fingerprint=LEAKED.fingerprint, dead_at=_now[0])])
    (receipt,) = await take(ledger, arrival(1))
    assert receipt.reports[0].verdict is Verdict.ALREADY_DEAD
    assert await ledger.cases.of(NAME) == []
    assert [report.id for report in await ledger.inbox.claim_due(9)] == ["rep-1"]


async def test_an_order_is_left_for_a_suspicion_that_is_to_rotate(ledger: Ledger) -> None:
    await known(ledger)
    lease = await claimed(ledger)
    await ledger.journal.remember(lease, [KeyMemory(fingerprint=LEAKED.fingerprint, published_at=_now[0], version="v1")])
    suspicion = Report(
        id="rep-1", source="defender", source_id="a", matter=Matter.SUSPICION, reported_at=_now[0], account=ACCOUNT.upper(), note="anomaly"
    )

    def rotates(source: str, rails: Rails, open_cases: Any) -> Bench:
        from rotator.core.policy import OnSuspicion

        return replace(bench_of(source, rails, open_cases), policy=SourcePolicy(suspected=OnSuspicion.ROTATE))

    one = Arrival(source="defender", identities=("id",), reports=(suspicion,))
    (receipt,) = await ledger.inbox.take([one], rotates, **BOUNDS)
    assert receipt.reports[0].verdict is Verdict.SUSPECTED
    memory, _ = await ledger.journal.recall(NAME)
    assert memory.order is not None
    assert memory.order.value == LEAKED.fingerprint


async def test_old_deliveries_are_forgotten(ledger: Ledger) -> None:
    await take(ledger, arrival(1))
    assert await ledger.inbox.prune(timedelta(days=7)) == 0
    await asyncio.sleep(0.01)
    assert await ledger.inbox.prune(timedelta(0)) == 2


async def test_a_loud_source_keeps_no_other_waiting(ledger: Ledger) -> None:
    await take(ledger, *(arrival(number) for number in range(20)))
    quiet = replace(leak(99), source="gitguardian")
    await take(ledger, Arrival(source="gitguardian", identities=("q",), reports=(quiet,)))
    claimed = await ledger.inbox.claim_due(4)
    assert sorted(report.source for report in claimed) == ["gitguardian", *["github"] * 4]
    assert len(await ledger.inbox.claim_due(4, in_hand={"github": 3, "gitguardian": 1})) == 1


async def test_what_was_dropped_is_let_go_and_comes_back(ledger: Ledger, url: str) -> None:
    await take(ledger, arrival(1))
    (one,) = await ledger.inbox.claim_due(9)
    await ledger.inbox.let_go([one.id])
    assert await ledger.inbox.claim_due(9) == [], "in a while"
    ask(url, "UPDATE reports SET due_at = 0")
    assert [report.id for report in await ledger.inbox.claim_due(9)] == [one.id]


async def test_what_another_worker_has_in_hand_is_left_to_it(ledger: Ledger, url: str) -> None:
    await known(ledger)
    await take(ledger, arrival(1, leak(1, OTHER)))
    (one,) = await ledger.inbox.claim_due(9)
    ask(url, "UPDATE reports SET owner = 'another'")
    (judged,) = await ledger.inbox.judge_again([Asked(report=one, clues=leak(1).clues)], bench_of, **BOUNDS)
    await ledger.inbox.give_back(one, after=timedelta(0), told="late")
    assert judged == one
    assert await ledger.cases.of(NAME) == []
    assert ask(url, "SELECT owner FROM reports") == [{"owner": "another"}]


async def test_many_are_judged_at_once_and_each_ends_in_its_own_way(ledger: Ledger, url: str) -> None:
    await take(ledger, *(arrival(number, leak(number, Sealed(f"value {number}"))) for number in range(3)))
    await known(ledger)
    first, second, third = sorted(await ledger.inbox.claim_due(9), key=lambda report: report.id)
    asked = [
        Asked(report=first, clues=leak(0).clues),
        Asked(report=second, clues=second.clues, final="nobody's"),
        Asked(report=third, clues=third.clues, again=timedelta(hours=1), told="the fleet is asked"),
    ]
    judged = await ledger.inbox.judge_again(asked, bench_of, **BOUNDS)
    assert [one.verdict for one in judged] == [Verdict.COMPROMISED, Verdict.NOT_OURS, Verdict.WAITING]
    rows = ask(url, "SELECT verdict, because, owner, attempts FROM reports ORDER BY id")
    assert [(row["verdict"], row["owner"], row["attempts"]) for row in rows] == [
        ("compromised", None, 0),
        ("not_ours", None, 0),
        ("waiting", None, 1),
    ]
    assert [row["because"] for row in rows[1:]] == ["nobody's", "the fleet is asked"]


async def test_an_event_is_taken_once_whatever_batch_it_comes_in(ledger: Ledger) -> None:
    def batch(name: str, *numbers: int) -> Arrival:
        return Arrival(source="github", identities=(name,), reports=tuple(leak(number) for number in numbers), by_event=True)

    first, second, third = await take(ledger, batch("a", 1, 2), batch("b", 2, 3), batch("c", 3, 1))
    assert [report.id for report in (*first.reports, *second.reports)] == ["rep-1", "rep-2", "rep-3"]
    assert third == Receipt(seen_before=True)


async def test_of_an_alert_that_was_told_of_twice_its_last_report_says_how_it_stands(ledger: Ledger, url: str) -> None:
    await known(ledger)
    await take(ledger, arrival(1), arrival(2, leak(2, source_id="o/r#1")))
    closed = Report(id="rep-9", source="github", source_id="o/r#1", matter=Matter.CLOSED, reported_at=_now[0] + timedelta(seconds=1))
    await take(ledger, arrival(9, closed))
    ask(url, "UPDATE reports SET closing = 'due', due_at = 0 WHERE matter = 'leak'")
    report, _ = await ledger.inbox.claim_due(9)
    await ledger.closings.closed(report, "done", "resolved as revoked")
    standing = (await ledger.inbox.known("github", ["o/r#1", "o/r#2"]))["o/r#1"]
    assert standing.closing == "done"
    assert standing.closed_at is not None
    assert len(ask(url, "SELECT 1 FROM audit WHERE event = 'report.closed'")) == 1, "closed once, for all of its reports"


async def test_reports_of_which_nothing_came_are_forgotten_and_those_of_a_case_are_kept(ledger: Ledger, url: str) -> None:
    await known(ledger)
    nothing = Report(id="rep-5", source="github", source_id="o/r#5", matter=Matter.CLOSED, reported_at=_now[0])
    await take(ledger, arrival(1), arrival(5, nothing))
    ask(url, "UPDATE reports SET reported_at = reported_at - 100000000000")
    await ledger.inbox.prune(timedelta(days=7), history=timedelta(days=90))
    assert [row["id"] for row in ask(url, "SELECT id FROM reports")] == ["rep-1"]


async def test_a_suspicion_is_acted_on_once_however_often_it_is_told(ledger: Ledger) -> None:
    await known(ledger)
    lease = await claimed(ledger)
    await ledger.journal.remember(lease, [KeyMemory(fingerprint=LEAKED.fingerprint, published_at=_now[0], version="v1")])
    word = Report(id="rep-1", source="defender", source_id="a", matter=Matter.SUSPICION, reported_at=_now[0], account=ACCOUNT)
    one = Arrival(source="defender", identities=("1",), reports=(word,))
    again = Arrival(source="defender", identities=("2",), reports=(replace(word, id="rep-2"),))
    (first,), (second,) = await take(ledger, one), await take(ledger, again)
    assert first.reports[0].verdict is Verdict.HELD
    assert (second.reports[0].verdict, second.reports[0].because) == (Verdict.NOTED, "more of a suspicion that was acted on already")
