"""What Resource Manager says over many resources: the graph, locks, permissions, the log; and that what is not granted is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError

from rotator.sandbox import Sandbox
from tests.sandbox.conftest import inner_code

if TYPE_CHECKING:
    from tests.sandbox.conftest import Clients

GRAPH = "/providers/Microsoft.ResourceGraph/resources"
ACCOUNTS = "resources | where type =~ 'microsoft.cognitiveservices/accounts' | project id, name | order by id asc"


async def ask(clients: Clients, path: str, method: str = "GET", *, version: str = "2022-10-01", json: Any = None, **query: str) -> Any:
    azure = clients.azure
    token = (await clients.credential.get_token(f"{azure.audience}/.default")).token
    url = path if path.startswith("https:") else f"{azure.resource_manager}{path}"
    wanted = {} if path.startswith("https:") else {"api-version": version, **query}
    async with clients.session.request(method, url, params=wanted, json=json, headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status, await answer.json()


async def every(clients: Clients, path: str, **query: str) -> list[Any]:
    rows: list[Any] = []
    link: str | None = path
    while link:
        status, page = await ask(clients, link, **(query if link == path else {}))
        assert status == 200
        rows += page["value"]
        link = page.get("nextLink")
    return rows


async def test_the_graph_answers_in_pages_and_shows_what_may_be_read(azure: Sandbox, clients: Clients) -> None:
    for number in range(4):
        azure.add_account(f"speech-{number}", kind="SpeechServices", group="rg-speech")
    options: dict[str, Any] = {"resultFormat": "objectArray"}
    names = []
    for _ in range(2):
        _, page = await ask(clients, GRAPH, "POST", json={"query": ACCOUNTS, "options": options})
        names += [row["name"] for row in page["data"]]
        options["$skipToken"] = page.get("$skipToken")
    assert len(names) == page["totalRecords"] == 5
    azure.dispossess()
    azure.grant(f"/subscriptions/{azure.subscription}/resourceGroups/rg-speech", ["*/read"])
    _, page = await ask(clients, GRAPH, "POST", json={"query": ACCOUNTS})
    assert page["totalRecords"] == 4


async def test_the_graph_may_be_denied_and_knows_few_words(azure: Sandbox, clients: Clients) -> None:
    status, said = await ask(clients, GRAPH, "POST", json={"query": "resources | summarize count()"})
    assert (status, said["error"]["code"]) == (400, "BadRequest")
    azure.deny_graph()
    status, said = await ask(clients, GRAPH, "POST", json={"query": ACCOUNTS})
    assert (status, said["error"]["code"]) == (403, "AuthorizationFailed")


async def test_what_is_not_granted_is_refused_by_both_planes(azure: Sandbox, clients: Clients) -> None:
    azure.set_secret("kv-1", "k", "v")
    azure.dispossess()
    azure.grant(azure.account("chat-prod").id, ["Microsoft.CognitiveServices/accounts/read"])
    assert await clients.management().accounts.get("rg-ai", "chat-prod")
    with pytest.raises(HttpResponseError) as caught:
        await clients.management(retry_total=0).accounts.list_keys("rg-ai", "chat-prod")
    assert caught.value.error is not None
    assert (caught.value.status_code, caught.value.error.code) == (403, "AuthorizationFailed")
    with pytest.raises(HttpResponseError) as caught:
        await clients.vault("kv-1").get_secret("k")
    assert inner_code(caught.value) == "ForbiddenByRbac"
    azure.grant(f"{azure.vault_id('kv-1')}/secrets/k", data_actions=["*/getSecret/action"])
    assert (await clients.vault("kv-1").get_secret("k")).value == "v"


async def test_a_firewall_of_a_vault_keeps_everybody_out(azure: Sandbox, clients: Clients) -> None:
    azure.change_vault("kv-1", firewall=True)
    with pytest.raises(HttpResponseError) as caught:
        await clients.vault("kv-1").get_secret("k")
    assert inner_code(caught.value) == "ForbiddenByFirewall"


async def test_permissions_are_those_of_the_place_and_above(azure: Sandbox, clients: Clients) -> None:
    account = azure.account("chat-prod").id
    azure.dispossess()
    azure.grant("/", ["Microsoft.Authorization/*/read"])
    azure.grant("/subscriptions/other", ["*"])
    azure.grant(account, ["*/read"], not_actions=["*/write"])
    rows = await every(clients, f"{account}/providers/Microsoft.Authorization/permissions")
    assert [row["actions"] for row in rows] == [["Microsoft.Authorization/*/read"], ["*/read"]]
    assert rows[1]["notActions"] == ["*/write"]


async def test_a_lock_on_a_group_holds_below_it(azure: Sandbox, clients: Clients) -> None:
    scope = f"/subscriptions/{azure.subscription}/resourceGroups/rg-ai"
    azure.lock(scope)
    rows = await every(clients, f"/subscriptions/{azure.subscription}/providers/Microsoft.Authorization/locks")
    assert [row["properties"]["level"] for row in rows] == ["ReadOnly"]
    assert await every(clients, f"{azure.account('chat-prod').id}/providers/Microsoft.Authorization/locks") == rows
    with pytest.raises(HttpResponseError) as caught:
        await clients.management(retry_total=0).accounts.list_keys("rg-ai", "chat-prod")
    assert caught.value.error is not None
    assert caught.value.error.code == "ScopeLocked"


async def test_the_log_knows_of_regenerations_and_not_of_which_key(azure: Sandbox, clients: Clients) -> None:
    path = f"/subscriptions/{azure.subscription}/providers/Microsoft.Insights/eventtypes/management/values"
    since = f"eventTimestamp ge '{azure.state.now() - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}'"
    assert await every(clients, path, **{"$filter": since}) == []
    for _ in range(4):
        azure.regenerate("chat-prod", "key1")
    rows = await every(clients, path, **{"$filter": since})
    assert len(rows) == 4
    assert all(row["resourceId"] == azure.account("chat-prod").id for row in rows)
    assert "key1" not in str(rows)
    assert (await ask(clients, path))[0] == 400


async def test_the_vaults_of_a_subscription_are_listed(azure: Sandbox, clients: Clients) -> None:
    rows = await every(clients, f"/subscriptions/{azure.subscription}/providers/Microsoft.KeyVault/vaults")
    assert [(row["id"], row["properties"]["vaultUri"]) for row in rows] == [(azure.vault_id("kv-1"), f"{azure.vault_url('kv-1')}/")]
