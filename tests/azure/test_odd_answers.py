"""Answers that no document knows, through the real SDK clients: each is a fault; a change that may have happened is ambiguous."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock

import aiohttp
import pytest
from azure.core.credentials import AccessTokenInfo

from rotator.azure import CLOUDS, Azure, SendOnceTransport, Tokens
from rotator.core.credential import Secret, Slot
from rotator.core.faults import Ambiguous, Fault
from rotator.core.sealed import Sealed
from rotator.engine.ports import Edition
from rotator.issuers.cognitive import CognitiveServices
from rotator.key_vault import KeyVault

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
SECRET = Secret(vault="https://kv.vault.azure.net", name="n")
EDITION = Edition(text=Sealed("a value"), tags={}, expires=datetime(2030, 1, 1, tzinfo=UTC), content_type=None)

BODIES = (
    *("", "[]", "null", '"x"', "5", "{}", "<html>", "\xff{", "[" * 100_000),
    *(
        '{"key1":5,"key2":[]}',
        '{"properties":5}',
        '{"kind":5,"properties":{"endpoint":5,"endpoints":5}}',
        '{"properties":{"endpoints":["a"]}}',
    ),
    *('{"value":5}', '{"value":[5]}', '{"value":[{"id":5}]}', '{"value":[null]}', '{"value":[{}]}'),
    *('{"id":5,"value":"v"}', '{"id":"x","value":"v"}', '{"id":"https://[/x","value":"v"}'),
    *('{"nextLink":5,"value":[]}', '{"nextLink":"/x","value":[]}', '{"nextLink":"https://[","value":[]}'),
    '{"id":"https://kv/secrets/n/v","value":"v","attributes":5}',
    '{"id":"https://kv/secrets/n/v","value":"v","attributes":{"created":"soon"}}',
    '{"id":"https://kv/secrets/n/v","value":"v","tags":5}',
    '{"id":"https://kv/secrets/n/v","value":"v","tags":{"rotator-slot":5}}',
    *('{"error":5}', '{"error":{"code":5}}', '{"error":[]}'),
)
CALLS: dict[str, Callable[[CognitiveServices, KeyVault], Awaitable[Any]]] = {
    "account": lambda issuer, vault: issuer.account(ID),
    "keys": lambda issuer, vault: issuer.keys(ID),
    "regenerate": lambda issuer, vault: issuer.regenerate(ID, Slot.KEY1),
    "switch off local auth": lambda issuer, vault: issuer.switch_off_local_auth(ID),
    "look": lambda issuer, vault: vault.look(SECRET),
    "read": lambda issuer, vault: vault.read(SECRET, "v"),
    "publish": lambda issuer, vault: vault.publish(SECRET, EDITION),
    "tag": lambda issuer, vault: vault.tag(SECRET, "v", {}),
    "recover": lambda issuer, vault: vault.recover(SECRET),
}
CHANGES = ("regenerate", "publish", "tag")


def azure_that_says(status: int, body: str) -> tuple[Azure, list[str]]:
    """The real SDK clients, over a session that gives every request the same answer."""
    sent: list[str] = []

    async def request(method: str, url: str, **_: Any) -> Any:
        sent.append(method)
        content = AsyncMock(return_value=body.encode("latin-1"))
        return SimpleNamespace(status=status, headers={"Content-Type": "application/json"}, reason="because", read=content)

    session = Mock(spec=aiohttp.ClientSession, auto_decompress=False, request=request)
    credential = Mock(spec=Tokens, get_token_info=AsyncMock(return_value=AccessTokenInfo("not said", int(time.time()) + 3000)))
    return Azure(cloud=CLOUDS["public"], credential=credential, transport=SendOnceTransport(session), probes=session), sent


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [200, 409, 500])
async def test_an_answer_that_no_document_knows_is_a_fault(call: str, status: int) -> None:
    for body in BODIES:
        azure, sent = azure_that_says(status, body)
        fault = await _fault_of(CALLS[call](CognitiveServices(azure), KeyVault(azure)))
        if fault is None:
            assert status == 200, body
            continue
        assert "a value" not in f"{fault} {fault.remedy}"
        if call in CHANGES and status != 409 and any(method != "GET" for method in sent):
            assert isinstance(fault, Ambiguous), body


async def _fault_of(call: Awaitable[Any]) -> Fault | None:
    try:
        await call
    except Fault as fault:
        return fault
    return None
