"""Who may do what: role assignments as Azure evaluates them, and the actions behind the calls that are checked here.

Promises: an assignment holds for its scope and everything below; within one, what `not_actions` names is taken away, and another
assignment may give it all the same; `*` stands for any run of characters, and case is nothing; a deny assignment that names the principal
or everybody, and does not exclude it, goes before all of them. Never: conditions (shown, and taken for met), groups, access policies. Until
a test takes it away, the one principal owns everything, data included.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from rotator.sandbox.wire import Call, Refused

_ACCOUNTS = "Microsoft.CognitiveServices/accounts"
_SECRETS = "Microsoft.KeyVault/vaults/secrets"
ACTIONS = {
    "GetAccount": f"{_ACCOUNTS}/read",
    "UpdateAccount": f"{_ACCOUNTS}/write",
    "ListKeys": f"{_ACCOUNTS}/listKeys/action",
    "RegenerateKey": f"{_ACCOUNTS}/regenerateKey/action",
    "ListLocks": "Microsoft.Authorization/locks/read",
    "ListPermissions": "Microsoft.Authorization/permissions/read",
    "ListDenials": "Microsoft.Authorization/denyAssignments/read",
    "ListPolicies": "Microsoft.Authorization/policyAssignments/read",
    "ListActivity": "Microsoft.Insights/eventtypes/values/read",
}
DATA_ACTIONS = {
    "GetSecret": f"{_SECRETS}/getSecret/action",
    "SetSecret": f"{_SECRETS}/setSecret/action",
    "UpdateSecret": f"{_SECRETS}/update/action",
    "ListSecrets": f"{_SECRETS}/readMetadata/action",
    "ListSecretVersions": f"{_SECRETS}/readMetadata/action",
    "GetDeletedSecret": f"{_SECRETS}/readMetadata/action",
    "ListDeletedSecrets": f"{_SECRETS}/readMetadata/action",
    "RecoverSecret": f"{_SECRETS}/recover/action",
    "DeleteSecret": f"{_SECRETS}/delete",
    "PurgeSecret": f"{_SECRETS}/purge/action",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    scope: str = "/"
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    condition: str | None = None

    def reaches(self, scope: str) -> bool:
        mine, theirs = self.scope.lower().rstrip("/"), scope.lower().rstrip("/")
        return theirs == mine or theirs.startswith(f"{mine}/")

    def permits(self, action: str, data: bool) -> bool:
        given, taken = (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)
        return _any(given, action) and not _any(taken, action)

    def shown(self) -> dict[str, Any]:
        return {
            "actions": list(self.actions),
            "notActions": list(self.not_actions),
            "dataActions": list(self.data_actions),
            "notDataActions": list(self.not_data_actions),
            "condition": self.condition,
            "conditionVersion": "2.0" if self.condition else None,
        }


EVERYBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A deny assignment. `principals` and `excluded` are ids with their types; `here_only`: for its own scope and nothing below."""

    name: str
    grant: Grant
    principals: tuple[tuple[str, str], ...]
    excluded: tuple[tuple[str, str], ...] = ()
    here_only: bool = False

    def reaches(self, scope: str) -> bool:
        return self.grant.reaches(scope) and not (self.here_only and self.grant.scope.lower() != scope.lower().rstrip("/"))

    def is_for(self, principal: str) -> bool:
        named, excluded = ({id_ for id_, _ in ids} for ids in (self.principals, self.excluded))
        return bool(named & {principal, EVERYBODY}) and principal not in excluded

    def shown(self) -> dict[str, Any]:
        scope = self.grant.scope
        permission = {name: said for name, said in self.grant.shown().items() if not name.startswith("condition")}
        properties = {
            "denyAssignmentName": self.name,
            "permissions": [permission],
            "scope": scope,
            "doNotApplyToChildScopes": self.here_only,
            "principals": [{"id": id_, "type": sort} for id_, sort in self.principals],
            "excludePrincipals": [{"id": id_, "type": sort} for id_, sort in self.excluded],
            "isSystemProtected": True,
            "condition": self.grant.condition,
        }
        id_ = f"{scope}/providers/Microsoft.Authorization/denyAssignments/{self.name}"
        return {"id": id_, "name": self.name, "type": "Microsoft.Authorization/denyAssignments", "properties": properties}


OWNER = Grant(actions=("*",), data_actions=("*",))


@dataclass(slots=True)
class Grants:
    principal: str
    held: list[Grant] = field(default_factory=lambda: [OWNER])
    denials: list[Denial] = field(default_factory=list)

    def at(self, scope: str) -> list[Grant]:
        return [grant for grant in self.held if grant.reaches(scope)]

    def permits(self, action: str, scope: str, *, data: bool = False) -> bool:
        denied = any(one.grant.permits(action, data) for one in self.denied_at(scope) if one.is_for(self.principal))
        return not denied and any(grant.permits(action, data) for grant in self.at(scope))

    def denied_at(self, scope: str) -> list[Denial]:
        return [one for one in self.denials if one.reaches(scope)]

    def check(self, call: Call) -> None:
        """Raise Refused (403) where the call's action is not granted at the resource that its path names."""
        action = ACTIONS.get(call.operation)
        scope = resource_of(call.request.path)
        if action and not self.permits(action, scope):
            message = f"The client does not have authorization to perform action '{action}' over scope '{scope}'."
            raise Refused(403, "AuthorizationFailed", message)

    def check_linked(self, action: str, linked: str, allowed: str, scope: str) -> None:
        """Raise Refused (403) where a write names something that its writer has no right to, as Azure words it."""
        if not self.permits(action, linked):
            message = (
                f"The client has permission to perform action '{allowed}' on scope '{scope}'; however, it does not have permission "
                f"to perform action '{action}' on the linked scope(s) '{linked}' or the linked scope(s) are invalid."
            )
            raise Refused(403, "LinkedAuthorizationFailed", message)


def resource_of(path: str) -> str:
    """The resource a path is about: without an action behind it, or a list that Authorization or Insights has of it."""
    scope, _, extension = path.rpartition("/providers/")
    if extension.lower().startswith(("microsoft.authorization/", "microsoft.insights/")):
        return scope
    return re.sub(r"(?i)(/accounts/[^/]+)/(listKeys|regenerateKey)$", r"\1", path)


def _any(patterns: tuple[str, ...], action: str) -> bool:
    return any(re.fullmatch(re.escape(one).replace(r"\*", ".*"), action, re.IGNORECASE) for one in patterns)
