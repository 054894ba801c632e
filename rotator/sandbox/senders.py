"""Those who report leaks: each builds its alert as its documents say and signs it as its receiver expects.

Promises: a posting is bytes and headers, complete, so that a test can spoil either; keys stand in it only where the real sender sends them.
Never: a door of the receiver's; where a posting goes is the caller's to say.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import aiohttp

from rotator.sandbox import azure_alerts
from rotator.sandbox.gitguardian import incident_json
from rotator.sandbox.github import alert_json
from rotator.sandbox.leaks import GuardIncident, HubAlert
from rotator.sandbox.signed_tokens import signed_token
from rotator.sandbox.state import State

EVENT_GRID = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
EVENT_GRID_ROLE = "AzureEventGridSecureWebhookSubscriber"
ACTION_GROUP = "461e8683-5575-4561-ac7f-899cc907d62a"
ACTION_GROUP_ROLE = "ActionGroupsSecureWebhook"
SECRET_HEADER = "x-rotator-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One request of a sender's: to which door, with what."""

    door: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def with_headers(self, **headers: str) -> "Posting":
        return replace(self, headers={**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}})


async def send(posting: Posting, base: str, session: aiohttp.ClientSession) -> tuple[int, str]:
    """Post it to `base`/alerts/DOOR, and what was answered."""
    url = f"{base.rstrip('/')}/alerts/{posting.door}"
    async with session.post(url, data=posting.body, headers=dict(posting.headers), allow_redirects=False) as answer:
        return answer.status, await answer.text()


class Senders:
    """All of them, with the secrets and keys of one sandbox."""

    def __init__(self, state: State, authority: str) -> None:
        self._state = state
        self._authority = authority

    # --- GitHub -----------------------------------------------------------------------------------------------------------

    def github(self, alert: HubAlert, action: str = "created", event: str = "secret_scanning_alert") -> Posting:
        owner, _, name = alert.repository.partition("/")
        body: dict[str, Any] = {
            "action": action,
            "alert": alert_json(alert, with_secret=False),
            "repository": {"id": 1, "full_name": alert.repository, "name": name, "owner": {"login": owner}},
            "sender": {"login": "github", "type": "Organization"},
        }
        if event == "secret_scanning_alert_location":
            body["location"] = {"type": "commit", "details": {"path": "settings.py", "start_line": 1, "blob_sha": "0" * 40}}
        return self.github_raw(event, body)

    def github_raw(self, event: str, body: Any) -> Posting:
        raw = _json(body)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/sandbox",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": self._state.guid(),
            "X-Hub-Signature-256": "sha256=" + self._mac("github", raw, "sha256"),
        }
        return Posting(door="github", body=raw, headers=headers)

    def github_partner(self, tokens: Sequence[Mapping[str, str]]) -> Posting:
        """`tokens`: [{token, type, url, source}], in clear, as GitHub sends them."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        raw, leaks = _json(list(tokens)), self._state.leaks
        signature = base64.b64encode(leaks.partner_key.sign(raw, ECDSA(SHA256()))).decode()
        headers = {
            "Content-Type": "application/json",
            "Github-Public-Key-Identifier": leaks.partner_key_id,
            "Github-Public-Key-Signature": signature,
        }
        return Posting(door="github-partner", body=raw, headers=headers)

    # --- GitGuardian, Vault Radar, and whoever keeps to Standard Webhooks ---------------------------------------------------

    def gitguardian(self, incident: GuardIncident, action: str = "incident_triggered", **changes: Any) -> Posting:
        now = self._state.now()
        told = incident_json(incident) | {"status": incident.status.lower(), **changes}
        body = {"source": "GitGuardian", "timestamp": now.isoformat(), "action": action, "message": "An incident.", "incident": told}
        return self.gitguardian_raw(body)

    def gitguardian_raw(self, body: Any, timestamp: str | None = None) -> Posting:
        raw = _json(body)
        said = str(int(self._state.now().timestamp())) if timestamp is None else timestamp
        key = (said + self._secret("gitguardian")).encode()
        signature = hmac.new(key, raw, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "timestamp": said, "gitguardian-signature": f"sha256={signature}"}
        return Posting(door="gitguardian", body=raw, headers=headers)

    def vault_radar(self, text: str = "A secret in a file.", **changes: Any) -> Posting:
        body = {
            "version": "1",
            "event_id": self._state.guid(),
            "event_type": "REPO_SCAN_MATCH",
            "event_subtype": "secret_assignment",
            "description": text,
            "summary": text,
            "severity": "critical",
            "data_source": {"type": "git_repo", "name": "example/chat"},
            "event_details": {"path": "settings.py"},
            "managed_locations": [],
            "links": {"portal": "https://portal.cloud.hashicorp.com/vault-radar/events/1"},
        }
        return self.vault_radar_raw({**body, **changes})

    def vault_radar_raw(self, body: Any) -> Posting:
        raw = _json(body)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-HCP-Radar-Message-ID": self._state.guid(),
            "X-HCP-Radar-Timestamp": str(int(self._state.now().timestamp())),
            "X-HCP-Radar-Signature": "sha512=" + self._mac("vault-radar", raw, "sha512"),
        }
        return Posting(door="vault-radar", body=raw, headers=headers)

    def signed(self, data: Mapping[str, Any], kind: str = "key.leaked") -> Posting:
        return self.signed_raw({"type": kind, "timestamp": self._state.now().isoformat(), "data": data})

    def signed_raw(self, body: Any, timestamp: str | None = None) -> Posting:
        raw, identifier = _json(body), f"msg_{self._state.guid()}"
        said = str(int(self._state.now().timestamp())) if timestamp is None else timestamp
        key = base64.b64decode(self._secret("signed").removeprefix("whsec_"))
        mac = hmac.new(key, f"{identifier}.{said}.".encode() + raw, hashlib.sha256).digest()
        signature = f"v1,{base64.b64encode(mac).decode()}"
        headers = {"Content-Type": "application/json", "webhook-id": identifier, "webhook-timestamp": said, "webhook-signature": signature}
        return Posting(door="signed", body=raw, headers=headers)

    # --- Azure ------------------------------------------------------------------------------------------------------------

    def event_grid(self, events: Any, *, audience: str | None = None, cloud_events: bool = False, **claims: Any) -> Posting:
        """With the secret header, or for an `audience` with a token of Entra's."""
        kind = "application/cloudevents+json" if cloud_events else "application/json"
        headers = {"Content-Type": f"{kind}; charset=utf-8", "aeg-event-type": "Notification"}
        proof = self._proof("event-grid", audience, EVENT_GRID, EVENT_GRID_ROLE, claims)
        return Posting(door="event-grid", body=_json(events), headers={**headers, **proof})

    def azure_monitor(self, body: Any, *, audience: str | None = None, **claims: Any) -> Posting:
        proof = self._proof("azure-monitor", audience, ACTION_GROUP, ACTION_GROUP_ROLE, claims)
        return Posting(door="azure-monitor", body=_json(body), headers={"Content-Type": "application/json", **proof})

    def defender(self, body: Any, *, audience: str | None = None, **claims: Any) -> Posting:
        proof = self._proof("defender", audience, self._state.sessions.client, "", claims)
        return Posting(door="defender", body=_json(body), headers={"Content-Type": "application/json", **proof})

    def key_touched(self, account: str, action: str = "regenerateKey", caller: str | None = None, schema: str = "event-grid") -> Posting:
        """Somebody listed or regenerated keys, told in one of the schemas: event-grid, cloud-events, common, legacy."""
        who = caller or str(UUID(int=1))
        now = self._state.now()
        if schema in ("event-grid", "cloud-events"):
            event = azure_alerts.action_event(account, action, who, self._state.guid(), now, cloud_events=schema == "cloud-events")
            return self.event_grid([event], cloud_events=schema == "cloud-events")
        build = azure_alerts.common_activity if schema == "common" else azure_alerts.legacy_activity
        return self.azure_monitor(build(account, action, who, self._state.guid(), now))

    def secret_expiry(self, vault_url: str, secret: str, *, expired: bool = False, cloud_events: bool = False) -> Posting:
        event = azure_alerts.expiry_event(
            vault_url, secret, self._state.guid(), self._state.now(), expired=expired, cloud_events=cloud_events
        )
        return self.event_grid([event], cloud_events=cloud_events)

    def suspicion(self, account: str, shape: str = "workflow", alert_type: str = "AI.Azure_AccessFromSuspiciousIP") -> Posting:
        """Defender's word in one of its shapes: workflow, api, activity-log, action-group, sentinel."""
        return self.defender(azure_alerts.defender_alert(shape, account, alert_type, self._state.guid(), self._state.now()))

    def _proof(self, door: str, audience: str | None, caller: str, role: str, claims: Mapping[str, Any]) -> dict[str, str]:
        if audience is None:
            return {SECRET_HEADER: self._secret(door)}
        version = int(claims.get("version", 2))
        said = {"aud": audience, ("azp" if version == 2 else "appid"): caller, "roles": [role] if role else None}
        said |= {name: value for name, value in claims.items() if name != "version"}
        return {"Authorization": f"Bearer {signed_token(self._state, self._authority, said, version=version)}"}

    def _secret(self, door: str) -> str:
        return self._state.leaks.webhook_secrets[door]

    def _mac(self, door: str, raw: bytes, algorithm: str) -> str:
        return hmac.new(self._secret(door).encode(), raw, algorithm).hexdigest()


def _json(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
