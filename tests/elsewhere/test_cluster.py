"""The Kubernetes client, mocked and autospecced: which calls are sent, and what its errors become."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import create_autospec

import aiohttp
import pytest
from kubernetes_asyncio.client import ApiClient, ApiException, AppsV1Api, CoreV1Api, CustomObjectsApi

from rotator.core.faults import Ambiguous, Conflict, Denied, Missing, Rejected, Throttled, Transient
from rotator.core.snapshot import Adoption
from rotator.dependents.cluster import MERGE, Cluster, cluster_faults
from rotator.dependents.kubernetes_secret import KubernetesSecret
from rotator.dependents.rollouts import RESTARTED_AT, mark_of
from tests.elsewhere.conftest import VALUE, dependent, pod, published

if TYPE_CHECKING:
    from rotator.dependents import Tools

TIMEOUT = aiohttp.ClientTimeout(total=7)
NEW = published()
MARK = mark_of("chat", "key")
ONE = dependent("kubernetes-secret", namespace="prod", secret="chat", field="key", rollouts=["deployment/chat"])


@pytest.fixture
def cluster() -> Cluster:
    core, apps = create_autospec(CoreV1Api, instance=True), create_autospec(AppsV1Api, instance=True)
    custom = create_autospec(CustomObjectsApi, instance=True)
    return Cluster(core=core, apps=apps, custom=custom, plain=lambda found: found, timeout=TIMEOUT)


@pytest.fixture
def kind(tools: Tools, cluster: Cluster) -> KubernetesSecret:
    @contextlib.asynccontextmanager
    async def opened(parameters: Mapping[str, Any], tools: Tools) -> AsyncIterator[Cluster]:
        yield cluster

    return KubernetesSecret(tools, opened=opened)


def answers(method: Any, found: Any) -> None:
    """The client's methods are plain functions that return what is awaited."""

    async def answer() -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    method.side_effect = lambda *_, **__: answer()


def secret(value: str, version: str = "17") -> dict[str, Any]:
    return {"metadata": {"name": "chat", "resourceVersion": version}, "data": {"key": base64.b64encode(value.encode()).decode()}}


def deployment(marked: str = "", **status: Any) -> dict[str, Any]:
    spec = pod(replicas=2)
    spec["template"]["metadata"]["annotations"] = {MARK: marked} if marked else {}
    counts = {"observedGeneration": 5, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {"metadata": {"generation": 5, "annotations": {}}, "spec": spec, "status": {**counts, **status}}


async def test_one_field_is_patched_under_the_version_that_was_read_and_then_the_template(kind: KubernetesSecret, cluster: Any) -> None:
    answers(cluster.core.read_namespaced_secret, secret("an old value"))
    answers(cluster.apps.read_namespaced_deployment, deployment())
    answers(cluster.core.patch_namespaced_secret, None)
    answers(cluster.apps.patch_namespaced_deployment, None)
    await kind.deliver(ONE, NEW)
    data = {"key": base64.b64encode(VALUE.encode()).decode()}
    cluster.core.patch_namespaced_secret.assert_called_once_with(
        "chat", "prod", {"metadata": {"resourceVersion": "17"}, "data": data}, _content_type=MERGE, _request_timeout=TIMEOUT
    )
    (name, namespace, change), options = cluster.apps.patch_namespaced_deployment.call_args
    annotations = change["spec"]["template"]["metadata"]["annotations"]
    assert (name, namespace, options["_content_type"]) == ("chat", "prod", MERGE)
    assert (annotations[MARK], set(annotations)) == (NEW.fingerprint, {MARK, RESTARTED_AT})
    assert datetime.now(UTC) - datetime.fromisoformat(annotations[RESTARTED_AT]) < timedelta(minutes=1)


async def test_a_refused_version_that_nobody_changed_is_not_sent_again(kind: KubernetesSecret, cluster: Any) -> None:
    answers(cluster.core.read_namespaced_secret, secret("an old value"))
    answers(cluster.apps.read_namespaced_deployment, deployment())
    answers(cluster.core.patch_namespaced_secret, ApiException(status=409))
    with pytest.raises(Conflict):
        await kind.deliver(ONE, NEW)
    cluster.core.patch_namespaced_secret.assert_called_once()


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": 4},
        {"updatedReplicas": 1},
        {"availableReplicas": 1},
        {"availableReplicas": None},
        {"replicas": 3},
        {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]},
    ],
)
async def test_a_rollout_that_is_not_through_proves_nothing(kind: KubernetesSecret, cluster: Any, status: dict[str, Any]) -> None:
    answers(cluster.core.read_namespaced_secret, secret(VALUE))
    answers(cluster.apps.read_namespaced_deployment, deployment(NEW.fingerprint, **status))
    assert (await kind.adoption(ONE, NEW)).adoption is Adoption.STALE


async def test_a_rollout_for_another_value_proves_nothing(kind: KubernetesSecret, cluster: Any) -> None:
    answers(cluster.core.read_namespaced_secret, secret(VALUE))
    for marked, adoption in (("", Adoption.STALE), ("of another value", Adoption.STALE), (NEW.fingerprint, Adoption.PROVEN)):
        answers(cluster.apps.read_namespaced_deployment, deployment(marked))
        assert (await kind.adoption(ONE, NEW)).adoption is adoption


async def test_a_deployment_without_pods_runs_on_nothing_old(kind: KubernetesSecret, cluster: Any) -> None:
    answers(cluster.core.read_namespaced_secret, secret(VALUE))
    none = {"replicas": None, "updatedReplicas": None, "availableReplicas": None}
    found = deployment(NEW.fingerprint, **none)
    found["spec"]["replicas"] = 0
    answers(cluster.apps.read_namespaced_deployment, found)
    assert (await kind.adoption(ONE, NEW)).adoption is Adoption.PROVEN


@pytest.mark.parametrize(
    ("status", "reading", "writing"),
    [
        (400, Rejected, Rejected),
        (401, Denied, Denied),
        (403, Denied, Denied),
        (404, Missing, Missing),
        (409, Conflict, Conflict),
        (422, Rejected, Rejected),
        (429, Throttled, Throttled),
        (500, Transient, Ambiguous),
        (504, Transient, Ambiguous),
    ],
)
def test_what_an_answer_becomes(status: int, reading: type[Exception], writing: type[Exception]) -> None:
    for mutates, fault in ((False, reading), (True, writing)):
        error: Any = ApiException(status=status)
        error.body, error.headers = '{"message": "Invalid value: a key"}', {"Retry-After": "3"}
        with pytest.raises(fault) as raised, cluster_faults("Secret chat", needs="secrets/get", mutates=mutates):
            raise error
        assert "a key" not in f"{raised.value} {raised.value.__cause__}"


def test_a_refused_right_is_named() -> None:
    with pytest.raises(Denied) as raised, cluster_faults("Secret chat", needs="secrets/get"):
        raise ApiException(status=403)
    assert raised.value.remedy == "grant secrets/get to rotator's user with a Role and a RoleBinding"


@pytest.mark.parametrize("names", [("chat", "key"), ("x" * 200, "key"), ("chat.v1", "openai_key"), ("chat", "key_")])
def test_the_mark_is_an_annotations_name(names: tuple[str, ...]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,61}[A-Za-z0-9]", mark_of(*names))
    assert mark_of(*names) != mark_of(*names, "other")


def test_the_clients_word_for_content_types_is_one_that_it_takes() -> None:
    """Its type stubs do not know `_content_type`; its code does."""
    import inspect

    for method in (CoreV1Api.patch_namespaced_secret_with_http_info, CustomObjectsApi.patch_namespaced_custom_object_with_http_info):
        assert "'_content_type'" in inspect.getsource(method)
    assert hasattr(ApiClient, "sanitize_for_serialization")
