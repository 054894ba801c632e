"""`rotator revoke` beside cases that are not through: what is gone on with, what dies anew, and what is not done yet."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rotator.cli.sandbox import write_settings
from rotator.core.sealed import fingerprint
from rotator.sandbox import SandboxThread
from tests.test_cli import DONE, FAILED, REFUSED, UNPROVEN, USAGE, Estate

CUT = ("--mode", "cut", "--yes", "--no-wait")
NAMES = ["chat-prod", "agents"]


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Estate]:
    """Two accounts whose gateways accept a replaced key for long, so that no case is through soon."""
    with SandboxThread(tmp_path, seed=61) as azure:
        settings, _ = write_settings(tmp_path, azure, azure.furnish(len(NAMES)), overlap="0s")
        for name in NAMES:
            azure.change_account(name, death_delay=3600)
        yield Estate(azure, settings)


def buried(village: Estate) -> None:
    """Every gateway refuses what was replaced, now."""
    for key in village.azure.keys_ever:
        if key.deaths:
            key.deaths = dict.fromkeys(key.deaths, datetime.now(UTC))


def test_a_case_of_the_standby_key_spares_no_active_one(village: Estate) -> None:
    active = village.key("chat-prod")
    assert village.one("revoke", "chat-prod", "--slot", "key2", *CUT, code=UNPROVEN)["outcome"] == "unproven"
    fresh = village.key("chat-prod", "key2")
    row = village.one("revoke", "chat-prod", *CUT, code=UNPROVEN)
    assert [step["slot"] for step in row["steps"] if step["step"] == "revoke"] == ["key1"]
    assert active not in village.azure.account("chat-prod").keys.values()
    assert village.key("chat-prod", "key2") == fresh
    assert village.published("chat-prod") in village.azure.account("chat-prod").keys.values()

    once = dict(village.azure.account("chat-prod").keys)
    for _ in range(2):
        told = village.run("revoke", "chat-prod", *CUT)
        assert told.exit_code == UNPROVEN, told.output
        assert "Goes on with inc-" in told.output
    assert village.azure.account("chat-prod").keys == once, "the same command kills no key that replaced one"


@pytest.mark.parametrize("everything", [False, True], ids=["by name", "all of them"])
def test_both_means_both_beside_a_case_that_is_not_through(village: Estate, everything: bool) -> None:
    for name in NAMES:
        village.one("revoke", name, "--slot", "key2", *CUT, code=UNPROVEN)
    before = {name: dict(village.azure.account(name).keys) for name in NAMES}
    which = ("--all",) if everything else tuple(NAMES)
    told = village.run("revoke", *which, "--slot", "both", *CUT)
    assert told.exit_code == UNPROVEN, told.output
    assert "no case is about" in told.output or "No case is about this one yet: key1" in told.output
    for name in NAMES:
        assert before[name]["key1"] not in village.azure.account(name).keys.values()
        assert village.key(name, "key2") == before[name]["key2"], "what replaced the first one is not killed again"
    once = {name: dict(village.azure.account(name).keys) for name in NAMES}
    assert village.run("revoke", *which, "--slot", "both", *CUT).exit_code == UNPROVEN
    assert {name: dict(village.azure.account(name).keys) for name in NAMES} == once


def test_both_slots_of_all_is_another_order_than_all(village: Estate) -> None:
    """What is done for the one is not done for the other."""
    village.azure.change_account("agents", death_delay=0)
    village.run("revoke", "--all", *CUT)
    standby = village.key("agents", "key2")
    done = village.run("revoke", "--all", "--slot", "both", *CUT)
    assert done.exit_code == UNPROVEN, done.output
    assert standby not in village.azure.account("agents").keys.values()


def test_what_goes_on_with_a_case_is_named_so_that_it_kills_nothing_else(village: Estate) -> None:
    leaked = village.key("chat-prod", "key2")
    told = village.run("revoke", "chat-prod", "--slot", "key2", *CUT)
    assert f"rotator revoke --fingerprint {fingerprint(leaked)}" in told.stderr
    village.ledger("UPDATE keys SET probe_again_at = NULL")
    row = village.one("revoke", "chat-prod", "--slot", "key2", "--yes", "--no-wait", code=UNPROVEN)
    assert row["go_on"] == ["rotator revoke --leaked-key -"], "nobody holds it any more"
    told = village.run("revoke", "chat-prod", "--slot", "key2", "--yes", "--no-wait")
    assert "Ask again: rotator revoke --leaked-key -" in told.stderr
    assert "rotator revoke chat-prod" not in told.stderr
    buried(village)
    assert village.one("revoke", "--leaked-key", "-", "--yes", given=leaked)["outcome"] == "already_dead"


# --- dead, and not done -----------------------------------------------------------------------------------------------------


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Estate]:
    with SandboxThread(tmp_path, seed=62) as azure:
        settings, _ = write_settings(tmp_path, azure, azure.furnish(len(NAMES)), overlap="0s")
        yield Estate(azure, settings)


def test_dead_while_the_vault_gives_it_out_is_1_and_says_so(hamlet: Estate) -> None:
    hamlet.azure.fault("SetSecret", "500-before", times=1000, secret="chat-prod-key")
    command = ("revoke", "chat-prod", "--slot", "both", "--mode", "cut", "--yes", "--timeout", "3s")
    row = hamlet.one(*command, code=FAILED)
    assert (row["outcome"], row["dead"], row["unreplaced"]) == ("failed", True, True)
    assert row["timings"]["stable_401"]
    assert row["because"].startswith("the value is proven dead, but the vault still gives out a dead key")
    told = hamlet.run(*command)
    assert told.exit_code == FAILED
    assert "dead, but NOT replaced" in told.stderr
    assert "NOT revoked" not in told.stderr
    all_of_them = hamlet.run("revoke", "--all", "--mode", "cut", "--yes", "--timeout", "3s")
    assert "dead, but NOT replaced: the vault gives out a dead key: chat-prod." in all_of_them.stderr

    hamlet.azure.clear_faults()
    row = hamlet.one(*command)
    assert (row["outcome"], row["unreplaced"]) == ("dead", False)
    assert hamlet.published("chat-prod") in hamlet.azure.account("chat-prod").keys.values()


def test_whether_readers_have_a_dead_key_may_not_be_known_and_that_is_1(hamlet: Estate) -> None:
    hamlet.azure.fault("GetSecret", "500-before", times=1000, secret="chat-prod-key")
    row = hamlet.one("revoke", "chat-prod", "--slot", "key1", "--mode", "cut", "--yes", "--timeout", "3s", code=FAILED)
    assert (row["dead"], row["unreplaced"]) == (True, True)
    assert "cannot be told" in row["because"]


def test_a_command_that_does_not_wait_returns_though_nothing_can_be_published(hamlet: Estate) -> None:
    hamlet.azure.fault("SetSecret", "500-before", times=1000, secret="chat-prod-key")
    told = hamlet.run("revoke", "chat-prod", "--mode", "cut", "--yes", "--no-wait")
    assert told.exit_code == FAILED, told.output
    assert "Go on: rotator rotate chat-prod" in told.stderr


# --- a look that lags, a wall, an empty secret ------------------------------------------------------------------------------


def test_a_cut_right_after_a_rotation_whose_answer_is_lost_does_not_wait(hamlet: Estate) -> None:
    hamlet.one("rotate", "chat-prod", "--now")
    leaked = hamlet.published("chat-prod")
    hamlet.azure.fault("RegenerateKey", "503-after", times=1, account="chat-prod")
    row = hamlet.one("revoke", "chat-prod", "--mode", "cut", "--yes", "--timeout", "20s")
    assert row["outcome"] == "dead"
    assert hamlet.published("chat-prod") != leaked


def test_somebody_who_regenerates_both_right_after_a_rotation_holds_up_no_cut(hamlet: Estate) -> None:
    hamlet.one("rotate", "chat-prod", "--now")
    leaked = hamlet.published("chat-prod")
    for slot in ("key1", "key2"):
        hamlet.azure.regenerate("chat-prod", slot)
    row = hamlet.one("revoke", "chat-prod", "--mode", "cut", "--yes", "--timeout", "20s")
    assert row["outcome"] == "dead"
    assert hamlet.published("chat-prod") != leaked
    assert hamlet.published("chat-prod") in hamlet.azure.account("chat-prod").keys.values()


def test_behind_a_firewall_the_plan_says_that_nothing_can_be_published(hamlet: Estate) -> None:
    hamlet.azure.fault("DataPlane", "403", times=1000, account="chat-prod")
    told = hamlet.run("revoke", "chat-prod", "--dry-run")
    assert told.exit_code == DONE, told.output
    assert "NOTHING CAN BE PUBLISHED AFTER THE KILL" in told.output
    assert "cannot be moved first; killed at its deadline" in " ".join(told.output.split())
    row = hamlet.one("revoke", "chat-prod", "--mode", "cut", "--dry-run")
    assert "publish" not in [step["step"] for step in row["steps"]]
    assert hamlet.mutations() == []


def test_an_empty_secret_is_given_a_key_first_and_then_rotated(hamlet: Estate) -> None:
    first = dict(hamlet.azure.account("chat-prod").keys)
    hamlet.azure.delete_secret("kv-1", "chat-prod-key")
    row = hamlet.one("rotate", "chat-prod")
    assert (row["outcome"], [step["step"] for step in row["steps"]].count("mint")) == ("done", 0)
    assert hamlet.published("chat-prod") in first.values()
    hamlet.azure.delete_secret("kv-2", "agents-key")
    old = set(hamlet.azure.account("agents").keys.values())
    row = hamlet.one("rotate", "agents", "--now")
    assert row["outcome"] == "rotated"
    assert hamlet.published("agents") not in old


# --- what is said -----------------------------------------------------------------------------------------------------------


def test_a_value_that_was_forgotten_is_not_said_to_have_leaked(hamlet: Estate) -> None:
    told = hamlet.run("revoke", "--leaked-key", "--yes")
    assert told.exit_code == USAGE
    assert "has leaked now" not in told.stderr
    assert "rotator revoke --leaked-key -" in told.stderr


def test_what_accepts_no_key_is_never_due(hamlet: Estate) -> None:
    hamlet.one("revoke", "chat-prod", "--mode", "contain", "--yes")
    row = hamlet.one("status", "chat-prod")
    assert (row["due_at"], row["overdue"]) == (None, False)
    assert "due in" not in hamlet.run("status", "chat-prod").stdout


def test_waves_that_were_never_out_are_stopped_and_resumed_in_a_sentence(hamlet: Estate) -> None:
    told = hamlet.run("waves", "stop", "--reason", "release weekend")
    assert told.exit_code == DONE
    assert "Stopped by" in told.stdout
    assert "under way" not in told.stdout
    told = hamlet.run("waves", "resume")
    assert told.exit_code == DONE
    assert "under way" not in told.stdout
    assert json.loads(hamlet.run("waves", "show", "--output", "json").stdout)["stopped"] is None


def test_of_what_is_over_a_yes_has_nothing_to_do_and_a_no_comes_too_late(hamlet: Estate) -> None:
    hamlet.one("revoke", "chat-prod", "--mode", "cut", "--yes")
    (case,) = (row["incident"] for row in hamlet.json("incidents", "list", "--all"))
    assert hamlet.run("incidents", "approve", case, "--yes").exit_code == DONE
    assert hamlet.run("incidents", "dismiss", case, "--reason", "a mistake", "--yes").exit_code == REFUSED
    for verb in ("approve", "dismiss"):
        assert "exit code" in hamlet.run("incidents", verb, "--help").stdout
