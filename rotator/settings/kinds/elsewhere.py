"""The kinds that do not live behind Azure Resource Manager."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError

from rotator.core.template import MARK
from rotator.settings.forms import Duration, Format, Reference, Url, fits, pattern, positive
from rotator.settings.kinds.declaration import Declaration, DependentSettings, FieldOfJson, Permission

_OBJECT = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
_NAMESPACE = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_DATA = r"^[A-Za-z0-9._-]{1,253}$"
_ROLLOUT = r"^(deployment|statefulset|daemonset)/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
_OWNER = r"^[A-Za-z0-9][A-Za-z0-9-]{0,99}$"
_REPOSITORY = r"^[A-Za-z0-9][A-Za-z0-9-]{0,99}/[A-Za-z0-9._-]{1,100}$"
_GITHUB_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,255}$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_.-]{0,254}$"
_COPY = r"^https://[^?#]+/secrets/[0-9A-Za-z-]{1,127}$"
TIMEOUT_MAX = timedelta(minutes=4)
"""Shorter than the longest that one step may take, so that a command is ended by its own limit."""


def _word(form: str, hint: str) -> tuple[object, object]:
    return pattern(form, hint), WithJsonSchema({"type": "string", "pattern": form})


def _no_own_word(value: str) -> str:
    if value.upper().startswith("GITHUB_"):
        raise PydanticCustomError("form", "GitHub keeps names that begin with GITHUB_ to itself")
    return value


ObjectName = Annotated[str, *_word(_OBJECT, "not the name of a Kubernetes object")]
Namespace = Annotated[str, *_word(_NAMESPACE, "not the name of a namespace")]
DataField = Annotated[str, *_word(_DATA, "not the name of a field of a Secret: letters, digits, '.', '_' and '-'")]
RolloutName = Annotated[str, *_word(_ROLLOUT, "not deployment/NAME, statefulset/NAME or daemonset/NAME")]
Owner = Annotated[str, *_word(_OWNER, "not the name of an organisation")]
Repository = Annotated[str, *_word(_REPOSITORY, "not OWNER/NAME")]
GitHubName = Annotated[str, *_word(_GITHUB_NAME, "not a secret's name: letters, digits and '_'"), AfterValidator(_no_own_word)]
VariableName = Annotated[str, *_word(_VARIABLE, "not a variable's name")]
CopyUrl = Annotated[str, *_word(_COPY, "not a secret's URL without a version: https://VAULT.vault.azure.net/secrets/NAME")]
Text = Annotated[str, *_word(r"^[^\x00-\x1f]{1,256}$", "must be a text of one line")]
Argument = Annotated[str, *_word(r"^[^\x00]{1,4096}$", "must be a text")]

FORMAT = Field(default=MARK, description="How the key stands in the value: by default alone, whatever form the vault's secret has.")
ROLLOUTS: Any = Field(default=[], description="What is restarted once for each value, and seen through to its last pod.", max_length=50)


class _InCluster(DependentSettings):
    kubeconfig: Text | None = Field(default=None, description="Without one, the cluster that rotator's own pod runs in.")
    context: Text | None = None
    namespace: Namespace
    format: Format = FORMAT


class KubernetesSecret(_InCluster):
    """A plain Kubernetes Secret and the workloads that run on it."""

    kind: Literal["kubernetes-secret"]
    secret: ObjectName
    field: DataField
    rollouts: list[RolloutName] = ROLLOUTS
    restart: bool = Field(default=True, description="false where the app reads its mounted file again by itself.")


class ExternalSecret(_InCluster):
    """A Secret that the External Secrets Operator writes from the vault."""

    kind: Literal["external-secret"]
    external_secret: ObjectName
    field: DataField
    rollouts: list[RolloutName] = ROLLOUTS
    api_version: Literal["v1", "v1beta1"] = "v1"


class SecretsStore(_InCluster):
    """Pods that mount the vault through the Secrets Store CSI driver."""

    kind: Literal["secrets-store-csi"]
    provider_class: ObjectName
    object: Annotated[str, *_word(r"^[0-9A-Za-z-]{1,127}$", "not a vault secret's name")] | None = Field(
        default=None, description="The secret's name in the vault; by default that of the credential."
    )
    rollouts: list[RolloutName] = ROLLOUTS
    secret: ObjectName | None = Field(default=None, description="The synced Secret that variables come from (`secretObjects`).")
    field: DataField | None = None

    @model_validator(mode="after")
    def _both(self) -> "SecretsStore":
        if (self.secret is None) != (self.field is None):
            raise PydanticCustomError("both", "secret and field belong together")
        return self


class AppConfiguration(DependentSettings):
    """Azure App Configuration: a setting that refers to the vault, and the sentinel its readers watch."""

    kind: Literal["app-configuration"]
    endpoint: Url
    key: Text
    label: Text | None = None
    sentinel: Text | None = None
    sentinel_label: Text | None = None
    connection_string: Reference | None = Field(default=None, description="An access key of the store; by default rotator's identity.")
    audience: Url | None = Field(default=None, description="What a token is asked for; by default told from the endpoint.")


class GitHubSecret(DependentSettings):
    """A secret of GitHub: Actions or Dependabot, of a repository, an environment or an organisation."""

    kind: Literal["github-secret"]
    repository: Repository | None = None
    environment: Text | None = None
    organisation: Owner | None = None
    app: Literal["actions", "dependabot"] = "actions"
    secret: GitHubName
    token: Reference
    api: Url = "https://api.github.com"
    format: Format = FORMAT

    @model_validator(mode="after")
    def _one(self) -> "GitHubSecret":
        if (self.repository is None) == (self.organisation is None):
            raise PydanticCustomError("either", "needs either repository or organisation")
        if self.environment is not None and (self.repository is None or self.app != "actions"):
            raise PydanticCustomError("environment", "an environment belongs to a repository, and only Actions reads its secrets")
        return self


class AzureDevOps(DependentSettings):
    """Azure DevOps: a secret variable of a variable group, or the secret of a service connection."""

    kind: Literal["azure-devops"]
    organisation: Url
    project: Text
    variable_group: Text | Annotated[int, Field(ge=1, strict=True)] | None = None
    variable: VariableName | None = None
    connection: Annotated[str, *_word(r"^[0-9A-Fa-f-]{36}$", "not the id of a service connection")] | None = None
    parameter: VariableName = Field(default="password", description="Which of the connection's authorization parameters holds the key.")
    token: Reference | None = Field(default=None, description="A personal access token; by default rotator's identity.")
    format: Format = FORMAT

    @model_validator(mode="after")
    def _one(self) -> "AzureDevOps":
        if (self.variable_group is None) == (self.connection is None) or (self.variable is None) != (self.variable_group is None):
            raise PydanticCustomError("either", "needs either variable_group and variable, or connection")
        return self


class VaultCopy(DependentSettings):
    """Another Key Vault that holds a copy, in another region as a rule."""

    kind: Literal["key-vault"]
    secret: CopyUrl
    format: Format = FORMAT


class Webhook(DependentSettings):
    """Anything that answers a signed webhook. It is told the version, never the key."""

    kind: Literal["webhook"]
    url: Url
    secret: Reference = Field(description="The signing secret: whsec_ and base64, as Standard Webhooks says.")


class Command(DependentSettings):
    """A command of your own that gets the key on its standard input."""

    kind: Literal["command"]
    command: list[Argument] = Field(min_length=1, max_length=100)
    check: list[Argument] | None = Field(
        default=None, min_length=1, max_length=100, description="Asks only: gets no key, and prints the fingerprint of what runs."
    )
    timeout: Duration = timedelta(seconds=60)
    format: Format = FORMAT

    @field_validator("command", "check")
    @classmethod
    def _place(cls, value: list[str] | None) -> list[str] | None:
        if value and not fits(r"(/|\./|[A-Za-z]:).+", value[0]):
            raise PydanticCustomError(
                "place", "must begin with a path, like /usr/local/bin/NAME or ./NAME, and not with a name to search for"
            )
        return value

    @field_validator("timeout")
    @classmethod
    def _some(cls, value: timedelta) -> timedelta:
        if value > TIMEOUT_MAX:
            raise PydanticCustomError("timeout", "must not be longer than 4m")
        return positive(value)


class Health(DependentSettings):
    """An app that reads the vault by itself, and says at a health URL what it runs on."""

    kind: Literal["health"]
    url: Url
    status: Annotated[int, Field(ge=200, le=599, strict=True)] = 200
    field: FieldOfJson | None = None


def _in_cluster(resource: str, *verbs: str, only_for: str = "", at: str = "namespace") -> tuple[Permission, ...]:
    return tuple(Permission(action=f"{resource}/{verb}", at=at, only_for=only_for, system="Kubernetes") for verb in verbs)


_WORKLOADS = tuple(
    one for resource in ("deployments", "statefulsets", "daemonsets") for one in _in_cluster(resource, "get", "patch", only_for="rollouts")
)
_VALUES = "Microsoft.AppConfiguration/configurationStores/keyValues"
_VAULT = "Microsoft.KeyVault/vaults/secrets"

ELSEWHERE: tuple[Declaration, ...] = (
    Declaration(
        parameters=KubernetesSecret,
        reads="a plain Secret, as a variable (read at the start of a pod) or a volume",
        moves="patches one field under its resourceVersion, then restarts the rollouts (or leaves that to Reloader)",
        proof="the Secret's fingerprint, and every pod of every rollout new and available since",
        needs=(*_in_cluster("secrets", "get", "patch", at="secret"), *_WORKLOADS),
        module="kubernetes_secret",
        extra="kubernetes",
    ),
    Declaration(
        parameters=ExternalSecret,
        reads="a Secret that the External Secrets Operator writes",
        moves="annotates `force-sync`, waits for the operator, then restarts the rollouts",
        proof="the Secret's fingerprint, and every pod of every rollout new and available since",
        needs=(
            *_in_cluster("externalsecrets", "get", "patch", at="external_secret"),
            *_in_cluster("secrets", "get", at="external_secret"),
            *_WORKLOADS,
        ),
        module="external_secret",
        extra="kubernetes",
    ),
    Declaration(
        parameters=SecretsStore,
        reads="a volume of the Secrets Store CSI driver",
        moves="the driver polls by itself; the rollouts are restarted",
        proof="the vault's version in each pod that has it mounted",
        needs=(
            *_in_cluster("secretproviderclasses", "get", at="provider_class"),
            *_in_cluster("secretproviderclasspodstatuses", "list"),
            *_in_cluster("secrets", "get", at="secret", only_for="a synced Secret"),
            *_WORKLOADS,
        ),
        module="secrets_store",
        extra="kubernetes",
    ),
    Declaration(
        parameters=AppConfiguration,
        reads="a Key Vault reference, through a provider that watches a sentinel",
        moves="writes the reference with the version, then the sentinel, each under its ETag",
        proof="*Claimed*: the store does not know its readers; a `health` probe proves",
        needs=(
            Permission(action=f"{_VALUES}/read", at="endpoint", data=True),
            Permission(action=f"{_VALUES}/write", at="endpoint", data=True),
        ),
        module="app_configuration",
        extra="app-configuration",
    ),
    Declaration(
        parameters=GitHubSecret,
        reads="a secret of Actions or Dependabot, at each run",
        moves="seals it for GitHub's public key; an organisation's with its visibility and repositories",
        proof="*Claimed*: written after the version was published",
        needs=(
            Permission(action="Secrets: write", at="repository", only_for="a repository's Actions", system="GitHub"),
            Permission(action="Dependabot secrets: write", at="repository", only_for="a repository's Dependabot", system="GitHub"),
            Permission(action="Environments: write", at="repository", only_for="environments", system="GitHub"),
            Permission(action="Organization secrets: write", at="organisation", only_for="organisations", system="GitHub"),
            Permission(
                action="Organization dependabot secrets: write", at="organisation", only_for="an organisation's Dependabot", system="GitHub"
            ),
        ),
        module="github_secret",
        extra="github",
    ),
    Declaration(
        parameters=AzureDevOps,
        reads="a variable group or a service connection, at each run",
        moves="writes the whole object with one value changed, and reads it back; a group linked to the vault: nothing to do",
        proof="*Claimed*, by the fingerprint that stands beside it",
        needs=(
            Permission(
                action="Library: Administrator of the variable group",
                at="variable_group",
                only_for="variable groups",
                system="Azure DevOps",
            ),
            Permission(
                action="Service connections: Administrator of the connection",
                at="connection",
                only_for="service connections",
                system="Azure DevOps",
            ),
        ),
        module="azure_devops",
    ),
    Declaration(
        parameters=VaultCopy,
        reads="the current version of a copy in another vault",
        moves="sets the copy with the same tags, expiry and content type",
        proof="the fingerprint of what the copy holds",
        needs=(
            Permission(action=f"{_VAULT}/getSecret/action", at="secret", data=True),
            Permission(action=f"{_VAULT}/setSecret/action", at="secret", data=True),
        ),
        module="vault_copy",
    ),
    Declaration(
        parameters=Webhook,
        reads="the vault, when it is told to",
        moves="a POST signed by Standard Webhooks, with the version and never the key",
        proof="the app answers with its version or fingerprint; without, *Claimed*",
        needs=(Permission(action="the signing secret", at="url", system="the receiver"),),
        module="webhook",
    ),
    Declaration(
        parameters=Command,
        reads="whatever the command hands the key to",
        moves="runs the command with the key on its standard input",
        proof="it prints the fingerprint of what runs; exit 0 without, *Claimed*",
        needs=(Permission(action="execute", at="command", system="this machine"),),
        module="command",
    ),
    Declaration(
        parameters=Health,
        reads="the vault, by itself",
        moves="nothing to do",
        proof="a field of its health URL says the version or fingerprint; the status alone, *Claimed*",
        needs=(Permission(action="GET of the health URL", at="url", system="the app"),),
        module="health",
    ),
)
"""In the order of the README's table."""
