"""What a look settles: where a case stands, and what became of an intent whose answer was lost. Nothing is assumed to have happened."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.core.facts import Facts
from rotator.core.incident import Incident, State
from rotator.core.policy import Mode
from rotator.core.retry import LISTS_LAG
from rotator.core.settle import APPLIED, NOT_APPLIED, Intent, close, settle, settle_intent
from rotator.core.snapshot import Current, KeyMemory, Memory, SecretView, Snapshot
from tests.core.situations import (
    DAY,
    HOUR,
    KEY1,
    KEY2,
    MINUTE,
    NOW,
    SECOND,
    A,
    B,
    C,
    D,
    account,
    at_rest,
    case,
    credential,
    killed,
    known,
    remember,
    revoked,
    unseen,
    vault,
    version,
)


def facts(seen: Snapshot, cases: Sequence[Incident] = (), later: timedelta = timedelta(0)) -> Facts:
    """What a look that began `later` tells."""
    return Facts(snapshot=replace(seen, at=NOW + later), credential=credential(), incidents=cases, now=NOW + later)


def settled(seen: Snapshot, one: Incident) -> Incident:
    return next(iter(settle(facts(seen, [one]))), one)


@pytest.mark.parametrize(
    ("seen", "before", "expected"),
    [
        (at_rest(), State.OPEN, State.OPEN),
        (killed(), State.OPEN, State.REVOKED),
        (killed(), State.REVOKED, State.REVOKED),
        (killed(memory=remember(known(A, dead_at=NOW))), State.OPEN, State.DEAD),
        (killed(memory=remember(known(A, dead_at=NOW))), State.REVOKED, State.DEAD),
        (killed(memory=remember(known(A, dead_at=NOW))), State.UNPROVEN, State.DEAD),
        (killed(memory=remember(known(A, dead_at=NOW))), State.DEAD, State.DEAD),
        (killed(memory=remember(known(A, dead_at=NOW))), State.CLOSED, State.CLOSED),
        (killed(), State.CLOSED, State.CLOSED),
        (killed(memory=remember(known(A, lost=True))), State.REVOKED, State.UNPROVEN),
        (killed(memory=remember(known(A, lost=True))), State.UNPROVEN, State.UNPROVEN),
        (killed(memory=remember(known(A, lost=True))), State.OPEN, State.UNPROVEN),
        (killed(), State.UNPROVEN, State.UNPROVEN),
        (killed(), State.DISMISSED, State.DISMISSED),
        (at_rest(), State.REVOKED, State.OPEN),
        (at_rest(), State.UNPROVEN, State.OPEN),
        (at_rest(), State.DEAD, State.OPEN),
        (at_rest(), State.CLOSED, State.OPEN),
        (at_rest(), State.DISMISSED, State.DISMISSED),
        (at_rest(slots=unseen("the slots")), State.OPEN, State.OPEN),
        (at_rest(slots=unseen("the slots")), State.REVOKED, State.REVOKED),
        (at_rest(slots=unseen("the slots"), memory=remember(known(A, replaced_at=NOW))), State.OPEN, State.REVOKED),
        (at_rest(slots=unseen("the slots"), memory=remember(known(A, dead_at=NOW))), State.REVOKED, State.DEAD),
        (at_rest(slots=unseen("the slots"), memory=remember(known(A, dead_at=NOW))), State.CLOSED, State.CLOSED),
    ],
)
def test_a_look_tells_where_a_case_stands(seen: Snapshot, before: State, expected: State) -> None:
    assert settled(seen, case(A, state=before)).state is expected


def test_a_stale_list_settles_nothing() -> None:
    stale = at_rest(memory=remember(known(A, replaced_at=NOW - SECOND)))
    assert list(settle(facts(stale, [revoked(A)]))) == []


def test_a_case_that_does_not_move_is_not_written_again() -> None:
    assert list(settle(facts(at_rest(), [case(A), case(C, state=State.CLOSED)]))) == []


def test_contained_is_what_the_account_says() -> None:
    off = at_rest(account=account(local_auth=False), slots=unseen("the slots"))
    assert settled(off, revoked(A, Mode.CONTAIN)).contained_at == NOW
    assert settled(off, revoked(A, Mode.CUT)).contained_at is None
    assert settled(killed(), revoked(A, Mode.CONTAIN)).contained_at is None
    assert settled(off, revoked(A, Mode.CONTAIN, contained_at=NOW - MINUTE)).contained_at == NOW - MINUTE


def test_only_a_case_whose_value_is_proven_dead_is_closed() -> None:
    every = [case(A, state=state) for state in State]
    assert [one.state for one in close(every, facts(killed()))] == [State.CLOSED]


# --- intents without an outcome --------------------------------------------------------------------------------------------


def intent(step: str, **changes: Any) -> Intent:
    said: dict[str, Any] = {"operation": "op-1", "step": step, "slot": KEY1, "fingerprint": A, "at": NOW - MINUTE, **changes}
    return Intent(**said)


@pytest.mark.parametrize("step", ["mint", "revoke"])
def test_a_regenerate_whose_slot_has_another_value_was_done(step: str) -> None:
    found = settle_intent(intent(step), facts(at_rest(slots={KEY1: C, KEY2: B}, memory=Memory())), LISTS_LAG)
    assert found is not None
    assert found.result == APPLIED
    assert found.learned == (KeyMemory(fingerprint=A, slot=KEY1, replaced_at=NOW), KeyMemory(fingerprint=C, slot=KEY1, minted_at=NOW))


@pytest.mark.parametrize("step", ["mint", "revoke"])
def test_a_regenerate_whose_slot_has_the_old_value_was_not_done_once_it_can_no_longer_come(step: str) -> None:
    just_now = intent(step, at=NOW)
    assert settle_intent(just_now, facts(at_rest()), LISTS_LAG) is None
    found = settle_intent(just_now, facts(at_rest(), later=LISTS_LAG), LISTS_LAG)
    assert found is not None
    assert (found.result, found.learned) == (NOT_APPLIED, ())


def test_a_look_that_began_before_the_effect_can_no_longer_come_settles_nothing() -> None:
    began_early = Facts(snapshot=at_rest(), credential=credential(), incidents=[], now=NOW + MINUTE)
    assert settle_intent(intent("mint", at=NOW), began_early, LISTS_LAG) is None


def test_a_value_that_is_lost_was_revoked_before_it_was_unproven() -> None:
    assert settled(killed(memory=remember(known(A, lost=True))), case(A)).revoked_at == NOW


def test_times_that_are_known_already_are_kept() -> None:
    memory = remember(known(A, replaced_at=NOW - timedelta(hours=1)), known(C, minted_at=NOW - timedelta(hours=1)))
    found = settle_intent(intent("mint"), facts(at_rest(slots={KEY1: C, KEY2: B}, memory=memory)), LISTS_LAG)
    assert found is not None
    assert {one.replaced_at or one.minted_at for one in found.learned} == {NOW - timedelta(hours=1)}


def test_a_publish_is_found_again_by_its_operation_and_by_nothing_else() -> None:
    ours = vault(version("v1", A, operation="op-1"))
    found = settle_intent(intent("publish"), facts(at_rest(secret=ours)), LISTS_LAG)
    assert found is not None
    assert found.result == APPLIED
    assert found.learned[0].version == "v1"
    other = settle_intent(intent("publish", operation="op-2"), facts(at_rest(secret=ours)), LISTS_LAG)
    assert other is not None
    assert (other.result, other.learned) == (NOT_APPLIED, ())


@pytest.mark.parametrize(("step", "fact"), [("mint", "slots"), ("revoke", "slots"), ("publish", "secret")])
def test_an_intent_is_left_open_while_the_fact_that_would_tell_cannot_be_seen(step: str, fact: str) -> None:
    seen = at_rest(**{fact: unseen(fact)})
    assert settle_intent(intent(step), facts(seen), LISTS_LAG) is None


@pytest.mark.parametrize("step", ["prove", "propagate", "prove_dead", "retire", "adopt", "recover", "switch_off_local_auth"])
def test_a_step_that_repeats_harmlessly_needs_no_look(step: str) -> None:
    found = settle_intent(intent(step), facts(at_rest(slots=unseen("the slots"), secret=unseen("the secret"))), LISTS_LAG)
    assert found is not None
    assert "harmlessly" in found.result


def test_a_mint_of_ours_that_was_lost_is_remembered_as_ours() -> None:
    """So it is published and not minted once more."""
    found = settle_intent(intent("mint", slot=KEY2, fingerprint=B), facts(at_rest(slots={KEY1: A, KEY2: C})), LISTS_LAG)
    assert found is not None
    assert {one.fingerprint: one.minted_at for one in found.learned}[C] == NOW


def test_a_publish_whose_tags_found_no_room_is_told_by_what_is_given_out_now() -> None:
    untold = vault(version("v1", A), version("v2", B, MINUTE, account=None, operation=None))
    found = settle_intent(intent("publish", slot=KEY2, fingerprint=B), facts(at_rest(secret=untold)), LISTS_LAG)
    assert found is not None
    assert (found.result, found.learned[0].version) == (APPLIED, "v2")


def test_a_publish_is_told_by_what_is_given_out_where_the_list_of_versions_does_not_show_it_yet() -> None:
    given = Current(version="v2", created=NOW - SECOND, fingerprint=B)
    lags = replace(vault(version("v1", A)), current=given)
    found = settle_intent(intent("publish", slot=KEY2, fingerprint=B), facts(at_rest(secret=lags)), LISTS_LAG)
    assert found is not None
    assert (found.result, [one.version for one in found.learned]) == (APPLIED, ["v2"])


def test_a_publish_into_a_secret_that_gives_nothing_out_was_not_done() -> None:
    found = settle_intent(intent("publish"), facts(at_rest(secret=SecretView(current=None))), LISTS_LAG)
    assert found is not None
    assert (found.result, found.learned) == (NOT_APPLIED, ())


@pytest.mark.parametrize("step", ["adopt", "retire"])
def test_a_tag_that_is_seen_was_written(step: str) -> None:
    told = vault(version("v1", A, operation="op-1", retired="3x401"), version("v2", B))
    found = settle_intent(intent(step), facts(at_rest(secret=told)), LISTS_LAG)
    assert found is not None
    assert found.result == APPLIED


@pytest.mark.parametrize(
    "of_it", [{"minted_at": NOW - DAY}, {"proven_at": NOW - DAY}, {"published_at": NOW - DAY}, {"replaced_at": NOW - DAY}, {"probes": 1}]
)
def test_a_list_that_shows_a_value_from_long_ago_tells_nothing_of_a_call_whose_answer_was_lost(of_it: dict[str, Any]) -> None:
    """Such a value never comes back: the list is stale, and the slot may still hold what the call was about."""
    stale = at_rest(slots={KEY1: D, KEY2: B}, memory=remember(known(D, **of_it)))
    told = Facts(snapshot=stale, credential=credential(), incidents=(), now=NOW + HOUR)
    intent = Intent(operation="op", step="revoke", slot=KEY1, fingerprint=A, at=NOW - HOUR)
    assert settle_intent(intent, told, timedelta(seconds=3)) is None
