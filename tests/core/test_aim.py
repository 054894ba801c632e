"""Which cases an order by name goes on with, and which live values die anew: the same command spares what it made, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from rotator.core.aim import about_the_active, aim, given_out, held_by, last_given
from rotator.core.credential import Reason, Slot
from rotator.core.facts import Facts
from rotator.core.incident import Incident, State
from rotator.core.policy import Mode
from rotator.core.sealed import Fingerprint
from rotator.core.settle import Intent
from rotator.core.snapshot import Memory, Snapshot
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
    at_rest,
    case,
    credential,
    known,
    remember,
    revoked,
    unseen,
    vault,
    version,
)

GIVEN_A = known(A, published_at=NOW - DAY, version="v1", slot=KEY1)
KILLED = NOW - 30 * SECOND
"""When the case about A, or about B, was acted upon: half a minute after it was filed."""


def facts(seen: Snapshot, *cases: Incident) -> Facts:
    return Facts(snapshot=seen, credential=credential(), incidents=cases, now=NOW)


def of(
    seen: Snapshot, slot: str | None, *cases: Incident, unsettled: Sequence[Intent] = ()
) -> tuple[set[str], set[tuple[Fingerprint, Slot]]]:
    """The values whose cases are gone on with, and the values that die anew."""
    if slot is None:
        mine = about_the_active(facts(seen, *cases), cases)
        return {one.fingerprint for one in mine}, set()
    found = aim(facts(seen, *cases), slot, cases, unsettled)
    return {one.fingerprint for one in found.cases}, set(found.values)


STANDBY = revoked(B, slot=KEY2)
STANDBY_KILLED = at_rest(
    slots={KEY1: A, KEY2: C}, memory=remember(GIVEN_A, known(B, slot=KEY2, replaced_at=KILLED), known(C, slot=KEY2, minted_at=KILLED))
)
ACTIVE = revoked(A, slot=KEY1)
CUT = at_rest(
    slots={KEY1: C, KEY2: B},
    secret=vault(version("v1", A, DAY), version("v2", B, 20 * SECOND, reason=Reason.KEY_COMPROMISE)),
    memory=remember(
        known(A, published_at=NOW - DAY, slot=KEY1, replaced_at=KILLED),
        known(C, slot=KEY1, minted_at=KILLED),
        known(B, slot=KEY2, published_at=NOW - 20 * SECOND),
    ),
)
"""A was cut, and the standby B published in its place."""
DRAINED = at_rest(
    slots={KEY1: D, KEY2: C},
    secret=vault(version("v1", A, DAY), version("v2", C, 20 * SECOND, reason=Reason.KEY_COMPROMISE)),
    memory=remember(
        known(A, published_at=NOW - DAY, slot=KEY1, replaced_at=KILLED + 15 * SECOND),
        known(C, slot=KEY2, minted_at=KILLED, published_at=NOW - 20 * SECOND),
        known(D, slot=KEY1, minted_at=KILLED + 15 * SECOND),
    ),
)
"""C was minted over the standby and published in the place of A, which was killed then."""


@pytest.mark.parametrize(
    ("seen", "slot", "cases", "goes_on", "anew"),
    [
        (STANDBY_KILLED, None, [STANDBY], set(), set()),
        (STANDBY_KILLED, "key2", [STANDBY], {B}, set()),
        (STANDBY_KILLED, "key1", [STANDBY], set(), {(A, KEY1)}),
        (STANDBY_KILLED, "both", [STANDBY], {B}, {(A, KEY1)}),
        (at_rest(), None, [case(A, Mode.CUT, slot=KEY1)], {A}, set()),
        (at_rest(), "both", [case(A, Mode.CUT, slot=KEY1)], {A}, {(B, KEY2)}),
        (at_rest(), "both", [], set(), {(A, KEY1), (B, KEY2)}),
        (CUT, None, [ACTIVE], {A}, set()),
        (CUT, "key1", [ACTIVE], {A}, set()),
        (CUT, "both", [ACTIVE], {A}, {(B, KEY2)}),
        (DRAINED, None, [ACTIVE], {A}, set()),
        (DRAINED, "key1", [ACTIVE], {A}, set()),
        (DRAINED, "key2", [ACTIVE], set(), {(C, KEY2)}),
        (DRAINED, "both", [ACTIVE], {A}, set()),
        (DRAINED, "both", [revoked(A)], {A}, set()),
    ],
)
def test_the_same_command_goes_on_and_another_case_spares_nothing(
    seen: Snapshot, slot: str | None, cases: list[Incident], goes_on: set[Fingerprint], anew: set[tuple[Fingerprint, Slot]]
) -> None:
    assert of(seen, slot, *cases) == (goes_on, anew)


def test_typed_for_the_third_time_it_is_the_same_order_still() -> None:
    """Each time the case is filed anew, with another time."""
    later = revoked(A, slot=KEY1, reported_at=NOW - SECOND)
    assert of(CUT, None, later) == ({A}, set())
    assert of(DRAINED, "key1", later) == ({A}, set())


def test_of_two_that_were_killed_the_one_is_meant_that_readers_had_last() -> None:
    before = revoked(D, slot=KEY2)
    seen = at_rest(
        slots=CUT.slots,
        secret=vault(version("v0", D, 9 * DAY), *CUT.secret.versions),  # type: ignore[union-attr]
        memory=CUT.memory,
    )
    assert of(seen, None, before, ACTIVE) == ({A}, set())
    assert of(seen, None, before) == (set(), set())
    silent = vault(version("v2", B, 20 * SECOND, reason=None))
    remembered = remember(known(D, published_at=NOW - 9 * DAY), *CUT.memory.keys.values())
    assert of(at_rest(slots=CUT.slots, secret=silent, memory=remembered), None, before, ACTIVE) == ({A}, set())


@pytest.mark.parametrize("reason", [Reason.KEY_COMPROMISE, Reason.SUSPECTED_COMPROMISE])
def test_what_was_published_for_a_compromise_right_after_it_is_its_replacement_whenever_the_case_was_filed(reason: Reason) -> None:
    seen = at_rest(slots=CUT.slots, secret=vault(version("v1", A, DAY), version("v2", B, 20 * SECOND, reason=reason)), memory=CUT.memory)
    assert of(seen, None, revoked(A, slot=KEY1, reported_at=NOW - SECOND)) == ({A}, set())


def test_what_was_published_for_a_compromise_before_the_value_and_goes_out_again_since_is_no_replacement_of_it() -> None:
    told = vault(version("v0", B, 9 * DAY, reason=Reason.KEY_COMPROMISE), version("v1", A, DAY), version("v2", B, 20 * SECOND))
    assert of(at_rest(slots=CUT.slots, secret=told, memory=CUT.memory), None, ACTIVE) == (set(), set())


def test_what_goes_out_since_before_the_case_and_does_not_say_why_is_no_replacement() -> None:
    told = vault(version("v1", A, DAY), version("v2", B, HOUR, reason=None))
    assert of(at_rest(secret=told, memory=remember(GIVEN_A)), None, ACTIVE) == (set(), set())


def test_what_is_disabled_is_given_to_nobody_and_any_case_may_be_meant() -> None:
    seen = at_rest(secret=vault(version("v1", A, enabled=False)))
    assert given_out(facts(seen)) is None
    assert of(seen, None, case(A), STANDBY) == ({A, B}, set())


def test_what_was_made_in_the_other_slot_at_that_very_moment_is_of_another_order() -> None:
    made = [known(D, slot=KEY1, minted_at=KILLED), known(C, slot=KEY2, minted_at=KILLED)]
    seen = at_rest(slots={KEY1: D, KEY2: C}, memory=remember(known(A, slot=KEY1, replaced_at=KILLED), *made))
    assert of(seen, "both", ACTIVE) == ({A}, {(C, KEY2)})


def test_what_stood_by_before_the_case_was_filed_is_not_its_own() -> None:
    seen = at_rest(slots={KEY1: A, KEY2: C}, memory=remember(GIVEN_A, known(C, slot=KEY2, minted_at=NOW - HOUR)))
    assert of(seen, "both", case(A, slot=KEY1)) == ({A}, {(C, KEY2)})


def test_what_a_scheduled_rotation_published_since_is_no_replacement() -> None:
    seen = at_rest(
        slots={KEY1: C, KEY2: B},
        secret=vault(version("v1", A, DAY), version("v2", B, 20 * SECOND)),
        memory=remember(known(A, replaced_at=KILLED, slot=KEY1), known(B, minted_at=KILLED, published_at=NOW - 20 * SECOND)),
    )
    assert of(seen, None, ACTIVE) == (set(), set())


def test_what_stands_by_for_a_drain_that_is_under_way_is_not_killed() -> None:
    seen = at_rest(slots={KEY1: A, KEY2: C}, memory=remember(GIVEN_A, known(C, slot=KEY2, minted_at=KILLED)))
    assert of(seen, "both", case(A, slot=KEY1)) == ({A}, set())


def test_what_a_call_without_an_answer_made_is_not_killed() -> None:
    sent = Intent(operation="op", step="revoke", slot=KEY1, fingerprint=A, at=KILLED)
    open_case = case(A, Mode.CUT, slot=KEY1)
    made = at_rest(slots={KEY1: C, KEY2: B}, memory=Memory())
    assert of(made, "key1", open_case, unsettled=[sent]) == ({A}, set())
    assert of(made, "key1", open_case) == ({A}, {(C, KEY1)})
    assert of(at_rest(memory=Memory()), "key1", open_case, unsettled=[sent]) == ({A}, set())


def test_where_the_vault_cannot_be_seen_what_was_published_last_is_remembered() -> None:
    hidden = at_rest(secret=unseen("the secret"), memory=remember(GIVEN_A))
    assert given_out(facts(hidden)) == A
    assert of(hidden, None, case(A), STANDBY) == ({A}, set())
    blank = at_rest(secret=unseen("the secret"), memory=Memory())
    assert given_out(facts(blank)) is None
    assert of(blank, None, case(A), STANDBY) == ({A, B}, set())


def test_a_list_that_may_lag_holds_two_values_and_both_die() -> None:
    minted = known(B, slot=KEY2, minted_at=NOW - MINUTE)
    assert held_by(facts(at_rest(slots={KEY1: A, KEY2: C}, memory=remember(minted))), KEY2) == [B, C]
    old = known(C, slot=KEY2, replaced_at=NOW - MINUTE)
    assert held_by(facts(at_rest(slots={KEY1: A, KEY2: C}, memory=remember(minted, old))), KEY2) == [B]
    late = known(B, slot=KEY2, minted_at=NOW - HOUR)
    assert held_by(facts(at_rest(slots={KEY1: A, KEY2: C}, memory=remember(late))), KEY2) == [C]


def test_a_case_that_is_over_and_whose_value_lives_is_its_own() -> None:
    assert of(at_rest(), "key1", case(A, state=State.UNPROVEN, slot=KEY1)) == ({A}, set())


def test_what_was_made_over_the_value_is_of_its_case_also_where_only_the_case_knows_the_slot() -> None:
    memory = remember(known(A, replaced_at=KILLED), known(C, slot=KEY1, minted_at=KILLED))
    assert of(at_rest(slots={KEY1: C, KEY2: B}, memory=memory), "key1", ACTIVE) == ({A}, set())


def test_what_was_made_at_the_moment_of_the_report_is_of_its_case() -> None:
    seen = at_rest(slots={KEY1: A, KEY2: C}, memory=remember(GIVEN_A, known(C, slot=KEY2, minted_at=NOW - MINUTE)))
    assert of(seen, "both", case(A, slot=KEY1)) == ({A}, set())


@pytest.mark.parametrize(
    "other",
    [{"slot": KEY2}, {"fingerprint": C}, {"at": NOW - HOUR}],
    ids=["of the other slot", "over this very value", "before the case"],
)
def test_a_call_without_an_answer_spares_nothing_that_it_cannot_have_made(other: dict[str, Any]) -> None:
    sent = replace(Intent(operation="op", step="revoke", slot=KEY1, fingerprint=A, at=KILLED), **other)
    made = at_rest(slots={KEY1: C, KEY2: B}, memory=Memory())
    assert of(made, "key1", case(A, Mode.CUT, slot=KEY1), unsettled=[sent]) == ({A}, {(C, KEY1)})


def test_a_call_without_an_answer_spares_nothing_for_a_case_whose_value_is_gone_already() -> None:
    sent = Intent(operation="op", step="revoke", slot=KEY1, fingerprint=A, at=KILLED)
    assert of(at_rest(slots={KEY1: C, KEY2: B}, memory=Memory()), "key1", ACTIVE, unsettled=[sent]) == ({A}, {(C, KEY1)})


def test_two_versions_of_one_second_are_one_after_the_other() -> None:
    told = vault(version("v1", A, 20 * SECOND), version("v2", B, 20 * SECOND, reason=Reason.KEY_COMPROMISE))
    assert of(at_rest(slots=CUT.slots, secret=told, memory=remember()), None, ACTIVE) == ({A}, set())


def test_what_readers_had_in_between_is_remembered_where_its_version_is_gone() -> None:
    memory = remember(*CUT.memory.keys.values(), known(D, published_at=NOW - HOUR))
    assert of(replace(CUT, memory=memory), None, ACTIVE) == (set(), set())


def test_of_all_that_was_given_out_the_last_is_remembered_as_given_out() -> None:
    assert last_given(remember(GIVEN_A, known(B, published_at=NOW - HOUR), known(C))) == B


def test_what_a_list_shows_is_in_the_slot_where_we_put_nothing_else_there() -> None:
    old = remember(known(C, slot=KEY2, replaced_at=NOW - HOUR))
    assert held_by(facts(at_rest(slots={KEY1: A, KEY2: C}, memory=old)), KEY2) == [C]
