"""The probe of each kind of account: what it asks, and what its answers mean."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from rotator.azure import CLOUDS, Azure, SendOnceTransport
from rotator.core.sealed import Sealed
from rotator.core.snapshot import AccountView
from rotator.engine.ports import Verdict
from rotator.issuers.probes import PROBES, Probes, probe_of
from rotator.sandbox.data_plane import KINDS

if TYPE_CHECKING:
    from rotator.azure import Tokens

VERDICTS = {
    200: Verdict.ACCEPTED,
    401: Verdict.REFUSED,
    403: Verdict.BARRED,
    400: Verdict.NOT_SERVED,
    404: Verdict.NOT_SERVED,
    405: Verdict.NOT_SERVED,
    410: Verdict.NOT_SERVED,
    204: Verdict.INCONCLUSIVE,
    302: Verdict.INCONCLUSIVE,
    408: Verdict.INCONCLUSIVE,
    409: Verdict.INCONCLUSIVE,
    429: Verdict.INCONCLUSIVE,
    500: Verdict.INCONCLUSIVE,
    503: Verdict.INCONCLUSIVE,
}


class Endpoint:
    """A host that answers every request alike, and remembers what was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.drops = False
        self.asked: list[tuple[str, str, dict[str, str], bytes, int]] = []

    async def answer(self, request: web.Request) -> web.Response:
        peer = request.transport.get_extra_info("peername")[1] if request.transport else 0
        self.asked.append((request.method, request.path, dict(request.headers), await request.read(), peer))
        if self.drops and request.transport:
            request.transport.abort()
        return web.Response(status=self.status, headers={"Location": "https://elsewhere.invalid/"} if self.status == 302 else {})


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with served() as (found, _):
        yield found


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Endpoint, trustme.CA]]:
    authority, found = trustme.CA(), Endpoint()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    found.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield found, authority
    finally:
        await runner.cleanup()


def asker(session: aiohttp.ClientSession, credential: Tokens | Any = None) -> Probes:
    return Probes(Azure(cloud=CLOUDS["public"], credential=credential, transport=SendOnceTransport(session), probes=session))


@asynccontextmanager
async def trusting() -> AsyncIterator[tuple[Endpoint, Probes]]:
    async with served() as (found, authority):
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        connector = aiohttp.TCPConnector(ssl=trust, force_close=True)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=2)) as session:
            yield found, asker(session)


def account(kind: str, *endpoints: str) -> AccountView:
    return AccountView(kind=kind, endpoints=endpoints, local_auth=True, provable=kind in PROBES)


def test_every_kind_that_azure_documents_a_probe_for_has_one() -> None:
    assert set(PROBES) == set(KINDS)


@pytest.mark.parametrize("kind", PROBES)
async def test_what_each_answer_means(kind: str) -> None:
    expected = {**VERDICTS, **({404: Verdict.ACCEPTED} if kind == "TextAnalytics" else {})}
    async with trusting() as (endpoint, probes):
        seen = {}
        for status in expected:
            endpoint.status = status
            answer = await probes.probe(account(kind, endpoint.url), endpoint.url, Sealed("a value"))
            seen[status] = answer.verdict
            assert answer.seen == str(status)
    assert seen == expected


@pytest.mark.parametrize("kind", PROBES)
async def test_what_is_asked(kind: str) -> None:
    async with trusting() as (endpoint, probes):
        for _ in range(2):
            await probes.probe(account(kind, endpoint.url), endpoint.url, Sealed("a value"))
    openai = kind in ("OpenAI", "AIServices")
    assert len({peer for *_, peer in endpoint.asked}) == 2, "a probe used a connection again"
    for method, path, headers, body, _ in endpoint.asked:
        assert headers["api-key" if openai else "Ocp-Apim-Subscription-Key"] == "a value"
        assert method == ("POST" if kind in ("SpeechServices", "TextTranslation") else "GET")
        assert "a value" not in path
        assert "{" not in path
        assert body == b""
        assert method == "GET" or headers["Content-Length"] == "0"


async def test_a_kind_without_a_probe_is_not_asked(endpoint: Endpoint) -> None:
    async with aiohttp.ClientSession() as session:
        answer = await asker(session).probe(account("Strange", endpoint.url), endpoint.url, Sealed("a value"))
    assert (answer.verdict, endpoint.asked) == (Verdict.BARRED, [])


async def test_a_value_is_never_sent_without_tls(endpoint: Endpoint) -> None:
    async with aiohttp.ClientSession() as session:
        plain = endpoint.url.replace("https", "http")
        answer = await asker(session).probe(account("OpenAI", plain), plain, Sealed("a value"))
    assert (answer.verdict, endpoint.asked) == (Verdict.BARRED, [])


async def test_a_value_is_never_sent_to_a_host_that_is_not_trusted(endpoint: Endpoint) -> None:
    async with aiohttp.ClientSession() as session:
        answer = await asker(session).probe(account("OpenAI", endpoint.url), endpoint.url, Sealed("a value"))
    assert (answer.verdict, endpoint.asked) == (Verdict.INCONCLUSIVE, [])


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "https://nowhere.invalid", "https://", "https://[", "https://127.0.0.1:99999"])
async def test_what_cannot_be_reached_proves_nothing(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        answer = await asker(session).probe(account("OpenAI", url), url, Sealed("a value"))
    assert answer.verdict is Verdict.INCONCLUSIVE
    assert "a value" not in answer.seen


async def test_a_dropped_connection_proves_nothing() -> None:
    async with trusting() as (endpoint, probes):
        endpoint.drops = True
        answer = await probes.probe(account("OpenAI", endpoint.url), endpoint.url, Sealed("a value"))
    assert answer.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("value", ["a\nvalue", "a\rvalue", "a\0value", "ä value", "☃", ""])
async def test_a_value_that_no_header_can_carry_proves_nothing_and_raises_nothing(value: str) -> None:
    async with trusting() as (endpoint, probes):
        endpoint.status = 401
        answer = await probes.probe(account("OpenAI", endpoint.url), endpoint.url, Sealed(value))
    assert answer.verdict in (Verdict.INCONCLUSIVE, Verdict.REFUSED)
    assert not value or value not in answer.seen


def test_a_kind_is_known_however_it_is_spelled() -> None:
    assert probe_of("openai") == probe_of("OPENAI") == PROBES["OpenAI"]
    assert probe_of("CustomVision.Training") is None
