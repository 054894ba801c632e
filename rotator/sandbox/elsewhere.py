"""What runs on keys outside Resource Manager: a Kubernetes cluster, GitHub, App Configuration, Azure DevOps, webhooks.

Promises: each has a port of its own and one place here; tokens are made at run time and are worth nothing outside.
Never: HTTP; the surfaces do that.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from rotator.sandbox.cluster import Cluster, Operator
from rotator.sandbox.cluster_api import ClusterApi
from rotator.sandbox.configurations import REFERENCE_TYPE, ConfigurationApi, Reader, Store
from rotator.sandbox.devops import DevOps, DevOpsApi, Library
from rotator.sandbox.github_secrets import GitHub, GitHubApi, Hidden, scope_of
from rotator.sandbox.receivers import Receiver, ReceiverApi, Watched
from rotator.sandbox.wire import Surface
from rotator.sandbox.workloads import PLURALS

if TYPE_CHECKING:
    from rotator.sandbox.state import State

SURFACES: tuple[Callable[["State"], Surface], ...] = (ClusterApi, GitHubApi, ConfigurationApi, DevOpsApi, ReceiverApi)


@dataclass(slots=True, kw_only=True)
class Elsewhere:
    """`watched` are the health URLs, by the name of the app."""

    cluster: Cluster
    github: GitHub
    store: Store
    devops: DevOps
    watched: dict[str, Watched] = field(default_factory=dict)


def build(seed: int) -> Elsewhere:
    random = Random(f"{seed}/elsewhere")

    def phrase() -> str:
        return f"{random.getrandbits(240):060x}"

    return Elsewhere(
        cluster=Cluster(token=phrase()),
        github=GitHub(token=phrase()),
        store=Store(id=phrase()[:8], secret=base64.b64encode(phrase().encode()).decode()),
        devops=DevOps(token=phrase()),
    )


def place(state: "State", noun: str, name: str, about: dict[str, Any]) -> Any:
    """Put one there. What it is named by is told beside each noun."""
    made = _NOUNS[noun](state, name, about)
    if hasattr(made, "id"):
        state.consumers[made.id.lower()] = made
    return made


def _secret(state: "State", name: str, about: dict[str, Any]) -> Any:
    """NAMESPACE/NAME; data as plain text, and whatever else the object says."""
    namespace, plain = name.split("/")
    data = {field_: base64.b64encode(value.encode()).decode() for field_, value in about.pop("data").items()}
    object_ = {"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": data, **about}
    return state.elsewhere.cluster.put(("secrets", namespace, plain), object_, state)


def _workload(state: "State", name: str, about: dict[str, Any]) -> Any:
    """NAMESPACE/deployment/NAME; a spec with its pod template, and the knobs of a Workload."""
    namespace, kind, plain = name.split("/")
    return state.elsewhere.cluster.add_workload(PLURALS[kind], namespace, plain, dict(about), state)


def _external_secret(state: "State", name: str, about: dict[str, Any]) -> Any:
    """NAMESPACE/NAME; the vault's URL and a spec."""
    namespace, plain = name.split("/")
    cluster, key = state.elsewhere.cluster, ("externalsecrets", namespace, plain)
    cluster.operators[key] = Operator(vault=about["vault"], takes_s=about.get("takes_s", 0.0))
    object_ = {"kind": "ExternalSecret", "apiVersion": "external-secrets.io/v1", "spec": about["spec"]}
    made = cluster.put(key, object_, state)
    cluster.look(state)
    return made


def _provider_class(state: "State", name: str, about: dict[str, Any]) -> Any:
    """NAMESPACE/NAME; the vault's URL, the objects that are mounted, and which of them a Secret is kept of."""
    namespace, plain = name.split("/")
    cluster, key = state.elsewhere.cluster, ("secretproviderclasses", namespace, plain)
    array = json.dumps({"array": [json.dumps(one) for one in about["objects"]]})
    spec = {"provider": "azure", "parameters": {"objects": array}, "secretObjects": about.get("secret_objects", [])}
    cluster.vaults[key] = about["vault"]
    return cluster.put(key, {"kind": "SecretProviderClass", "apiVersion": "secrets-store.csi.x-k8s.io/v1", "spec": spec}, state)


def _hidden(state: "State", name: str, about: dict[str, Any]) -> Any:
    """NAME; repository or organisation, environment, app, and the value."""
    scope = scope_of(about.get("repository"), about.get("organisation"), about.get("environment"), about.get("app", "actions"))
    now = state.now()
    made = Hidden(
        id=f"github:{scope}/{name}",
        name=name,
        value=about["value"],
        created_at=now,
        updated_at=now,
        visibility=about.get("visibility"),
        repositories=list(about.get("repositories", [])),
    )
    state.elsewhere.github.scope(scope).secrets[name] = made
    return made


def _setting(state: "State", name: str, about: dict[str, Any]) -> Any:
    """KEY; a label, and a value or the URI of a secret."""
    reference = {"value": json.dumps({"uri": about["uri"]}), "content_type": REFERENCE_TYPE} if "uri" in about else {}
    content = {"value": about.get("value"), "tags": about.get("tags"), **reference}
    return state.elsewhere.store.put(name, about.get("label"), content, state.now())


def _reader(state: "State", name: str, about: dict[str, Any]) -> Any:
    """NAME; the key that it reads and the sentinel that it watches."""
    sentinel = (about["sentinel"], None) if about.get("sentinel") else None
    return Reader(id=f"reader:{name}", key=(about["key"], about.get("label")), sentinel=sentinel)


def _library(state: "State", name: str, about: dict[str, Any]) -> Any:
    """Its number or id; what it is, with its secrets, and the vault's URL where a group is linked."""
    object_ = dict(about["object"])
    sort = "group" if "variables" in object_ else "connection"
    made = Library(id=f"devops:{name}", number=name, sort=sort, object=object_, modified_at=state.now(), vault=about.get("vault", ""))
    state.elsewhere.devops.library[name] = made
    return made


def _receiver(state: "State", name: str, about: dict[str, Any]) -> Any:
    """NAME; the signing secret, and the knobs of a Receiver."""
    return Receiver(id=f"receiver:{name}", **about)


def _watched(state: "State", name: str, about: dict[str, Any]) -> Any:
    """NAME; the consumer's id, and where its key stands."""
    state.elsewhere.watched[name] = Watched(consumer=about["consumer"], path=tuple(about.get("path", ())))
    return state.elsewhere.watched[name]


_NOUNS: dict[str, Callable[["State", str, dict[str, Any]], Any]] = {
    "cluster_secret": _secret,
    "workload": _workload,
    "external_secret": _external_secret,
    "provider_class": _provider_class,
    "github_secret": _hidden,
    "key_value": _setting,
    "reader": _reader,
    "library": _library,
    "receiver": _receiver,
    "health": _watched,
}
NOUNS = tuple(_NOUNS)


def kubeconfig(state: "State", url: str, ca: bytes) -> dict[str, Any]:
    """What a client of the cluster is configured with."""
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(ca).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": cluster}],
        "users": [{"name": "rotator", "user": {"token": state.elsewhere.cluster.token}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "rotator"}}],
        "current-context": "sandbox",
    }
