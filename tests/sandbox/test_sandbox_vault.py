"""Secrets and their versions through the Key Vault SDK."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError

from rotator.sandbox import Sandbox
from tests.sandbox.conftest import inner_code, retry_after

if TYPE_CHECKING:
    from tests.sandbox.conftest import Clients


async def test_a_set_is_one_version_with_all_that_was_said(azure: Sandbox, clients: Clients) -> None:
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    made = await clients.vault("kv-1").set_secret("n", "v", tags={"a": "b"}, content_type="text/plain", expires_on=expires)
    read: Any = await clients.vault("kv-1").get_secret("N")
    assert (read.value, read.properties.tags, read.properties.expires_on) == ("v", {"a": "b"}, expires)
    assert (read.properties.version, read.properties.content_type) == (made.properties.version, "text/plain")
    assert read.properties.created_on.microsecond == 0
    assert [version.value for version in azure.secret("kv-1", "n")] == ["v"]


async def test_the_challenge_asks_for_no_body_and_uses_up_no_fault(azure: Sandbox, clients: Clients) -> None:
    azure.fault("SetSecret", "409")
    with pytest.raises(ResourceExistsError):
        await clients.vault("kv-1").set_secret("n", "v")
    sets = [entry for entry in azure.journal if entry.operation == "SetSecret"]
    assert [(entry.status, entry.authorized, entry.fault) for entry in sets] == [(401, False, None), (409, True, "409")]


async def test_versions_are_listed_by_id_in_pages_and_without_values(azure: Sandbox, clients: Clients) -> None:
    vault = clients.vault("kv-1")
    made = [(await vault.set_secret("n", f"v{number}")).properties.version for number in range(7)]
    pages = vault.list_properties_of_secret_versions("n", max_page_size=3).by_page()
    listed = [[version.version async for version in page] async for page in pages]
    assert [len(page) for page in listed] == [3, 3, 1]
    assert [version for page in listed for version in page] == sorted(filter(None, made)) != made
    assert [version.id for version in azure.secret("kv-1", "n")] == made
    assert [s.version async for s in vault.list_properties_of_secrets()] == [None]


async def test_the_newest_version_answers_even_when_it_is_disabled(clients: Clients) -> None:
    vault = clients.vault("kv-1")
    first = await vault.set_secret("n", "first")
    await vault.set_secret("n", "second", enabled=False)
    with pytest.raises(HttpResponseError) as caught:
        await vault.get_secret("n")
    assert (caught.value.status_code, inner_code(caught.value)) == (403, "SecretDisabled")
    assert (await vault.get_secret("n", first.properties.version)).value == "first"


async def test_a_patch_replaces_all_tags_and_leaves_what_it_does_not_name(clients: Clients) -> None:
    vault = clients.vault("kv-1")
    made = await vault.set_secret("n", "v", tags={"a": "1", "b": "2"}, content_type="text/plain")
    changed = await vault.update_secret_properties("n", made.properties.version, tags={"c": "3"}, enabled=False)
    assert (changed.tags, changed.enabled, changed.content_type) == ({"c": "3"}, False, "text/plain")


async def test_a_soft_deleted_name_refuses_a_set_until_recovered(clients: Clients) -> None:
    vault = clients.vault("kv-1")
    await vault.set_secret("n", "v")
    await vault.delete_secret("n")
    with pytest.raises(ResourceNotFoundError):
        await vault.get_secret("n")
    with pytest.raises(ResourceExistsError) as caught:
        await vault.set_secret("n", "w")
    assert inner_code(caught.value) == "ObjectIsDeletedButRecoverable"
    assert [secret.name async for secret in vault.list_deleted_secrets()] == ["n"]
    await vault.recover_deleted_secret("n")
    assert (await vault.get_secret("n")).value == "v"
    await vault.delete_secret("n")
    await vault.purge_deleted_secret("n")
    assert (await vault.set_secret("n", "w")).value == "w"


@pytest.mark.parametrize(
    "content",
    [
        {"value": "v" * 25_601},
        {"value": "v", "tags": {str(number): "" for number in range(16)}},
        {"value": "v", "tags": {"a": "x" * 257}},
        {"value": "v", "content_type": "x" * 256},
    ],
)
async def test_what_is_too_big_is_refused(azure: Sandbox, clients: Clients, content: dict[str, Any]) -> None:
    with pytest.raises(HttpResponseError, match="BadParameter"):
        await clients.vault("kv-1").set_secret("n", **content)
    assert azure.secret("kv-1", "n") == []


async def test_sets_are_counted_apart_from_reads(azure: Sandbox, clients: Clients) -> None:
    azure.throttle(sets=2)
    vault = clients.vault("kv-1", retry_total=0)
    for _ in range(2):
        await vault.set_secret("n", "v")
    with pytest.raises(HttpResponseError) as caught:
        await vault.set_secret("n", "v")
    assert caught.value.status_code == 429
    assert 1 <= int(retry_after(caught.value)) <= 10
    assert (await vault.get_secret("n")).value == "v"


async def test_a_person_sets_by_hand_and_foreign_case_finds_it(azure: Sandbox, clients: Clients) -> None:
    await azure.add_vault("kv-2")
    azure.set_secret("kv-2", "Hand-Made", "v", tags={"owner": "someone"})
    read = await clients.vault("kv-2").get_secret("hand-made")
    assert (read.value, read.name, read.properties.tags) == ("v", "Hand-Made", {"owner": "someone"})


async def test_a_401_in_between_is_healed_by_the_challenge_unseen(azure: Sandbox, clients: Clients) -> None:
    azure.set_secret("kv-1", "n", "v")
    vault = clients.vault("kv-1", retry_total=0)
    await vault.get_secret("n")
    azure.fault("GetSecret", "401")
    assert (await vault.get_secret("n")).value == "v"
    assert [e.status for e in azure.journal if e.operation == "GetSecret"] == [401, 200, 401, 200]


async def test_a_truncated_set_has_happened(azure: Sandbox, clients: Clients) -> None:
    vault = clients.vault("kv-1", retry_total=0)
    azure.fault("SetSecret", "truncated")
    with pytest.raises(AzureError):
        await vault.set_secret("n", "v")
    assert [version.value for version in azure.secret("kv-1", "n")] == ["v"]
