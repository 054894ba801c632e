"""Two daemons on one PostgreSQL: one that is killed amid a step is succeeded by the other, and a server that restarts stops neither."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.sandbox import SandboxThread
from tests.postgres import Server
from tests.sandbox.conftest import Estate
from tests.sandbox.test_serve import Served, change, short_lived


@pytest.fixture
def shared(tmp_path: Path, postgresql: Server) -> Iterator[Estate]:
    with SandboxThread(tmp_path, seed=29) as azure:
        made = short_lived(azure, tmp_path)
        change(made, ledger=postgresql.database())
        yield made


@pytest.fixture
def both(shared: Estate) -> Iterator[tuple[Served, Served]]:
    pair = Served(shared), Served(shared)
    for served in pair:
        served.until(lambda served=served: served.told("listening"), "listening")  # type: ignore[misc]
    yield pair
    for served in pair:
        if served.process.poll() is None:
            assert served.end() == 0


def test_a_daemon_that_is_killed_amid_a_step_is_succeeded_by_the_other(shared: Estate, both: tuple[Served, Served]) -> None:
    due = shared.names[0]
    shared.azure.fault("RegenerateKey", "hang:60")

    def hanging() -> Served | None:
        return next((one for one in both if len(one.told("step", step="mint")) > len(one.told("done", step="mint"))), None)

    victim = both[0].until(hanging, "a mint that hangs")
    other = both[1] if victim is both[0] else both[0]
    os.kill(victim.process.pid, signal.SIGKILL)
    other.until(lambda: other.told("reaped"), "takeover")
    other.until(lambda: other.told("done", credential=due, step="retire"), "rotation")
    assert other.told("settled", credential=due, step="mint"), "the lost answer was settled by looking"
    assert shared.run("audit", "verify").exit_code == 0


def test_a_database_that_restarts_stops_no_daemon(shared: Estate, both: tuple[Served, Served], postgresql: Server) -> None:
    due = shared.names[0]
    both[0].until(lambda: any(one.told("done", credential=due, step="publish") for one in both), "first rotation")
    postgresql.restart()
    for one in both:
        one.until(lambda one=one: one.told("locked_again"), "new lock")  # type: ignore[misc]
    before = [len(one.told("done", credential=due, step="publish")) for one in both]
    both[0].until(
        lambda: sum(len(one.told("done", credential=due, step="publish")) for one in both) > sum(before) + 1, "rotations after the restart"
    )
    assert shared.run("audit", "verify").exit_code == 0
