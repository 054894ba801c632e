"""Answers that no document knows, through the real SDK clients: each is a fault; a change that may have happened is ambiguous."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from rotator.core.credential import Secret, Slot
from rotator.core.faults import Ambiguous, Fault
from rotator.core.sealed import Sealed
from rotator.engine.ports import Edition
from rotator.issuers.cognitive import CognitiveServices
from rotator.key_vault import KeyVault
from tests.azure.odd import OddAzure, odd_azure

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
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
CALLS: dict[str, Callable[[CognitiveServices, KeyVault, Secret], Awaitable[Any]]] = {
    "account": lambda issuer, vault, secret: issuer.account(ID),
    "keys": lambda issuer, vault, secret: issuer.keys(ID),
    "regenerate": lambda issuer, vault, secret: issuer.regenerate(ID, Slot.KEY1),
    "switch off local auth": lambda issuer, vault, secret: issuer.switch_off_local_auth(ID),
    "look": lambda issuer, vault, secret: vault.look(secret),
    "read": lambda issuer, vault, secret: vault.read(secret, "v"),
    "publish": lambda issuer, vault, secret: vault.publish(secret, EDITION),
    "tag": lambda issuer, vault, secret: vault.tag(secret, "v", {}),
    "recover": lambda issuer, vault, secret: vault.recover(secret),
}
CHANGES = ("regenerate", "publish", "tag")


@pytest_asyncio.fixture
async def odd() -> AsyncIterator[OddAzure]:
    async with odd_azure() as opened:
        yield opened


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [200, 409, 500])
async def test_an_answer_that_no_document_knows_is_a_fault(odd: OddAzure, call: str, status: int) -> None:
    for body in BODIES:
        odd.status, odd.body = status, body
        odd.sent.clear()
        fault = await _fault_of(CALLS[call](CognitiveServices(odd.azure), KeyVault(odd.azure), Secret(vault=odd.url, name="n")))
        assert odd.sent, body
        if fault is None:
            assert status == 200, body
            continue
        assert "a value" not in f"{fault} {fault.remedy}"
        if call in CHANGES and status != 409 and any(method != "GET" for method in odd.sent):
            assert isinstance(fault, Ambiguous), body


async def _fault_of(call: Awaitable[Any]) -> Fault | None:
    try:
        await call
    except Fault as fault:
        return fault
    return None
