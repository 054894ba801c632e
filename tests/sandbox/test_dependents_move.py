"""A rotation and a leak, with apps that live on the key behind platforms of many kinds: each moves, and no call of theirs fails."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.sandbox.conftest import Estate

NAME = "chat-prod"


def inhabit(estate: Estate) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Consumers of many kinds, a small app on each, and settings that name them. By the dependent, where its process holds the key."""
    azure, old = estate.azure, estate.azure.account(NAME).keys["key1"]
    url = estate.fleet[0]["secret"]
    reference = f"@Microsoft.KeyVault(SecretUri={url})"
    secure = {"type": "SecureString", "value": old}
    linked = {"type": "RestService", "typeProperties": {"authHeaders": {"api-key": secure}}}
    connection = {"authType": "ApiKey", "category": "AzureOpenAI", "target": "https://chat", "credentials": {"key": old}}
    container = {"name": "chat", "properties": {"environmentVariables": [{"name": "KEY", "secureValue": old}]}}
    group = {"location": "westeurope", "properties": {"osType": "Linux", "containers": [container]}}
    site = azure.add_consumer("site", "api", settings={"KEY": reference, "OTHER": "x"}).id
    slot = azure.add_consumer("site", "api/slots/staging", settings={"KEY": old, "OTHER": "x"}).id
    app = azure.add_consumer("container_app", "worker", secrets=[{"name": "key", "keyVaultUrl": url, "identity": "system"}]).id
    aci = azure.add_consumer("container_group", "batch", content=group).id
    named = azure.add_consumer("named_value", "key", properties={"secret": True, "keyVault": {"secretIdentifier": url}}).id
    foundry = azure.add_consumer("foundry_connection", "agent", properties=dict(connection)).id
    workspace = azure.add_consumer("workspace_connection", "ml", properties=dict(connection)).id
    rest = azure.add_consumer("linked_service", "rest", properties=linked).id
    places: dict[str, tuple[str, tuple[str, ...]]] = {
        "site": (site, ("KEY",)),
        "slot": (slot, ("KEY",)),
        "app": (app, ("key",)),
        "aci": (aci, ("KEY",)),
        "apim": (named, ()),
        "foundry": (foundry, ()),
        "ml": (workspace, ()),
        "adf": (rest, ("authHeaders", "api-key")),
    }
    dependents = [
        {"name": "site", "kind": "app-service", "site": site, "setting": "KEY"},
        {"name": "slot", "kind": "app-service", "site": slot, "setting": "KEY"},
        {"name": "app", "kind": "container-app", "app": app, "secret": "key"},
        {"name": "aci", "kind": "container-instance", "group": aci, "variable": "KEY"},
        {"name": "apim", "kind": "api-management", "service": named.split("/namedValues/")[0], "named_value": "key"},
        {"name": "foundry", "kind": "foundry-connection", "connection": foundry},
        {"name": "ml", "kind": "machine-learning-connection", "connection": workspace},
        {"name": "adf", "kind": "data-factory", "linked_service": rest, "property": "authHeaders.api-key"},
    ]
    settings = yaml.safe_load(estate.settings.read_text())
    settings["credentials"][0]["dependents"] = dependents
    settings["credentials"][0]["grace"] = "0s"
    estate.settings.write_text(yaml.safe_dump(settings))
    for name, (consumer, path) in places.items():
        azure.add_app(name, NAME, consumer, list(path))
    return places


def held(estate: Estate, places: dict[str, tuple[str, tuple[str, ...]]]) -> dict[str, Any]:
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
    time.sleep(0.2)
    apps = estate.azure.apps
    assert {app.name: app.failed for app in apps} == dict.fromkeys(places, 0)
    assert all(app.calls for app in apps)
    assert not any(key.value in result.output for key in estate.azure.keys_ever)


def test_status_says_of_each_dependent_what_was_seen(estate: Estate) -> None:
    places = inhabit(estate)
    assert estate.run("rotate", NAME, "--now", "--timeout", "60s").exit_code == 0
    result = estate.run("status", "--output", "json")
    (row,) = json.loads(result.stdout)
    found = {one["name"]: one["adoption"] for one in row["dependents"]}
    assert found == {name: "Claimed" if name in ("foundry", "adf") else "Proven" for name in places}
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
    time.sleep(0.2)
    assert not any(app.failed for app in estate.azure.apps)
