"""Key Vault references in the linked services of Data Factory. What they hold themselves Azure shows masked: that is not compared."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from rotator.dependents.arm import Reference
from rotator.hunt.place import Held, Hidden, Scope, place_of
from rotator.hunt.reach import Reach

FACTORIES = "Microsoft.DataFactory/factories"
API_VERSION = "2018-06-01"
BY_VAULT = "AzureKeyVaultSecret"
DEPTH_MAX = 20


class LinkedServices:
    """Fulfils `Place`. A reference names its vault by another linked service of the same factory."""

    name = "Data Factory linked services"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        factories, hidden = await reach.listed(FACTORIES, scope, API_VERSION, needs=f"{FACTORIES}/read")
        services, more = await reach.parts(factories, "linkedservices", API_VERSION, needs=f"{FACTORIES}/linkedservices/read")
        for each in (*hidden, *more):
            yield each
        vaults = {id_.lower(): _text(properties, "baseUrl") for id_, properties in services.items()}

        async def look(service: str) -> list[Held]:
            factory = service.lower().rpartition("/")[0]
            references = list(_references(services[service].get("typeProperties"), "", DEPTH_MAX))
            return [_held(service, path, found, vaults.get(f"{factory}/{_store(found)}", "")) for path, found in references]

        async for one in reach.each(self.name, services, look, writes=False):
            yield one


def _references(found: Any, path: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(found, Mapping) and found.get("type") == BY_VAULT:
        yield path, found
    elif depth and isinstance(found, Mapping):
        for name, inner in found.items():
            yield from _references(inner, f"{path}.{name}" if path else str(name), depth - 1)
    elif depth and isinstance(found, list):
        for number, inner in enumerate(found):
            yield from _references(inner, f"{path}[{number}]", depth - 1)


def _held(service: str, path: str, found: Mapping[str, Any], vault: str) -> Held:
    """A name that an expression makes is the name of no secret, so it is nobody's."""
    version = found.get("secretVersion")
    name = found.get("secretName")
    reference = Reference(vault=vault, name=name if isinstance(name, str) else "", version=version if isinstance(version, str) else "")
    return Held(
        what=f"property {path} of linked service {place_of(service)}",
        resource=service,
        settings={"kind": "data-factory", "linked_service": service, "property": path},
        reference=reference,
    )


def _store(found: Mapping[str, Any]) -> str:
    store = found.get("store")
    return str(store.get("referenceName", "")).lower() if isinstance(store, Mapping) else ""


def _text(properties: Mapping[str, Any], name: str) -> str:
    typed = properties.get("typeProperties")
    said = typed.get(name) if isinstance(typed, Mapping) else None
    return said.rstrip("/") if isinstance(said, str) else ""
