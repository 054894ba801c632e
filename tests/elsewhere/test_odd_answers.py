"""Answers that are not of the documented form: a fault that may pass, whatever they are, and nothing is written upon them."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
import trustme
from aiohttp import web

from rotator.azure import CLOUDS, Azure, SendOnceTransport
from rotator.core.faults import Ambiguous, Missing, Transient
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption
from rotator.dependents import Tools, make
from tests.elsewhere.conftest import SIGNING, VALUE, dependent, published

if TYPE_CHECKING:
    from rotator.core.credential import Dependent

ODD: tuple[Any, ...] = (None, [], {}, "text", 7, {"variables": [], "authorization": 3, "updated_at": "yesterday", "id": 1}, [[]])
NEW = published()


class Odd:
    """A server that answers everything with the same thing."""

    answer: Any = None
    seen: list[str]

    def __init__(self) -> None:
        self.seen = []

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append(request.method)
        return web.json_response(self.answer)


@pytest_asyncio.fixture
async def odd(tmp_path: Path) -> AsyncIterator[tuple[Odd, str, Tools]]:
    authority, server = trustme.CA(), Odd()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"

    async def secret(reference: str) -> Sealed:
        return Sealed(SIGNING if reference == "env:SIGNING" else VALUE)

    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust), timeout=timeout) as session:
        azure = Azure(cloud=CLOUDS["public"], credential=None, transport=SendOnceTransport(session), probes=session)  # type: ignore[arg-type]
        yield server, url, Tools(azure=azure, secret=secret, directory=tmp_path)
    await runner.cleanup()


def kinds(url: str) -> list[Dependent]:
    devops = {"organisation": f"{url}/contoso", "project": "Chat", "token": "env:TOKEN"}
    return [
        dependent("github-secret", repository="contoso/chat", secret="KEY", token="env:TOKEN", api=url),
        dependent("github-secret", organisation="contoso", secret="KEY", token="env:TOKEN", api=url),
        dependent("azure-devops", **devops, variable_group=7, variable="KEY"),
        dependent("azure-devops", **devops, variable_group="chat", variable="KEY"),
        dependent("azure-devops", **devops, connection="6ac1f0bc-0000-4000-8000-3f6b9a7c2d11"),
        dependent("health", url=url, field="key.version"),
        dependent("webhook", url=url, secret="env:SIGNING"),
    ]


@pytest.mark.parametrize("answer", ODD, ids=repr)
async def test_whatever_is_answered_is_a_view_and_nothing_is_written_upon_it(odd: tuple[Odd, str, Tools], answer: Any) -> None:
    server, url, tools = odd
    server.answer = answer
    for one in kinds(url):
        server.seen.clear()
        found = await make(one.kind, tools).adoption(one, NEW)
        assert found.adoption in (Adoption.UNSEEN, Adoption.STALE), one
        with contextlib.suppress(Transient, Missing, Ambiguous):
            await make(one.kind, tools).deliver(one, NEW)
        assert "PUT" not in server.seen
