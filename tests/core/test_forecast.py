"""A runbook is the walk that plan() would take if all went well: the same decisions, nothing performed."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from rotator.core.credential import Credential
from rotator.core.forecast import STEPS_MAX, Forecast, after, runbook
from rotator.core.incident import Incident
from rotator.core.policy import Mode, Unprovable, Window
from rotator.core.snapshot import Adoption, Memory, Order, SecretView, Snapshot, Unseen
from rotator.core.step import Do, Mint, Propagate, Publish, Quiet, Revoke, SwitchOffLocalAuth, Wait, slot_of
from tests.core.situations import (
    DAY,
    FOREIGN,
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
    due,
    killed,
    known,
    overlap,
    remember,
    revoked,
    steps_of,
    unseen,
    untagged,
    vault,
    version,
)

ROTATION = ["mint", "prove", "publish", "revoke", "prove_dead", "retire"]
LAGS = (dependent("api", Adoption.PROVEN), dependent("batch", Adoption.PROVEN))


def walk(seen: Snapshot, *cases: Incident, of: Credential | None = None) -> list[Forecast]:
    return runbook(seen, of or credential(), cases, NOW)


def steps(lines: Sequence[Forecast]) -> list[str]:
    return steps_of(line.decision for line in lines)


@pytest.mark.parametrize(
    ("seen", "cases", "expected"),
    [
        (at_rest(), (), []),
        (due(), (), ROTATION),
        (at_rest(memory=remember(order=Order(value=A))), (), ROTATION),
        (overlap(), (), ["revoke", "prove_dead", "retire"]),
        (at_rest(), (case(A),), ROTATION),
        (at_rest(), (case(B),), ["revoke", "prove_dead"]),
        (at_rest(), (case(A, Mode.CUT),), ["revoke", "prove", "publish", "prove_dead", "retire"]),
        (at_rest(), (case(A, Mode.CONTAIN),), ["revoke", "prove_dead", "switch_off_local_auth"]),
        (at_rest(), (case(A, Mode.CONTAIN), case(B, Mode.CONTAIN)), [*2 * ["revoke"], *2 * ["prove_dead"], "switch_off_local_auth"]),
        (killed(), (revoked(A),), ["prove", "publish", "prove_dead", "retire"]),
        (due(dependents=LAGS), (), ["mint", "prove", "publish", "propagate", "revoke", "prove_dead", "retire"]),
        (
            at_rest(secret=vault(untagged("v1"), holds=A)),
            (case(A, Mode.CUT),),
            ["adopt", "revoke", "prove", "publish", "prove_dead", "retire"],
        ),
        (at_rest(secret=SecretView(current=None), memory=Memory()), (), ["prove", "publish"]),
        (at_rest(secret=SecretView(current=None, deleted=True), memory=Memory()), (), ["recover", "prove", "publish"]),
    ],
    ids=[
        "at rest",
        "due",
        "an order",
        "in the overlap",
        "a drain of the active value",
        "a drain of the standby",
        "a cut",
        "contain",
        "contain both",
        "after the kill",
        "due, with dependents",
        "a cut of a secret that was never tagged",
        "the secret is missing",
        "the secret is soft-deleted",
    ],
)
def test_a_runbook_shows_every_step_to_the_end(seen: Snapshot, cases: tuple[Incident, ...], expected: list[str]) -> None:
    lines = walk(seen, *cases)
    assert steps(lines) == expected
    assert isinstance(lines[-1].decision, Quiet)


def test_both_keys_cut_end_with_a_new_value_published() -> None:
    lines = walk(at_rest(), case(A, Mode.CUT), case(B, Mode.CUT))
    assert steps(lines) == ["revoke", "revoke", "prove", "publish", "prove_dead", "prove_dead", "retire"]


def test_the_first_line_is_what_would_be_done_now() -> None:
    for seen, cases in ((due(), ()), (at_rest(), (case(A, Mode.CUT),)), (overlap(), ())):
        lines = runbook(seen, credential(), cases, NOW)
        assert lines[0] == Forecast(decision=decide(seen, *cases), not_before=NOW)


def test_the_times_of_a_runbook_follow_the_policy() -> None:
    lines = walk(due(), of=credential(overlap=7 * HOUR))
    at = {line.decision.step.name: line.not_before for line in lines if isinstance(line.decision, Do)}
    assert at["publish"] == NOW
    assert at["revoke"] == at["retire"] == NOW + 7 * HOUR


def test_an_order_in_an_overlap_shows_the_whole_walk_after_it() -> None:
    lines = walk(overlap(memory=remember(order=Order(value=B))))
    assert steps(lines)[:3] == ["revoke", "prove", "publish"]
    first = next(line for line in lines if isinstance(line.decision, Do))
    assert first.not_before == NOW + 23 * HOUR


def test_a_runbook_stops_where_a_person_is_needed() -> None:
    foreign = walk(at_rest(secret=vault(untagged("v9"), holds=FOREIGN)))
    assert [line.decision.phase for line in foreign] == ["foreign"]
    blind = walk(due(account=account(kind="Strange", provable=False)))
    assert [line.decision.phase for line in blind] == ["unprovable"]
    for fact in ("slots", "secret"):
        lines = walk(due(**{fact: unseen(fact)}))
        assert [line.decision.phase for line in lines] == ["unseen"]


def test_a_runbook_stops_at_quiet_and_does_not_walk_on_to_the_next_cycle() -> None:
    lines = walk(at_rest(), of=credential(window=Window(opens="0 2 * * *", length=HOUR)))
    assert len(lines) == 1


def test_a_runbook_has_a_bound() -> None:
    """A dependent that nobody can see is waited for without end; the runbook ends all the same."""
    seen = overlap(25 * HOUR, dependents=(dependent("api", Adoption.UNSEEN),))
    lines = walk(seen)
    assert len(lines) == STEPS_MAX
    assert all(isinstance(line.decision, Wait) for line in lines)
    assert all(one.not_before < other.not_before for one, other in pairwise(lines))


# --- the world after one step ----------------------------------------------------------------------------------------------


def test_after_a_mint_the_slot_has_a_value_that_nobody_had() -> None:
    later, _ = after(due(), credential(), (), Mint(slot=KEY2, replaces=B), NOW)
    assert not isinstance(later.slots, Unseen)
    assert later.slots[KEY1] == A
    assert later.slots[KEY2] not in (A, B)
    assert later.memory.of(B).replaced_at == NOW
    assert later.memory.of(later.slots[KEY2]).minted_at == NOW


def test_two_mints_give_two_values() -> None:
    once, _ = after(due(), credential(), (), Mint(slot=KEY2, replaces=B), NOW)
    assert not isinstance(once.slots, Unseen)
    twice, _ = after(once, credential(), (), Revoke(slot=KEY2, fingerprint=once.slots[KEY2]), NOW)
    assert not isinstance(twice.slots, Unseen)
    assert len({A, B, once.slots[KEY2], twice.slots[KEY2]}) == 4


def test_after_a_publish_every_dependent_lags() -> None:
    later, _ = after(due(dependents=LAGS), credential(), (), Publish(slot=KEY2, fingerprint=B), NOW)
    assert [view.adoption for view in later.dependents] == [Adoption.STALE, Adoption.STALE]
    assert isinstance(later.secret, SecretView)
    assert later.secret.current is not None
    assert later.secret.current.fingerprint == B
    assert later.memory.of(B).published_at == NOW


def test_after_a_publish_in_a_drain_the_version_says_why() -> None:
    later, _ = after(at_rest(), credential(), (case(A),), Publish(slot=KEY2, fingerprint=B), NOW)
    assert isinstance(later.secret, SecretView)
    assert later.secret.current_version is not None
    assert later.secret.current_version.reason == "key_compromise"


def test_after_a_propagation_one_dependent_has_moved() -> None:
    seen = overlap(dependents=(dependent("api", Adoption.STALE), dependent("batch", Adoption.STALE)))
    later, _ = after(seen, credential(), (), Propagate(dependent="api", slot=KEY2, fingerprint=B, version="v2"), NOW)
    assert [view.adoption for view in later.dependents] == [Adoption.PROVEN, Adoption.STALE]


def test_after_local_auth_is_off_no_key_can_be_listed_and_the_case_has_had_it() -> None:
    later, cases = after(killed(), credential(), (revoked(A, Mode.CONTAIN),), SwitchOffLocalAuth(incident="inc-a"), NOW)
    assert isinstance(later.slots, Unseen)
    assert not getattr(later.account, "local_auth", True)
    assert cases[0].contained_at == NOW


def test_a_step_leaves_the_snapshot_it_started_from_alone() -> None:
    seen = due()
    before = repr(seen)
    runbook(seen, credential(), [], NOW)
    assert repr(seen) == before


def test_a_runbook_names_the_slot_of_every_key_it_touches() -> None:
    told = [slot_of(line.decision.step) for line in walk(due()) if isinstance(line.decision, Do)]
    assert told[:4] == [KEY2, KEY2, KEY2, KEY1]


def test_a_second_rotation_has_nothing_to_warn_of() -> None:
    both = remember(known(B, minted_at=NOW - 40 * DAY), known(A, minted_at=NOW - 31 * DAY))
    sentences = " ".join(line.decision.because for line in walk(due(memory=both)))
    assert "never empty" not in sentences


def test_what_was_replaced_a_moment_ago_is_forecast_once_it_can_be_seen() -> None:
    stale = at_rest(slots={KEY1: C, KEY2: B}, secret=vault(version("v1", A, DAY)), memory=remember(known(B, replaced_at=NOW - SECOND)))
    assert [line.decision.phase for line in walk(stale, revoked(A))] == ["unseen"]
    kill = walk(stale, revoked(A), case(C, left=SECOND))[1]
    assert isinstance(kill.decision, Do)
    assert (kill.decision.step.name, kill.not_before) == ("revoke", NOW + SECOND)


def test_a_drain_that_cannot_be_replaced_is_forecast_to_its_kill_and_to_what_stands_after_it() -> None:
    lines = walk(at_rest(account=account(kind="CustomVision.Training", provable=False)), case(A, left=MINUTE))
    assert isinstance(lines[0].decision, Wait)
    assert lines[0].decision.until == NOW + MINUTE
    assert isinstance(lines[1].decision, Do)
    assert (lines[1].decision.step.name, lines[1].not_before) == ("revoke", NOW + MINUTE)
    assert isinstance(lines[-1].decision, Wait)
    assert "unprovable: accept" in lines[-1].decision.because


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(Mode.DRAIN, ["mint", "prove", "revoke", "prove"]), (Mode.CUT, ["revoke", "prove"])],
)
def test_behind_a_firewall_nothing_is_proven_so_nothing_is_published_and_the_kill_comes_all_the_same(
    mode: Mode, expected: list[str]
) -> None:
    lines = runbook(at_rest(), credential(), [case(A, mode)], NOW, barred="403")
    told = steps(lines)
    assert [step for step in told if step != "prove_dead"] == expected
    last = lines[-1].decision
    assert isinstance(last, Wait)
    assert (last.phase, "403" in last.because) == ("proving", True)
    killed_at = next(line.not_before for line in lines if isinstance(line.decision, Do) and isinstance(line.decision.step, Revoke))
    assert killed_at == (NOW if mode is Mode.CUT else NOW + MINUTE)
    accepted = runbook(at_rest(), credential(unprovable=Unprovable.ACCEPT), [case(A, mode)], NOW, barred="403")
    assert "publish" in steps(accepted)
