"""Our own identity, before a mocked directory: what it says of our secret's end, and what a refusal means."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock, MagicMock, create_autospec

import aiohttp
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from rotator.azure import CLOUDS, Azure, SendOnceTransport, Tokens
from rotator.core.faults import Denied
from rotator.doctor import identity
from rotator.settings import parse

OWN = parse("identity: {client_secret: {tenant: t, client: app-1, secret: 'env:X'}}", "own.yaml")
NAMED = parse("identity: managed-identity", "named.yaml")


def token(**claims: str) -> AccessToken:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return AccessToken(f"e30.{body}.x", 0)


def azure(answer: int = 200, **said: Any) -> tuple[Azure, Any]:
    """A connection whose token says `oid`, and whose directory answers so."""
    source = MagicMock(get_token=AsyncMock(return_value=token(oid="me")))
    session = create_autospec(aiohttp.ClientSession, instance=True)
    response = create_autospec(aiohttp.ClientResponse, instance=True, status=answer)
    response.json.return_value = said
    session.get.return_value.__aenter__.return_value = response
    transport = create_autospec(SendOnceTransport, instance=True)
    return Azure(cloud=CLOUDS["public"], credential=Tokens(source), transport=transport, probes=session), session


def ending(days: int) -> dict[str, Any]:
    return {"passwordCredentials": [{"endDateTime": (datetime.now(UTC) + timedelta(days=days)).isoformat()}], "keyCredentials": []}


async def test_a_secret_that_ends_soon_is_said_with_the_command_that_adds_one() -> None:
    connection, session = azure(**ending(5))
    found, claims = await identity.check(connection, OWN)
    assert claims["oid"] == "me"
    assert [one.severity for one in found] == ["ok", "warning"]
    assert "az ad app credential reset --id app-1" in found[1].mend
    (url,) = session.get.call_args.args
    assert url.startswith("https://graph.microsoft.com/v1.0/applications(appId='app-1')")


async def test_a_directory_that_does_not_let_us_look_is_no_error() -> None:
    found, _ = await identity.check(azure(403)[0], OWN)
    assert [one.severity for one in found] == ["ok", "warning"]
    assert "cannot be told" in found[1].said


async def test_an_identity_without_a_secret_of_its_own_has_none_that_ends() -> None:
    connection, session = azure()
    found, _ = await identity.check(connection, NAMED)
    assert [one.severity for one in found] == ["ok"]
    session.get.assert_not_called()


@pytest.mark.parametrize(
    ("said", "because", "mend"),
    [
        ("AADSTS7000222: The provided client secret keys are expired.", "the client secret has expired", "az ad app credential reset"),
        ("AADSTS7000215: Invalid client secret", "the client secret is wrong", "az ad app credential reset"),
        ("AADSTS90002: Tenant not found", "no such tenant", "sign in"),
        ("AADSTS50034: odd", "AADSTS50034", "sign in"),
        ("no word of it", "not accepted", "sign in"),
    ],
)
async def test_a_refusal_of_entra_is_told_in_words(said: str, because: str, mend: str) -> None:
    connection, _ = azure()
    source = MagicMock(get_token=AsyncMock(side_effect=ClientAuthenticationError(message=said)))
    refused = Azure(cloud=connection.cloud, credential=Tokens(source), transport=connection.transport, probes=connection.probes)
    (one,), claims = await identity.check(refused, OWN)
    assert claims == {}
    assert one.severity == "error"
    assert because in one.said
    assert mend in one.mend


async def test_a_token_that_cannot_be_read_is_one_that_says_nothing() -> None:
    source = MagicMock(get_token=AsyncMock(return_value=AccessToken("opaque", 0)))
    assert await Tokens(source).claims("scope") == {}
    assert await Tokens(source).object_id("scope") == ""
    with pytest.raises(Denied):
        await Tokens(MagicMock(get_token=AsyncMock(side_effect=ClientAuthenticationError(message="x")))).claims("scope")
