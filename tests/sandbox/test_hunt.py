"""`rotator hunt` against a sandbox: every sort of place, what is known and moves is no finding, and what is denied is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from rotator.settings import parse
from rotator.settings.permissions import HUNT

if TYPE_CHECKING:
    from tests.sandbox.conftest import Estate

NAME = "chat-prod"
CONTEXT = "sandbox"


def inhabited(estate: Estate) -> dict[str, dict[str, Any]]:
    """Holders of every sort that the settings do not name; and what is nobody's business."""
    azure, url = estate.azure, estate.fleet[0]["secret"]
    placed = {one["sort"]: one for one in azure.inhabit(NAME, url, ["site", "slot", "container_app", "named_value"])}
    key = azure.account(NAME).keys["key2"]
    azure.set_secret("kv-2", "by-hand", f"Endpoint=https://chat;Key={key};Name=x")
    azure.set_secret("kv-2", "of-somebody-else", "0" * 32)
    pinned = azure.secret("kv-1", f"{NAME}-key")[-1].id
    azure.add_consumer("site", "pinned", settings={"OPENAI": f"@Microsoft.KeyVault(SecretUri={url}/{pinned})"})
    job = azure.add_consumer("job", "nightly", secrets=[{"name": "plain", "value": key}])
    azure.add_consumer("named_value", "plain", properties={"displayName": "plain", "secret": True, "value": key})
    return {**placed, "job": {"consumer": job.id}}


def hunted(estate: Estate, *arguments: str) -> tuple[int, dict[str, Any]]:
    result = estate.run("hunt", *arguments, "--output", "json")
    assert not any(key.value in result.output for key in estate.azure.keys_ever)
    return result.exit_code, json.loads(result.stdout)


def short(found: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((one["why"], one["what"].split(" in ")[0]) for one in found["copies"])


def test_every_holder_that_the_settings_do_not_name_is_found(estate: Estate) -> None:
    inhabited(estate)
    code, found = hunted(estate)
    assert code == 0
    assert found["not_searched"] == []
    assert short(found) == [
        ("copy", "named value plain of apim"),
        ("copy", "secret by-hand of https://127.0.0.1:" + estate.azure.vault_url("kv-2").rsplit(":", 1)[1]),
        ("copy", "secret plain of nightly"),
        ("copy", f"setting KEY of {NAME}-api/staging"),
        ("pinned", "setting OPENAI of pinned"),
        ("reader", f"named value {NAME}-key of apim"),
        ("reader", f"secret key of {NAME}-worker"),
        ("reader", f"setting KEY of {NAME}-api"),
    ]
    assert {one["slot"] for one in found["copies"] if one["why"] == "copy"} == {"key1", "key2"}


def test_a_copy_inside_a_larger_text_says_that_its_form_is_needed(estate: Estate) -> None:
    inhabited(estate)
    _, found = hunted(estate)
    (inside,) = [one for one in found["copies"] if "by-hand" in one["what"]]
    assert "`format:`" in inside["because"]


def test_what_is_added_to_the_settings_is_no_finding_any_more_but_a_pin_is(estate: Estate) -> None:
    inhabited(estate)
    _, found = hunted(estate)
    settings = yaml.safe_load(estate.settings.read_text())
    settings["credentials"][0]["dependents"] = [one["settings"] for one in found["copies"]]
    text = yaml.safe_dump(settings)
    parse(text, "what hunt says")
    estate.settings.write_text(text)
    code, found = hunted(estate)
    assert (code, [(one["why"], one["known"], one["settings"]) for one in found["copies"]]) == (0, [("pinned", True, None)])


def test_for_people_it_is_a_table_and_the_yaml_to_add(estate: Estate) -> None:
    inhabited(estate)
    result = estate.run("hunt")
    assert result.exit_code == 0
    assert "app settings: 3 to search" in result.stderr
    start = result.stdout.index("credentials:")
    added = yaml.safe_load(result.stdout[start:])
    assert added["credentials"][0]["name"] == NAME
    assert len(added["credentials"][0]["dependents"]) == 6
    assert "# First: " in result.stdout, "the one that pins a version, for which every rotation would stand still"


def test_a_copy_inside_a_larger_text_is_no_entry_until_somebody_says_its_form(estate: Estate) -> None:
    """As an entry without `format:` it would be overwritten with the bare key."""
    inhabited(estate)
    text = estate.run("hunt").stdout
    added = text[text.index("credentials:") :].splitlines()
    (line,) = [number for number, line in enumerate(added) if "by-hand" in line]
    assert added[line].lstrip().startswith("#")
    assert "Say how the key stands in its text: format: '…{key}…'" in added[line - 2]


# --- places where only some values can be read back -------------------------------------------------------------------------


def connected(estate: Estate) -> None:
    """A Foundry account with connections of its own and of a project, and a workspace of Azure ML: a key of ours in each."""
    azure, key = estate.azure, estate.azure.account(NAME).keys["key1"]
    azure.add_account("foundry", "AIServices", group="rg-apps")
    about = {"authType": "ApiKey", "category": "AzureOpenAI", "target": "https://chat"}
    for sort in ("foundry_connection", "project_connection", "workspace_connection"):
        azure.add_consumer(sort, "chat", properties={**about, "credentials": {"key": key}})
        azure.add_consumer(sort, "keyless", properties={**about, "authType": "AAD"})


def group(*variables: dict[str, str], **more: Any) -> dict[str, Any]:
    container = {"name": "chat", "properties": {"environmentVariables": list(variables)}}
    return {"location": "westeurope", "properties": {"osType": "Linux", "containers": [container], **more}}


def test_a_backend_s_header_and_query_are_compared_and_named_values_in_them_are_not_theirs(estate: Estate) -> None:
    azure, key = estate.azure, estate.azure.account(NAME).keys["key2"]
    credentials = {"header": {"api-key": [key], "x-named": ["{{chat-key}}"]}, "query": {"subscription-key": [key]}}
    azure.add_consumer("backend", "chat", properties={"url": "https://chat", "credentials": credentials})
    _, found = hunted(estate)
    assert short(found) == [("copy", "header api-key of backend chat of apim"), ("copy", "query subscription-key of backend chat of apim")]
    parse(yaml.safe_dump({"credentials": [of(estate, *(one["settings"] for one in found["copies"]))]}), "what hunt says")


def of(estate: Estate, *dependents: dict[str, Any]) -> dict[str, Any]:
    one = {name: estate.fleet[0][name] for name in ("name", "account", "secret")}
    return {**one, "dependents": list(dependents)}


def test_a_plain_variable_is_compared_and_a_secure_one_is_for_a_person_to_tell(estate: Estate) -> None:
    azure, key = estate.azure, estate.azure.account(NAME).keys["key1"]
    azure.add_consumer("container_group", "batch", content=group({"name": "PLAIN", "value": key}, {"name": "SECURE", "secureValue": key}))
    code, found = hunted(estate)
    assert code == 0
    (copy,) = found["copies"]
    assert (copy["settings"]["variable"], copy["asks"]) == (
        "PLAIN",
        "what else the group keeps to itself, to send it again (`secure:`): chat/SECURE",
    )
    (shut,) = found["not_searched"]
    assert (shut["what"], shut["write_only"]) == ("variable SECURE of chat of batch in rg-apps", True)
    assert "kind: container-instance" in shut["remedy"]


def test_what_a_person_told_of_a_secure_variable_is_not_asked_again(estate: Estate) -> None:
    id_ = estate.azure.add_consumer("container_group", "batch", content=group({"name": "SECURE", "secureValue": "x"})).id
    named = of(estate, {"kind": "container-instance", "group": id_, "variable": "SECURE"})
    settings = yaml.safe_load(estate.settings.read_text()) | {"credentials": [named]}
    estate.settings.write_text(yaml.safe_dump(settings))
    assert hunted(estate)[1]["not_searched"] == []


def test_connections_of_azure_ml_are_compared_and_those_of_foundry_by_rotator_s_mark_alone(estate: Estate) -> None:
    connected(estate)
    code, found = hunted(estate)
    assert (code, short(found)) == (0, [("copy", "connection ml/chat")])
    assert [one["what"] for one in found["not_searched"]] == [
        "connection foundry/chat in rg-apps",
        "connection foundry/one/chat in rg-apps",
    ]
    assert all(one["write_only"] for one in found["not_searched"])
    connection = next(one for one in estate.azure.state.consumers.values() if one.id.endswith("accounts/foundry/connections/chat"))
    connection.properties["metadata"] = {"rotator-fingerprint": found["copies"][0]["fingerprint"]}
    assert short(hunted(estate)[1]) == [("copy", "connection foundry/chat"), ("copy", "connection ml/chat")]


def test_plain_variables_of_container_apps_and_jobs_are_compared_and_asked_about(estate: Estate) -> None:
    azure, keys = estate.azure, estate.azure.account(NAME).keys
    env = [{"name": "OPENAI_KEY", "value": keys["key1"]}, {"name": "URL", "value": f"https://chat?key={keys['key2']}"}]
    azure.add_consumer("container_app", "api", secrets=[], env=[*env, {"name": "OTHER", "secretRef": "x"}])
    azure.add_consumer("job", "nightly", secrets=[], env=env[:1])
    code, found = hunted(estate)
    assert code == 0
    assert short(found) == [
        ("copy", "variable OPENAI_KEY of main of api"),
        ("copy", "variable OPENAI_KEY of main of nightly"),
        ("copy", "variable URL of main of api"),
    ]
    assert {one["slot"] for one in found["copies"]} == {"key1", "key2"}
    assert all("`secretRef`" in one["asks"] for one in found["copies"])
    added = estate.run("hunt").stdout
    assert "\n    # dependents:" in added  # nothing of it may be committed before somebody has moved it into a secret


def test_connection_strings_are_compared_and_their_references_followed(estate: Estate) -> None:
    azure, url = estate.azure, estate.fleet[0]["secret"]
    key, pinned = azure.account(NAME).keys["key2"], azure.secret("kv-1", f"{NAME}-key")[-1].id
    strings = {
        "AI": f"Endpoint=https://chat;Key={key}",
        "Pinned": f"@Microsoft.KeyVault(SecretUri={url}/{pinned})",
        "Sql": "Server=db;Password=of somebody else",
    }
    azure.add_consumer("site", "web", settings={}, strings=strings)
    azure.add_consumer("site", "web/slots/staging", settings={}, strings={"AI": key})
    code, found = hunted(estate)
    assert code == 0
    assert short(found) == [
        ("copy", "connection string AI of web"),
        ("copy", "connection string AI of web/staging"),
        ("pinned", "connection string Pinned of web"),
    ]
    assert all("no kind of dependent moves the connection string" in one["asks"] for one in found["copies"])


def factory(estate: Estate, **more: Any) -> str:
    """A linked service that refers to the account's secret by another one, which names the vault."""
    vault, _, name = estate.fleet[0]["secret"].rpartition("/secrets/")
    store = {"type": "AzureKeyVault", "typeProperties": {"baseUrl": f"{vault}/"}}
    estate.azure.add_consumer("linked_service", "Vault", properties=store)
    key = {"type": "AzureKeyVaultSecret", "store": {"referenceName": "vault", "type": "LinkedServiceReference"}, "secretName": name, **more}
    typed = {"url": "https://chat", "authHeaders": {"api-key": key, "x": {"type": "SecureString", "value": "of somebody else"}}}
    made: str = estate.azure.add_consumer("linked_service", "chat", properties={"type": "RestService", "typeProperties": typed}).id
    return made


def test_a_linked_service_that_reads_the_secret_is_found_until_the_settings_know_it(estate: Estate) -> None:
    id_ = factory(estate)
    code, found = hunted(estate)
    assert (code, found["not_searched"]) == (0, [])
    assert short(found) == [("reader", "property authHeaders.api-key of linked service adf/chat")]
    known = {"kind": "data-factory", "linked_service": id_, "property": "authHeaders.api-key"}
    assert found["copies"][0]["settings"] == known
    settings = yaml.safe_load(estate.settings.read_text()) | {"credentials": [of(estate, known)]}
    estate.settings.write_text(yaml.safe_dump(settings))
    assert hunted(estate)[1]["copies"] == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"secretVersion": "0123456789abcdef"}, ["pinned"]),
        ({"secretName": "another"}, []),
        ({"secretName": {"type": "Expression", "value": "@linkedService().name"}}, []),
        ({"store": None}, []),
    ],
)
def test_a_linked_service_is_told_by_what_it_refers_to(estate: Estate, more: dict[str, Any], expected: list[str]) -> None:
    factory(estate, **more)
    code, found = hunted(estate)
    assert (code, [one["why"] for one in found["copies"]]) == (0, expected)


@pytest.mark.parametrize(
    ("operation", "needs"),
    [
        ("ListFactories", "Microsoft.DataFactory/factories/read"),
        ("ListLinkedServices", "Microsoft.DataFactory/factories/linkedservices/read"),
        ("ListConnectionStrings", "Microsoft.Web/sites/config/list/action"),
        ("GetContainerApp", "Microsoft.App/containerApps/read"),
        ("GetJob", "Microsoft.App/jobs/read"),
        ("ListBackends", "Microsoft.ApiManagement/service/backends/read"),
        ("ListContainerGroups", "Microsoft.ContainerInstance/containerGroups/read"),
        ("GetContainerGroup", "Microsoft.ContainerInstance/containerGroups/read"),
        ("ListWorkspaces", "Microsoft.MachineLearningServices/workspaces/read"),
        ("ListWorkspaceConnections", "Microsoft.MachineLearningServices/workspaces/connections/read"),
        ("ListConnectionSecrets", "Microsoft.MachineLearningServices/workspaces/connections/listsecrets/action"),
        ("ListConnections", "Microsoft.CognitiveServices/accounts/connections/read"),
        ("ListProjects", "Microsoft.CognitiveServices/accounts/projects/read"),
        ("ListProjectConnections", "Microsoft.CognitiveServices/accounts/projects/connections/read"),
    ],
)
def test_what_is_denied_of_these_is_said_with_the_permission(estate: Estate, operation: str, needs: str) -> None:
    connected(estate)
    estate.azure.add_consumer("backend", "chat", properties={"url": "https://chat"})
    estate.azure.add_consumer("container_group", "batch", content=group({"name": "PLAIN", "value": "x"}))
    estate.azure.add_consumer("site", "web", settings={})
    estate.azure.add_consumer("container_app", "api", secrets=[])
    estate.azure.add_consumer("job", "nightly", secrets=[])
    factory(estate)
    estate.azure.fault(operation, "403", probability=1.0)
    code, found = hunted(estate)
    assert code == 1
    assert [needs in one["remedy"] for one in found["not_searched"] if not one["write_only"]] == [True]
    assert needs in HUNT.actions


@pytest.mark.parametrize(
    ("operation", "what", "needs"),
    [
        ("ListSites", "every Microsoft.Web/sites", "Microsoft.Web/sites/read"),
        ("ListSlots", "the slots of", "Microsoft.Web/sites/slots/read"),
        ("ListAppSettings", "pinned in rg-apps", "Microsoft.Web/sites/config/list/action"),
        ("ListContainerApps", "every Microsoft.App/containerApps", "Microsoft.App/containerApps/read"),
        ("ListContainerAppSecrets", f"{NAME}-worker", "Microsoft.App/containerApps/listSecrets/action"),
        ("ListServices", "every Microsoft.ApiManagement/service", "Microsoft.ApiManagement/service/read"),
        ("ListNamedValues", "the named values of apim", "Microsoft.ApiManagement/service/namedValues/read"),
        ("ListNamedValue", "apim/plain", "Microsoft.ApiManagement/service/namedValues/listValue/action"),
        ("ListVaults", "every Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/read"),
        ("ListSecrets", "the secrets of", "Microsoft.KeyVault/vaults/secrets/readMetadata/action"),
        ("GetSecret", "secrets/by-hand", "Microsoft.KeyVault/vaults/secrets/getSecret/action"),
    ],
)
def test_what_is_denied_is_said_with_the_permission_and_the_rest_is_searched(estate: Estate, operation: str, what: str, needs: str) -> None:
    inhabited(estate)
    estate.azure.fault(operation, "403", probability=1.0)
    code, found = hunted(estate)
    assert code == 1
    hidden = [one for one in found["not_searched"] if what.rsplit("/", 1)[-1] in one["what"]]
    assert hidden, found["not_searched"]
    assert needs in (hidden[0]["remedy"] or "")
    assert found["copies"]


def test_a_service_that_asks_for_patience_is_asked_again(estate: Estate) -> None:
    inhabited(estate)
    estate.azure.fault("ListAppSettings", "429:1", times=2)
    code, found = hunted(estate)
    assert code == 0
    assert ("pinned", "setting OPENAI of pinned") in short(found)


def test_a_service_that_fails_in_passing_is_asked_again(estate: Estate) -> None:
    inhabited(estate)
    estate.azure.fault("ListAppSettings", "500-before", times=3)
    estate.azure.fault("ListSites", "500-before", times=1)
    code, found = hunted(estate)
    assert (code, found["not_searched"]) == (0, [])


def test_a_provider_that_a_subscription_never_used_hides_nothing(estate: Estate) -> None:
    estate.azure.state.unregistered |= {"microsoft.app", "microsoft.machinelearningservices", "microsoft.containerinstance"}
    assert hunted(estate)[0] == 0


def test_a_resource_group_bounds_what_is_searched(estate: Estate) -> None:
    inhabited(estate)
    code, found = hunted(estate, "--resource-group", "rg-elsewhere")
    assert (code, found["copies"], found["compared"]) == (0, [], 0)


def test_secrets_of_a_cluster_are_searched_by_kubeconfig(estate: Estate) -> None:
    azure = estate.azure
    azure.add_consumer("cluster_secret", "ai/by-hand", data={"key": azure.account(NAME).keys["key1"], "other": "of somebody else"})
    path = estate.directory / "kubeconfig.yaml"
    path.write_text(yaml.safe_dump(azure.kubeconfig()), encoding="utf-8")
    code, found = hunted(estate, "--kubeconfig", "kubeconfig.yaml")
    assert code == 0
    (one,) = found["copies"]
    assert one["what"] == "field key of Secret ai/by-hand"
    assert one["settings"] == {
        "kind": "kubernetes-secret",
        "kubeconfig": "kubeconfig.yaml",
        "namespace": "ai",
        "secret": "by-hand",
        "field": "key",
    }
    azure.state.elsewhere.cluster.denied.add("secrets/list")
    code, found = hunted(estate, "--kubeconfig", "kubeconfig.yaml")
    assert code == 1
    assert "secrets/list" in found["not_searched"][0]["remedy"]


def test_a_kubeconfig_that_is_none_is_said_to_be_so(estate: Estate) -> None:
    code, found = hunted(estate, "--kubeconfig", "nowhere.yaml")
    assert code == 1
    assert "nowhere.yaml" in found["not_searched"][0]["what"]


def test_an_account_that_does_not_tell_its_keys_is_said_to_be_so(estate: Estate) -> None:
    estate.azure.fault("ListKeys", "403", probability=1.0)
    code, found = hunted(estate)
    assert code == 1
    assert "Microsoft.CognitiveServices/accounts/listKeys/action" in found["not_searched"][0]["remedy"]
