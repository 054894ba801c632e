"""Data Factory's linked services: written as a whole, with an ETag; secure strings come back masked.

Promises: a secure string that is sent back masked is stored so, as Azure does; a Key Vault reference is read at each
activity. Never: runs a pipeline.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rotator.sandbox.references import fetch, place_at
from rotator.sandbox.wire import Answer, Call, Refused, Route

if TYPE_CHECKING:
    from rotator.sandbox.state import State

MASK = "**********"
_SERVICE = (
    r"(?P<id>(?P<factory>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.DataFactory/factories/[^/]+)"
    r"/linkedservices/(?P<target>[^/]+))"
)


@dataclass(slots=True, kw_only=True)
class LinkedService:
    id: str
    properties: dict[str, Any] = field(repr=False)
    etag: int = 1

    def process(self, state: "State", *path: str) -> str | None:
        """What an activity gets that begins now."""
        found: Any = self.properties.get("typeProperties") or {}
        for part in path:
            found = (found or {}).get(part)
        if isinstance(found, dict) and found.get("type") == "AzureKeyVaultSecret":
            factory = self.id.rsplit("/", 1)[0]
            store = state.find(f"{factory}/{found['store']['referenceName']}", LinkedService)
            base = store.properties["typeProperties"]["baseUrl"].rstrip("/")
            return fetch(state, place_at(f"{base}/secrets/{found['secretName']}/{found.get('secretVersion', '')}")).value
        return found.get("value") if isinstance(found, dict) else None


class Factories:
    """The part of Resource Manager that linked services answer at."""

    def __init__(self, state: "State") -> None:
        self._state = state
        self.routes: Sequence[Route] = (
            Route("GET", _SERVICE, "GetLinkedService", self.get),
            Route("PUT", _SERVICE, "SetLinkedService", self.put),
        )

    def get(self, call: Call) -> Answer:
        return _answer(self._find(call))

    def put(self, call: Call) -> Answer:
        service, wanted = self._find(call), call.request.headers.get("If-Match", "*")
        if wanted not in ("*", _etag(service)):
            raise Refused(412, "PreconditionFailed", "The linked service was changed since it was read.")
        properties = call.json().get("properties")
        if not isinstance(properties, dict) or not properties.get("type"):
            raise Refused(400, "InvalidPropertyValue", "properties.type is required.")
        service.properties = properties
        service.etag += 1
        return _answer(service)

    def _find(self, call: Call) -> LinkedService:
        return self._state.find(call.names["id"], LinkedService)


def _etag(service: LinkedService) -> str:
    return f'"0000{service.etag}"'


def _answer(service: LinkedService) -> Answer:
    shown = masked(copy.deepcopy(service.properties))
    name = service.id.rsplit("/", 1)[1]
    return Answer(
        body={"id": service.id, "name": name, "etag": _etag(service).strip('"'), "properties": shown}, headers={"ETag": _etag(service)}
    )


def masked(found: Any) -> Any:
    """As it is shown to everybody."""
    if isinstance(found, dict):
        if found.get("type") == "SecureString":
            return {"type": "SecureString", "value": MASK}
        return {name: masked(value) for name, value in found.items()}
    return [masked(one) for one in found] if isinstance(found, list) else found
