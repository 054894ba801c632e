"""`rotator rollback` against a sandbox: back within the overlap, and refused with a sentence otherwise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.sandbox.conftest import Estate

NAME = "chat-prod"


@pytest.fixture
def overlapping(estate: Estate) -> Estate:
    """A rotation was done, both values live, and an app of another vault has moved."""
    settings = yaml.safe_load(estate.settings.read_text())
    copy = f"{estate.azure.vault_url('kv-2')}/secrets/copy"
    estate.azure.set_secret("kv-2", "copy", estate.azure.account(NAME).keys["key1"])
    settings["defaults"]["overlap"] = "1h"
    settings["credentials"][0]["dependents"] = [{"kind": "key-vault", "name": "copy", "secret": copy}]
    estate.settings.write_text(yaml.safe_dump(settings))
    assert estate.run("rotate", NAME, "--now", "--no-wait").exit_code == 0
    return estate


def current(estate: Estate) -> str:
    value: str = estate.azure.secret("kv-1", f"{NAME}-key")[-1].value
    return value


def test_the_value_before_is_published_again_and_the_dependents_follow(overlapping: Estate) -> None:
    keys = dict(overlapping.azure.account(NAME).keys)
    assert current(overlapping) == keys["key2"]
    result = overlapping.run("rollback", NAME, "--yes", "--output", "json", "--timeout", "5s")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert row["outcome"] == "rolled_back"
    assert [step["step"] for step in row["steps"]] == ["prove", "publish", "propagate"]
    assert current(overlapping) == keys["key1"]
    assert overlapping.azure.secret("kv-2", "copy")[-1].value == keys["key1"]
    assert overlapping.azure.account(NAME).keys == keys
    said = [json.loads(fields) for (fields,) in overlapping.rows("SELECT fields FROM audit WHERE event = 'ordered'")]
    assert "back_to" in said[-1]
    overlapping.assert_no_call_came_twice(NAME)


def test_what_would_be_done_is_shown_first_and_without_a_yes_nothing_is(overlapping: Estate) -> None:
    before = current(overlapping)
    shown = overlapping.run("rollback", NAME, "--dry-run")
    assert shown.exit_code == 0
    assert "publish" in shown.stdout
    assert "back to" in shown.stdout
    assert shown.stdout.rstrip().endswith("lives 1 h more.")
    asked = overlapping.run("rollback", NAME)
    assert asked.exit_code == 3
    assert "add --yes" in asked.output
    assert current(overlapping) == before


def test_without_an_overlap_there_is_nothing_to_go_back_to(estate: Estate) -> None:
    assert estate.run("rotate", NAME, "--now").exit_code == 0
    result = estate.run("rollback", NAME, "--yes")
    assert result.exit_code == 3
    assert "Nothing was changed" in result.output


def test_a_value_that_leaked_is_not_gone_back_to(overlapping: Estate) -> None:
    assert overlapping.run("revoke", NAME, "--slot", "key1", "--mode", "cut", "--yes").exit_code == 0
    result = overlapping.run("rollback", NAME, "--yes")
    assert result.exit_code == 3
    assert "Nothing was changed" in result.output
