"""What answers a signed webhook or a health probe: a machine of one's own, outside every platform.

Promises: a signature of Standard Webhooks is checked, with its five minutes; a delivery that was seen before changes
nothing; then the app reads the vault itself, at the version that the letter names. Never: sees a key in a letter; a
letter that holds one is refused and counted.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rotator.sandbox.references import fetch, place_at
from rotator.sandbox.wire import Answer, Call, Refused, Route

if TYPE_CHECKING:
    from rotator.sandbox.state import State

_TOLERANCE_S = 300


@dataclass(slots=True, kw_only=True)
class Receiver:
    """`answers` is what it says it runs on: version, fingerprint, or nothing; `looks` whether it takes a GET as well."""

    id: str
    signing: str = field(repr=False)
    answers: str = "version"
    looks: bool = True
    lags: bool = False
    value: str = field(default="", repr=False)
    version: str = ""
    fingerprint: str = ""
    seen: list[str] = field(default_factory=list)
    deliveries: int = 0
    keys_seen: int = 0

    def process(self, state: "State", *path: str) -> str | None:
        return self.value

    def says(self) -> dict[str, str]:
        match self.answers:
            case "version":
                return {"version": self.version}
            case "fingerprint":
                return {"fingerprint": self.fingerprint}
            case _:
                return {"ok": "yes"}


class ReceiverApi:
    name = "receiver"

    def __init__(self, state: "State") -> None:
        self._state = state
        self.routes: Sequence[Route] = (
            Route("POST", r"/hooks/(?P<target>[^/]+)", "DeliverWebhook", self.deliver),
            Route("GET", r"/hooks/(?P<target>[^/]+)", "LookWebhook", self.look),
            Route("GET", r"/health/(?P<target>[^/]+)", "Health", self.health),
        )

    def admit(self, call: Call) -> None:
        if call.operation in ("DeliverWebhook", "LookWebhook") and not _is_signed(self._found(call), call, self._state):
            raise Refused(401, "Unauthorized", "the signature is wrong")

    def error(self, refused: Refused) -> Answer:
        return Answer(status=refused.status, body={"error": refused.message}, headers=refused.headers)

    def deliver(self, call: Call) -> Answer:
        receiver, letter = self._found(call), call.json()
        receiver.deliveries += 1
        keys = [version.value for vault in self._state.vaults.values() for secret in vault.secrets.values() for version in secret.versions]
        if any(key and key in call.body.decode() for key in keys):
            receiver.keys_seen += 1
            raise Refused(400, "BadRequest", "a letter never holds a key")
        if call.request.headers["webhook-id"] not in receiver.seen and not receiver.lags:
            receiver.seen.append(call.request.headers["webhook-id"])
            data: dict[str, Any] = letter["data"]
            receiver.value = fetch(self._state, place_at(data["secret"])).value or ""
            receiver.version, receiver.fingerprint = data["version"], data["fingerprint"]
        return Answer(body=receiver.says())

    def look(self, call: Call) -> Answer:
        receiver = self._found(call)
        if not receiver.looks:
            raise Refused(405, "MethodNotAllowed", "POST only")
        return Answer(body=receiver.says())

    def health(self, call: Call) -> Answer:
        """Of any consumer, by its own word: which version of a vault it runs on."""
        watched = self._state.elsewhere.watched.get(call.names["target"])
        if watched is None:
            raise Refused(404, "NotFound", "there is no such app")
        if watched.status != 200:
            raise Refused(watched.status, "Unwell", "unwell")
        held = self._state.consumers[watched.consumer.lower()].process(self._state, *watched.path)  # type: ignore[attr-defined]
        running = [
            version.id
            for vault in self._state.vaults.values()
            for secret in vault.secrets.values()
            for version in secret.versions
            if version.value == held
        ]
        return Answer(body={"status": "ok", "key": {"version": running[-1] if running else None}})

    def _found(self, call: Call) -> Receiver:
        return self._state.find(f"receiver:{call.names['target']}", Receiver)


@dataclass(slots=True, kw_only=True)
class Watched:
    """A health URL: of which consumer, where its key stands, and the status that it answers."""

    consumer: str
    path: tuple[str, ...]
    status: int = 200


def _is_signed(receiver: Receiver, call: Call, state: "State") -> bool:
    headers = call.request.headers
    identity, time, said = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not time.isdigit() or abs(int(time) - state.clock()) > _TOLERANCE_S:
        return False
    signed = b".".join((identity.encode(), time.encode(), call.body))
    key = base64.b64decode(receiver.signing.removeprefix("whsec_"))
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(f"v1,{wanted}", one) for one in said.split(" "))
