"""API Management: named values and backends, each with an ETag that an update has to name.

Promises: a named value that refers to a vault is read again by the refresh call or after four hours, never if it pins
a version; a secret one shows its value to listValue alone; an update without the current ETag changes nothing (412).
Never: policies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rotator.sandbox.references import Fetched, fetch, place_at
from rotator.sandbox.wire import Answer, Call, Refused, Route

if TYPE_CHECKING:
    from rotator.sandbox.state import State

CACHED_FOR = timedelta(hours=4)
_SERVICE = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ApiManagement/service/[^/]+"
_NAMED = rf"(?P<id>{_SERVICE}/namedValues/(?P<target>[^/]+))"
_BACKEND = rf"(?P<id>{_SERVICE}/backends/(?P<target>[^/]+))"


@dataclass(slots=True, kw_only=True)
class Gate:
    """A named value or a backend: its properties, secrets among them."""

    id: str
    properties: dict[str, Any] = field(repr=False)
    etag: int = 1
    fetched: Fetched | None = field(default=None, repr=False)

    def process(self, state: "State", *path: str) -> str | None:
        """What the gateway sends: a named value's text, or what stands at `path` in a backend's credentials."""
        self.look(state)
        if "keyVault" in self.properties:
            return self.fetched.value if self.fetched else None
        found: Any = self.properties.get("value") if not path else self.properties.get("credentials") or {}
        for part in path:
            found = (found or {}).get(part)
        value: str | None = found[0] if isinstance(found, list) else found
        return value

    def look(self, state: "State") -> None:
        reference = self.properties.get("keyVault")
        if reference is None:
            return
        place = place_at(reference["secretIdentifier"])
        old = self.fetched is not None and state.now() >= self.fetched.at + CACHED_FOR and not place.version
        if self.fetched is None or old:
            self.fetched = fetch(state, place)


class ApiManagement:
    """The part of Resource Manager that API Management answers at."""

    def __init__(self, state: "State") -> None:
        self._state = state
        self.routes: Sequence[Route] = (
            Route("GET", _NAMED, "GetNamedValue", self.get),
            Route("PATCH", _NAMED, "UpdateNamedValue", self.update),
            Route("POST", rf"{_NAMED}/listValue", "ListNamedValue", self.list_value),
            Route("POST", rf"{_NAMED}/refreshSecret", "RefreshNamedValue", self.refresh),
            Route("GET", _BACKEND, "GetBackend", self.get),
            Route("PATCH", _BACKEND, "UpdateBackend", self.update),
        )

    def get(self, call: Call) -> Answer:
        return self._answer(self._find(call))

    def update(self, call: Call) -> Answer:
        """A merge of the properties that are named; each as a whole."""
        gate = self._find(call)
        wanted = call.request.headers.get("If-Match", "")
        if not wanted:
            raise Refused(400, "ValidationError", "If-Match header is required.")
        if wanted not in ("*", f'"{gate.etag}"'):
            raise Refused(412, "PreconditionFailed", "The resource was modified since it was read.")
        properties = call.json().get("properties") or {}
        gate.properties = {**gate.properties, **properties}
        gate.etag += 1
        return self._answer(gate)

    def list_value(self, call: Call) -> Answer:
        gate = self._find(call)
        return Answer(body={"value": gate.process(self._state)}, headers={"ETag": f'"{gate.etag}"'})

    def refresh(self, call: Call) -> Answer:
        gate = self._find(call)
        if "keyVault" not in gate.properties:
            raise Refused(400, "ValidationError", "The named value has no Key Vault secret.")
        gate.fetched = fetch(self._state, place_at(gate.properties["keyVault"]["secretIdentifier"]))
        return self._answer(gate)

    def _find(self, call: Call) -> Gate:
        gate = self._state.find(call.names["id"], Gate)
        gate.look(self._state)
        return gate

    def _answer(self, gate: Gate) -> Answer:
        shown = dict(gate.properties)
        if shown.get("secret"):
            shown.pop("value", None)
        if gate.fetched is not None:
            code = "Success" if gate.fetched.value is not None else gate.fetched.status
            status = {"code": code, "timeStampUtc": gate.fetched.at.isoformat().replace("+00:00", "Z")}
            shown["keyVault"] = {**shown["keyVault"], "lastStatus": status}
        return Answer(
            body={"id": gate.id, "name": gate.id.rsplit("/", 1)[1], "type": "Microsoft.ApiManagement/service", "properties": shown},
            headers={"ETag": f'"{gate.etag}"'},
        )
