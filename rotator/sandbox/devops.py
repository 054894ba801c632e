"""Azure DevOps: variable groups and service connections, written whole and without an ETag.

Promises: a PUT replaces the object, but a secret that comes as null stays what it was; secrets are given back as null;
who is not signed in gets a page of HTML with 203; what is not there is a 200 with null; a group linked to a Key Vault
holds names only. Never: projects, runs; a run reads what is there when it starts.
"""

import base64
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rotator.sandbox.entra import check_bearer
from rotator.sandbox.references import fetch, place_at
from rotator.sandbox.state import DEVOPS_RESOURCE
from rotator.sandbox.wire import Answer, Call, Refused, Route

if TYPE_CHECKING:
    from rotator.sandbox.state import State

_GROUPS = r"/_apis/distributedtask/variablegroups"
_ENDPOINTS = r"/_apis/serviceendpoint/endpoints"


@dataclass(slots=True, kw_only=True)
class Library:
    """One object of the library, with its secrets. `vault` is what a linked group reads at each run."""

    id: str
    number: str
    sort: str
    object: dict[str, Any] = field(repr=False)
    modified_at: datetime
    vault: str = ""

    def process(self, state: "State", *path: str) -> str | None:
        """What a run that starts now gets for a variable or a parameter."""
        if self.vault:
            return fetch(state, place_at(f"{self.vault}/secrets/{path[0]}")).value
        if self.sort == "group":
            found: str | None = self.object["variables"].get(path[0], {}).get("value")
        else:
            found = self.object["authorization"]["parameters"].get(path[0])
        return found

    def shown(self) -> dict[str, Any]:
        """As the API gives it: without secrets."""
        whole = copy.deepcopy(self.object)
        for variable in whole.get("variables", {}).values():
            if variable.get("isSecret"):
                variable["value"] = None
        parameters = whole.get("authorization", {}).get("parameters", {})
        for name in [name for name in parameters if name != "username"]:
            parameters[name] = None
        about = {"modifiedOn": self.modified_at.isoformat()} if self.sort == "group" else {}
        return {"id": int(self.number) if self.sort == "group" else self.number, **whole, **about}

    def replace(self, content: dict[str, Any], now: datetime) -> None:
        """Whole, but for secrets that come as null."""
        new = {name: value for name, value in content.items() if name not in ("id", "modifiedOn", "modifiedBy")}
        for name, variable in new.get("variables", {}).items():
            if variable.get("isSecret") and variable.get("value") is None:
                variable["value"] = self.object["variables"].get(name, {}).get("value")
        parameters = new.get("authorization", {}).get("parameters", {})
        for name in [name for name, value in parameters.items() if value is None]:
            parameters[name] = self.object["authorization"]["parameters"].get(name)
        self.object, self.modified_at = new, now


@dataclass(slots=True, kw_only=True)
class DevOps:
    """`denied` says that the token may look and not write."""

    token: str = field(repr=False)
    library: dict[str, Library] = field(default_factory=dict)
    denied: bool = False


class DevOpsApi:
    name = "azure_devops"

    def __init__(self, state: "State") -> None:
        self._state = state
        organisation = r"/(?P<organisation>[^/]+)"
        project = rf"{organisation}/(?P<project>[^/]+)"
        self.routes: Sequence[Route] = (
            Route("GET", rf"{project}{_GROUPS}", "GetVariableGroup", self.named),
            Route("GET", rf"{project}{_GROUPS}/(?P<target>\d+)", "GetVariableGroup", self.get),
            Route("PUT", rf"{organisation}{_GROUPS}/(?P<target>\d+)", "PutVariableGroup", self.put),
            Route("GET", rf"{project}{_ENDPOINTS}/(?P<target>[0-9a-f-]+)", "GetServiceConnection", self.get),
            Route("PUT", rf"{organisation}{_ENDPOINTS}/(?P<target>[0-9a-f-]+)", "PutServiceConnection", self.put),
        )

    def admit(self, call: Call) -> None:
        said = call.request.headers.get("Authorization", "")
        basic = f"Basic {base64.b64encode(f':{self._state.elsewhere.devops.token}'.encode()).decode()}"
        if said != basic and check_bearer(self._state, call, DEVOPS_RESOURCE):
            raise Refused(203, "SignIn", "sign in")
        if not call.query.get("api-version"):
            raise Refused(400, "VssVersionNotSpecifiedException", "No api-version was supplied.")
        if self._state.elsewhere.devops.denied and call.request.method == "PUT":
            raise Refused(403, "AccessDeniedException", "You do not have permission to perform this operation.")

    def error(self, refused: Refused) -> Answer:
        if refused.status == 203:
            return Answer(status=203, text="<html>Azure DevOps Services | Sign In</html>", headers={"Content-Type": "text/html"})
        body = {"$id": "1", "message": refused.message, "typeKey": refused.code, "errorCode": 0}
        return Answer(status=refused.status, body=body, headers=refused.headers)

    def named(self, call: Call) -> Answer:
        wanted = call.query.get("groupName", "").lower()
        groups = [one for one in self._state.elsewhere.devops.library.values() if one.sort == "group"]
        found = [one.shown() for one in groups if one.object["name"].lower() == wanted]
        return Answer(body={"count": len(found), "value": found})

    def get(self, call: Call) -> Answer:
        found = self._state.elsewhere.devops.library.get(call.names["target"])
        return Answer(body=found.shown()) if found else Answer(text="null", headers={"Content-Type": "application/json"})

    def put(self, call: Call) -> Answer:
        found, content = self._state.elsewhere.devops.library.get(call.names["target"]), call.json()
        if found is None:
            raise Refused(404, "VariableGroupDoesNotExistException", "It does not exist.")
        needed = "variableGroupProjectReferences" if found.sort == "group" else "serviceEndpointProjectReferences"
        if not content.get(needed) or not content.get("name"):
            raise Refused(400, "ArgumentException", f"{needed} is required.")
        found.replace(content, self._state.now())
        return Answer(body=found.shown())
