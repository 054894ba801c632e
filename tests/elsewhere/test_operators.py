"""The External Secrets Operator and the Secrets Store CSI driver: each trap of the facts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.faults import Rejected
from rotator.core.snapshot import Adoption
from rotator.dependents.secrets_store import PAGE
from tests.elsewhere.conftest import NAME, VAULT, dependent, mounted, pod

if TYPE_CHECKING:
    from rotator.core.credential import Dependent
    from tests.elsewhere.conftest import Estate

EXTERNAL, DRIVER = "external-secret", "secrets-store-csi"
OLD = "an old value"


def external(estate: Estate, *, reference: dict[str, str] | None = None, takes_s: float = 0, **spec: Any) -> tuple[Dependent, Any]:
    """An ExternalSecret, the Secret that it makes, and a deployment on that."""
    data = [{"secretKey": "key", "remoteRef": {"key": NAME, **(reference or {})}}]
    whole = {"target": {"name": "chat"}, "data": data, **spec}
    about = {"vault": estate.azure.vault_url(VAULT), "spec": whole}
    estate.azure.add_consumer("external_secret", "prod/chat-from-vault", **about)
    estate.cluster.operators["externalsecrets", "prod", "chat-from-vault"].takes_s = takes_s
    made = estate.azure.add_consumer("workload", "prod/deployment/chat", spec=pod())
    return dependent(EXTERNAL, **estate.in_cluster(), external_secret="chat-from-vault", field="key", rollouts=["deployment/chat"]), made


async def test_the_operator_is_made_to_look_and_then_the_pods_are_restarted(estate: Estate) -> None:
    one, made = external(estate)
    new = estate.publish("a new value")
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    await estate.kind(EXTERNAL).deliver(one, new)
    found = await estate.look(one, new)
    assert found.adoption is Adoption.PROVEN
    assert "Ready=True/SecretSynced" in found.seen
    assert estate.azure.holds(made.id, "env", "chat", "key") == "a new value"


async def test_a_sync_under_way_is_not_forced_again_and_the_restart_waits_for_it(estate: Estate) -> None:
    one, made = external(estate, takes_s=60)
    new = estate.publish("a new value")

    async def nobody_waits(seconds: float) -> None:
        return None

    estate.tools = replace(estate.tools, pause=nobody_waits)
    for _ in range(3):
        await estate.kind(EXTERNAL).deliver(one, new)
    assert (estate.arrivals("PatchExternalSecret"), made.rollouts) == (1, 0)
    assert (await estate.look(one, new)).because == "the operator has not written it yet"
    estate.azure.pass_time(61)
    await estate.kind(EXTERNAL).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.PROVEN


async def test_one_that_is_created_once_never_looks_again(estate: Estate) -> None:
    one, _ = external(estate, refreshPolicy="CreatedOnce")
    new = estate.publish("a new value")
    assert "CreatedOnce" in (await estate.look(one, new)).because
    with pytest.raises(Rejected, match="CreatedOnce"):
        await estate.kind(EXTERNAL).deliver(one, new)
    assert estate.arrivals("PatchExternalSecret") == 0


async def test_one_that_pins_a_version_never_moves(estate: Estate) -> None:
    version = estate.azure.secret(VAULT, NAME)[-1].id
    one, _ = external(estate, reference={"version": version})
    new = estate.publish("a new value")
    assert "pins version" in (await estate.look(one, new)).because
    with pytest.raises(Rejected, match="pins version"):
        await estate.kind(EXTERNAL).deliver(one, new)


async def test_what_the_operator_says_is_repeated(estate: Estate) -> None:
    one, _ = external(estate)
    new = estate.publish("a new value")
    estate.azure.secret(VAULT, NAME)[-1].enabled = False
    estate.cluster.operators["externalsecrets", "prod", "chat-from-vault"].synced_at = None
    found = await estate.look(one, new)
    assert (found.adoption, "SecretSyncedError" in found.because) == (Adoption.STALE, True)


# --- the driver -------------------------------------------------------------------------------------------------------------


def driven(estate: Estate, *, pinned: str = "", rollouts: bool = False, synced: bool = False) -> tuple[Dependent, Any]:
    """A class, two pods that mount it, and with `synced` a Secret that the driver keeps in step."""
    keeps = [{"secretName": "chat", "data": [{"objectName": NAME, "key": "key"}]}] if synced else []
    objects = [{"objectName": NAME, "objectType": "secret", **({"objectVersion": pinned} if pinned else {})}]
    about = {"vault": estate.azure.vault_url(VAULT), "objects": objects, "secret_objects": keeps}
    estate.azure.add_consumer("provider_class", "prod/vault", **about)
    made = estate.azure.add_consumer("workload", "prod/deployment/chat", spec=mounted("vault"))
    more: dict[str, Any] = {"rollouts": ["deployment/chat"]} if rollouts else {}
    more |= {"secret": "chat", "field": "key"} if synced else {}
    return dependent(DRIVER, **estate.in_cluster(), provider_class="vault", object=NAME, **more), made


async def test_the_driver_polls_by_itself_and_is_proven_pod_by_pod(estate: Estate) -> None:
    one, made = driven(estate)
    new = estate.publish("a new value")
    await estate.kind(DRIVER).deliver(one, new)
    found = await estate.look(one, new)
    assert found.adoption is Adoption.STALE
    assert "0 of 2 pods" in found.seen
    assert "chat-1, chat-2 still hold another version" in found.because
    estate.azure.pass_time(121)
    assert (await estate.look(one, new)).adoption is Adoption.PROVEN
    assert (made.rollouts, estate.azure.holds(made.id, "mount", "vault", NAME)) == (0, "a new value")


async def test_one_pod_that_lags_holds_the_proof_back(estate: Estate) -> None:
    one, made = driven(estate, rollouts=True)
    estate.cluster.driver_rotates = False
    new = estate.publish("a new value")
    await estate.kind(DRIVER).deliver(one, new)
    estate.cluster.look(estate.azure.state)
    made.pods[1].mounts["vault"][NAME] = replace(made.pods[1].mounts["vault"][NAME], version="an old version")
    found = await estate.look(one, new)
    assert (found.adoption, "1 of 2 pods" in found.seen) == (Adoption.STALE, True)


async def test_where_rotation_is_switched_off_only_a_new_pod_reads(estate: Estate) -> None:
    one, made = driven(estate, rollouts=True)
    estate.cluster.driver_rotates = False
    new = estate.publish("a new value")
    estate.azure.pass_time(3600)
    assert (await estate.look(one, new)).adoption is Adoption.STALE
    for _ in range(2):
        await estate.kind(DRIVER).deliver(one, new)
    assert (await estate.look(one, new)).adoption is Adoption.PROVEN
    assert made.rollouts == 1


async def test_a_variable_from_a_synced_secret_is_not_restarted_into_the_old_value(estate: Estate) -> None:
    """The driver writes the Secret while it polls, not while it mounts: a restart before that reads the old one."""
    one, made = driven(estate, rollouts=True, synced=True)
    estate.cluster.look(estate.azure.state)
    new = estate.publish("a new value")
    await estate.kind(DRIVER).deliver(one, new)
    assert made.rollouts == 0
    estate.azure.pass_time(121)
    await estate.kind(DRIVER).deliver(one, new)
    assert made.rollouts == 1
    assert (await estate.look(one, new)).adoption is Adoption.PROVEN


async def test_a_class_that_pins_a_version_never_moves(estate: Estate) -> None:
    one, _ = driven(estate, pinned=estate.azure.secret(VAULT, NAME)[-1].id)
    new = estate.publish("a new value")
    assert "objectVersion" in (await estate.look(one, new)).because
    with pytest.raises(Rejected, match="objectVersion"):
        await estate.kind(DRIVER).deliver(one, new)


async def test_a_class_that_mounts_something_else_is_said(estate: Estate) -> None:
    driven(estate)
    one = dependent(DRIVER, **estate.in_cluster(), provider_class="vault", object="another")
    assert "mounts no object another" in (await estate.look(one, estate.publish("a new value"))).because


async def test_a_class_that_no_pod_mounts_is_only_claimed(estate: Estate) -> None:
    one, made = driven(estate)
    made.pods.clear()
    assert (await estate.look(one, estate.publish("a new value"))).adoption is Adoption.CLAIMED


async def test_more_pods_than_a_page_holds_are_all_looked_at(estate: Estate) -> None:
    one, made = driven(estate)
    made.object["spec"]["replicas"] = PAGE + 1
    made.start(estate.cluster, estate.azure.state)
    assert f"of {PAGE + 1} pods" in (await estate.look(one, estate.publish("a new value"))).seen
    assert estate.arrivals("ListPodStatuses") == 2
