"""The kinds that do not live behind Azure Resource Manager, each as something in the sandbox."""

import base64
import copy
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from rotator.core.credential import Dependent, Secret
from rotator.core.sealed import Sealed, fingerprint
from rotator.core.snapshot import Adoption
from rotator.engine.ports import Published
from rotator.sandbox import Sandbox
from rotator.settings import parse
from tests.contract.rigs import Rig, Situation

VAULT, NAME, COPY = "kv-1", "chat-key", "kv-2"
LATER_S = 2
"""What passes between a publish and a delivery: more than the second that the vault and GitHub tell times in."""
SIGNING = "whsec_" + base64.b64encode(os.urandom(24)).decode()


def secrets(azure: Sandbox) -> dict[str, str]:
    """What stands behind the references of these rigs."""
    elsewhere = azure.elsewhere
    key = f"Endpoint={azure.url('app_configuration')};Id={elsewhere.store.id};Secret={elsewhere.store.secret}"
    return {
        "env:GITHUB_TOKEN": elsewhere.github.token,
        "env:DEVOPS_TOKEN": elsewhere.devops.token,
        "env:SIGNING": SIGNING,
        "env:STORE_KEY": key,
    }


def published(azure: Sandbox, value: str) -> Published:
    version = azure.set_secret(VAULT, NAME, value, tags={"rotator-fingerprint": fingerprint(value), "team": "chat"})
    azure.pass_time(LATER_S)
    return Published(
        secret=Secret(vault=azure.vault_url(VAULT), name=NAME),
        version=version.id,
        fingerprint=fingerprint(value),
        value=Sealed(value),
        since=version.created.replace(microsecond=0),
    )


def dependent(kind: str, **parameters: Any) -> Dependent:
    """As the settings make one: every parameter checked, and its defaults filled in."""
    account = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
    one = {"name": "x", "account": account, "secret": "https://kv/secrets/s", "dependents": [{"kind": kind, "name": "app", **parameters}]}
    return parse(yaml.safe_dump({"credentials": [one]}), "rig").credential_list()[0].dependents[0]


async def ready(azure: Sandbox) -> str:
    """A vault whose secret has a first value. Returns that value."""
    await azure.add_vault(VAULT)
    azure.set_secret(VAULT, NAME, "the first value", tags={"team": "chat"})
    azure.pass_time(LATER_S)
    return "the first value"


def situation(
    azure: Sandbox,
    one: Dependent,
    held: Callable[[], str | None],
    neighbours: Callable[[], object],
    *,
    vanish: Callable[[], object],
    settles_s: float = 1,
) -> Situation:
    async def settle() -> None:
        azure.pass_time(settles_s)

    return Situation(
        dependent=one,
        published=lambda value: published(azure, value),
        held=held,
        neighbours=lambda: copy.deepcopy(neighbours()),
        settle=settle,
        vanish=vanish,
    )


# --- Kubernetes -------------------------------------------------------------------------------------------------------------


def in_cluster(azure: Sandbox) -> dict[str, Any]:
    """The parameters that say where the cluster is; its kubeconfig lies beside the sandbox's certificate."""
    path = azure.ca_file.parent / "kubeconfig.yaml"
    path.write_text(yaml.safe_dump(azure.kubeconfig()), encoding="utf-8")
    return {"kubeconfig": str(path), "context": "sandbox", "namespace": "prod"}


def pod(secret: str, how: str = "env") -> dict[str, Any]:
    """A spec whose pods get one field of a Secret as a variable, as a file, or as a file that is mounted alone."""
    container: dict[str, Any] = {"name": "chat", "image": "chat:1"}
    volumes = [{"name": "key", "secret": {"secretName": secret}}] if how != "env" else []
    if how == "env":
        container["env"] = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": secret, "key": "key"}}}]
    else:
        container["volumeMounts"] = [{"name": "key", "mountPath": "/key", **({"subPath": "key"} if how == "subPath" else {})}]
    return {"template": {"metadata": {"labels": {"app": "chat"}}, "spec": {"containers": [container], "volumes": volumes}}}


def mounted(name: str) -> dict[str, Any]:
    driver = {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": name}}
    spec = {"containers": [{"name": "chat", "image": "chat:1"}], "volumes": [{"name": "vault", "csi": driver}]}
    return {"replicas": 2, "template": {"metadata": {}, "spec": spec}}


def cluster_neighbours(azure: Sandbox, secret: str = "chat") -> object:
    """Every other field and object; of the workload, what a person wrote."""
    cluster = azure.elsewhere.cluster
    data = {name: value for name, value in (cluster.objects[("secrets", "prod", secret)].get("data") or {}).items() if name != "key"}
    others = {key: one for key, one in cluster.objects.items() if key[2] == "other"}
    containers = [one.object["spec"]["template"]["spec"]["containers"][0]["image"] for one in cluster.workloads.values()]
    return data, others, containers


def cluster_rig(name: str, workload: str, *, reloader: bool = False) -> Rig:
    async def build(azure: Sandbox) -> Situation:
        old = await ready(azure)
        azure.add_consumer("cluster_secret", "prod/chat", data={"key": old, "database": "of somebody else"})
        azure.add_consumer("cluster_secret", "prod/other", data={"key": "another"})
        annotations = {"reloader.stakater.com/auto": "true"} if reloader else {}
        made = azure.add_consumer("workload", f"prod/{workload}", spec={"replicas": 2, **pod("chat")}, annotations=annotations)
        one = dependent("kubernetes-secret", **in_cluster(azure), secret="chat", field="key", rollouts=[workload])
        cluster = azure.elsewhere.cluster
        held = lambda: azure.holds(made.id, "env", "chat", "key")  # noqa: E731
        return situation(azure, one, held, lambda: cluster_neighbours(azure), vanish=cluster.objects.clear)

    resource = workload.split("/")[0] + "s"
    return Rig(
        name=name,
        kind="kubernetes-secret",
        build=build,
        writes={"PatchClusterSecret": "secrets/patch", "PatchWorkload": f"{resource}/patch"},
        reads={"GetClusterSecret": "secrets/get", "GetWorkload": f"{resource}/get"},
    )


async def build_external(azure: Sandbox) -> Situation:
    await ready(azure)
    data = [{"secretKey": "key", "remoteRef": {"key": NAME}}]
    spec = {"target": {"name": "chat"}, "data": data}
    azure.add_consumer("external_secret", "prod/chat-from-vault", vault=azure.vault_url(VAULT), spec=spec)
    made = azure.add_consumer("workload", "prod/deployment/chat", spec=pod("chat"))
    one = dependent("external-secret", **in_cluster(azure), external_secret="chat-from-vault", field="key", rollouts=["deployment/chat"])
    cluster = azure.elsewhere.cluster
    held = lambda: azure.holds(made.id, "env", "chat", "key")  # noqa: E731
    return situation(azure, one, held, lambda: cluster_neighbours(azure), vanish=cluster.objects.clear)


async def build_mounted(azure: Sandbox) -> Situation:
    await ready(azure)
    azure.add_consumer("provider_class", "prod/vault", vault=azure.vault_url(VAULT), objects=[{"objectName": NAME, "objectType": "secret"}])
    made = azure.add_consumer("workload", "prod/deployment/chat", spec=mounted("vault"))
    one = dependent("secrets-store-csi", **in_cluster(azure), provider_class="vault", object=NAME, rollouts=["deployment/chat"])
    cluster = azure.elsewhere.cluster
    cluster.driver_rotates = False
    held = lambda: azure.holds(made.id, "mount", "vault", NAME)  # noqa: E731
    return situation(azure, one, held, lambda: made.object["spec"]["template"]["spec"], vanish=cluster.objects.clear)


EXTERNAL = Rig(
    name="external-secret",
    kind="external-secret",
    build=build_external,
    writes={"PatchExternalSecret": "externalsecrets/patch", "PatchWorkload": "deployments/patch"},
    reads={"GetExternalSecret": "externalsecrets/get", "GetClusterSecret": "secrets/get", "GetWorkload": "deployments/get"},
)
MOUNTED = Rig(
    name="secrets-store-csi",
    kind="secrets-store-csi",
    build=build_mounted,
    writes={"PatchWorkload": "deployments/patch"},
    reads={
        "GetSecretProviderClass": "secretproviderclasses/get",
        "ListPodStatuses": "secretproviderclasspodstatuses/list",
        "GetWorkload": "deployments/get",
    },
)

# --- App Configuration ------------------------------------------------------------------------------------------------------


def store_rig(name: str, *, by_key: bool) -> Rig:
    async def build(azure: Sandbox) -> Situation:
        await ready(azure)
        azure.add_consumer("key_value", "Chat:Key", uri=f"{azure.vault_url(VAULT)}/secrets/{NAME}", tags={"team": "chat"})
        azure.add_consumer("key_value", "sentinel", value="1", tags={"watched": "yes"})
        azure.add_consumer("key_value", "Chat:Model", value="gpt-4o")
        reader = azure.add_consumer("reader", "chat", key="Chat:Key", sentinel="sentinel")
        how = {"connection_string": "env:STORE_KEY"} if by_key else {"audience": "https://appconfig.sandbox.invalid"}
        one = dependent("app-configuration", endpoint=azure.url("app_configuration"), key="Chat:Key", sentinel="sentinel", **how)
        store = azure.elsewhere.store

        def neighbours() -> object:
            return store.values["Chat:Model", None], [(one.key, one.content_type, one.tags) for one in store.values.values()]

        held = lambda: azure.holds(reader.id)  # noqa: E731
        azure.holds(reader.id)
        return situation(azure, one, held, neighbours, vanish=store.values.clear, settles_s=31)

    of = "Microsoft.AppConfiguration/configurationStores/keyValues"
    return Rig(
        name=name,
        kind="app-configuration",
        build=build,
        writes={"PutKeyValue": f"{of}/write", "PutSentinel": f"{of}/write"},
        reads={"GetKeyValue": f"{of}/read"},
        proven=False,
    )


# --- GitHub -----------------------------------------------------------------------------------------------------------------


def github_rig(name: str, needs: str, *, visibility: str | None = None, **place: str) -> Rig:
    async def build(azure: Sandbox) -> Situation:
        old = await ready(azure)
        given = list(range(1, 151)) if visibility == "selected" else []
        mine = azure.add_consumer("github_secret", "OPENAI_KEY", value=old, visibility=visibility, repositories=given, **place)
        other = azure.add_consumer("github_secret", "DATABASE", value="of somebody else", visibility=visibility, **place)
        one = dependent("github-secret", secret="OPENAI_KEY", token="env:GITHUB_TOKEN", api=azure.url("github_secrets"), **place)
        neighbours = lambda: (other, mine.visibility, mine.repositories)  # noqa: E731
        return situation(azure, one, lambda: azure.holds(mine.id), neighbours, vanish=azure.elsewhere.github.scopes.clear)

    return Rig(
        name=name,
        kind="github-secret",
        build=build,
        writes={"PutGitHubSecret": needs},
        reads={"GetGitHubSecret": needs},
        proven=False,
    )


# --- Azure DevOps -----------------------------------------------------------------------------------------------------------

CONNECTION = "6ac1f0bc-0000-4000-8000-3f6b9a7c2d11"
PROJECTS = [{"projectReference": {"id": "p", "name": "Chat"}, "name": "chat"}]


def group_object(old: str) -> dict[str, Any]:
    variables = {
        "KEY": {"value": old, "isSecret": True},
        "DATABASE": {"value": "of somebody else", "isSecret": True},
        "REGION": {"value": "westeurope"},
    }
    return {"name": "chat", "type": "Vsts", "variables": variables, "variableGroupProjectReferences": PROJECTS, "future": {"kept": True}}


def devops_rig(name: str, *, connection: bool) -> Rig:
    async def build(azure: Sandbox) -> Situation:
        old = await ready(azure)
        parameters = {"username": "chat", "password": old, "apitoken": "of somebody else"}
        endpoint = {
            "name": "chat",
            "type": "generic",
            "description": "For the chat.",
            "authorization": {"scheme": "UsernamePassword", "parameters": parameters},
            "serviceEndpointProjectReferences": PROJECTS,
        }
        object_ = endpoint if connection else group_object(old)
        made = azure.add_consumer("library", CONNECTION if connection else "7", object=object_)
        about = {"organisation": f"{azure.url('azure_devops')}/contoso", "project": "Chat"}
        which = {"connection": CONNECTION} if connection else {"variable_group": 7, "variable": "KEY", "token": "env:DEVOPS_TOKEN"}
        path = "password" if connection else "KEY"

        def neighbours() -> object:
            whole = copy.deepcopy(made.object)
            whole.pop("description", None)
            (whole["authorization"]["parameters"] if connection else whole["variables"]).pop(path)
            whole.get("variables", {}).pop("ROTATOR_FINGERPRINT_KEY", None)
            return whole

        one = dependent("azure-devops", **about, **which)
        return situation(azure, one, lambda: azure.holds(made.id, path), neighbours, vanish=azure.elsewhere.devops.library.clear)

    needs = "Service connections: Administrator of the connection" if connection else "Library: Administrator of the variable group"
    noun = "ServiceConnection" if connection else "VariableGroup"
    return Rig(name=name, kind="azure-devops", build=build, writes={f"Put{noun}": needs}, reads={f"Get{noun}": needs}, proven=False)


# --- another vault ----------------------------------------------------------------------------------------------------------


async def build_copy(azure: Sandbox) -> Situation:
    old = await ready(azure)
    await azure.add_vault(COPY)
    azure.set_secret(COPY, NAME, old, tags={"region": "west"})
    azure.set_secret(COPY, "other", "of somebody else")

    def held() -> str | None:
        return azure.secret(COPY, NAME)[-1].value if azure.secret(COPY, NAME) else None

    def neighbours() -> object:
        tags = azure.secret(COPY, NAME)[-1].tags
        return [one.value for one in azure.secret(COPY, "other")], tags["region"]

    one = dependent("key-vault", secret=f"{azure.vault_url(COPY)}/secrets/{NAME}")
    return situation(azure, one, held, neighbours, vanish=azure.state.vaults[COPY].secrets.clear)


COPY_RIG = Rig(
    name="key-vault",
    kind="key-vault",
    build=build_copy,
    writes={"SetSecret": "Microsoft.KeyVault/vaults/secrets/setSecret/action"},
    reads={"GetSecret": "Microsoft.KeyVault/vaults/secrets/getSecret/action"},
)

# --- webhook, command, health -----------------------------------------------------------------------------------------------


def webhook_rig(name: str, *, answers: str, looks: bool) -> Rig:
    async def build(azure: Sandbox) -> Situation:
        old = await ready(azure)
        made = azure.add_consumer("receiver", "chat", signing=SIGNING, answers=answers, looks=looks, value=old, version="an older one")
        one = dependent("webhook", url=f"{azure.url('receiver')}/hooks/chat", secret="env:SIGNING")
        return situation(azure, one, lambda: azure.holds(made.id), lambda: made.keys_seen, vanish=azure.state.consumers.clear)

    return Rig(
        name=name,
        kind="webhook",
        build=build,
        writes={"DeliverWebhook": "the signing secret"},
        reads={"LookWebhook": "the signing secret"},
        proven=answers != "nothing",
        gone=Adoption.STALE,
    )


MOVES = """
import sys
from pathlib import Path
Path(sys.argv[1]).write_text(sys.stdin.read())
"""
PRINTS = """
import base64, hashlib, sys
from pathlib import Path
value = Path(sys.argv[1]).read_text()
digest = hashlib.sha256(b"rotator/fingerprint/1\\0" + value.encode()).digest()[:16]
print("runs on", base64.b32encode(digest).decode().rstrip("=").lower())
"""


def command_rig(name: str, *, checks: bool) -> Rig:
    async def build(azure: Sandbox) -> Situation:
        old = await ready(azure)
        place = azure.ca_file.parent / "held"
        place.write_text(old)
        check = {"check": [sys.executable, "-c", PRINTS, str(place)]} if checks else {}
        one = dependent("command", command=[sys.executable, "-c", MOVES, str(place)], timeout="30s", **check)
        return situation(azure, one, lambda: place.read_text() if place.exists() else None, lambda: None, vanish=lambda: _gone(place))

    return Rig(name=name, kind="command", build=build, writes={}, proven=checks, gone=Adoption.UNSEEN if checks else Adoption.STALE)


def _gone(place: Path) -> None:
    place.unlink()
    place.mkdir()


async def build_health(azure: Sandbox) -> Situation:
    """An app whose file the driver brings up to date by itself, and that says which version it has."""
    await ready(azure)
    azure.add_consumer("provider_class", "prod/vault", vault=azure.vault_url(VAULT), objects=[{"objectName": NAME}])
    made = azure.add_consumer("workload", "prod/deployment/chat", spec=mounted("vault"))
    azure.add_consumer("health", "chat", consumer=made.id, path=("mount", "vault", NAME))
    one = dependent("health", url=f"{azure.url('receiver')}/health/chat", field="key.version")
    vanish = azure.elsewhere.watched.clear
    held = lambda: azure.holds(made.id, "mount", "vault", NAME)  # noqa: E731
    return situation(azure, one, held, lambda: json.dumps(made.object["spec"]), vanish=vanish, settles_s=121)


HEALTH = Rig(name="health", kind="health", build=build_health, writes={}, reads={"Health": "GET of the health URL"})

RIGS: tuple[Rig, ...] = (
    cluster_rig("kubernetes-secret, a deployment", "deployment/chat"),
    cluster_rig("kubernetes-secret, a daemon set", "daemonset/chat"),
    cluster_rig("kubernetes-secret, with Reloader", "statefulset/chat", reloader=True),
    EXTERNAL,
    MOUNTED,
    store_rig("app-configuration", by_key=False),
    store_rig("app-configuration, by access key", by_key=True),
    github_rig("github-secret, Actions", "Secrets: write", repository="contoso/chat"),
    github_rig("github-secret, Dependabot", "Dependabot secrets: write", repository="contoso/chat", app="dependabot"),
    github_rig("github-secret, an environment", "Environments: write", repository="contoso/chat", environment="prod"),
    github_rig("github-secret, an organisation", "Organization secrets: write", organisation="contoso", visibility="selected"),
    devops_rig("azure-devops, a variable group", connection=False),
    devops_rig("azure-devops, a service connection", connection=True),
    COPY_RIG,
    webhook_rig("webhook, by its version", answers="version", looks=True),
    webhook_rig("webhook, by its fingerprint", answers="fingerprint", looks=True),
    webhook_rig("webhook, that says nothing", answers="nothing", looks=False),
    command_rig("command, with a check", checks=True),
    command_rig("command", checks=False),
    HEALTH,
)
