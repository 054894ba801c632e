"""Another Key Vault that holds a copy, in another region as a rule: its readers get the copy's current version.

A copy is a new version with the tags of the one it is copied from, its expiry and its content type, in one call that is sent once; tags
that a person gave the copy survive. It is told by the value itself, and by the tag where the value may not be read: a tag alone may have
been copied along with another value.
"""

from collections.abc import Callable, Mapping
from typing import Any

from azure.keyvault.secrets import KeyVaultSecret, SecretProperties
from azure.keyvault.secrets.aio import SecretClient

from rotator.azure import error_code, faults
from rotator.core.credential import TAG_FINGERPRINT, Dependent
from rotator.core.faults import Conflict, Denied, Missing, Rejected
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import DependentView
from rotator.dependents.tools import Tools
from rotator.dependents.views import filled, fingerprint_in, proven, short, stale
from rotator.engine.ports import Published

_DATA = "Microsoft.KeyVault/vaults/secrets"
_TAGS_MAX = 15


def kind(tools: Tools) -> "VaultCopy":
    return VaultCopy(tools)


class VaultCopy:
    """Fulfils `Kind` for a secret in another vault."""

    def __init__(self, tools: Tools, client: Callable[..., SecretClient] = SecretClient) -> None:
        self._tools = tools
        self._client = client
        self._clients: dict[str, SecretClient] = {}

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        found = await self._current(dependent.parameters["secret"])
        if found is None:
            return stale(dependent, "disabled", "the copy's current version is disabled, so its readers get nothing")
        held = fingerprint_in(found.value or "", dependent.parameters["format"])
        version = found.properties.version or ""
        seen = f"version {short(version)}: {short(held) if held else 'another form'}"
        if held == published.fingerprint:
            return proven(dependent, seen, running=held)
        tagged = (found.properties.tags or {}).get(TAG_FINGERPRINT) == published.fingerprint
        because = "its tag says this value, but it holds another one" if tagged else "it holds another value"
        return stale(dependent, seen, because, running=held)

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Copy, unless it is there. Raises Conflict where somebody set another value in the same moment."""
        said = dependent.parameters
        vault, name = _split(said["secret"])
        there = await self._current(said["secret"])
        if there and fingerprint_in(there.value or "", said["format"]) == published.fingerprint:
            return
        source = await self._properties_of(published)
        text = filled(published.value, said["format"], there.value if there else None)
        with faults(f"set of secret {name} in {vault}", mutates=True, needs=f"{_DATA}/setSecret/action"):
            await self._at(vault).set_secret(
                name,
                text.reveal(),
                tags=_tags(there.properties.tags if there else None, source.tags, published.fingerprint),
                expires_on=source.expires_on,
                content_type=there.properties.content_type if there else source.content_type,
            )
        after = await self._current(said["secret"])
        if after is None or fingerprint_in(after.value or "", said["format"]) != published.fingerprint:
            raise Conflict(f"secret {name} in {vault}: somebody else set it in the same moment", remedy="find out who else writes it")

    async def _current(self, url: str) -> KeyVaultSecret | None:
        """The copy as its readers get it; None where it is disabled. Raises Missing where there is none: no secret is ever made here."""
        vault, name = _split(url)
        try:
            with faults(f"secret {name} in {vault}", needs=f"{_DATA}/getSecret/action"):
                return await self._at(vault).get_secret(name)
        except Denied as denied:
            if error_code(denied)[1] == "SecretDisabled":
                return None
            raise
        except Missing as missing:
            raise Missing(missing.what, remedy=f"make {url} once by hand, or recover it") from missing

    async def _properties_of(self, published: Published) -> SecretProperties:
        secret = published.secret
        with faults(f"version {short(published.version)} of {secret.name}", needs=f"{_DATA}/getSecret/action"):
            return (await self._at(secret.vault).get_secret(secret.name, published.version)).properties

    def _at(self, vault: str) -> SecretClient:
        if vault not in self._clients:
            azure = self._tools.azure
            options: dict[str, Any] = {"verify_challenge_resource": azure.cloud.verify_challenge_resource, **azure.client_options}
            self._clients[vault] = self._client(vault, azure.credential, **options)
        return self._clients[vault]


def _split(url: str) -> tuple[str, str]:
    vault, _, name = url.rpartition("/secrets/")
    return vault, name


def _tags(own: Mapping[str, str] | None, source: Mapping[str, str] | None, value: Fingerprint) -> dict[str, str]:
    """The source's tags over the copy's own; the fingerprint is there in any case."""
    tags = {**(own or {}), **(source or {}), TAG_FINGERPRINT: value}
    if len(tags) > _TAGS_MAX:
        raise Rejected(f"the copy would have {len(tags)} tags, and a version may have {_TAGS_MAX}", remedy="remove some of the copy's own")
    return tags
