"""Which looks are not believed, and what they hold up: no kill that is due, nor the effect of a call of ours without an answer."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.core.credential import Version
from rotator.core.policy import Mode
from rotator.core.snapshot import Memory, SecretView, Snapshot
from rotator.core.stale import STALE_LOOK_BELIEVED_AFTER, STRANGER_BELIEVED_AFTER, superseded_beside
from rotator.core.step import Do, Recover, Revoke, Wait
from tests.core.situations import (
    HOUR,
    KEY1,
    KEY2,
    MINUTE,
    NOW,
    OTHER_ACCOUNT,
    SECOND,
    A,
    B,
    C,
    D,
    at_rest,
    case,
    decide,
    known,
    remember,
    unseen,
    vault,
    version,
)

MINTED_B = known(B, slot=KEY2, minted_at=NOW - MINUTE)


def denied(**changes: Any) -> Snapshot:
    """key2 was given B a minute ago, and the list shows C there, of which nobody knows."""
    return at_rest(**{"slots": {KEY1: A, KEY2: C}, "secret": vault(version("v2", B, MINUTE)), "memory": remember(MINTED_B), **changes})


@pytest.mark.parametrize("seen", [denied(), denied(secret=unseen("the secret"))])
def test_a_kill_that_is_due_does_not_wait_for_a_list_to_be_believed(seen: Snapshot) -> None:
    for due in (case(B, Mode.CUT), case(B, left=-SECOND)):
        decision = decide(seen, due)
        assert isinstance(decision, Do)
        assert decision.step == Revoke(slot=KEY2, fingerprint=B)


def test_one_that_is_not_due_waits() -> None:
    decision = decide(denied(), case(B))
    assert isinstance(decision, Wait)
    assert decision.phase == "unseen"


def test_what_the_vault_gives_out_now_is_not_killed_in_the_place_of_another() -> None:
    """Somebody published it, and does not say whose it is."""
    foreign = denied(secret=vault(version("v3", C, SECOND, account=None), holds=C))
    decision = decide(foreign, case(B, Mode.CUT))
    assert not isinstance(decision, Do) or decision.step != Revoke(slot=KEY2, fingerprint=B)


@pytest.mark.parametrize(
    ("memory", "believed"),
    [
        (remember(MINTED_B), False),
        (remember(MINTED_B, unanswered={KEY2: NOW - SECOND}), True),
        (remember(MINTED_B, unanswered={KEY1: NOW - SECOND}), False),
        (remember(MINTED_B, unanswered={KEY2: NOW - HOUR}), False),
        (remember(MINTED_B, known(C, probes=1), unanswered={KEY2: NOW - SECOND}), False),
        (remember(MINTED_B, unanswered={KEY2: NOW - SECOND}, doubted={KEY2: NOW - MINUTE}), False),
        (remember(MINTED_B, unanswered={KEY2: NOW - SECOND}, doubted={KEY2: NOW - HOUR}), True),
        (remember(MINTED_B, unanswered={KEY2: NOW - SECOND}, doubted={KEY2: NOW - SECOND - STRANGER_BELIEVED_AFTER}), True),
        (remember(MINTED_B, unanswered={KEY2: NOW - MINUTE}), True),
    ],
    ids=[
        "no call",
        "a call",
        "of the other slot",
        "before the mint",
        "known",
        "another was lost before",
        "long before",
        "long enough before",
        "with the mint",
    ],
)
def test_what_a_call_without_an_answer_made_is_believed_at_once(memory: Memory, believed: bool) -> None:
    decision = decide(denied(memory=memory))
    assert (isinstance(decision, Wait) and decision.phase == "unseen") is not believed


def test_what_we_put_there_and_saw_replaced_since_is_not_killed_in_the_place_of_what_a_list_shows() -> None:
    memory = remember(known(B, slot=KEY2, minted_at=NOW - MINUTE, replaced_at=NOW - SECOND), known(D, replaced_at=NOW - 2 * MINUTE))
    decision = decide(denied(slots={KEY1: A, KEY2: D}, memory=memory), case(B, Mode.CUT))
    assert not isinstance(decision, Do) or not isinstance(decision.step, Revoke)


@pytest.mark.parametrize(
    ("published", "believed"),
    [
        (version("v3", C, SECOND), True),
        (version("v3", C, MINUTE), True),
        (version("v3", C, HOUR), False),
        (version("v3", C, SECOND, account=OTHER_ACCOUNT), False),
    ],
    ids=["since", "in the second of our mint", "long before", "for another account"],
)
def test_what_another_writer_published_for_this_account_since_our_mint_is_believed_at_once(published: Version, believed: bool) -> None:
    seen = denied(secret=replace(vault(version("v2", B, MINUTE)), versions=(version("v2", B, MINUTE), published)))
    decision = decide(seen)
    assert (isinstance(decision, Wait) and decision.phase == "unseen") is not believed


def test_the_answer_to_a_regenerate_tells_of_the_other_slot() -> None:
    memory = remember(MINTED_B, known(D, replaced_at=NOW - HOUR))
    assert [(one.fingerprint, one.replaced_at) for one in superseded_beside(KEY2, C, memory, NOW)] == [(B, NOW)]
    assert superseded_beside(KEY2, B, memory, NOW) == []
    assert superseded_beside(KEY2, D, memory, NOW) == [], "what was replaced before ours cannot have come after it"
    assert superseded_beside(KEY1, C, memory, NOW) == [], "we put nothing there"


def test_the_answer_to_a_regenerate_tells_nothing_new_of_what_is_known_to_be_replaced() -> None:
    memory = remember(known(B, slot=KEY2, minted_at=NOW - MINUTE, replaced_at=NOW - SECOND))
    assert superseded_beside(KEY2, C, memory, NOW) == []


@pytest.mark.parametrize(("left", "killed"), [(SECOND, True), (0 * SECOND, False)])
def test_a_list_that_shows_what_was_replaced_lately_holds_up_no_kill_of_what_we_put_there_long_ago(left: timedelta, killed: bool) -> None:
    memory = remember(known(B, slot=KEY2, minted_at=NOW - HOUR), known(D, replaced_at=NOW + left - STALE_LOOK_BELIEVED_AFTER))
    decision = decide(denied(slots={KEY1: A, KEY2: D}, secret=vault(version("v1", A)), memory=memory), case(B, Mode.CUT))
    assert (isinstance(decision, Do) and decision.step == Revoke(slot=KEY2, fingerprint=B)) is killed


@pytest.mark.parametrize(("left", "believed"), [(SECOND, False), (0 * SECOND, True)])
def test_a_stranger_in_the_place_of_our_mint_is_believed_after_a_while(left: timedelta, believed: bool) -> None:
    memory = remember(known(B, slot=KEY2, minted_at=NOW + left - STRANGER_BELIEVED_AFTER))
    decision = decide(denied(secret=vault(version("v1", A)), memory=memory))
    assert (isinstance(decision, Wait) and decision.phase == "unseen") is not believed


@pytest.mark.parametrize(("minted", "believed"), [(HOUR, False), (SECOND, True)], ids=["before ours", "after ours"])
def test_of_two_mints_the_list_is_believed_that_shows_the_later_one(minted: timedelta, believed: bool) -> None:
    decision = decide(denied(secret=vault(version("v1", A)), memory=remember(MINTED_B, known(C, minted_at=NOW - minted))))
    assert (isinstance(decision, Wait) and decision.phase == "unseen") is not believed


def test_a_secret_that_is_deleted_right_after_we_published_is_recovered_and_not_waited_for() -> None:
    memory = remember(known(A, version="v1", published_at=NOW - SECOND))
    decision = decide(at_rest(secret=SecretView(current=None, deleted=True), memory=memory))
    assert isinstance(decision, Do)
    assert isinstance(decision.step, Recover)
