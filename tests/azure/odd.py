"""A loopback Azure that gives every call the same answer, over a real connection: what a fake session leaves out is not left out here."""

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import AsyncMock, Mock

import aiohttp
import trustme
from aiohttp import web
from azure.core.credentials import AccessTokenInfo

from rotator.azure import Azure, Cloud, SendOnceTransport, Tokens


class OddAzure:
    """Gives every call the same answer."""

    def __init__(self) -> None:
        self.status, self.body = 200, ""
        self.sent: list[str] = []
        self.azure: Azure

    @property
    def url(self) -> str:
        return self.azure.cloud.resource_manager

    async def answer(self, request: web.Request) -> web.Response:
        self.sent.append(request.method)
        return web.Response(status=self.status, body=self.body.encode("latin-1"), content_type="application/json")


@asynccontextmanager
async def odd_azure() -> AsyncIterator[OddAzure]:
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    trust = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    made, app = OddAzure(), web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    cloud = Cloud(authority=url, resource_manager=url, audience=url, verify_challenge_resource=False)
    credential = Mock(spec=Tokens, get_token_info=AsyncMock(return_value=AccessTokenInfo("not said", int(time.time()) + 3000)))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust), auto_decompress=False) as session:
        made.azure = Azure(cloud=cloud, credential=credential, transport=SendOnceTransport(session), probes=session)
        yield made
    await runner.cleanup()
