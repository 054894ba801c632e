"""A Secret that the External Secrets Operator writes from the vault, and the workloads that run on it.

The operator is made to look now by an annotation (`force-sync`); the value never passes through here. An ExternalSecret that was made once
(`CreatedOnce`) or that pins a version of the vault never moves, and says so. Then the workloads are restarted as for any Secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.core.credential import Dependent
from rotator.core.faults import Rejected
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import DependentView
from rotator.dependents import rollouts
from rotator.dependents.cluster import Cluster, Open, cluster_faults, held, is_recent, open_cluster
from rotator.dependents.rollouts import mark_of
from rotator.dependents.tools import Tools
from rotator.dependents.views import claimed, proven, short, stale
from rotator.engine.ports import Published

GROUP, PLURAL = "external-secrets.io", "externalsecrets"
FORCE_SYNC, FORCED = "force-sync", "rotator-forced"
"""What makes the operator look, and for which version it was made to, with the time of its look before and ours."""
SYNC_PATIENCE = timedelta(minutes=2)
"""How long a forced sync is held to be under way."""
WAITED_S, EVERY_S = 10.0, 0.5
"""How long a delivery waits for the operator, so that the restart comes in the same go."""


def kind(tools: Tools) -> "ExternalSecret":
    return ExternalSecret(tools)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Synced:
    """What the operator says of itself. `pins` is the version of the vault that the field is held to."""

    target: str
    annotations: Mapping[str, str]
    once: bool
    pins: str
    refresh_time: str
    condition: str
    ready: bool


class ExternalSecret:
    """Fulfils `Kind` for an ExternalSecret."""

    def __init__(self, tools: Tools, opened: Open = open_cluster) -> None:
        self._tools = tools
        self._open = opened

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        said, value = dependent.parameters, published.fingerprint
        async with self._open(said, self._tools) as cluster:
            synced = await _read(cluster, dependent)
            holds = await _held(cluster, dependent, synced.target)
            seen = f"{synced.condition}, refreshed {synced.refresh_time}; Secret {synced.target}: {short(holds) if holds else 'no value'}"
            if holds != value:
                return stale(dependent, seen, _trap(synced, published) or _lag(synced), running=holds)
            found = await rollouts.look(cluster, said["namespace"], said["rollouts"])
        mark = mark_of(synced.target, said["field"])
        lagging = [why for one in found if (why := one.lags(mark, value))]
        if lagging:
            return stale(dependent, seen, "; ".join(lagging))
        if not found:
            because = "the operator has written it; no rollout is named, so nobody says what the pods run on"
            return claimed(dependent, seen, because, running=value)
        if named := rollouts.strangers(found, synced.target):
            because = f"all pods are new, but {named} gets Secret {synced.target} by no variable and no volume"
            return claimed(dependent, seen, because, running=value)
        return proven(dependent, seen, running=value)

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        said, value = dependent.parameters, published.fingerprint
        async with self._open(said, self._tools) as cluster:
            synced = await _read(cluster, dependent)
            mark = mark_of(synced.target, said["field"])
            if await _held(cluster, dependent, synced.target) != value:
                if trap := _trap(synced, published):
                    raise Rejected(trap, remedy="correct the ExternalSecret, or name another kind of dependent")
                found = await rollouts.look(cluster, said["namespace"], said["rollouts"])
                await rollouts.prepare(cluster, said["namespace"], found, synced.target, mark, value)
                await _force(cluster, dependent, synced, published.version)
                if not await self._arrives(cluster, dependent, synced.target, value):
                    return  # asked again; what is under way is then not started over
            await rollouts.restart(cluster, said["namespace"], said["rollouts"], synced.target, mark, value)

    async def _arrives(self, cluster: Cluster, dependent: Dependent, target: str, value: Fingerprint) -> bool:
        for _ in range(int(WAITED_S / EVERY_S)):
            if await _held(cluster, dependent, target) == value:
                return True
            await self._tools.pause(EVERY_S)
        return False


def _trap(synced: _Synced, published: Published) -> str:
    if synced.once:
        return "its refreshPolicy is CreatedOnce, so the operator never looks at the vault again"
    if synced.pins and synced.pins != published.version:
        return f"it pins version {short(synced.pins)} of the vault (remoteRef.version), which never moves"
    return ""


def _lag(synced: _Synced) -> str:
    return "the operator has not written it yet" if synced.ready else f"the operator says {synced.condition}"


async def _force(cluster: Cluster, dependent: Dependent, synced: _Synced, version: str) -> None:
    """Ask the operator to look now, unless it was asked lately for this version and has not looked since. Its own clock tells that."""
    said, now = dependent.parameters, datetime.now(UTC)
    asked = synced.annotations.get(FORCED, "").split(" ")
    if asked[:2] == [version, synced.refresh_time] and is_recent(asked[-1], SYNC_PATIENCE):
        return
    note = f"{version} {synced.refresh_time} {now.isoformat(timespec='seconds')}"
    change = {"metadata": {"annotations": {FORCE_SYNC: str(int(now.timestamp() * 1000)), FORCED: note}}}
    names = (GROUP, said["api_version"], said["namespace"], PLURAL, said["external_secret"])
    with cluster_faults(f"patch of ExternalSecret {said['external_secret']}", needs="externalsecrets/patch", mutates=True):
        await cluster.custom.patch_namespaced_custom_object(*names, change, **cluster.merging)


async def _read(cluster: Cluster, dependent: Dependent) -> _Synced:
    said = dependent.parameters
    name = said["external_secret"]
    with cluster_faults(f"ExternalSecret {name} in {said['namespace']}", needs="externalsecrets/get"):
        names = (GROUP, said["api_version"], said["namespace"], PLURAL, name)
        found = await cluster.custom.get_namespaced_custom_object(*names, **cluster.reading)
        return _synced(found, said["field"])


def _synced(found: Mapping[str, Any], field: str) -> _Synced:
    spec, status = found["spec"], found.get("status") or {}
    ready: Mapping[str, Any] = next((one for one in status.get("conditions") or [] if one.get("type") == "Ready"), {})
    source = next((one.get("remoteRef") or {} for one in spec.get("data") or [] if one.get("secretKey") == field), {})
    return _Synced(
        target=(spec.get("target") or {}).get("name") or found["metadata"]["name"],
        annotations=found["metadata"].get("annotations") or {},
        once=spec.get("refreshPolicy") == "CreatedOnce",
        pins=str(source.get("version") or ""),
        refresh_time=str(status.get("refreshTime") or "never"),
        condition=f"Ready={ready.get('status', 'Unknown')}/{ready.get('reason', 'none')}",
        ready=ready.get("status") == "True",
    )


async def _held(cluster: Cluster, dependent: Dependent, target: str) -> Fingerprint | None:
    said = dependent.parameters
    return await held(cluster, said["namespace"], target, said["field"], said["format"])
