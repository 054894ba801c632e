"""An App Configuration store, and the provider that its readers run.

Promises: ETags on every write, a 409 for a locked setting, tokens of Entra and the store's own HMAC, whose signature is
checked; a reader asks for the sentinel every thirty seconds, reads all settings again only when that has changed, and
fetches a reference from the vault only when its text has. Never: snapshots, feature flags.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from rotator.sandbox.entra import check_bearer
from rotator.sandbox.references import Fetched, fetch, place_at
from rotator.sandbox.state import STORE_RESOURCE
from rotator.sandbox.wire import Answer, Call, Refused, Route

if TYPE_CHECKING:
    from rotator.sandbox.state import State

REFRESHES_EVERY = timedelta(seconds=30)
_MEDIA = "application/vnd.microsoft.appconfig.kv+json; charset=utf-8"
REFERENCE_TYPE = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8"


@dataclass(slots=True, kw_only=True)
class KeyValue:
    key: str
    label: str | None
    value: str
    content_type: str | None
    tags: dict[str, str]
    etag: str
    last_modified: datetime
    locked: bool = False


@dataclass(slots=True, kw_only=True)
class Store:
    """`secret` is the store's access key, in base64, and `id` its name."""

    id: str
    secret: str = field(repr=False)
    values: dict[tuple[str, str | None], KeyValue] = field(default_factory=dict)
    writes: int = 0

    def put(self, key: str, label: str | None, content: dict[str, Any], now: datetime) -> KeyValue:
        self.writes += 1
        made = KeyValue(
            key=key,
            label=label,
            value=content.get("value") or "",
            content_type=content.get("content_type"),
            tags=dict(content.get("tags") or {}),
            etag=f"etag{self.writes}",
            last_modified=now,
        )
        self.values[key, label] = made
        return made


@dataclass(slots=True, kw_only=True)
class Reader:
    """An app with the provider: `sentinel` is what it watches, `key` the reference that it reads."""

    id: str
    key: tuple[str, str | None]
    sentinel: tuple[str, str | None] | None
    looked_at: datetime | None = None
    sentinel_etag: str = ""
    text: str = field(default="", repr=False)
    fetched: Fetched | None = field(default=None, repr=False)

    def process(self, state: "State", *path: str) -> str | None:
        store, now = state.elsewhere.store, state.now()
        if self.looked_at is None:
            self._load(store, state)
        elif self.sentinel is not None and now >= self.looked_at + REFRESHES_EVERY:
            self.looked_at = now
            if store.values[self.sentinel].etag != self.sentinel_etag:
                self._load(store, state)
        return self.fetched.value if self.fetched else None

    def _load(self, store: Store, state: "State") -> None:
        """All settings again; a reference whose text is the same is answered from the cache."""
        self.looked_at = state.now()
        self.sentinel_etag = store.values[self.sentinel].etag if self.sentinel is not None else ""
        text = store.values[self.key].value
        if text != self.text:
            self.text, self.fetched = text, fetch(state, place_at(json.loads(text)["uri"]))


class ConfigurationApi:
    name = "app_configuration"

    def __init__(self, state: "State") -> None:
        self._state = state
        self.routes: Sequence[Route] = (
            Route("GET", r"/kv/(?P<target>.+)", "GetKeyValue", self.get),
            Route("PUT", r"/kv/(?P<target>.*sentinel)", "PutSentinel", self.put),
            Route("PUT", r"/kv/(?P<target>.+)", "PutKeyValue", self.put),
        )

    def admit(self, call: Call) -> None:
        said = call.request.headers.get("Authorization", "")
        problem = _check_signature(self._state.elsewhere.store, call) if said.startswith("HMAC-SHA256 ") else None
        if not said.startswith("HMAC-SHA256 "):
            problem = check_bearer(self._state, call, STORE_RESOURCE)
        if problem:
            raise Refused(401, "Unauthorized", problem, WWW_Authenticate=f'HMAC-SHA256, Bearer error="invalid_token" ({problem})')
        if not call.query.get("api-version"):
            raise Refused(400, "BadRequest", "api-version is required")

    def error(self, refused: Refused) -> Answer:
        body = {"type": f"https://azconfig.io/errors/{refused.code}", "title": refused.message, "status": refused.status}
        return Answer(status=refused.status, body=body, headers=refused.headers)

    def get(self, call: Call) -> Answer:
        found = self._state.elsewhere.store.values.get(_place(call))
        if found is None:
            raise Refused(404, "not-found", "The key does not exist.")
        return _answer(found)

    def put(self, call: Call) -> Answer:
        store, (key, label) = self._state.elsewhere.store, _place(call)
        there = store.values.get((key, label))
        wanted, absent = call.request.headers.get("If-Match"), call.request.headers.get("If-None-Match")
        if wanted is not None and (there is None or wanted.strip('"') not in ("*", there.etag)):
            raise Refused(412, "precondition-failed", "The ETag does not match.")
        if absent == "*" and there is not None:
            raise Refused(412, "precondition-failed", "The key exists.")
        if there is not None and there.locked:
            raise Refused(409, "key-locked", "The key is locked.")
        return _answer(store.put(key, label, call.json(), self._state.now()))


def _place(call: Call) -> tuple[str, str | None]:
    label = call.query.get("label")
    return unquote(call.names["target"]), None if label in (None, "", "\0") else label


def _answer(found: KeyValue) -> Answer:
    plain = ("etag", "key", "label", "content_type", "value", "tags", "locked")
    body = {**{name: getattr(found, name) for name in plain}, "last_modified": f"{found.last_modified:%Y-%m-%dT%H:%M:%S+00:00}"}
    headers = {"ETag": f'"{found.etag}"', "Content-Type": _MEDIA, "Last-Modified": f"{found.last_modified:%a, %d %b %Y %H:%M:%S GMT}"}
    return Answer(text=json.dumps(body), headers=headers)


def _check_signature(store: Store, call: Call) -> str | None:
    """Of verb, path with query, date, host and digest of the body, by the store's access key."""
    headers = call.request.headers
    parts = dict(part.split("=", 1) for part in headers["Authorization"].removeprefix("HMAC-SHA256 ").split("&") if "=" in part)
    digest = base64.b64encode(hashlib.sha256(call.body).digest()).decode()
    if parts.get("Credential") != store.id or headers.get("x-ms-content-sha256") != digest:
        return "the credential or the digest is wrong"
    signed = f"{call.request.method}\n{call.request.raw_path}\n{headers.get('x-ms-date')};{headers.get('Host')};{digest}"
    wanted = base64.b64encode(hmac.new(base64.b64decode(store.secret), signed.encode(), hashlib.sha256).digest()).decode()
    return None if hmac.compare_digest(wanted, parts.get("Signature", "")) else "the signature is wrong"
