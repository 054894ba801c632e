"""Which keys are accepted, where, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.sandbox import Sandbox

if TYPE_CHECKING:
    from tests.sandbox.conftest import Clients

NOBODYS_JOB = "0b8f7a52-6f2e-4c1d-9a35-d1c7e40b6f18"
PROBES = [
    ("OpenAI", "GET", "openai/models?api-version=2024-10-21", 200),
    ("AIServices", "GET", "openai/v1/models", 200),
    ("SpeechServices", "POST", "sts/v1.0/issueToken", 200),
    ("TextTranslation", "POST", "sts/v1.0/issueToken", 200),
    ("TextAnalytics", "GET", f"language/analyze-text/jobs/{NOBODYS_JOB}?api-version=2023-04-01", 404),
    ("FormRecognizer", "GET", "documentintelligence/info?api-version=2024-11-30", 200),
    ("ContentSafety", "GET", "contentsafety/text/blocklists?api-version=2023-10-01", 200),
    ("ComputerVision", "GET", "vision/v3.2/models", 200),
    ("Face", "GET", "face/v1.0/largefacelists?top=1", 200),
]
MODELS = "openai/models?api-version=2024-10-21"


@pytest.mark.parametrize(("kind", "method", "path", "good"), PROBES)
@pytest.mark.parametrize("shape", ["legacy", "current"])
async def test_each_kind_knows_its_probe_and_its_keys(
    azure: Sandbox, clients: Clients, kind: str, method: str, path: str, good: int, shape: str
) -> None:
    account = azure.add_account("probed", kind=kind, key_shape=shape)
    assert {len(key) for key in account.keys.values()} == {32 if shape == "legacy" else 84}
    for endpoint in account.endpoints.values():
        for key in account.keys.values():
            assert await clients.probe(endpoint + path, key, method=method) == good
        assert await clients.probe(endpoint + path, "x" * 32, method=method) == 401
        assert await clients.probe(endpoint + "no/such/route", account.keys["key1"]) == 404
        assert await clients.probe(endpoint + path, account.keys["key1"], header="api-key", method=method) == (
            good if kind in ("OpenAI", "AIServices") else 401
        )


async def test_an_old_key_outlives_its_regeneration_where_a_gateway_is_slow(azure: Sandbox, clients: Clients) -> None:
    account = azure.change_account("chat-prod", death_delay={"b": 40})
    old = account.keys["key1"]
    gone = azure.regenerate("chat-prod", "key1")
    first, second = (endpoint + MODELS for endpoint in account.endpoints.values())
    assert [await clients.probe(url, old) for url in (first, second)] == [401, 200]
    assert [await clients.probe(url, gone.value) for url in (first, second)] == [200, 200]
    azure.pass_time(41)
    assert [await clients.probe(url, old) for url in (first, second)] == [401, 401]
    dead = next(key for key in azure.keys_ever if key.value == old)
    assert dead.died_at == max(dead.deaths.values()) > dead.deaths["a"]


async def test_a_new_key_takes_its_time(azure: Sandbox, clients: Clients) -> None:
    account = azure.change_account("chat-prod", activation_delay=30)
    new = azure.regenerate("chat-prod", "key2").value
    assert await clients.probe(account.endpoint + MODELS, new) == 401
    azure.pass_time(31)
    assert await clients.probe(account.endpoint + MODELS, new) == 200


async def test_a_wrong_key_a_wall_and_a_switch_say_different_things(azure: Sandbox, clients: Clients) -> None:
    account = azure.account("chat-prod")
    url, headers = account.endpoint + MODELS, {"api-key": account.keys["key1"]}
    async with clients.session.get(url, headers={"api-key": "x"}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (401, "401")
    azure.change_account("chat-prod", disable_local_auth=True)
    async with clients.session.get(url, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (403, "AuthenticationTypeDisabled")
    azure.change_account("chat-prod", firewall=True)
    async with clients.session.get(url, headers={"api-key": "x"}) as answer:
        assert answer.status == 403
        assert "Virtual Network/Firewall" in (await answer.json())["error"]["message"]


async def test_local_auth_off_takes_its_time_to_bite(azure: Sandbox, clients: Clients) -> None:
    account = azure.change_account("chat-prod", disable_local_auth=True, local_auth_delay=30)
    assert await clients.probe(account.endpoint + MODELS, account.keys["key1"]) == 200
    azure.pass_time(31)
    assert await clients.probe(account.endpoint + MODELS, account.keys["key1"]) == 403


async def test_a_chat_is_answered(azure: Sandbox, clients: Clients) -> None:
    account = azure.account("chat-prod")
    url = f"{account.endpoint}openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    body = {"messages": [{"role": "user", "content": "Hello?"}]}
    async with clients.session.post(url, json=body, headers={"api-key": account.keys["key2"]}) as answer:
        assert (await answer.json())["choices"][0]["message"]["content"] == "Hello."


async def test_an_unknown_kind_is_unprovable(azure: Sandbox, clients: Clients) -> None:
    account = azure.add_account("search", kind="CognitiveServices")
    for key in (account.keys["key1"], "wrong"):
        assert await clients.probe(account.endpoint + MODELS, key) == 404
