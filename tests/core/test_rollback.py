"""Back to the value before: only while it lives in its overlap, only with a proof of just now, and never one that leaked."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from rotator.core.credential import Reason
from rotator.core.facts import Facts
from rotator.core.forecast import runbook
from rotator.core.incident import Incident
from rotator.core.rules.rollback import rollback_of
from rotator.core.snapshot import Adoption, Order, Rollback, Snapshot
from rotator.core.step import Do, Publish, Quiet, Wait
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
    account,
    at_rest,
    case,
    credential,
    decide,
    dependent,
    known,
    overlap,
    remember,
    steps_of,
    vault,
    version,
)

BACK = Rollback(value=A, instead_of=B, at=NOW - SECOND)
PROVEN_NOW = known(A, proven_at=NOW)


def ordered(*keys: object, **changes: object) -> Snapshot:
    """An hour into the overlap of A, somebody asks to go back to it."""
    return overlap(**{"memory": remember(*keys, back=BACK), **changes})  # type: ignore[arg-type]


def test_the_value_before_is_asked_about_first_however_well_it_was_known() -> None:
    decision = decide(ordered())
    assert isinstance(decision, Do)
    assert (decision.step.name, decision.reason, decision.starts) == ("prove", Reason.SUPERSEDED, None)
    assert "go back to the value before, which key1 holds" in decision.because


def test_the_value_before_is_published_once_it_is_accepted_after_the_order() -> None:
    decision = decide(ordered(PROVEN_NOW))
    assert isinstance(decision, Do)
    assert decision.step == Publish(slot=KEY1, fingerprint=A)


def test_an_order_dated_by_a_clock_that_was_fast_takes_a_proof_of_just_now_and_no_older_one() -> None:
    """Else each proof would be older than the order, and the value be asked about again and again until our clock is there."""
    ahead = replace(BACK, at=NOW + MINUTE)
    for proven, step in ((NOW - SECOND, "publish"), (NOW - HOUR, "prove")):
        decision = decide(ordered(memory=remember(known(A, proven_at=proven), back=ahead)))
        assert isinstance(decision, Do)
        assert decision.step.name == step


def test_a_value_before_that_is_refused_is_asked_again_and_nobody_is_moved_meanwhile() -> None:
    refused = known(A, proven_at=NOW - DAY, probe_again_at=NOW + SECOND, probes=1, seen="401")
    decision = decide(ordered(refused, dependents=(dependent("api", Adoption.STALE),)))
    assert isinstance(decision, Wait)
    assert (decision.phase, decision.until) == ("proving", NOW + SECOND)


def test_an_order_that_is_done_is_over() -> None:
    again = vault(version("v1", A, 31 * DAY), version("v2", B, HOUR), version("v3", A, MINUTE))
    decision = decide(ordered(PROVEN_NOW, secret=again), of=credential(cryptoperiod=60 * DAY))
    assert isinstance(decision, Wait)
    assert (decision.phase, decision.until) == ("overlap", NOW - MINUTE + 24 * HOUR)


def test_what_is_gone_back_to_is_no_younger_for_it() -> None:
    """Its cryptoperiod was over before; so once the other value is dead, it is replaced."""
    again = vault(version("v1", A, 31 * DAY), version("v2", B, 26 * HOUR), version("v3", A, 25 * HOUR))
    decision = decide(overlap(secret=again))
    assert isinstance(decision, Do)
    assert (decision.step.name, decision.phase) == ("revoke", "revoking")
    after = decide(replace(overlap(secret=again, memory=remember(known(C, minted_at=NOW, slot=KEY2))), slots={KEY1: A, KEY2: C}))
    assert isinstance(after, Do)
    assert after.step.name == "prove"
    assert "active since 2026-01-30" in after.because


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """What stands in the way, and what is said."""

    when: str
    seen: Snapshot
    cases: tuple[Incident, ...] = ()
    says: str


WALLS = [
    Wall(when="the value before leaked", seen=ordered(PROVEN_NOW), cases=(case(A),), says="is compromised: it must die"),
    Wall(when="the value in the vault leaked", seen=ordered(PROVEN_NOW), cases=(case(B),), says="is replaced by a fresh one"),
    Wall(when="the overlap is over", seen=overlap(25 * HOUR, memory=remember(PROVEN_NOW, back=BACK)), says="the overlap is over"),
    Wall(when="there was no rotation", seen=at_rest(), says="there is nothing to go back to"),
    Wall(
        when="the value before was revoked",
        seen=overlap(slots={KEY1: C, KEY2: B}, memory=remember(known(C, minted_at=NOW), back=BACK)),
        says="there is nothing to go back to",
    ),
    Wall(
        when="the vault's value is in no slot",
        seen=overlap(slots={KEY1: A, KEY2: C}, memory=remember(back=BACK)),
        says="nothing to go back from",
    ),
    Wall(
        when="nothing can be asked of the data plane",
        seen=ordered(account=account(provable=False)),
        says="the data plane cannot be asked",
    ),
]


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.when)
def test_what_may_not_be_gone_back_to_is_refused_with_a_sentence(wall: Wall) -> None:
    found = rollback_of(Facts(snapshot=wall.seen, credential=credential(), incidents=wall.cases, now=NOW))
    assert isinstance(found, str)
    assert wall.says in found


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.when)
def test_an_order_that_became_impossible_is_passed_over(wall: Wall) -> None:
    """What stands in the way may come after the order: then it changes nothing."""
    decision = decide(wall.seen, *wall.cases)
    assert decision == decide(replace(wall.seen, memory=replace(wall.seen.memory, back=None)), *wall.cases)


def test_the_runbook_goes_back_moves_everyone_and_revokes_the_other_value_after_an_overlap_of_its_own() -> None:
    seen = ordered(dependents=(dependent("api", Adoption.PROVEN),))
    lines = runbook(seen, credential(cryptoperiod=60 * DAY), [], NOW)
    assert steps_of(line.decision for line in lines) == ["prove", "publish", "propagate", "revoke", "prove_dead", "retire"]
    revoked = next(line for line in lines if isinstance(line.decision, Do) and line.decision.step.name == "revoke")
    assert revoked.not_before >= NOW + timedelta(hours=24)
    assert isinstance(lines[-1].decision, Quiet)


def test_an_order_to_rotate_is_another_word() -> None:
    decision = decide(at_rest(memory=remember(order=Order(value=A))))
    assert isinstance(decision, Do)
    assert decision.step.name == "mint"
