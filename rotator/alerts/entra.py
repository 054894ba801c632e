"""Is this bearer token Entra's, for us, from the service that it should come from? PyJWT looks; keys come from the configured authority.

Every claim is looked at: signature (RS256 alone), exp and nbf, issuer in its v1 and v2 form for this tenant, audience, calling
application, role. A token that names a key we do not know makes us fetch the keys again, at a bounded rate, so that a stranger's tokens
cannot be made into requests.
"""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from rotator.alerts.delivery import Refused
from rotator.alerts.gate import Expected
from rotator.alerts.keyring import KEYS_MAX, Clock, Keyring

ALGORITHMS = ["RS256"]
LEEWAY_S = 60
TOKEN_LENGTH_MAX = 16_384
V1_ISSUERS = {
    "https://login.microsoftonline.com": ("https://sts.windows.net",),
    "https://login.microsoftonline.us": ("https://sts.windows.net",),
    "https://login.chinacloudapi.cn": ("https://sts.chinacloudapi.cn",),
}
V2_ISSUERS = {"https://login.chinacloudapi.cn": ("https://login.partner.microsoftonline.cn",)}


class Json(Protocol):
    """A GET of a JSON document, bounded in size and time. Raises a Fault."""

    async def __call__(self, url: str) -> Any: ...


class Entra:
    """Fulfils `Tokens`, for one authority."""

    def __init__(self, authority: str, fetch: Json, clock: Clock = time.monotonic) -> None:
        self._authority = authority.rstrip("/")
        self._fetch = fetch
        self._clock = clock
        self._rings: dict[str, Keyring[Any]] = {}

    async def check(self, token: str, expected: Expected) -> Mapping[str, object]:
        import jwt

        if len(token) > TOKEN_LENGTH_MAX:
            raise Refused("the bearer token is longer than Entra's are")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Refused("the bearer token is no JWT") from None
        if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
            raise Refused("the bearer token is not signed with RS256 by a named key")
        key = await self._ring(expected.tenant).key(header["kid"])
        if key is None:
            raise Refused("the bearer token is signed by a key that is not Entra's")
        return _checked(token, key, expected, issuers(self._authority, expected.tenant))

    def _ring(self, tenant: str) -> Keyring[Any]:
        """One a tenant of the settings, so there are as many as those."""
        if tenant not in self._rings:
            fetch = partial(_signing_keys, self._authority, tenant, self._fetch)
            self._rings[tenant] = Keyring("Entra's signing keys", fetch, self._clock)
        return self._rings[tenant]


def issuers(authority: str, tenant: str) -> list[str]:
    """What `iss` may say: the v2 form below the authority, and the v1 form of its cloud (a private authority signs for itself)."""
    first = V1_ISSUERS.get(authority, (authority,))
    second = (authority, *V2_ISSUERS.get(authority, ()))
    return [*(f"{base}/{tenant}/" for base in first), *(f"{base}/{tenant}/v2.0" for base in second)]


def _checked(token: str, key: Any, expected: Expected, allowed: list[str]) -> Mapping[str, object]:
    import jwt

    options: Any = {"require": ["exp", "nbf", "iss", "aud"], "enforce_minimum_key_length": True}
    audience = [expected.audience, expected.audience.rstrip("/") + "/"]
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=ALGORITHMS, audience=audience, issuer=allowed, leeway=LEEWAY_S, options=options
        )
    except jwt.ExpiredSignatureError:
        raise Refused("the bearer token has expired") from None
    except jwt.InvalidIssuerError:
        raise Refused("the bearer token is of another tenant or authority") from None
    except jwt.InvalidAudienceError:
        raise Refused("the bearer token is for another audience than the one in the settings") from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise Refused("the bearer token is not valid") from None
    if claims.get("tid", expected.tenant) != expected.tenant:
        raise Refused("the bearer token is of another tenant")
    if _caller(claims) not in {caller.lower() for caller in expected.callers}:
        raise Refused("the bearer token comes from another application than this sender's")
    roles = claims.get("roles")
    if expected.role and not (isinstance(roles, list) and expected.role in roles):
        raise Refused(f"the bearer token lacks the role {expected.role}")
    return claims


def _caller(claims: Mapping[str, Any]) -> str:
    """`appid` in v1, `azp` in v2. Where both stand, they must agree."""
    said = {claim.lower() for claim in (claims.get("appid"), claims.get("azp")) if isinstance(claim, str)}
    return said.pop() if len(said) == 1 else ""


async def _signing_keys(authority: str, tenant: str, fetch: Json) -> Mapping[str, Any]:
    """The keys that the authority's own configuration points to, as long as it points to itself."""
    configuration = await fetch(f"{authority}/{tenant}/v2.0/.well-known/openid-configuration")
    place = configuration.get("jwks_uri") if isinstance(configuration, dict) else None
    if not isinstance(place, str) or _origin(place) != _origin(authority):
        return {}
    return _read(await fetch(place))


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc.lower()


def _read(document: Any) -> dict[str, Any]:
    import jwt

    keys = document.get("keys") if isinstance(document, dict) else None
    found: dict[str, Any] = {}
    for each in keys[:KEYS_MAX] if isinstance(keys, list) else []:
        if (
            not isinstance(each, dict)
            or each.get("kty") != "RSA"
            or each.get("use", "sig") != "sig"
            or not isinstance(each.get("kid"), str)
        ):
            continue
        try:
            found[each["kid"]] = jwt.PyJWK.from_dict(each, algorithm="RS256").key
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
    return found
