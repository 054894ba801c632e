"""Azure Machine Learning: an API-key connection of a workspace or a hub.

The key can be read back, so its fingerprint proves it. A write replaces the connection's properties, so all of them are sent again as
they were read a moment ago; there is no ETag. The official SDK for these connections (azure-ai-ml) has no asynchronous client and the
asynchronous one of ARM cannot read a connection's key: so these are plain ARM calls.
"""

from typing import Any

from rotator.azure import faults
from rotator.azure.arm import ResourceManager
from rotator.core.credential import Dependent
from rotator.core.faults import Conflict, Rejected
from rotator.core.sealed import Sealed
from rotator.core.snapshot import DependentView
from rotator.dependents.arm import ATTEMPTS, Resource, by_value, filled, read, resource, seen
from rotator.dependents.tools import Tools
from rotator.engine.ports import Kind, Published

API_VERSION = "2024-10-01"
_ACTIONS = "Microsoft.MachineLearningServices/workspaces/connections"
_SHOWN_ONLY = ("createdByWorkspaceArmId", "group", "error", "peStatus")


def kind(tools: Tools) -> Kind:
    return MachineLearningConnection(ResourceManager(tools.azure))


class MachineLearningConnection:
    """Fulfils `Kind`."""

    def __init__(self, manager: ResourceManager) -> None:
        self._manager = manager

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        return await seen(dependent, self._look(dependent, published))

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Write the connection where it holds another key. Raises Rejected for a connection without an API key."""
        await read(dependent, self._move(dependent, published))

    async def _move(self, dependent: Dependent, published: Published) -> None:
        place = resource(dependent.parameters["connection"])
        properties = await self._properties(place)
        for _ in range(ATTEMPTS):
            wish = filled(dependent, published, _key(properties))
            if Sealed(_key(properties)) == wish:
                return
            again = await self._properties(place)
            if again != properties:
                properties = again
                continue
            await self._put(place, _wish(properties, wish))
            if Sealed(_key(await self._properties(place))) != wish:
                raise Conflict(f"connection {place.name} was written by somebody else meanwhile")
            return
        raise Conflict(f"connection {place.name} keeps changing while it is written", remedy="look at who else deploys it")

    async def _look(self, dependent: Dependent, published: Published) -> DependentView:
        properties = await self._properties(resource(dependent.parameters["connection"]))
        return by_value(dependent, published, _key(properties), "the connection")

    async def _properties(self, place: Resource) -> dict[str, Any]:
        """All of them, the key included."""
        with faults(f"connection {place.name}", needs=f"{_ACTIONS}/listsecrets/action"):
            found = await self._manager.call("POST", f"{place.id}/listsecrets", API_VERSION)
            properties: dict[str, Any] = found["properties"]
        if properties.get("authType") != "ApiKey":
            raise Rejected(f"connection {place.name} has no API key ({properties.get('authType')})", remedy="take the dependent out")
        return properties

    async def _put(self, place: Resource, wish: dict[str, Any]) -> None:
        with faults(f"write of connection {place.name}", mutates=True, needs=f"{_ACTIONS}/write"):
            await self._manager.call("PUT", place.id, API_VERSION, {"properties": wish})


def _key(properties: dict[str, Any]) -> str:
    return str((properties.get("credentials") or {}).get("key") or "")


def _wish(properties: dict[str, Any], wish: Sealed) -> dict[str, Any]:
    kept = {name: value for name, value in properties.items() if name not in _SHOWN_ONLY}
    return {**kept, "credentials": {**(properties.get("credentials") or {}), "key": wish.reveal()}}
