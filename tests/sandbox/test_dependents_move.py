"""A rotation and a leak, with apps that live on the key behind platforms of many kinds: each moves, and no call of theirs fails."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.sandbox.conftest import Estate

NAME = "chat-prod"
REMEMBERED_S = 0.6
"""Gateways accept a replaced key a little longer, so that a call that was on its way does not count."""
CALLS_WITHIN_S = 30


def inhabit(estate: Estate) -> dict[str, tuple[str, list[str]]]:
    """Consumers of every sort with a small app on each, and settings that name them. By the dependent, where its process holds the key."""
    azure, url = estate.azure, estate.fleet[0]["secret"]
    azure.change_account(NAME, death_delay=REMEMBERED_S)
    placed = azure.inhabit(NAME, url)
    azure.set_secret("kv-1", "database", "of somebody else")
    aci = next(one["consumer"] for one in placed if one["sort"] == "container_group")
    containers = azure.consumer(aci).content["properties"]["containers"]
    containers[0]["properties"]["environmentVariables"].append({"name": "DATABASE", "secureValue": "of somebody else"})
    dependents = [{"name": one["sort"], **written(one["sort"], one["consumer"], azure.vault_url("kv-1"))} for one in placed]
    settings = yaml.safe_load(estate.settings.read_text())
    settings["credentials"][0] |= {"dependents": dependents, "grace": "0s"}
    estate.settings.write_text(yaml.safe_dump(settings))
    return {one["sort"]: (one["consumer"], one["path"]) for one in placed}


def written(sort: str, consumer: str, vault: str) -> dict[str, Any]:
    """A dependent as a person writes it."""
    apim = {"kind": "api-management", "service": consumer.split("/namedValues/")[0].split("/backends/")[0]}
    match sort:
        case "site" | "slot":
            return {"kind": "app-service", "site": consumer, "setting": "KEY"}
        case "container_app":
            return {"kind": "container-app", "app": consumer, "secret": "key"}
        case "container_group":
            secure = {"DATABASE": f"vault:{vault}/secrets/database"}
            return {"kind": "container-instance", "group": consumer, "variable": "KEY", "secure": secure}
        case "named_value":
            return {**apim, "named_value": consumer.rsplit("/", 1)[1]}
        case "backend":
            return {**apim, "backend": consumer.rsplit("/", 1)[1], "header": "api-key"}
        case "foundry_connection":
            return {"kind": "foundry-connection", "connection": consumer}
        case "workspace_connection":
            return {"kind": "machine-learning-connection", "connection": consumer}
        case _:
            return {"kind": "data-factory", "linked_service": consumer, "property": "authHeaders.api-key"}


def held(estate: Estate, places: Mapping[str, tuple[str, list[str]]]) -> dict[str, Any]:
    return {name: estate.azure.holds(consumer, *path) for name, (consumer, path) in places.items()}


@pytest.mark.parametrize("command", [("rotate", NAME, "--now"), ("revoke", NAME, "--mode", "drain", "--yes")], ids=["rotation", "drain"])
def test_every_dependent_moves_and_no_call_of_its_app_fails(estate: Estate, command: Sequence[str]) -> None:
    places = inhabit(estate)
    old = estate.azure.account(NAME).keys["key1"]
    assert set(held(estate, places).values()) == {old}
    result = estate.run(*command, "--output", "json", "--timeout", "60s")
    assert result.exit_code == 0, result.output
    estate.assert_at_rest(NAME, dead=old)
    new = estate.azure.secret("kv-1", f"{NAME}-key")[-1].value
    assert held(estate, places) == dict.fromkeys(places, new)
    _until_each_has_called_again(estate)
    apps = estate.azure.apps
    assert {app.name: app.failed for app in apps} == {f"{NAME}-{sort}": 0 for sort in places}
    assert all(app.calls for app in apps)
    assert estate.azure.holds(places["container_group"][0], "DATABASE") == "of somebody else"
    assert not any(key.value in result.output for key in estate.azure.keys_ever)


def test_status_says_of_each_dependent_what_was_seen(estate: Estate) -> None:
    places = inhabit(estate)
    assert estate.run("rotate", NAME, "--now", "--timeout", "60s").exit_code == 0
    result = estate.run("status", "--output", "json")
    (row,) = json.loads(result.stdout)
    found = {one["name"]: one["adoption"] for one in row["dependents"]}
    assert found == {name: "Claimed" if name in ("foundry_connection", "linked_service") else "Proven" for name in places}
    assert all(one["seen"] for one in row["dependents"])


def test_a_dependent_that_cannot_be_moved_keeps_its_key_alive_and_is_told(estate: Estate) -> None:
    places = inhabit(estate)
    old = estate.azure.account(NAME).keys["key1"]
    estate.azure.fault("RefreshReferences", "403", probability=1.0)
    result = estate.run("rotate", NAME, "--now", "--timeout", "3s")
    assert result.exit_code == 1
    assert "Microsoft.Web/sites/config/write" in " ".join(result.output.split()).replace(" ", "")
    after = held(estate, places)
    assert after["site"] == old
    assert {name for name, value in after.items() if value == old} == {"site"}
    _until_each_has_called_again(estate)
    assert not any(app.failed for app in estate.azure.apps)


def _until_each_has_called_again(estate: Estate) -> None:
    """Twice: the first of these calls may have begun before."""
    before = {app.name: app.calls for app in estate.azure.apps}
    deadline = time.monotonic() + CALLS_WITHIN_S
    while waiting := [app.name for app in estate.azure.apps if app.calls < before[app.name] + 2]:
        assert time.monotonic() < deadline, f"silent: {waiting}"
        time.sleep(0.02)
