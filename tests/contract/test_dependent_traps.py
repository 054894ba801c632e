"""The traps of the kinds behind Azure Resource Manager, each as Azure sets it."""

import asyncio
import base64
import copy
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from rotator.core.credential import Dependent
from rotator.core.faults import Conflict, Denied, Fault, Missing, Rejected
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents import Tools, make
from rotator.engine.ports import Published
from rotator.sandbox import Sandbox
from rotator.sandbox.grants import Grant
from rotator.sandbox.sites import swap
from rotator.settings.permissions import LINKS
from tests.contract.rigs_on_arm import (
    group_content,
    publish,
    ready,
    reference,
    secret_url,
)

HOUR_S = 3600


class World:
    """One dependent before its consumer, and the value that was published last."""

    def __init__(self, azure: Sandbox, tools: Tools, dependent: Dependent) -> None:
        self.azure = azure
        self.kind = make(dependent.kind, tools)
        self.dependent = dependent
        self.value = ""
        self.published: Published

    def publish(self) -> "World":
        self.value = secrets.token_hex(16)
        self.published = publish(self.azure, self.value)
        return self

    async def look(self) -> DependentView:
        return await self.kind.adoption(self.dependent, self.published)

    async def adoption(self) -> Adoption:
        return (await self.look()).adoption

    async def deliver(self) -> None:
        await self.kind.deliver(self.dependent, self.published)

    async def refused(self, kind: type[Fault] = Rejected) -> str:
        with pytest.raises(kind) as refused:
            await self.deliver()
        return f"{refused.value.what}; {refused.value.remedy}"

    def sent(self, operation: str) -> int:
        return sum(entry.operation == operation and entry.authorized for entry in self.azure.journal)


Make = Callable[..., Any]


def world(azure: Sandbox, tools: Tools, kind: str, **parameters: Any) -> World:
    return World(azure, tools, Dependent(name="app", kind=kind, parameters={"format": "{key}", **parameters}))


# --- App Service ------------------------------------------------------------------------------------------------------------


async def site(azure: Sandbox, tools: Tools, text: str | None = None, name: str = "chat-api", **knobs: Any) -> tuple[Any, World]:
    old = await ready(azure)
    settings = {"KEY": text or old, "OTHER": "of somebody else"}
    made = azure.add_consumer("site", name, settings=settings, **knobs)
    return made, world(azure, tools, "app-service", site=made.id, setting="KEY").publish()


async def test_a_reference_that_pins_a_version_never_moves_and_says_so(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    pinned = sandbox.secret("kv-1", "chat-key")[-1].id
    made, app = await site(sandbox, tools, reference(sandbox, pinned))
    for _ in range(2):
        found = await app.look()
        assert found.adoption is Adoption.STALE
        assert f"pins version {pinned[:8]}… and never moves" in found.because
        sandbox.pass_time(25 * HOUR_S)
    assert "take the version out of the reference" in await app.refused()
    assert app.sent("RefreshReferences") == 0
    assert made.settings["KEY"] == reference(sandbox, pinned)


async def test_a_reference_that_pins_the_published_version_is_proven_and_warns(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await site(sandbox, tools)
    made.replace({"KEY": reference(sandbox, app.published.version)}, sandbox.state)
    found = await app.look()
    assert found.adoption is Adoption.PROVEN
    assert "never moves" in found.because


async def test_a_reference_to_another_secret_is_unseen_and_left_alone(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    sandbox.set_secret("kv-1", "other", "of somebody else")
    _, app = await site(sandbox, tools, f"@Microsoft.KeyVault(SecretUri={sandbox.vault_url('kv-1')}/secrets/other/)")
    found = await app.look()
    assert found.adoption is Adoption.UNSEEN
    assert "refers to another secret" in found.because
    assert secret_url(sandbox) in await app.refused()
    assert app.sent("RefreshReferences") == 0


async def test_a_reference_that_azure_cannot_resolve_says_why(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    _made, app = await site(sandbox, tools, reference(sandbox))
    await app.deliver()
    assert await app.adoption() is Adoption.PROVEN
    sandbox.delete_secret("kv-1", "chat-key")
    sandbox.pass_time(25 * HOUR_S)
    found = await app.look()
    assert (found.adoption, "SecretNotFound" in found.because) == (Adoption.STALE, True)


async def test_a_plain_restart_does_not_read_the_vault_again_and_a_day_does(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    made, app = await site(sandbox, tools, reference(sandbox))
    made.restart(sandbox.state)
    sandbox.pass_time(23 * HOUR_S)
    assert await app.adoption() is Adoption.STALE
    sandbox.pass_time(HOUR_S)
    assert await app.adoption() is Adoption.PROVEN


async def test_a_refresh_that_is_under_way_is_not_started_over(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    _made, app = await site(sandbox, tools, reference(sandbox), refresh_takes_s=40)
    for _ in range(3):
        await app.deliver()
        assert await app.adoption() is Adoption.STALE
    assert app.sent("RefreshReferences") == 1
    sandbox.pass_time(41)
    assert await app.adoption() is Adoption.PROVEN


async def test_two_settings_of_one_site_cost_one_refresh(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    text = reference(sandbox)
    made = sandbox.add_consumer("site", "chat-api", settings={"KEY": text, "SPARE": text}, refresh_takes_s=40)
    app = world(sandbox, tools, "app-service", site=made.id, setting="KEY").publish()
    spare = Dependent(name="spare", kind="app-service", parameters={**app.dependent.parameters, "setting": "SPARE"})
    await app.deliver()
    await app.kind.deliver(spare, app.published)
    assert app.sent("RefreshReferences") == 1


async def test_each_slot_is_its_own_and_a_swap_can_bring_an_old_value_back(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await site(sandbox, tools)
    staging, slot = await site(sandbox, tools, name="chat-api/slots/staging")
    app.published = slot.published
    await app.deliver()
    assert await app.adoption() is Adoption.PROVEN
    assert await slot.adoption() is Adoption.STALE
    swap(made, staging, sandbox.state)
    assert await app.adoption() is Adoption.STALE
    assert await slot.adoption() is Adoption.PROVEN
    await app.deliver()
    assert await app.adoption() is Adoption.PROVEN


async def test_a_setting_that_changes_between_look_and_write_is_not_lost(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await site(sandbox, tools)
    sandbox.meanwhile("ListAppSettings", lambda: made.replace({**made.settings, "OTHER": "changed"}, sandbox.state))
    await app.deliver()
    assert made.settings == {"KEY": app.value, "OTHER": "changed"}


async def test_a_setting_that_becomes_a_reference_meanwhile_is_not_written_over(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await site(sandbox, tools)
    text = reference(sandbox)
    sandbox.meanwhile("ListAppSettings", lambda: made.replace({**made.settings, "KEY": text}, sandbox.state))
    assert "became a reference" in await app.refused(Conflict)
    await app.deliver()
    assert (made.settings["KEY"], await app.adoption()) == (text, Adoption.PROVEN)


async def test_settings_that_never_rest_are_left_alone_in_the_end(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await site(sandbox, tools)
    for number in range(6):
        turned = {**made.settings, "OTHER": f"turn {number}"}
        sandbox.meanwhile("ListAppSettings", lambda turned=turned: made.replace(turned, sandbox.state))  # type: ignore[misc]
    assert "keep changing" in await app.refused(Conflict)
    assert app.sent("SetAppSettings") == 0


async def test_a_value_that_somebody_writes_over_ours_is_found_and_written_again(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await site(sandbox, tools)
    before = dict(made.settings)
    sandbox.meanwhile("SetAppSettings", lambda: made.replace(before, sandbox.state))
    assert "written by somebody else" in await app.refused(Conflict)
    await app.deliver()
    assert made.settings == {**before, "KEY": app.value}


async def test_two_values_on_one_site_at_once_are_both_written(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await site(sandbox, tools)
    other = Dependent(name="other", kind="app-service", parameters={**app.dependent.parameters, "setting": "OTHER"})
    await asyncio.gather(app.deliver(), app.kind.deliver(other, app.published))
    assert made.settings == {"KEY": app.value, "OTHER": app.value}
    assert app.sent("SetAppSettings") == 2


async def test_a_setting_that_is_not_there_is_never_made(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await site(sandbox, tools)
    app.dependent.parameters["setting"] = "TYPO"  # type: ignore[index]
    assert (await app.look()).because.startswith("chat-api has no setting TYPO; correct `setting:`")
    await app.refused(Missing)
    assert "TYPO" not in made.settings


async def test_a_plain_value_has_the_form_that_the_dependent_says(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await site(sandbox, tools, '{"region": "we", "key": "old"}')
    app.dependent.parameters["format"] = '{"key": "{key}"}'  # type: ignore[index]
    await app.deliver()
    assert made.settings["KEY"] == f'{{"region": "we", "key": "{app.value}"}}'
    assert await app.adoption() is Adoption.PROVEN


# --- Container Apps ---------------------------------------------------------------------------------------------------------


async def container(azure: Sandbox, tools: Tools, url: str = "", *, job: bool = False, **knobs: Any) -> tuple[Any, World]:
    old = await ready(azure)
    mine = {"name": "key", "keyVaultUrl": url, "identity": "system"} if url else {"name": "key", "value": old}
    made = azure.add_consumer("job" if job else "container_app", "worker", secrets=[mine, {"name": "db", "value": "another"}], **knobs)
    azure.pass_time(1)
    place = {"job": made.id} if job else {"app": made.id}
    return made, world(azure, tools, "container-app-job" if job else "container-app", secret="key", **place).publish()


async def test_a_restart_alone_does_not_read_the_vault_and_half_an_hour_does(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    made, app = await container(sandbox, tools, secret_url(sandbox))
    made.restart(sandbox.state)
    assert await app.adoption() is Adoption.STALE
    sandbox.pass_time(HOUR_S / 2)
    assert await app.adoption() is Adoption.PROVEN


async def test_a_written_secret_is_stale_while_an_older_replica_runs(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await container(sandbox, tools)
    made.write([{"name": "key", "value": app.value}, made.secrets[1]], sandbox.state)
    found = await app.look()
    assert (found.adoption, "began before" in found.because) == (Adoption.STALE, True)
    sandbox.pass_time(1)
    await app.deliver()
    assert (app.sent("UpdateContainerApp"), app.sent("RestartRevision")) == (0, 1)
    assert await app.adoption() is Adoption.PROVEN


async def test_a_write_that_is_under_way_is_not_started_over(sandbox: Sandbox, tools: Tools) -> None:
    _made, app = await container(sandbox, tools, takes_s=20)
    sandbox.pass_time(20)
    for _ in range(3):
        await app.deliver()
        assert (await app.look()).because == "the write is under way"
    assert (app.sent("UpdateContainerApp"), app.sent("RestartRevision")) == (1, 0)
    sandbox.pass_time(20)
    await app.deliver()
    assert app.sent("RestartRevision") == 1
    assert await app.adoption() is Adoption.PROVEN


async def test_a_rollout_that_is_stuck_is_stale_and_is_not_started_over(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await container(sandbox, tools)
    made.stuck = True
    for _ in range(3):
        sandbox.pass_time(1)
        await app.deliver()
    assert app.sent("RestartRevision") == 1
    assert await app.adoption() is Adoption.STALE
    made.stuck = False
    made.restart(sandbox.state)
    made.healthy = False
    assert "Unhealthy since its restart" in (await app.look()).because


async def test_a_container_apps_reference_that_pins_a_version_never_moves(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    _made, app = await container(sandbox, tools, secret_url(sandbox, sandbox.secret("kv-1", "chat-key")[-1].id))
    sandbox.pass_time(HOUR_S)
    found = await app.look()
    assert (found.adoption, "never moves" in found.because) == (Adoption.STALE, True)
    assert "take the version out" in await app.refused()
    assert app.sent("UpdateContainerApp") == 0


async def test_a_secret_that_is_added_between_look_and_write_is_not_lost(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await container(sandbox, tools)
    added = {"name": "new", "value": "of somebody else"}
    sandbox.meanwhile("ListContainerAppSecrets", lambda: made.write([*made.secrets, added], sandbox.state))
    await app.deliver()
    assert [one["name"] for one in made.secrets] == ["key", "db", "new"]
    assert made.secrets[0]["value"] == app.value


async def test_an_app_scaled_to_zero_is_proven_by_what_is_stored(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await container(sandbox, tools)
    made.replicas = []
    await app.deliver()
    assert await app.adoption() is Adoption.PROVEN


async def test_an_execution_that_still_runs_on_the_old_value_is_stale(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await container(sandbox, tools, job=True)
    old = made.execute(sandbox.state)
    sandbox.pass_time(1)
    await app.deliver()
    assert f"{old.name} still runs" in (await app.look()).because
    old.ended_at = sandbox.state.now()
    found = await app.look()
    assert (found.adoption, "no execution has succeeded since" in found.because) == (Adoption.CLAIMED, True)


# --- Container Instances ----------------------------------------------------------------------------------------------------


async def group(azure: Sandbox, tools: Tools, secure: dict[str, str], **knobs: Any) -> tuple[Any, World]:
    made = azure.add_consumer("container_group", "chat-group", content=group_content(await ready(azure)), **knobs)
    azure.pass_time(1)
    parameters = {"group": made.id, "variable": "KEY", "container": None, "secure": secure}
    return made, world(azure, tools, "container-instance", **parameters).publish()


SUPPLIED = {"chat/OTHER": "env:OTHER", "registry/example.azurecr.io": "env:REGISTRY"}


async def test_a_secure_value_that_nobody_supplies_is_not_lost_and_is_named(sandbox: Sandbox, tools: Tools) -> None:
    _made, app = await group(sandbox, tools, {})
    told = await app.refused()
    assert "chat/OTHER, registry/example.azurecr.io" in told
    assert "`secure:`" in told
    assert app.sent("SetContainerGroup") == 0


async def test_a_group_is_written_back_only_by_who_may_assign_its_identity_and_join_its_subnet(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await group(sandbox, tools, SUPPLIED)
    identity = "/subscriptions/s/resourceGroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/chat"
    made.content["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    made.content["properties"]["subnetIds"] = [
        {"id": "/subscriptions/s/resourceGroups/r/providers/Microsoft.Network/virtualNetworks/v/subnets/s"}
    ]
    for missing in LINKS.actions:
        sandbox.state.grants.held = [Grant(actions=("*",), not_actions=(missing,), data_actions=("*",))]
        told = await app.refused(Denied)
        assert "LinkedAuthorizationFailed" in told
        assert "linked to" in told
    assert made.restarts == 0
    sandbox.state.grants.held = [Grant(actions=("Microsoft.ContainerInstance/*", *LINKS.actions), data_actions=("*",))]
    await app.deliver()
    assert made.restarts == 1


async def test_volumes_workspaces_and_extensions_have_values_that_are_not_given_back(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await group(sandbox, tools, SUPPLIED)
    made.content["properties"]["volumes"] = [
        {"name": "share", "azureFile": {"shareName": "s", "storageAccountName": "a", "storageAccountKey": "x"}},
        {"name": "files", "secret": {"one": "eA=="}},
    ]
    made.content["properties"]["diagnostics"] = {"logAnalytics": {"workspaceId": "w", "workspaceKey": "x"}}
    made.content["properties"]["extensions"] = [{"name": "kube", "protectedSettings": {}}]
    told = await app.refused()
    for name in ("volume/share", "volume/files/FILE", "workspace/w", "extension kube"):
        assert name in told


async def test_files_of_a_secret_volume_are_supplied_by_name(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await group(sandbox, tools, {**SUPPLIED, "volume/files/one": "env:ONE", "volume/share": "env:SHARE"})
    share = {"shareName": "s", "storageAccountName": "a", "storageAccountKey": "a secret"}
    volumes = [{"name": "files", "secret": {"one": base64.b64encode(b"a secret").decode()}}, {"name": "share", "azureFile": share}]
    made.content["properties"]["volumes"] = copy.deepcopy(volumes)
    await app.deliver()
    assert made.content["properties"]["volumes"] == volumes
    assert made.process(sandbox.state, "KEY") == app.value


async def test_a_group_is_proven_only_once_its_containers_started_again(sandbox: Sandbox, tools: Tools) -> None:
    _made, app = await group(sandbox, tools, SUPPLIED, takes_s=20)
    sandbox.pass_time(20)
    for _ in range(2):
        await app.deliver()
        assert await app.adoption() is Adoption.STALE
    assert app.sent("SetContainerGroup") == 1
    sandbox.pass_time(20)
    assert await app.adoption() is Adoption.PROVEN


async def test_a_group_that_somebody_deploys_anew_is_stale(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await group(sandbox, tools, SUPPLIED)
    await app.deliver()
    assert await app.adoption() is Adoption.PROVEN
    made.content = group_content("an old value")
    assert await app.adoption() is Adoption.STALE


async def test_a_group_that_changes_between_look_and_write_is_not_set_back(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await group(sandbox, tools, SUPPLIED)

    def change() -> None:
        made.content["tags"]["team"] = "another"

    sandbox.meanwhile("GetContainerGroup", change)
    await app.deliver()
    assert made.content["tags"]["team"] == "another"
    assert made.process(sandbox.state, "KEY") == app.value


async def test_a_variable_that_is_not_there_is_never_made(sandbox: Sandbox, tools: Tools) -> None:
    _made, app = await group(sandbox, tools, SUPPLIED)
    app.dependent.parameters["variable"] = "TYPO"  # type: ignore[index]
    assert "has no variable TYPO" in await app.refused(Missing)


async def test_a_plain_variable_is_compared_by_its_value(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await group(sandbox, tools, SUPPLIED)
    app.dependent.parameters["variable"] = "REGION"  # type: ignore[index]
    made.content["properties"]["containers"][0]["properties"]["environmentVariables"][0]["value"] = "plain"
    await app.deliver()
    assert await app.adoption() is Adoption.PROVEN
    made.content["properties"]["containers"][0]["properties"]["environmentVariables"][2]["value"] = "an old value"
    assert await app.adoption() is Adoption.STALE


# --- API Management ---------------------------------------------------------------------------------------------------------


async def named(azure: Sandbox, tools: Tools, url: str = "") -> tuple[Any, World]:
    old = await ready(azure)
    held = {"keyVault": {"secretIdentifier": url}} if url else {"value": old}
    gate = azure.add_consumer("named_value", "chat-key", properties={"displayName": "chat", "secret": True, "tags": ["ai"], **held})
    service = gate.id.split("/namedValues/")[0]
    parameters = {"service": service, "named_value": "chat-key", "backend": None, "header": None, "query": None}
    return gate, world(azure, tools, "api-management", **parameters).publish()


async def test_a_named_value_left_alone_takes_four_hours(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    _gate, app = await named(sandbox, tools, secret_url(sandbox))
    sandbox.pass_time(4 * HOUR_S - 10)
    assert await app.adoption() is Adoption.STALE
    sandbox.pass_time(10)
    assert await app.adoption() is Adoption.PROVEN


async def test_a_named_value_that_pins_a_version_never_moves(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    _gate, app = await named(sandbox, tools, secret_url(sandbox, sandbox.secret("kv-1", "chat-key")[-1].id))
    sandbox.pass_time(5 * HOUR_S)
    found = await app.look()
    assert (found.adoption, "never moves" in found.because) == (Adoption.STALE, True)
    await app.refused()
    assert app.sent("RefreshNamedValue") == 0


async def test_a_fetch_in_the_second_of_the_publish_proves_nothing(sandbox: Sandbox, tools: Tools) -> None:
    """The vault tells times in whole seconds: the version before may have been fetched in that second as well."""
    await ready(sandbox)
    gate, app = await named(sandbox, tools, secret_url(sandbox))
    gate.fetched = None
    assert await app.adoption() is Adoption.STALE
    await app.deliver()
    assert await app.adoption() is Adoption.PROVEN


async def test_a_named_value_that_cannot_be_fetched_says_why(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    _gate, app = await named(sandbox, tools, secret_url(sandbox))
    sandbox.delete_secret("kv-1", "chat-key")
    await app.deliver()
    assert "SecretNotFound" in (await app.look()).because


async def test_a_write_that_comes_second_has_no_effect_and_is_prepared_anew(sandbox: Sandbox, tools: Tools) -> None:
    gate, app = await named(sandbox, tools)

    def change() -> None:
        gate.properties["tags"] = ["changed"]
        gate.etag += 1

    sandbox.meanwhile("ListNamedValue", change)
    await app.deliver()
    assert (gate.properties["value"], gate.properties["tags"]) == (app.value, ["changed"])
    assert app.sent("UpdateNamedValue") == 2


async def test_a_backend_that_sends_a_named_value_points_to_it(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    gate = sandbox.add_consumer("backend", "chat", properties={"credentials": {"header": {"api-key": ["{{chat-key}}"]}}})
    parameters = {"service": gate.id.split("/backends/")[0], "named_value": None, "backend": "chat", "header": "api-key", "query": None}
    app = world(sandbox, tools, "api-management", **parameters).publish()
    assert "name that named value as the dependent" in (await app.look()).because
    await app.refused()
    assert gate.properties["credentials"]["header"] == {"api-key": ["{{chat-key}}"]}


# --- connections ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "noun"), [("foundry-connection", "foundry_connection"), ("machine-learning-connection", "workspace_connection")]
)
async def test_a_connection_without_an_api_key_is_left_alone(sandbox: Sandbox, tools: Tools, kind: str, noun: str) -> None:
    await ready(sandbox)
    made = sandbox.add_consumer(noun, "chat", properties={"authType": "AAD", "category": "AzureOpenAI"})
    app = world(sandbox, tools, kind, connection=made.id).publish()
    assert "has no API key (AAD)" in (await app.look()).because
    await app.refused()
    assert made.writes == 0


@pytest.mark.parametrize(
    ("kind", "noun", "read"),
    [
        ("foundry-connection", "project_connection", "GetConnection"),
        ("machine-learning-connection", "workspace_connection", "ListConnectionSecrets"),
    ],
)
async def test_a_connection_that_changes_between_look_and_write_is_not_set_back(
    sandbox: Sandbox, tools: Tools, kind: str, noun: str, read: str
) -> None:
    old = await ready(sandbox)
    properties = {"authType": "ApiKey", "category": "AzureOpenAI", "target": "https://one", "credentials": {"key": old}}
    made = sandbox.add_consumer(noun, "chat", properties=properties)
    app = world(sandbox, tools, kind, connection=made.id).publish()
    sandbox.meanwhile(read, lambda: made.properties.update(target="https://two"))
    await app.deliver()
    assert (made.properties["target"], made.process(sandbox.state), made.writes) == ("https://two", app.value, 1)


# --- Data Factory -----------------------------------------------------------------------------------------------------------


async def linked(azure: Sandbox, tools: Tools, mine: dict[str, Any], **others: Any) -> tuple[Any, World]:
    await ready(azure)
    store = {"type": "AzureKeyVault", "typeProperties": {"baseUrl": azure.vault_url("kv-1") + "/"}}
    azure.add_consumer("linked_service", "vault", properties=store)
    made = azure.add_consumer("linked_service", "search", properties={"type": "AzureSearch", "typeProperties": {"key": mine, **others}})
    return made, world(azure, tools, "data-factory", linked_service=made.id, property="key").publish()


def by_vault(version: str = "", name: str = "chat-key") -> dict[str, Any]:
    store = {"referenceName": "vault", "type": "LinkedServiceReference"}
    return {"type": "AzureKeyVaultSecret", "store": store, "secretName": name, **({"secretVersion": version} if version else {})}


async def test_a_linked_service_by_reference_needs_nothing(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await linked(sandbox, tools, by_vault(), other={"type": "SecureString", "value": "of somebody else"})
    await app.deliver()
    assert await app.adoption() is Adoption.PROVEN
    assert app.sent("SetLinkedService") == 0
    assert made.process(sandbox.state, "key") == app.value


async def test_a_linked_service_that_pins_a_version_never_moves(sandbox: Sandbox, tools: Tools) -> None:
    await ready(sandbox)
    _made, app = await linked(sandbox, tools, by_vault(sandbox.secret("kv-1", "chat-key")[-1].id))
    found = await app.look()
    assert (found.adoption, "never moves" in found.because) == (Adoption.STALE, True)
    await app.refused()


async def test_a_linked_service_by_reference_to_another_secret_is_unseen(sandbox: Sandbox, tools: Tools) -> None:
    _made, app = await linked(sandbox, tools, by_vault(name="other"))
    assert await app.adoption() is Adoption.UNSEEN
    await app.refused()


@pytest.mark.parametrize("others", [{"password": {"type": "SecureString", "value": "of somebody else"}}, {"encryptedCredential": "ew0K"}])
async def test_a_linked_service_with_other_secrets_is_not_written(sandbox: Sandbox, tools: Tools, others: dict[str, Any]) -> None:
    _made, app = await linked(sandbox, tools, {"type": "SecureString", "value": "old"}, **others)
    told = await app.refused()
    assert next(iter(others)) in told
    assert app.sent("SetLinkedService") == 0


async def test_a_linked_service_that_changes_between_look_and_write_is_not_set_back(sandbox: Sandbox, tools: Tools) -> None:
    made, app = await linked(sandbox, tools, {"type": "SecureString", "value": "old"}, url="https://one")

    def change() -> None:
        made.properties["typeProperties"]["url"] = "https://two"
        made.etag += 1

    sandbox.meanwhile("GetLinkedService", change)
    await app.deliver()
    assert made.properties["typeProperties"]["url"] == "https://two"
    assert made.process(sandbox.state, "key") == app.value
    assert await app.adoption() is Adoption.CLAIMED
