"""Connections of AI Foundry (accounts and projects) and of Azure ML workspaces.

Promises: a write replaces the connection's properties by what it names, so that what is not sent again is lost;
Foundry never shows a credential again, Azure ML to listsecrets alone; none reads a vault. Never: calls what a
connection leads to; that is its users' part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rotator.sandbox.wire import Answer, Call, Refused, Route

if TYPE_CHECKING:
    from rotator.sandbox.state import State

_GROUP = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers"
_FOUNDRY = rf"(?P<id>{_GROUP}/Microsoft\.CognitiveServices/accounts/[^/]+(/projects/[^/]+)?/connections/(?P<target>[^/]+))"
_WORKSPACE = rf"(?P<id>{_GROUP}/Microsoft\.MachineLearningServices/workspaces/[^/]+/connections/(?P<target>[^/]+))"


@dataclass(slots=True, kw_only=True)
class Connection:
    id: str
    properties: dict[str, Any] = field(repr=False)
    writes: int = 0

    def process(self, state: "State") -> str | None:
        """What those that use the connection get: it is read at each call."""
        found: str | None = (self.properties.get("credentials") or {}).get("key")
        return found


class Connections:
    """The part of Resource Manager that connections answer at."""

    def __init__(self, state: "State") -> None:
        self._state = state
        self.routes: Sequence[Route] = (
            Route("GET", _FOUNDRY, "GetConnection", self.get),
            Route("PATCH", _FOUNDRY, "UpdateConnection", self.write),
            Route("GET", _WORKSPACE, "GetWorkspaceConnection", self.get),
            Route("PUT", _WORKSPACE, "SetWorkspaceConnection", self.write),
            Route("POST", rf"{_WORKSPACE}/listsecrets", "ListConnectionSecrets", self.list_secrets),
        )

    def get(self, call: Call) -> Answer:
        return Answer(body=_shown(self._find(call)))

    def write(self, call: Call) -> Answer:
        connection, properties = self._find(call), call.json().get("properties")
        if not isinstance(properties, dict) or not properties.get("authType") or not properties.get("category"):
            raise Refused(400, "ValidationError", "properties.authType and properties.category are required.")
        connection.properties = properties
        connection.writes += 1
        return Answer(body=_shown(connection))

    def list_secrets(self, call: Call) -> Answer:
        connection = self._find(call)
        return Answer(body={**_shown(connection), "properties": connection.properties})

    def _find(self, call: Call) -> Connection:
        return self._state.find(call.names["id"], Connection)


def _shown(connection: Connection) -> dict[str, Any]:
    shown = {name: value for name, value in connection.properties.items() if name != "credentials"}
    return {"id": connection.id, "name": connection.id.rsplit("/", 1)[1], "properties": {**shown, "credentials": None}}
