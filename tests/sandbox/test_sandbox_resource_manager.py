"""Accounts and their keys through the management SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.cognitiveservices.models import Account, AccountProperties

from rotator.sandbox import Sandbox
from tests.sandbox.conftest import retry_after

if TYPE_CHECKING:
    from tests.sandbox.conftest import Clients


async def test_an_account_reads_as_azure_shows_it(azure: Sandbox, clients: Clients) -> None:
    account: Any = await clients.management().accounts.get("RG-AI", "CHAT-prod")
    assert account.id == azure.account("chat-prod").id
    assert account.type == "Microsoft.CognitiveServices/accounts"
    assert (account.kind, account.sku.name, account.properties.provisioning_state) == ("OpenAI", "S0", "Succeeded")
    assert len({url.split("/")[2] for url in account.properties.endpoints.values()}) == 2


async def test_both_lists_come_in_pages(azure: Sandbox, clients: Clients) -> None:
    for number in range(6):
        azure.add_account(f"speech-{number}", kind="SpeechServices", group="rg-speech")
    management = clients.management()
    assert len([account async for account in management.accounts.list()]) == 7
    assert len([a async for a in management.accounts.list_by_resource_group("RG-SPEECH")]) == 6
    assert sum(entry.operation == "ListAccounts" for entry in azure.journal) == 3 + 2


async def test_regenerating_changes_one_slot_and_each_call_mints(azure: Sandbox, clients: Clients) -> None:
    management = clients.management()
    before = await management.accounts.list_keys("rg-ai", "chat-prod")
    once = await management.accounts.regenerate_key("rg-ai", "chat-prod", "Key1")
    twice = await management.accounts.regenerate_key("rg-ai", "chat-prod", "key1")
    assert len({before.key1, once.key1, twice.key1}) == 3
    assert before.key2 == once.key2 == twice.key2
    assert azure.account("chat-prod").keys == {"key1": twice.key1, "key2": twice.key2}
    assert len(azure.keys_ever) == 4


async def test_a_key_name_that_is_none_is_refused(clients: Clients) -> None:
    with pytest.raises(HttpResponseError) as caught:
        await clients.management().accounts.regenerate_key("rg-ai", "chat-prod", "Key3")
    assert caught.value.status_code == 400


@pytest.mark.parametrize("status", [200, 202])
async def test_local_auth_is_switched_off_and_then_keys_are_not_listed(azure: Sandbox, clients: Clients, status: int) -> None:
    if status == 202:
        azure.slow_updates(takes_s=0.2)
    management = clients.management(polling_interval=0.05)
    patch = Account(properties=AccountProperties(disable_local_auth=True))
    poller = await management.accounts.begin_update("rg-ai", "chat-prod", patch)
    if status == 202:
        with pytest.raises(ResourceExistsError, match="RequestConflict"):
            await management.accounts.regenerate_key("rg-ai", "chat-prod", "Key1")
    account: Any = await poller.result()
    assert account.properties.disable_local_auth is True
    assert account.properties.provisioning_state == "Succeeded"
    with pytest.raises(HttpResponseError, match="disableLocalAuth is set to be true"):
        await management.accounts.list_keys("rg-ai", "chat-prod")


async def test_a_busy_account_conflicts(azure: Sandbox, clients: Clients) -> None:
    azure.change_account("chat-prod", provisioning_state="Moving")
    with pytest.raises(ResourceExistsError, match="RequestConflict"):
        await clients.management().accounts.regenerate_key("rg-ai", "chat-prod", "Key1")


async def test_a_read_only_lock_blocks_listing_keys_but_not_reading(azure: Sandbox, clients: Clients) -> None:
    azure.change_account("chat-prod", lock="ReadOnly")
    management = clients.management()
    assert (await management.accounts.get("rg-ai", "chat-prod")).name == "chat-prod"
    with pytest.raises(ResourceExistsError, match="ScopeLocked"):
        await management.accounts.list_keys("rg-ai", "chat-prod")


async def test_a_deleted_account_is_not_found_and_its_keys_are_dead(azure: Sandbox, clients: Clients) -> None:
    azure.change_account("chat-prod", deleted=True)
    with pytest.raises(ResourceNotFoundError, match="ResourceNotFound"):
        await clients.management().accounts.get("rg-ai", "chat-prod")
    assert all(key.died_at for key in azure.keys_ever)


async def test_writes_and_actions_drain_one_bucket_and_reads_another(azure: Sandbox, clients: Clients) -> None:
    azure.throttle(writes=2, writes_per_s=1)
    management = clients.management(retry_total=0)
    remaining = []
    for _ in range(2):
        await management.accounts.list_keys(
            "rg-ai",
            "chat-prod",
            raw_response_hook=lambda response: remaining.append(
                response.http_response.headers["x-ms-ratelimit-remaining-subscription-writes"]
            ),
        )
    with pytest.raises(HttpResponseError) as caught:
        await management.accounts.list_keys("rg-ai", "chat-prod")
    assert remaining == ["1", "0"]
    assert caught.value.status_code == 429
    assert retry_after(caught.value) == "1"
    assert "SubscriptionRequestsThrottled" in str(caught.value)
    assert (await management.accounts.get("rg-ai", "chat-prod")).name == "chat-prod"


async def test_a_request_without_a_version_or_a_token_is_told_so(azure: Sandbox, clients: Clients) -> None:
    url = f"{azure.resource_manager}{azure.account('chat-prod').id}"
    async with clients.session.get(f"{url}?api-version=2025-09-01") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (401, "AuthenticationFailed")
        assert "x-ms-request-id" in answer.headers
        assert "x-ms-correlation-request-id" in answer.headers
    token = await clients.credential.get_token(f"{azure.audience}/.default")
    async with clients.session.get(url, headers={"Authorization": f"Bearer {token.token}"}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "MissingApiVersionParameter")
