"""GitHub's REST API, as far as secret scanning goes, and the public keys of its partner programme.

Promises: a token for everything but the public keys; pages; alerts that close and reopen with GitHub's own rules (a resolution needs the
state, a comment no more than the documents allow). Never: a repository's content.
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rotator.sandbox.leaks import HubAlert
from rotator.sandbox.state import State
from rotator.sandbox.wire import Answer, Call, Refused, Route

_RESOLUTIONS = frozenset({"false_positive", "wont_fix", "revoked", "used_in_tests"})
_ALERTS = r"(?:/api/v3)?/repos/(?P<target>[^/]+/[^/]+)/secret-scanning/alerts"
_PAGE_MAX = 100
_OPEN_TO_ALL = "GetPublicKeys"


class GitHubSurface:
    name = "github"

    def __init__(self, state: State) -> None:
        self._state = state
        self.routes: Sequence[Route] = (
            Route("GET", r"(?:/api/v3)?/meta/public_keys/secret_scanning", _OPEN_TO_ALL, self.public_keys),
            Route("GET", r"(?:/api/v3)?/user", "GetUser", lambda call: Answer(body={"login": "rotator-bot", "type": "User"})),
            Route("GET", _ALERTS, "ListAlerts", self.list_of_repository),
            Route("GET", r"(?:/api/v3)?/orgs/(?P<target>[^/]+)/secret-scanning/alerts", "ListAlerts", self.list_of_organisation),
            Route("GET", _ALERTS + r"/(?P<number>[0-9]+)", "GetAlert", self.show),
            Route("PATCH", _ALERTS + r"/(?P<number>[0-9]+)", "UpdateAlert", self.update),
        )

    def admit(self, call: Call) -> None:
        if call.operation == _OPEN_TO_ALL:
            return
        scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() not in ("bearer", "token") or not hmac.compare_digest(token.encode(), self._state.leaks.token.encode()):
            raise Refused(401, "401", "Bad credentials")

    def error(self, refused: Refused) -> Answer:
        body = {"message": refused.message, "documentation_url": "https://docs.github.com/rest", "status": str(refused.status)}
        return Answer(status=refused.status, body=body, headers=refused.headers)

    def public_keys(self, call: Call) -> Answer:
        leaks = self._state.leaks
        key = {"key_identifier": leaks.partner_key_id, "key": leaks.partner_key_pem, "is_current": True}
        return Answer(body={"public_keys": [key]})

    def list_of_repository(self, call: Call) -> Answer:
        return self._page(call, [alert for alert in self._state.leaks.alerts if _same(alert.repository, call.names["target"])], False)

    def list_of_organisation(self, call: Call) -> Answer:
        owned = [alert for alert in self._state.leaks.alerts if _same(alert.repository.partition("/")[0], call.names["target"])]
        return self._page(call, owned, True)

    def show(self, call: Call) -> Answer:
        return Answer(body=alert_json(self._find(call)))

    def update(self, call: Call) -> Answer:
        alert, said = self._find(call), call.json()
        state, resolution, comment = said.get("state", alert.state), said.get("resolution"), said.get("resolution_comment")
        if state not in ("open", "resolved") or (state == "resolved") != (resolution in _RESOLUTIONS):
            raise Refused(422, "422", "State does not match the resolution or resolution comment")
        if comment is not None and (state == "open" or not isinstance(comment, str)):
            raise Refused(422, "422", "State does not match the resolution or resolution comment")
        alert.state, alert.resolution, alert.comment = state, resolution, comment
        alert.resolved_at, alert.resolved_by = (self._state.now(), "rotator-bot") if state == "resolved" else (None, None)
        return Answer(body=alert_json(alert))

    def _page(self, call: Call, alerts: list[HubAlert], with_repository: bool) -> Answer:
        """Newest first, as GitHub does."""
        size, page = _count(call.query, "per_page", 30), _count(call.query, "page", 1)
        wanted = [alert for alert in reversed(alerts) if call.query.get("state") in (None, alert.state)]
        shown = wanted[(page - 1) * size : page * size]
        return Answer(body=[alert_json(alert) | (_repository(alert) if with_repository else {}) for alert in shown])

    def _find(self, call: Call) -> HubAlert:
        for alert in self._state.leaks.alerts:
            if _same(alert.repository, call.names["target"]) and alert.number == int(call.names["number"]):
                return alert
        raise Refused(404, "404", "Not Found")


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _count(query: Mapping[str, str], name: str, unsaid: int) -> int:
    written = query.get(name, str(unsaid))
    return max(1, min(int(written), _PAGE_MAX)) if written.isdecimal() else unsaid


def _repository(alert: HubAlert) -> dict[str, Any]:
    owner, _, name = alert.repository.partition("/")
    return {"repository": {"full_name": alert.repository, "name": name, "owner": {"login": owner}}}


def alert_json(alert: HubAlert, *, with_secret: bool = True) -> dict[str, Any]:
    """As the API shows it; the webhook's is the same without the secret."""
    url = f"https://github.com/{alert.repository}/security/secret-scanning/{alert.number}"
    secret = base64.b64encode(alert.secret.encode()).decode() if alert.encoded else alert.secret
    shown = {
        "number": alert.number,
        "created_at": _time(alert.created),
        "updated_at": _time(alert.resolved_at or alert.created),
        "url": f"https://api.github.com/repos/{alert.repository}/secret-scanning/alerts/{alert.number}",
        "html_url": url,
        "state": alert.state,
        "resolution": alert.resolution,
        "resolved_at": _time(alert.resolved_at),
        "resolved_by": {"login": alert.resolved_by} if alert.resolved_by else None,
        "resolution_comment": alert.comment,
        "secret_type": alert.secret_type,
        "secret_type_display_name": alert.secret_type.replace("_", " ").title(),
        "validity": "unknown",
        "publicly_leaked": False,
        "multi_repo": False,
        "is_base64_encoded": alert.encoded,
    }
    return shown | ({"secret": secret} if with_secret else {})


def _time(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None
