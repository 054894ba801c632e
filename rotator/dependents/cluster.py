"""A Kubernetes cluster, through kubernetes_asyncio: opened for one look or one delivery, so that a token is never older than that.

Promises that every call has a bound, that a refusal names the verb and the resource that a role must allow, and that no body of the API
(it may hold a Secret) reaches a log or a traceback.
"""

import base64
import binascii
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, ApiException, AppsV1Api, Configuration, CoreV1Api, CustomObjectsApi

from rotator.azure.answers import lost
from rotator.azure.wire import never_again
from rotator.core.faults import Ambiguous, Conflict, Denied, Fault, Missing, Rejected, Throttled, Transient
from rotator.core.sealed import Fingerprint
from rotator.dependents.https import pause
from rotator.dependents.tools import Tools
from rotator.dependents.views import fingerprint_in

MERGE = "application/merge-patch+json"
"""A patch that touches the fields it names and no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The three APIs that the kinds need. `plain` turns a model of the client into JSON's own types; `timeout` is that of every call."""

    core: CoreV1Api
    apps: AppsV1Api
    custom: CustomObjectsApi
    plain: Callable[[Any], Any]
    timeout: aiohttp.ClientTimeout

    @property
    def reading(self) -> dict[str, Any]:
        return {"_request_timeout": self.timeout}

    @property
    def merging(self) -> dict[str, Any]:
        """The client takes `_content_type`, and its type stubs do not know it."""
        return {"_request_timeout": self.timeout, "_content_type": MERGE}


Open = Callable[[Mapping[str, Any], Tools], AbstractAsyncContextManager[Cluster]]


@contextlib.asynccontextmanager
async def open_cluster(parameters: Mapping[str, Any], tools: Tools) -> AsyncIterator[Cluster]:
    """The cluster that `kubeconfig` and `context` name; without a kubeconfig, the one that this pod runs in.

    Raises:
        Rejected: the kubeconfig cannot be used, or this is no pod.
    """
    logging.getLogger("kubernetes_asyncio.client.rest").setLevel(logging.INFO)  # at DEBUG it writes whole answers: Secrets
    async with ApiClient(configuration=await _configuration(parameters, tools.directory)) as client, _once(client):
        core, apps, custom = CoreV1Api(client), AppsV1Api(client), CustomObjectsApi(client)
        timeout = tools.azure.probes.timeout
        yield Cluster(core=core, apps=apps, custom=custom, plain=client.sanitize_for_serialization, timeout=timeout)


@contextlib.asynccontextmanager
async def _once(client: ApiClient) -> AsyncIterator[None]:
    """aiohttp sends some requests again by itself, after a connection that broke; here none."""
    own = client.rest_client.pool_manager
    shared: dict[str, Any] = {"connector": own.connector, "connector_owner": False, "trust_env": True, "middlewares": (never_again,)}
    async with own, aiohttp.ClientSession(read_bufsize=2**21, **shared) as session:
        client.rest_client.pool_manager = session
        yield


async def _configuration(parameters: Mapping[str, Any], directory: Path) -> Configuration:
    where, found = parameters.get("kubeconfig"), Configuration()
    try:
        if where is None:
            config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
        else:
            path = str(directory / Path(where).expanduser())
            await config.load_kube_config(path, parameters.get("context"), client_configuration=found, persist_config=False)
    except (config.ConfigException, OSError, ValueError, LookupError, TypeError) as error:
        told = f"kubeconfig {where}" if where else "the service account of this pod"
        remedy = "name a kubeconfig and its context with `kubeconfig:` and `context:`; without, rotator must run in a pod of the cluster"
        raise Rejected(f"{told}: cannot be used ({type(error).__name__})", remedy=remedy) from None
    return found


@contextlib.contextmanager
def cluster_faults(what: str, *, needs: str, mutates: bool = False) -> Iterator[None]:
    """Whatever the client raises, as a fault. `needs` is the resource and the verb that a 403 asks for (`secrets/get`)."""
    try:
        yield
    except ApiException as error:
        fault = _fault(what, error, needs, mutates)
        error.body = error.headers = None  # its text would carry them into a traceback
        raise fault from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise lost(what, error, mutates) from error
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        kind = Ambiguous if mutates else Transient
        raise kind(f"{what}: the answer is not of the documented form ({type(error).__name__})") from None


def _fault(what: str, error: ApiException, needs: str, mutates: bool) -> Fault:
    told = f"{what}: {error.status}"
    match error.status:
        case 401:
            return Denied(told, remedy=f"the cluster does not accept our token; its user needs {needs}")
        case 403:
            return Denied(told, remedy=f"grant {needs} to rotator's user with a Role and a RoleBinding")
        case 404:
            return Missing(told, remedy="correct namespace and names in the settings")
        case 409:
            return Conflict(told)
        case 429:
            return Throttled(told, until=datetime.now(UTC) + pause(error.headers or {}))
        case int(status) if status >= 500 or status == 408:
            return Ambiguous(told) if mutates else Transient(told)
        case _:
            return Rejected(told)


def moment(said: object) -> datetime | None:
    """A time as the API or a custom resource says it, aware."""
    if isinstance(said, datetime):
        return said if said.tzinfo else said.replace(tzinfo=UTC)
    if not isinstance(said, str):
        return None
    try:
        return moment(datetime.fromisoformat(said))
    except ValueError:
        return None


def is_recent(said: object, within: timedelta) -> bool:
    """Whether a time that the cluster or we wrote lies no longer back than this."""
    then = moment(said)
    return then is not None and datetime.now(UTC) - then < within


# --- Secrets: whoever writes them, what they hold is told by its fingerprint --------------------------------------------------


async def read_secret(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    with cluster_faults(f"Secret {name} in {namespace}", needs="secrets/get"):
        found = await cluster.core.read_namespaced_secret(name, namespace, **cluster.reading)
        plain: dict[str, Any] = cluster.plain(found)
        if not plain["metadata"]["resourceVersion"]:
            raise ValueError("no version")
        return plain


def text_of(secret: Mapping[str, Any], field: str) -> str | None:
    try:
        return base64.b64decode((secret.get("data") or {})[field]).decode()
    except (KeyError, binascii.Error, UnicodeDecodeError):
        return None


async def held(cluster: Cluster, namespace: str, name: str, field: str, form: str) -> Fingerprint | None:
    """The fingerprint of what a Secret holds; None where it, its field or a key in it is not there."""
    try:
        text = text_of(await read_secret(cluster, namespace, name), field)
    except Missing:
        return None
    return None if text is None else fingerprint_in(text, form)
