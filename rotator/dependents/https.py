"""Plain HTTPS to what has no client worth its weight: one request on a fresh connection, its answer or a fault.

Promises that a request is sent at most once, follows no redirect (which would carry a token elsewhere), reads a bounded answer, and that no
header and no body, sent or answered, stands in a fault's text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from rotator.azure.answers import RETRY_AFTER_MAX, RETRY_AFTER_UNSAID, lost
from rotator.core.faults import Ambiguous, Conflict, Denied, Fault, Missing, Rejected, Throttled, Transient

SIGN_IN_PAGE = 203
"""How Azure DevOps answers a token that it does not know; others redirect (302)."""
ANSWER_BYTES_MAX = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `what` is how a fault calls it; `needs` the permission that a refusal asks for; `missing` what a 404 may mean."""

    what: str
    url: str
    method: str = "GET"
    headers: Mapping[str, str]
    body: bytes | None = None
    needs: str = ""
    missing: str = ""
    mutates: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back, whatever its status. `content` is the JSON of its body, or None where there is none."""

    status: int
    headers: Mapping[str, str]
    content: Any


async def ask(session: aiohttp.ClientSession, request: Request) -> Reply:
    """Send once, and answer with whatever comes back. Raises a Fault only where nothing did."""
    if not request.url.startswith("https://"):
        raise Rejected(f"{request.what}: not https, so nothing is sent there")
    try:
        async with session.request(
            request.method, request.url, headers=request.headers, data=request.body, allow_redirects=False
        ) as response:
            body = await _bounded(response, request)
            return Reply(status=response.status, headers=response.headers, content=_content(body))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise lost(request.what, error, request.mutates) from error
    except ValueError as error:  # a header or a URL that cannot be sent
        raise Rejected(f"{request.what}: cannot be sent ({type(error).__name__})") from None


async def call(session: aiohttp.ClientSession, request: Request) -> Reply:
    """Like `ask`, and every refusal is a Fault."""
    reply = await ask(session, request)
    if 200 <= reply.status < 300 and reply.status != SIGN_IN_PAGE:
        return reply
    raise refused(request, reply)


def refused(request: Request, reply: Reply) -> Fault:
    """The fault that an answer stands for."""
    told = f"{request.what}: {reply.status}"
    match reply.status:
        case 429:
            return Throttled(told, until=datetime.now(UTC) + pause(reply.headers))
        case 403 if _is_a_limit(reply.headers):
            return Throttled(told, until=datetime.now(UTC) + pause(reply.headers))
        case 401:
            return Denied(told, remedy=f"the token is not accepted: renew it, with {request.needs}" if request.needs else "renew the token")
        case 403 | 302 | 203:
            return Denied(told, remedy=f"grant {request.needs}" if request.needs else "grant rotator access")
        case 404:
            return Missing(told, remedy=request.missing)
        case 409 | 412:
            return Conflict(told)
        case status if status >= 500 or status == 408:
            return Ambiguous(told) if request.mutates else Transient(told)
        case _:
            return Rejected(told)


def mapping(request: Request, reply: Reply) -> dict[str, Any]:
    """The object that a good answer is. Raises where it is none: after an effect nobody knows, else it may pass."""
    if isinstance(reply.content, dict):
        return reply.content
    kind = Ambiguous if request.mutates else Transient
    raise kind(f"{request.what}: the answer is not of the documented form")


def pause(headers: Mapping[str, str]) -> timedelta:
    """What a limit asks for: seconds in `Retry-After`, or a time of reset as GitHub says it; bounded, whatever it says."""
    after, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    if after.isdecimal() and len(after) < 12:
        return min(timedelta(seconds=int(after)), RETRY_AFTER_MAX)
    if reset.isdecimal() and len(reset) < 12:
        left = timedelta(seconds=int(reset) - datetime.now(UTC).timestamp())
        return min(max(left, timedelta(0)), RETRY_AFTER_MAX)
    return RETRY_AFTER_UNSAID


def _is_a_limit(headers: Mapping[str, str]) -> bool:
    return "Retry-After" in headers or headers.get("X-RateLimit-Remaining") == "0"


async def _bounded(response: aiohttp.ClientResponse, request: Request) -> bytes:
    body = bytearray()
    async for part in response.content.iter_chunked(64 * 1024):
        body += part
        if len(body) > ANSWER_BYTES_MAX:
            kind = Ambiguous if request.mutates else Rejected
            raise kind(f"{request.what}: the answer is longer than {ANSWER_BYTES_MAX // 1024 // 1024} MB")
    return bytes(body)


def _content(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None
