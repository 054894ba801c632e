"""The kinds that live behind Azure Resource Manager.

Azure checks access to a *linked* resource where the body of a write names it, and only there: so `az containerapp update` asked for
`managedEnvironments/join/action` while it sent the environment's id, and no more since it leaves that out (microsoft/azure-container-apps
issue 530, Azure/azure-cli-extensions pull request 6276; the refusal is called LinkedAuthorizationFailed). What our writes name, hence:

- container apps and jobs: a PATCH of `configuration.secrets` alone, with neither the environment nor `identity`: nothing linked. (A secret
  by reference carries the id of an identity that the app has already. No check of that one is documented; the doctor cannot tell.)
- container groups: a PUT of the whole, with `identity.userAssignedIdentities` and `subnetIds`. The first asks for
  `userAssignedIdentities/assign/action` (Azure's built-in role Managed Identity Operator; refusals of this wording for container apps'
  PUT in Azure/azure-cli-extensions issue 9990, for scale sets in Azure/aad-pod-identity issue 613, for groups in the comments of public
  templates that make them). The second asks for `subnets/join/action` (Azure's reference of ContainerSandboxGroupSubnetReference in
  Microsoft.ContainerInstance: the caller must have it, by a linked access check at create and update). A log workspace goes by its id
  and key: nothing linked.
- App Service: `config/appsettings` holds settings alone; VNet integration, identities and `keyVaultReferenceIdentity` are in other parts
  of the site. API Management: named values and backends, not the service, whose own PUT does join its subnet (Azure/azure-cli issue 23447).
  Data Factory: a linked service refers to credentials and vaults by name inside the factory. Connections: their own fields. Nothing linked.

The kill switch's PATCH of an account names `disableLocalAuth` alone: neither network rules (`joinViaServiceEndpoint/action`), nor
identities, nor a customer's key.
"""

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from rotator.core.template import MARK
from rotator.settings.forms import Format, Reference, pattern
from rotator.settings.kinds.declaration import Declaration, DependentSettings, Permission, arm_id

_SETTING = r"^[A-Za-z_][A-Za-z0-9_.:-]{0,255}$"
_STORED = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
_ENTITY = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,255}$"
_HEADER = r"^[A-Za-z0-9_-]{1,255}$"
_FIELD = r"^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9_-]+)*$"
_SECURE = r"^(registry/[^/]+|workspace/[^/]+|volume/[^/]+(/[^/]+)?|[^/]+/[A-Za-z_][A-Za-z0-9_.-]*|[A-Za-z_][A-Za-z0-9_.-]*)$"


def _word(form: str, hint: str) -> tuple[object, object]:
    return pattern(form, hint), WithJsonSchema({"type": "string", "pattern": form})


SettingName = Annotated[str, *_word(_SETTING, "not a setting's name: letters, digits, '_', '.', ':' and '-'")]
SecretName = Annotated[str, *_word(_STORED, "not the name of a Container Apps secret: lower-case letters, digits, '-' and '.'")]
Entity = Annotated[str, *_word(_ENTITY, "not a name: letters, digits, '_' and '-'")]
HeaderName = Annotated[str, *_word(_HEADER, "not the name of a header or of a query parameter")]
FieldPath = Annotated[str, *_word(_FIELD, "not a path in the linked service's typeProperties, like key or authHeaders.api-key")]
SecureName = Annotated[
    str, *_word(_SECURE, "not VARIABLE, CONTAINER/VARIABLE, registry/SERVER, volume/NAME, volume/NAME/FILE or workspace/ID")
]

FORMAT = Field(default=MARK, description="How the key stands in a plain value: by default alone, whatever form the vault's secret has.")


class AppService(DependentSettings):
    """App Service, Functions or Logic Apps Standard: one setting of a site, or of a slot (each slot is a dependent of its own)."""

    kind: Literal["app-service"]
    site: arm_id("Microsoft.Web", "sites", "slots?")  # type: ignore[valid-type]
    setting: SettingName
    format: Format = FORMAT


class ContainerApp(DependentSettings):
    """Azure Container Apps: one secret of an app."""

    kind: Literal["container-app"]
    app: arm_id("Microsoft.App", "containerApps")  # type: ignore[valid-type]
    secret: SecretName
    format: Format = FORMAT


class ContainerAppJob(DependentSettings):
    """Azure Container Apps: one secret of a job."""

    kind: Literal["container-app-job"]
    job: arm_id("Microsoft.App", "jobs")  # type: ignore[valid-type]
    secret: SecretName
    format: Format = FORMAT


class ContainerInstance(DependentSettings):
    """Azure Container Instances: one environment variable of a group's containers."""

    kind: Literal["container-instance"]
    group: arm_id("Microsoft.ContainerInstance", "containerGroups")  # type: ignore[valid-type]
    variable: Annotated[str, *_word(r"^[A-Za-z_][A-Za-z0-9_.-]*$", "not an environment variable's name")]
    container: Entity | None = Field(default=None, description="Only in this container; by default in each that has the variable.")
    secure: dict[SecureName, Reference] = Field(
        default={},
        description="Every other value of the group that Azure does not give back, and that a change has to send again, by reference.",
    )
    format: Format = FORMAT


class ApiManagement(DependentSettings):
    """API Management: a named value, or a header or query parameter that a backend is called with."""

    kind: Literal["api-management"]
    service: arm_id("Microsoft.ApiManagement", "service")  # type: ignore[valid-type]
    named_value: Entity | None = None
    backend: Entity | None = None
    header: HeaderName | None = None
    query: HeaderName | None = None
    format: Format = FORMAT

    @model_validator(mode="after")
    def _one(self) -> "ApiManagement":
        named, backend = self.named_value is not None, self.backend is not None
        if named == backend or (backend + named) != 1 or ((self.header is not None) + (self.query is not None)) != backend:
            raise PydanticCustomError("either", "needs either named_value, or backend with one of header and query")
        return self


class FoundryConnection(DependentSettings):
    """AI Foundry: an API-key connection of an account or of a project."""

    kind: Literal["foundry-connection"]
    connection: arm_id("Microsoft.CognitiveServices", "accounts", "projects?", "connections")  # type: ignore[valid-type]
    format: Format = FORMAT


class MachineLearningConnection(DependentSettings):
    """Azure Machine Learning: an API-key connection of a workspace (or of a hub)."""

    kind: Literal["machine-learning-connection"]
    connection: arm_id("Microsoft.MachineLearningServices", "workspaces", "connections")  # type: ignore[valid-type]
    format: Format = FORMAT


class DataFactory(DependentSettings):
    """Data Factory: one secret property of a linked service."""

    kind: Literal["data-factory"]
    linked_service: arm_id("Microsoft.DataFactory", "factories", "linkedservices")  # type: ignore[valid-type]
    property: FieldPath
    format: Format = FORMAT


_ACI = "Microsoft.ContainerInstance/containerGroups"
_APIM = "Microsoft.ApiManagement/service"
_ML = "Microsoft.MachineLearningServices/workspaces/connections"
_ADF = "Microsoft.DataFactory/factories/linkedservices"


def _web(action: str, only_for: str = "") -> Permission:
    return Permission(action=f"Microsoft.Web/sites/{action}", at="site", only_for=only_for)


def _slot(action: str, only_for: str = "") -> Permission:
    return Permission(action=f"Microsoft.Web/sites/slots/{action}", at="site", only_for=", ".join(filter(None, ("slots", only_for))))


ON_ARM = (
    Declaration(
        parameters=AppService,
        reads="an app setting: a Key Vault reference without a version, or a plain one",
        moves="a reference: Azure's refresh call; a plain setting: list, merge, write all, read back",
        proof="a reference: `Resolved` and its active version; a plain setting: its fingerprint",
        needs=(
            *(_web(action) for action in ("config/list/action", "config/read")),
            _web("config/write"),
            *(_slot(action) for action in ("config/list/action", "config/read", "config/write")),
        ),
        module="app_service",
        extra="app-service",
    ),
    Declaration(
        parameters=ContainerApp,
        reads="a secret: a Key Vault URL without a version, or a plain value",
        moves="writes all secrets again, then restarts the active revisions",
        proof="the secret's fingerprint, and every replica younger than the value in a healthy revision",
        needs=(
            Permission(action="Microsoft.App/containerApps/read", at="app"),
            Permission(action="Microsoft.App/containerApps/write", at="app"),
            Permission(action="Microsoft.App/containerApps/listSecrets/action", at="app"),
            Permission(action="Microsoft.App/containerApps/revisions/read", at="app"),
            Permission(action="Microsoft.App/containerApps/revisions/replicas/read", at="app"),
            Permission(action="Microsoft.App/containerApps/revisions/restart/action", at="app"),
        ),
        module="container_app",
        extra="container-apps",
    ),
    Declaration(
        parameters=ContainerAppJob,
        reads="a secret: a Key Vault URL without a version, or a plain value",
        moves="writes all secrets again; the next execution reads them",
        proof="the secret's fingerprint: *Claimed*, and *Proven* once an execution began after it and succeeded",
        needs=(
            Permission(action="Microsoft.App/jobs/read", at="job"),
            Permission(action="Microsoft.App/jobs/write", at="job"),
            Permission(action="Microsoft.App/jobs/listSecrets/action", at="job"),
            Permission(action="Microsoft.App/jobs/executions/read", at="job"),
        ),
        module="container_app_job",
        extra="container-apps",
    ),
    Declaration(
        parameters=ContainerInstance,
        reads="an environment variable, as a rule a secure one",
        moves="writes the whole group with every secure value supplied again; Azure restarts it",
        proof="the group's own mark of the value, and each container started after it",
        needs=(
            Permission(action=f"{_ACI}/read", at="group"),
            Permission(action=f"{_ACI}/write", at="group"),
            Permission(
                action="Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
                at="group",
                only_for="groups with a user-assigned identity, on that identity",
                linked="identity.userAssignedIdentities",
            ),
            Permission(
                action="Microsoft.Network/virtualNetworks/subnets/join/action",
                at="group",
                only_for="groups in a virtual network, on their subnet",
                linked="properties.subnetIds",
            ),
        ),
        module="container_instance",
        extra="container-instances",
        api_version="2023-05-01",
    ),
    Declaration(
        parameters=ApiManagement,
        reads="a named value (a Key Vault reference without a version, or plain), or a backend's credentials",
        moves="a reference: Azure's refresh call; plain: a write with the ETag",
        proof="a reference: the time and status of its last fetch; plain: its fingerprint",
        needs=(
            Permission(action=f"{_APIM}/namedValues/read", at="service", only_for="named values"),
            Permission(action=f"{_APIM}/namedValues/refreshSecret/action", at="service", only_for="named values by reference"),
            Permission(action=f"{_APIM}/namedValues/listValue/action", at="service", only_for="plain named values"),
            Permission(action=f"{_APIM}/namedValues/write", at="service", only_for="plain named values"),
            Permission(action=f"{_APIM}/backends/read", at="service", only_for="backends"),
            Permission(action=f"{_APIM}/backends/write", at="service", only_for="backends"),
        ),
        module="api_management",
        extra="api-management",
    ),
    Declaration(
        parameters=FoundryConnection,
        reads="an API-key connection",
        moves="updates the connection, resending what it is and where it leads",
        proof="*Claimed*: its key is write-only; the connection's own mark says which value was written",
        needs=(
            Permission(action="Microsoft.CognitiveServices/accounts/connections/read", at="connection", only_for="account connections"),
            Permission(action="Microsoft.CognitiveServices/accounts/connections/write", at="connection", only_for="account connections"),
            Permission(
                action="Microsoft.CognitiveServices/accounts/projects/connections/read", at="connection", only_for="project connections"
            ),
            Permission(
                action="Microsoft.CognitiveServices/accounts/projects/connections/write", at="connection", only_for="project connections"
            ),
        ),
        module="foundry_connection",
    ),
    Declaration(
        parameters=MachineLearningConnection,
        reads="an API-key connection",
        moves="updates the connection, resending what it is and where it leads",
        proof="its fingerprint, read back",
        needs=(
            Permission(action=f"{_ML}/read", at="connection"),
            Permission(action=f"{_ML}/listsecrets/action", at="connection"),
            Permission(action=f"{_ML}/write", at="connection"),
        ),
        module="machine_learning_connection",
    ),
    Declaration(
        parameters=DataFactory,
        reads="a property of a linked service: a Key Vault reference, or a SecureString",
        moves="a reference: nothing to do; plain: a write with the ETag",
        proof="a reference without a version: read at each activity; plain: *Claimed* (write-only), by the linked service's own mark",
        needs=(
            Permission(action=f"{_ADF}/read", at="linked_service"),
            Permission(action=f"{_ADF}/write", at="linked_service", only_for="plain values"),
        ),
        module="data_factory",
        extra="data-factory",
    ),
)
"""In the order of the README's table."""
