"""Plain environment variables in the templates of Container Apps and of their jobs: to read them is a GET, and no secret is asked for."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from rotator.hunt.container_secrets import API_VERSION, SORTS
from rotator.hunt.place import Held, Hidden, Scope, place_of, prints
from rotator.hunt.reach import Reach

ASKS = "a secret of it that {} refers to (`secretRef`): a plain variable stands in the template, and no kind of dependent moves it"


class ContainerVariables:
    """Fulfils `Place`. A variable that refers to a secret is searched where secrets are."""

    name = "Container Apps variables"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        for noun, kind, parameter in SORTS:
            resources, hidden = await reach.listed(noun, scope, API_VERSION, needs=f"{noun}/read")
            for each in hidden:
                yield each

            async def look(resource: str, noun: str = noun, kind: str = kind, parameter: str = parameter) -> list[Held]:
                found = await reach.get(resource, API_VERSION, needs=f"{noun}/read")
                return list(_held(resource, {"kind": kind, parameter: resource}, found))

            async for one in reach.each(f"{self.name} ({noun.rsplit('/', 1)[1]})", resources, look, writes=False):
                yield one


def _held(resource: str, about: Mapping[str, str], found: Mapping[str, Any]) -> Iterator[Held]:
    template = found["properties"].get("template") or {}
    for container in [*(template.get("containers") or []), *(template.get("initContainers") or [])]:
        for variable in container.get("env") or []:
            name, inside = str(variable.get("name", "")), str(container.get("name", ""))
            if isinstance(variable.get("value"), str) and not variable.get("secretRef"):
                yield Held(
                    what=f"variable {name} of {inside} of {place_of(resource)}",
                    resource=resource,
                    settings={**about, "container": inside, "variable": name},
                    fingerprints=prints(variable["value"]),
                    asks=ASKS.format(name),
                )
