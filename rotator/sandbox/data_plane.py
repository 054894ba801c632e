"""One gateway of the AI data plane; every account is reachable through one or two of them, below `/<account>/`.

Promises: firewall first, then local auth, then the key, then the route: so a wrong key never learns whether the route
exists; a key is accepted exactly while it lives at *this* gateway. Never: a model. A kind that nobody has documented a
probe for answers 404 to everything.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rotator.sandbox.accounts import Account
from rotator.sandbox.state import State
from rotator.sandbox.wire import Answer, Call, Refused, Route

_WRONG_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)
_OPENAI = ("OpenAI", "AIServices")


@dataclass(frozen=True, slots=True)
class _Probe:
    kinds: tuple[str, ...]
    method: str
    pattern: str
    query: tuple[str, ...]
    answer: str


_PROBES = (
    _Probe(_OPENAI, "GET", r"openai/models", ("api-version",), "list"),
    _Probe(_OPENAI, "GET", r"openai/v1/models", (), "list"),
    _Probe(_OPENAI, "POST", r"openai/deployments/[^/]+/chat/completions", ("api-version",), "completion"),
    _Probe(("SpeechServices", "TextTranslation"), "POST", r"sts/v1\.0/issueToken", (), "token"),
    _Probe(("TextAnalytics",), "GET", r"language/analyze-text/jobs/[0-9a-f-]{36}", ("api-version",), "no job"),
    _Probe(("FormRecognizer",), "GET", r"documentintelligence/info", ("api-version",), "info"),
    _Probe(("FormRecognizer",), "GET", r"formrecognizer/info", ("api-version",), "info"),
    _Probe(("ContentSafety",), "GET", r"contentsafety/text/blocklists", ("api-version",), "value"),
    _Probe(("ComputerVision",), "GET", r"vision/v3\.2/models", (), "models"),
    _Probe(("Face",), "GET", r"face/v1\.0/largefacelists", (), "empty"),
)
_BODIES = {
    "list": {"object": "list", "data": [{"id": "gpt-4o-2024-11-20", "object": "model", "status": "succeeded"}]},
    "info": {"customDocumentModels": {"count": 0, "limit": 500}},
    "value": {"value": []},
    "models": {
        "models": [
            {"name": "celebrities", "categories": ["people_"]},
            {"name": "landmarks", "categories": ["building_"]},
        ]
    },
    "empty": [],
    "completion": {
        "id": "chatcmpl-sandbox",
        "object": "chat.completion",
        "model": "gpt-4o-2024-11-20",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    },
}
KINDS = tuple(dict.fromkeys(kind for probe in _PROBES for kind in probe.kinds))


def probe_of(kind: str) -> tuple[str, str]:
    """Method and path (with its query) of a call that an app of this kind of account makes."""
    probe = next(one for one in _PROBES if kind in one.kinds)
    path = probe.pattern.replace(r"v1\.0", "v1.0").replace(r"v3\.2", "v3.2").replace("[0-9a-f-]{36}", "0" * 36)
    return probe.method, path + ("?api-version=2024-10-21" if probe.query else "")


class Gateway:
    def __init__(self, state: State, gateway: str) -> None:
        self.name = f"data_plane_{gateway}"
        self._state = state
        self._gateway = gateway
        path = r"/(?P<target>[^/]+)/(?P<path>.*)"
        self.routes: Sequence[Route] = tuple(Route(m, path, "DataPlane", self.answer) for m in ("GET", "POST", "PUT", "DELETE"))

    def admit(self, call: Call) -> None:
        """The key is checked with the effect: at this surface a fault may well hide what the key is worth."""
        call.headers["apim-request-id"] = self._state.guid()

    def error(self, refused: Refused) -> Answer:
        body = {"error": {"code": refused.code, "message": refused.message}}
        return Answer(status=refused.status, body=body, headers=refused.headers)

    def answer(self, call: Call) -> Answer:
        account = self._state.accounts.get(call.names["target"].lower())
        if account is None or account.deleted or self._gateway not in account.gateways or account.kind not in KINDS:
            raise _no_resource()
        self._check_access(account, call)
        probe = _probe(account.kind, call)
        if probe.answer == "token":
            return Answer(text=f"sandbox.{self._state.guid()}.{self._state.guid()}")
        if probe.answer == "no job":
            raise Refused(404, "NotFound", "Job Not Found")
        if probe.answer == "completion" and not call.json().get("messages"):
            raise Refused(400, "BadRequest", "'messages' is a required property")
        return Answer(body=_BODIES[probe.answer])

    def _check_access(self, account: Account, call: Call) -> None:
        now = self._state.now()
        if account.firewall or account.public_network_access == "Disabled":
            raise Refused(403, "403", "Access denied due to Virtual Network/Firewall rules.")
        if account.local_auth_off(now):
            message = "Key based authentication is disabled for this resource."
            raise Refused(account.local_auth_off_status, "AuthenticationTypeDisabled", message)
        names = ("Ocp-Apim-Subscription-Key", "api-key") if account.kind in _OPENAI else ("Ocp-Apim-Subscription-Key",)
        values = [call.request.headers[name] for name in names if name in call.request.headers]
        if not any(account.accepts(value, self._gateway, now) for value in values):
            raise Refused(401, "401", _WRONG_KEY)


def _probe(kind: str, call: Call) -> _Probe:
    for probe in _PROBES:
        here = kind in probe.kinds and probe.method == call.request.method
        if here and re.fullmatch(probe.pattern, call.names["path"], re.IGNORECASE) and all(map(call.query.get, probe.query)):
            return probe
    raise _no_resource()


def _no_resource() -> Refused:
    return Refused(404, "404", "Resource not found")
