"""Contain against the wire: one bad answer does not cost the kill, and both keys of an account die before it accepts none."""

import json
from pathlib import Path

import pytest

from rotator.core.sealed import fingerprint
from rotator.sandbox import SandboxThread
from tests.sandbox.conftest import Estate, build_estate


@pytest.mark.parametrize("fault", ["drop-before", "409", "429:3", "500-before"])
def test_one_bad_answer_does_not_cost_the_kill(estate: Estate, fault: str) -> None:
    account = estate.azure.account("chat-prod")
    leaked = account.keys["key1"]
    estate.azure.fault("RegenerateKey", fault, account="chat-prod")
    done = estate.run("revoke", "chat-prod", "--mode", "contain", "--yes", "--output", "json")
    (row,) = json.loads(done.stdout)
    assert (done.exit_code, row["outcome"]) == (0, "dead"), row
    assert leaked not in account.keys.values()
    assert account.disable_local_auth


def test_both_keys_are_killed_and_proven_dead_before_the_switch(estate: Estate) -> None:
    account = estate.azure.account("chat-prod")
    leaked = set(account.keys.values())
    asked = ("revoke", "chat-prod", "--slot", "both", "--mode", "contain", "--yes")
    planned = json.loads(estate.run(*asked, "--dry-run", "--output", "json").stdout)[0]
    assert [step["slot"] for step in planned["steps"] if step["step"] == "revoke"] == ["key1", "key2"]
    done = estate.run(*asked, "--output", "json")
    (row,) = json.loads(done.stdout)
    assert (done.exit_code, row["outcome"]) == (0, "dead"), row
    assert not leaked & set(account.keys.values())
    assert account.disable_local_auth


def test_a_kill_that_could_not_be_had_is_said_with_the_command_that_works(estate: Estate) -> None:
    account = estate.azure.account("chat-prod")
    leaked = account.keys["key1"]
    estate.azure.fault("RegenerateKey", "403", times=50, account="chat-prod")
    done = estate.run("revoke", "chat-prod", "--mode", "contain", "--yes")
    assert done.exit_code == 1
    assert account.disable_local_auth
    command = "rotator revoke chat-prod --slot key1 --mode cut"
    assert done.stderr.strip().endswith(command)
    estate.azure.clear_faults()
    estate.azure.change_account("chat-prod", disable_local_auth=False)
    again = estate.run(*command.split()[1:], "--yes")
    assert again.exit_code == 0, again.output
    assert leaked not in account.keys.values()


def test_what_the_gateway_still_accepted_at_the_switch_is_5_and_says_how_it_is_proven(tmp_path: Path) -> None:
    with SandboxThread(tmp_path, seed=11) as azure:
        estate = build_estate(azure, tmp_path, 1)
        azure.change_account("chat-prod", death_delay=3600)
        leaked = fingerprint(azure.account("chat-prod").keys["key1"])
        done = estate.run("revoke", "chat-prod", "--mode", "contain", "--yes")
        assert done.exit_code == 5
        assert f"switch local auth on, then: rotator revoke --fingerprint {leaked}" in done.stderr
        assert ": 403" in done.stderr
