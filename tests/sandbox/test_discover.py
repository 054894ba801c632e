"""`rotator discover`, and the scopes of the settings, against the sandbox: the real SDKs, the real command line."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.core.credential import Reason, Slot
from rotator.core.incident import Incident, State
from rotator.core.policy import Mode
from rotator.core.sealed import fingerprint
from rotator.daemon.life import Daemon
from rotator.daemon.systemd import Systemd
from rotator.ledger.opening import open_ledger
from rotator.ledger.store import Ledger
from rotator.sandbox import SandboxThread
from rotator.settings import load
from rotator.wiring import House, open_house
from tests.sandbox.conftest import Estate, build_estate

Said = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """Seven accounts over two groups and two vaults, of which the settings name the first three."""
    with SandboxThread(tmp_path, seed=5) as azure:
        there = build_estate(azure, tmp_path, 7)
        change(there, lambda document: document.update(credentials=document["credentials"][:3]))
        yield there


def change(estate: Estate, how: Any) -> None:
    document = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    how(document)
    estate.settings.write_text(yaml.safe_dump(document), encoding="utf-8")


def seen(estate: Estate, *options: str) -> dict[str, Any]:
    done = estate.run("discover", "--output", "json", *options)
    assert done.exit_code in (0, 3), done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def by_name(found: dict[str, Any]) -> dict[str, Any]:
    return {row["name"]: row for row in found["accounts"]}


def test_every_account_is_found_with_who_holds_its_key_and_who_manages_it(estate: Estate) -> None:
    estate.azure.change_account("speech", disable_local_auth=True)
    rows = by_name(seen(estate))
    assert set(rows) == {one["name"] for one in estate.fleet}
    assert {name for name, row in rows.items() if row["managed_as"]} == {"chat-prod", "agents", "speech"}
    assert rows["language"]["secrets"][0] | {"told_by": ""} == {
        "secret": next(one["secret"] for one in estate.fleet if one["name"] == "language"),
        "slot": "key1",
        "whole": True,
        "told_by": "",
    }
    assert (rows["speech"]["local_auth"], rows["speech"]["keyless"], rows["speech"]["secrets"]) == (False, "already", [])


def test_where_the_graph_is_denied_lists_tell_the_same(estate: Estate) -> None:
    other = "11111111-2222-4333-8444-555555555555"
    estate.azure.add_account("far", subscription=other)
    by_graph = seen(estate)
    estate.azure.deny_graph()
    by_lists = seen(estate)
    assert by_graph["how"] == "Resource Graph"
    assert "2 subscription" in by_lists["how"]
    wanted = ("name", "account", "kind", "fingerprints", "secrets", "public_network", "managed_as")
    shown = [sorted(([row[word] for word in wanted] for row in found["accounts"]), key=str) for found in (by_graph, by_lists)]
    assert shown[0] == shown[1]
    assert "far" in by_name(by_lists)


def test_without_keys_no_key_is_listed_and_no_value_read(estate: Estate) -> None:
    estate.azure.clear_journal()
    found = seen(estate, "--no-keys")
    operations = {entry.operation for entry in estate.azure.journal}
    assert not operations & {"ListKeys", "GetSecret", "RegenerateKey", "SetSecret"}
    assert all(row["fingerprints"] == {} for row in found["accounts"])


def test_a_survey_changes_nothing_and_shows_no_key(estate: Estate) -> None:
    before = [key.value for key in estate.azure.keys_ever]
    estate.azure.clear_journal()
    for options in ((), ("--posture",), ("--yaml",), ("--output", "json")):
        done = estate.run("discover", *options)
        assert not [value for value in before if value in done.output]
    assert [key.value for key in estate.azure.keys_ever] == before
    assert {entry.operation for entry in estate.azure.journal} & {"SetSecret", "UpdateSecret", "UpdateAccount", "RegenerateKey"} == set()
    assert not (estate.directory / "rotator.db").exists()


def test_what_is_written_is_taken_and_can_be_rotated(estate: Estate, tmp_path: Path) -> None:
    document = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    done = estate.run("discover", "--yaml")
    assert done.exit_code == 0
    found = yaml.safe_load(done.stdout)
    assert {one["name"] for one in found["credentials"]} == set(estate.names[3:])
    change(estate, lambda document: document["credentials"].extend(found["credentials"]))
    assert "7 credentials" in estate.run("config", "check").stdout
    done = estate.run("rotate", "language", "--now", "--output", "json")
    assert done.exit_code == 0, done.output
    rows = by_name(seen(estate))
    assert rows["language"]["rotated_says"] in ("vault tags", "ledger", "activity log")
    assert rows["language"]["secrets"][0]["told_by"] == "tag"
    assert document["credentials"]


def test_a_key_inside_a_larger_text_and_a_copy_of_it_are_found(estate: Estate) -> None:
    azure = estate.azure
    key = azure.account("language").keys["key2"]
    azure.set_secret("kv-2", "connection", f"Endpoint=https://x;Key={key}")
    azure.set_secret("kv-1", "unrelated", secrets.token_hex(16))
    holders = by_name(seen(estate))["language"]["secrets"]
    assert [(one["secret"].rsplit("/", 1)[1], one["slot"], one["whole"]) for one in holders] == [
        ("language-key", "key1", True),
        ("connection", "key2", False),
    ]


def test_a_gate_fails_with_which(estate: Estate) -> None:
    for name in estate.names[1:]:
        estate.azure.change_account(name, public_network_access="Disabled")
    done = estate.run("discover", "--fail-on", "public,no-secret,older-than=90d")
    assert done.exit_code == 3
    assert "public: chat-prod" in done.stderr
    assert "no-secret" not in done.stderr
    assert estate.run("discover", "--fail-on", "publick").exit_code == 2


def test_what_cannot_be_seen_is_said(estate: Estate) -> None:
    azure = estate.azure
    azure.dispossess()
    azure.grant("/", ["Microsoft.CognitiveServices/accounts/read", "Microsoft.KeyVault/vaults/read"])
    found = seen(estate, "--fail-on", "unseen")
    said = " ".join(one["what"] for one in found["unseen"])
    assert "keys of language" in said
    assert "activity log" in said
    assert "secrets of" in said
    assert found["failed"]["unseen"]


def test_a_list_that_repeats_itself_is_said_and_not_read_for_ever(estate: Estate) -> None:
    azure = estate.azure
    azure.state.repeating |= {"QueryGraph", "ListActivity"}
    azure.clear_journal()
    found = seen(estate)
    assert "the list repeats itself" in found["how"]
    assert [one["what"].split(" of ")[0] for one in found["unseen"]] == ["the activity log"]
    assert "the list repeats itself" in found["unseen"][0]["because"]
    assert set(by_name(found)) == {one["name"] for one in estate.fleet}
    assert sum(entry.operation in azure.state.repeating for entry in azure.journal) <= 4


def test_an_account_that_asks_for_patience_is_waited_for(estate: Estate) -> None:
    estate.azure.fault("ListKeys", "429:1", times=2)
    assert seen(estate)["unseen"] == []


def test_a_vault_that_nobody_lists_is_looked_into_by_its_url(estate: Estate) -> None:
    azure = estate.azure
    azure.dispossess()
    azure.grant("/", ["Microsoft.CognitiveServices/*", "Microsoft.Insights/*"], data_actions=["*"])
    url = azure.vault_url("kv-2")
    change(estate, lambda document: document.update(credentials=[]))
    assert not any(row["secrets"] for row in by_name(seen(estate)).values())
    assert by_name(seen(estate, "--vault", url))["agents"]["secrets"][0]["secret"] == f"{url}/secrets/agents-key"


# --- scopes -----------------------------------------------------------------------------------------------------------------


def scope(estate: Estate, **more: Any) -> None:
    """All accounts of one group, kept in the second vault; nobody else is named."""
    one = {"subscription": estate.azure.subscription, "secret": f"{estate.azure.vault_url('kv-2')}/secrets/{{account}}-key", **more}
    change(estate, lambda document: document.update(credentials=[], discover=[one]))


def test_a_new_account_is_picked_up_by_policy_and_rotated(estate: Estate) -> None:
    scope(estate, tags={"rotate": "yes"})
    azure = estate.azure
    assert json.loads(estate.run("status", "--output", "json").stdout) == []
    new = azure.add_account("newborn", tags={"rotate": "yes"})
    azure.set_secret("kv-2", "newborn-key", new.keys["key1"])
    (row,) = json.loads(estate.run("status", "--output", "json").stdout)
    assert (row["name"], row["account"]) == ("newborn", new.id)
    done = estate.run("rotate", "newborn", "--now", "--output", "json")
    assert done.exit_code == 0, done.output
    assert azure.secret("kv-2", "newborn-key")[-1].tags["rotator-account"] == new.id


async def kept(house: House, said: Said) -> tuple[Daemon, Ledger]:
    daemon = Daemon(house, lambda: house.settings, Systemd({}))
    said.clear()
    return daemon, house.ledger


async def test_the_daemon_sees_who_comes_and_who_goes(estate: Estate, tmp_path: Path) -> None:
    scope(estate, resource_group="rg-new")
    said: Said = []
    azure = estate.azure
    async with open_house(load(estate.settings), tmp_path, lambda event, **fields: said.append((event, fields))) as house:
        daemon, ledger = await kept(house, said)
        azure.add_account("one", group="rg-new")
        await daemon.look_around()
        assert set(daemon.fleet.credentials) == {"one"}
        assert [row.credential for row in await ledger.work.rows()] == ["one"]
        azure.change_account("one", deleted=True)
        await daemon.look_around()
        assert set(daemon.fleet.credentials) == set()
        await daemon.look_around()
    events = [event for event, _ in said]
    assert events.count("discovered") == 1
    assert events.count("account_vanished") == 1


def file(estate: Estate, account: Any, state: State, credential: str = "one") -> None:
    """A case of a discovered credential, as it lies in the ledger."""
    now = datetime.now(UTC)
    case = Incident(
        id="inc-1",
        credential=credential,
        account=account.id,
        fingerprint=fingerprint(account.keys["key1"]),
        slot=Slot.KEY1,
        reason=Reason.SUSPECTED_COMPROMISE,
        mode=Mode.DRAIN,
        source="test",
        note="",
        reported_at=now,
        deadline=now,
        state=state,
        held_because="a test" if state is State.HELD else "",
    )

    async def filed() -> None:
        async with open_ledger(f"sqlite:///{estate.directory / 'rotator.db'}") as ledger:
            await ledger.cases.file(case)

    asyncio.run(filed())


@pytest.mark.parametrize("state", [State.OPEN, State.HELD])
def test_one_that_vanishes_while_a_case_is_open_stays_in_care(estate: Estate, state: State) -> None:
    scope(estate, resource_group="rg-new")
    account = estate.azure.add_account("one", group="rg-new")
    assert estate.run("status").exit_code == 0
    file(estate, account, state)
    estate.azure.change_account("one", deleted=True)
    for _ in range(2):
        done = estate.run("status", "--output", "json")
        (row,) = json.loads(done.stdout)
        assert (row["name"], row["secret"].rsplit("/", 1)[1]) == ("one", "one-key")
        assert "is gone; kept in care for inc-1" in done.stderr


def test_a_namesake_does_not_take_the_place_of_one_whose_case_is_open(estate: Estate) -> None:
    azure = estate.azure
    scope(estate, resource_group="rg-new", name="x-{account}", secret=f"{azure.vault_url('kv-2')}/secrets/a-{{account}}")
    account = azure.add_account("one", group="rg-new")
    second = {"subscription": azure.subscription, "resource_group": "x", "secret": f"{azure.vault_url('kv-2')}/secrets/b-{{account}}"}
    change(estate, lambda document: document["discover"].append({**second, "name": "{account}"}))
    assert estate.run("status").exit_code == 0
    file(estate, account, State.OPEN, credential="x-one")
    azure.change_account("one", deleted=True)
    azure.add_account("x-one", group="x")
    done = estate.run("status", "--output", "json")
    (row,) = json.loads(done.stdout)
    assert (row["name"], row["account"]) == ("x-one", account.id)
    assert "x-one is another account's name while inc-1 is open" in done.stderr


async def test_a_scope_that_cannot_be_seen_hides_nobody(estate: Estate, tmp_path: Path) -> None:
    scope(estate, resource_group="rg-new")
    said: Said = []
    estate.azure.add_account("one", group="rg-new")
    async with open_house(load(estate.settings), tmp_path, lambda event, **fields: said.append((event, fields))) as house:
        assert set(house.credentials) == {"one"}
    estate.azure.fault("ListAccounts", "500-before", times=1000)
    async with open_house(load(estate.settings), tmp_path, lambda event, **fields: said.append((event, fields))) as house:
        assert set(house.credentials) == {"one"}
    assert said[-1][0] == "scope_unseen"


def test_a_held_case_of_a_discovered_credential_can_be_decided_while_azure_is_away(estate: Estate) -> None:
    scope(estate, resource_group="rg-new", drain_deadline="7m")
    account = estate.azure.add_account("one", group="rg-new")
    assert estate.run("status").exit_code == 0
    file(estate, account, State.HELD)
    estate.azure.clear_journal()
    assert estate.run("incidents", "approve", "inc-1", "--yes").exit_code == 0
    assert estate.azure.journal == []


def test_the_settings_say_how_many_scopes_there_are(estate: Estate) -> None:
    scope(estate)
    assert json.loads(estate.run("config", "check", "--output", "json").stdout)["discover"] == 1
