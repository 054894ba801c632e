"""Pods that mount the vault through the Secrets Store CSI driver: proven pod by pod, by the vault's own version.

The driver has no call that makes it look: it polls, every two minutes at best, and only where rotation is switched on. What helps is a new
pod, so workloads that are named are restarted. One whose variables come from a synced Secret (`secret:`) is restarted only once that Secret
has the value: the driver writes it while it polls, not while it mounts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from rotator.azure.paging import Pages
from rotator.core.credential import Dependent
from rotator.core.faults import Rejected
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import DependentView
from rotator.dependents import rollouts
from rotator.dependents.cluster import Cluster, Open, cluster_faults, held, open_cluster
from rotator.dependents.rollouts import mark_of
from rotator.dependents.tools import Tools
from rotator.dependents.views import claimed, proven, short, stale
from rotator.engine.ports import Published

GROUP, VERSION = "secrets-store.csi.x-k8s.io", "v1"
CLASSES, STATUSES = "secretproviderclasses", "secretproviderclasspodstatuses"
PAGE, PAGES_MAX = 500, 40


def kind(tools: Tools) -> "SecretsStore":
    return SecretsStore(tools)


class SecretsStore:
    """Fulfils `Kind` for a SecretProviderClass."""

    def __init__(self, tools: Tools, opened: Open = open_cluster) -> None:
        self._tools = tools
        self._open = opened

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        said = dependent.parameters
        async with self._open(said, self._tools) as cluster:
            if trap := _trap(await _class(cluster, dependent), dependent, published):
                return stale(dependent, "", trap)
            pods = await _pods(cluster, dependent, published)
            lagging = [name for name, version in pods.items() if version != published.version]
            seen = f"version {short(published.version)} in {len(pods) - len(lagging)} of {len(pods)} pods"
            waits = await self._waits(cluster, dependent, published)
        if lagging:
            named = ", ".join(sorted(lagging)[:3])
            return stale(
                dependent, seen, f"{named} still hold{'s' if len(lagging) == 1 else ''} another version: the driver has not polled"
            )
        if waits:
            return stale(dependent, seen, waits)
        if not pods:
            return claimed(dependent, "no pod mounts it", "the next pod that mounts it gets the current version")
        return proven(dependent, seen, running=published.fingerprint)

    async def _waits(self, cluster: Cluster, dependent: Dependent, published: Published) -> str:
        """What the workloads wait for; nothing where all of their pods are new."""
        said = dependent.parameters
        if said["secret"] and await _synced(cluster, dependent) != published.fingerprint:
            return f"the driver has not written the synced Secret {said['secret']} yet"
        found = await rollouts.look(cluster, said["namespace"], said["rollouts"])
        return "; ".join(why for one in found if (why := one.lags(_mark(dependent, published), published.fingerprint)))

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Restart what is named, once. Where nothing is, or the synced Secret is behind, only the driver's poll helps."""
        said, value = dependent.parameters, published.fingerprint
        async with self._open(said, self._tools) as cluster:
            if trap := _trap(await _class(cluster, dependent), dependent, published):
                raise Rejected(trap, remedy="correct the SecretProviderClass")
            if said["secret"] and await _synced(cluster, dependent) != value:
                return
            await rollouts.restart(cluster, said["namespace"], said["rollouts"], said["secret"] or "", _mark(dependent, published), value)


def _mark(dependent: Dependent, published: Published) -> str:
    return mark_of(dependent.parameters["provider_class"], _object(dependent, published))


def _object(dependent: Dependent, published: Published) -> str:
    return str(dependent.parameters["object"] or published.secret.name)


async def _class(cluster: Cluster, dependent: Dependent) -> Sequence[Mapping[str, Any]]:
    """The objects that the class mounts; they are YAML in a string in YAML."""
    said = dependent.parameters
    with cluster_faults(f"SecretProviderClass {said['provider_class']} in {said['namespace']}", needs="secretproviderclasses/get"):
        names = (GROUP, VERSION, said["namespace"], CLASSES, said["provider_class"])
        found = await cluster.custom.get_namespaced_custom_object(*names, **cluster.reading)
        text = (found["spec"].get("parameters") or {}).get("objects") or ""
    try:
        array = (yaml.safe_load(text) or {}).get("array") or []
        return [inner for one in array if isinstance(inner := yaml.safe_load(one) if isinstance(one, str) else one, Mapping)]
    except (yaml.YAMLError, AttributeError, TypeError):
        raise Rejected(
            f"SecretProviderClass {said['provider_class']}: its objects cannot be read", remedy="correct its `parameters.objects`"
        ) from None


def _trap(objects: Sequence[Mapping[str, Any]], dependent: Dependent, published: Published) -> str:
    name = _object(dependent, published)
    found = [one for one in objects if str(one.get("objectName", "")).lower() == name.lower()]
    if not found:
        return f"SecretProviderClass {dependent.parameters['provider_class']} mounts no object {name}"
    pinned = [version for one in found if (version := str(one.get("objectVersion") or "")) and version != published.version]
    return f"it pins version {short(pinned[0])} of {name} (objectVersion), which never moves" if pinned else ""


async def _pods(cluster: Cluster, dependent: Dependent, published: Published) -> dict[str, str]:
    """Each pod that has the class mounted, and the version of the object that it holds."""
    said, found, going_on = dependent.parameters, dict[str, str](), ""
    wanted = f"secret/{_object(dependent, published)}".lower()
    pages = Pages(PAGES_MAX)
    while True:
        with cluster_faults(f"SecretProviderClassPodStatus in {said['namespace']}", needs="secretproviderclasspodstatuses/list"):
            names = (GROUP, VERSION, said["namespace"], STATUSES)
            page = await cluster.custom.list_namespaced_custom_object(*names, limit=PAGE, _continue=going_on, **cluster.reading)
            for status in (item.get("status") or {} for item in page["items"]):
                if status.get("secretProviderClassName") == said["provider_class"] and status.get("mounted", True):
                    versions = [str(one.get("version")) for one in status.get("objects") or [] if str(one.get("id")).lower() == wanted]
                    found[status["podName"]] = versions[0] if versions else "none"
            going_on = (page.get("metadata") or {}).get("continue") or ""
        if not going_on:
            return found
        pages.turn(going_on)


async def _synced(cluster: Cluster, dependent: Dependent) -> Fingerprint | None:
    said = dependent.parameters
    return await held(cluster, said["namespace"], said["secret"], said["field"], said["format"])
