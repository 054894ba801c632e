"""Faults are named for what to do next, and carry words of ours alone."""

from datetime import UTC, datetime

import pytest

from rotator.core.faults import Ambiguous, Conflict, Denied, Fault, LeaseLost, Missing, Rejected, Throttled, Transient

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PLAIN = [Transient, Denied, Missing, Conflict, Rejected, Ambiguous]


@pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: kind.__name__)
def test_a_fault_says_what_happened_and_what_to_do(kind: type[Fault]) -> None:
    fault = kind("listKeys: 403", remedy="grant it")
    assert (str(fault), fault.what, fault.remedy) == ("listKeys: 403", "listKeys: 403", "grant it")
    assert kind("listKeys: 403").remedy == ""


def test_a_throttle_says_when_to_come_back() -> None:
    fault = Throttled("429", until=NOW, remedy="slow down")
    assert (fault.until, fault.what, fault.remedy) == (NOW, "429", "slow down")


def test_no_fault_is_another_one() -> None:
    """A handler for one kind must not swallow the next: each is a Fault, and no kind is a kind of another."""
    kinds = [*PLAIN, Throttled]
    for kind in kinds:
        assert kind.__mro__[1] is Fault


def test_a_lost_lease_is_no_fault_of_the_outside() -> None:
    assert not issubclass(LeaseLost, Fault)
