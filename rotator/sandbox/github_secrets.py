"""GitHub's secrets, as its REST API writes them: sealed, and never given back.

Promises: one key pair a scope; a PUT is opened with it, so that what was sealed for another key is refused; times in
whole seconds; an organisation's PUT replaces who may use it; what the token may not do is a 403, what it may not see a
404. Never: runs; a run reads what is there when it starts.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rotator.sandbox.wire import Answer, Call, Refused, Route

if TYPE_CHECKING:
    from nacl.public import PrivateKey

    from rotator.sandbox.state import State

_REPOSITORY = r"/repos/(?P<owner>[^/]+)/(?P<repository>[^/]+)"
_SCOPES = (
    rf"(?P<scope>{_REPOSITORY}/(actions|dependabot))/secrets",
    rf"(?P<scope>{_REPOSITORY}/environments/[^/]+)/secrets",
    r"(?P<scope>/orgs/(?P<organisation>[^/]+)/(actions|dependabot))/secrets",
)
_VISIBILITIES = ("all", "private", "selected")


@dataclass(slots=True, kw_only=True)
class Hidden:
    """One secret. `value` is what was in the box."""

    id: str
    name: str
    value: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    visibility: str | None = None
    repositories: list[int] = field(default_factory=list)

    def process(self, state: "State", *path: str) -> str | None:
        """What a run that starts now gets."""
        return self.value


@dataclass(slots=True, kw_only=True)
class Scope:
    key: "PrivateKey"
    key_id: str
    secrets: dict[str, Hidden] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class GitHub:
    """`denied` are the scopes that the token may see and not write."""

    token: str = field(repr=False)
    scopes: dict[str, Scope] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)

    def scope(self, path: str) -> Scope:
        from nacl.public import PrivateKey

        if path not in self.scopes:
            self.scopes[path] = Scope(key=PrivateKey.generate(), key_id=str(568250167242549743 + len(self.scopes)))
        return self.scopes[path]


class GitHubApi:
    name = "github_secrets"

    def __init__(self, state: "State") -> None:
        self._state = state
        name = r"/(?P<target>[A-Za-z0-9_]+)"
        self.routes: Sequence[Route] = [
            route
            for scope in _SCOPES
            for route in (
                Route("GET", rf"{scope}/public-key", "GetGitHubKey", self.public_key),
                Route("GET", rf"{scope}{name}", "GetGitHubSecret", self.get),
                Route("PUT", rf"{scope}{name}", "PutGitHubSecret", self.put),
                Route("GET", rf"{scope}{name}/repositories", "ListGitHubRepositories", self.repositories),
            )
        ]

    def admit(self, call: Call) -> None:
        github = self._state.elsewhere.github
        if call.request.headers.get("Authorization") != f"Bearer {github.token}":
            raise Refused(401, "Unauthorized", "Bad credentials")
        if not call.request.headers.get("User-Agent"):
            raise Refused(403, "Forbidden", "Request forbidden by administrative rules.")
        if call.names.get("scope") in github.denied:
            raise Refused(403, "Forbidden", "Resource not accessible by personal access token")

    def error(self, refused: Refused) -> Answer:
        body = {"message": refused.message, "documentation_url": "https://docs.github.com/rest", "status": str(refused.status)}
        return Answer(status=refused.status, body=body, headers=refused.headers)

    def public_key(self, call: Call) -> Answer:
        scope = self._state.elsewhere.github.scope(_path(call))
        return Answer(body={"key_id": scope.key_id, "key": base64.b64encode(bytes(scope.key.public_key)).decode()})

    def get(self, call: Call) -> Answer:
        found = self._found(call)
        shown = {"name": found.name, "created_at": _time(found.created_at), "updated_at": _time(found.updated_at)}
        if found.visibility is not None:
            shown["visibility"] = found.visibility
        return Answer(body=shown)

    def put(self, call: Call) -> Answer:
        content, path, name = call.json(), _path(call), call.names["target"].upper()
        scope = self._state.elsewhere.github.scope(path)
        value, now = _opened(scope, content), self._state.now()
        there = scope.secrets.get(name)
        made = there or Hidden(id=f"github:{path}/{name}", name=name, value="", created_at=now, updated_at=now)
        if "organisation" in call.names:
            _give(made, content)
        made.value, made.updated_at = value, now
        scope.secrets[name] = made
        self._state.consumers[made.id.lower()] = made
        return Answer(status=204) if there else Answer(status=201, body={})

    def repositories(self, call: Call) -> Answer:
        found = self._found(call)
        if found.visibility != "selected":
            raise Refused(409, "Conflict", "Visibility is not selected")
        page, size = int(call.query.get("page", "1")), int(call.query.get("per_page", "30"))
        shown = found.repositories[(page - 1) * size : page * size]
        return Answer(body={"total_count": len(found.repositories), "repositories": [{"id": one, "name": f"r{one}"} for one in shown]})

    def _found(self, call: Call) -> Hidden:
        scope = self._state.elsewhere.github.scopes.get(_path(call))
        found = scope.secrets.get(call.names["target"].upper()) if scope else None
        if found is None:
            raise Refused(404, "NotFound", "Not Found")
        return found


def _path(call: Call) -> str:
    return call.names["scope"].lower()


def _opened(scope: Scope, content: dict[str, Any]) -> str:
    from nacl.exceptions import CryptoError
    from nacl.public import SealedBox

    if content.get("key_id") != scope.key_id:
        raise Refused(422, "Unprocessable", "The key_id is not that of the public key of this scope.")
    try:
        return SealedBox(scope.key).decrypt(base64.b64decode(content["encrypted_value"], validate=True)).decode()
    except (CryptoError, ValueError, KeyError, TypeError):
        raise Refused(422, "Unprocessable", "The encrypted_value could not be decrypted.") from None


def _give(made: Hidden, content: dict[str, Any]) -> None:
    """Who may use it is what this very call says, and nobody else."""
    if content.get("visibility") not in _VISIBILITIES:
        raise Refused(422, "Unprocessable", "visibility is required")
    made.visibility = content["visibility"]
    made.repositories = list(content.get("selected_repository_ids") or []) if made.visibility == "selected" else []


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def scope_of(repository: str | None, organisation: str | None, environment: str | None, app: str) -> str:
    """The path below which the secrets of a scope stand."""
    if organisation is not None:
        return f"/orgs/{organisation}/{app}".lower()
    place = f"environments/{re.sub('/', '%2F', environment)}" if environment is not None else app
    return f"/repos/{repository}/{place}".lower()
