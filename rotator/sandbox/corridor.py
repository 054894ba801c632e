"""The one corridor every request goes through, whatever the surface.

    arrive -> journal -> admit (api-version, token, throttle) -> a fault? -> effect -> answer, or lose it -> journal

Promises: an effect is one synchronous call, so nothing comes between its halves; a fault is asked for only once a
request is admitted, so that an authentication challenge never uses one up; a request that a fault swallowed is
journalled all the same. Never logs, never shows a body.
"""

import asyncio
from weakref import WeakKeyDictionary

from aiohttp import web

from rotator.sandbox.faults import Fault
from rotator.sandbox.journal import Entry
from rotator.sandbox.state import State
from rotator.sandbox.wire import Answer, Call, Effect, Refused, Surface

_BODY_BYTES_MAX = 1 << 20
_HANG_S_MAX = 900.0
_HANG_POLL_S = 0.02
_MISSING_BYTES = 64
_REFUSING = {
    "500-before": (500, "InternalServerError", "The server encountered an internal error. Please retry the request."),
    "429": (429, "TooManyRequests", "Too many requests."),
    "401": (401, "Unauthorized", "Authentication failed."),
    "403": (403, "AuthorizationFailed", "The client does not have authorization to perform this action."),
    "409": (409, "RequestConflict", "Another operation is being performed on this resource. Please retry later."),
}


def application(surface: Surface, state: State) -> web.Application:
    connections: WeakKeyDictionary[asyncio.Transport, int] = WeakKeyDictionary()

    async def corridor(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        call, effect = _find(surface, request, body)
        target = call.names.get("target")
        entry = state.journal.arrived(
            at=state.now(),
            surface=surface.name,
            method=request.method,
            path=request.path,
            operation=call.operation,
            target=target,
            connection=_connection(request, connections, state),
            body=body,
        )
        call.headers["x-ms-request-id"] = state.guid()
        return await _through(call, effect, surface, state, entry)

    app = web.Application(client_max_size=_BODY_BYTES_MAX)
    app.router.add_route("*", "/{path:.*}", corridor)
    return app


def _find(surface: Surface, request: web.Request, body: bytes) -> tuple[Call, Effect]:
    for route in surface.routes:
        names = route.match(request.method, request.path)
        if names is not None:
            return Call(request=request, body=body, operation=route.operation, names=names), route.effect
    return Call(request=request, body=body, operation="Unknown", names={}), _no_such_route


def _no_such_route(call: Call) -> Answer:
    raise Refused(404, "NotFound", "The requested path does not exist.")


async def _through(call: Call, effect: Effect, surface: Surface, state: State, entry: Entry) -> web.StreamResponse:
    try:
        surface.admit(call)
    except Refused as refused:
        entry.authorized = refused.status != 401
        return await _send(call, surface.error(refused), entry)
    fault = state.faults.strike(call.operation, entry.target)
    if fault is None:
        return await _send(call, _take_effect(call, effect, surface, state), entry)
    entry.fault = fault.label
    return await _suffer(fault, call, effect, surface, state, entry)


def _take_effect(call: Call, effect: Effect, surface: Surface, state: State) -> Answer:
    try:
        answer = effect(call)
    except Refused as refused:
        return surface.error(refused)
    state.happen(call.operation)
    return answer


async def _suffer(fault: Fault, call: Call, effect: Effect, surface: Surface, state: State, entry: Entry) -> web.StreamResponse:
    """Which side of the effect the fault falls on, and what the client gets to see of it."""
    match fault.kind:
        case "500-before" | "429" | "401" | "403" | "409":
            return await _send(call, surface.error(_refusal(fault)), entry)
        case "drop-before":
            return _drop(call)
        case "hang-before":
            return await _hang(call, state, fault.seconds)
        case "latency":
            await asyncio.sleep(fault.seconds or 0.0)
            return await _send(call, _take_effect(call, effect, surface, state), entry)
    answer = _take_effect(call, effect, surface, state)
    match fault.kind:
        case "503-after":
            late = Refused(503, "ServiceUnavailable", "The service is temporarily unavailable.")
            return await _send(call, surface.error(late), entry)
        case "drop-after":
            return _drop(call)
        case "hang":
            return await _hang(call, state, fault.seconds)
        case "truncated":
            return await _truncate(call, answer, entry)
        case _:
            raise AssertionError(fault.kind)


def _refusal(fault: Fault) -> Refused:
    status, code, message = _REFUSING[fault.kind]
    headers = {"Retry_After": f"{fault.seconds or 1:g}"} if status == 429 else {}
    return Refused(status, code, message, **headers)


async def _send(call: Call, answer: Answer, entry: Entry) -> web.StreamResponse:
    entry.status = answer.status
    return _response(call, answer)


def _response(call: Call, answer: Answer) -> web.Response:
    headers = {**call.headers, **answer.headers}
    if answer.text is not None:
        return web.Response(status=answer.status, text=answer.text, headers=headers)
    if answer.body is None:
        return web.Response(status=answer.status, headers=headers)
    return web.json_response(answer.body, status=answer.status, headers=headers)


def _drop(call: Call) -> web.StreamResponse:
    if call.request.transport is not None:
        call.request.transport.abort()
    return web.Response(status=500)


async def _hang(call: Call, state: State, seconds: float | None) -> web.StreamResponse:
    """Until the client has gone, the time is over, or the sandbox stops; only the transport tells of a leaver."""
    for _ in range(int((seconds or _HANG_S_MAX) / _HANG_POLL_S)):
        transport = call.request.transport
        if transport is None or transport.is_closing() or state.stopping:
            break
        await asyncio.sleep(_HANG_POLL_S)
    return _drop(call)


async def _truncate(call: Call, answer: Answer, entry: Entry) -> web.StreamResponse:
    entry.status = answer.status
    whole = _response(call, answer)
    body = whole.body if isinstance(whole.body, bytes) else b""
    short = web.StreamResponse(status=whole.status, headers={**call.headers, **answer.headers})
    short.content_type = whole.content_type
    short.content_length = len(body) + _MISSING_BYTES
    await short.prepare(call.request)
    await short.write(body[: len(body) // 2 or 1] or b" ")
    if call.request.transport is not None:
        call.request.transport.close()
    return short


def _connection(request: web.Request, known: WeakKeyDictionary[asyncio.Transport, int], state: State) -> int:
    if request.transport is None:
        return 0
    if request.transport not in known:
        known[request.transport] = state.next_connection()
    return known[request.transport]
