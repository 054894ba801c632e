"""A plain Secret and its workloads: each trap of the facts."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.faults import Conflict, Denied, Rejected
from rotator.core.snapshot import Adoption
from rotator.dependents.rollouts import mark_of
from tests.elsewhere.conftest import dependent, pod

if TYPE_CHECKING:
    from rotator.core.credential import Dependent
    from tests.elsewhere.conftest import Estate

KIND = "kubernetes-secret"
OLD = "an old value"


def furnish(estate: Estate, *, how: str = "env", rollout: str = "deployment/chat", **about: Any) -> tuple[Dependent, Any]:
    """A Secret, a workload on it, and the dependent that is both."""
    spec = about.pop("spec", {})
    secret = about.pop("secret", {})
    parameters = about.pop("parameters", {})
    estate.azure.add_consumer("cluster_secret", "prod/chat", data={"key": OLD, "database": "of somebody else"}, **secret)
    made = estate.azure.add_consumer("workload", f"prod/{rollout}", spec=pod(how=how, replicas=2, **spec), **about)
    return dependent(KIND, **estate.in_cluster(), secret="chat", field="key", rollouts=[rollout], **parameters), made


def held(estate: Estate, made: Any, how: str = "env") -> str | None:
    return estate.azure.holds(made.id, how, "chat", "key")


async def test_a_variable_is_read_at_the_start_of_a_pod_alone_so_its_workload_is_restarted(estate: Estate) -> None:
    one, made = furnish(estate, takes_s=30)
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    assert held(estate, made) == OLD
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    estate.azure.pass_time(31)
    found = await estate.look(one, new)
    assert (found.adoption, found.running) == (Adoption.PROVEN, new.fingerprint)
    assert "deployment/chat 2/2" in found.seen
    assert held(estate, made) == "a new value"


async def test_a_restart_under_way_is_not_started_over(estate: Estate) -> None:
    one, made = furnish(estate, takes_s=300)
    new = estate.publish("a new value")
    for _ in range(3):
        await estate.kind(KIND).deliver(one, new)
    assert made.rollouts == 1


async def test_a_process_that_died_between_the_secret_and_the_restart_is_followed_by_the_restart(estate: Estate) -> None:
    one, made = furnish(estate)
    new = estate.publish("a new value")
    estate.azure.fault("PatchWorkload", "drop-before")
    with pytest.raises(Exception, match="patch of deployment/chat"):
        await estate.kind(KIND).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    await estate.kind(KIND).deliver(one, new)
    assert (made.rollouts, held(estate, made)) == (1, "a new value")


async def test_a_rollout_that_is_stuck_is_stale_and_says_so(estate: Estate) -> None:
    one, made = furnish(estate, stuck=True)
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    estate.azure.pass_time(601)
    found = await estate.look(one, new)
    assert found.adoption is Adoption.STALE
    assert "ProgressDeadlineExceeded" in found.because
    assert held(estate, made) == OLD
    await estate.kind(KIND).deliver(one, new)
    assert made.rollouts == 1, "a stuck rollout is not started over"


@pytest.mark.parametrize(
    ("rollout", "spec", "told"),
    [
        ("deployment/chat", {"paused": True}, "kubectl rollout resume"),
        ("statefulset/chat", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete: delete its pods by hand"),
        ("daemonset/chat", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete: delete its pods by hand"),
    ],
)
async def test_what_keeps_new_pods_from_ever_coming_is_said(estate: Estate, rollout: str, spec: dict[str, Any], told: str) -> None:
    one, made = furnish(estate, rollout=rollout, spec=spec)
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    found = await estate.look(one, new)
    assert found.adoption is Adoption.STALE
    assert told in found.because
    assert held(estate, made) == OLD


async def test_what_reloader_restarts_is_not_restarted_twice(estate: Estate) -> None:
    one, made = furnish(estate, annotations={"reloader.stakater.com/auto": "true"})
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.PROVEN
    assert made.rollouts == 1
    assert "kubectl.kubernetes.io/restartedAt" not in str(made.object["spec"]["template"])


async def test_reloader_is_given_its_time_again_after_a_secret_was_set_back(estate: Estate) -> None:
    one, made = furnish(estate, annotations={"reloader.stakater.com/auto": "true"})
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    old = {"data": {"key": base64.b64encode(OLD.encode()).decode()}}
    estate.cluster.patch(("secrets", "prod", "chat"), old, estate.azure.state)
    estate.cluster.reloader = False
    await estate.kind(KIND).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.STALE, "the template is still the one of the value that was set back"
    assert held(estate, made) == OLD


async def test_reloader_that_is_not_installed_is_not_waited_for_for_ever(estate: Estate) -> None:
    estate.cluster.reloader = False
    one, made = furnish(estate, annotations={"secret.reloader.stakater.com/reload": "other, chat"})
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    assert made.rollouts == 0
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    mark = mark_of("chat", "key")
    note = made.object["metadata"]["annotations"][mark]
    made.object["metadata"]["annotations"][mark] = " ".join([*note.split(" ")[:2], "2020-01-01T00:00:00+00:00"])
    await estate.kind(KIND).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.PROVEN
    assert made.rollouts == 1


async def test_an_immutable_secret_cannot_be_edited(estate: Estate) -> None:
    one, _ = furnish(estate, secret={"immutable": True})
    new = estate.publish("a new value")
    assert "immutable" in (await estate.look(one, new)).because
    with pytest.raises(Rejected) as refused:
        await estate.kind(KIND).deliver(one, new)
    assert "without `immutable`" in refused.value.remedy
    assert estate.arrivals("PatchClusterSecret") == 0


async def test_a_secret_that_an_operator_writes_is_left_to_it(estate: Estate) -> None:
    owner = {"apiVersion": "v1", "kind": "ExternalSecret", "name": "chat-from-vault", "uid": "u"}
    one, _ = furnish(estate, secret={"metadata": {"ownerReferences": [owner]}})
    with pytest.raises(Rejected, match="ExternalSecret chat-from-vault, which would set it back"):
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))


@pytest.mark.parametrize("how", ["env", "subPath"])
async def test_where_nothing_is_restarted_a_variable_and_a_sub_path_never_change(estate: Estate, how: str) -> None:
    one, made = furnish(estate, how=how, parameters={"restart": False})
    new = estate.publish("a new value")
    with pytest.raises(Rejected) as refused:
        await estate.kind(KIND).deliver(one, new)
    assert "restart: true" in refused.value.remedy
    estate.azure.pass_time(3600)
    assert held(estate, made, how) == OLD
    found = await estate.look(one, new)
    assert found.adoption is Adoption.STALE
    assert f"by {how}, which never changes" in found.because


async def test_a_volume_follows_after_the_kubelets_sync_and_is_only_claimed(estate: Estate) -> None:
    one, made = furnish(estate, how="volume", parameters={"restart": False})
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    assert (made.rollouts, held(estate, made, "volume")) == (0, OLD)
    assert (await estate.look(one, new)).adoption is Adoption.CLAIMED
    estate.azure.pass_time(91)
    assert held(estate, made, "volume") == "a new value"


async def test_a_sub_path_is_new_in_a_new_pod(estate: Estate) -> None:
    one, made = furnish(estate, how="subPath")
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.PROVEN
    assert held(estate, made, "subPath") == "a new value"


async def test_somebody_who_writes_the_secret_meanwhile_loses_nothing(estate: Estate) -> None:
    one, _ = furnish(estate)
    key = ("secrets", "prod", "chat")
    theirs = {"data": {"database": base64.b64encode(b"theirs").decode()}}
    estate.azure.meanwhile("GetClusterSecret", lambda: estate.cluster.patch(key, theirs, estate.azure.state))
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.PROVEN
    assert base64.b64decode(estate.cluster.objects[key]["data"]["database"]) == b"theirs"
    assert estate.arrivals("PatchClusterSecret") == 2, "the first was refused by its resourceVersion"


async def test_somebody_who_keeps_writing_is_not_fought_for_ever(estate: Estate) -> None:
    one, _ = furnish(estate)
    key = ("secrets", "prod", "chat")
    theirs = {"metadata": {"annotations": {"touched": "yes"}}}
    for _ in range(20):
        estate.azure.meanwhile("GetClusterSecret", lambda: estate.cluster.patch(key, theirs, estate.azure.state))
    with pytest.raises(Conflict):
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert estate.arrivals("PatchClusterSecret") == 3


async def test_a_secret_that_was_set_back_and_put_right_restarts_its_workloads_again(estate: Estate) -> None:
    one, made = furnish(estate)
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    old = {"data": {"key": base64.b64encode(OLD.encode()).decode()}}
    estate.cluster.patch(("secrets", "prod", "chat"), old, estate.azure.state)
    await estate.kind(KIND).deliver(one, new)
    assert made.rollouts == 2


@pytest.mark.parametrize(
    ("denied", "permission"),
    [("secrets/patch", "secrets/patch"), ("deployments/patch", "deployments/patch"), ("secrets/get", "secrets/get")],
)
async def test_what_the_role_lacks_is_named(estate: Estate, denied: str, permission: str) -> None:
    one, _ = furnish(estate)
    estate.cluster.denied.add(denied)
    with pytest.raises(Denied) as refused:
        await estate.kind(KIND).deliver(one, estate.publish("a new value"))
    assert f"grant {permission}" in refused.value.remedy


async def test_a_workload_that_does_not_read_the_secret_is_restarted_and_proves_nothing(estate: Estate) -> None:
    one, _ = furnish(estate)
    estate.azure.add_consumer("workload", "prod/deployment/other", spec=pod("another"))
    one.parameters["rollouts"].append("deployment/other")
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    found = await estate.look(one, new)
    assert (found.adoption, "deployment/other gets Secret chat by no variable" in found.because) == (Adoption.CLAIMED, True)


async def test_a_key_inside_a_document_keeps_its_neighbours(estate: Estate) -> None:
    estate.azure.add_consumer("cluster_secret", "prod/chat", data={"key": '{"endpoint": "https://x", "key": "an old value"}'})
    one = dependent(KIND, **estate.in_cluster(), secret="chat", field="key", format='{"key": "{key}"}')
    new = estate.publish("a new value")
    await estate.kind(KIND).deliver(one, new)
    found = await estate.look(one, new)
    assert (found.adoption, "no rollout is named" in found.because) == (Adoption.CLAIMED, True)
    data = estate.cluster.objects["secrets", "prod", "chat"]["data"]["key"]
    assert base64.b64decode(data).decode() == '{"endpoint": "https://x", "key": "a new value"}'


async def test_an_app_on_a_deployment_fails_no_call(estate: Estate) -> None:
    account = estate.azure.add_account("chat-prod")
    one, made = furnish(estate)
    old = {"data": {"key": base64.b64encode(account.keys["key1"].encode()).decode()}}
    estate.cluster.patch(("secrets", "prod", "chat"), old, estate.azure.state)
    made.start(estate.cluster, estate.azure.state)
    app = estate.azure.add_app("chat", "chat-prod", made.id, ("env", "chat", "key"))
    await estate.kind(KIND).deliver(one, estate.publish(account.keys["key2"]))
    estate.azure.regenerate("chat-prod", "key1")
    calls = app.calls
    for _ in range(100):
        await asyncio.sleep(0.02)
        if app.calls >= calls + 3:
            break
    assert app.calls >= calls + 3
    assert (app.failed, app.last_status) == (0, 200)


@pytest.mark.parametrize("place", [{"kubeconfig": "nowhere.yaml"}, {}])
async def test_a_cluster_that_cannot_be_reached_is_unseen_with_what_to_write(estate: Estate, place: dict[str, str]) -> None:
    one = dependent(KIND, **place, namespace="prod", secret="chat", field="key")
    found = await estate.look(one, estate.publish("a new value"))
    assert found.adoption is Adoption.UNSEEN
    assert "`kubeconfig:`" in found.because
