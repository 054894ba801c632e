"""Tokens with a signature that means something, as Entra gives them to Event Grid and to action groups, and the keys to check them by."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from rotator.sandbox.state import State

LIFETIME = timedelta(hours=1)


def key_id(state: State) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(str(_numbers(state).n).encode()).digest()[:20]).decode().rstrip("=")


def key_set(state: State) -> dict[str, Any]:
    """The JWKS of every tenant of this authority."""
    numbers = _numbers(state)
    key = {"kty": "RSA", "use": "sig", "kid": key_id(state), "x5t": key_id(state), "n": _number(numbers.n), "e": _number(numbers.e)}
    return {"keys": [key]}


def signed_token(state: State, authority: str, claims: Mapping[str, Any], *, version: int = 2) -> str:
    """A token of this tenant. `claims` says aud, roles and who calls, and may overrule everything else; None leaves a claim out."""
    import jwt

    now = state.now()
    tenant = state.sessions.tenant
    caller = claims.get("appid", claims.get("azp"))
    usual = {
        "iss": f"{authority}/{tenant}/" + ("v2.0" if version == 2 else ""),
        "tid": tenant,
        "iat": now,
        "nbf": now - timedelta(seconds=5),
        "exp": now + LIFETIME,
        "ver": f"{version}.0",
        ("azp" if version == 2 else "appid"): caller,
    }
    said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(said, state.leaks.signing_key, algorithm="RS256", headers={"kid": key_id(state)})


def _numbers(state: State) -> Any:
    return state.leaks.signing_key.public_key().public_numbers()


def _number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode().rstrip("=")
