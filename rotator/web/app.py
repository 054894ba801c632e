"""The one application and its listener. A room adds its routes in `make_app`; none of them knows another."""

import contextlib
from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from rotator.core.faults import Rejected

BODY_BYTES_MAX = 1024 * 1024


def make_app(*routes: Iterable[web.RouteDef]) -> web.Application:
    """An application of these routes: of health, and of the rooms to come (alerts, metrics)."""
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    for some in routes:
        app.add_routes(list(some))
    return app


@contextlib.asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Served for as long as this lasts; the port it came to be (0 in the settings takes any).

    Raises:
        Rejected: the address cannot be listened on.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2)
    await runner.setup()
    try:
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
        except OSError as error:
            raise Rejected(f"{host}:{port} cannot be listened on: {error.strerror}", remedy="set `web: {host: …, port: …}`") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
