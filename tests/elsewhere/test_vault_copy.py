"""A copy in another vault, before a mocked client and in the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import create_autospec

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.secrets import KeyVaultSecret, SecretProperties
from azure.keyvault.secrets.aio import SecretClient

from rotator.core.faults import Ambiguous, Conflict, Missing, Rejected
from rotator.core.snapshot import Adoption
from rotator.dependents.vault_copy import VaultCopy
from tests.azure.conftest import answered
from tests.elsewhere.conftest import VALUE, dependent, published

if TYPE_CHECKING:
    from rotator.core.credential import Dependent
    from rotator.dependents import Tools
    from tests.elsewhere.conftest import Estate

COPY = "https://kv-west.vault.azure.net/secrets/chat-key"
SOURCE_TAGS = {"rotator-fingerprint": published().fingerprint, "rotator-slot": "key2", "team": "chat"}
EXPIRES = datetime(2026, 8, 1, tzinfo=UTC)


class Attributes:
    """What the service says of a version; the SDK's own model of it is private."""

    created = updated = not_before = recovery_level = recoverable_days = None
    enabled = True
    expires = EXPIRES


def secret(value: str, version: str = "v1", **tags: str) -> KeyVaultSecret:
    return KeyVaultSecret(SecretProperties(Attributes(), f"{COPY}/{version}", tags=tags, content_type="text/plain"), value)


@pytest.fixture
def client() -> Any:
    return create_autospec(SecretClient, instance=True)


@pytest.fixture
def kind(tools: Tools, client: Any) -> VaultCopy:
    tools.azure.client_options = {}  # type: ignore[misc]
    return VaultCopy(tools, client=lambda *_, **__: client)


@pytest.fixture
def one() -> Dependent:
    return dependent("key-vault", secret=COPY)


async def test_the_copy_is_one_call_with_the_sources_tags_and_expiry_and_its_own_tags(kind: VaultCopy, client: Any, one: Dependent) -> None:
    new = published()
    copied = [secret("an old value", region="west"), secret(VALUE, "v2", **SOURCE_TAGS), secret(VALUE, "v9", **SOURCE_TAGS)]
    client.get_secret.side_effect = copied
    await kind.deliver(one, new)
    client.set_secret.assert_awaited_once_with(
        "chat-key", VALUE, tags={"region": "west", **SOURCE_TAGS}, expires_on=EXPIRES, content_type="text/plain"
    )


async def test_what_is_there_is_not_made_anew(kind: VaultCopy, client: Any, one: Dependent) -> None:
    client.get_secret.return_value = secret(VALUE)
    await kind.deliver(one, published())
    client.set_secret.assert_not_awaited()
    assert (await kind.adoption(one, published())).adoption is Adoption.PROVEN


async def test_a_tag_that_was_copied_with_another_value_proves_nothing(kind: VaultCopy, client: Any, one: Dependent) -> None:
    client.get_secret.return_value = secret("an old value", **SOURCE_TAGS)
    found = await kind.adoption(one, published())
    assert (found.adoption, found.because) == (Adoption.STALE, "its tag says this value, but it holds another one")


async def test_a_copy_that_is_not_there_is_never_made(kind: VaultCopy, client: Any, one: Dependent) -> None:
    client.get_secret.side_effect = answered(404, kind=ResourceNotFoundError)
    with pytest.raises(Missing) as missing:
        await kind.deliver(one, published())
    assert COPY in missing.value.remedy
    client.set_secret.assert_not_awaited()


async def test_a_disabled_copy_is_stale_and_gets_a_new_version(kind: VaultCopy, client: Any, one: Dependent) -> None:
    disabled = answered(403, "Forbidden", "SecretDisabled")
    client.get_secret.side_effect = [disabled, disabled, secret("x", **SOURCE_TAGS), secret(VALUE)]
    assert (await kind.adoption(one, published())).seen == "disabled"
    await kind.deliver(one, published())
    client.set_secret.assert_awaited_once()


async def test_somebody_who_set_another_value_in_the_same_moment_is_found(kind: VaultCopy, client: Any, one: Dependent) -> None:
    client.get_secret.side_effect = [secret("an old value"), secret(VALUE), secret("theirs")]
    with pytest.raises(Conflict, match="in the same moment"):
        await kind.deliver(one, published())


async def test_an_answer_that_is_lost_is_settled_by_looking(kind: VaultCopy, client: Any, one: Dependent) -> None:
    client.get_secret.side_effect = [secret("an old value"), secret(VALUE)]
    client.set_secret.side_effect = answered(503)
    with pytest.raises(Ambiguous):
        await kind.deliver(one, published())
    client.set_secret.assert_awaited_once()


async def test_more_tags_than_a_version_may_have_are_refused_before_the_call(kind: VaultCopy, client: Any, one: Dependent) -> None:
    client.get_secret.side_effect = [secret("an old value", **{f"t{n}": "x" for n in range(14)}), secret("x", **SOURCE_TAGS)]
    with pytest.raises(Rejected, match="17 tags"):
        await kind.deliver(one, published())
    client.set_secret.assert_not_awaited()


async def test_a_soft_deleted_copy_says_that_it_can_be_recovered(estate: Estate) -> None:
    await estate.azure.add_vault("kv-west")
    estate.azure.set_secret("kv-west", "chat-key", "an old value")
    estate.azure.delete_secret("kv-west", "chat-key")
    one = dependent("key-vault", secret=f"{estate.azure.vault_url('kv-west')}/secrets/chat-key")
    found = await estate.look(one, estate.publish(VALUE))
    assert (found.adoption, "recover it" in found.because) == (Adoption.UNSEEN, True)
