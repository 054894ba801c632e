"""Secrets of Container Apps and of their jobs."""

from collections.abc import AsyncIterator
from typing import Any

from rotator.dependents.arm import reference_at
from rotator.hunt.place import Held, Hidden, Scope, place_of, prints
from rotator.hunt.reach import Reach

API_VERSION = "2024-03-01"
SORTS = (("Microsoft.App/containerApps", "container-app", "app"), ("Microsoft.App/jobs", "container-app-job", "job"))
"""The resource type, the kind of dependent, and the parameter of it that names the resource."""


class ContainerSecrets:
    """Fulfils `Place`."""

    name = "Container Apps secrets"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        for noun, kind, parameter in SORTS:
            resources, hidden = await reach.listed(noun, scope, API_VERSION, needs=f"{noun}/read")
            for each in hidden:
                yield each

            async def look(resource: str, noun: str = noun, kind: str = kind, parameter: str = parameter) -> list[Held]:
                found = await reach.ask(f"{resource}/listSecrets", API_VERSION, needs=f"{noun}/listSecrets/action")
                return [_held(resource, kind, parameter, secret) for secret in found.get("value") or []]

            async for one in reach.each(f"{self.name} ({noun.rsplit('/', 1)[1]})", resources, look):
                yield one


def _held(resource: str, kind: str, parameter: str, secret: dict[str, Any]) -> Held:
    url, name = secret.get("keyVaultUrl"), str(secret.get("name", ""))
    return Held(
        what=f"secret {name} of {place_of(resource)}",
        resource=resource,
        settings={"kind": kind, parameter: resource, "secret": name},
        fingerprints=() if url else prints(secret.get("value")),
        reference=reference_at(url) if isinstance(url, str) and url else None,
    )
