"""Roles are derived from what the vault gives out and gave out, and stored nowhere; and what else the rules may ask of a snapshot."""

from datetime import timedelta

import pytest

from rotator.core.credential import Role
from rotator.core.facts import Facts
from rotator.core.policy import Mode
from rotator.core.snapshot import Adoption, Kept, Snapshot
from rotator.core.step import Propagate, Wait
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
    at_rest,
    case,
    credential,
    decide,
    hold_back,
    known,
    overlap,
    remember,
)


def told_by(seen: Snapshot, **policy: timedelta) -> Facts:
    return Facts(snapshot=seen, credential=credential(**policy), incidents=(), now=NOW)


def roles(seen: Snapshot) -> tuple[Role, Role]:
    facts = told_by(seen)
    return facts.role(KEY1), facts.role(KEY2)


def test_what_is_given_out_is_active_and_what_was_given_out_before_it_is_retired() -> None:
    assert roles(at_rest()) == (Role.ACTIVE, Role.STANDBY)
    assert roles(overlap()) == (Role.RETIRED, Role.ACTIVE)


def test_that_a_value_was_published_may_be_remembered_where_its_version_is_gone() -> None:
    assert roles(at_rest(memory=remember(known(B, published_at=NOW - DAY)))) == (Role.ACTIVE, Role.RETIRED)


@pytest.mark.parametrize(("age", "fresh"), [(DAY - SECOND, True), (DAY, True), (DAY + SECOND, False)])
def test_a_mint_of_ours_stays_fresh_for_one_cryptoperiod_and_no_longer(age: timedelta, fresh: bool) -> None:
    seen = at_rest(memory=remember(known(B, minted_at=NOW - age, slot=KEY2)))
    assert told_by(seen, cryptoperiod=DAY).is_fresh(KEY2) is fresh


def test_a_value_that_we_replaced_is_not_killed_once_more_because_a_list_still_shows_it() -> None:
    """What is in the slot by now is another one."""
    decision = decide(at_rest(memory=remember(known(A, replaced_at=NOW - SECOND, slot=KEY1))), case(A, Mode.CUT))
    assert isinstance(decision, Wait)
    assert decision.phase == "unseen"


@pytest.mark.parametrize("failed_for", [SECOND, HOUR])
def test_that_a_delivery_failed_is_not_hidden_by_the_one_before_it(failed_for: timedelta) -> None:
    step = Propagate(dependent="api", slot=KEY2, fingerprint=B, version="v2")
    lately = NOW - 10 * SECOND
    kept = Kept(
        dependent="api", kind="app-service", adoption=Adoption.STALE, version="v2", fingerprint=B, since=NOW - MINUTE, delivered_at=lately
    )
    seen = hold_back(overlap(memory=remember(adoptions={"api": kept})), step, lasts=failed_for)
    held = told_by(seen).held_back(step)
    assert held is not None
    assert (held.failed, held.until) == (True, NOW + failed_for)
