"""A soak: three daemons on one PostgreSQL, an Azure where calls go wrong, kills at random.

`--soak SECONDS` says for how long, `--soak-seed` which kills.

At the end: nobody acted on a credential while another did, none is stranded, no dead key is what the vault gives out, the chain is whole.
"""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.sandbox import SandboxThread
from tests.postgres import Server
from tests.sandbox.conftest import Estate, build_estate
from tests.sandbox.test_serve import Served

DAEMONS = 3
ACCOUNTS = 4
WRONG = 0.05
"""The share of calls that go wrong, each in its own way."""
SETTLES_WITHIN_S = 240
KILLED_EVERY_S = (1.0, 4.0)


@pytest.fixture
def shared(tmp_path: Path, postgresql: Server) -> Iterator[Estate]:
    with SandboxThread(tmp_path, seed=41) as azure:
        made = build_estate(azure, tmp_path, ACCOUNTS, ask_every="1s", stop_within="5s", request_timeout="1.5s")
        document = yaml.safe_load(made.settings.read_text(encoding="utf-8"))
        document |= {"ledger": postgresql.database(), "web": {"port": 0}}
        document["limits"]["wave"] = {"stop_at": "100%"}
        for one in document["credentials"]:
            one["cryptoperiod"] = "5s"
        made.settings.write_text(yaml.safe_dump(document), encoding="utf-8")
        yield made


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As long as was asked for, and until all is quiet: an hour of it is no test that hangs."""
    if "soak_s" in metafunc.fixturenames:
        soak_s = metafunc.config.getoption("--soak")
        metafunc.parametrize("soak_s", [pytest.param(soak_s, marks=pytest.mark.timeout(soak_s + 2 * SETTLES_WITHIN_S))])


def test_daemons_that_are_killed_at_random_leave_nothing_undone(shared: Estate, request: pytest.FixtureRequest, soak_s: int) -> None:
    chance = random.Random(request.config.getoption("--soak-seed"))
    shared.azure.hostile(WRONG)
    daemons = [Served(shared) for _ in range(DAEMONS)]
    _until_all_serve(daemons)
    over = time.monotonic() + soak_s
    while time.monotonic() < over:
        time.sleep(chance.uniform(*KILLED_EVERY_S))
        _disturb(shared, chance)
        victim = chance.randrange(DAEMONS)
        os.kill(daemons[victim].process.pid, signal.SIGKILL)
        daemons[victim].process.wait(10)
        daemons[victim] = Served(shared)
    shared.azure.clear_faults()
    _until_all_serve(daemons)
    _calm_down(shared, daemons)
    for one in daemons:
        assert one.end() == 0
    events = _audit(shared)
    for name in shared.names:
        _assert_one_at_a_time(name, events)
        _assert_alive_and_alone(shared, name)
    assert shared.run("audit", "verify").exit_code == 0


def _until_all_serve(daemons: list[Served]) -> None:
    for one in daemons:
        one.until(lambda one=one: one.told("serving"), "service")  # type: ignore[misc]


def _disturb(estate: Estate, chance: random.Random) -> None:
    """Somebody in the portal, or nobody."""
    name = chance.choice(estate.names)
    if chance.random() < 0.4:
        estate.azure.regenerate(name, chance.choice(["key1", "key2"]))


def _calm_down(estate: Estate, daemons: list[Served]) -> None:
    """Long cryptoperiods from now on, and all of the fleet quiet by itself."""
    document = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    for one in document["credentials"]:
        one["cryptoperiod"] = "30d"
    estate.settings.write_text(yaml.safe_dump(document), encoding="utf-8")
    for one in daemons:
        one.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + SETTLES_WITHIN_S
    while True:
        result = estate.run("status", "--output", "json")
        rows = json.loads(result.stdout) if result.exit_code == 0 else []
        busy = {row["name"]: (row["phase"], row["because"]) for row in rows if row["phase"] != "quiet"}
        if rows and not busy:
            return
        assert time.monotonic() < deadline, f"stranded: {busy or result.output}"
        time.sleep(1)


def _audit(estate: Estate) -> list[dict[str, Any]]:
    return [json.loads(line) for line in estate.run("audit", "export").stdout.splitlines()]


def _assert_one_at_a_time(name: str, events: list[dict[str, Any]]) -> None:
    """Between an intent and its outcome no other worker intends anything, but where the first one was killed and never came to its end."""
    mine = [event for event in events if event["credential"] == name and event["event"] in ("intent", "outcome")]
    ended = {event["fields"]["operation"]: event["seq"] for event in mine if event["event"] == "outcome"}
    intents = [event for event in mine if event["event"] == "intent"]
    assert intents
    for one, other in pairwise(intents):
        same = one["fields"]["worker"] == other["fields"]["worker"]
        assert same or ended.get(one["fields"]["operation"], other["seq"]) <= other["seq"], f"{name}: two workers at once: {one} {other}"


def _assert_alive_and_alone(estate: Estate, name: str) -> None:
    """What the vault gives out is live, and every other version of ours is disabled or live."""
    account, versions = estate.azure.account(name), estate.azure.secret(estate._vault_of(name), f"{name}-key")
    now = datetime.now(UTC)
    assert all(account.accepts(versions[-1].value, gateway, now) for gateway in account.gateways), f"{name}: a dead key is current"
    dead = [one for one in versions[:-1] if one.value not in account.keys.values() and "rotator-account" in one.tags]
    assert all(not one.enabled for one in dead), f"{name}: a dead version is enabled"
