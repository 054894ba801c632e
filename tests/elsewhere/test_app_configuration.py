"""A reference in App Configuration: versioned first, then the sentinel, each under its ETag."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import create_autospec

import pytest
from azure.appconfiguration import ConfigurationSetting, SecretReferenceConfigurationSetting
from azure.appconfiguration.aio import AzureAppConfigurationClient
from azure.core import MatchConditions

from rotator.core.faults import Conflict, Missing, Rejected
from rotator.core.snapshot import Adoption
from rotator.dependents.app_configuration import AppConfiguration
from tests.azure.conftest import answered
from tests.elsewhere.conftest import NAME, VAULT, dependent, published

if TYPE_CHECKING:
    from rotator.core.credential import Dependent
    from rotator.dependents import Tools
    from tests.elsewhere.conftest import Estate

KIND = "app-configuration"
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def furnish(estate: Estate, *, uri: str = "", sentinel: bool = True, **about: Any) -> tuple[Dependent, Any]:
    uri = uri or f"{estate.azure.vault_url(VAULT)}/secrets/{NAME}"
    estate.azure.add_consumer("key_value", "Chat:Key", **({"uri": uri, "tags": {"team": "chat"}} | about))
    estate.azure.add_consumer("key_value", "sentinel", value="1", tags={"watched": "yes"})
    reader = estate.azure.add_consumer("reader", "chat", key="Chat:Key", sentinel="sentinel")
    more = {"sentinel": "sentinel"} if sentinel else {}
    where = {"endpoint": estate.azure.url("app_configuration"), "audience": "https://appconfig.sandbox.invalid"}
    return dependent(KIND, **where, key="Chat:Key", **more), reader


async def test_the_sentinel_alone_does_not_refresh_a_reference_without_a_version(estate: Estate) -> None:
    _, reader = furnish(estate)
    assert estate.azure.holds(reader.id) == "an old value"
    estate.publish("a new value")
    estate.azure.add_consumer("key_value", "sentinel", value="2")
    estate.azure.pass_time(31)
    assert estate.azure.holds(reader.id) == "an old value"


async def test_a_version_and_then_the_sentinel_reach_the_reader(estate: Estate) -> None:
    one, reader = furnish(estate)
    estate.azure.holds(reader.id)
    new = estate.publish("a new value")
    assert "says no version" in (await estate.look(one, new)).because
    await estate.kind(KIND).deliver(one, new)
    found = await estate.look(one, new)
    assert (found.adoption, "health" in found.because) == (Adoption.CLAIMED, True)
    estate.azure.pass_time(31)
    assert estate.azure.holds(reader.id) == "a new value"


async def test_tags_and_content_types_survive(estate: Estate) -> None:
    one, _ = furnish(estate)
    await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    values = estate.azure.elsewhere.store.values
    assert values["Chat:Key", None].tags == {"team": "chat"}
    assert (values["Chat:Key", None].content_type or "").startswith("application/vnd.microsoft.appconfig.keyvaultref+json")
    assert values["sentinel", None].tags == {"watched": "yes"}


async def test_a_process_that_died_before_the_sentinel_is_followed_by_the_sentinel_alone(estate: Estate) -> None:
    one, _ = furnish(estate)
    new = estate.publish("a new value")
    estate.azure.fault("PutSentinel", "drop-before")
    with pytest.raises(Exception, match="write of setting sentinel"):
        await estate.kind(KIND).deliver(one, new)
    found = await estate.look(one, new)
    assert (found.adoption, "older than the reference" in found.because) == (Adoption.STALE, True)
    await estate.kind(KIND).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.CLAIMED
    assert (estate.arrivals("PutKeyValue"), estate.arrivals("PutSentinel")) == (1, 2)


async def test_somebody_who_writes_the_setting_meanwhile_loses_nothing(estate: Estate) -> None:
    one, _ = furnish(estate)
    store = estate.azure.elsewhere.store
    uri = f"{estate.azure.vault_url(VAULT)}/secrets/{NAME}"
    estate.azure.meanwhile("GetKeyValue", lambda: estate.azure.add_consumer("key_value", "Chat:Key", uri=uri, tags={"team": "theirs"}))
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    assert store.values["Chat:Key", None].tags == {"team": "theirs"}
    assert new.version in store.values["Chat:Key", None].value
    assert estate.arrivals("PutKeyValue") == 2, "the first was refused by its ETag"


async def test_without_a_sentinel_readers_look_when_they_like(estate: Estate) -> None:
    one, _ = furnish(estate, sentinel=False)
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    found = await estate.look(one, new)
    assert (found.adoption, "no sentinel is named" in found.because) == (Adoption.CLAIMED, True)


async def test_a_locked_setting_is_left_alone(estate: Estate) -> None:
    one, _ = furnish(estate)
    estate.azure.elsewhere.store.values["Chat:Key", None].locked = True
    with pytest.raises(Rejected) as refused:
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert "az appconfig kv unlock" in refused.value.remedy


@pytest.mark.parametrize("uri", ["https://other.vault.azure.net/secrets/chat-key", "https://kv/secrets", "no URL"])
async def test_a_setting_that_refers_elsewhere_is_not_bent(estate: Estate, uri: str) -> None:
    one, _ = furnish(estate, uri=uri)
    new = estate.publish("a new value")
    found = await estate.look(one, new)
    assert (found.adoption, "refers to another secret" in found.because) == (Adoption.UNSEEN, True)
    with pytest.raises(Rejected):
        await estate.kind(KIND).deliver(one, new)
    assert estate.arrivals("PutKeyValue") == 0


async def test_a_plain_setting_is_not_overwritten(estate: Estate) -> None:
    one, _ = furnish(estate)
    estate.azure.elsewhere.store.put("Chat:Key", None, {"value": "plain"}, estate.azure.state.now())
    with pytest.raises(Rejected, match="no Key Vault reference"):
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))


# --- before a mocked client -------------------------------------------------------------------------------------------------


def mocked(tools: Tools, *settings: ConfigurationSetting | None) -> tuple[AppConfiguration, Any, Dependent]:
    client = create_autospec(AzureAppConfigurationClient, instance=True)
    client.get_configuration_setting.side_effect = settings
    kind = AppConfiguration(tools, client=lambda *_, **__: client)
    return kind, client, dependent(KIND, endpoint="https://c.azconfig.io", key="Chat:Key", label="prod")


def reference(version: str = "") -> SecretReferenceConfigurationSetting:
    return SecretReferenceConfigurationSetting(
        "Chat:Key", f"https://kv.vault.azure.net/secrets/{NAME}/{version}".rstrip("/"), etag="e1", last_modified=NOW
    )


async def test_the_write_is_of_the_setting_that_was_read_under_its_etag(tools: Tools) -> None:
    kind, client, one = mocked(tools, reference())
    await kind.deliver(one, published())
    client.get_configuration_setting.assert_awaited_once_with(key="Chat:Key", label="prod")
    (written,), options = client.set_configuration_setting.await_args
    assert written.secret_id == f"https://kv.vault.azure.net/secrets/{NAME}/v2"
    assert (written.etag, options) == ("e1", {"match_condition": MatchConditions.IfNotModified})


async def test_what_says_this_version_is_not_written_again(tools: Tools) -> None:
    kind, client, one = mocked(tools, reference("v2"))
    await kind.deliver(one, published())
    client.set_configuration_setting.assert_not_awaited()


async def test_a_conflict_that_is_no_etags_is_not_fought(tools: Tools) -> None:
    kind, client, one = mocked(tools, reference(), reference())
    client.set_configuration_setting.side_effect = answered(409, "key-locked")
    with pytest.raises(Conflict):
        await kind.deliver(one, published())
    client.set_configuration_setting.assert_awaited_once()


async def test_a_setting_that_is_not_there_is_missing(tools: Tools) -> None:
    kind, _, one = mocked(tools, None)
    with pytest.raises(Missing, match="setting Chat:Key"):
        await kind.adoption(one, published())
