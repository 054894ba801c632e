"""Versions and their tags through Key Vault's SDK."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.async_paging import AsyncItemPaged, AsyncList
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.secrets import KeyVaultSecret, SecretProperties

from rotator.core.credential import Secret, Slot
from rotator.core.faults import Ambiguous, Conflict, Denied, Missing, Rejected, Throttled
from rotator.core.sealed import Sealed, fingerprint
from rotator.engine.ports import Edition
from rotator.key_vault import PAGES_MAX
from tests.azure.conftest import answered

if TYPE_CHECKING:
    from rotator.key_vault import KeyVault
    from tests.azure.conftest import Factory

SECRET = Secret(vault="https://kv.vault.azure.net", name="chat-key")
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
OURS = {
    "rotator-fingerprint": fingerprint("a value"),
    "rotator-account": "/subscriptions/s/accounts/a",
    "rotator-operation": "op",
    "rotator-slot": "key2",
    "rotator-reason": "superseded",
}


class Attributes:
    """What the service says of a version; the SDK's own model of it is private."""

    def __init__(self, created: datetime | None, enabled: bool | None = True, expires: datetime | None = None) -> None:
        self.created, self.enabled, self.expires = created, enabled, expires
        self.not_before = self.updated = self.recovery_level = self.recoverable_days = None


def properties(version: str, created: datetime | None = NOW, *, enabled: bool | None = True, **more: Any) -> SecretProperties:
    return SecretProperties(Attributes(created, enabled), f"{SECRET.vault}/secrets/{SECRET.name}/{version}", **more)


def listed(client: Any, *versions: SecretProperties | Exception, ends: bool = True) -> None:
    """The SDK's own pages, one version a page."""

    async def get_next(token: Any) -> Any:
        here = versions[int(token or 0)] if versions else None
        if isinstance(here, Exception):
            raise here
        return int(token or 0), here

    async def extract(page: Any) -> Any:
        number, here = page
        more = number + 1 < len(versions) or not ends
        return str((number + 1) % max(len(versions), 1)) if more else None, AsyncList([here] if here else [])

    client.list_properties_of_secret_versions.side_effect = lambda name: AsyncItemPaged(get_next, extract)


async def test_one_client_a_vault_that_sends_nothing_again(vault: KeyVault, secrets: Factory, client: Any) -> None:
    client.get_secret.return_value = KeyVaultSecret(properties("v1"), "text")
    for name in ("one", "two"):
        await vault.read(Secret(vault=SECRET.vault, name=name), "v1")
    await vault.read(Secret(vault="https://other/vault", name="one"), "v1")
    assert [arguments[0] for arguments, _ in secrets.made] == [SECRET.vault, "https://other/vault"]
    options = secrets.made[0][1]
    assert (options["retry_total"], options["permit_redirects"], options["logging_enable"]) == (0, False, False)
    assert options["verify_challenge_resource"] is True


async def test_current_is_what_a_reader_gets_and_never_the_last_or_newest_listed(vault: KeyVault, client: Any) -> None:
    listed(client, properties("zz", NOW), properties("aa", NOW + timedelta(hours=1)))
    client.get_secret.return_value = KeyVaultSecret(properties("mm", NOW), "text")
    look = await vault.look(SECRET)
    client.get_secret.assert_awaited_with("chat-key")
    assert look.view.current is not None
    assert (look.view.current.version, look.view.current.fingerprint) == ("mm", None)
    assert {version.id for version in look.view.versions} == {"zz", "aa", "mm"}
    assert look.text == Sealed("text")


async def test_the_versions_and_the_current_value_are_asked_for_at_once(vault: KeyVault, client: Any) -> None:
    """Each waits for the other to be asked: one after the other would never end."""
    listed(client, properties("v1"))
    asked_for_one, pages = asyncio.Event(), client.list_properties_of_secret_versions.side_effect

    async def get_secret(name: str) -> KeyVaultSecret:
        asked_for_one.set()
        return KeyVaultSecret(properties("v1"), "text")

    class Late:
        def by_page(self) -> Any:
            async def turned() -> Any:
                await asked_for_one.wait()
                async for page in pages("chat-key").by_page():
                    yield page

            return turned()

    client.get_secret.side_effect = get_secret
    client.list_properties_of_secret_versions.side_effect = lambda name: Late()
    look = await asyncio.wait_for(vault.look(SECRET), 5)
    assert look.view.current is not None
    assert look.view.current.version == "v1"


async def test_a_version_that_was_set_between_the_two_answers_is_the_current_one(vault: KeyVault, client: Any) -> None:
    """The value was read before it and the list after it: to call the older one current would let the newer one be retired."""
    newer = NOW + timedelta(seconds=1)
    listed(client, properties("v1", NOW), properties("v2", newer))
    client.get_secret.side_effect = [KeyVaultSecret(properties("v1", NOW), "old"), KeyVaultSecret(properties("v2", newer), "new")]
    look = await vault.look(SECRET)
    assert look.view.current is not None
    assert (look.view.current.version, look.text) == ("v2", Sealed("new"))


async def test_a_fault_of_either_leaves_nothing_running(vault: KeyVault, client: Any) -> None:
    gone: list[bool] = []

    async def never(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            gone.append(True)

    listed(client, answered(403, "Forbidden", "AccessDenied", kind=HttpResponseError))
    client.get_secret.side_effect = never
    with pytest.raises(Denied):
        await vault.look(SECRET)
    assert gone == [True]


async def test_a_version_says_what_its_tags_say(vault: KeyVault, client: Any) -> None:
    mine = properties("v1", tags={**OURS, "owner": "somebody"}, content_type="application/json")
    listed(client, mine, properties("v0", tags={"rotator-slot": "key9"}, enabled=False))
    client.get_secret.return_value = KeyVaultSecret(mine, "text")
    look = await vault.look(SECRET)
    version = next(one for one in look.view.versions if one.id == "v1")
    assert (version.fingerprint, version.slot, version.operation) == (fingerprint("a value"), Slot.KEY2, "op")
    assert (version.account, version.reason, version.retired) == (OURS["rotator-account"], "superseded", None)
    assert version.foreign_tags == {"owner": "somebody"} == look.foreign_tags
    assert look.content_type == "application/json"
    other = next(one for one in look.view.versions if one.id == "v0")
    assert (other.slot, other.fingerprint, other.enabled) == (None, None, False)


@pytest.mark.parametrize("said", [answered(403, "Forbidden", "SecretDisabled"), answered(403, "SecretDisabled", "SecretDisabled")])
async def test_a_disabled_current_version_is_seen_as_one(vault: KeyVault, client: Any, said: Exception) -> None:
    listed(client, properties("old", NOW - timedelta(days=1)), properties("new", NOW, enabled=False, tags={"owner": "x"}))
    client.get_secret.side_effect = said
    look = await vault.look(SECRET)
    assert look.view.current is not None
    assert (look.view.current.version, look.view.current.enabled, look.text) == ("new", False, None)
    assert look.foreign_tags == {"owner": "x"}


async def test_a_reader_that_may_not_read_is_told_what_to_grant(vault: KeyVault, client: Any) -> None:
    listed(client, properties("v1"))
    client.get_secret.side_effect = answered(403, "Forbidden", "ForbiddenByRbac")
    with pytest.raises(Denied) as caught:
        await vault.look(SECRET)
    assert "secrets/getSecret/action" in caught.value.remedy


async def test_a_firewall_is_told_from_a_missing_grant(vault: KeyVault, client: Any) -> None:
    listed(client, answered(403, "Forbidden", "ForbiddenByFirewall"))
    with pytest.raises(Denied) as caught:
        await vault.look(SECRET)
    assert "firewall" in caught.value.remedy


@pytest.mark.parametrize("deleted", [True, False])
async def test_a_secret_that_is_not_there_is_a_view(vault: KeyVault, client: Any, deleted: bool) -> None:
    listed(client)
    client.get_secret.side_effect = answered(404, "SecretNotFound", kind=ResourceNotFoundError)
    client.get_deleted_secret.side_effect = None if deleted else answered(404, kind=ResourceNotFoundError)
    look = await vault.look(SECRET)
    assert (look.view.current, look.view.deleted, look.text) == (None, deleted, None)


async def test_a_bin_that_may_not_be_looked_into_holds_nothing_up(vault: KeyVault, client: Any) -> None:
    listed(client)
    client.get_secret.side_effect = answered(404, kind=ResourceNotFoundError)
    client.get_deleted_secret.side_effect = answered(403, "Forbidden")
    assert (await vault.look(SECRET)).view.deleted is False


async def test_versions_without_end_are_not_read_without_end(vault: KeyVault, client: Any) -> None:
    listed(client, properties("v1"), properties("v2"), ends=False)
    with pytest.raises(Rejected, match="repeats itself"):
        await vault.look(SECRET)


async def test_versions_on_more_pages_than_a_vault_could_back_up_are_not_read(vault: KeyVault, client: Any) -> None:
    listed(client, *(properties(f"v{number}") for number in range(PAGES_MAX + 1)))
    with pytest.raises(Rejected, match=f"more than {PAGES_MAX} pages"):
        await vault.look(SECRET)


async def test_a_publish_is_one_call_with_all_that_belongs_to_it(vault: KeyVault, client: Any) -> None:
    client.set_secret.return_value = KeyVaultSecret(properties("v2", NOW), "new text")
    edition = Edition(text=Sealed("new text"), tags=OURS, expires=NOW + timedelta(days=30), content_type="text/plain")
    placed = await vault.publish(SECRET, edition)
    assert (placed.version, placed.created) == ("v2", NOW)
    client.set_secret.assert_awaited_once_with(
        "chat-key", "new text", tags=OURS, expires_on=NOW + timedelta(days=30), content_type="text/plain"
    )
    client.update_secret_properties.assert_not_awaited()


async def test_an_answer_that_names_no_version_settles_nothing(vault: KeyVault, client: Any) -> None:
    bare = SecretProperties(Attributes(NOW), f"{SECRET.vault}/secrets/{SECRET.name}")
    client.set_secret.return_value = KeyVaultSecret(bare, "new text")
    edition = Edition(text=Sealed("new text"), tags={}, expires=NOW, content_type=None)
    with pytest.raises(Ambiguous):
        await vault.publish(SECRET, edition)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (answered(409, "Conflict", "ObjectIsDeletedButRecoverable", kind=ResourceExistsError), Conflict),
        (answered(401, kind=ClientAuthenticationError), Denied),
        (answered(429, headers={"Retry-After": "3"}), Throttled),
        (answered(500), Ambiguous),
    ],
)
async def test_a_publish_that_fails(vault: KeyVault, client: Any, error: Exception, fault: type[Exception]) -> None:
    client.set_secret.side_effect = error
    with pytest.raises(fault) as caught:
        await vault.publish(SECRET, Edition(text=Sealed("new text"), tags={}, expires=NOW, content_type=None))
    assert "new text" not in repr(caught.value)
    client.set_secret.assert_awaited_once()


@pytest.mark.parametrize("disable", [True, False])
async def test_tags_are_replaced_and_a_version_is_disabled_in_one_call(vault: KeyVault, client: Any, disable: bool) -> None:
    await vault.tag(SECRET, "v1", {"a": "b"}, disable=disable)
    off = {"enabled": False} if disable else {}
    client.update_secret_properties.assert_awaited_once_with("chat-key", "v1", tags={"a": "b"}, **off)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (answered(404, kind=ResourceNotFoundError), Missing),
        (answered(403, "Forbidden", "SecretDisabled"), Missing),
        (answered(403, "Forbidden", "ForbiddenByRbac"), Denied),
    ],
)
async def test_a_version_that_cannot_be_read(vault: KeyVault, client: Any, error: Exception, fault: type[Exception]) -> None:
    client.get_secret.side_effect = error
    with pytest.raises(fault):
        await vault.read(SECRET, "v1")


async def test_one_version_is_read_by_its_name(vault: KeyVault, client: Any) -> None:
    client.get_secret.return_value = KeyVaultSecret(properties("v1"), "text")
    assert await vault.read(SECRET, "v1") == Sealed("text")
    client.get_secret.assert_awaited_once_with("chat-key", "v1")


async def test_a_secret_is_recovered_and_never_deleted(vault: KeyVault, client: Any) -> None:
    await vault.recover(SECRET)
    client.recover_deleted_secret.assert_awaited_once_with("chat-key")
    client.delete_secret.assert_not_awaited()
    client.purge_deleted_secret.assert_not_awaited()
