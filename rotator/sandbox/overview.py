"""What Resource Manager says over many resources: Resource Graph, vaults, locks, permissions, denials, the activity log.

Promises: each list shows what the caller may read and no more; small pages. Resource Graph understands the few words of its language that
an inventory needs (`where type =~`, `where type in~`, `project`, `order by id asc`), and may be denied as a whole. Never: the other
tables; what a policy would do; the activity log knows what happened to keys and nothing else, and never which of the two it was.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from rotator.sandbox.account_json import resource
from rotator.sandbox.accounts import PROVIDER
from rotator.sandbox.state import State
from rotator.sandbox.versions import Vault
from rotator.sandbox.wire import Answer, Call, Refused, Route

_SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
_VAULTS = "Microsoft.KeyVault/vaults"
_QUOTED = re.compile(r"'([^']*)'")
_SINCE = re.compile(r"eventTimestamp ge '([^']+)'", re.IGNORECASE)
_GRAPH_PAGE_MAX = 1000


class Overview:
    def __init__(self, state: State, url: str) -> None:
        self._state = state
        self._url = url
        self.routes: Sequence[Route] = (
            Route("POST", r"/providers/Microsoft\.ResourceGraph/resources", "QueryGraph", self.graph),
            Route(
                "GET",
                rf"{_SUBSCRIPTION}(/resourceGroups/(?P<group>[^/]+))?/providers/Microsoft\.KeyVault/vaults",
                "ListVaults",
                self.vaults,
            ),
            Route("GET", rf"{_SUBSCRIPTION}/providers/Microsoft\.Insights/eventtypes/management/values", "ListActivity", self.activity),
            Route("GET", r"(?P<scope>/subscriptions/.+)/providers/Microsoft\.Authorization/locks", "ListLocks", self.locks),
            Route(
                "GET", r"(?P<scope>/subscriptions/.+)/providers/Microsoft\.Authorization/permissions", "ListPermissions", self.permissions
            ),
            Route("GET", r"(?P<scope>/subscriptions/.+)/providers/Microsoft\.Authorization/denyAssignments", "ListDenials", self.denials),
            Route("GET", rf"{_SUBSCRIPTION}/providers/Microsoft\.Authorization/policyAssignments", "ListPolicies", self.policies),
            Route("GET", r"(?P<set>/.*providers/Microsoft\.Authorization/policySetDefinitions/[^/]+)", "GetInitiative", self.initiative),
        )

    def graph(self, call: Call) -> Answer:
        if self._state.graph_denied:
            raise Refused(403, "AuthorizationFailed", "The client does not have authorization to perform action on Resource Graph.")
        asked = call.json()
        options = asked.get("options") or {}
        if options.get("resultFormat", "objectArray") != "objectArray":
            raise Refused(400, "BadRequest", "Please provide a result format that is supported here: objectArray.")
        rows = list(_queried(str(asked.get("query", "")), self._rows(asked.get("subscriptions"))))
        start = _offset(options.get("$skipToken"))
        end = start + min(self._state.page_size, int(options.get("$top", _GRAPH_PAGE_MAX)), _GRAPH_PAGE_MAX)
        page = rows[start:end]
        body: dict[str, Any] = {"totalRecords": len(rows), "count": len(page), "resultTruncated": "false", "facets": [], "data": page}
        repeats = call.operation in self._state.repeating
        if end < len(rows) or repeats:
            body["$skipToken"] = base64.b64encode(f"at:{start if repeats else end}".encode()).decode()
        return Answer(body=body)

    def vaults(self, call: Call) -> Answer:
        asked, group = call.names["subscription"].lower(), (call.names.get("group") or "").lower()
        vaults = [row for row in self._rows([asked]) if row["type"] == _VAULTS.lower()]
        return self._page(call, [row for row in vaults if group in ("", str(row["resourceGroup"]).lower())])

    def locks(self, call: Call) -> Answer:
        """All of a subscription are those of everything in it; those of a resource are those it has itself or inherits."""
        scope = call.names["scope"].lower()
        whole = scope.count("/") == 2
        held = [*self._state.locks, *((a.id, a.lock) for a in self._state.accounts.values() if a.lock and not a.deleted)]
        there = [one for one in held if one[0].lower().startswith(scope) or (not whole and scope.startswith(one[0].lower() + "/"))]
        return self._page(call, [_lock(*one) for one in there])

    def permissions(self, call: Call) -> Answer:
        return self._page(call, [grant.shown() for grant in self._state.grants.at(call.names["scope"])])

    def denials(self, call: Call) -> Answer:
        """Those at the scope and above it, as `atScope()` asks."""
        if call.query.get("$filter") != "atScope()":
            raise Refused(400, "BadRequest", "The $filter is not known here: atScope() is.")
        scope = call.names["scope"]
        above = [one for one in self._state.grants.denials if one.grant.reaches(scope)]
        return self._page(call, [one.shown() for one in above])

    def policies(self, call: Call) -> Answer:
        """All that are assigned in a subscription or above it."""
        mine = f"/subscriptions/{call.names['subscription']}".lower()
        above = "/providers/microsoft.management/"
        scopes = [(str(row["properties"]["scope"]).lower(), row) for row in self._state.policies]
        return self._page(call, [row for scope, row in scopes if scope.startswith((mine, above))])

    def initiative(self, call: Call) -> Answer:
        found = self._state.initiatives.get(call.names["set"].lower())
        if found is None:
            raise Refused(404, "PolicySetDefinitionNotFound", "The policy set definition could not be found.")
        return Answer(body=found)

    def activity(self, call: Call) -> Answer:
        since = _SINCE.search(call.query.get("$filter", ""))
        if since is None:
            raise Refused(400, "BadRequest", "The $filter must have a start time: eventTimestamp ge '...'.")
        start, asked = datetime.fromisoformat(since[1].replace("Z", "+00:00")), call.names["subscription"].lower()
        accounts = {a.name: a for a in self._state.accounts.values() if a.subscription == asked}
        keys = [
            key for key in self._state.keys_ever() if key.account in accounts and key.minted_by != "creation" and key.minted_at >= start
        ]
        return self._page(call, [_event(accounts[key.account].id, key.minted_at, key.minted_by) for key in reversed(keys)])

    def _rows(self, subscriptions: Any) -> Iterator[dict[str, Any]]:
        wanted = [str(one).lower() for one in subscriptions] if subscriptions else None
        accounts = [
            resource(a) | {"type": f"{PROVIDER}/accounts".lower(), "resourceGroup": a.group, "subscriptionId": a.subscription}
            for a in self._state.accounts.values()
            if not a.deleted
        ]
        vaults = [_vault(self._state, vault) for vault in self._state.vaults.values()]
        for row in (*accounts, *vaults):
            readable = self._state.grants.permits(f"{'/'.join(row['type'].split('/'))}/read", row["id"])
            if readable and (wanted is None or row["subscriptionId"].lower() in wanted):
                yield row

    def _page(self, call: Call, rows: list[Any]) -> Answer:
        start = _offset(call.query.get("$skiptoken"))
        end = start + self._state.page_size
        body: dict[str, Any] = {"value": rows[start:end]}
        repeats = call.operation in self._state.repeating
        if end < len(rows) or repeats:
            query = {**call.query, "$skiptoken": base64.b64encode(f"at:{start if repeats else end}".encode()).decode()}
            body["nextLink"] = f"{self._url}{call.request.path}?{urlencode(query)}"
        return Answer(body=body)


def vault_id(state: State, vault: Vault) -> str:
    return f"/subscriptions/{state.subscription}/resourceGroups/{vault.group}/providers/{_VAULTS}/{vault.name}"


def _vault(state: State, vault: Vault) -> dict[str, Any]:
    return {
        "id": vault_id(state, vault),
        "name": vault.name,
        "type": _VAULTS.lower(),
        "kind": "",
        "location": "westeurope",
        "resourceGroup": vault.group,
        "subscriptionId": state.subscription,
        "tags": {},
        "properties": {
            "vaultUri": f"{vault.url}/",
            "enableRbacAuthorization": vault.rbac,
            "enableSoftDelete": True,
            "publicNetworkAccess": "Enabled",
            "networkAcls": {"defaultAction": "Deny" if vault.firewall else "Allow"},
        },
    }


def _queried(query: str, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Raises Refused where the query says more than is understood here."""
    table, *steps = [part.strip() for part in query.split("|")]
    if table.lower() != "resources":
        raise Refused(400, "BadRequest", "Query is invalid: the table is not known here.")
    found = list(rows)
    for step in steps:
        types = {one.lower() for one in _QUOTED.findall(step)}
        if re.fullmatch(r"where type (=~ '[^']+'|in~ \([^)]+\))", step):
            found = [row for row in found if row["type"] in types]
        elif re.fullmatch(r"project \w+(, \w+)*", step):
            names = [name.strip() for name in step.removeprefix("project ").split(",")]
            found = [{name: row.get(name) for name in names} for row in found]
        elif step == "order by id asc":
            found.sort(key=lambda row: str(row["id"]))
        else:
            raise Refused(400, "BadRequest", "Query is invalid: an operator is not known here.")
    return iter(found)


def _offset(token: Any) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(str(token)).decode().removeprefix("at:"))
    except ValueError:
        raise Refused(400, "BadRequest", "The skip token is invalid.") from None


def _lock(scope: str, level: str) -> Mapping[str, Any]:
    name = f"lock-{urlsplit(scope).path.rsplit('/', 1)[1]}"
    return {
        "id": f"{scope}/providers/Microsoft.Authorization/locks/{name}",
        "name": name,
        "type": "Microsoft.Authorization/locks",
        "properties": {"level": level, "notes": ""},
    }


def _event(account: str, at: datetime, by: str) -> Mapping[str, Any]:
    return {
        "eventTimestamp": at.isoformat().replace("+00:00", "Z"),
        "operationName": {"value": f"{PROVIDER}/accounts/regenerateKey/action", "localizedValue": "Regenerate Key"},
        "status": {"value": "Succeeded"},
        "resourceId": account,
        "caller": by,
    }
