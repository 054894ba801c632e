"""The kinds behind Azure Resource Manager: what exactly is asked of their SDK clients, and what odd answers come to."""

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, create_autospec

import pytest
from azure.core import MatchConditions
from azure.core.rest import AsyncHttpResponse
from azure.mgmt.apimanagement.aio import ApiManagementClient
from azure.mgmt.apimanagement.aio.operations import BackendOperations, NamedValueOperations
from azure.mgmt.apimanagement.models import (
    BackendContract,
    BackendCredentialsContract,
    KeyVaultContractProperties,
    KeyVaultLastAccessStatusContractProperties,
    NamedValueContract,
    NamedValueSecretContract,
)
from azure.mgmt.appcontainers.aio import ContainerAppsAPIClient
from azure.mgmt.appcontainers.aio.operations import (
    ContainerAppsOperations,
    ContainerAppsRevisionReplicasOperations,
    ContainerAppsRevisionsOperations,
)
from azure.mgmt.cognitiveservices.aio import CognitiveServicesManagementClient
from azure.mgmt.cognitiveservices.aio.operations import AccountConnectionsOperations, ProjectConnectionsOperations
from azure.mgmt.containerinstance.aio import ContainerInstanceManagementClient
from azure.mgmt.containerinstance.aio.operations import ContainerGroupsOperations
from azure.mgmt.datafactory.aio import DataFactoryManagementClient
from azure.mgmt.datafactory.aio.operations import LinkedServicesOperations
from azure.mgmt.web.aio import WebSiteManagementClient
from azure.mgmt.web.aio.operations import WebAppsOperations
from azure.mgmt.web.models import ApiKVReference, StringDictionary

from rotator.core.faults import Ambiguous, Conflict, Denied, Rejected, Transient
from rotator.core.snapshot import Adoption
from rotator.dependents import Tools
from rotator.dependents.api_management import ApiManagement
from rotator.dependents.app_service import AppService
from rotator.dependents.container_app import ContainerApp
from rotator.dependents.container_instance import ContainerInstance
from rotator.dependents.data_factory import DataFactory
from rotator.dependents.foundry_connection import FoundryConnection
from rotator.engine.ports import Published
from tests.azure.conftest import Factory, answered
from tests.dependents.conftest import GROUP, NEW, OLD, PUBLISHED, SINCE, SUBSCRIPTION, Pages, dependent


def sent_back(*contents: Any) -> Any:
    """A call that hands each content to the `cls` it was given, as the SDKs do."""
    queue = list(contents)

    async def call(*_: Any, cls: Any = None, **__: Any) -> Any:
        content = queue.pop(0) if len(queue) > 1 else queue[0]
        response = Mock(spec=AsyncHttpResponse)
        response.text = Mock(return_value=json.dumps(content))
        return cls(SimpleNamespace(http_response=response), None, {})

    return call


# --- App Service ------------------------------------------------------------------------------------------------------------

SITE = f"{GROUP}/Microsoft.Web/sites/chat-api"


@pytest.fixture
def web() -> Any:
    return create_autospec(WebAppsOperations, instance=True)


@pytest.fixture
def sites(web: Any) -> Factory:
    client = create_autospec(WebSiteManagementClient, instance=True)
    client.web_apps = web
    return Factory(client)


async def test_the_client_is_made_for_the_cloud_and_sends_nothing_again(tools: Tools, sites: Factory, web: Any) -> None:
    web.list_application_settings.return_value = StringDictionary(properties={"KEY": OLD})
    kind = AppService(tools, sites)
    for _ in range(2):
        await kind.adoption(dependent("app-service", site=SITE, setting="KEY"), PUBLISHED)
    [((_, subscription), options)] = sites.made
    assert subscription == SUBSCRIPTION
    assert options["base_url"] == "https://management.usgovcloudapi.net"
    assert options["credential_scopes"] == ["https://management.core.usgovcloudapi.net/.default"]
    assert (options["retry_total"], options["permit_redirects"], options["logging_enable"]) == (0, False, False)


@pytest.mark.parametrize(
    "text",
    [
        "@Microsoft.KeyVault(VaultName=kv-prod;SecretName=chat-key)",
        "@microsoft.keyvault(SecretName=CHAT-KEY; VaultName=KV-PROD)",
        "@Microsoft.KeyVault(SecretUri=https://kv-prod.vault.azure.net/secrets/chat-key)",
        "@Microsoft.KeyVault(SecretUri=https://KV-PROD.vault.azure.net/secrets/chat-key/)",
    ],
)
async def test_a_reference_is_known_in_every_spelling(tools: Tools, sites: Factory, web: Any, text: str) -> None:
    web.list_application_settings.return_value = StringDictionary(properties={"KEY": text})
    web.get_app_setting_key_vault_reference.return_value = ApiKVReference(
        {"properties": {"status": "Resolved", "activeVersion": PUBLISHED.version}}
    )
    found = await AppService(tools, sites).adoption(dependent("app-service", site=SITE, setting="KEY"), PUBLISHED)
    assert (found.adoption, found.running, found.because) == (Adoption.PROVEN, PUBLISHED.fingerprint, "")


@pytest.mark.parametrize(
    ("text", "adoption", "because"),
    [
        ("@Microsoft.KeyVault(VaultName=kv-prod;SecretName=chat-key;SecretVersion=aaaa)", Adoption.STALE, "pins version aaaa…"),
        ("@Microsoft.KeyVault(VaultName=kv-prod;SecretName=other)", Adoption.UNSEEN, "refers to another secret"),
        ("@Microsoft.KeyVault(VaultName=kv-test;SecretName=chat-key)", Adoption.UNSEEN, "refers to another secret"),
        ("@Microsoft.KeyVault(nonsense)", Adoption.UNSEEN, "refers to another secret"),
        ("", Adoption.STALE, "does not hold a key"),
    ],
)
async def test_a_reference_that_will_not_move_says_so(
    tools: Tools, sites: Factory, web: Any, text: str, adoption: Adoption, because: str
) -> None:
    web.list_application_settings.return_value = StringDictionary(properties={"KEY": text})
    web.get_app_setting_key_vault_reference.return_value = ApiKVReference({"properties": {"status": "Resolved", "activeVersion": "aaaa"}})
    found = await AppService(tools, sites).adoption(dependent("app-service", site=SITE, setting="KEY"), PUBLISHED)
    assert found.adoption is adoption
    assert because in found.because


async def test_a_slot_is_asked_and_written_as_a_slot_and_all_settings_are_sent(tools: Tools, sites: Factory, web: Any) -> None:
    here = {"KEY": OLD, "OTHER": "x"}
    after = StringDictionary(properties={**here, "KEY": NEW})
    web.list_application_settings_slot.side_effect = [StringDictionary(properties=here), StringDictionary(properties=here), after]
    await AppService(tools, sites).deliver(dependent("app-service", site=f"{SITE}/slots/staging", setting="KEY"), PUBLISHED)
    ((group, name, slot, wish), _) = web.update_application_settings_slot.await_args
    assert (group, name, slot, dict(wish.properties)) == ("rg-apps", "chat-api", "staging", {"KEY": NEW, "OTHER": "x"})
    web.update_application_settings.assert_not_called()


@pytest.mark.parametrize(
    ("status", "fault"), [(401, Denied), (403, Denied), (409, Conflict), (400, Rejected), (500, Ambiguous), (503, Ambiguous)]
)
async def test_what_a_write_is_refused_with_becomes_a_fault_without_its_payload(
    tools: Tools, sites: Factory, web: Any, status: int, fault: type[Exception]
) -> None:
    web.list_application_settings.return_value = StringDictionary(properties={"KEY": OLD})
    web.update_application_settings.side_effect = answered(status, "Code")
    with pytest.raises(fault) as raised:
        await AppService(tools, sites).deliver(dependent("app-service", site=SITE, setting="KEY"), PUBLISHED)
    assert "nobody may see" not in f"{raised.value}{getattr(raised.value, 'remedy', '')}"


@pytest.mark.parametrize("answer", [None, StringDictionary(properties=None)])
async def test_settings_of_no_documented_form_are_unseen(tools: Tools, sites: Factory, web: Any, answer: Any) -> None:
    web.list_application_settings.return_value = answer
    found = await AppService(tools, sites).adoption(dependent("app-service", site=SITE, setting="KEY"), PUBLISHED)
    assert found.adoption is Adoption.UNSEEN


# --- Container Apps ---------------------------------------------------------------------------------------------------------

APP = dependent("container-app", app=f"{GROUP}/Microsoft.App/containerApps/worker", secret="key")
URL = "https://kv-prod.vault.azure.net/secrets/chat-key"


def secret_(name: str, **fields: Any) -> Any:
    return SimpleNamespace(**{"name": name, "value": None, "key_vault_url": None, "identity": None, **fields})


def app_(modified: Any = SINCE, state: str = "Succeeded") -> Any:
    system = SimpleNamespace(last_modified_at=modified)
    return SimpleNamespace(location="westeurope", system_data=system, properties=SimpleNamespace(provisioning_state=state))


def revision_(name: str, *, active: bool = True, health: str = "Healthy") -> Any:
    return SimpleNamespace(name=name, properties=SimpleNamespace(active=active, health_state=health))


def replicas_(*born: Any) -> Any:
    return SimpleNamespace(value=[SimpleNamespace(properties=SimpleNamespace(created_time=time)) for time in born])


@pytest.fixture
def container() -> Any:
    client = create_autospec(ContainerAppsAPIClient, instance=True)
    client.container_apps = create_autospec(ContainerAppsOperations, instance=True)
    client.container_apps_revisions = create_autospec(ContainerAppsRevisionsOperations, instance=True)
    client.container_apps_revision_replicas = create_autospec(ContainerAppsRevisionReplicasOperations, instance=True)
    client.container_apps.get.return_value = app_()
    client.container_apps_revisions.list_revisions.side_effect = lambda *_: Pages(revision_("r1"), revision_("r0", active=False))
    client.container_apps_revision_replicas.list_replicas.return_value = replicas_(SINCE + timedelta(seconds=5))
    return client


async def test_a_reference_whose_value_is_not_shown_can_only_be_claimed(tools: Tools, container: Any) -> None:
    container.container_apps.list_secrets.return_value = SimpleNamespace(value=[secret_("key", key_vault_url=URL, identity="system")])
    kind = ContainerApp(tools, Factory(container))
    assert (await kind.adoption(APP, PUBLISHED)).adoption is Adoption.STALE
    for _ in range(2):
        await kind.deliver(APP, PUBLISHED)
    assert container.container_apps.begin_update.await_count == 1
    container.container_apps.get.return_value = app_(SINCE + timedelta(seconds=2))
    found = await kind.adoption(APP, PUBLISHED)
    assert (found.adoption, "does not show" in found.because) == (Adoption.CLAIMED, True)


async def test_all_secrets_are_sent_each_as_it_was_read(tools: Tools, container: Any) -> None:
    before = [secret_("a", value="1"), secret_("key", value=OLD), secret_("b", key_vault_url=URL, identity="system", value="2")]
    after = [secret_("a", value="1"), secret_("key", value=NEW), before[2]]
    container.container_apps.list_secrets.side_effect = [SimpleNamespace(value=one) for one in (before, before, after)]
    await ContainerApp(tools, Factory(container)).deliver(APP, PUBLISHED)
    ((group, name, body), options) = container.container_apps.begin_update.await_args
    assert (group, name, options["polling"]) == ("rg-apps", "worker", False)
    assert body["properties"]["configuration"]["secrets"] == [
        {"name": "a", "value": "1"},
        {"name": "key", "value": NEW},
        {"name": "b", "keyVaultUrl": URL, "identity": "system"},
    ]


async def test_a_neighbour_whose_value_is_not_shown_is_not_written_over(tools: Tools, container: Any) -> None:
    container.container_apps.list_secrets.return_value = SimpleNamespace(value=[secret_("a"), secret_("key", value=OLD)])
    with pytest.raises(Rejected, match="secret a"):
        await ContainerApp(tools, Factory(container)).deliver(APP, PUBLISHED)
    container.container_apps.begin_update.assert_not_called()


async def test_only_active_revisions_with_an_older_replica_are_restarted(tools: Tools, container: Any) -> None:
    container.container_apps.list_secrets.return_value = SimpleNamespace(value=[secret_("key", value=NEW)])
    container.container_apps_revisions.list_revisions.side_effect = lambda *_: Pages(
        revision_("young"), revision_("old"), revision_("off", active=False)
    )
    born = {"young": SINCE + timedelta(seconds=1), "old": SINCE - timedelta(seconds=1)}
    container.container_apps_revision_replicas.list_replicas.side_effect = lambda group, app, name: replicas_(born[name])
    kind = ContainerApp(tools, Factory(container))
    for _ in range(2):
        await kind.deliver(APP, PUBLISHED)
    container.container_apps_revisions.restart_revision.assert_awaited_once_with("rg-apps", "worker", "old")
    assert (await kind.adoption(APP, PUBLISHED)).adoption is Adoption.STALE


async def test_without_the_time_of_the_write_nothing_is_proven(tools: Tools, container: Any) -> None:
    container.container_apps.get.return_value = app_(modified=None)
    container.container_apps.list_secrets.return_value = SimpleNamespace(value=[secret_("key", value=NEW)])
    assert (await ContainerApp(tools, Factory(container)).adoption(APP, PUBLISHED)).adoption is Adoption.STALE


# --- Container Instances ----------------------------------------------------------------------------------------------------


async def test_a_group_is_sent_whole_with_what_the_sdk_does_not_know(tools: Tools) -> None:
    state = {"currentState": {"state": "Running", "startTime": "2026-03-01T11:00:00Z"}}
    variables = [{"name": "KEY"}, {"name": "PASSWORD"}, {"name": "REGION", "value": "we"}]
    container = {"name": "chat", "properties": {"image": "x", "environmentVariables": variables, "instanceView": state}}
    shown = {
        "id": "/x",
        "name": "batch",
        "type": "t",
        "location": "westeurope",
        "tags": {"team": "chat"},
        "zones": ["1"],
        "properties": {"containers": [container], "provisioningState": "Succeeded", "instanceView": {},
                       "ipAddress": {"fqdn": "f", "ip": "i"}, "futureProperty": 1},
    }  # fmt: skip
    mark = f"{PUBLISHED.fingerprint} 2026-03-01T11:00:00Z"
    after = {**shown, "tags": {"team": "chat", "rotator-fingerprint-KEY": mark}}
    client = create_autospec(ContainerInstanceManagementClient, instance=True)
    client.container_groups = create_autospec(ContainerGroupsOperations, instance=True)
    client.container_groups.get.side_effect = sent_back(shown, shown, after)
    one = dependent(
        "container-instance",
        group=f"{GROUP}/Microsoft.ContainerInstance/containerGroups/batch",
        variable="KEY",
        container=None,
        secure={"PASSWORD": "env:PASSWORD"},
    )
    await ContainerInstance(tools, Factory(client)).deliver(one, PUBLISHED)
    ((group, name, body), options) = client.container_groups.begin_create_or_update.await_args
    assert (group, name, options) == ("rg-apps", "batch", {"content_type": "application/json", "polling": False})
    sent = json.loads(body)
    assert set(sent) == {"location", "tags", "zones", "properties"}
    assert sent["tags"] == after["tags"]
    assert set(sent["properties"]) == {"containers", "ipAddress", "futureProperty"}
    assert sent["properties"]["ipAddress"] == {"ip": "i"}
    assert sent["properties"]["containers"][0]["properties"]["environmentVariables"] == [
        {"name": "KEY", "secureValue": NEW},
        {"name": "PASSWORD", "secureValue": "what env:PASSWORD refers to"},
        {"name": "REGION", "value": "we"},
    ]
    assert (await ContainerInstance(tools, Factory(client)).adoption(one, PUBLISHED)).adoption is Adoption.STALE


# --- API Management ---------------------------------------------------------------------------------------------------------


def gate(**parameters: Any) -> Any:
    every = {"named_value": None, "backend": None, "header": None, "query": None}
    return dependent("api-management", service=f"{GROUP}/Microsoft.ApiManagement/service/apim", **{**every, **parameters})


def with_etags(found: Any, *etags: str) -> Any:
    queue = list(etags)

    async def get(*_: Any, cls: Any, **__: Any) -> Any:
        return cls(None, found, {"ETag": queue.pop(0)} if queue else {})

    return get


@pytest.fixture
def apim() -> Any:
    client = create_autospec(ApiManagementClient, instance=True)
    client.named_value = create_autospec(NamedValueOperations, instance=True)
    client.backend = create_autospec(BackendOperations, instance=True)
    return client


async def test_a_write_names_the_etag_it_read_and_is_prepared_anew_where_that_is_old(tools: Tools, apim: Any) -> None:
    apim.named_value.get.side_effect = with_etags(NamedValueContract(display_name="n", secret=True), '"1"', '"2"')
    apim.named_value.list_value.return_value = NamedValueSecretContract(value=OLD)
    apim.named_value.begin_update.side_effect = [answered(412, "PreconditionFailed"), None]
    await ApiManagement(tools, Factory(apim)).deliver(gate(named_value="n"), PUBLISHED)
    sent = [call.args for call in apim.named_value.begin_update.await_args_list]
    assert [(args[2], args[3], args[4].value, args[4].tags) for args in sent] == [("n", '"1"', NEW, None), ("n", '"2"', NEW, None)]


async def test_a_conflict_that_is_no_old_etag_is_not_sent_again(tools: Tools, apim: Any) -> None:
    apim.named_value.get.side_effect = with_etags(NamedValueContract(display_name="n", secret=True), '"1"', '"2"')
    apim.named_value.list_value.return_value = NamedValueSecretContract(value=OLD)
    apim.named_value.begin_update.side_effect = answered(409, "Conflict")
    with pytest.raises(Conflict):
        await ApiManagement(tools, Factory(apim)).deliver(gate(named_value="n"), PUBLISHED)
    assert apim.named_value.begin_update.await_count == 1


async def test_an_answer_without_an_etag_is_not_written_under(tools: Tools, apim: Any) -> None:
    apim.named_value.get.side_effect = with_etags(NamedValueContract(display_name="n", secret=True))
    with pytest.raises(Transient):
        await ApiManagement(tools, Factory(apim)).deliver(gate(named_value="n"), PUBLISHED)
    apim.named_value.begin_update.assert_not_called()


@pytest.mark.parametrize(
    ("code", "after_s", "adoption"),
    [
        ("Success", 1, Adoption.PROVEN),
        ("Success", 0.9, Adoption.STALE),
        ("Success", -1, Adoption.STALE),
        ("Forbidden", 60, Adoption.STALE),
    ],
)
async def test_a_fetch_counts_from_the_second_after_the_version(
    tools: Tools, apim: Any, code: str, after_s: float, adoption: Adoption
) -> None:
    status = KeyVaultLastAccessStatusContractProperties(code=code, time_stamp_utc=SINCE + timedelta(seconds=after_s))
    held = KeyVaultContractProperties(secret_identifier=URL, last_status=status)
    apim.named_value.get.side_effect = with_etags(NamedValueContract(display_name="n", secret=True, key_vault=held), '"1"')
    found = await ApiManagement(tools, Factory(apim)).adoption(gate(named_value="n"), PUBLISHED)
    assert found.adoption is adoption


async def test_a_backends_other_credentials_are_sent_as_they_were(tools: Tools, apim: Any) -> None:
    credentials = BackendCredentialsContract(header={"X-Key": [OLD], "x-tenant": ["1", "2"]}, query={"code": ["c"]}, certificate_ids=["id"])
    apim.backend.get.side_effect = with_etags(BackendContract(url="https://x", protocol="http", credentials=credentials), '"1"')
    await ApiManagement(tools, Factory(apim)).deliver(gate(backend="b", header="x-key"), PUBLISHED)
    ((_, _, name, etag, change), _) = apim.backend.update.await_args
    assert (name, etag, change.url) == ("b", '"1"', None)
    assert change.credentials.header == {"X-Key": [NEW], "x-tenant": ["1", "2"]}
    assert (change.credentials.query, change.credentials.certificate_ids) == ({"code": ["c"]}, ["id"])


# --- connections and linked services ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("project", ["", "/projects/agents"])
async def test_a_connection_is_sent_again_with_all_that_it_is(tools: Tools, project: str) -> None:
    shown = {"authType": "ApiKey", "category": "AzureOpenAI", "target": "https://x", "metadata": {"a": "b"}, "futureProperty": 1,
             "credentials": None, "group": "Azure"}  # fmt: skip
    after = {"properties": {**shown, "metadata": {"a": "b", "rotator-fingerprint": PUBLISHED.fingerprint}}}
    client = create_autospec(CognitiveServicesManagementClient, instance=True)
    client.account_connections = create_autospec(AccountConnectionsOperations, instance=True)
    client.project_connections = create_autospec(ProjectConnectionsOperations, instance=True)
    used, idle = client.account_connections, client.project_connections
    used, idle = (idle, used) if project else (used, idle)
    used.get.side_effect = sent_back({"properties": shown}, {"properties": shown}, after)
    place = f"{GROUP}/Microsoft.CognitiveServices/accounts/foundry{project}/connections/chat"
    one = dependent("foundry-connection", connection=place)
    await FoundryConnection(tools, Factory(client)).deliver(one, PUBLISHED)
    (names_and_body, options) = used.update.await_args
    assert names_and_body[:-1] == ("rg-apps", "foundry", *(("agents",) if project else ()), "chat")
    assert options == {"content_type": "application/json"}
    sent = json.loads(names_and_body[-1])["properties"]
    kept = {"authType": "ApiKey", "category": "AzureOpenAI", "target": "https://x", "futureProperty": 1}
    assert sent == {**kept, "metadata": after["properties"]["metadata"], "credentials": {"key": NEW}}
    idle.update.assert_not_called()


async def test_a_linked_service_is_written_only_as_it_was_read(tools: Tools, published: Published) -> None:
    secure = {"type": "SecureString", "value": "**********"}
    shown = {"etag": "e1", "properties": {"type": "AzureSearch", "annotations": ["x"], "typeProperties": {"url": "u", "key": secure}}}
    client = create_autospec(DataFactoryManagementClient, instance=True)
    client.linked_services = create_autospec(LinkedServicesOperations, instance=True)
    client.linked_services.get.side_effect = sent_back(shown)
    place = f"{GROUP}/Microsoft.DataFactory/factories/adf/linkedservices/search"
    await DataFactory(tools, Factory(client)).deliver(dependent("data-factory", linked_service=place, property="key"), published)
    ((group, factory, name, body), options) = client.linked_services.create_or_update.await_args
    assert (group, factory, name) == ("rg-apps", "adf", "search")
    assert options == {"etag": "e1", "match_condition": MatchConditions.IfNotModified}
    sent = json.loads(body)["properties"]
    assert sent["typeProperties"] == {"url": "u", "key": {"type": "SecureString", "value": NEW}}
    assert sent["annotations"] == ["x", f"rotator-fingerprint:key:{published.fingerprint}"]
