"""Each fault does what it says, and what the SDKs make of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import AzureError, HttpResponseError

from rotator.sandbox import Sandbox
from tests.sandbox.conftest import retry_after

if TYPE_CHECKING:
    from tests.sandbox.conftest import Clients


async def _regenerate(clients: Clients, read_timeout: float = 5, **options: Any) -> None:
    """The read timeout goes with the call: given to a client that was handed a transport it is silently ignored."""
    management = clients.management(**options)
    await management.accounts.regenerate_key("rg-ai", "chat-prod", "Key1", read_timeout=read_timeout)


def _minted(azure: Sandbox) -> int:
    return sum(key.minted_by == "RegenerateKey" for key in azure.keys_ever)


async def test_an_answer_lost_after_the_effect_is_sent_again_and_mints_twice(azure: Sandbox, clients: Clients) -> None:
    azure.fault("RegenerateKey", "503-after", account="CHAT-PROD")
    await _regenerate(clients)
    assert _minted(azure) == 2
    arrivals = [e for e in azure.journal if e.operation == "RegenerateKey"]
    assert [(e.status, e.fault, e.arrival) for e in arrivals] == [(503, "503-after", 1), (200, None, 2)]


@pytest.mark.parametrize(
    ("fault", "status", "minted"),
    [
        ("500-before", 500, 0),
        ("503-after", 503, 1),
        ("429:3", 429, 0),
        ("401", 401, 0),
        ("403", 403, 0),
        ("409", 409, 0),
        ("drop-before", None, 0),
        ("drop-after", None, 1),
        ("truncated", None, 1),
        ("hang", None, 1),
        ("hang-before", None, 0),
        ("hang:0.2", None, 1),
    ],
)
async def test_a_fault_falls_on_its_side_of_the_effect(
    azure: Sandbox, clients: Clients, fault: str, status: int | None, minted: int
) -> None:
    azure.fault("RegenerateKey", fault)
    with pytest.raises(AzureError) as caught:
        await _regenerate(clients, retry_total=0, read_timeout=0.5)
    assert getattr(caught.value, "status_code", None) == status
    assert _minted(azure) == minted
    if fault.startswith("429"):
        assert isinstance(caught.value, HttpResponseError)
        assert retry_after(caught.value) == "3"
    azure.clear_faults()
    await _regenerate(clients, retry_total=0)
    assert _minted(azure) == minted + 1


async def test_latency_delays_the_effect_beyond_a_client_that_left(azure: Sandbox, clients: Clients) -> None:
    azure.fault("RegenerateKey", "latency:1.5")
    with pytest.raises(AzureError):
        await _regenerate(clients, retry_total=0, read_timeout=0.2)
    assert _minted(azure) == 0
    await _until(lambda: _minted(azure) == 1)


async def test_aiohttp_sends_a_dropped_put_again_below_the_sdk(azure: Sandbox, clients: Clients) -> None:
    vault = clients.vault("kv-1", retry_total=0)
    await vault.set_secret("n", "v")
    azure.fault("SetSecret", "drop-after", secret="n")
    await vault.set_secret("n", "w")
    assert [version.value for version in azure.secret("kv-1", "n")] == ["v", "w", "w"]


async def test_a_rule_for_one_account_leaves_the_others_alone(azure: Sandbox, clients: Clients) -> None:
    azure.add_account("other")
    azure.fault("*", "403", times=5, account="other")
    management = clients.management()
    await management.accounts.get("rg-ai", "chat-prod")
    with pytest.raises(HttpResponseError):
        await management.accounts.get("rg-ai", "other")


async def test_probability_is_drawn_from_the_seed(azure: Sandbox, clients: Clients) -> None:
    rule = azure.fault("DataPlane", "500-before", probability=0.5)
    account = azure.account("chat-prod")
    url = f"{account.endpoint}openai/v1/models"
    statuses = [await clients.probe(url, account.keys["key1"]) for _ in range(20)]
    assert statuses.count(500) == rule.fired
    assert 2 < rule.fired < 18


async def test_a_hostile_azure_still_answers_most_of_the_time(azure: Sandbox, clients: Clients) -> None:
    azure.hostile(probability=0.2)
    management = clients.management(retry_total=0)
    good = 0
    for _ in range(60):
        try:
            await management.accounts.get("rg-ai", "chat-prod", read_timeout=0.3)
        except AzureError:
            continue
        good += 1
    assert 35 <= good <= 59
    assert {entry.fault for entry in azure.journal} > {None}


async def test_a_stop_does_not_wait_for_those_who_hang(azure: Sandbox, clients: Clients) -> None:
    azure.fault("RegenerateKey", "hang")
    waiting = asyncio.create_task(_regenerate(clients, retry_total=0))
    await _until(lambda: [entry.fault for entry in azure.journal if entry.operation == "RegenerateKey"] == ["hang"])
    assert [entry.status for entry in azure.journal if entry.operation == "RegenerateKey"] == [None]
    started = time.monotonic()
    await azure.stop()
    assert time.monotonic() - started < 2
    with pytest.raises(AzureError):
        await waiting


async def test_a_set_whose_answer_never_comes_is_sent_again_by_the_sdk(azure: Sandbox, clients: Clients) -> None:
    azure.fault("SetSecret", "hang", secret="n")
    await clients.vault("kv-1", retry_backoff_factor=0.01).set_secret("n", "v", read_timeout=0.3)
    assert [version.value for version in azure.secret("kv-1", "n")] == ["v", "v"]


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not happened():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.02)
