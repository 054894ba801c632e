"""Tokens: who gets one, and what it is good for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ClientSecretCredential

from rotator.sandbox import Sandbox

if TYPE_CHECKING:
    from tests.sandbox.conftest import Clients


async def test_a_wrong_secret_is_an_invalid_client(azure: Sandbox, clients: Clients) -> None:
    credential = ClientSecretCredential(
        azure.tenant,
        azure.client,
        "not the secret",
        authority=azure.authority,
        disable_instance_discovery=True,
        transport=clients.transport,
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        await credential.get_token(f"{azure.audience}/.default")


async def test_a_token_for_the_vault_does_not_open_the_resource_manager(azure: Sandbox, clients: Clients) -> None:
    token = await clients.credential.get_token("https://vault.sandbox.invalid/.default")
    url = f"{azure.resource_manager}/subscriptions?api-version=2022-12-01"
    async with clients.session.get(url, headers={"Authorization": f"Bearer {token.token}"}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (401, "InvalidAuthenticationTokenAudience")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


async def test_a_token_ends(azure: Sandbox, clients: Clients) -> None:
    azure.state.sessions.token_lifetime_s = 0
    with pytest.raises(ClientAuthenticationError, match="ExpiredAuthenticationToken"):
        await clients.management().accounts.list_keys("rg-ai", "chat-prod")


async def test_an_unknown_audience_has_no_tokens(clients: Clients) -> None:
    with pytest.raises(ClientAuthenticationError, match="AADSTS500011"):
        await clients.credential.get_token("https://elsewhere.invalid/.default")


async def test_discovery_names_this_authority(azure: Sandbox, clients: Clients) -> None:
    for path in ("common/discovery/instance", f"{azure.tenant}/v2.0/.well-known/openid-configuration"):
        async with clients.session.get(f"{azure.authority}/{path}") as answer:
            assert answer.status == 200
            assert azure.authority in await answer.text()
