"""Key Vault's secrets, one surface a vault.

Promises: the challenge, the shapes and the error codes of the service; lists carry no values and are ordered by version
id; a PATCH replaces all tags; a soft-deleted name refuses a set. Never: backup, keys, certificates. [?] Versions of a
name that is not there are an empty list, as the command line shows it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from rotator.sandbox.entra import check_bearer
from rotator.sandbox.grants import DATA_ACTIONS
from rotator.sandbox.overview import vault_id
from rotator.sandbox.state import VAULT_RESOURCE, State
from rotator.sandbox.vault_json import bundle, deleted, item
from rotator.sandbox.versions import Secret, Vault, Version
from rotator.sandbox.wire import Answer, Call, Refused, Route

_VALUE_BYTES_MAX = 25_600
_TAGS_MAX = 15
_TAG_CHARS_MAX = 256
_CONTENT_TYPE_CHARS_MAX = 255
_PAGE_MAX = 25
_RECOVERABLE = timedelta(days=90)
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
_SECRET = r"/secrets/(?P<target>[^/]+)"
_DELETED = r"/deletedsecrets/(?P<target>[^/]+)"
_BEARER_PROBLEMS = {
    "missing": "AKV10000: Request is missing a Bearer or PoP token.",
    "unknown": "AKV10032: Invalid issuer or signature of the token.",
    "expired": "AKV10001: The token has expired.",
    "audience": "AKV10022: Invalid audience.",
}


class VaultSurface:
    def __init__(self, state: State, vault: Vault, authority: str) -> None:
        self.name = f"vault:{vault.name}"
        self._state = state
        self._vault = vault
        self._authority = authority
        self._path = urlsplit(vault.url).path
        routes = (
            Route("GET", r"/secrets/?", "ListSecrets", self.list_secrets),
            Route("GET", rf"{_SECRET}/versions", "ListSecretVersions", self.list_versions),
            Route("PUT", rf"{_SECRET}/?", "SetSecret", self.set),
            Route("GET", rf"{_SECRET}(/(?P<version>[^/]*))?", "GetSecret", self.get),
            Route("PATCH", rf"{_SECRET}(/(?P<version>[^/]*))?", "UpdateSecret", self.update),
            Route("DELETE", _SECRET, "DeleteSecret", self.delete),
            Route("GET", r"/deletedsecrets/?", "ListDeletedSecrets", self.list_deleted),
            Route("GET", _DELETED, "GetDeletedSecret", self.get_deleted),
            Route("POST", rf"{_DELETED}/recover", "RecoverSecret", self.recover),
            Route("DELETE", _DELETED, "PurgeSecret", self.purge),
        )
        self.routes: Sequence[Route] = [replace(route, pattern=re.escape(self._path) + route.pattern) for route in routes]

    def admit(self, call: Call) -> None:
        problem = check_bearer(self._state, call, VAULT_RESOURCE)
        if problem:
            raise Refused(401, "Unauthorized", _BEARER_PROBLEMS[problem])
        if not re.fullmatch(r"7\.\d(-preview\.\d)?|\d{4}-\d{2}-\d{2}(-preview)?", call.query.get("api-version", "")):
            raise Refused(400, "BadParameter", "The request must carry a supported api-version.")
        if "target" in call.names and not _NAME.fullmatch(call.names["target"]):
            raise Refused(400, "BadParameter", "The request URI contains an invalid name.")
        self._let_in(call)
        now_s = self._state.clock()
        is_set = call.operation == "SetSecret"
        wait_s = (is_set and self._vault.sets.take(now_s)) or self._vault.transactions.take(now_s)
        if wait_s:
            raise Refused(429, "Throttled", "Too many requests were received.", Retry_After=str(wait_s))

    def _let_in(self, call: Call) -> None:
        if self._vault.firewall:
            raise Refused(403, "Forbidden", "Client address is not authorized and caller is not a trusted service.", "ForbiddenByFirewall")
        action, scope = DATA_ACTIONS.get(call.operation), vault_id(self._state, self._vault)
        scope += f"/secrets/{call.names['target']}" if "target" in call.names else ""
        if action and self._vault.rbac and not self._state.grants.permits(action, scope, data=True):
            raise Refused(403, "Forbidden", "Caller is not authorized to perform action on resource.", "ForbiddenByRbac")

    def error(self, refused: Refused) -> Answer:
        """Every 401 is a challenge: that is how a client learns where to ask for a token."""
        error: dict[str, Any] = {"code": refused.code, "message": refused.message}
        if refused.inner:
            error["innererror"] = {"code": refused.inner}
        headers = dict(refused.headers)
        if refused.status == 401:
            tenant = f"{self._authority}/{self._state.sessions.tenant}"
            headers["WWW-Authenticate"] = f'Bearer authorization="{tenant}", resource="{VAULT_RESOURCE}"'
        return Answer(status=refused.status, body={"error": error}, headers=headers)

    def set(self, call: Call) -> Answer:
        name, content = call.names["target"], call.json()
        if self._vault.find_deleted(name):
            message = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused."
            raise Refused(409, "Conflict", message, "ObjectIsDeletedButRecoverable")
        _check_value(content)
        _check_metadata(content)
        attributes = content.get("attributes") or {}
        version = self._vault.put(
            name,
            content["value"],
            random=self._state.version_random,
            now=self._state.now(),
            by="SetSecret",
            tags=content.get("tags"),
            content_type=content.get("contentType"),
            enabled=attributes.get("enabled", True),
            expires=attributes.get("exp"),
            not_before=attributes.get("nbf"),
        )
        return Answer(body=bundle(self._vault, self._secret(call), version))

    def get(self, call: Call) -> Answer:
        secret, version = self._version(call)
        if not version.enabled:
            raise Refused(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return Answer(body=bundle(self._vault, secret, version))

    def update(self, call: Call) -> Answer:
        """What is not named stays; tags, if named at all, are replaced as a whole."""
        secret, version = self._version(call)
        content = call.json()
        _check_metadata(content)
        attributes = content.get("attributes") or {}
        version.enabled = attributes.get("enabled", version.enabled)
        version.expires = attributes.get("exp", version.expires)
        version.not_before = attributes.get("nbf", version.not_before)
        version.content_type = content.get("contentType", version.content_type)
        version.tags = dict(content["tags"]) if content.get("tags") is not None else version.tags
        version.updated = self._state.now()
        return Answer(body=bundle(self._vault, secret, version, with_value=False))

    def delete(self, call: Call) -> Answer:
        secret = self._secret(call)
        secret.deleted_at = self._state.now()
        return Answer(body=deleted(self._vault, secret, _RECOVERABLE, whole=True))

    def list_secrets(self, call: Call) -> Answer:
        there = [secret for secret in self._vault.secrets.values() if secret.deleted_at is None]
        items = {secret.name.lower(): item(self._vault, secret, secret.newest, versioned=False) for secret in there}
        return self._page(call, items)

    def list_versions(self, call: Call) -> Answer:
        secret = self._vault.find(call.names["target"])
        versions = secret.versions if secret else []
        return self._page(call, {v.id: item(self._vault, secret, v, versioned=True) for v in versions if secret})

    def list_deleted(self, call: Call) -> Answer:
        gone = [secret for secret in self._vault.secrets.values() if secret.deleted_at is not None]
        return self._page(call, {s.name.lower(): deleted(self._vault, s, _RECOVERABLE, whole=False) for s in gone})

    def get_deleted(self, call: Call) -> Answer:
        return Answer(body=deleted(self._vault, self._deleted(call), _RECOVERABLE, whole=True))

    def recover(self, call: Call) -> Answer:
        secret = self._deleted(call)
        secret.deleted_at = None
        return Answer(body=bundle(self._vault, secret, secret.newest, with_value=False))

    def purge(self, call: Call) -> Answer:
        del self._vault.secrets[self._deleted(call).name.lower()]
        return Answer(status=204)

    def _secret(self, call: Call) -> Secret:
        return self._found(call, self._vault.find)

    def _deleted(self, call: Call) -> Secret:
        return self._found(call, self._vault.find_deleted)

    def _found(self, call: Call, find: Callable[[str], Secret | None]) -> Secret:
        secret = find(call.names["target"])
        if secret is None:
            raise _not_found(call.names["target"])
        return secret

    def _version(self, call: Call) -> tuple[Secret, Version]:
        secret = self._secret(call)
        asked = call.names.get("version")
        version = secret.version(asked) if asked else secret.newest
        if version is None:
            raise _not_found(f"{secret.name}/{asked}")
        return secret, version

    def _page(self, call: Call, items: dict[str, dict[str, Any]]) -> Answer:
        """Sorted by what the skip token names: a write between two pages neither repeats nor hides an older item."""
        size = call.query.get("maxresults", str(_PAGE_MAX))
        if not size.isdigit() or not 1 <= int(size) <= _PAGE_MAX:
            raise Refused(400, "BadParameter", f"maxresults must be between 1 and {_PAGE_MAX}.")
        after = call.query.get("$skiptoken", "")
        names = sorted(name for name in items if name > after)
        shown = names[: int(size)]
        more = {"api-version": call.query["api-version"], "$skiptoken": shown[-1] if shown else "", "maxresults": size}
        link = f"{self._vault.says}{call.request.path.removeprefix(self._path)}?{urlencode(more)}" if len(names) > len(shown) else None
        return Answer(body={"value": [items[name] for name in shown], "nextLink": link})


def _not_found(name: str) -> Refused:
    return Refused(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")


def _check_value(content: dict[str, Any]) -> None:
    value = content.get("value")
    if not isinstance(value, str):
        raise Refused(400, "BadParameter", "The property 'value' is required and must be a string.")
    if len(value.encode()) > _VALUE_BYTES_MAX:
        raise Refused(400, "BadParameter", f"The value may have {_VALUE_BYTES_MAX} bytes at most.")


def _check_metadata(content: dict[str, Any]) -> None:
    tags, attributes = content.get("tags") or {}, content.get("attributes") or {}
    if not isinstance(tags, dict) or not isinstance(attributes, dict):
        raise Refused(400, "BadParameter", "Tags and attributes must be objects.")
    if len(tags) > _TAGS_MAX:
        raise Refused(400, "BadParameter", f"There may be {_TAGS_MAX} tags at most.")
    if any(not isinstance(v, str) or len(k) > _TAG_CHARS_MAX or len(v) > _TAG_CHARS_MAX for k, v in tags.items()):
        raise Refused(400, "BadParameter", f"A tag's name and value may have {_TAG_CHARS_MAX} characters at most.")
    if len(content.get("contentType") or "") > _CONTENT_TYPE_CHARS_MAX:
        raise Refused(400, "BadParameter", f"The content type may have {_CONTENT_TYPE_CHARS_MAX} characters at most.")
    for name, wanted in (("enabled", bool), ("exp", int), ("nbf", int)):
        if not isinstance(attributes.get(name), (wanted, type(None))):
            raise Refused(400, "BadParameter", f"The attribute '{name}' is malformed.")
