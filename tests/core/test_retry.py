"""After a fault: again at T, or give up. Every wait is bounded, and what a service asked for is honoured."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.faults import Ambiguous, Conflict, Denied, Fault, Missing, Rejected, Throttled, Transient
from rotator.core.retry import (
    EMERGENCY_WAIT,
    FAULTS_IN_A_ROW_MAX,
    FIRST_WAIT,
    LATE_EFFECT,
    LONGEST_THROTTLE,
    LONGEST_WAIT,
    Again,
    GiveUp,
    after,
    backoff,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PASSING = [Transient("it broke"), Conflict("it is busy"), Ambiguous("nobody knows")]
LASTING = [Denied("not allowed"), Missing("not there"), Rejected("not so")]
SECOND = timedelta(seconds=1)


def chance() -> random.Random:
    return random.Random(7)


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: type(fault).__name__)
def test_what_may_pass_is_tried_again_soon(fault: Fault) -> None:
    found = after(fault, 1, NOW, chance=chance())
    assert isinstance(found, Again)
    assert NOW < found.at <= NOW + 2 * SECOND
    assert found.because == fault.what


@pytest.mark.parametrize("fault", LASTING, ids=lambda fault: type(fault).__name__)
def test_what_a_person_must_change_is_tried_once_more_and_then_given_up(fault: Fault) -> None:
    assert isinstance(after(fault, 1, NOW, chance=chance()), Again)
    assert after(fault, 2, NOW, chance=chance()) == GiveUp(because=fault.what)


def test_a_fault_without_a_name_is_given_up() -> None:
    assert after(Fault("what is this"), 1, NOW, chance=chance()) == GiveUp(because="what is this")


@pytest.mark.parametrize(
    ("asked", "given"),
    [(7 * SECOND, 7 * SECOND), (-SECOND, FIRST_WAIT), (0 * SECOND, FIRST_WAIT), (timedelta(hours=9), LONGEST_THROTTLE)],
)
def test_a_throttle_is_waited_out_as_asked_within_bounds(asked: timedelta, given: timedelta) -> None:
    found = after(Throttled("429", until=NOW + asked), 1, NOW, chance=chance())
    assert found == Again(at=NOW + given, because="429")


def test_a_throttle_that_says_soon_again_and_again_is_asked_ever_less_often() -> None:
    """A service that is overrun says "in a second" each time: an emergency asks every ten, and not for ever every second."""
    found = after(Throttled("429", until=NOW + SECOND), 8, NOW, emergency=True, chance=chance())
    assert found == Again(at=NOW + EMERGENCY_WAIT, because="429")


def test_an_ambiguous_answer_is_left_alone_until_its_effect_may_have_come() -> None:
    found = after(Ambiguous("lost"), 1, NOW, chance=chance())
    assert isinstance(found, Again)
    assert found.at >= NOW + LATE_EFFECT


@pytest.mark.parametrize("fault", [*PASSING, Throttled("429", until=NOW + SECOND)], ids=lambda fault: type(fault).__name__)
def test_after_a_dozen_faults_in_a_row_it_is_given_up(fault: Fault) -> None:
    assert isinstance(after(fault, FAULTS_IN_A_ROW_MAX - 1, NOW, chance=chance()), Again)
    found = after(fault, FAULTS_IN_A_ROW_MAX, NOW, chance=chance())
    assert isinstance(found, GiveUp)
    assert "12 faults in a row" in found.because


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: type(fault).__name__)
def test_in_an_emergency_nothing_that_may_pass_is_given_up_or_waited_for_long(fault: Fault) -> None:
    for failures in (1, FAULTS_IN_A_ROW_MAX, 1000):
        found = after(fault, failures, NOW, emergency=True, chance=chance())
        assert isinstance(found, Again)
        assert found.at <= NOW + EMERGENCY_WAIT


@given(st.integers(-5, 10_000), st.integers())
def test_a_wait_doubles_within_bounds(failures: int, seed: int) -> None:
    wait = backoff(failures, random.Random(seed))
    floor = min(FIRST_WAIT * 0.75 * 2 ** min(max(failures - 1, 0), 10), LONGEST_WAIT)
    assert floor <= wait <= LONGEST_WAIT


def test_two_workers_do_not_come_back_at_the_same_moment() -> None:
    assert len({backoff(4, random.Random(seed)) for seed in range(20)}) > 15


def test_the_same_chance_gives_the_same_wait() -> None:
    assert backoff(4, random.Random(1)) == backoff(4, random.Random(1))
