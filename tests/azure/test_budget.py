"""Fair use on the wire: which call is counted in which bucket, what is never sent, and who finds a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from azure.core.rest import HttpRequest

from rotator.azure import SIZES, Budget, SendOnceTransport, Size, Sort, faults
from rotator.azure.budget import CONNECTIONS_MAX, CONNECTIONS_RESERVED, Places
from rotator.core.faults import Throttled

ARM = "https://management.azure.com"
ACCOUNT = f"{ARM}/subscriptions/ABC/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
pressing: ContextVar[bool] = ContextVar("pressing", default=False)


@contextmanager
def an_emergency() -> Iterator[None]:
    before = pressing.set(True)
    yield
    pressing.reset(before)


def a_budget(url: str = ARM, size: Size | None = None, **asked: Any) -> Budget:
    return Budget(resource_manager=url, sizes=dict.fromkeys(Sort, size) if size else SIZES, is_urgent=pressing.get, **asked)


async def spend(budget: Budget, method: str, url: str, headers: dict[str, str] | None = None, status: int = 200) -> None:
    async with budget.spent(method, url, effect=False) as call:
        if call:
            call.answered(status, headers or {})


def told(budget: Budget) -> dict[tuple[str, str], int]:
    return {(subscription, sort.value): level.taken for subscription, sort, level in budget.levels()}


async def test_each_subscription_and_sort_has_a_bucket_and_every_action_is_a_write() -> None:
    budget = a_budget()
    for method, url in (
        ("GET", ACCOUNT),
        ("POST", f"{ACCOUNT}/listKeys?api-version=2025-09-01"),
        ("POST", f"{ACCOUNT.lower()}/regenerateKey"),
        ("PATCH", ACCOUNT),
        ("GET", f"{ARM}/subscriptions?api-version=2022-12-01"),
        ("GET", f"{ARM}/subscriptions/other/providers"),
    ):
        await spend(budget, method, url)
    assert told(budget) == {("abc", "reads"): 1, ("abc", "writes"): 3, ("", "reads"): 1, ("other", "reads"): 1}


@pytest.mark.parametrize("url", ["https://kv.vault.azure.net/secrets/s", "https://management.azure.com.example/x", f"{ARM}:8443/x"])
async def test_what_goes_elsewhere_is_not_counted(url: str) -> None:
    budget = a_budget()
    await spend(budget, "GET", url)
    assert told(budget) == {}


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({"x-ms-ratelimit-remaining-subscription-writes": "50"}, 51),
        ({"x-ms-ratelimit-remaining-subscription-writes": "150", "x-ms-ratelimit-remaining-subscription-global-writes": "30"}, 31),
        ({"x-ms-ratelimit-remaining-subscription-writes": "1199"}, 199),
        ({"x-ms-ratelimit-remaining-subscription-reads": "1"}, 199),
        ({"x-ms-ratelimit-remaining-tenant-writes": "1"}, 199),
        ({"x-ms-ratelimit-remaining-subscription-writes": "many"}, 199),
        ({}, 199),
    ],
)
async def test_the_headers_of_its_own_bucket_are_believed_where_they_say_less(headers: dict[str, str], left: int) -> None:
    budget = a_budget()
    await spend(budget, "POST", f"{ACCOUNT}/listKeys", headers)
    ((_, _, level),) = budget.levels()
    assert level.left == pytest.approx(left, abs=0.5)


async def test_a_tenant_call_is_told_of_by_the_headers_of_the_tenant() -> None:
    budget = a_budget()
    await spend(budget, "GET", f"{ARM}/subscriptions", {"x-ms-ratelimit-remaining-tenant-reads": "7"})
    ((_, _, level),) = budget.levels()
    assert level.left == pytest.approx(8, abs=0.5)


@pytest.mark.parametrize(
    ("headers", "blocked_s"),
    [
        ({"Retry-After": "17", "x-ms-failure-cause": "gateway"}, 17),
        ({"Retry-After": "17"}, 17),
        ({}, 5),
        ({"Retry-After": "Wed, 25 Nov 2026 08:00:00 GMT"}, 5),
        ({"Retry-After": "17", "x-ms-failure-cause": "service"}, 0),
    ],
)
async def test_a_refusal_of_resource_manager_closes_the_bucket_and_one_of_a_provider_does_not(
    headers: dict[str, str], blocked_s: float
) -> None:
    budget = a_budget()
    await spend(budget, "POST", f"{ACCOUNT}/listKeys", headers, status=429)
    ((_, _, level),) = budget.levels()
    assert level.blocked_s == pytest.approx(blocked_s, abs=0.5)


async def test_an_emergency_finds_what_cadence_left_and_a_confirmation_takes_nothing_of_it() -> None:
    budget = a_budget(size=Size(burst=100, refill_per_s=0.01), gives_way=lambda: True)
    for _ in range(10):
        await spend(budget, "POST", f"{ACCOUNT}/listKeys")
    with pytest.raises(Throttled):
        await spend(budget, "POST", f"{ACCOUNT}/listKeys")
    with an_emergency():
        for _ in range(80):
            await spend(budget, "POST", f"{ACCOUNT}/listKeys")


# --- on the wire ------------------------------------------------------------------------------------------------------------


class Arm:
    """A server that counts, and holds every answer back until it may go."""

    def __init__(self) -> None:
        self.arrived = 0
        self.arrival = asyncio.Condition()
        self.open = asyncio.Event()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        async with self.arrival:
            self.arrived += 1
            self.arrival.notify_all()
        await self.open.wait()
        return web.json_response({})

    async def has(self, count: int) -> None:
        async with self.arrival:
            await self.arrival.wait_for(lambda: self.arrived >= count)


@pytest_asyncio.fixture
async def arm() -> AsyncIterator[Arm]:
    server, app = Arm(), web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    server.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
    yield server
    server.open.set()
    await runner.cleanup()


async def test_what_is_throttled_here_was_never_sent_and_is_not_ambiguous(arm: Arm) -> None:
    arm.open.set()
    budget = a_budget(arm.url, Size(burst=5, refill_per_s=0.01))
    request = HttpRequest("POST", f"{arm.url}/subscriptions/s/regenerateKey", headers={"Authorization": "Bearer x"})
    async with aiohttp.ClientSession() as session:
        transport = SendOnceTransport(session, budget=budget)
        for _ in range(4):
            with faults("regenerateKey", mutates=True):
                await transport.send(request)
        with pytest.raises(Throttled), faults("regenerateKey", mutates=True):
            await transport.send(request)
    assert arm.arrived == 4


async def test_a_flood_of_cadence_leaves_connections_to_an_emergency(arm: Arm) -> None:
    """The pool holds so many connections; cadence takes all it may and more wait; the emergency is on the wire at once."""
    places = Places(is_urgent=pressing.get, cadence_max=3)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=4)) as session:
        transport = SendOnceTransport(session, places=places)
        flood = [asyncio.ensure_future(transport.send(HttpRequest("GET", f"{arm.url}/cadence"))) for _ in range(9)]
        await arm.has(3)
        with an_emergency():
            urgent = asyncio.ensure_future(transport.send(HttpRequest("GET", f"{arm.url}/emergency")))
        await arm.has(4)
        arm.open.set()
        await asyncio.gather(urgent, *flood)
    assert arm.arrived == 10
    assert 0 < CONNECTIONS_RESERVED < CONNECTIONS_MAX
