"""The control port, the thread and the furniture: what other processes hold on to."""

from __future__ import annotations

import ssl
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient

from rotator.sandbox import Sandbox, SandboxThread, furnish

if TYPE_CHECKING:
    from tests.sandbox.conftest import Clients


async def test_the_control_port_does_what_a_person_does(azure: Sandbox) -> None:
    async with aiohttp.ClientSession(azure.control_url, raise_for_status=True) as control:
        made = await (await control.post("/accounts", json={"name": "voice", "kind": "SpeechServices"})).json()
        new = await (await control.post("/accounts/voice/regenerate", json={"slot": "key1"})).json()
        keys = await (await control.get("/keys")).json()
        assert [k["value"] for k in keys if k["account"] == "voice" and k["slot"] == "key1"] == [
            made["keys"]["key1"],
            new["value"],
        ]
        changed = {"provisioningState": "Moving", "lock": "ReadOnly", "death_delay": {"a": 2}, "disableLocalAuth": True}
        after = await (await control.patch("/accounts/voice", json=changed)).json()
        assert (after["lock"], after["provisioning_state"], after["disable_local_auth"]) == ("ReadOnly", "Moving", True)
        await control.post("/vaults/kv-1/secrets/n", json={"value": "v", "tags": {"a": "b"}})
        versions = await (await control.get("/vaults/kv-1/secrets/n")).json()
        assert [(v["value"], v["tags"], v["set_by"]) for v in versions] == [("v", {"a": "b"}, "person")]
        await control.post("/throttle", json={"writes": 5})
        state = await (await control.get("/state")).json()
        assert state["vaults"]["kv-1"]["n"]["versions"] == versions


async def test_faults_and_the_journal_are_at_the_control_port_and_show_no_key(azure: Sandbox, clients: Clients) -> None:
    async with aiohttp.ClientSession(azure.control_url, raise_for_status=True) as control:
        await control.post("/faults", json={"operation": "ListKeys", "fault": "500-before", "times": 1})
        await clients.management(retry_backoff_factor=0).accounts.list_keys("rg-ai", "chat-prod")
        journal = await (await control.get("/journal")).text()
        assert '"500-before"' in journal
        assert not any(key.value in journal for key in azure.keys_ever)
        assert azure.client_secret not in journal
        await control.delete("/journal")
        await control.delete("/faults")
        assert (await (await control.get("/journal")).json(), await (await control.get("/faults")).json()) == ([], [])
        await control.post("/faults", json={"hostile": 0.1})
        assert len(await (await control.get("/faults")).json()) > 8


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/accounts/nobody/regenerate", {"slot": "key1"}, 404),
        ("/accounts/chat-prod/regenerate", {"slot": "key9"}, 400),
        ("/faults", {"operation": "ListKeys", "fault": "earthquake"}, 400),
        ("/accounts", {"name": "x", "colour": "red"}, 400),
    ],
)
async def test_the_control_port_names_what_is_wrong(azure: Sandbox, path: str, body: object, status: int) -> None:
    async with aiohttp.ClientSession() as control, control.post(azure.control_url + path, json=body) as answer:
        assert (answer.status, "error" in await answer.json()) == (status, True)


async def test_another_host_name_does_not_reach_the_control_port(azure: Sandbox) -> None:
    async with (
        aiohttp.ClientSession() as control,
        control.get(f"{azure.control_url}/keys", headers={"Host": "attacker.example"}) as answer,
    ):
        assert answer.status == 403


async def test_no_other_bind_than_loopback(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        await Sandbox(tmp_path, seed=1, host="0.0.0.0").start()


async def test_a_furnished_estate_holds_each_key1(azure: Sandbox) -> None:
    azure.change_account("chat-prod", deleted=True)
    del azure.state.accounts["chat-prod"]
    fleet = await furnish(azure, count=14)
    assert len({entry["name"] for entry in fleet}) == 14
    for entry in fleet:
        held = azure.secret(entry["vault"], entry["secret"].rsplit("/", 1)[1])
        assert [version.value for version in held] == [azure.account(entry["name"]).keys["key1"]]
    assert {len(account.keys["key1"]) for account in azure.accounts} == {32, 84}
    assert not any(key.value in repr(azure.accounts) + repr(azure.keys_ever) for key in azure.keys_ever)


async def test_a_seed_gives_the_same_keys_and_another_gives_others(tmp_path: Path) -> None:
    found = []
    for seed in (1, 1, 2):
        async with Sandbox(tmp_path, seed=seed) as azure:
            found.append(azure.add_account("a", key_shape="legacy").keys["key1"])
    assert found[0] == found[1] != found[2]


def test_the_thread_proxies_the_same_names(tmp_path: Path) -> None:
    with SandboxThread(tmp_path, seed=3) as azure:
        azure.add_vault("kv-1")
        account = azure.add_account("chat-prod")
        azure.regenerate("chat-prod", "key2")
        with pytest.raises(KeyError):
            azure.account("nobody")
        assert len(azure.keys_ever) == 3
        context = ssl.create_default_context(cafile=str(azure.ca_file))
        request = urllib.request.Request(
            f"{account.endpoint}openai/v1/models", headers={"api-key": azure.account("chat-prod").keys["key2"]}
        )
        with urllib.request.urlopen(request, context=context) as answer:
            assert answer.status == 200


def test_the_synchronous_clients_work_against_the_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SandboxThread(tmp_path, seed=5) as azure:
        fleet = azure.furnish(12)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azure.ca_file))
        credential = ClientSecretCredential(
            azure.tenant,
            azure.client,
            azure.client_secret,
            authority=azure.authority,
            disable_instance_discovery=True,
        )
        management = CognitiveServicesManagementClient(
            credential,
            azure.subscription,
            base_url=azure.resource_manager,
            credential_scopes=[f"{azure.audience}/.default"],
        )
        assert [account.id for account in management.accounts.list()] == [entry["account"] for entry in fleet]
        vault = SecretClient(azure.vault_url("kv-1"), credential, verify_challenge_resource=False)
        held = vault.get_secret(f"{fleet[0]['name']}-key").value
        assert held == management.accounts.list_keys("rg-ai", fleet[0]["name"]).key1
