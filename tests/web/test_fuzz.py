"""Anything at all over the wire, at every door, signed and unsigned: never a 5xx but 503, never a traceback, never more memory.

`--fuzz N` tries N of each; what fails is printed as it was sent.
"""

import asyncio
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rotator.alerts.table import alerting
from rotator.core.report import Arrival, Receipt
from rotator.sandbox import Sandbox
from rotator.web.alerts import Doors
from rotator.web.app import listening, make_app
from rotator.web.taking import Taking
from tests.alerts.conftest import DOORS, resolver, settings_for, silent
from tests.alerts.test_fuzz import EVENTS, HEADERS, SECRETS, TREES, VALUES, mutations

METHODS = ("POST", "OPTIONS", "GET", "PUT", "DELETE", "TRACE", "BREW", "post")
PATHS = (
    *(f"/alerts/{door}" for door in DOORS),
    "/alerts/",
    "/alerts/%2e%2e/healthz",
    "/alerts/github/",
    "/",
    "/alerts/\x00",
    "/alerts/github?code=a&code=%ff",
)
ANSWERED_WITHIN_S = 0.3
SAID = {200, 202, 400, 401, 403, 404, 405, 408, 411, 413, 417, 429, 501, 503}


@dataclass
class Wire:
    """The doors with a ledger that takes everything, served in this process; and a client that writes bytes."""

    azure: Sandbox
    port: int
    loop: asyncio.AbstractEventLoop
    said: list[tuple[str, dict[str, Any]]]
    errors: list[dict[str, Any]]

    def send(self, raw: bytes) -> int:
        """What was answered first; 0 where the connection was only closed."""
        return self.loop.run_until_complete(self._send(raw))

    async def _send(self, raw: bytes) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(raw)
            head = await asyncio.wait_for(reader.readline(), ANSWERED_WITHIN_S)
        except (ConnectionError, TimeoutError):
            return 0  # it waits for more, or has hung up
        finally:
            writer.close()
        return int(head.split()[1]) if head.startswith(b"HTTP/") else 0

    def assert_sound(self, status: int) -> None:
        assert status in SAID | {0}
        assert [event for event, _ in self.said if event == "request_failed"] == []
        assert self.errors == []
        assert not any(value in str(self.said) for value in SECRETS)
        self.said.clear()


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    azure = silent(tmp_path_factory.mktemp("fuzz"), 3)
    said: list[tuple[str, dict[str, Any]]] = []
    errors: list[dict[str, Any]] = []

    async def store(arrivals: Any) -> list[Receipt]:
        return [Receipt(reports=one.reports) for one in arrivals if isinstance(one, Arrival)]

    def watch(event: str, **fields: Any) -> None:
        said.append((event, fields))

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    session = loop.run_until_complete(_session())
    senders = alerting(settings_for(azure).alerts, resolver(azure), session, authority=azure.authority).senders
    taking = Taking(store)
    doors = Doors(senders, taking, lambda: datetime.now(UTC), watch, per_minute=10**9)
    running, listener = taking.running(), listening(make_app(doors.routes(), watch=watch), "127.0.0.1", 0)
    loop.run_until_complete(running.__aenter__())
    port = loop.run_until_complete(listener.__aenter__())
    try:
        yield Wire(azure, port, loop, said, errors)
    finally:
        loop.run_until_complete(listener.__aexit__(None, None, None))
        loop.run_until_complete(running.__aexit__(None, None, None))
        loop.run_until_complete(session.close())
        loop.close()


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


@pytest.fixture(autouse=True)
def _nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What cannot be parsed is logged by nobody: no traceback, and no header with a secret in it."""
    yield
    assert [record.getMessage() for record in caplog.records if not record.name.startswith("asyncio")] == []


def tries(request: pytest.FixtureRequest) -> settings:
    return settings(
        max_examples=int(request.config.getoption("--fuzz")),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    )


def request_of(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + body


def test_anything_at_all_on_the_wire(wire: Wire, request: pytest.FixtureRequest) -> None:
    @tries(request)
    @given(
        method=st.sampled_from(METHODS),
        path=st.sampled_from(PATHS),
        headers=st.dictionaries(
            st.sampled_from((*HEADERS, "transfer-encoding", "content-encoding", "expect", "connection")), VALUES, max_size=5
        ),
        body=st.binary(max_size=200),
        length=st.sampled_from(["right", "more", "less", "none", "-1", "9" * 30]),
    )
    def tried(method: str, path: str, headers: dict[str, str], body: bytes, length: str) -> None:
        said = {"right": len(body), "more": len(body) + 7, "less": max(len(body) - 3, 0)}.get(length, length)
        sent = headers if length == "none" else {**headers, "Content-Length": str(said)}
        wire.assert_sound(wire.send(request_of(method, path, sent, body)))

    tried()


def test_bytes_that_are_no_http(wire: Wire, request: pytest.FixtureRequest) -> None:
    @tries(request)
    @given(raw=st.binary(max_size=300))
    def tried(raw: bytes) -> None:
        wire.assert_sound(wire.send(raw))

    tried()


def signed(azure: Sandbox, door: str, body: Any) -> Any:
    """Whatever it is, as that sender would sign it: a stranger *with* a secret."""
    senders = azure.senders
    match door:
        case "github":
            return senders.github_raw("secret_scanning_alert", body)
        case "gitguardian":
            return senders.gitguardian_raw(body)
        case "vault-radar":
            return senders.vault_radar_raw(body)
        case "signed":
            return senders.signed_raw(body)
        case _:
            return getattr(senders, door.replace("-", "_"))(body)


@pytest.mark.parametrize("door", [door for door in DOORS if door != "github-partner"])
def test_a_signed_alert_with_anything_wrong_in_it(wire: Wire, door: str, request: pytest.FixtureRequest) -> None:
    """Its keys cannot be had here, so GitHub's partner door is tried in the room below."""

    @tries(request)
    @given(body=mutations(door) | TREES, event=st.sampled_from(EVENTS))
    def tried(body: Any, event: str) -> None:
        posting = signed(wire.azure, door, json.dumps(body).encode())
        headers = {**posting.headers, "X-GitHub-Event": event, "Content-Length": str(len(posting.body))}
        status = wire.send(request_of("POST", f"/alerts/{door}", headers, posting.body))
        assert status in (200, 202, 400)
        wire.assert_sound(status)

    tried()


def test_a_partners_signature_that_cannot_be_checked_is_a_503(wire: Wire) -> None:
    posting = wire.azure.senders.github_partner([{"token": SECRETS[0], "type": "t", "url": "", "source": ""}])
    headers = {**posting.headers, "Content-Length": str(len(posting.body))}
    status = wire.send(request_of("POST", "/alerts/github-partner", headers, posting.body))
    assert status == 503
    wire.assert_sound(status)


def test_the_memory_stays_where_it_is(wire: Wire, request: pytest.FixtureRequest) -> None:
    """After as many posts again as before, nothing of them is left."""
    times = min(max(int(request.config.getoption("--fuzz")) * 4, 100), 1000)
    posting = wire.azure.senders.signed({"key": SECRETS[0], "note": "x" * 100_000})
    headers = {**posting.headers, "Content-Length": str(len(posting.body))}
    raw = request_of("POST", "/alerts/signed", headers, posting.body)
    tracemalloc.start()
    try:
        sizes = []
        for _ in range(2):
            for _ in range(times):
                wire.assert_sound(wire.send(raw))
            sizes.append(tracemalloc.get_traced_memory()[0])
        assert sizes[1] - sizes[0] < 1 << 20
    finally:
        tracemalloc.stop()
