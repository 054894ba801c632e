"""Entra's token endpoint for client credentials.

Promises: a token is good for one audience and for its lifetime; the errors are those a client parses (`error`,
`error_description` with its AADSTS number). Never: users, refresh tokens, a signature that means anything.
"""

import base64
import json
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import parse_qs

from rotator.sandbox.signed_tokens import key_set
from rotator.sandbox.state import RESOURCES, State, Token
from rotator.sandbox.wire import Answer, Call, Refused, Route


class Entra:
    name = "entra"

    def __init__(self, state: State, url: str) -> None:
        self._state = state
        self._url = url
        self.routes: Sequence[Route] = (
            Route("POST", r"/(?P<tenant>[^/]+)/oauth2/v2\.0/token", "Token", self.token),
            Route("GET", r"/(?P<tenant>[^/]+)/v2\.0/\.well-known/openid-configuration", "Discovery", self.configuration),
            Route("GET", r"/(?P<tenant>[^/]+)/discovery/v2\.0/keys", "Discovery", self.keys),
            Route("GET", r"/common/discovery/instance", "Discovery", self.instance),
        )

    def admit(self, call: Call) -> None:
        """The endpoint is open to all: who asks is settled by what the form says."""

    def error(self, refused: Refused) -> Answer:
        trace = {
            "trace_id": self._state.guid(),
            "correlation_id": self._state.guid(),
            "timestamp": f"{self._state.now():%Y-%m-%d %H:%M:%SZ}",
        }
        body = {"error": refused.code, "error_description": refused.message, "error_codes": [], **trace}
        return Answer(status=refused.status, body=body, headers=refused.headers)

    def token(self, call: Call) -> Answer:
        form = {name: values[0] for name, values in parse_qs(call.body.decode("utf-8", "replace")).items()}
        self._check(call.names["tenant"], form)
        audience = _audience(form.get("scope", ""))
        lifetime_s = self._state.sessions.token_lifetime_s
        expires_at = self._state.wall() + timedelta(seconds=lifetime_s)
        token = Token(audience=audience, tenant=self._state.sessions.tenant, expires_at=expires_at)
        bearer = self._bearer(token)
        self._state.sessions.tokens[bearer] = token
        body = {"token_type": "Bearer", "expires_in": lifetime_s, "ext_expires_in": lifetime_s, "access_token": bearer}
        return Answer(body=body, headers={"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"})

    def configuration(self, call: Call) -> Answer:
        self._check_tenant(call.names["tenant"])
        base = f"{self._url}/{call.names['tenant']}"
        endpoints = {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
        }
        return Answer(body={**endpoints, "issuer": f"{base}/v2.0", "tenant_region_scope": "EU"})

    def keys(self, call: Call) -> Answer:
        """For the tokens that senders of alerts show; a client's own is good because we remember it."""
        self._check_tenant(call.names["tenant"])
        return Answer(body=key_set(self._state))

    def instance(self, call: Call) -> Answer:
        host = self._url.removeprefix("https://")
        metadata = [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}]
        endpoint = f"{self._url}/{self._state.sessions.tenant}/v2.0/.well-known/openid-configuration"
        return Answer(body={"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": metadata})

    def _check(self, tenant: str, form: dict[str, str]) -> None:
        known = self._state.sessions
        self._check_tenant(tenant)
        if form.get("grant_type") != "client_credentials":
            raise Refused(400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
        if form.get("client_id") != known.client:
            raise Refused(400, "unauthorized_client", "AADSTS700016: Application was not found in the directory.")
        if form.get("client_secret") != known.client_secret:
            raise Refused(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")

    def _check_tenant(self, tenant: str) -> None:
        if tenant.lower() != self._state.sessions.tenant:
            raise Refused(400, "invalid_request", f"AADSTS90002: Tenant '{tenant[:64]}' not found.")

    def _bearer(self, token: Token) -> str:
        """JWT in form, so that a client that peeks finds its claims; what makes it good is that we remember it."""
        claims = {
            "aud": token.audience,
            "iss": f"{self._url}/{token.tenant}/v2.0",
            "tid": token.tenant,
            "appid": self._state.sessions.client,
            "oid": self._state.sessions.object_id,
            "exp": int(token.expires_at.timestamp()),
            "uti": self._state.guid(),
        }
        parts = ({"typ": "JWT", "alg": "RS256"}, claims, {"sandbox": self._state.guid()})
        return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def _audience(scope: str) -> str:
    if not scope.endswith("/.default"):
        raise Refused(
            400,
            "invalid_scope",
            "AADSTS1002012: The provided value for scope is not valid: it must end with /.default.",
        )
    resource = scope.removesuffix("/.default").rstrip("/")
    if resource not in RESOURCES:
        raise Refused(400, "invalid_resource", "AADSTS500011: The resource principal was not found in the tenant.")
    return resource


def check_bearer(state: State, call: Call, audience: str) -> str | None:
    """None when the token is good for this audience, otherwise what is wrong: missing, unknown, expired, audience."""
    scheme, _, bearer = call.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        return "missing"
    token = state.sessions.tokens.get(bearer)
    if token is None:
        return "unknown"
    if token.expires_at <= state.wall():
        return "expired"
    return None if token.audience == audience else "audience"
