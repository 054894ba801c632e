"""AI Foundry: an API-key connection of an account or of a project.

Its key is write-only: what was written is Claimed. Beside it, in the connection's metadata, stands the fingerprint of what was written. A
write replaces the connection's properties, so all of them are sent again as they were read a moment ago; there is no ETag.
"""

import json
from collections.abc import Callable
from typing import Any

from azure.mgmt.cognitiveservices.aio import CognitiveServicesManagementClient

from rotator.azure import faults
from rotator.core.credential import Dependent
from rotator.core.faults import Conflict, Rejected
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.arm import ATTEMPTS, MARK, SHOWN, Clients, Resource, as_sent, filled, read, resource, seen, view
from rotator.dependents.tools import Tools
from rotator.engine.ports import Kind, Published

_ACTIONS = "Microsoft.CognitiveServices/accounts"
_SHOWN_ONLY = ("credentials", "createdByWorkspaceArmId", "group", "error", "peStatus")


def kind(tools: Tools) -> Kind:
    return FoundryConnection(tools)


class FoundryConnection:
    """Fulfils `Kind`."""

    def __init__(self, tools: Tools, client: Callable[..., CognitiveServicesManagementClient] = CognitiveServicesManagementClient) -> None:
        self._clients = Clients(tools.azure, client)

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        return await seen(dependent, self._look(dependent, published))

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Write the connection where its mark is not of the value. Raises Rejected for a connection without an API key."""
        await read(dependent, self._move(dependent, published))

    async def _move(self, dependent: Dependent, published: Published) -> None:
        place = resource(dependent.parameters["connection"])
        properties = await self._properties(place)
        for _ in range(ATTEMPTS):
            if _mark(properties) == published.fingerprint:
                return
            wish = _wish(properties, dependent, published)
            again = await self._properties(place)
            if again != properties:
                properties = again
                continue
            await self._patch(place, wish)
            if _mark(await self._properties(place)) != published.fingerprint:
                raise Conflict(f"connection {place.name} was written by somebody else meanwhile")
            return
        raise Conflict(f"connection {place.name} keeps changing while it is written", remedy="look at who else deploys it")

    async def _look(self, dependent: Dependent, published: Published) -> DependentView:
        written = _mark(await self._properties(resource(dependent.parameters["connection"])))
        saw = f"mark {written[:SHOWN]}" if written else ""
        if written == published.fingerprint:
            return view(dependent, Adoption.CLAIMED, saw, "the key of a connection is write-only", running=published.fingerprint)
        return view(dependent, Adoption.STALE, saw, "rotator's mark on the connection is not of the published value")

    async def _properties(self, place: Resource) -> dict[str, Any]:
        client: Any = self._clients.at(place)
        with faults(f"connection {place.name}", needs=_action(place, "read")):
            operations, names = _way(client, place)
            found = await operations.get(*names, cls=as_sent)
            properties: dict[str, Any] = found["properties"]
        if properties.get("authType") != "ApiKey":
            raise Rejected(f"connection {place.name} has no API key ({properties.get('authType')})", remedy="take the dependent out")
        return properties

    async def _patch(self, place: Resource, wish: dict[str, Any]) -> None:
        client: Any = self._clients.at(place)
        with faults(f"write of connection {place.name}", mutates=True, needs=_action(place, "write")):
            operations, names = _way(client, place)
            await operations.update(*names, json.dumps({"properties": wish}).encode(), content_type="application/json")


def _way(client: Any, place: Resource) -> tuple[Any, tuple[str, ...]]:
    names = (place.group, place.names["accounts"])
    if "projects" in place.names:
        return client.project_connections, (*names, place.names["projects"], place.names["connections"])
    return client.account_connections, (*names, place.names["connections"])


def _action(place: Resource, action: str) -> str:
    return f"{_ACTIONS}/{'projects/' if 'projects' in place.names else ''}connections/{action}"


def _mark(properties: dict[str, Any]) -> str:
    return str((properties.get("metadata") or {}).get(MARK, ""))


def _wish(properties: dict[str, Any], dependent: Dependent, published: Published) -> dict[str, Any]:
    kept = {name: value for name, value in properties.items() if name not in _SHOWN_ONLY}
    metadata = {**(properties.get("metadata") or {}), MARK: published.fingerprint}
    return {**kept, "metadata": metadata, "credentials": {"key": filled(dependent, published, None).reveal()}}
