"""Kill -9 at every step, and the same command again: the same end, at most one mint more; also where the ledger is lost in between.

The call at which the process dies hangs: after its effect (the answer is lost), or before it.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.conftest import Estate

NAME = "chat-prod"
ROTATE = ("rotate", NAME, "--now")
CUT = ("revoke", NAME, "--mode", "cut", "--yes")
DRAIN = ("revoke", NAME, "--mode", "drain", "--yes")
FINISH = ("rotate", NAME)
"""No order: finish what was begun, or do what is due."""
STEPS = {
    ROTATE: {"adopt": ("UpdateSecret", 0), "mint": ("RegenerateKey", 0), "publish": ("SetSecret", 0), "revoke": ("RegenerateKey", 1),
             "bury": ("DataPlane", 5), "retire": ("UpdateSecret", 1)},
    CUT: {"adopt": ("UpdateSecret", 0), "revoke": ("RegenerateKey", 0), "publish": ("SetSecret", 0), "retire": ("UpdateSecret", 1)},
    DRAIN: {"mint": ("RegenerateKey", 0), "publish": ("SetSecret", 0), "revoke": ("RegenerateKey", 1), "retire": ("UpdateSecret", 1)},
}  # fmt: skip
"""Each command's steps: the call that a step is, and how many of its sort come before it."""
MINTS = {ROTATE: 2, CUT: 1, DRAIN: 2}
DIES_WITHIN_S = 30

READS = range(4, 50)
"""The how-manieth call of any sort, for the long run: most are looks, so the process dies between two steps."""


def _cases(*, long: bool) -> Iterator[Any]:
    for command, steps in STEPS.items():
        calls = {**steps, **({f"call-{number}": ("*", number) for number in READS} if long else {})}
        for step, (operation, earlier) in calls.items():
            for kind in ("hang", "hang-before") if long else ("hang",):
                yield pytest.param(command, operation, earlier, kind, id=f"{_title(command)}-{step}-{kind}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "command" in metafunc.fixturenames:
        cases = list(_cases(long=metafunc.config.getoption("--all-kills")))
        metafunc.parametrize(("command", "operation", "earlier", "kind"), cases)


def test_the_same_command_goes_on_after_a_kill(estate: Estate, command: tuple[str, ...], operation: str, earlier: int, kind: str) -> None:
    old = estate.azure.account(NAME).keys["key1"]
    estate.azure.fault(operation, kind, skip=earlier)
    _kill_at_the_fault(estate, command)
    result = estate.run(*command, "--output", "json")
    assert result.exit_code == 0, result.output
    estate.assert_at_rest(NAME, dead=old)
    estate.assert_no_call_came_twice(NAME)
    assert estate.mints(NAME) <= MINTS[command] + 1
    assert estate.run("audit", "verify").exit_code == 0
    if command is not ROTATE:
        assert estate.rows("SELECT state FROM incidents") == [("closed",)]
        assert estate.azure.secret("kv-1", f"{NAME}-key")[-1].tags["rotator-reason"] == "key_compromise"


@pytest.mark.parametrize(
    ("step", "again"), [("adopt", ROTATE), ("mint", ROTATE), ("publish", FINISH), ("revoke", FINISH), ("retire", FINISH)]
)
def test_a_rotation_goes_on_without_its_ledger(estate: Estate, step: str, again: tuple[str, ...]) -> None:
    """An order is lost with the ledger, so it is given again where nothing was published yet; after that there is nothing to order."""
    old = estate.azure.account(NAME).keys["key1"]
    operation, earlier = STEPS[ROTATE][step]
    estate.azure.fault(operation, "hang", skip=earlier)
    _kill_at_the_fault(estate, ROTATE)
    _lose_the_ledger(estate)
    result = estate.run(*again)
    assert result.exit_code == 0, result.output
    estate.assert_at_rest(NAME, dead=old)
    assert estate.mints(NAME) <= MINTS[ROTATE] + 1


@pytest.mark.parametrize("step", ["revoke", "publish", "retire"])
def test_a_cut_without_its_ledger_is_healed_by_a_rotation(estate: Estate, step: str) -> None:
    """What was leaked is known to nobody any more, but it is dead; the vault gets a live value again."""
    old = estate.azure.account(NAME).keys["key1"]
    operation, earlier = STEPS[CUT][step]
    estate.azure.fault(operation, "hang", skip=earlier)
    _kill_at_the_fault(estate, CUT)
    _lose_the_ledger(estate)
    result = estate.run(*FINISH)
    assert result.exit_code == 0, result.output
    estate.assert_at_rest(NAME, dead=old)
    assert estate.mints(NAME) <= MINTS[CUT] + 1


def test_a_rotation_killed_at_its_last_call_is_finished_and_not_begun_anew(estate: Estate) -> None:
    estate.azure.fault("UpdateSecret", "hang", skip=1)
    _kill_at_the_fault(estate, ROTATE)
    result = estate.run(*ROTATE, "--output", "json")
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)[0]
    assert row["outcome"] == "rotated"
    assert row["timings"]["published"], "the run before it published"
    assert [(step["step"], step["outcome"]) for step in row["steps"]] == [("retire", "done, as a look shows")]
    assert estate.mints(NAME) == MINTS[ROTATE]


def test_two_revocations_at_once_are_one(estate: Estate) -> None:
    estate.azure.fault("RegenerateKey", "latency:1")
    both = [estate.start(*CUT, "--output", "json") for _ in range(2)]
    told = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert estate.mints(NAME) == MINTS[CUT]


def test_two_rotations_at_once_are_one(estate: Estate) -> None:
    old = estate.azure.account(NAME).keys["key1"]
    estate.azure.fault("RegenerateKey", "latency:1")
    both = [estate.start(*ROTATE, "--output", "json") for _ in range(2)]
    told = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert sorted(json.loads(out)[0]["outcome"] for out, _ in told) == ["quiet", "rotated"]
    estate.assert_at_rest(NAME, dead=old)
    assert estate.mints(NAME) == MINTS[ROTATE]


def test_one_that_does_not_wait_says_who_holds_it(estate: Estate) -> None:
    estate.azure.fault("RegenerateKey", "hang", skip=0)
    first = estate.start(*ROTATE)
    _until_a_fault(estate, first)
    second = estate.run(*ROTATE, "--no-wait", "--output", "json")
    assert second.exit_code == 1
    row = json.loads(second.stdout)[0]
    assert row["outcome"] == "held"
    assert f":{first.pid}:" in row["because"]
    first.kill()
    first.communicate()
    assert estate.run(*ROTATE).exit_code == 0
    assert estate.mints(NAME) <= MINTS[ROTATE] + 1


def _title(command: tuple[str, ...]) -> str:
    return "rotate" if command is ROTATE else command[3]


def _kill_at_the_fault(estate: Estate, command: tuple[str, ...]) -> None:
    process = estate.start(*command)
    _until_a_fault(estate, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def _until_a_fault(estate: Estate, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + DIES_WITHIN_S
    while not any(entry.fault for entry in estate.azure.journal):
        assert process.poll() is None, f"it ended before the fault: {process.communicate()}"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _lose_the_ledger(estate: Estate) -> None:
    for path in estate.directory.glob("rotator.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
