"""Azure Container Instances: one environment variable of a group's containers.

A group is written as a whole, and Azure gives back no secure value of it: every one has to be supplied again (`secure:` in the settings),
or nothing is written. Beside the value stands a mark in the group's tags: the fingerprint, and when the containers had begun before the
write; so adoption needs no clock. What a person writes over it takes the mark away, or leaves it where the value was not touched.
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from azure.mgmt.containerinstance.aio import ContainerInstanceManagementClient

from rotator.azure import faults
from rotator.core.credential import Dependent
from rotator.core.faults import Conflict, Missing, Rejected
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.arm import ATTEMPTS, MARK, SHOWN, Clients, Resource, Turns, as_sent, filled, inside, read, resource, seen, view
from rotator.dependents.container_groups import Group, secure, variables
from rotator.dependents.tools import Tools
from rotator.engine.ports import Kind, Published

_ACTIONS = "Microsoft.ContainerInstance/containerGroups"
_SHOWN_ONLY = ("id", "name", "type", "etag", "systemData")
_SETTLED = frozenset({"Succeeded", "Failed", "Canceled", "Stopped"})


def kind(tools: Tools) -> Kind:
    return ContainerInstance(tools)


class ContainerInstance:
    """Fulfils `Kind`."""

    def __init__(self, tools: Tools, client: Callable[..., ContainerInstanceManagementClient] = ContainerInstanceManagementClient) -> None:
        self._tools = tools
        self._clients = Clients(tools.azure, client)
        self._turns = Turns()

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        return await seen(dependent, self._look(dependent, published))

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Write the group with the new value. Raises Rejected, naming them, where other secure values are not supplied."""
        async with self._turns.at(resource(dependent.parameters["group"])):
            await read(dependent, self._move(dependent, published))

    async def _move(self, dependent: Dependent, published: Published) -> None:
        place = resource(dependent.parameters["group"])
        group = await self._group(place)
        for _ in range(ATTEMPTS):
            if _is_delivered(group, dependent, published):
                return
            wish = await self._filled(group, dependent, published)
            again = await self._group(place)
            if _written(again) != _written(group):
                group = again
                continue
            await self._put(place, wish)
            if not _is_delivered(await self._group(place), dependent, published):
                raise Conflict(f"container group {place.name} was written by somebody else meanwhile")
            return
        raise Conflict(f"container group {place.name} keeps changing while it is written", remedy="look at who else deploys it")

    async def _look(self, dependent: Dependent, published: Published) -> DependentView:
        place = resource(dependent.parameters["group"])
        group = await self._group(place)
        mine = list(_own(group, dependent, place))
        fingerprint, _, before = str(_tags(group).get(_mark(dependent), "")).partition(" ")
        saw = f"fingerprint {fingerprint[:SHOWN]}" if fingerprint else ""
        if any("value" in one and inside(dependent, one["value"]) != published.fingerprint for _, one in mine):
            return view(dependent, Adoption.STALE, saw, f"variable {dependent.parameters['variable']} holds another value")
        if fingerprint != published.fingerprint:
            return view(dependent, Adoption.STALE, saw, "rotator's mark on the group is not of the published value")
        states = [_state(container) for container in group["properties"]["containers"]]
        waits = [state for state, started in states if started <= before]
        if waits or group["properties"].get("provisioningState") not in _SETTLED:
            return view(dependent, Adoption.STALE, f"{saw}, {', '.join(waits) or 'Pending'}", "the containers have not started again yet")
        state, started = min(states, key=lambda one: one[1])
        return view(dependent, Adoption.PROVEN, f"{saw}, {state} since {started}", running=published.fingerprint)

    async def _filled(self, group: Group, dependent: Dependent, published: Published) -> Group:
        """The group as it is to be, with every value that Azure did not give back."""
        wish, supplied = _written(group), dict(dependent.parameters["secure"])
        place = resource(dependent.parameters["group"])
        missing: list[str] = []
        for _, variable in _own(wish, dependent, place):
            field = "value" if "value" in variable else "secureValue"
            variable[field] = filled(dependent, published, variable.get("value")).reveal()
        for names, put in secure(wish, supplied):
            reference = next((supplied[name] for name in names if name in supplied), None)
            if reference is None:
                missing.append(names[0])
            elif not missing:
                put((await self._tools.secret(reference)).reveal())
        if missing:
            raise Rejected(
                f"container group {place.name} has values that Azure does not give back, and a write would lose: {', '.join(missing)}",
                remedy="name each in the dependent's `secure:`, by reference",
            )
        before = max((started for _, started in map(_state, group["properties"]["containers"])), default="")
        wish["tags"] = {**_tags(wish), _mark(dependent): f"{published.fingerprint} {before}".strip()}
        return wish

    async def _group(self, place: Resource) -> Group:
        with faults(f"container group {place.name}", needs=f"{_ACTIONS}/read"):
            groups: Any = self._clients.at(place).container_groups
            found: Group = await groups.get(place.group, place.name, cls=as_sent)
            if not isinstance(found["properties"]["containers"], list):
                raise TypeError("no containers")
            return found

    async def _put(self, place: Resource, wish: Group) -> None:
        with faults(f"write of container group {place.name}", mutates=True, needs=f"{_ACTIONS}/write"):
            groups: Any = self._clients.at(place).container_groups
            body = json.dumps(wish).encode()
            await groups.begin_create_or_update(place.group, place.name, body, content_type="application/json", polling=False)


def _is_delivered(group: Group, dependent: Dependent, published: Published) -> bool:
    """By the mark, and by what of the value can be seen; whether it runs yet is for the look."""
    place = resource(dependent.parameters["group"])
    plain = [
        Sealed(one["value"]) == filled(dependent, published, one["value"]) for _, one in _own(group, dependent, place) if "value" in one
    ]
    return str(_tags(group).get(_mark(dependent), "")).split(" ")[0] == published.fingerprint and all(plain)


def _mark(dependent: Dependent) -> str:
    container = dependent.parameters["container"]
    return "-".join(filter(None, (MARK, container, dependent.parameters["variable"])))


def _tags(group: Group) -> dict[str, str]:
    return group.get("tags") or {}


def _own(group: Group, dependent: Dependent, place: Resource) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each container that has the variable, and the variable in it. Raises Missing where none has."""
    name, only = dependent.parameters["variable"], dependent.parameters["container"]
    found = [(container, one) for container, one in variables(group) if one["name"] == name and only in (None, container["name"])]
    if not found:
        where = f"container {only} of {place.name}" if only else f"container group {place.name}"
        raise Missing(f"{where} has no variable {name}", remedy="correct `variable:` and `container:`, or make it once by hand")
    yield from found


def _written(group: Group) -> Group:
    """The group without what Azure only shows."""
    wish = {name: value for name, value in copy.deepcopy(group).items() if name not in _SHOWN_ONLY}
    properties = wish["properties"]
    for name in ("provisioningState", "instanceView"):
        properties.pop(name, None)
    if properties.get("ipAddress"):
        properties["ipAddress"].pop("fqdn", None)
    for container in [*properties["containers"], *(properties.get("initContainers") or [])]:
        container["properties"].pop("instanceView", None)
    return wish


def _state(container: dict[str, Any]) -> tuple[str, str]:
    """What a container does now and since when, as Azure says it; times of one form compare as text."""
    current = (container["properties"].get("instanceView") or {}).get("currentState") or {}
    return str(current.get("state", "Waiting")), str(current.get("startTime", ""))
