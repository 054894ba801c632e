"""`rotator drill`: a decoy's key is leaked on purpose, and no other one's; the time to dead is measured against a goal."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from rotator.cli.sandbox import write_settings
from rotator.sandbox import SandboxThread
from tests.sandbox.conftest import Estate
from tests.sandbox.test_serve import Served

DONE, FAILED, USAGE, REFUSED, NOTHING_MATCHED = 0, 1, 2, 3, 4
DECOY, REAL = "agents", "chat-prod"


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """Two accounts, the second of which is a decoy."""
    with SandboxThread(tmp_path, seed=71) as azure:
        fleet = azure.furnish(2)
        settings, _ = write_settings(tmp_path, azure, fleet, overlap="0s", drain_deadline="10s")
        made = Estate(azure=azure, directory=tmp_path, settings=settings, fleet=fleet)
        change(made, web={"port": 0}, limits={"stop_within": "2s"})
        change_decoy(made)
        yield made


def change(estate: Estate, **changes: Any) -> None:
    document = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    estate.settings.write_text(yaml.safe_dump({**document, **changes}), encoding="utf-8")


def change_decoy(estate: Estate) -> None:
    document = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    next(one for one in document["credentials"] if one["name"] == DECOY)["decoy"] = True
    estate.settings.write_text(yaml.safe_dump(document), encoding="utf-8")


def drill(estate: Estate, *arguments: str) -> Result:
    done = estate.run("drill", *arguments)
    assert not [key for key in estate.azure.keys_ever if key.value in done.output], "a key is told"
    return done


def test_the_daemon_kills_the_decoys_key_and_each_stage_has_its_time(estate: Estate) -> None:
    served = Served(estate)
    try:
        port = served.until(lambda: served.told("listening"), "listening")[0]["port"]
        old, real = estate.azure.account(DECOY).keys["key1"], dict(estate.azure.account(REAL).keys)
        done = drill(estate, DECOY, "--server", f"http://127.0.0.1:{port}", "--within", "60s", "--output", "json")
        assert done.exit_code == DONE, done.output
        told = json.loads(done.stdout)
        assert (told["outcome"], told["met"]) == ("dead", True)
        stages = {stage["stage"]: stage["after_seconds"] for stage in told["stages"]}
        assert None not in stages.values()
        assert stages["revoked"] <= stages["first 401"] <= stages["proven dead"] == told["seconds"]
        assert old not in estate.azure.account(DECOY).keys.values()
        assert estate.azure.account(REAL).keys == real, "a real key was touched"
        (case,) = json.loads(estate.run("incidents", "list", "--all", "--output", "json").stdout)
        assert (case["credential"], case["source"], "drill" in case["note"]) == (DECOY, "signed", True)

        missed = drill(estate, DECOY, "--server", f"http://127.0.0.1:{port}", "--within", "0s")
        assert missed.exit_code == FAILED, missed.output
        assert "MISSED" in missed.stdout
    finally:
        served.end()


def test_without_a_daemon_it_is_taken_and_acted_upon_here(estate: Estate) -> None:
    old = estate.azure.account(DECOY).keys["key1"]
    done = drill(estate, DECOY, "--local")
    assert done.exit_code == DONE, done.output
    assert "proven dead" in done.stdout
    assert "goal of 1 min is met" in done.stdout
    assert old not in estate.azure.account(DECOY).keys.values()
    assert estate.run("audit", "verify").exit_code == DONE


def test_what_is_no_decoy_is_refused_and_nothing_is_touched(estate: Estate) -> None:
    done = drill(estate, REAL, "--local")
    assert done.exit_code == REFUSED
    assert "decoy: true" in done.stderr
    done = drill(estate, "no-such", "--local")
    assert done.exit_code == NOTHING_MATCHED
    assert f"Decoys: {DECOY}" in done.stderr
    done = drill(estate, DECOY, "--server", "http://127.0.0.1:1")
    assert done.exit_code == FAILED
    assert "rotator serve" in done.stderr
    assert estate.mints(REAL) == estate.mints(DECOY) == 0


def test_a_guard_rail_holds_a_drill_like_any_alert(estate: Estate) -> None:
    change(estate, limits={"compromises_per_hour": 1})
    assert drill(estate, DECOY, "--local").exit_code == DONE
    held = drill(estate, DECOY, "--local")
    assert held.exit_code == REFUSED, held.output
    assert "rotator incidents approve" in held.stderr
