"""Who we are: tokens, each within a bound, and every failure to get one a fault of its own."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from rotator.azure.answers import code_of, lost, retry_after
from rotator.azure.cloud import Cloud
from rotator.azure.wire import SendOnceTransport
from rotator.core.faults import Denied, Fault, Misconfigured, Throttled, Transient

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
    from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential

TOKEN_TIMEOUT_S = 30
SIGN_IN = "sign in (`az login`), or set `identity:` in the settings"
REMEDIES = {
    "managed-identity": "give this machine its managed identity, or set another `identity:` in the settings",
    "workload": "look at the service account's federation (AZURE_TENANT_ID, AZURE_CLIENT_ID), or set another `identity:` in the settings",
}
"""What to do where Entra gives no token; an identity that is not named here is a person's."""
CLIENT_REMEDY = "correct `tenant`, `client` or `secret` of `identity: {client_secret: …}` in the settings (the secret may have expired)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """A service principal with a secret, read from where the settings say."""

    tenant: str
    client: str
    secret: Callable[[], str]


Identity = str | ClientSecret
"""`default`, `managed-identity`, `workload`, `azure-cli`, or a client secret."""


class Tokens:
    """Any credential of azure-identity, with a bound of time, and with faults of its own: a token that is refused is never mistaken for an
    answer of the service that it was for, nor for a call that may have had an effect.

    The tenant is the identity's own. A vault's challenge names one, too, in whatever spelling (a domain, a path, `common`); the SDK hands
    it on, and azure-identity refuses every spelling but its own.
    """

    def __init__(
        self, source: "AsyncTokenCredential | AsyncSupportsTokenInfo", timeout_s: float = TOKEN_TIMEOUT_S, *, remedy: str = SIGN_IN
    ) -> None:
        self._source: Any = source
        self._timeout_s = timeout_s
        self._remedy = remedy

    async def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        options.pop("tenant_id", None)
        with _no_token(self._remedy):
            async with asyncio.timeout(self._timeout_s):
                token: AccessToken = await self._source.get_token(*scopes, **options)
        return token

    async def get_token_info(self, *scopes: str, options: "TokenRequestOptions | None" = None) -> "AccessTokenInfo":
        kept: TokenRequestOptions = {**(options or {})}
        kept.pop("tenant_id", None)
        with _no_token(self._remedy):
            async with asyncio.timeout(self._timeout_s):
                token: AccessTokenInfo = await self._source.get_token_info(*scopes, options=kept)
        return token

    async def claims(self, scope: str) -> dict[str, Any]:
        """What a token for `scope` says of us, unverified: it is our own token. Empty where it is none that can be read.

        Raises:
            Fault: there is no token.
        """
        token = (await self.get_token(scope)).token
        try:
            body = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (LookupError, ValueError):
            return {}
        return claims if isinstance(claims, dict) else {}

    async def object_id(self, scope: str) -> str:
        """Our own object id, as a token for `scope` says it; empty where it does not."""
        try:
            oid = (await self.claims(scope)).get("oid")
        except Fault:
            return ""
        return oid if isinstance(oid, str) else ""

    async def close(self) -> None:
        await self._source.close()

    async def __aenter__(self) -> "Tokens":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


@contextlib.contextmanager
def _no_token(remedy: str) -> Iterator[None]:
    try:
        yield
    except (AzureError, aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise _refused_token(error, remedy) from error


def _refused_token(error: Exception, remedy: str) -> Fault:
    what, status = "a token from Entra", getattr(error, "status_code", None) or 0
    if isinstance(error, HttpResponseError) and status == 429:
        return Throttled(f"{what}: 429", until=datetime.now(UTC) + retry_after(error))
    if isinstance(error, ClientAuthenticationError) and status != 408 and status < 500:
        return Denied(f"{what}: our identity is not accepted ({code_of(error) or status or 'no credential'})", remedy=remedy)
    return Transient(f"{what}: {status}") if status >= 400 else lost(what, error, mutates=False)


def remedy_for(identity: Identity) -> str:
    """What a person is to do where this identity is given no token."""
    return CLIENT_REMEDY if isinstance(identity, ClientSecret) else REMEDIES.get(identity, SIGN_IN)


def credential_for(cloud: Cloud, identity: Identity, transport: SendOnceTransport) -> "AsyncTokenCredential":
    """The credential of azure-identity for what the settings say. Raises Misconfigured where the identity lacks something that it needs."""
    try:
        return _source(cloud, identity, transport)
    except ValueError as error:
        told = str(error).partition("\n")[0]
        raise Misconfigured(f"identity: {told}", remedy="correct `identity:` in the settings, or its environment") from error


def _source(cloud: Cloud, identity: Identity, transport: SendOnceTransport) -> "AsyncTokenCredential":
    import azure.identity.aio as entra

    options: dict[str, Any] = {"authority": cloud.authority, "transport": transport, "retry_total": 1}
    if cloud.private:
        options["disable_instance_discovery"] = True
    match identity:
        case ClientSecret(tenant=tenant, client=client, secret=secret):
            return entra.ClientSecretCredential(tenant, client, secret(), **options)
        case "managed-identity":
            return entra.ManagedIdentityCredential(transport=transport)
        case "workload":
            return entra.WorkloadIdentityCredential(**options)
        case "azure-cli":
            return entra.AzureCliCredential()
        case _:
            return entra.DefaultAzureCredential(**options)
