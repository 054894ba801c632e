"""Current values of secrets in Key Vault: the vaults in scope, and those that the settings name."""

from collections.abc import AsyncIterator
from typing import Any

from azure.keyvault.secrets.aio import SecretClient

from rotator.azure import faults
from rotator.azure.paging import rows_of
from rotator.core.faults import Fault
from rotator.hunt.place import Held, Hidden, Scope, behind, prints, scope_of
from rotator.hunt.reach import Reach

VAULTS = "Microsoft.KeyVault/vaults"
API_VERSION = "2023-07-01"
PAGES_MAX = 400
"""Of 25 secrets each, of one vault."""


class VaultSecrets:
    """Fulfils `Place`."""

    name = "vault secrets"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        urls, clients, places = {url.lower().rstrip("/"): url for url in scope.vaults}, dict[str, SecretClient](), dict[str, str]()
        for path in scope.lists(VAULTS):
            try:
                for vault in await reach.every(path, API_VERSION, needs=f"{VAULTS}/read"):
                    url = str((vault.get("properties") or {}).get("vaultUri") or "").rstrip("/")
                    if url:
                        urls.setdefault(url.lower(), url)
            except Fault as fault:
                yield behind(f"every {VAULTS} in {scope_of(path)}", fault)
        for url in urls.values():
            clients[url] = _client(url, reach)
            try:
                places |= {f"{url}/secrets/{name}": url for name in await reach.patiently(lambda url=url: _names(clients[url], url))}  # type: ignore[misc]
            except Fault as fault:
                yield behind(f"the secrets of {url}", fault)

        async def look(place: str) -> list[Held]:
            name = place.rsplit("/", 1)[1]
            found = await reach.patiently(lambda: _value(clients[places[place]], name))
            settings = {"kind": "key-vault", "secret": place}
            return [Held(what=f"secret {name} of {places[place]}", resource=place, settings=settings, fingerprints=prints(found))]

        async for one in reach.each(self.name, places, look, writes=False):
            yield one


def _client(url: str, reach: Reach) -> SecretClient:
    azure = reach.tools.azure
    verify = azure.cloud.verify_challenge_resource
    return SecretClient(url, azure.credential, verify_challenge_resource=verify, **azure.client_options)


async def _names(client: SecretClient, url: str) -> list[str]:
    """Of those that are enabled. Only the list: no value."""
    names: list[str] = []
    with faults(f"list of the secrets of {url}", needs=f"{VAULTS}/secrets/readMetadata/action"):
        async for one in rows_of(client.list_properties_of_secrets(), PAGES_MAX):
            if one.enabled and one.name:
                names.append(one.name)
    return names


async def _value(client: SecretClient, name: str) -> Any:
    with faults(f"secret {name}", needs=f"{VAULTS}/secrets/getSecret/action"):
        return (await client.get_secret(name)).value
