"""A Key Vault reference in Azure App Configuration, and the sentinel that its readers watch.

The reference is written with a version, and only then the sentinel: a sentinel alone makes no reader fetch a reference that says no
version. Both are written under their ETag, with everything else that a person put there. Who has read it, the store does not know.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from azure.appconfiguration import ConfigurationSetting, SecretReferenceConfigurationSetting
from azure.appconfiguration.aio import AzureAppConfigurationClient
from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError

from rotator.azure import faults
from rotator.core.credential import Dependent, Secret
from rotator.core.faults import Conflict, Missing, Rejected, Transient
from rotator.core.snapshot import DependentView
from rotator.dependents.tools import Tools
from rotator.dependents.views import at, claimed, short, stale
from rotator.engine.ports import Published

TRIES = 3
"""How often a write is done over, where somebody else wrote between our read and it."""
_VALUES = "Microsoft.AppConfiguration/configurationStores/keyValues"
_REFERENCE = re.compile(r"(?P<vault>https://[^?#]+)/secrets/(?P<name>[^/?#]+)(/(?P<version>[^/?#]+))?/?")


def kind(tools: Tools) -> "AppConfiguration":
    return AppConfiguration(tools)


class AppConfiguration:
    """Fulfils `Kind` for a setting that refers to the vault."""

    def __init__(self, tools: Tools, client: Callable[..., AzureAppConfigurationClient] = AzureAppConfigurationClient) -> None:
        self._tools = tools
        self._client = client
        self._clients: dict[tuple[str, str | None], AzureAppConfigurationClient] = {}

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        said = dependent.parameters
        client = await self._at(said)
        setting = await _reference(client, said, published.secret)
        version = _version(setting, published.secret)
        seen = f"{said['key']}: version {short(version) if version else 'none'}, written {at(setting.last_modified)}"
        if version != published.version:
            because = "it says another version" if version else "it says no version, so the sentinel makes no reader fetch it again"
            return stale(dependent, seen, because)
        if said["sentinel"] is None:
            return claimed(dependent, seen, "it says this version; no sentinel is named, so readers fetch it when they next look or start")
        sentinel = await _get(client, said["sentinel"], said["sentinel_label"])
        if sentinel.last_modified < setting.last_modified:
            return stale(dependent, seen, f"the sentinel {said['sentinel']} is older than the reference, so no reader looks at it")
        because = "the store does not know who has read it; a `health` probe can"
        return claimed(dependent, f"{seen}; sentinel {at(sentinel.last_modified)}", because)

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        said = dependent.parameters
        client = await self._at(said)
        setting = await _done_over(lambda: self._refer(client, said, published))
        if said["sentinel"] is not None:
            await _done_over(lambda: self._bump(client, said, published, setting))

    async def _refer(
        self, client: AzureAppConfigurationClient, said: Mapping[str, Any], published: Published
    ) -> SecretReferenceConfigurationSetting:
        setting = await _reference(client, said, published.secret)
        if _version(setting, published.secret) == published.version:
            return setting
        setting.secret_id = f"{published.secret}/{published.version}"
        written: SecretReferenceConfigurationSetting = await _set(client, setting)
        return written

    async def _bump(
        self, client: AzureAppConfigurationClient, said: Mapping[str, Any], published: Published, setting: ConfigurationSetting
    ) -> None:
        sentinel = await _get(client, said["sentinel"], said["sentinel_label"])
        if sentinel.value == published.version and sentinel.last_modified >= setting.last_modified:
            return
        sentinel.value = published.version
        await _set(client, sentinel)

    async def _at(self, said: Mapping[str, Any]) -> AzureAppConfigurationClient:
        """One client a store: with rotator's identity, or with the access key that the settings refer to."""
        place = (said["endpoint"], said["connection_string"])
        if place not in self._clients:
            options = dict(self._tools.azure.client_options)
            if said["connection_string"] is None:
                audience = {"audience": said["audience"].rstrip("/") + "/"} if said["audience"] else {}
                self._clients[place] = self._client(said["endpoint"], self._tools.azure.credential, **audience, **options)
            else:
                self._clients[place] = await self._by_key(said["connection_string"], options)
        return self._clients[place]

    async def _by_key(self, reference: str, options: dict[str, Any]) -> AzureAppConfigurationClient:
        secret = await self._tools.secret(reference)
        try:
            return AzureAppConfigurationClient.from_connection_string(secret.reveal(), **options)
        except ValueError:
            raise Rejected(f"{reference} holds no connection string", remedy="Endpoint=https://…;Id=…;Secret=…") from None


async def _done_over(write: Callable[[], Any]) -> Any:
    """A write that is done over from its read on, where the ETag says that somebody else was first."""
    for _ in range(TRIES):
        try:
            return await write()
        except Conflict as conflict:
            if not isinstance(conflict.__cause__, ResourceModifiedError):
                raise
            changed = conflict
    raise changed


async def _reference(client: AzureAppConfigurationClient, said: Mapping[str, Any], secret: Secret) -> SecretReferenceConfigurationSetting:
    setting = await _get(client, said["key"], said["label"])
    if not isinstance(setting, SecretReferenceConfigurationSetting):
        raise Rejected(f"setting {said['key']} is no Key Vault reference", remedy="make it one in the portal, or name another key")
    place = _REFERENCE.fullmatch(setting.secret_id or "")
    if place is None or f"{place['vault']}/secrets/{place['name']}".lower() != str(secret).lower():
        raise Rejected(f"setting {said['key']} refers to another secret", remedy=f"let it refer to {secret}, or name another key")
    return setting


def _version(setting: SecretReferenceConfigurationSetting, secret: Secret) -> str | None:
    place = _REFERENCE.fullmatch(setting.secret_id or "")
    return place["version"] if place else None


async def _get(client: AzureAppConfigurationClient, key: str, label: str | None) -> ConfigurationSetting:
    with faults(f"setting {key}", needs=f"{_VALUES}/read"):
        setting = await client.get_configuration_setting(key=key, label=label)
    if setting is None:
        raise Missing(f"setting {key}: not there", remedy="correct key and label in the settings")
    if not isinstance(setting.last_modified, datetime):
        raise Transient(f"setting {key}: the answer is not of the documented form")
    return setting


async def _set(client: AzureAppConfigurationClient, setting: ConfigurationSetting) -> Any:
    if setting.read_only:
        raise Rejected(f"setting {setting.key} is locked", remedy="unlock it: az appconfig kv unlock")
    with faults(f"write of setting {setting.key}", mutates=True, needs=f"{_VALUES}/write"):
        return await client.set_configuration_setting(setting, match_condition=MatchConditions.IfNotModified)
