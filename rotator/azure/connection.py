"""The one connection to Azure that every adapter is made from: opened once, closed at the end."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from rotator.azure.bucket import Shares, Size
from rotator.azure.budget import CONNECTIONS_MAX, SIZES, Budget, Places, Sort
from rotator.azure.cloud import Cloud
from rotator.azure.identity import Identity, Tokens, credential_for, remedy_for
from rotator.azure.operations import Heard, unheard
from rotator.azure.wire import CONNECT_TIMEOUT_S, REQUEST_TIMEOUT_S, SendOnceTransport, counted, never_again
from rotator.core.faults import Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class Azure:
    """What every adapter is made from: one transport for the SDKs, one session that opens a fresh connection for each probe.

    `budget` is what Resource Manager may still be asked, for who wants to know; `probing` are the places among the probes.
    """

    cloud: Cloud
    credential: Tokens
    transport: SendOnceTransport
    probes: aiohttp.ClientSession
    probing: Places = field(default_factory=Places)
    budget: Budget = field(default_factory=lambda: Budget(resource_manager=""))

    @property
    def client_options(self) -> dict[str, Any]:
        """For every SDK client alike: our transport, no retry and no redirect of its own, no log of bodies or headers."""
        return {"transport": self.transport, "retry_total": 0, "permit_redirects": False, "logging_enable": False}

    @property
    def arm_scope(self) -> str:
        return self.cloud.audience.rstrip("/") + "/.default"


@contextlib.asynccontextmanager
async def open_azure(
    cloud: Cloud,
    identity: Identity,
    *,
    request_timeout_s: float = REQUEST_TIMEOUT_S,
    shares: Shares | None = None,
    sizes: Mapping[Sort, Size] = SIZES,
    is_urgent: Callable[[], bool] = lambda: False,
    gives_way: Callable[[], bool] = lambda: False,
    heard: Heard = unheard,
) -> AsyncIterator[Azure]:
    """Connections and credential, closed at the end. `is_urgent` tells, in the context of a call, whether it is part of an emergency,
    `gives_way` whether it would rather come back than wait for budget; `heard` is told of each call.

    Raises:
        Misconfigured: the CA file cannot be read, or the identity lacks something that it needs.
    """
    try:
        trust = ssl.create_default_context(cafile=cloud.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            f"ca_file {cloud.ca_file}: cannot be read as PEM certificates", remedy="name a PEM file in `cloud: {ca_file: …}`"
        ) from error
    timeout = aiohttp.ClientTimeout(total=request_timeout_s, sock_connect=CONNECT_TIMEOUT_S)
    pool = aiohttp.TCPConnector(ssl=trust, limit=CONNECTIONS_MAX)
    once = aiohttp.TCPConnector(ssl=trust, limit=CONNECTIONS_MAX, force_close=True)
    shared: dict[str, Any] = {"trust_env": True, "cookie_jar": aiohttp.DummyCookieJar()}
    async with (
        aiohttp.ClientSession(connector=pool, auto_decompress=False, middlewares=(never_again,), **shared) as session,
        aiohttp.ClientSession(connector=once, timeout=timeout, middlewares=(counted(heard), never_again), **shared) as probes,
    ):
        budget = Budget(
            resource_manager=cloud.resource_manager, shares=shares or Shares(), sizes=sizes, is_urgent=is_urgent, gives_way=gives_way
        )
        places = Places(is_urgent=is_urgent)
        transport = SendOnceTransport(session, request_timeout_s, budget=budget, places=places, heard=heard)
        credential = Tokens(credential_for(cloud, identity, transport), remedy=remedy_for(identity))
        try:
            yield Azure(
                cloud=cloud,
                credential=credential,
                transport=transport,
                probes=probes,
                probing=Places(is_urgent=is_urgent),
                budget=budget,
            )
        finally:
            await credential.close()
