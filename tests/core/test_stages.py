"""Whose turn it is: stages, the canary in a stage, pauses, grace; and everyone at once in an emergency."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from rotator.core.credential import Credential, Dependent, Reason
from rotator.core.incident import Incident
from rotator.core.rules.dependents import DELIVERIES_AT_ONCE
from rotator.core.snapshot import Adoption, DependentView, Kept, Snapshot
from rotator.core.step import Do, Propagate, Wait, label
from tests.core.situations import (
    DAY,
    HOUR,
    KEY1,
    KEY2,
    MINUTE,
    NOW,
    A,
    B,
    C,
    case,
    credential,
    decide,
    dependent,
    healed,
    hold_back,
    overlap,
    remember,
    vault,
    version,
)

PROVEN, CLAIMED, STALE, UNSEEN = Adoption.PROVEN, Adoption.CLAIMED, Adoption.STALE, Adoption.UNSEEN
PAUSE = 10 * MINUTE


def fleet(**policy: timedelta) -> Credential:
    """Two canaries' worth of order: `try` goes first in stage 1, `api` and `web` follow, `batch` is stage 2."""
    dependents = (
        Dependent(name="batch", kind="app-service", stage=2),
        Dependent(name="api", kind="app-service"),
        Dependent(name="web", kind="app-service"),
        Dependent(name="try", kind="app-service", canary=True),
    )
    return replace(credential(**{"pause": PAUSE, **policy}), dependents=dependents)


def views(canary: Adoption, api: Adoption = STALE, web: Adoption = STALE, batch: Adoption = STALE) -> tuple[DependentView, ...]:
    return tuple(dependent(name, adoption) for name, adoption in (("batch", batch), ("api", api), ("web", web), ("try", canary)))


def kept(name: str, adoption: Adoption, since: timedelta) -> Kept:
    return Kept(dependent=name, kind="app-service", adoption=adoption, version="v2", fingerprint=B, since=NOW - since)


def claimed(name: str, since: timedelta) -> dict[str, Kept]:
    return {name: kept(name, CLAIMED, since)}


def to(name: str) -> Propagate:
    return Propagate(dependent=name, slot=KEY2, fingerprint=B, version="v2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How the dependents are, and who is handed the value now."""

    when: str
    seen: Snapshot
    cases: tuple[Incident, ...] = ()
    to: tuple[str, ...]


ROWS = [
    Row(when="the canary has its turn alone", seen=overlap(dependents=views(STALE)), to=("try",)),
    Row(when="a canary that is Proven lets its stage go", seen=overlap(dependents=views(PROVEN)), to=("api", "web")),
    Row(when="a canary that cannot be seen holds its stage", seen=overlap(dependents=views(UNSEEN)), to=()),
    Row(
        when="a canary that claims holds its stage for its pause",
        seen=overlap(dependents=views(CLAIMED), memory=remember(adoptions=claimed("try", 9 * MINUTE))),
        to=(),
    ),
    Row(
        when="and then no longer",
        seen=overlap(dependents=views(CLAIMED), memory=remember(adoptions=claimed("try", 10 * MINUTE))),
        to=("api", "web"),
    ),
    Row(
        when="a claim about the version before counts from now",
        seen=overlap(dependents=views(CLAIMED), memory=remember(adoptions={"try": replace(kept("try", CLAIMED, HOUR), version="v1")})),
        to=(),
    ),
    Row(when="one that lags holds the next stage", seen=overlap(dependents=views(PROVEN, PROVEN)), to=("web",)),
    Row(when="a stage that has moved lets the next one go", seen=overlap(dependents=views(PROVEN, PROVEN, PROVEN)), to=("batch",)),
    Row(
        when="one that failed does not hold the others of its stage",
        seen=hold_back(overlap(dependents=views(PROVEN)), to("api")),
        to=("web",),
    ),
    Row(when="past grace nobody waits", seen=overlap(5 * HOUR, dependents=views(STALE)), to=("batch", "api", "web", "try")),
    Row(
        when="a leak is open: everyone at once",
        seen=overlap(dependents=views(STALE)),
        cases=(case(A),),
        to=("batch", "api", "web", "try"),
    ),
    Row(
        when="the vault alone says that it was published for a compromise, and the value before still lives: everyone at once",
        seen=overlap(
            secret=vault(version("v1", A, 31 * DAY), version("v2", B, MINUTE, reason=Reason.KEY_COMPROMISE)), dependents=views(STALE)
        ),
        to=("batch", "api", "web", "try"),
    ),
    Row(
        when="the value before is dead: everyone at once",
        seen=overlap(dependents=views(STALE), slots={KEY1: C, KEY2: B}),
        to=("batch", "api", "web", "try"),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.when)
def test_stages_say_who_is_handed_the_value_now(row: Row) -> None:
    decision = decide(row.seen, *row.cases, of=fleet())
    if not row.to:
        assert isinstance(decision, Wait), decision
        return
    assert isinstance(decision, Do)
    assert tuple(step.dependent for step in (decision.step, *decision.beside) if isinstance(step, Propagate)) == row.to
    assert all(name in decision.because for name in row.to)


def test_a_version_that_was_published_for_a_compromise_makes_no_stages() -> None:
    decision = decide(healed(dependents=views(STALE)), of=fleet())
    assert isinstance(decision, Do)
    assert decision.reason is Reason.KEY_COMPROMISE
    assert len(decision.beside) == 3


@pytest.mark.parametrize("reason", [Reason.KEY_COMPROMISE, Reason.SUSPECTED_COMPROMISE])
def test_a_version_that_says_compromise_makes_no_stages_though_no_case_is_known_and_the_value_before_lives(reason: Reason) -> None:
    told = vault(version("v1", A, 31 * DAY), version("v2", B, MINUTE, reason=reason))
    decision = decide(overlap(secret=told, dependents=views(STALE)), of=fleet())
    assert isinstance(decision, Do)
    assert len(decision.beside) == 3


def test_who_waits_is_told_for_whom_and_until_when() -> None:
    seen = overlap(dependents=views(CLAIMED), memory=remember(adoptions=claimed("try", 9 * MINUTE)))
    decision = decide(seen, of=fleet())
    assert isinstance(decision, Wait)
    assert (decision.phase, decision.until) == ("overlap", NOW + MINUTE)
    assert "wait for the canary of stage 1: try (Claimed)" in decision.because


def test_a_stage_that_cannot_be_seen_is_looked_at_again_soon() -> None:
    decision = decide(overlap(dependents=views(UNSEEN)), of=fleet())
    assert isinstance(decision, Wait)
    assert decision.until == NOW + timedelta(seconds=30)


def test_a_pause_ends_with_grace() -> None:
    seen = overlap(4 * HOUR - MINUTE, dependents=views(CLAIMED), memory=remember(adoptions=claimed("try", MINUTE)))
    decision = decide(seen, of=fleet())
    assert isinstance(decision, Wait)
    assert decision.until == NOW + MINUTE


def test_past_grace_a_person_is_told_who_lags_why_and_how_to_go_back() -> None:
    seen = hold_back(overlap(5 * HOUR, dependents=(dependent("api", STALE, because="runs on v1"),)), to("api"), lasts=HOUR)
    decision = decide(seen)
    assert isinstance(decision, Wait)
    assert decision.tell
    late = decide(replace(seen, dependents=(dependent("api", UNSEEN, because="403; grant it"),)))
    assert isinstance(late, Wait)
    assert "past grace api is Unseen (403; grant it; the service answered 500)" in late.because
    assert "rotator rollback chat" in late.because


def test_no_more_than_a_bounded_number_is_handed_the_value_at_once() -> None:
    many = tuple(dependent(f"app-{number}", STALE) for number in range(20))
    decision = decide(overlap(dependents=many))
    assert isinstance(decision, Do)
    assert 1 + len(decision.beside) == DELIVERIES_AT_ONCE
    assert len({label(step) for step in (decision.step, *decision.beside)}) == DELIVERIES_AT_ONCE


def handed(ago: timedelta, lags_for: timedelta) -> Snapshot:
    """The one dependent was handed the value so long ago, and lags for so long."""
    one = replace(kept("api", STALE, lags_for), delivered_at=NOW - ago)
    return overlap(dependents=(dependent("api", STALE),), memory=remember(adoptions={"api": one}))


@pytest.mark.parametrize(
    ("ago", "lags_for", "again"),
    [
        (timedelta(seconds=29), timedelta(seconds=29), False),
        (timedelta(seconds=30), timedelta(seconds=30), True),
        (timedelta(seconds=59), timedelta(seconds=119), False),
        (timedelta(seconds=60), timedelta(seconds=120), True),
        (timedelta(seconds=299), 2 * HOUR, False),
        (timedelta(seconds=300), 2 * HOUR, True),
    ],
    ids=str,
)
def test_one_that_takes_the_value_and_does_not_move_is_handed_it_ever_less_often(ago: timedelta, lags_for: timedelta, again: bool) -> None:
    """By what the ledger remembers, so by whichever process."""
    decision = decide(handed(ago, lags_for))
    assert isinstance(decision, Do) is again, decision


def test_in_an_emergency_it_is_handed_the_value_again_soon() -> None:
    assert isinstance(decide(handed(timedelta(seconds=31), 2 * HOUR), case(A, left=HOUR)), Do)
