"""Azure Key Vault: versions and their tags.

A set makes a new version that versionless readers get at once; tags go in the same call. Versions have no order: a write is found again by
its operation tag, never by its place or time. Never deletes a secret (that would remove every version), only disables versions.

A vault may stand below a path (`https://host/some/vault/secrets/NAME`), and may or may not know of it: its ids and links are read alike.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.keyvault.secrets import KeyVaultSecret
from azure.keyvault.secrets.aio import SecretClient

from rotator.azure import Azure, error_code, faults
from rotator.azure.paging import rows_of
from rotator.core.credential import Secret, Version, tagged_version
from rotator.core.faults import Ambiguous, Denied, Fault, Missing
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Current, SecretView
from rotator.engine.ports import Edition, Glimpse, Placed, SecretLook

PAGES_MAX = 400
"""Of 25 versions each. Key Vault itself cannot back up a secret with more than 500 versions."""
_DATA = "Microsoft.KeyVault/vaults/secrets"
_PLACE = re.compile(r".*?/((?:deleted)?secrets/[^/]+(?:/[^/]+)?)/?")
"""The part of a path that names a secret, a version, or the list of versions; what stands before it is the vault's own affair."""


class KeyVault:
    """Fulfils `Vault` and `Recovery` for secrets in any vault; one client a vault, so that its challenge is answered once."""

    def __init__(self, azure: Azure, client: Callable[..., SecretClient] = SecretClient) -> None:
        self._azure = azure
        self._client = client
        self._clients: dict[str, SecretClient] = {}

    async def look(self, secret: Secret) -> SecretLook:
        """The current value and every version, asked for at once. A secret that is not there, or soft-deleted, is a view and no fault."""
        client = self._at(secret)
        versions: tuple[Version, ...] = ()
        listed, current = asyncio.create_task(self._versions(client, secret)), asyncio.create_task(self._current(client, secret))
        try:
            versions = await listed
            found = await current
            if _may_be_older(found, versions):
                found = await self._current(client, secret)
            return _look(found, versions)
        except Missing:
            return SecretLook(view=SecretView(current=None, deleted=await self._is_deleted(client, secret)), text=None, foreign_tags={})
        except Denied as denied:
            if not _is_disabled(denied):
                raise
            if not versions:
                raise
            return _disabled(versions)
        finally:
            await _no_longer(listed, current)

    async def glimpse(self, secret: Secret) -> Glimpse:
        """The current value alone, in one call. Raises Missing where nothing is there, or what is there is disabled."""
        try:
            with faults(f"secret {secret.name}", needs=f"{_DATA}/getSecret/action"):
                found = await self._at(secret).get_secret(secret.name)
        except Denied as denied:
            if _is_disabled(denied):
                raise Missing(f"the current version of {secret.name} is disabled") from denied
            raise
        version = _version(found.properties)
        return Glimpse(version=version.id, text=_sealed(found), fingerprint=version.fingerprint)

    async def shelf(self, vault: str) -> list[tuple[Secret, Version]]:
        """Every secret of a vault with its current version, as the tags tell it: names and tags alone, no value is read."""
        found: list[tuple[Secret, Version]] = []
        with faults(f"the secrets of {vault}", needs=f"{_DATA}/readMetadata/action"):
            async for item in rows_of(self._at(Secret(vault=vault, name="")).list_properties_of_secrets(), PAGES_MAX):
                found.append((Secret(vault=vault, name=item.name or ""), _version(item)))
        return found

    async def read(self, secret: Secret, version: str) -> Sealed:
        """What one version holds. Raises Missing where it is not there or may not be read any more."""
        try:
            with faults(f"version {version[:8]}… of {secret.name}", needs=f"{_DATA}/getSecret/action"):
                return _sealed(await self._at(secret).get_secret(secret.name, version))
        except Denied as denied:
            if error_code(denied)[1] == "SecretDisabled":
                raise Missing(f"version {version[:8]}… of {secret.name} is disabled") from denied
            raise

    async def publish(self, secret: Secret, edition: Edition) -> Placed:
        """A new current version: value, tags, expiry and content type in one call, sent once."""
        with faults(f"set of secret {secret.name}", mutates=True, needs=f"{_DATA}/setSecret/action"):
            made = await self._at(secret).set_secret(
                secret.name,
                edition.text.reveal(),
                tags=dict(edition.tags),
                expires_on=edition.expires,
                content_type=edition.content_type,
            )
            if not made.properties.version:
                raise Ambiguous(f"set of secret {secret.name}: the answer names no version")
            return Placed(version=made.properties.version, created=made.properties.created_on or datetime.now(UTC))

    async def tag(self, secret: Secret, version: str, tags: Mapping[str, str], *, disable: bool = False) -> None:
        """Replace the tags of a version (a PATCH replaces all of them), and disable it if asked."""
        change: dict[str, Any] = {"tags": dict(tags), **({"enabled": False} if disable else {})}
        with faults(f"update of secret {secret.name}", mutates=True, needs=f"{_DATA}/update/action"):
            await self._at(secret).update_secret_properties(secret.name, version, **change)

    async def recover(self, secret: Secret) -> None:
        """Bring a soft-deleted secret back with all its versions."""
        with faults(f"recovery of secret {secret.name}", needs=f"{_DATA}/recover/action"):
            await self._at(secret).recover_deleted_secret(secret.name)

    async def _versions(self, client: SecretClient, secret: Secret) -> tuple[Version, ...]:
        with faults(f"versions of secret {secret.name}", needs=f"{_DATA}/readMetadata/action"):
            listed = client.list_properties_of_secret_versions(secret.name)
            return tuple([_version(properties) async for properties in rows_of(listed, PAGES_MAX)])

    async def _current(self, client: SecretClient, secret: Secret) -> KeyVaultSecret:
        with faults(f"secret {secret.name}", needs=f"{_DATA}/getSecret/action"):
            return await client.get_secret(secret.name)

    async def _is_deleted(self, client: SecretClient, secret: Secret) -> bool:
        """Whether the name is soft-deleted. Where that cannot be seen, the set tells (409 ObjectIsDeletedButRecoverable)."""
        try:
            with faults(f"deleted secret {secret.name}"):
                await client.get_deleted_secret(secret.name)
        except Fault:
            return False
        return True

    def _at(self, secret: Secret) -> SecretClient:
        if secret.vault not in self._clients:
            self._clients[secret.vault] = self._client(
                secret.vault,
                self._azure.credential,
                verify_challenge_resource=self._azure.cloud.verify_challenge_resource,
                per_call_policies=[_Places(secret.vault)],
                **self._azure.client_options,
            )
        return self._clients[secret.vault]


def _is_disabled(denied: Denied) -> bool:
    return error_code(denied)[1] == "SecretDisabled" or "disabled secret" in str(denied.__cause__).lower()


def _may_be_older(found: Any, versions: tuple[Version, ...]) -> bool:
    """Whether a version was listed that was perhaps made after this value was read: a reader may already get that one."""
    current = _version(found.properties)
    return any(version.id != current.id and version.created >= current.created for version in versions)


async def _no_longer(*tasks: "asyncio.Task[Any]") -> None:
    """Nobody asks for these any more, whatever comes of them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _look(found: Any, versions: tuple[Version, ...]) -> SecretLook:
    version = _version(found.properties)
    known = versions if any(one.id == version.id for one in versions) else (*versions, version)
    return SecretLook(
        view=SecretView(current=Current(version=version.id, created=version.created, fingerprint=None), versions=known),
        text=_sealed(found),
        content_type=version.content_type,
        foreign_tags=version.foreign_tags,
    )


def _sealed(found: Any) -> Sealed:
    return Sealed(found.value or "")


def _disabled(versions: tuple[Version, ...]) -> SecretLook:
    """The current version is disabled, so its readers get 403. Which one it is is told by its time, as well as seconds can tell."""
    newest = max(versions, key=lambda version: version.created)
    current = Current(version=newest.id, created=newest.created, fingerprint=None, enabled=False)
    view = SecretView(current=current, versions=versions)
    return SecretLook(view=view, text=None, content_type=newest.content_type, foreign_tags=newest.foreign_tags)


def _version(properties: Any) -> Version:
    return tagged_version(
        properties.tags or {},
        id=properties.version or "",
        created=properties.created_on or datetime.fromtimestamp(0, UTC),
        enabled=properties.enabled is not False,
        expires=properties.expires_on,
        content_type=properties.content_type,
    )


# --- a vault below a path ---------------------------------------------------------------------------------------------------


class _Places(SansIOHTTPPolicy[Any, Any]):
    """The SDK refuses an id of more than three path parts, and follows a link wherever it leads: so ids lose what stands before them, and
    links stay in the vault that was asked.
    """

    def __init__(self, vault: str) -> None:
        self._vault = vault

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        response.http_response = _Answer(response.http_response, self._vault)


class _Answer:
    """An answer of the vault, but for the places that its JSON names."""

    def __init__(self, response: Any, vault: str) -> None:
        self._response = response
        self._vault = vault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def json(self) -> Any:
        content = self._response.json()
        if not isinstance(content, dict):
            return content
        link = content.get("nextLink")
        items = content.get("value")
        for one in [content, *(items if isinstance(items, list) else [])]:
            _shorten(one)
        return {**content, "nextLink": _below(self._vault, link)} if link else content


def _shorten(item: Any) -> None:
    place = _PLACE.fullmatch(urlsplit(item["id"]).path) if isinstance(item, dict) and isinstance(item.get("id"), str) else None
    if place:
        item["id"] = f"{urlsplit(item['id'])._replace(path='').geturl()}/{place[1]}"


def _below(vault: str, link: str) -> str:
    there = urlsplit(link)
    place = _PLACE.fullmatch(there.path)
    return f"{vault}/{place[1]}?{there.query}" if place else link
