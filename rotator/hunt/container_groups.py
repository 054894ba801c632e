"""Environment variables of Container Instances: plain ones are compared, secure ones Azure gives back to nobody."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

from rotator.dependents.container_groups import secure, variables
from rotator.hunt.place import Held, Hidden, Scope, place_of, prints
from rotator.hunt.reach import Reach

GROUPS = "Microsoft.ContainerInstance/containerGroups"
API_VERSION = "2023-05-01"


class ContainerGroups:
    """Fulfils `Place`."""

    name = "Container Instances"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        groups, hidden = await reach.listed(GROUPS, scope, API_VERSION, needs=f"{GROUPS}/read")
        for each in hidden:
            yield each

        async def look(group: str) -> list[Held]:
            return list(_held(group, await reach.get(group, API_VERSION, needs=f"{GROUPS}/read")))

        async for one in reach.each(self.name, groups, look, writes=False):
            yield one


def _held(id_: str, group: dict[str, Any]) -> Iterator[Held]:
    """A variable that several containers have is named with its container: they need not hold the same."""
    every = list(variables(group))
    counts = Counter(variable["name"] for _, variable in every)
    shut = [names[0] for names, _ in secure(group, {})]
    for container, variable in every:
        name = variable["name"]
        where = {"container": container["name"]} if counts[name] > 1 else {}
        others = [one for one in shut if one != f"{container['name']}/{name}"]
        yield Held(
            what=f"variable {name} of {container['name']} of {place_of(id_)}",
            resource=id_,
            settings={"kind": "container-instance", "group": id_, "variable": name, **where},
            fingerprints=prints(variable.get("value")),
            asks=f"what else the group keeps to itself, to send it again (`secure:`): {', '.join(others)}" if others else "",
            write_only="value" not in variable,
        )
