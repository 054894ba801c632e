"""Container Instances: a group is written as a whole, and what is secure in it is never shown again.

Promises: a PUT that leaves a secure value out loses it; every PUT restarts the containers; neither vaults nor changes
reach a running container; who writes a group must have the right to the identities and subnets that it names.
Never: shows a secure value, a registry's password or a volume's secret.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rotator.sandbox.wire import Answer, Call, Refused, Route

if TYPE_CHECKING:
    from rotator.sandbox.state import State

_GROUP = r"(?P<id>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ContainerInstance/containerGroups/(?P<target>[^/]+))"


@dataclass(slots=True, kw_only=True)
class ContainerGroup:
    """`content` is the group as it was last written, secure values and all; a restart ends `takes_s` after the write."""

    id: str
    content: dict[str, Any] = field(repr=False)
    started_at: datetime
    takes_s: float = 0.0
    restarts: int = 0

    def variables(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for container in self.content["properties"]["containers"]:
            for variable in container["properties"].get("environmentVariables") or []:
                yield container["name"], variable

    def process(self, state: "State", name: str) -> str | None:
        """What the container has in its environment, once it runs."""
        if state.now() < self.started_at:
            return None
        return next((one.get("secureValue", one.get("value")) for _, one in self.variables() if one["name"] == name), None)


class ContainerGroups:
    """The part of Resource Manager that container groups answer at."""

    def __init__(self, state: "State") -> None:
        self._state = state
        self.routes: Sequence[Route] = (
            Route("GET", _GROUP, "GetContainerGroup", self.get),
            Route("PUT", _GROUP, "SetContainerGroup", self.put),
        )

    def get(self, call: Call) -> Answer:
        return Answer(body=self._shown(self._state.find(call.names["id"], ContainerGroup)))

    def put(self, call: Call) -> Answer:
        group = self._state.find(call.names["id"], ContainerGroup)
        content = call.json()
        if not content.get("location") or not (content.get("properties") or {}).get("containers"):
            raise Refused(400, "InvalidRequestContent", "location and properties.containers are required.")
        for action, linked in _linked(content):
            self._state.grants.check_linked(action, linked, "Microsoft.ContainerInstance/containerGroups/write", group.id)
        group.content = content
        group.restarts += 1
        group.started_at = self._state.now() + timedelta(seconds=group.takes_s)
        return Answer(body=self._shown(group))

    def _shown(self, group: ContainerGroup) -> dict[str, Any]:
        shown = copy.deepcopy(group.content)
        properties = shown["properties"]
        running = self._state.now() >= group.started_at
        for container in properties["containers"]:
            for variable in container["properties"].get("environmentVariables") or []:
                variable.pop("secureValue", None)
            container["properties"]["instanceView"] = {
                "restartCount": group.restarts,
                "currentState": {"state": "Running", "startTime": group.started_at.isoformat()} if running else {"state": "Waiting"},
            }
        for registry in properties.get("imageRegistryCredentials") or []:
            registry.pop("password", None)
        for volume in properties.get("volumes") or []:
            (volume.get("azureFile") or {}).pop("storageAccountKey", None)
            if "secret" in volume:
                volume["secret"] = {}
        properties["provisioningState"] = "Succeeded" if running else "Pending"
        properties["instanceView"] = {"state": "Running" if running else "Pending"}
        name = group.id.rsplit("/", 1)[1]
        return {**shown, "id": group.id, "name": name, "type": "Microsoft.ContainerInstance/containerGroups"}


def _linked(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for id_ in (content.get("identity") or {}).get("userAssignedIdentities") or {}:
        yield "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", id_
    for subnet in content["properties"].get("subnetIds") or []:
        yield "Microsoft.Network/virtualNetworks/subnets/join/action", subnet["id"]
