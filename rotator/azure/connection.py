"""The one connection to Azure that every adapter is made from: opened once, closed at the end."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from rotator.azure.cloud import Cloud
from rotator.azure.identity import Identity, Tokens, credential_for
from rotator.azure.wire import CONNECT_TIMEOUT_S, REQUEST_TIMEOUT_S, SendOnceTransport, never_again
from rotator.core.faults import Rejected

CONNECTIONS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Azure:
    """What every adapter is made from: one transport for the SDKs, one session that opens a fresh connection for each probe."""

    cloud: Cloud
    credential: Tokens
    transport: SendOnceTransport
    probes: aiohttp.ClientSession

    @property
    def client_options(self) -> dict[str, Any]:
        """For every SDK client alike: our transport, no retry and no redirect of its own, no log of bodies or headers."""
        return {"transport": self.transport, "retry_total": 0, "permit_redirects": False, "logging_enable": False}

    @property
    def arm_scope(self) -> str:
        return self.cloud.audience.rstrip("/") + "/.default"


@contextlib.asynccontextmanager
async def open_azure(cloud: Cloud, identity: Identity, *, request_timeout_s: float = REQUEST_TIMEOUT_S) -> AsyncIterator[Azure]:
    """Connections and credential, closed at the end.

    Raises:
        Rejected: the CA file cannot be read, or the identity lacks something that it needs.
    """
    try:
        trust = ssl.create_default_context(cafile=cloud.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Rejected(
            f"ca_file {cloud.ca_file}: cannot be read as PEM certificates", remedy="name a PEM file in `cloud: {ca_file: …}`"
        ) from error
    timeout = aiohttp.ClientTimeout(total=request_timeout_s, sock_connect=CONNECT_TIMEOUT_S)
    pool = aiohttp.TCPConnector(ssl=trust, limit=CONNECTIONS_MAX)
    once = aiohttp.TCPConnector(ssl=trust, limit=CONNECTIONS_MAX, force_close=True)
    shared: dict[str, Any] = {"trust_env": True, "cookie_jar": aiohttp.DummyCookieJar(), "middlewares": (never_again,)}
    async with (
        aiohttp.ClientSession(connector=pool, auto_decompress=False, **shared) as session,
        aiohttp.ClientSession(connector=once, timeout=timeout, **shared) as probes,
    ):
        transport = SendOnceTransport(session, request_timeout_s)
        credential = Tokens(credential_for(cloud, identity, transport))
        try:
            yield Azure(cloud=cloud, credential=credential, transport=transport, probes=probes)
        finally:
            await credential.close()
