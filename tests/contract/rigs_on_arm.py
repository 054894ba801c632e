"""The kinds that live behind Azure Resource Manager, each as something in the sandbox."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

from rotator.core.credential import Dependent, Secret
from rotator.core.sealed import Sealed, fingerprint
from rotator.engine.ports import Published
from rotator.sandbox import Sandbox
from tests.contract.rigs import Rig, Situation

VAULT, SECRET = "kv-1", "chat-key"
_numbers = itertools.count(1)


def publish(azure: Sandbox, value: str) -> Published:
    """A new version in the vault, in the engine's words."""
    version = azure.set_secret(VAULT, SECRET, value)
    return Published(
        secret=Secret(vault=azure.vault_url(VAULT), name=SECRET),
        version=version.id,
        fingerprint=fingerprint(value),
        value=Sealed(value),
        since=version.created.replace(microsecond=0),
    )


def old_value() -> str:
    return f"an old value {next(_numbers)}"


def secret_url(azure: Sandbox, version: str = "") -> str:
    return f"{azure.vault_url(VAULT)}/secrets/{SECRET}" + (f"/{version}" if version else "")


def reference(azure: Sandbox, version: str = "") -> str:
    return f"@Microsoft.KeyVault(SecretUri={secret_url(azure, version)})"


def situation(
    azure: Sandbox, kind: str, parameters: dict[str, Any], consumer: Any, path: tuple[str, ...], neighbours: Callable[[], object]
) -> Situation:
    async def settle() -> None:
        azure.pass_time(1)

    return Situation(
        dependent=Dependent(name="app", kind=kind, parameters={"format": "{key}", **parameters}),
        published=lambda value: publish(azure, value),
        held=lambda: azure.holds(consumer.id, *path),
        neighbours=lambda: copy.deepcopy(neighbours()),
        settle=settle,
    )


async def ready(azure: Sandbox) -> str:
    """A vault whose secret has a first value. Returns that value."""
    await azure.add_vault(VAULT)
    value = old_value()
    azure.set_secret(VAULT, SECRET, value)
    return value


# --- App Service ------------------------------------------------------------------------------------------------------------


def site_rig(name: str, *, slot: str = "", by_reference: bool) -> Rig:
    async def build(azure: Sandbox) -> Situation:
        old = await ready(azure)
        settings = {"KEY": reference(azure) if by_reference else old, "OTHER": "of somebody else", "REGION": "westeurope"}
        site = azure.add_consumer("site", "chat-api" + (f"/slots/{slot}" if slot else ""), settings=settings)
        return situation(
            azure, "app-service", {"site": site.id, "setting": "KEY"}, site, ("KEY",), lambda: {**site.settings, "KEY": by_reference}
        )

    of = "Microsoft.Web/sites/slots" if slot else "Microsoft.Web/sites"
    reads = {"ListAppSettings": f"{of}/config/list/action", **({"GetAppSettingReference": f"{of}/config/read"} if by_reference else {})}
    return Rig(
        name=name,
        kind="app-service",
        build=build,
        writes={"RefreshReferences" if by_reference else "SetAppSettings": f"{of}/config/write"},
        reads=reads,
    )


# --- Container Apps ---------------------------------------------------------------------------------------------------------


def container_rig(name: str, *, job: bool, by_reference: bool) -> Rig:
    kind = "container-app-job" if job else "container-app"

    async def build(azure: Sandbox) -> Situation:
        old = await ready(azure)
        mine = {"name": "key", "keyVaultUrl": secret_url(azure), "identity": "system"} if by_reference else {"name": "key", "value": old}
        others = [{"name": "database", "value": "of somebody else"}, {"name": "mail", "value": "another"}]
        app = azure.add_consumer("job" if job else "container_app", "chat-worker", secrets=[others[0], mine, others[1]])
        parameters = {"job" if job else "app": app.id, "secret": "key"}

        def neighbours() -> object:
            return [one if one["name"] != "key" else {**one, "value": None} for one in app.secrets]

        made = situation(azure, kind, parameters, app, ("key",), neighbours)

        async def settle() -> None:
            """A job's next execution begins and ends."""
            azure.pass_time(1)
            if job:
                app.execute(azure.state)
                azure.pass_time(1)
                app.replicas[-1].ended_at = azure.state.now()

        def held() -> str | None:
            return app.replicas[-1].holds["key"] if job and app.replicas else made.held()

        return Situation(dependent=made.dependent, published=made.published, held=held, neighbours=made.neighbours, settle=settle)

    of, noun = ("Microsoft.App/jobs", "Job") if job else ("Microsoft.App/containerApps", "ContainerApp")
    reads = {f"Get{noun}": f"{of}/read", f"List{noun}Secrets": f"{of}/listSecrets/action"}
    reads |= {"ListExecutions": f"{of}/executions/read"} if job else {"ListRevisions": f"{of}/revisions/read"}
    reads |= {} if job else {"ListReplicas": f"{of}/revisions/replicas/read"}
    writes = {f"Update{noun}": f"{of}/write"} | ({} if job else {"RestartRevision": f"{of}/revisions/restart/action"})
    return Rig(name=name, kind=kind, build=build, writes=writes, reads=reads)


# --- Container Instances ----------------------------------------------------------------------------------------------------

OTHER_SECURE, REGISTRY_PASSWORD = "of somebody else", "of the registry"


def group_content(old: str) -> dict[str, Any]:
    variables = [{"name": "KEY", "secureValue": old}, {"name": "OTHER", "secureValue": OTHER_SECURE}, {"name": "REGION", "value": "we"}]
    container = {"name": "chat", "properties": {"image": "example.azurecr.io/chat", "environmentVariables": variables}}
    registry = {"server": "example.azurecr.io", "username": "pull", "password": REGISTRY_PASSWORD}
    properties = {"osType": "Linux", "containers": [container], "imageRegistryCredentials": [registry], "futureProperty": {"kept": True}}
    return {"location": "westeurope", "tags": {"team": "chat"}, "properties": properties}


def group_neighbours(content: dict[str, Any]) -> object:
    shown = copy.deepcopy(content)
    for variable in shown["properties"]["containers"][0]["properties"]["environmentVariables"]:
        if variable["name"] == "KEY":
            variable["secureValue"] = None
    shown["tags"] = {name: value for name, value in shown["tags"].items() if not name.startswith("rotator-")}
    return shown


async def build_group(azure: Sandbox) -> Situation:
    group = azure.add_consumer("container_group", "chat-group", content=group_content(await ready(azure)))
    secure = {"OTHER": "env:OTHER", "registry/example.azurecr.io": "env:REGISTRY"}
    parameters = {"group": group.id, "variable": "KEY", "container": None, "secure": secure}
    return situation(azure, "container-instance", parameters, group, ("KEY",), lambda: group_neighbours(group.content))


GROUP = Rig(
    name="container-instance",
    kind="container-instance",
    build=build_group,
    writes={"SetContainerGroup": "Microsoft.ContainerInstance/containerGroups/write"},
    reads={"GetContainerGroup": "Microsoft.ContainerInstance/containerGroups/read"},
)

# --- API Management ---------------------------------------------------------------------------------------------------------


def _apim(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    service = name.split("/namedValues/")[0].split("/backends/")[0]
    return {"service": service, "named_value": None, "backend": None, "header": None, "query": None, **parameters}


def named_value_rig(name: str, *, by_reference: bool) -> Rig:
    async def build(azure: Sandbox) -> Situation:
        old = await ready(azure)
        held = {"keyVault": {"secretIdentifier": secret_url(azure), "identityClientId": None}} if by_reference else {"value": old}
        gate = azure.add_consumer("named_value", "chat-key", properties={"displayName": "chat", "secret": True, "tags": ["ai"], **held})

        def neighbours() -> object:
            return {name: value for name, value in gate.properties.items() if name != "value"}

        return situation(azure, "api-management", _apim(gate.id, {"named_value": "chat-key"}), gate, (), neighbours)

    of = "Microsoft.ApiManagement/service/namedValues"
    move = {"RefreshNamedValue": f"{of}/refreshSecret/action"} if by_reference else {"UpdateNamedValue": f"{of}/write"}
    reads = {"GetNamedValue": f"{of}/read", **({} if by_reference else {"ListNamedValue": f"{of}/listValue/action"})}
    return Rig(name=name, kind="api-management", build=build, writes=move, reads=reads)


async def build_backend(azure: Sandbox) -> Situation:
    header = {"api-key": [await ready(azure)], "x-tenant": ["one", "two"]}
    properties = {"url": "https://chat.example", "protocol": "http", "credentials": {"header": header, "query": {"code": ["of another"]}}}
    gate = azure.add_consumer("backend", "chat-backend", properties=properties)

    def neighbours() -> object:
        credentials = gate.properties["credentials"]
        return {**gate.properties, "credentials": {**credentials, "header": {**credentials["header"], "api-key": None}}}

    parameters = _apim(gate.id, {"backend": "chat-backend", "header": "Api-Key"})
    return situation(azure, "api-management", parameters, gate, ("header", "api-key"), neighbours)


BACKEND = Rig(
    name="api-management-backend",
    kind="api-management",
    build=build_backend,
    writes={"UpdateBackend": "Microsoft.ApiManagement/service/backends/write"},
    reads={"GetBackend": "Microsoft.ApiManagement/service/backends/read"},
)

# --- connections ------------------------------------------------------------------------------------------------------------


def connection_rig(name: str, kind: str, noun: str, writes: dict[str, str], reads: dict[str, str], *, proven: bool) -> Rig:
    async def build(azure: Sandbox) -> Situation:
        properties = {
            "authType": "ApiKey",
            "category": "AzureOpenAI",
            "target": "https://chat.example",
            "isSharedToAll": True,
            "metadata": {"ApiType": "azure", "ResourceId": "/of/somebody"},
            "futureProperty": "kept",
            "credentials": {"key": await ready(azure)},
        }
        connection = azure.add_consumer(noun, "chat", properties=properties)

        def neighbours() -> object:
            shown = {name: value for name, value in connection.properties.items() if name != "credentials"}
            return {**shown, "metadata": {name: value for name, value in shown["metadata"].items() if not name.startswith("rotator-")}}

        return situation(azure, kind, {"connection": connection.id}, connection, (), neighbours)

    return Rig(name=name, kind=kind, build=build, writes=writes, reads=reads, proven=proven)


# --- Data Factory -----------------------------------------------------------------------------------------------------------


async def build_linked_service(azure: Sandbox) -> Situation:
    secure = {"type": "SecureString", "value": await ready(azure)}
    properties = {
        "type": "RestService",
        "annotations": ["of somebody"],
        "connectVia": {"referenceName": "runtime", "type": "IntegrationRuntimeReference"},
        "typeProperties": {"url": "https://chat.example", "futureProperty": True, "authHeaders": {"api-key": secure}},
    }
    service = azure.add_consumer("linked_service", "chat-rest", properties=properties)
    parameters = {"linked_service": service.id, "property": "authHeaders.api-key"}

    def neighbours() -> object:
        shown = copy.deepcopy(service.properties)
        shown["typeProperties"]["authHeaders"]["api-key"] = None
        shown["annotations"] = [note for note in shown["annotations"] if not note.startswith("rotator-")]
        return shown

    return situation(azure, "data-factory", parameters, service, ("authHeaders", "api-key"), neighbours)


LINKED_SERVICE = Rig(
    name="data-factory",
    kind="data-factory",
    build=build_linked_service,
    writes={"SetLinkedService": "Microsoft.DataFactory/factories/linkedservices/write"},
    reads={"GetLinkedService": "Microsoft.DataFactory/factories/linkedservices/read"},
    proven=False,
)

_FOUNDRY = "Microsoft.CognitiveServices/accounts"
_WORKSPACE = "Microsoft.MachineLearningServices/workspaces/connections"

RIGS: tuple[Rig, ...] = (
    site_rig("app-service-reference", by_reference=True),
    site_rig("app-service-plain", by_reference=False),
    site_rig("app-service-slot-reference", slot="staging", by_reference=True),
    site_rig("app-service-slot-plain", slot="staging", by_reference=False),
    container_rig("container-app-reference", job=False, by_reference=True),
    container_rig("container-app-plain", job=False, by_reference=False),
    container_rig("container-app-job-reference", job=True, by_reference=True),
    container_rig("container-app-job-plain", job=True, by_reference=False),
    GROUP,
    named_value_rig("api-management-reference", by_reference=True),
    named_value_rig("api-management-plain", by_reference=False),
    BACKEND,
    connection_rig(
        "foundry-account-connection",
        "foundry-connection",
        "foundry_connection",
        {"UpdateConnection": f"{_FOUNDRY}/connections/write"},
        {"GetConnection": f"{_FOUNDRY}/connections/read"},
        proven=False,
    ),
    connection_rig(
        "foundry-project-connection",
        "foundry-connection",
        "project_connection",
        {"UpdateConnection": f"{_FOUNDRY}/projects/connections/write"},
        {"GetConnection": f"{_FOUNDRY}/projects/connections/read"},
        proven=False,
    ),
    connection_rig(
        "machine-learning-connection",
        "machine-learning-connection",
        "workspace_connection",
        {"SetWorkspaceConnection": f"{_WORKSPACE}/write"},
        {"ListConnectionSecrets": f"{_WORKSPACE}/listsecrets/action"},
        proven=True,
    ),
    LINKED_SERVICE,
)
