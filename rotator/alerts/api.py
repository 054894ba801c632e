"""One way to ask a sender's API: below one base URL from the settings, bounded in time and size, no redirects, and faults without payloads.

Every call that this room sends may be sent again: a GET, or a write that says how things should be.
"""

import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from yarl import URL

from rotator.core.faults import Conflict, Denied, Fault, Missing, Rejected, Throttled, Transient

REQUEST_TIMEOUT_S = 15
CONNECT_TIMEOUT_S = 5
BODY_BYTES_MAX = 8 << 20
CHUNK_BYTES = 1 << 16
CONNECTIONS_MAX = 20
RETRY_AFTER_UNSAID = timedelta(seconds=60)
RETRY_AFTER_MAX = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back, read as JSON; `repr` never shows it. `following`: the query of the next page, as the answer's Link header names it;
    the address there is never asked."""

    status: int
    body: Any = field(repr=False)
    following: Mapping[str, str] = field(default_factory=dict, repr=False)


@contextlib.asynccontextmanager
async def open_session(ca_file: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """A session for the senders' APIs. `ca_file` is trusted beside the system's authorities: a GitHub Enterprise of one's own.

    Raises:
        Rejected: it cannot be read.
    """
    trust = ssl.create_default_context()
    try:
        if ca_file:
            trust.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Rejected(f"ca_file {ca_file}: cannot be read as PEM certificates", remedy="name a PEM file") from error
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
    connector = aiohttp.TCPConnector(ssl=trust, limit=CONNECTIONS_MAX)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, trust_env=True, cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": "rotator"}
    ) as session:
        yield session


class Api:
    """Calls below `base`. `headers` carry the token; they go nowhere else, since no redirect is followed."""

    def __init__(self, session: aiohttp.ClientSession, base: str, headers: Mapping[str, str] | None = None) -> None:
        if not base.startswith("https://"):
            raise Rejected("an API is asked over https alone", remedy="correct `api:` in the settings")
        self._session = session
        self._base = base.rstrip("/")
        self._headers = dict(headers or {})

    async def call(
        self, what: str, method: str, path: str, *, query: Mapping[str, str] | None = None, content: Mapping[str, Any] | None = None
    ) -> Answered:
        """`what` names the call in a fault. A path is made of validated parts by the caller.

        Raises:
            Fault: anything but a 2xx that is JSON.
        """
        try:
            async with self._session.request(
                method, self._base + path, params=query, json=content, headers=self._headers, allow_redirects=False
            ) as response:
                if not 200 <= response.status < 300:
                    raise _fault(what, response.status, response.headers)
                body = _json(what, await _bounded(what, response))
                return Answered(status=response.status, body=body, following=_following(response))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Transient(f"{what}: no answer ({type(error).__name__})") from error

    async def __call__(self, url: str) -> Any:
        """A document below the base, by its whole URL: fulfils what reads Entra's keys. Raises Rejected for any other place."""
        if not url.startswith(f"{self._base}/"):
            raise Rejected("a document of another authority than the one in the settings")
        return (await self.call("Entra's signing keys", "GET", url.removeprefix(self._base))).body


def _following(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    try:
        link = response.links.get("next")
        url = link.get("url") if link is not None else None
    except ValueError:  # what stands there is no address
        return {}
    return dict(url.query) if isinstance(url, URL) else {}


async def _bounded(what: str, response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise Rejected(f"{what}: an answer of more than {BODY_BYTES_MAX >> 20} MB")
    return bytes(body)


def _json(what: str, body: bytes) -> Any:
    try:
        return json.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        raise Transient(f"{what}: the answer is not JSON") from None


def _fault(what: str, status: int, headers: Mapping[str, str]) -> Fault:
    told = f"{what}: {status}"
    spent = headers.get("x-ratelimit-remaining") == "0"
    match status:
        case 429:
            return Throttled(told, until=_until(headers))
        case 403 if spent or "retry-after" in headers:
            return Throttled(told, until=_until(headers))
        case 401 | 403:
            return Denied(told, remedy="give the token in the settings the right to do this, or a new one")
        case 404:
            return Missing(told)
        case 409 | 412:
            return Conflict(told)
        case _ if status >= 500 or status == 408:
            return Transient(told)
        case _ if 300 <= status < 400:
            return Rejected(
                f"{told}, a redirect, which is never followed", remedy="name the API's final address, or the renamed repository"
            )
        case _:
            return Rejected(told)


def _until(headers: Mapping[str, str]) -> datetime:
    now = datetime.now(UTC)
    try:
        asked = now + timedelta(seconds=float(headers["retry-after"]))
    except (KeyError, ValueError, OverflowError):
        try:
            asked = datetime.fromtimestamp(float(headers["x-ratelimit-reset"]), UTC)
        except (KeyError, ValueError, OverflowError, OSError):
            asked = now + RETRY_AFTER_UNSAID
    return min(max(asked, now), now + RETRY_AFTER_MAX)
