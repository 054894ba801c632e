"""The one application and its listener. A room adds its routes in `make_app`; none of them knows another.

Whoever connects can hold little: so many connections at once (the oldest gives way), a bound on what is read and on how long it is waited
for, and the bytes as they came, never unpacked. What goes wrong inside is a 503 and an event, never a traceback.

Nor can they hold up the work on the loop, where a kill waits for its turn dozens of times: a connection ends with its first answer, unless
whoever asked was let in, and one new connection is taken a turn. So a turn has little of strangers in it, however many there are.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from aiohttp import web

from rotator.core.faults import Rejected
from rotator.engine.ports import Watch
from rotator.telemetry import logged
from rotator.web.turn import is_let_in

BODY_BYTES_MAX = 1024 * 1024
CONNECTIONS_MAX = 400
"""Well below the files that a process may open by default: a stranger who only connects must not take them from the ledger."""
NEW_A_TURN, QUEUE_MAX = 1, 512
"""So many connections are taken in one turn of the loop, and so many wait in the system for theirs."""
IDLE_S_MAX = 15
SHUTDOWN_S_MAX = 2

SILENT = logging.getLogger("rotator.web.wire")
SILENT.disabled = True
"""Where aiohttp would log what it cannot parse: a traceback with the header's value (a secret, perhaps), as often as a stranger likes."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(*routes: Iterable[web.RouteDef], watch: Watch = logged) -> web.Application:
    """An application of these routes: of health, and of the rooms to come (alerts, metrics)."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await answered(request, handler)
        if not is_let_in(answer):
            answer.force_close()
        return answer

    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as answer:
            return web.json_response({"error": answer.reason}, status=answer.status, headers=_allowed(answer))
        except Exception as defect:  # noqa: BLE001  # the one of the server: whoever called may try again
            watch("request_failed", path=request.path[:100], error=type(defect).__name__)
            return web.json_response({"error": "something went wrong here; send it again"}, status=503, headers={"Retry-After": "10"})

    app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[guarded])
    every = [one for some in routes for one in some if isinstance(one, web.RouteDef)]
    for one in every:
        for method in (one.method, "HEAD") if one.method == "GET" else (one.method,):  # HTTP wants both of who has one
            app.router.add_route(method, one.path, one.handler, expect_handler=_expected)
    for path in {one.path: None for one in every}:
        app.router.add_route("*", path, _other_method, expect_handler=_expected)
    app.router.add_route("*", "/{elsewhere:.*}", _nowhere, expect_handler=_expected)
    return app


async def _other_method(request: web.Request) -> web.StreamResponse:
    resource = request.match_info.route.resource
    allowed = {route.method for route in resource or () if route.method != "*"}
    raise web.HTTPMethodNotAllowed(request.method, allowed)


async def _nowhere(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound


async def _expected(request: web.Request) -> web.StreamResponse | None:
    """aiohttp's own repeats an odd Expect in its refusal, and fails where that cannot be encoded."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # as aiohttp's does: the answer is yet to come
        return None
    refused = web.json_response({"error": "nothing but 100-continue can be expected"}, status=417)
    refused.force_close()  # it does not pass the guard
    return refused


def _allowed(answer: web.HTTPException) -> dict[str, str]:
    return {"Allow": answer.headers["Allow"]} if "Allow" in answer.headers else {}


@contextlib.asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Served for as long as this lasts; the port it came to be (0 in the settings takes any).

    Raises:
        Rejected: the address cannot be listened on.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=SILENT,
        handle_signals=False,
        shutdown_timeout=SHUTDOWN_S_MAX,
        keepalive_timeout=IDLE_S_MAX,
        auto_decompress=False,
    )
    await runner.setup()
    listener = None
    try:
        try:
            listener = await asyncio.get_running_loop().create_server(lambda: _admitted(runner), host, port, backlog=NEW_A_TURN)
        except OSError as error:
            raise Rejected(f"{host}:{port} cannot be listened on: {error.strerror}", remedy="set `web: {host: …, port: …}`") from error
        _queueing(listener)
        yield listener.sockets[0].getsockname()[1]
    finally:
        if listener is not None:
            listener.close()
        await runner.cleanup()


def _queueing(listener: asyncio.Server) -> None:
    """asyncio takes one number for two bounds, of what is taken in a turn and of what may wait in the system: the second is set again."""
    for one in listener.sockets:
        with one.dup() as same:
            same.listen(QUEUE_MAX)


def _admitted(runner: web.AppRunner) -> web.RequestHandler:
    """One more connection; where there are too many, the one that has lasted longest ends."""
    server = runner.server
    assert server is not None
    present = server.connections
    if len(present) >= CONNECTIONS_MAX:
        present[0].force_close()
    return server()
