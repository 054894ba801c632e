"""`rotator doctor` against the sandbox: an estate that works is called well, and each thing that is broken is found and mended."""

import json
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.sandbox import SandboxThread
from rotator.settings.permissions import KEYS, LINKS, SECRETS
from tests.sandbox.conftest import Estate, build_estate

CHANGING = {"SetSecret", "UpdateSecret", "UpdateAccount", "RegenerateKey", "DeleteSecret", "RecoverSecret", "PurgeSecret"}
ALL = {"actions": ["*"], "data_actions": ["*"]}


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with SandboxThread(tmp_path, seed=9) as azure:
        yield build_estate(azure, tmp_path, 2)


def change(estate: Estate, how: Any) -> None:
    document = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    how(document)
    estate.settings.write_text(yaml.safe_dump(document), encoding="utf-8")


def findings(estate: Estate, *names: str, code: int | None = None) -> list[dict[str, str]]:
    done = estate.run("doctor", *names, "--output", "json")
    found: list[dict[str, str]] = json.loads(done.stdout)["findings"]
    worst = {one["severity"] for one in found}
    assert done.exit_code == (1 if "error" in worst else 0), done.output
    assert code in (None, done.exit_code), done.output
    return found


def troubles(estate: Estate, *names: str) -> list[dict[str, str]]:
    return [one for one in findings(estate, *names) if one["severity"] != "ok"]


def test_an_estate_that_works_is_well_and_nothing_is_changed(estate: Estate) -> None:
    before = [key.value for key in estate.azure.keys_ever]
    estate.azure.clear_journal()
    done = estate.run("doctor")
    assert done.exit_code == 0, done.output
    assert "Nothing is in the way." in done.stdout
    assert troubles(estate) == []
    assert not {entry.operation for entry in estate.azure.journal} & CHANGING
    assert [key.value for key in estate.azure.keys_ever] == before
    assert not [value for value in before if value in done.output]


def test_a_role_that_lacks_minting_is_found_with_the_command_that_grants_it(estate: Estate) -> None:
    azure = estate.azure
    azure.dispossess()
    azure.grant("/", ["*"], not_actions=["*/regenerateKey/action"], data_actions=["*"])
    (one, other) = troubles(estate)
    assert {one["name"], other["name"]} == set(estate.names)
    assert one["said"] == "we may not Microsoft.CognitiveServices/accounts/regenerateKey/action"
    assert f"--role '{KEYS.deployed}' --scope {azure.account(one['name']).id}" in one["mend"]
    azure.grant(azure.account("chat-prod").id, ["Microsoft.CognitiveServices/accounts/regenerateKey/action"])
    assert [one["name"] for one in troubles(estate)] == ["agents"]


def test_the_roles_of_the_list_are_all_that_it_takes(estate: Estate) -> None:
    azure = estate.azure
    azure.dispossess()
    azure.grant("/", [*KEYS.actions, "Microsoft.Authorization/*/read", "Microsoft.KeyVault/vaults/read"], data_actions=SECRETS.data_actions)
    assert troubles(estate) == []


def test_data_that_may_not_be_written_is_found_though_it_can_be_read(estate: Estate) -> None:
    azure = estate.azure
    azure.dispossess()
    azure.grant("/", ["*"], data_actions=["*/getSecret/action", "*/readMetadata/action"])
    found = troubles(estate, "chat-prod")
    (bad,) = [one for one in found if one["severity"] == "error"]
    assert "setSecret/action" in bad["said"]
    assert "update/action" in bad["said"]
    assert azure.vault_id("kv-1") in bad["mend"]
    assert [one["said"] for one in found if "recover" in one["said"]] == [
        "we may not Microsoft.KeyVault/vaults/secrets/recover/action: needed for a name that was deleted softly"
    ]


def test_a_lock_on_the_group_is_found_with_its_id(estate: Estate) -> None:
    scope = f"/subscriptions/{estate.azure.subscription}/resourceGroups/rg-ai"
    estate.azure.lock(scope)
    bad = [one for one in troubles(estate, "chat-prod") if "lock" in one["said"] and one["mend"]]
    assert [one["mend"] for one in bad] == [f"az lock delete --ids {scope}/providers/Microsoft.Authorization/locks/lock-rg-ai"]


def test_a_lock_against_deletion_is_in_nobodys_way(estate: Estate) -> None:
    estate.azure.change_account("chat-prod", lock="CanNotDelete")
    assert troubles(estate) == []


def test_a_vaults_firewall_is_told_from_a_missing_role(estate: Estate) -> None:
    estate.azure.change_vault("kv-1", firewall=True)
    (one,) = troubles(estate, "chat-prod")
    assert one["subject"] == "vault"
    assert "network-rule add" in one["mend"]


def test_a_secret_that_is_deleted_softly_is_in_the_way_only_of_who_may_not_recover_it(estate: Estate) -> None:
    """The planner recovers it by itself."""
    azure = estate.azure
    azure.delete_secret("kv-1", "chat-prod-key")
    (one,) = troubles(estate, "chat-prod")
    assert (one["severity"], one["subject"], one["mend"]) == ("warning", "vault", "rotator plan chat-prod")
    assert json.loads(estate.run("plan", "chat-prod", "--output", "json").stdout)[0]["step"] == "recover"
    assert ready(estate)["publishes"] is True
    azure.dispossess()
    azure.grant("/", ["*"], data_actions=["*"], not_data_actions=["*/recover/action"])
    (bad,) = [one for one in troubles(estate, "chat-prod") if one["severity"] == "error"]
    assert "we may not recover it" in bad["said"]
    assert bad["mend"].startswith(f"az role assignment create --assignee-object-id {azure.state.sessions.object_id}")
    assert ready(estate)["ready"] is False


def test_access_policies_are_no_roles_and_stay_as_they_are(estate: Estate) -> None:
    estate.azure.change_vault("kv-1", rbac=False)
    (one,) = troubles(estate, "chat-prod")
    assert one["severity"] == "warning"
    assert "access policies" in one["said"]
    assert one["mend"].startswith("az keyvault set-policy ")
    assert f"--object-id {estate.azure.state.sessions.object_id}" in one["mend"]


def test_a_deny_assignment_goes_before_every_role(estate: Estate) -> None:
    azure = estate.azure
    azure.deny("stack", f"/subscriptions/{azure.subscription}/resourceGroups/rg-ai", ["*/regenerateKey/action"])
    (one,) = troubles(estate, "chat-prod")
    assert (one["severity"], one["subject"]) == ("error", "account")
    assert "the deny assignment 'stack' takes it away" in one["said"]
    row = ready(estate)
    assert (row["ready"], row["cut_in_seconds"]) == (False, None)
    done = estate.run("revoke", "chat-prod", "--mode", "cut", "--yes", "--timeout", "3s")
    assert done.exit_code == 1, done.output  # as the doctor said


def test_a_denial_is_none_for_whom_it_excludes_and_a_doubt_for_who_is_in_a_group_perhaps(estate: Estate) -> None:
    azure = estate.azure
    us, scope = azure.state.sessions.object_id, azure.vault_id("kv-1")
    azure.deny("but us", scope, data_actions=["*"], excluded=[(us, "ServicePrincipal")])
    assert troubles(estate, "chat-prod") == []
    azure.deny("a group", scope, data_actions=["*/setSecret/action"], principals=[(azure.state.guid(), "Group")])
    (one,) = troubles(estate, "chat-prod")
    assert (one["severity"], one["subject"]) == ("warning", "vault")
    assert "'a group' names it, and whether it is for us cannot be told" in one["said"]


def test_a_role_with_a_condition_is_a_doubt(estate: Estate) -> None:
    azure = estate.azure
    azure.dispossess()
    azure.grant("/", ["*/read"])
    azure.grant("/", ["*"], data_actions=["*"], condition="@Resource[x:y] StringEquals 'z'")
    found = troubles(estate, "chat-prod")
    assert {(one["severity"], one["subject"]) for one in found} == {("warning", "account"), ("warning", "vault")}
    assert all("cannot be told: only a role with a condition gives it" in one["said"] for one in found)


def test_denials_that_may_not_be_listed_are_a_warning(estate: Estate) -> None:
    azure = estate.azure
    azure.dispossess()
    azure.grant("/", ["*"], not_actions=["Microsoft.Authorization/denyAssignments/read"], data_actions=["*"])
    found = troubles(estate, "chat-prod")
    assert {one["severity"] for one in found} == {"warning"}
    assert all("whether a deny assignment takes something away cannot be told" in one["said"] for one in found)
    assert "Rotator: survey" in found[0]["mend"]


def ready(estate: Estate, name: str = "chat-prod") -> dict[str, Any]:
    (row,) = json.loads(estate.run("doctor", name, "--readiness", "--output", "json").stdout)
    found: dict[str, Any] = row
    return found


def test_of_an_account_without_keys_nothing_is_promised_about_its_secret(estate: Estate) -> None:
    azure = estate.azure
    azure.change_account("chat-prod", disable_local_auth=True)
    (one,) = troubles(estate, "chat-prod")
    assert (one["severity"], one["subject"]) == ("warning", "account")
    assert "disableLocalAuth=false" in one["mend"]
    azure.delete_secret("kv-1", "chat-prod-key")
    said = [one["said"] for one in findings(estate, "chat-prod") if one["subject"] == "vault"]
    assert not [each for each in said if "rotation makes it" in each or "recovers it" in each]


def test_what_we_contained_ourselves_is_said_with_what_is_left_of_it(estate: Estate) -> None:
    assert estate.run("revoke", "chat-prod", "--mode", "contain", "--yes").exit_code == 0
    (one,) = troubles(estate, "chat-prod")
    case = estate.rows("SELECT id FROM incidents")[0][0]
    assert f"local auth is off since we contained {case}" in one["said"]
    assert one["mend"].startswith(f"rotator incidents show {case}")


@pytest.mark.parametrize("policy", ["drain", "contain"])
def test_the_kill_switch_is_asked_for_only_where_it_is_used(estate: Estate, policy: str) -> None:
    change(estate, lambda document: document["defaults"].update(on_compromise=policy))
    estate.azure.dispossess()
    estate.azure.grant("/", ["*"], not_actions=["Microsoft.CognitiveServices/accounts/write"], data_actions=["*"])
    assert [one["said"] for one in troubles(estate, "chat-prod")] == (
        [] if policy == "drain" else ["`on_compromise: contain` switches local auth off, and we may not"]
    )


def test_what_may_not_be_asked_is_not_guessed(estate: Estate) -> None:
    azure = estate.azure
    azure.dispossess()
    azure.grant("/", KEYS.actions, data_actions=["*"])
    found = troubles(estate, "chat-prod")
    assert {one["severity"] for one in found} == {"warning"}
    assert {one["subject"] for one in found} == {"account", "vault"}
    assert all("cannot be told" in one["said"] for one in found)


def test_a_gateway_that_keeps_us_out_proves_no_death(estate: Estate) -> None:
    estate.azure.change_account("chat-prod", firewall=True)
    assert all("no death can be proven from here" in one["said"] for one in troubles(estate, "chat-prod"))
    row = ready(estate)
    assert (row["ready"], row["publishes"], row["proven_in_seconds"]) == (False, False, None)
    assert row["killed_in_seconds"] >= 20 > row["cut_in_seconds"]  # the drain deadline of these settings
    assert "NOTHING CAN BE PUBLISHED" in row["because"][0]
    assert "403" in row["because"][0]


def test_a_kind_without_a_probe_is_killed_at_the_drain_deadline_as_the_dry_run_says(estate: Estate) -> None:
    estate.azure.account("chat-prod").kind = "Quantum.Brain"
    row = ready(estate)
    (planned,) = json.loads(estate.run("revoke", "chat-prod", "--dry-run", "--output", "json").stdout)
    assert "NOTHING CAN BE PUBLISHED" in planned["because"]
    assert (row["ready"], row["publishes"]) == (False, False)
    assert row["killed_in_seconds"] >= 20
    assert "killed at the drain deadline, and NOTHING CAN BE PUBLISHED" in row["because"][0]
    done = estate.run("doctor", "chat-prod", "--readiness")
    assert done.exit_code == 1
    assert "!" in done.stdout
    change(estate, lambda document: document["defaults"].update(unprovable="accept"))
    row = ready(estate)
    assert (row["ready"], row["publishes"], row["proven_in_seconds"]) == (True, True, None)


def test_what_readiness_foretells_of_a_firewall_is_what_then_happens(estate: Estate) -> None:
    azure = estate.azure
    change(estate, lambda document: document["defaults"].update(drain_deadline="1s"))
    azure.change_account("chat-prod", firewall=True)
    foretold, before = ready(estate), len(azure.secret("kv-1", "chat-prod-key"))
    done = estate.run("revoke", "chat-prod", "--yes", "--timeout", "4s", "--output", "json")
    (row,) = json.loads(done.stdout)
    took = datetime.fromisoformat(row["timings"]["revoked"]) - datetime.fromisoformat(row["timings"]["reported"])
    assert done.exit_code == 5, done.output
    assert (foretold["publishes"], len(azure.secret("kv-1", "chat-prod-key"))) == (False, before)
    assert took.total_seconds() >= 1  # no sooner than the deadline
    assert foretold["killed_in_seconds"] >= 1


def test_a_vault_that_holds_a_dead_key_is_not_called_ready(estate: Estate) -> None:
    estate.azure.set_secret("kv-1", "chat-prod-key", "0" * 32)
    row = ready(estate)
    assert row["ready"] is False
    assert "the vault gives out no live key of the account now" in " ".join(row["because"])


def test_an_identity_that_is_refused_is_the_one_thing_said(estate: Estate) -> None:
    secret = estate.directory / "client-secret"
    secret.write_text("wrong", encoding="utf-8")
    found = troubles(estate)
    assert [one["subject"] for one in found] == ["identity"]
    assert "the client secret is wrong" in found[0]["said"]
    assert found[0]["mend"].startswith("az ad app credential reset --id ")
    assert estate.run("doctor", "--readiness").exit_code == 1


def test_a_ledger_that_cannot_be_opened_hides_nothing_else(estate: Estate) -> None:
    (estate.directory / "rotator.db").write_bytes(b"no database" * 200)
    estate.azure.dispossess()
    estate.azure.grant("/", ["*"], not_actions=["*/regenerateKey/action"], data_actions=["*"])
    assert {one["subject"] for one in troubles(estate)} == {"ledger", "account"}


def test_a_dependent_is_asked_for_and_so_is_what_moves_it(estate: Estate) -> None:
    azure = estate.azure
    site = azure.add_consumer("site", "chat-api", settings={"KEY": azure.account("chat-prod").keys["key1"]}).id
    change(estate, lambda document: document["credentials"][0].update(dependents=[{"kind": "app-service", "site": site, "setting": "KEY"}]))
    (one,) = [one for one in findings(estate, "chat-prod", code=0) if one["subject"] == "dependent"]
    assert one["severity"] == "ok"
    azure.dispossess()
    azure.grant("/", ["*"], not_actions=["Microsoft.Web/sites/config/write"], data_actions=["*"])
    (bad,) = [one for one in troubles(estate, "chat-prod") if one["subject"] == "dependent"]
    assert "Microsoft.Web/sites/config/write" in bad["said"]
    assert site in bad["mend"]


def test_what_a_dependent_is_linked_to_is_asked_for_where_that_is(estate: Estate) -> None:
    """Azure refuses the write of a group on the identity and the subnet that it names, whatever we may do with the group."""
    azure, place = estate.azure, "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-shared/providers"
    identity, subnet = (
        f"{place}/Microsoft.ManagedIdentity/userAssignedIdentities/id-chat",
        f"{place}/Microsoft.Network/virtualNetworks/v/subnets/s",
    )
    container = {
        "name": "chat",
        "properties": {"environmentVariables": [{"name": "KEY", "value": azure.account("chat-prod").keys["key1"]}]},
    }
    properties = {"osType": "Linux", "containers": [container], "subnetIds": [{"id": subnet}]}
    content = {"location": "we", "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}, "properties": properties}
    group = azure.add_consumer("container_group", "chat-batch", content=content).id
    dependent = {"kind": "container-instance", "group": group, "variable": "KEY"}
    change(estate, lambda document: document["credentials"][0].update(dependents=[dependent]))
    assert [one["severity"] for one in findings(estate, "chat-prod") if one["subject"] == "dependent"] == ["warning"]  # no mark on it yet
    azure.dispossess()
    azure.grant("/", ["*"], not_actions=["*/assign/action", "*/join/action"], data_actions=["*"])
    azure.grant(group, ["*"])
    bad = [one for one in troubles(estate, "chat-prod") if one["subject"] == "dependent" and one["severity"] == "error"]
    assert {one["mend"].rsplit(" ", 1)[-1] for one in bad} == {identity, subnet}
    assert {one["said"].split("may not ")[1].split(":")[0] for one in bad} == set(LINKS.actions)


def test_the_senders_secrets_and_tokens_are_tried(estate: Estate) -> None:
    azure = estate.azure
    good, bad = estate.directory / "good", estate.directory / "bad"
    good.write_text(azure.scanner_token, encoding="utf-8")
    bad.write_text("no-token", encoding="utf-8")
    alerts = {
        "github": {"secret": f"file:{good}", "token": f"file:{bad}", "api": azure.github_url},
        "gitguardian": {"secret": f"file:{good}", "token": f"file:{good}", "api": azure.gitguardian_url},
        "signed": {"secret": "env:ROTATOR_NOWHERE"},
    }
    change(estate, lambda document: document.update(alerts=alerts))
    found = {one["name"]: one for one in findings(estate, code=1) if one["subject"] == "alerts"}
    assert found["github"]["said"].startswith("its token is refused")
    assert found["gitguardian"]["severity"] == "ok"
    assert "ROTATOR_NOWHERE is empty" in found["signed"]["said"]


def test_readiness_has_the_worst_first_and_says_why(estate: Estate) -> None:
    azure = estate.azure
    azure.dispossess()
    azure.grant("/", ["*"], data_actions=["*"], not_data_actions=["*/setSecret/action"])
    azure.change_account("agents", lock="ReadOnly")
    done = estate.run("doctor", "--readiness", "--output", "json")
    assert done.exit_code == 1
    locked, hindered = json.loads(done.stdout)
    assert (locked["name"], locked["ready"], locked["cut_in_seconds"]) == ("agents", False, None)
    assert (hindered["name"], hindered["ready"], hindered["publishes"]) == ("chat-prod", False, False)
    assert hindered["killed_in_seconds"] >= 20 > hindered["cut_in_seconds"] > 0
    assert "setSecret" in hindered["because"][0]
    assert "chat-prod" in estate.run("doctor", "--readiness").stdout


def test_what_steps_took_before_is_what_readiness_goes_by(estate: Estate) -> None:
    assert json.loads(estate.run("doctor", "chat-prod", "--readiness", "--output", "json").stdout)[0]["guessed"]
    assert estate.run("rotate", "chat-prod", "--now").exit_code == 0
    (row,) = json.loads(estate.run("doctor", "chat-prod", "--readiness", "--output", "json").stdout)
    assert row["guessed"] == []
    assert row["killed_in_seconds"] >= row["cut_in_seconds"] > 0


def test_a_name_that_is_none_is_said(estate: Estate) -> None:
    assert estate.run("doctor", "chat-prd").exit_code == 4


def test_a_policy_that_would_kill_every_key_is_found_also_inside_an_initiative(estate: Estate) -> None:
    azure = estate.azure
    built_in = "/providers/Microsoft.Authorization/policyDefinitions/14de9e63-1b31-492e-a5a3-c3f7fd57f555"
    initiative = "/providers/Microsoft.Authorization/policySetDefinitions/baseline"
    azure.add_initiative(initiative, [{"policyDefinitionId": built_in, "parameters": {}}])
    azure.assign_policy("baseline", initiative, f"/subscriptions/{azure.subscription}/resourceGroups/rg-ai")
    (one,) = troubles(estate, "chat-prod")
    assert (one["severity"], one["subject"]) == ("warning", "account")
    assert "switches local auth off" in one["said"]
    assert one["mend"].startswith("az policy exemption create ")


def test_a_scope_that_cannot_be_looked_into_and_one_who_is_refused_are_said(estate: Estate) -> None:
    azure = estate.azure
    azure.add_account("twin", group="rg-1")
    azure.add_account("twin-2", group="rg-1")
    scope = {
        "subscription": azure.subscription,
        "name": "{group}-{account}",
        "secret": f"{azure.vault_url('kv-1')}/secrets/{{account}}-key",
    }
    clash = {**scope, "secret": f"{azure.vault_url('kv-1')}/secrets/chat-prod-{{account}}"}
    elsewhere = {**scope, "subscription": "11111111-2222-4333-8444-555555555555"}
    change(estate, lambda document: document.update(discover=[clash, elsewhere]))
    azure.set_secret("kv-1", "chat-prod-twin", "x")
    change(estate, lambda document: document["credentials"][0].update(secret=f"{azure.vault_url('kv-1')}/secrets/chat-prod-twin"))
    found = [one for one in troubles(estate) if one["name"].startswith("discover")]
    assert [(one["name"], one["severity"]) for one in found] == [("discover[1]", "error"), ("discover", "warning")]
    assert "Rotator: survey" in found[0]["mend"]
    assert "twin" in found[1]["said"]


def test_who_is_told_is_reached_for_and_nothing_is_sent(estate: Estate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as closed:
        open_port, shut_port = listening.getsockname()[1], closed.getsockname()[1]
        closed.close()
        addresses = {"good": f"json://127.0.0.1:{open_port}/x", "away": f"json://127.0.0.1:{shut_port}/x", "odd": "no-such-service://x"}
        for name, address in addresses.items():
            (estate.directory / name).write_text(address, encoding="utf-8")
        change(estate, lambda document: document.update(notify={"urls": [f"file:{estate.directory / name}" for name in addresses]}))
        found = {one["name"]: one["severity"] for one in findings(estate, code=1) if one["subject"] == "notifier"}
        assert found == {"notify.urls[0]": "ok", "notify.urls[1]": "warning", "notify.urls[2]": "error"}
        listening.settimeout(5)
        connection, _ = listening.accept()
        with connection:
            assert connection.recv(1) == b""
