"""The wire: a call under `sent_once` reaches it at most once, whatever azure-core, a policy or aiohttp would do, and all has a bound.

Measured (azure-core 1.41, aiohttp 3.14): with the defaults a regenerateKey answered 503 after its effect is sent again and mints twice;
with `retry_total=0` aiohttp itself still sends a PUT twice when the connection drops; Key Vault's challenge policy sends again after any
401.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn

import aiohttp
from azure.core.exceptions import ServiceResponseTimeoutError
from azure.core.pipeline.transport import AioHttpTransport

from rotator.azure.budget import Budget, Places
from rotator.azure.operations import PROBE, Heard, operation_of, unheard
from rotator.core.faults import Ambiguous, Denied, Rejected

CONNECT_TIMEOUT_S = 5
REQUEST_TIMEOUT_S = 15
"""From the first byte asked to the last one answered. azure-core waits 300 s to connect and 300 s for each byte, and has no whole."""
PAUSE_MAX_S = 2
"""azure-core sleeps as long as a Retry-After says, between two tries of a token and two looks at a long operation."""
NOT_ACCEPTED = "correct `identity:` in the settings: it must be of the tenant that the subscription and the vault are in"


@dataclass(slots=True)
class _Ticket:
    what: str
    status: int | None = None
    sent: bool = False


_ticket: ContextVar[_Ticket | None] = ContextVar("ticket", default=None)


@contextlib.contextmanager
def sent_once(what: str) -> Iterator[None]:
    """Inside, one authorised request with a body may go on the wire; a second one raises instead of being sent."""
    before = _ticket.set(_Ticket(what))
    try:
        yield
    finally:
        _ticket.reset(before)


class SendOnceTransport(AioHttpTransport):  # type: ignore[misc]  # the base is loaded lazily, so untyped
    """azure-core's transport, with the ticket looked at below every policy, with a fair share of the budget, and with bounds.

    Token requests and Key Vault's challenge leg carry no effect.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        *,
        budget: Budget | None = None,
        places: Places | None = None,
        heard: Heard = unheard,
    ) -> None:
        """Timeouts stand here: those of a client are ignored once it is handed a transport."""
        super().__init__(session=session, session_owner=False, connection_timeout=CONNECT_TIMEOUT_S, read_timeout=request_timeout_s)
        self._request_timeout_s = request_timeout_s
        self._budget = budget or Budget(resource_manager="")
        self._places = places or Places()
        self._heard = heard

    async def send(self, request: Any, **config: Any) -> Any:
        """The wait for a share of the budget is before the send and no part of its time: what is throttled here was never sent."""
        ticket = _ticket.get() if _carries_an_effect(request) else None
        if ticket is not None and ticket.sent:
            _refuse_to_send_again(ticket)
        async with self._budget.spent(request.method, request.url, effect=ticket is not None) as call, self._places.taken():
            if ticket is not None:
                if ticket.sent:
                    _refuse_to_send_again(ticket)
                ticket.sent = True
            response = await self._sent(request, config)
            if call is not None:
                call.answered(response.status_code, response.headers)
        if ticket is not None:
            ticket.status = response.status_code
        return response

    async def _sent(self, request: Any, config: dict[str, Any]) -> Any:
        """The whole exchange in time: the wait for a name, for a connection, and an answer that drips in byte by byte."""
        began, answer = time.monotonic(), "none"
        try:
            async with asyncio.timeout(self._request_timeout_s):
                response = await super().send(request, **config)
            answer = str(response.status_code)
            return response
        except TimeoutError as error:
            raise ServiceResponseTimeoutError("not answered in time", error=error) from error
        finally:
            self._heard(operation_of(request.method, request.url), answer, time.monotonic() - began)

    async def sleep(self, duration: float) -> None:
        await super().sleep(min(duration, PAUSE_MAX_S))


def _carries_an_effect(request: Any) -> bool:
    return request.method in ("POST", "PUT", "PATCH", "DELETE") and "Authorization" in request.headers


def _refuse_to_send_again(ticket: _Ticket) -> NoReturn:
    if ticket.status == 401:
        raise Denied(f"{ticket.what}: 401", remedy=NOT_ACCEPTED)
    if ticket.status is not None and ticket.status < 500:
        raise Rejected(f"{ticket.what}: {ticket.status}")
    raise Ambiguous(f"{ticket.what}: no answer, and a policy would have sent it again")


async def never_again(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp sends GET, PUT and DELETE again by itself after a dropped connection; an error of another class stops it."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        raise aiohttp.ClientConnectionError(type(error).__name__) from error


def counted(heard: Heard) -> Callable[[aiohttp.ClientRequest, aiohttp.ClientHandlerType], Awaitable[aiohttp.ClientResponse]]:
    """A middleware that tells of each probe: of its answer, never of its key."""

    async def middleware(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        began, answer = time.monotonic(), "none"
        try:
            response = await handler(request)
            answer = str(response.status)
            return response
        finally:
            heard(operation_of(request.method, str(request.url), PROBE), answer, time.monotonic() - began)

    return middleware
