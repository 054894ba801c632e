"""Azure DevOps: objects that are written whole, without an ETag, and that give no secret back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.faults import Conflict, Denied, Missing, Rejected
from rotator.core.snapshot import Adoption
from tests.elsewhere.conftest import NAME, VAULT, dependent

if TYPE_CHECKING:
    from rotator.core.credential import Dependent
    from tests.elsewhere.conftest import Estate

KIND = "azure-devops"
CONNECTION = "6ac1f0bc-0000-4000-8000-3f6b9a7c2d11"
PROJECTS = [{"projectReference": {"id": "p", "name": "Chat"}, "name": "chat"}]


def group(estate: Estate, *, vault: str = "", linked_to: str = NAME, **variable: Any) -> tuple[Dependent, Any]:
    mine = {"value": "an old value", "isSecret": True} | variable
    variables = {"KEY": mine, "DATABASE": {"value": "of somebody else", "isSecret": True}, "REGION": {"value": "we"}}
    object_ = {"name": "chat", "type": "Vsts", "variables": variables, "variableGroupProjectReferences": PROJECTS}
    if vault:
        linked = {"isSecret": True, "value": None, "enabled": True}
        object_ |= {"type": "AzureKeyVault", "variables": {linked_to: linked}, "providerData": {"vault": "kv-1"}}
    made = estate.azure.add_consumer("library", "7", object=object_, vault=vault)
    return dependent(KIND, **where(estate), variable_group="chat", variable="KEY", token="env:DEVOPS_TOKEN"), made


def where(estate: Estate) -> dict[str, str]:
    return {"organisation": f"{estate.azure.url('azure_devops')}/contoso", "project": "Chat"}


async def test_one_variable_changes_and_its_neighbours_stay(estate: Estate) -> None:
    one, made = group(estate)
    new = estate.publish("a new value")
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    await estate.kind(KIND).deliver(one, new)
    variables = made.object["variables"]
    assert variables["KEY"] == {"value": "a new value", "isSecret": True}
    assert variables["DATABASE"] == {"value": "of somebody else", "isSecret": True}
    assert variables["REGION"] == {"value": "we"}
    assert variables["ROTATOR_FINGERPRINT_KEY"] == {"value": new.fingerprint, "isSecret": False}


async def test_a_claim_is_of_the_value_and_not_of_the_groups_last_change(estate: Estate) -> None:
    """`modifiedOn` moves whenever anybody changes anything; the fingerprint beside the secret does not."""
    one, made = group(estate)
    new = estate.publish("a new value")
    made.object["variables"]["REGION"]["value"] = "ne"
    made.modified_at = estate.azure.state.now()
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    await estate.kind(KIND).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.CLAIMED


async def test_a_group_that_is_linked_to_the_vault_needs_nothing(estate: Estate) -> None:
    one, made = group(estate, vault=estate.azure.vault_url(VAULT))
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    found = await estate.look(one, new)
    assert (found.adoption, "each run reads the vault" in found.because) == (Adoption.CLAIMED, True)
    assert estate.arrivals("PutVariableGroup") == 0
    assert estate.azure.holds(made.id, NAME) == "a new value"


async def test_a_group_that_is_linked_to_something_else_is_stale(estate: Estate) -> None:
    one, _ = group(estate, vault=estate.azure.vault_url(VAULT), linked_to="another")
    found = await estate.look(one, estate.publish("a new value"))
    assert (found.adoption, f"not to its secret {NAME}" in found.because) == (Adoption.STALE, True)


async def test_a_variable_that_everybody_can_read_is_not_given_a_key(estate: Estate) -> None:
    one, made = group(estate, isSecret=False)
    with pytest.raises(Rejected, match="everybody would see the key"):
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert made.object["variables"]["KEY"]["value"] == "an old value"


async def test_somebody_who_writes_before_us_loses_nothing(estate: Estate) -> None:
    one, made = group(estate)

    def theirs() -> None:
        made.object["variables"]["REGION"]["value"] = "theirs"

    estate.azure.meanwhile("GetVariableGroup", theirs)
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    assert made.object["variables"]["REGION"]["value"] == "theirs"
    assert (await estate.look(one, new)).adoption is Adoption.CLAIMED
    assert estate.arrivals("PutVariableGroup") == 1


async def test_somebody_who_writes_over_us_is_found_and_it_is_done_again(estate: Estate) -> None:
    one, made = group(estate)
    before = made.shown()
    estate.azure.meanwhile("PutVariableGroup", lambda: made.replace({**before, "description": "theirs"}, estate.azure.state.now()))
    new = estate.publish("a new value")
    with pytest.raises(Conflict):
        await estate.kind(KIND).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    await estate.kind(KIND).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.CLAIMED
    assert (made.object["description"], made.object["variables"]["KEY"]["value"]) == ("theirs", "a new value")


async def test_a_token_that_is_not_known_gets_a_page_and_that_is_denied(estate: Estate) -> None:
    one, _ = group(estate)
    estate.azure.elsewhere.devops.token = "another"
    with pytest.raises(Denied) as refused:
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert "Library: Administrator of the variable group" in refused.value.remedy


@pytest.mark.parametrize("named", ["chat-typo", 8])
async def test_a_group_that_is_not_there_is_missing(estate: Estate, named: str | int) -> None:
    group(estate)
    one = dependent(KIND, **where(estate), variable_group=named, variable="KEY")
    assert (await estate.look(one, estate.publish("a new value"))).adoption is Adoption.UNSEEN
    with pytest.raises(Missing):
        await estate.kind(KIND).deliver(one, estate.publish("another value"))


async def test_a_connection_keeps_its_other_secrets_and_says_in_its_description_what_was_written(estate: Estate) -> None:
    parameters = {"username": "chat", "apitoken": "an old value", "certificate": "of somebody else"}
    object_ = {
        "name": "chat",
        "type": "generic",
        "description": "For the chat.",
        "authorization": {"scheme": "Token", "parameters": parameters},
        "serviceEndpointProjectReferences": PROJECTS,
    }
    made = estate.azure.add_consumer("library", CONNECTION, object=object_)
    one = dependent(KIND, **where(estate), connection=CONNECTION, parameter="apitoken")
    for value in ("a new value", "a newer value"):
        new = estate.publish(value)
        await estate.kind(KIND).deliver(one, new)
        assert (await estate.look(one, new)).adoption is Adoption.CLAIMED
        assert made.object["authorization"]["parameters"] == {**parameters, "apitoken": value}
        assert made.object["description"] == f"For the chat. [rotator-fingerprint: {new.fingerprint}]"


async def test_two_of_ours_in_one_group_do_not_undo_each_other(estate: Estate) -> None:
    one, made = group(estate)
    other = dependent(KIND, **where(estate), variable_group="chat", variable="DATABASE", token="env:DEVOPS_TOKEN")
    new, kind = estate.publish("a new value"), estate.kind(KIND)
    await asyncio.gather(kind.deliver(one, new), kind.deliver(other, new))
    assert {made.object["variables"][name]["value"] for name in ("KEY", "DATABASE")} == {"a new value"}
    assert estate.arrivals("PutVariableGroup") == 2
