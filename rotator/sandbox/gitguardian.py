"""GitGuardian's API, as far as the list of incidents, an incident's hash and its end go. Pages go by a cursor in the Link header."""

import base64
import hmac
from collections.abc import Sequence
from typing import Any

from rotator.sandbox.leaks import GuardIncident
from rotator.sandbox.state import State
from rotator.sandbox.wire import Answer, Call, Refused, Route

_INCIDENTS = r"/v1/incidents/secrets"
_INCIDENT = _INCIDENTS + r"/(?P<target>[0-9]+)"
_STATUSES = frozenset({"IGNORED", "TRIGGERED", "ASSIGNED", "RESOLVED"})
_PAGE, _PAGE_MAX = 20, 100


class GitGuardianSurface:
    name = "gitguardian"

    def __init__(self, state: State) -> None:
        self._state = state
        self.routes: Sequence[Route] = (
            Route("GET", "/v1/health", "Health", lambda call: Answer(body={"detail": "Valid API key."})),
            Route("GET", _INCIDENTS, "ListIncidents", self.list_of_workspace),
            Route("GET", _INCIDENT, "GetIncident", self.show),
            Route("POST", _INCIDENT + "/resolve", "ResolveIncident", self.resolve),
        )

    def admit(self, call: Call) -> None:
        scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "token" or not hmac.compare_digest(token.encode(), self._state.leaks.token.encode()):
            raise Refused(401, "401", "Invalid API key.")

    def error(self, refused: Refused) -> Answer:
        return Answer(status=refused.status, body={"detail": refused.message}, headers=refused.headers)

    def show(self, call: Call) -> Answer:
        return Answer(body=incident_json(self._find(call)))

    def list_of_workspace(self, call: Call) -> Answer:
        query, status = call.query, call.query.get("status")
        size, start = query.get("per_page", str(_PAGE)), _start(query.get("cursor", ""))
        if status is not None and status not in _STATUSES:
            raise Refused(400, "400", f'"{status}" is not a valid choice.')
        if not size.isdecimal() or not 1 <= int(size) <= _PAGE_MAX:
            raise Refused(400, "400", f"per_page: a number from 1 to {_PAGE_MAX}.")
        every = [one for one in self._state.leaks.incidents.values() if status in (None, one.status)]
        every.sort(key=lambda one: (one.created, one.id), reverse=query.get("ordering") == "-date")
        end = start + int(size)
        return Answer(body=[incident_json(one) for one in every[start:end]], headers=_link(call, end) if end < len(every) else {})

    def resolve(self, call: Call) -> Answer:
        incident, revoked = self._find(call), call.json().get("secret_revoked")
        if not isinstance(revoked, bool):
            raise Refused(400, "400", "secret_revoked: this field is required.")
        if incident.status in ("RESOLVED", "IGNORED"):
            raise Refused(409, "409", "The incident is closed already.")
        incident.status, incident.secret_revoked = "RESOLVED", revoked
        return Answer(body=incident_json(incident))

    def _find(self, call: Call) -> GuardIncident:
        found = self._state.leaks.incidents.get(int(call.names["target"]))
        if found is None:
            raise Refused(404, "404", "Not found.")
        return found


def _start(cursor: str) -> int:
    try:
        return int(base64.b64decode(cursor, validate=True).decode().removeprefix("p=")) if cursor else 0
    except ValueError:
        raise Refused(400, "400", "Invalid cursor") from None


def _link(call: Call, start: int) -> dict[str, str]:
    following = call.request.url.update_query(cursor=base64.b64encode(f"p={start}".encode()).decode())
    return {"Link": f'<{following}>; rel="next"'}


def incident_json(incident: GuardIncident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "date": incident.created.isoformat().replace("+00:00", "Z"),
        "detector": {"name": incident.detector, "display_name": incident.detector.replace("_", " ").title(), "nature": "specific"},
        "hmsl_hash": incident.hmsl_hash,
        "secret_revoked": incident.secret_revoked,
        "validity": "no_checker",
        "status": incident.status,
        "severity": "unknown",
        "gitguardian_url": f"https://dashboard.gitguardian.com/workspace/1/incidents/{incident.id}",
    }
