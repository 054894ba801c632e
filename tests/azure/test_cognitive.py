"""Accounts and their two keys through ARM's SDK."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, create_autospec

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.core.polling import AsyncLROPoller
from azure.mgmt.cognitiveservices.models import Account, AccountProperties, ApiKeys

from rotator.core.credential import Slot
from rotator.core.faults import Ambiguous, Conflict, Denied, Missing, Rejected
from rotator.core.sealed import Sealed
from rotator.core.snapshot import AccountView
from rotator.issuers.cognitive import CognitiveServices
from tests.azure.conftest import answered

if TYPE_CHECKING:
    from rotator.azure import Azure
    from tests.azure.conftest import Factory

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-ai/providers/Microsoft.CognitiveServices/accounts/chat"
KEYS = ApiKeys(key1="first value", key2="second value")


async def test_the_client_is_made_for_the_cloud_and_sends_nothing_again(
    cognitive: CognitiveServices, management: Factory, accounts: Any
) -> None:
    accounts.list_keys.return_value = KEYS
    for _ in range(2):
        await cognitive.keys(ID)
    [((_, subscription), options)] = management.made
    assert subscription == SUBSCRIPTION
    assert options["base_url"] == "https://management.azure.com"
    assert options["credential_scopes"] == ["https://management.azure.com/.default"]
    assert (options["retry_total"], options["permit_redirects"], options["logging_enable"]) == (0, False, False)


@pytest.mark.parametrize("id_", [ID, ID + "/", ID.upper(), ID.replace("resourceGroups", "resourcegroups")])
async def test_an_account_is_named_by_its_resource_id_whatever_the_case(cognitive: CognitiveServices, accounts: Any, id_: str) -> None:
    accounts.list_keys.return_value = KEYS
    await cognitive.keys(id_)
    group, name = accounts.list_keys.await_args.args
    assert (group.lower(), name.lower()) == ("rg-ai", "chat")


@pytest.mark.parametrize("id_", ["", "chat", ID + "/projects/one", ID.replace("Microsoft.CognitiveServices", "Microsoft.Search")])
async def test_what_is_no_account_is_rejected_before_anything_is_asked(cognitive: CognitiveServices, management: Factory, id_: str) -> None:
    with pytest.raises(Rejected):
        await cognitive.keys(id_)
    assert management.made == []


@pytest.mark.parametrize(
    ("kind", "properties", "view"),
    [
        (
            "OpenAI",
            {"endpoint": "https://a/", "endpoints": {"one": "https://a", "two": "https://b/"}},
            AccountView(kind="OpenAI", endpoints=("https://a", "https://b"), local_auth=True, provable=True),
        ),
        (
            "Face",
            {"endpoint": "https://a/", "disableLocalAuth": True},
            AccountView(kind="Face", endpoints=("https://a",), local_auth=False, provable=True),
        ),
        (
            "openai",
            {"endpoint": "HTTPS://a/", "endpoints": {"plain": "http://b"}},
            AccountView(kind="openai", endpoints=("HTTPS://a",), local_auth=True, provable=True),
        ),
        ("Strange", {"disableLocalAuth": False}, AccountView(kind="Strange", endpoints=(), local_auth=True, provable=False)),
        (None, None, AccountView(kind="unknown", endpoints=(), local_auth=True, provable=False)),
    ],
)
async def test_an_account_as_it_is_seen(
    cognitive: CognitiveServices, accounts: Any, kind: str | None, properties: dict[str, Any] | None, view: AccountView
) -> None:
    accounts.get.return_value = Account.deserialize({"kind": kind, "properties": properties})
    assert await cognitive.account(ID) == view


async def test_keys_leave_the_room_sealed(cognitive: CognitiveServices, accounts: Any) -> None:
    accounts.list_keys.return_value = KEYS
    keys = await cognitive.keys(ID)
    assert keys == {Slot.KEY1: Sealed("first value"), Slot.KEY2: Sealed("second value")}
    assert "value" not in repr(keys)


@pytest.mark.parametrize("keys", [ApiKeys(), ApiKeys(key1="one"), ApiKeys(key1="one", key2="")])
async def test_keys_that_are_not_both_there_are_missing(cognitive: CognitiveServices, accounts: Any, keys: ApiKeys) -> None:
    accounts.list_keys.return_value = keys
    with pytest.raises(Missing):
        await cognitive.keys(ID)


@pytest.mark.parametrize(("slot", "name"), [(Slot.KEY1, "Key1"), (Slot.KEY2, "Key2")])
async def test_a_slot_is_regenerated_by_the_name_that_arm_has_for_it(
    cognitive: CognitiveServices, accounts: Any, slot: Slot, name: str
) -> None:
    accounts.regenerate_key.return_value = KEYS
    assert await cognitive.regenerate(ID, slot) == {Slot.KEY1: Sealed("first value"), Slot.KEY2: Sealed("second value")}
    accounts.regenerate_key.assert_awaited_once_with("rg-ai", "chat", name)


@pytest.mark.parametrize(
    ("error", "fault", "told"),
    [
        (answered(403, "AuthorizationFailed"), Denied, "regenerateKey/action"),
        (answered(503), Ambiguous, ""),
        (answered(409, "RequestConflict"), Conflict, ""),
        (answered(404, kind=ResourceNotFoundError), Missing, ""),
    ],
)
async def test_a_refused_regeneration_says_what_to_do(
    cognitive: CognitiveServices, accounts: Any, error: Exception, fault: type[Exception], told: str
) -> None:
    accounts.regenerate_key.side_effect = error
    with pytest.raises(fault) as caught:
        await cognitive.regenerate(ID, Slot.KEY1)
    assert told in getattr(caught.value, "remedy", "")
    assert "nobody may see" not in str(caught.value)
    accounts.regenerate_key.assert_awaited_once()


async def test_local_auth_is_switched_off_and_read_back(cognitive: CognitiveServices, accounts: Any) -> None:
    accounts.begin_update.return_value = _poller()
    accounts.get.return_value = Account(kind="OpenAI", properties=AccountProperties(disable_local_auth=True))
    await cognitive.switch_off_local_auth(ID)
    [call] = accounts.begin_update.await_args_list
    assert call.args[2].properties.disable_local_auth is True
    assert call.args[2].serialize() == {"properties": {"disableLocalAuth": True}}
    assert call.kwargs["polling_interval"] <= 5
    accounts.get.assert_awaited_once()


async def test_local_auth_that_is_on_again_is_a_conflict(cognitive: CognitiveServices, accounts: Any) -> None:
    accounts.begin_update.return_value = _poller()
    accounts.get.return_value = Account(kind="OpenAI", properties=AccountProperties(disable_local_auth=False))
    with pytest.raises(Conflict) as caught:
        await cognitive.switch_off_local_auth(ID)
    assert "Policy" in caught.value.remedy


async def test_a_patch_that_never_ends_is_ambiguous(azure: Azure, management: Factory, accounts: Any) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    cognitive = CognitiveServices(azure, management, local_auth_within_s=0.05)
    poller = _poller()
    poller.result.side_effect = never
    accounts.begin_update.return_value = poller
    with pytest.raises(Ambiguous):
        await cognitive.switch_off_local_auth(ID)


def _poller() -> Any:
    poller = create_autospec(AsyncLROPoller, instance=True)
    poller.result.return_value = Mock()
    return poller
