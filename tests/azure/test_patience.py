"""Who looks over everything waits for what passes, and for nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from rotator.azure.patience import ATTEMPTS, LONGEST_PAUSE, SHORTEST_PAUSE, patiently
from rotator.core.faults import Denied, Fault, Missing, Rejected, Throttled, Transient


class Service:
    """Fails with each of these in turn, then answers; and somebody who waits, and says for how long."""

    def __init__(self, *faults: Fault) -> None:
        self._faults = list(faults)
        self.calls = 0
        self.pauses: list[float] = []

    async def ask(self) -> str:
        self.calls += 1
        if self._faults:
            raise self._faults.pop(0)
        return "told"

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


async def test_what_fails_in_passing_is_asked_again() -> None:
    service = Service(*[Transient("500")] * (ATTEMPTS - 1))
    assert await patiently(service.ask, service.pause) == "told"
    assert service.pauses == [SHORTEST_PAUSE.total_seconds()] * (ATTEMPTS - 1)


async def test_a_service_that_goes_on_failing_is_given_up() -> None:
    service = Service(*[Transient("500")] * ATTEMPTS)
    with pytest.raises(Transient):
        await patiently(service.ask, service.pause)
    assert service.calls == ATTEMPTS


@pytest.mark.parametrize("length", [timedelta(seconds=7), timedelta(days=1), timedelta(seconds=-5)])
async def test_a_service_that_asks_for_patience_gets_it_within_bounds(length: timedelta) -> None:
    service = Service(Throttled("429", until=datetime.now(UTC) + length))
    assert await patiently(service.ask, service.pause) == "told"
    (pause,) = service.pauses
    assert SHORTEST_PAUSE.total_seconds() <= pause <= min(max(length, SHORTEST_PAUSE), LONGEST_PAUSE).total_seconds()


@pytest.mark.parametrize("fault", [Denied("403"), Missing("404"), Rejected("400"), Transient("TLS", remedy="name its CA")])
async def test_what_no_waiting_mends_is_said_at_once(fault: Fault) -> None:
    service = Service(fault)
    with pytest.raises(type(fault)):
        await patiently(service.ask, service.pause)
    assert (service.calls, service.pauses) == (1, [])
