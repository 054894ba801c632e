"""The timeline of a case: every line with its time and evidence, in the order of the chain, and no time that nobody knows."""

import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.credential import Reason
from rotator.core.exposure import Bound, words
from rotator.core.figures import figures, unknowns
from rotator.core.incident import State
from rotator.core.legible import stamp
from rotator.core.line import What
from rotator.core.page import as_markdown
from rotator.core.policy import Mode
from rotator.core.postmortem import facts
from rotator.core.report import Told
from rotator.core.settle import NOT_KNOWN
from rotator.core.snapshot import KeyMemory
from rotator.core.timeline import Timeline, timeline
from tests.core.chain import SEEN, Chain, report
from tests.core.situations import DAY, HOUR, MINUTE, NOW, SECOND, A, B, C, case

OPEN = case(A, source="github", slot="key1", reported_at=NOW)
CLOSED = replace(OPEN, state=State.CLOSED)
REVOKED = replace(OPEN, state=State.REVOKED)
MINUS = -SECOND


def whole(chain: Chain, *reports: object, memory: KeyMemory | None = None) -> Timeline:
    return timeline(chain.case, [*reports], chain.events, memory)  # type: ignore[list-item]


def kinds(told: Timeline) -> list[str]:
    return [line.what.value for line in told.lines]


def drained(about: object = CLOSED) -> Chain:
    """A drain from the alert to the close-out, as the ledger writes it."""
    chain = Chain(about)  # type: ignore[arg-type]
    chain.filed(state=State.OPEN)
    chain.step("mint", B, result="regenerated", new_fingerprint=C)
    chain.step("prove", C, result="accepted", seen="https://chat: 200")
    chain.step("publish", C, result="published", version="v2")
    chain.step("propagate", C, result="delivered", dependent="chat-api")
    chain.killed()
    chain.moved(State.REVOKED)
    chain.step("prove_dead", result="still accepted", seen="https://chat: 200")
    chain.step("prove_dead", result="still accepted", seen="https://chat: 200")
    chain.proven()
    chain.moved(State.DEAD)
    chain.step("retire", result="retired", version="v1", proof="3x401 at 1 of 1 endpoint(s)")
    chain.moved(State.CLOSED, "the value is dead and all is quiet")
    chain.say("report.closed", incident=chain.case.id, report="rep-1", source="github", at="o/r#1", how="done", told="resolved as revoked")
    return chain


DRAINED = [
    "reported",
    "stored",
    "recognised",
    "minted",
    "accepted",
    "published",
    "delivered",
    "revoke_called",
    "revoked",
    "still_accepted",
    "first_401",
    "dead",
    "retired",
    "closed",
    "source_closed",
]


def memory_of(chain: Chain) -> KeyMemory:
    """As the steps of `drained` leave it: the times lie between the intents and the outcomes."""
    at = {event.seq: event.at for event in chain.events}
    return KeyMemory(
        fingerprint=A,
        minted_at=NOW - DAY,
        replaced_at=at[11] - timedelta(milliseconds=300),
        first_401_at=at[18] - timedelta(milliseconds=500),
        dead_at=at[18] - timedelta(milliseconds=200),
        proof="3x401 at 1 of 1 endpoint(s)",
        seen=SEEN,
    )


# --- since when it lay open ---------------------------------------------------------------------------------------------------


def exposed(number: int, source: str, *said: tuple[Bound, str, datetime]) -> Told:
    return report(number, source=source, exposed=words(NOW, *said))


def test_since_when_it_lay_open_is_told_as_the_unverified_word_of_each_source() -> None:
    told = whole(
        drained(),
        exposed(1, "github", (Bound.LATEST, "the alert was created", NOW - HOUR)),
        exposed(2, "github", (Bound.LATEST, "the alert was created", NOW - MINUTE)),
        exposed(3, "gitguardian", (Bound.LATEST, "the incident's date", NOW - 2 * HOUR), (Bound.EARLIEST, "committed", NOW - DAY)),
    )
    lines = [line for line in told.lines if line.what is What.EXPOSED]
    assert [(line.at, line.at_latest, line.evidence) for line in lines] == [
        (NOW - DAY, False, ("report rep-3",)),
        (NOW - 2 * HOUR, True, ("report rep-3",)),
        (NOW - HOUR, True, ("report rep-1",)),
    ]
    assert lines[0].told == "not before this, by the unverified word of gitguardian: committed"
    assert told.lines[:3] == tuple(lines), "before the first report"
    known = figures(told)
    assert (known.exposed_earliest and known.exposed_earliest.at, known.exposed_latest and known.exposed_latest.at) == (
        NOW - DAY,
        NOW - 2 * HOUR,
    )
    assert known.exposure.of == figures(whole(drained(), report())).exposure.of, "no figure is counted from it"
    assert "What its senders say of since when it lay open is their word: unverified, and no figure is counted from it." in unknowns(told)
    said = facts(told)["figures"]["exposed_since"]["latest"]
    assert said == {
        "at": stamp(NOW - 2 * HOUR),
        "by_the_word_of": "gitguardian",
        "what": "the incident's date",
        "report": "rep-3",
        "verified": False,
    }
    assert "not before" in as_markdown(told).decode()


def test_a_time_that_cannot_be_is_said_to_be_left_out() -> None:
    told = whole(drained(), exposed(1, "signed", (Bound.LATEST, "the report's own time", NOW + DAY)))
    assert not [line for line in told.lines if line.what is What.EXPOSED]
    assert "A time that signed gave (the report's own time) was left out: it lies in the future." in unknowns(told)
    assert facts(told)["figures"]["exposed_since"] == {"earliest": None, "latest": None}


# --- what the sources said ----------------------------------------------------------------------------------------------------


def test_an_alert_that_stays_open_is_told_with_the_reason_and_when_it_is_tried_again() -> None:
    told = report(closing="failed", answer="closing the alert o/r#1: 403; a new token", again=NOW + 6 * HOUR)
    reason = "closing the alert o/r#1: 403; a new token; tried again at 2026-"
    assert told.closing_told.startswith(f"not closed at its source, because {reason}")
    known = unknowns(whole(drained(), told))
    assert [one for one in known if one.startswith(f"1 report(s) are not closed at their source, because {reason}")], known
    given_up = unknowns(whole(drained(), report(closing="failed", answer="403")))
    assert (
        "1 report(s) are not closed at their source, because 403; tried again when the daemon starts or reads its settings anew."
        in given_up
    )
    assert report(closing="done", answer="resolved as revoked").closing_told == "resolved as revoked"
    assert report(closing="due", answer="500", again=NOW).closing_told.startswith("not closed at its source, because 500; tried again at")
    assert report(closing="due").closing_told == ""


# --- the way of a case --------------------------------------------------------------------------------------------------------


def test_a_drain_is_told_from_the_report_to_the_close_out() -> None:
    chain = drained()
    told = whole(chain, report(closing="done", answer="resolved as revoked"), memory=memory_of(chain))
    assert kinds(told) == DRAINED
    still = told.first(What.STILL_ACCEPTED)
    assert still is not None
    assert (still.count, still.evidence) == (2, ("#14", "#16"))
    assert told.lines[2].told == "matches key1 of chat: drain"


def test_the_figures_are_those_of_the_events() -> None:
    chain = drained()
    known = figures(whole(chain, report(at=NOW - 2 * SECOND), memory=memory_of(chain)))
    assert known.reported_at == NOW - 2 * SECOND
    assert known.exposure.of == timedelta(seconds=11.7)
    assert known.time_to_dead.of == timedelta(seconds=18.8)
    assert not known.exposure.at_most
    assert (known.calls, known.mints, known.probe_rounds) == (5, 2, 4)
    assert known.existed_before == DAY - 2 * SECOND
    assert known.waited_for_a_person is None


def test_what_a_person_filed_is_reported_by_its_event() -> None:
    chain = Chain(replace(OPEN, source="operator", note="laptop stolen"))
    chain.filed()
    chain.killed()
    told = whole(chain)
    assert told.lines[0].what is What.REPORTED
    assert told.lines[0].told == "by a person: laptop stolen"


def test_a_report_that_comes_after_a_person_filed_the_case_does_not_take_its_place() -> None:
    chain = Chain(replace(OPEN, source="operator"))
    chain.filed()
    chain.killed()
    told = whole(chain, report(at=chain.clock))
    assert [line.what for line in told.lines if line.what is What.REPORTED] == [What.REPORTED] * 2
    assert told.lines[0].told == "by a person"
    assert told.lines[-1].told == "by github: o/r#1"


def test_a_case_that_is_held_waits_for_a_person_and_the_wait_is_told() -> None:
    chain = Chain(OPEN)
    chain.filed(state=State.HELD, because="21 cases were opened within the hour, and 20 may be without a person")
    chain.clock = NOW + HOUR
    chain.say("incident.approved", incident=OPEN.id, by="ada@desk", reason="it is real", state=State.OPEN)
    told = whole(chain, report())
    assert kinds(told) == ["reported", "stored", "recognised", "held", "approved"]
    assert told.lines[-1].told == "by ada@desk: it is real"
    waited = figures(told).waited_for_a_person
    assert waited is not None
    assert waited.of == HOUR


def test_a_case_that_still_waits_has_no_length_of_its_wait() -> None:
    chain = Chain(replace(OPEN, state=State.HELD, held_because="ask"))
    chain.filed(state=State.HELD, because="ask")
    waited = figures(whole(chain, report())).waited_for_a_person
    assert waited is not None
    assert (waited.of, waited.because) == (None, "it still waits for a person")


def test_a_hundred_reports_of_one_source_are_two_lines() -> None:
    chain = drained()
    told = whole(chain, *(report(number, at=NOW + number * SECOND / 100) for number in range(100)), report(200, source="gitguardian"))
    lines = [line for line in told.lines if line.what is What.REPORTED]
    assert [line.count for line in lines] == [1, 1, 99]
    assert figures(told).reports == 101


def test_the_first_report_stands_before_more_of_the_same_moment() -> None:
    told = whole(drained(), *(report(number) for number in range(9)), *(report(100 + number, source="gitguardian") for number in range(9)))
    assert [line.count for line in told.lines[:4]] == [1, 1, 8, 8]
    assert told.lines[0].told == "by github: o/r#0"


def test_a_contained_account_says_so_by_the_step_or_by_the_look() -> None:
    chain = Chain(replace(OPEN, mode=Mode.CONTAIN, contained_at=NOW + 9 * SECOND))
    chain.filed()
    chain.killed()
    assert [line.at_latest for line in whole(chain).lines if line.what is What.CONTAINED] == [True]
    chain.step("switch_off_local_auth", result="local auth off, read back")
    contained = [line for line in whole(chain).lines if line.what is What.CONTAINED]
    assert [(line.at_latest, line.evidence) for line in contained] == [(False, ("#5",))]


def test_a_case_that_is_opened_again_says_why() -> None:
    chain = drained()
    chain.filed(state=State.OPEN)
    chain.case = OPEN
    assert kinds(whole(chain, report()))[-1] == "reopened"
    assert figures(whole(chain, report())).exposure.because == "it is not revoked"


# --- whose step it is ---------------------------------------------------------------------------------------------------------


def test_what_another_case_of_the_credential_kills_is_not_told() -> None:
    chain = Chain(CLOSED)
    chain.filed()
    chain.step("revoke", B, result="regenerated")
    chain.step("prove_dead", B, result="dead")
    chain.killed()
    chain.moved(State.CLOSED)
    told = whole(chain)
    assert kinds(told).count("revoked") == 1
    assert figures(told).probe_rounds == 0


def test_a_rotation_on_schedule_while_a_case_stands_unproven_is_not_told() -> None:
    chain = Chain(replace(OPEN, state=State.UNPROVEN))
    chain.filed()
    chain.killed()
    chain.moved(State.REVOKED)
    chain.moved(State.UNPROVEN)
    before = kinds(whole(chain))
    chain.rotation = "chat.2"
    chain.step("mint", B, result="regenerated", reason="superseded")
    chain.step("publish", C, result="published", reason="superseded", version="v3")
    assert kinds(whole(chain)) == before


def test_what_came_after_the_case_was_closed_is_not_told() -> None:
    chain = drained()
    before = kinds(whole(chain))
    chain.step("mint", B, result="regenerated")
    assert kinds(whole(chain)) == before


def test_a_value_that_was_replaced_before_its_leak_was_never_exposed() -> None:
    chain = Chain(replace(CLOSED, reported_at=NOW + HOUR))
    chain.step("revoke", A, result="regenerated", reason="superseded")
    chain.clock = NOW + HOUR
    chain.filed()
    chain.proven()
    chain.moved(State.DEAD)
    chain.moved(State.CLOSED)
    told = whole(chain)
    known = figures(told)
    assert kinds(told)[:2] == ["revoke_called", "revoked"]
    assert known.exposure.of == timedelta(0)
    assert known.exposure.because.startswith("it was so before the first report, since 2026-03-02 12:00:01")
    assert known.time_to_dead.of == 2 * SECOND


# --- clocks -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [MINUTE, -MINUTE, timedelta(0)], ids=["ahead", "behind", "equal"])
def test_the_first_report_stands_first_whatever_its_clock_says(ahead: timedelta) -> None:
    told = whole(drained(), report(at=NOW + ahead))
    assert kinds(told)[:3] == ["reported", "stored", "recognised"]
    assert told.lines[0].at == NOW + ahead, "a time is said as it was written"


def test_equal_times_are_told_in_the_order_of_the_chain() -> None:
    chain = Chain(CLOSED)
    for say in (chain.filed, chain.killed, lambda: chain.moved(State.REVOKED), chain.proven, lambda: chain.moved(State.CLOSED)):
        chain.clock = NOW
        say()
    chain.events = [replace(event, at=NOW) for event in chain.events]
    memory = KeyMemory(fingerprint=A, replaced_at=NOW, first_401_at=NOW, dead_at=NOW)
    order = ["reported", "stored", "recognised", "revoke_called", "revoked", "first_401", "dead", "closed"]
    assert kinds(whole(chain, report(), memory=memory)) == order


def test_a_clock_that_is_set_back_turns_no_line_around_and_makes_no_negative_length() -> None:
    chain = Chain(REVOKED)
    chain.filed()
    chain.clock = NOW - HOUR
    chain.killed()
    told = whole(chain, report())
    assert kinds(told) == ["reported", "stored", "recognised", "revoke_called", "revoked"]
    known = figures(told)
    assert (known.exposure.of, known.exposure.because) == (None, "a clock was set back in between")
    assert any("Event #2 bears an earlier time than event #1" in sentence for sentence in unknowns(told))


def test_a_remembered_time_that_contradicts_its_events_is_not_believed() -> None:
    chain = Chain(REVOKED)
    chain.filed()
    chain.killed()
    told = whole(chain, memory=KeyMemory(fingerprint=A, replaced_at=NOW - DAY))
    revoked = told.first(What.REVOKED)
    assert revoked is not None
    assert revoked.at == chain.events[2].at


@given(st.lists(st.integers(-100, 100), min_size=23, max_size=23), st.randoms(use_true_random=False))
def test_whatever_the_clocks_say_the_order_is_the_chains_and_no_length_is_negative(seconds: list[int], chance: random.Random) -> None:
    chain = drained()
    memory = memory_of(chain)
    chain.events = [replace(event, at=NOW + timedelta(seconds=second)) for event, second in zip(chain.events, seconds, strict=True)]
    chance.shuffle(chain.events)
    told = whole(chain, report(at=NOW + timedelta(seconds=seconds[0])), memory=memory)
    assert [kind for kind in kinds(told) if kind != "first_401"] == [kind for kind in DRAINED if kind != "first_401"]
    known = figures(told)
    assert all(length.of is None or length.of >= timedelta(0) for length in (known.exposure, known.time_to_dead))


# --- what is not known --------------------------------------------------------------------------------------------------------


def test_a_kill_that_no_step_of_this_ledger_did_is_an_upper_bound() -> None:
    """The ledger was lost between the kill and the look, or somebody regenerated the slot by hand."""
    chain = Chain(REVOKED)
    chain.filed()
    chain.clock = NOW + HOUR
    chain.moved(State.REVOKED)
    told = whole(chain, report())
    revoked = told.first(What.REVOKED)
    assert revoked is not None
    assert revoked.at_latest
    assert figures(told).exposure.at_most
    assert any("upper bound" in sentence for sentence in unknowns(told))
    assert any("not proven dead yet" in sentence for sentence in unknowns(told))


def test_a_lost_answer_that_a_look_settled_is_an_upper_bound() -> None:
    chain = Chain(REVOKED)
    chain.filed()
    chain.step("revoke", result="done, as a look shows")
    told = whole(chain)
    assert [line.at_latest for line in told.lines if line.what is What.REVOKED] == [True]


def test_a_step_without_an_outcome_is_not_said_to_have_happened() -> None:
    chain = Chain(OPEN)
    chain.filed()
    chain.step("revoke", result=None)
    told = whole(chain)
    assert kinds(told)[-2:] == ["revoke_called", "unanswered"]
    assert figures(told).exposure.of is None
    assert any("The outcome of 1 step(s) is not known (#2)" in sentence for sentence in unknowns(told))


def test_a_step_whose_end_no_look_can_tell_is_not_said_to_have_happened_either() -> None:
    chain = Chain(OPEN)
    chain.filed()
    chain.step("retire", result=NOT_KNOWN, version="v1")
    assert kinds(whole(chain))[-1] == "unanswered"


def test_a_step_that_failed_is_told_once_for_as_often_as_it_did() -> None:
    chain = Chain(OPEN)
    chain.filed()
    for _ in range(3):
        chain.step("revoke", result="throttled", fault="429")
    told = whole(chain)
    assert [(line.count, line.told) for line in told.lines if line.what is What.FAILED] == [(3, "revoke key1: throttled, 429")]
    assert figures(told).mints == 0


def test_a_death_that_cannot_be_proven_is_not_called_one() -> None:
    chain = Chain(replace(OPEN, state=State.UNPROVEN))
    chain.filed()
    chain.killed()
    chain.moved(State.REVOKED)
    chain.step("prove_dead", result="lost", seen="nobody holds the value any more")
    chain.moved(State.UNPROVEN)
    told = whole(chain)
    assert "dead" not in kinds(told)
    assert figures(told).time_to_dead.because == "it is not proven dead"
    assert any("cannot be any more" in sentence for sentence in unknowns(told))


def test_a_case_from_another_ledger_makes_nothing_up() -> None:
    told = timeline(CLOSED, [report()], [], None)
    assert kinds(told) == ["reported"]
    assert figures(told).exposure.of is None
    said = " ".join(unknowns(told))
    for known in ("no event of the filing", "remembers nothing of the value", "revoked is in no record", "proof of death is in no record"):
        assert known in said


def test_a_value_found_dead_without_a_probe_of_this_case_says_where_the_proof_is_from() -> None:
    chain = Chain(CLOSED)
    chain.filed()
    chain.moved(State.DEAD)
    told = whole(chain, memory=KeyMemory(fingerprint=A, dead_at=NOW, proof="3x401"))
    assert [line.told for line in told.lines if line.what is What.DEAD] == ["proven before: 3x401"]
    assert kinds(told).count("revoked") == 1, "what is dead was revoked by then"


def test_a_suspicion_is_not_told_as_a_leak() -> None:
    chain = Chain(replace(OPEN, reason=Reason.SUSPECTED_COMPROMISE))
    chain.filed()
    assert any("suspected, not proven" in sentence for sentence in unknowns(whole(chain)))


def test_what_is_still_open_at_a_source_is_said() -> None:
    said = unknowns(whole(drained(), report(1, closing="failed", answer="403"), report(2, closing="due"), report(3, closing="done")))
    assert "1 report(s) are not closed at their source, because 403; tried again when the daemon starts or reads its settings anew." in said
    assert "1 report(s) are still to be closed at their source." in said


def test_how_the_dependents_took_it_is_told_when_it_changed() -> None:
    chain = Chain(CLOSED)
    chain.filed(state=State.OPEN)
    chain.say("adoption", dependent="chat-api", adoption="Proven", version="v1", fingerprint=A, rotation="chat.0")
    chain.step("publish", C, result="published", version="v2")
    said = {"dependent": "chat-api", "version": "v2", "fingerprint": C, "rotation": chain.rotation}
    chain.say("adoption", **said, adoption="Stale", because="runs on v1")
    chain.step("propagate", C, result="delivered", dependent="chat-api")
    chain.say("adoption", **said, adoption="Proven", was="Stale", seen="version v2, Resolved")
    chain.killed()
    chain.moved(State.CLOSED)
    chain.say("adoption", **said, adoption="Unseen", was="Proven", because="403")
    told = [line for line in whole(chain).lines if line.what in (What.MOVED, What.LAGS)]
    assert [(line.what, line.told, line.evidence) for line in told] == [
        (What.LAGS, "chat-api is Stale: runs on v1", ("#5",)),
        (What.MOVED, "chat-api is Proven, was Stale: version v2, Resolved", ("#8",)),
    ]
    assert all(line.place is not None for line in told)
