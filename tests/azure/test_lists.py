"""Lists of Azure's before mocked clients: pages, links that lead astray, and what a survey makes of odd answers."""

from collections.abc import Mapping
from typing import Any
from unittest.mock import create_autospec

import pytest

from rotator.azure import Azure, faults
from rotator.azure.arm import PAGES_MAX, ResourceManager
from rotator.core.faults import Denied, Fault, Rejected, Transient
from rotator.core.snapshot import Unseen
from rotator.key_vault import KeyVault
from rotator.survey.accounts import accounts_of, inventory, vaults_of
from rotator.survey.estate import Exposure
from rotator.survey.history import latest
from tests.azure.conftest import ago

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/chat"
BASE = "https://management.azure.com"


class Pages:
    """What `by_page()` gives: an iterator of iterators."""

    def __init__(self, *pages: list[Any]) -> None:
        self._pages = list(pages)

    def by_page(self) -> "Pages":
        return self

    def __aiter__(self) -> "Pages":
        return self

    async def __anext__(self) -> Any:
        if not self._pages:
            raise StopAsyncIteration
        page = self._pages.pop(0)

        async def items() -> Any:
            for item in page:
                yield item

        return items()


class Item:
    def __init__(self, name: str, **about: Any) -> None:
        said: dict[str, Any] = {
            "tags": None,
            "version": None,
            "created_on": ago(days=1),
            "enabled": True,
            "expires_on": None,
            "content_type": None,
        }
        self.__dict__.update({**said, "name": name, **about})


async def test_a_vaults_secrets_are_listed_without_their_values(vault: KeyVault, client: Any) -> None:
    client.list_properties_of_secrets.return_value = Pages(
        [Item("a", tags={"rotator-fingerprint": "f", "rotator-operation": "o"})], [Item("b", enabled=False)]
    )
    found = await vault.shelf("https://kv.vault.azure.net")
    assert [(secret.name, version.fingerprint, version.enabled) for secret, version in found] == [("a", "f", True), ("b", None, False)]
    assert client.get_secret.call_count == 0


# --- Resource Manager's lists -----------------------------------------------------------------------------------------------


class Answering(ResourceManager):
    """Single calls are answered by the test, the pages one after the other."""

    def __init__(self, azure: Azure, *pages: dict[str, Any]) -> None:
        super().__init__(azure)
        self._pages, self.asked = list(pages), list[Mapping[str, str]]()

    async def call(
        self, method: str, resource: str, api_version: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        self.asked.append(query or {})
        return self._pages.pop(0)


async def test_a_list_is_followed_through_its_pages(azure: Azure) -> None:
    link = f"{BASE}/subscriptions/s/locks?api-version=2020-05-01&$skiptoken=abc"
    arm = Answering(azure, {"value": [{"id": 1}], "nextLink": link}, {"value": [{"id": 2}, "odd"]})
    assert await arm.rows("/subscriptions/s/locks", "2020-05-01", {"$filter": "x"}) == [{"id": 1}, {"id": 2}]
    assert arm.asked == [{"$filter": "x"}, {"$skiptoken": "abc"}]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/subscriptions/s/locks?$skiptoken=a",
        f"{BASE}/subscriptions/other/locks",
        "http://management.azure.com/subscriptions/s/locks",
    ],
)
async def test_our_token_follows_no_link_elsewhere(azure: Azure, link: str) -> None:
    arm = Answering(azure, {"value": [], "nextLink": link}, {"value": []})
    with pytest.raises(Transient), faults("a list"):
        await arm.rows("/subscriptions/s/locks", "2020-05-01")
    assert len(arm.asked) == 1


@pytest.mark.parametrize("tokens", [["a", "a"], ["a", "b", "a"]])
async def test_a_list_that_leads_back_is_not_read_on(azure: Azure, tokens: list[str]) -> None:
    links = [f"{BASE}/subscriptions/s/locks?$skiptoken={token}" for token in tokens]
    arm = Answering(azure, *({"value": [{"id": 1}], "nextLink": link} for link in links))
    with pytest.raises(Rejected, match="the list repeats itself"), faults("a list"):
        await arm.rows("/subscriptions/s/locks", "2020-05-01")
    assert len(arm.asked) == len(tokens)


async def test_a_list_of_too_many_pages_is_not_given_out_for_a_whole_one(azure: Azure) -> None:
    arm = Answering(azure, *({"value": [], "nextLink": f"{BASE}/x?$skiptoken={number}"} for number in range(PAGES_MAX)))
    with pytest.raises(Rejected, match=r"more than 1,000 pages"):
        await arm.rows("/x", "v")


async def test_a_graph_that_repeats_itself_is_left_for_the_lists() -> None:
    arm = create_autospec(ResourceManager, instance=True)
    arm.call.return_value = {"data": [account_row()], "$skipToken": "the same"}
    arm.rows.side_effect = [[{"subscriptionId": "s"}], [account_row()], []]
    found = await inventory(arm)
    assert arm.call.await_count == 2
    assert ([one.name for one in found.accounts], found.unseen) == (["chat"], ())
    assert "the list repeats itself" in found.how


async def test_a_list_that_is_none_is_a_fault(azure: Azure) -> None:
    with pytest.raises(Fault), faults("a list"):
        await Answering(azure, {"value": None}).rows("/x", "v")


# --- the inventory ----------------------------------------------------------------------------------------------------------


def account_row(**properties: Any) -> dict[str, Any]:
    return {"id": ID, "type": "Microsoft.CognitiveServices/accounts", "kind": "OpenAI", "location": "westeurope", "properties": properties}


async def test_one_subscription_that_refuses_hides_no_other() -> None:
    arm = create_autospec(ResourceManager, instance=True)
    arm.call.side_effect = Denied("Resource Graph: 403")

    async def rows(resource: str, *_: Any, **__: Any) -> list[dict[str, Any]]:
        if resource == "/subscriptions":
            return [{"subscriptionId": "good"}, {"subscriptionId": "bad"}, {"subscriptionId": "gone", "state": "Deleted"}]
        if "/bad/" in resource:
            raise Denied("no", remedy="grant it")
        return [account_row()] if resource.endswith("/accounts") else []

    arm.rows.side_effect = rows
    found = await inventory(arm)
    assert [one.name for one in found.accounts] == ["chat"]
    assert [(one.what, one.remedy) for one in found.unseen] == [
        ("accounts of subscription bad", "grant it"),
        ("vaults of subscription bad", "grant it"),
    ]
    assert all(isinstance(one, Unseen) for one in found.unseen)
    assert "2 subscription(s)" in found.how


@pytest.mark.parametrize("id_", [ID.rsplit("/", 2)[0], "/subscriptions/s", "", None, "x" * 1000])
async def test_a_row_whose_id_is_odd_is_named_and_hides_no_other(id_: Any) -> None:
    arm = create_autospec(ResourceManager, instance=True)
    arm.call.return_value = {"data": [{**account_row(), "id": id_}, account_row(), {"type": "microsoft.keyvault/vaults", "id": id_}]}
    found = await inventory(arm)
    assert [one.id for one in found.accounts] == [ID]
    assert [one.because for one in found.unseen] == ["its id is not of the documented form"] * 2


@pytest.mark.parametrize(
    ("properties", "local_auth", "exposure"),
    [
        ({}, True, Exposure.OPEN),
        ({"disableLocalAuth": True, "publicNetworkAccess": "Disabled"}, False, Exposure.CLOSED),
        ({"disableLocalAuth": None, "networkAcls": {"defaultAction": "Deny"}}, True, Exposure.RESTRICTED),
        ({"disableLocalAuth": False, "networkAcls": None, "publicNetworkAccess": "enabled"}, True, Exposure.OPEN),
    ],
)
def test_what_an_account_does_not_say_is_what_azure_means_by_it(properties: dict[str, Any], local_auth: bool, exposure: Exposure) -> None:
    (one,) = accounts_of([account_row(**properties), {"id": "/subscriptions/s/x", "type": "other"}])
    assert (one.local_auth, one.exposure, one.group, one.subscription) == (local_auth, exposure, "rg", SUBSCRIPTION)


def test_a_vault_without_a_url_is_passed_over() -> None:
    row = {"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/kv", "type": "microsoft.keyvault/vaults"}
    assert vaults_of([row]) == ()
    (one,) = vaults_of([{**row, "properties": {"vaultUri": "https://kv.vault.azure.net/"}}])
    assert (one.url, one.rbac, one.recoverable) == ("https://kv.vault.azure.net", False, True)


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        ({}, True),
        ({"status": {"value": "Failed"}}, False),
        ({"status": {"value": "Started"}}, False),
        ({"operationName": {"value": "Microsoft.CognitiveServices/accounts/listKeys/action"}}, False),
        ({"operationName": "MICROSOFT.COGNITIVESERVICES/ACCOUNTS/REGENERATEKEY/ACTION"}, True),
        ({"eventTimestamp": "yesterday"}, False),
        ({"resourceId": f"{ID}/regenerateKey"}, True),
    ],
)
def test_which_events_tell_of_a_rotation(event: dict[str, Any], counts: bool) -> None:
    said = {
        "eventTimestamp": "2026-02-01T00:00:00.1234567Z",
        "operationName": {"value": "Microsoft.CognitiveServices/accounts/regenerateKey/action"},
        "status": {"value": "Succeeded"},
        "resourceId": ID,
    }
    assert set(latest([{**said, **event}])) == ({ID.lower()} if counts else set())


def test_the_last_of_several_rotations_counts() -> None:
    first, second = (
        {"eventTimestamp": f"2026-02-0{day}T00:00:00Z", "operationName": "Microsoft.CognitiveServices/accounts/regenerateKey/action"}
        for day in (3, 1)
    )
    found = latest([{**one, "status": "Succeeded", "resourceId": ID} for one in (first, second)])
    assert f"{found[ID.lower()]:%d}" == "03"
