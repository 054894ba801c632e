"""What runs on keys in the sandbox: the traps of each platform, as the plain calls of Resource Manager meet them, and the small apps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from rotator.sandbox import Sandbox
    from tests.sandbox.conftest import Clients

VERSION = {"api-version": "2024-01-01"}


class Arm:
    """Plain calls with a token."""

    def __init__(self, azure: Sandbox, clients: Clients) -> None:
        self._azure, self._clients = azure, clients

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        token = (await self._clients.credential.get_token(f"{self._azure.audience}/.default")).token
        authorised = {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        url = self._azure.resource_manager + path
        async with self._clients.session.request(method, url, params=VERSION, json=body, headers=authorised) as answer:
            found = await answer.json() if answer.content_type == "application/json" else None
            return answer.status, found, answer.headers


@pytest.fixture
def arm(azure: Sandbox, clients: Clients) -> Arm:
    return Arm(azure, clients)


def secret(azure: Sandbox, value: str) -> str:
    azure.set_secret("kv-1", "key", value)
    return f"{azure.vault_url('kv-1')}/secrets/key"


async def test_settings_are_replaced_as_a_whole(azure: Sandbox, arm: Arm) -> None:
    site = azure.add_consumer("site", "api", settings={"A": "1", "B": "2"})
    await arm("PUT", f"{site.id}/config/appsettings", {"properties": {"A": "3"}})
    assert (await arm("POST", f"{site.id}/config/appsettings/list"))[1]["properties"] == {"A": "3"}
    assert (await arm("PUT", f"{site.id}/config/appsettings", {"properties": {"A": 3}}))[0] == 400


async def test_a_reference_is_cached_for_a_day_and_a_restart_changes_nothing(azure: Sandbox, arm: Arm) -> None:
    url = secret(azure, "one")
    site = azure.add_consumer("site", "api", settings={"A": f"@Microsoft.KeyVault(SecretUri={url})", "B": "plain"})
    references = f"{site.id}/config/configreferences/appsettings"
    assert azure.holds(site.id, "A") == "one"
    secret(azure, "two")
    assert (await arm("POST", f"{site.id}/restart"))[0] == 200
    assert azure.holds(site.id, "A") == "one"
    assert (await arm("POST", f"{references}/refresh"))[0] == 200
    assert azure.holds(site.id, "A") == "two"
    shown = (await arm("GET", f"{references}/A"))[1]["properties"]
    assert (shown["status"], shown["activeVersion"]) == ("Resolved", azure.secret("kv-1", "key")[-1].id)
    assert (await arm("GET", f"{references}/B"))[0] == 404
    secret(azure, "three")
    azure.pass_time(24 * 3600)
    assert azure.holds(site.id, "A") == "three"


async def test_a_reference_by_the_names_of_vault_and_secret(azure: Sandbox) -> None:
    secret(azure, "one")
    pinned = azure.secret("kv-1", "key")[-1].id
    text = f"@Microsoft.KeyVault(VaultName=kv-1;SecretName=key;SecretVersion={pinned})"
    site = azure.add_consumer("site", "api", settings={"A": text, "B": "@Microsoft.KeyVault(VaultName=nowhere;SecretName=key)"})
    secret(azure, "two")
    azure.pass_time(48 * 3600)
    assert azure.holds(site.id, "A") == "one"
    assert (azure.holds(site.id, "B"), site.cache["B"].status) == (None, "VaultNotFound")


async def test_secrets_of_a_container_app_are_an_array_that_replaces(azure: Sandbox, arm: Arm) -> None:
    app = azure.add_consumer("container_app", "worker", secrets=[{"name": "a", "value": "1"}, {"name": "b", "value": "2"}])
    change = {"properties": {"configuration": {"secrets": [{"name": "a", "value": "3"}]}}}
    assert (await arm("PATCH", app.id, change))[0] == 200
    assert (await arm("POST", f"{app.id}/listSecrets"))[1]["value"] == [{"name": "a", "value": "3"}]
    assert azure.holds(app.id, "a") == "1"
    await arm("POST", f"{app.id}/revisions/{app.revision}/restart")
    assert azure.holds(app.id, "a") == "3"
    assert "3" not in str((await arm("GET", app.id))[1]["properties"]["configuration"]["secrets"])
    without = {"properties": {"configuration": {"secrets": [{"name": "a"}]}}}
    assert (await arm("PATCH", app.id, without))[0] == 400
    assert (await arm("POST", f"{app.id}/revisions/app--r0/restart"))[0] == 400


async def test_a_container_app_that_is_being_updated_refuses_another_update(azure: Sandbox, arm: Arm) -> None:
    app = azure.add_consumer("container_app", "worker", secrets=[], takes_s=60)
    assert (await arm("PATCH", app.id, {"properties": {"configuration": {"secrets": []}}}))[0] == 409
    assert (await arm("GET", app.id))[1]["properties"]["provisioningState"] == "InProgress"
    azure.pass_time(60)
    assert (await arm("PATCH", app.id, {"properties": {}}))[0] == 200


async def test_a_group_forgets_a_secure_value_that_is_not_sent_again(azure: Sandbox, arm: Arm) -> None:
    variables = [{"name": "A", "secureValue": "1"}, {"name": "B", "secureValue": "2"}]
    content = {"location": "x", "properties": {"containers": [{"name": "c", "properties": {"environmentVariables": variables}}]}}
    group = azure.add_consumer("container_group", "batch", content=content)
    shown = (await arm("GET", group.id))[1]
    assert "secureValue" not in str(shown)
    shown["properties"]["containers"][0]["properties"]["environmentVariables"][0]["secureValue"] = "3"
    assert (await arm("PUT", group.id, shown))[0] == 200
    assert (azure.holds(group.id, "A"), azure.holds(group.id, "B")) == ("3", None)
    assert (await arm("PUT", group.id, {"location": "x"}))[0] == 400


async def test_a_named_value_wants_its_etag_and_hides_its_value(azure: Sandbox, arm: Arm) -> None:
    gate = azure.add_consumer("named_value", "key", properties={"displayName": "k", "secret": True, "value": "1"})
    _, shown, headers = await arm("GET", gate.id)
    assert "value" not in shown["properties"]
    change = {"properties": {"value": "2"}}
    assert (await arm("PATCH", gate.id, change))[0] == 400
    assert (await arm("PATCH", gate.id, change, If_Match='"99"'))[0] == 412
    assert (await arm("PATCH", gate.id, change, If_Match=headers["ETag"]))[0] == 200
    assert (await arm("PATCH", gate.id, change, If_Match=headers["ETag"]))[0] == 412
    assert (await arm("POST", f"{gate.id}/listValue"))[1] == {"value": "2"}
    assert (await arm("POST", f"{gate.id}/refreshSecret"))[0] == 400


async def test_a_connection_loses_what_is_not_sent_again(azure: Sandbox, arm: Arm) -> None:
    properties = {"authType": "ApiKey", "category": "AzureOpenAI", "target": "https://x", "credentials": {"key": "1"}}
    for noun, method in (("project_connection", "PATCH"), ("workspace_connection", "PUT")):
        made = azure.add_consumer(noun, "chat", properties=dict(properties))
        assert (await arm("GET", made.id))[1]["properties"]["credentials"] is None
        assert (await arm(method, made.id, {"properties": {"credentials": {"key": "2"}}}))[0] == 400
        await arm(method, made.id, {"properties": {"authType": "ApiKey", "category": "AzureOpenAI"}})
        assert "target" not in made.properties
        assert azure.holds(made.id) is None


async def test_a_linked_service_takes_a_mask_for_the_value(azure: Sandbox, arm: Arm) -> None:
    typed = {"key": {"type": "SecureString", "value": "1"}, "list": [{"type": "SecureString", "value": "2"}]}
    made = azure.add_consumer("linked_service", "search", properties={"type": "AzureSearch", "typeProperties": typed})
    _, shown, headers = await arm("GET", made.id)
    assert (await arm("PUT", made.id, {"properties": shown["properties"]}, If_Match='"old"'))[0] == 412
    assert (await arm("PUT", made.id, {"properties": shown["properties"]}, If_Match=headers["ETag"]))[0] == 200
    assert azure.holds(made.id, "key") == "**********"


async def test_what_is_not_there_is_404_and_an_unknown_noun_is_refused(azure: Sandbox, arm: Arm) -> None:
    status, body, _ = await arm("GET", f"/subscriptions/{azure.subscription}/resourceGroups/x/providers/Microsoft.App/jobs/none")
    assert (status, body["error"]["code"]) == (404, "ResourceNotFound")
    with pytest.raises(ValueError, match="no such consumer"):
        azure.add_consumer("toaster", "x")


async def test_an_app_calls_with_what_its_platform_gives_it_and_counts_its_failures(azure: Sandbox) -> None:
    account = azure.account("chat-prod")
    site = azure.add_consumer("site", "api", settings={"KEY": account.keys["key1"]})
    empty = azure.add_consumer("site", "idle", settings={})
    app = azure.add_app("chat", "chat-prod", site.id, ["KEY"])
    idle = azure.add_app("idle", "chat-prod", empty.id, ["KEY"])
    await _until(lambda: app.calls > 2)
    assert (app.failed, app.last_status, app.failed_for_s, idle.calls) == (0, 200, 0.0, 0)
    azure.regenerate("chat-prod", "key1")
    await _until(lambda: app.failed > 1)
    assert (app.last_status, app.failed_for_s > 0) == (401, True)
    with pytest.raises(ValueError, match="is there already"):
        azure.add_app("chat", "chat-prod", site.id, ["KEY"])


async def test_consumers_apps_and_time_are_at_the_control_port(azure: Sandbox) -> None:
    key = azure.account("chat-prod").keys["key1"]
    async with aiohttp.ClientSession(azure.control_url, raise_for_status=True) as control:
        made = await (await control.post("/consumers", json={"noun": "site", "name": "api", "settings": {"KEY": key}})).json()
        await control.post("/apps", json={"name": "chat", "account": "chat-prod", "consumer": made["id"], "path": ["KEY"]})
        await _until(lambda: azure.apps[0].calls > 0)
        text = await (await control.get("/apps")).text()
        assert '"failed": 0' in text
        assert key not in text
        placed = {"account": "chat-prod", "secret": secret(azure, key), "sorts": ["slot", "backend"]}
        assert [one["sort"] for one in await (await control.post("/inhabit", json=placed)).json()] == ["slot", "backend"]
        before = azure.state.now()
        await control.post("/time", json={"seconds": 86400})
        assert (azure.state.now() - before).total_seconds() >= 86400


async def test_a_token_is_as_good_after_time_was_moved(azure: Sandbox, arm: Arm) -> None:
    site = azure.add_consumer("site", "api", settings={})
    await arm("POST", f"{site.id}/config/appsettings/list")
    azure.pass_time(30 * 24 * 3600)
    assert (await arm("POST", f"{site.id}/config/appsettings/list"))[0] == 200


async def _until(holds: Any) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("never")
