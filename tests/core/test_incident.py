"""A case from report to proof: the transition table, exhaustively, and that no case is ever made milder."""

from datetime import timedelta
from itertools import product

import pytest

from rotator.core.credential import Reason
from rotator.core.incident import TRANSITIONS, UNFINISHED, Alert, ForbiddenTransition, State, escalate, move, open_incident, reported_again
from rotator.core.policy import Mode
from tests.core.situations import ACCOUNT, KEY1, NOW, A, case, credential

LATER = NOW + timedelta(minutes=5)
ALLOWED = {
    (State.HELD, State.OPEN),
    (State.HELD, State.DISMISSED),
    (State.OPEN, State.REVOKED),
    (State.OPEN, State.DEAD),
    (State.OPEN, State.DISMISSED),
    (State.REVOKED, State.OPEN),
    (State.REVOKED, State.DEAD),
    (State.REVOKED, State.UNPROVEN),
    (State.UNPROVEN, State.REVOKED),
    (State.UNPROVEN, State.DEAD),
    (State.UNPROVEN, State.OPEN),
    (State.DEAD, State.CLOSED),
    (State.DEAD, State.OPEN),
    (State.CLOSED, State.OPEN),
    (State.DISMISSED, State.OPEN),
    (State.DISMISSED, State.HELD),
}


@pytest.mark.parametrize(("before", "to"), list(product(State, State)), ids=lambda state: state.value)
def test_a_case_goes_the_ways_of_the_table_and_no_other(before: State, to: State) -> None:
    old = case(A, state=before)
    if before is to:
        assert move(old, to, LATER) is old
    elif (before, to) in ALLOWED:
        assert move(old, to, LATER).state is to
    else:
        with pytest.raises(ForbiddenTransition, match=f"inc-a: {before} -> {to}"):
            move(old, to, LATER)


def test_the_table_knows_every_state() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {(before, to) for before, ways in TRANSITIONS.items() for to in ways} == ALLOWED


@pytest.mark.parametrize("state", [state for state in State if state is not State.OPEN])
def test_a_value_seen_alive_opens_its_case_again_from_everywhere(state: State) -> None:
    seen = case(A, state=state, revoked_at=NOW, dead_at=NOW, regenerate_refused=True)
    again = move(seen, State.OPEN, LATER)
    assert (again.revoked_at, again.dead_at, again.regenerate_refused) == (None, None, False)


def test_only_dead_leads_to_closed() -> None:
    """Reported closed means proven dead: there is no way around the proof."""
    assert [state for state, ways in TRANSITIONS.items() if State.CLOSED in ways] == [State.DEAD]


def test_the_times_are_kept_as_the_case_goes_on() -> None:
    killed = move(case(A), State.REVOKED, NOW)
    dead = move(killed, State.DEAD, LATER)
    assert (killed.revoked_at, killed.dead_at) == (NOW, None)
    assert (dead.revoked_at, dead.dead_at) == (NOW, LATER)
    assert move(dead, State.CLOSED, LATER + timedelta(days=1)).dead_at == LATER


def test_a_value_found_dead_at_first_sight_was_revoked_by_then() -> None:
    dead = move(case(A), State.DEAD, LATER)
    assert (dead.revoked_at, dead.dead_at) == (LATER, LATER)


@pytest.mark.parametrize(("mode", "word"), list(product(Mode, Mode)), ids=lambda mode: mode.value)
def test_a_case_is_made_stricter_and_never_milder(mode: Mode, word: Mode) -> None:
    ranks = {Mode.DRAIN: 0, Mode.CUT: 1, Mode.CONTAIN: 2}
    escalated = escalate(case(A, mode), word)
    assert ranks[escalated.mode] == max(ranks[mode], ranks[word])
    assert escalate(escalated, mode) == escalated


def test_a_drain_waits_and_the_others_cut() -> None:
    assert [case(A, mode).cuts for mode in Mode] == [False, True, True]


def test_a_case_is_unfinished_until_it_is_closed_or_given_up() -> None:
    assert {state for state in State if case(A, state=state).is_open} == UNFINISHED == {State.OPEN, State.REVOKED, State.DEAD}


def test_an_alert_opens_a_case_with_the_deadline_of_the_policy() -> None:
    alert = Alert(source="github", reported_at=NOW, fingerprint=A, note="in a gist")
    opened = open_incident("inc-1", credential(drain_deadline=timedelta(seconds=90)), alert, slot=KEY1)
    assert (opened.id, opened.credential, opened.account, opened.slot) == ("inc-1", "chat", ACCOUNT, KEY1)
    assert (opened.state, opened.mode, opened.reason) == (State.OPEN, Mode.DRAIN, Reason.KEY_COMPROMISE)
    assert opened.deadline == NOW + timedelta(seconds=90)
    assert (opened.source, opened.note) == ("github", "in a gist")


def test_what_the_operator_says_goes_before_what_the_settings_say() -> None:
    alert = Alert(source="operator", reported_at=NOW, fingerprint=A)
    of = credential(on_compromise=Mode.CUT)
    assert open_incident("inc-1", of, alert, slot=None).mode is Mode.CUT
    assert open_incident("inc-1", of, alert, slot=None, mode=Mode.CONTAIN).mode is Mode.CONTAIN


@pytest.mark.parametrize("state", [State.REVOKED, State.UNPROVEN, State.CLOSED, State.DISMISSED])
def test_a_case_that_is_opened_again_is_counted_from_the_word_that_opens_it(state: State) -> None:
    again = case(A, source="operator:ann", note="seen in a log", reported_at=LATER, deadline=LATER + timedelta(minutes=2))
    opened = reported_again(case(A, state=state), again)
    if state is State.REVOKED:  # not done yet: it goes on as it is
        assert opened == case(A, state=state)
    else:
        assert opened.state is State.OPEN
        assert (opened.reported_at, opened.deadline) == (LATER, LATER + timedelta(minutes=2))
        assert (opened.source, opened.note) == ("operator:ann", "seen in a log")


def test_a_suspicion_becomes_a_proof_by_a_proof_and_not_by_another_suspicion() -> None:
    suspected = case(A, reason=Reason.SUSPECTED_COMPROMISE)
    assert reported_again(suspected, suspected).reason is Reason.SUSPECTED_COMPROMISE
    assert reported_again(suspected, case(A)).reason is Reason.KEY_COMPROMISE
    dismissed = case(A, reason=Reason.SUSPECTED_COMPROMISE, state=State.DISMISSED, source="defender")
    assert reported_again(dismissed, case(A, reason=Reason.SUSPECTED_COMPROMISE, source="defender")) == dismissed
    assert reported_again(dismissed, case(A, source="github")).state is State.OPEN


def test_another_word_brings_the_slot_that_was_not_known() -> None:
    assert reported_again(case(A), case(A, slot=KEY1)).slot is KEY1
    assert reported_again(case(A, slot=KEY1), case(A, slot=None)).slot is KEY1


def test_one_that_is_proven_dead_is_opened_again_only_where_its_sender_has_opened_it_again() -> None:
    known = case(A, state=State.DEAD, dead_at=NOW)
    reported = case(A, reported_at=LATER)
    assert reported_again(known, reported) == known
    again = reported_again(known, reported, reopened=True)
    assert (again.state, again.reported_at, again.dead_at, again.id) == (State.OPEN, LATER, None, known.id)


@pytest.mark.parametrize("state", [State.OPEN, State.REVOKED, State.HELD, State.DISMISSED])
def test_what_is_not_dead_is_not_disturbed_by_an_alert_that_is_opened_again(state: State) -> None:
    known, reported = case(A, state=state), case(A, reported_at=LATER)
    assert reported_again(known, reported, reopened=True) == reported_again(known, reported)
