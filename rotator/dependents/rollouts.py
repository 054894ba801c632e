"""Deployments, StatefulSets and DaemonSets: restarted once for a value, and seen through to the last pod.

    restarted for this value?  no -> restart (or let Reloader do it) -> every pod of the new template, and available? -> moved

What a workload was restarted for stands in an annotation of its pod template; where Reloader restarts it, an annotation of its own says
what the template was before. Both outlive this process, so that a restart under way is never started over.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from rotator.core.faults import Rejected
from rotator.core.sealed import Fingerprint
from rotator.dependents.cluster import Cluster, cluster_faults, is_recent

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
RELOADER_PATIENCE = timedelta(minutes=5)
"""How long Reloader has, before the restart is ours after all (it may not be installed)."""
_ANNOTATION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""What Kubernetes takes as a name of an annotation."""


class Reads(StrEnum):
    """How a pod gets a Secret. Only a volume is ever updated under a running pod."""

    ENVIRONMENT = "env"
    VOLUME = "volume"
    SUB_PATH = "subPath"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One workload as it is now. `name` is `deployment/chat`; `pods` are desired, updated, available and all that there are."""

    name: str
    generation: int
    observed: int
    pods: tuple[int, int, int, int]
    stuck: str = ""
    held: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    template: Mapping[str, Any] = field(default_factory=dict)

    @property
    def template_annotations(self) -> Mapping[str, str]:
        return (self.template.get("metadata") or {}).get("annotations") or {}

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.template, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def is_through(self) -> bool:
        desired, updated, available, there = self.pods
        return self.observed >= self.generation and desired == updated == available == there

    def is_restarted(self, mark: str, value: Fingerprint) -> bool:
        """Whether its pod template is one of after the value came: restarted by us, or by Reloader since we noted the template."""
        noted = self.annotations.get(mark, "").split(" ")
        return self.template_annotations.get(mark) == value or (noted[0] == value and len(noted) > 1 and noted[1] != self.digest)

    def lags(self, mark: str, value: Fingerprint) -> str:
        """Why not every pod runs on the value; nothing where all do."""
        desired, updated, available, _ = self.pods
        if not self.is_restarted(mark, value):
            return f"{self.name} has not been restarted for it"
        if self.stuck:
            return f"the rollout of {self.name} is stuck ({self.stuck}): kubectl rollout status {self.name}"
        if self.is_through:
            return ""
        return f"{self.name}: {updated} of {desired} pods are new, {available} available{self.held}"

    def reloads(self, secret: str) -> bool:
        """Whether Stakater's Reloader watches this workload and its Secret."""
        said = {**self.template_annotations, **self.annotations}
        named = [name.strip() for name in said.get("secret.reloader.stakater.com/reload", "").split(",")]
        switches = ("reloader.stakater.com/auto", "secret.reloader.stakater.com/auto")
        return secret in named or any(said.get(switch) == "true" for switch in switches)


def mark_of(*names: str) -> str:
    """The annotation that says for which value of this Secret something was done; two credentials may share a workload."""
    name = ".".join(("rotator-fingerprint", *names))
    return name if _ANNOTATION.fullmatch(name) else f"rotator-fingerprint.{hashlib.sha256(name.encode()).hexdigest()[:16]}"


async def look(cluster: Cluster, namespace: str, names: Sequence[str]) -> list[Rollout]:
    return [await _read(cluster, namespace, name) for name in names]


async def prepare(cluster: Cluster, namespace: str, rollouts: Sequence[Rollout], secret: str, mark: str, value: Fingerprint) -> None:
    """Before the value goes into the Secret: note the template of what Reloader will restart, so that its restart can be told."""
    for rollout in rollouts:
        if rollout.reloads(secret) and rollout.annotations.get(mark, "").split(" ")[:2] != [value, rollout.digest]:
            note = f"{value} {rollout.digest} {datetime.now(UTC).isoformat(timespec='seconds')}"
            await _patch(cluster, namespace, rollout.name, {"metadata": {"annotations": {mark: note}}})


async def restart(
    cluster: Cluster, namespace: str, names: Sequence[str], secret: str, mark: str, value: Fingerprint, *, again: bool = False
) -> None:
    """Once the Secret holds the value: restart each workload that was not restarted for it, and that Reloader does not restart.

    `again`: the Secret held something else a moment ago, so that an earlier restart for this value says nothing.
    """
    for rollout in await look(cluster, namespace, names):
        if (rollout.is_restarted(mark, value) and not again) or (rollout.reloads(secret) and _is_awaited(rollout, mark, value)):
            continue
        annotations = {RESTARTED_AT: datetime.now(UTC).isoformat(), mark: value}  # of the second alone, two restarts would be one
        await _patch(cluster, namespace, rollout.name, {"spec": {"template": {"metadata": {"annotations": annotations}}}})


def _is_awaited(rollout: Rollout, mark: str, value: Fingerprint) -> bool:
    noted = rollout.annotations.get(mark, "").split(" ")
    return len(noted) == 3 and noted[0] == value and is_recent(noted[2], RELOADER_PATIENCE)


def reads(rollout: Rollout, secret: str) -> set[Reads]:
    """How the pods of a workload get this Secret."""
    pod = rollout.template.get("spec") or {}
    containers = [*(pod.get("containers") or []), *(pod.get("initContainers") or [])]
    volumes = {volume.get("name") for volume in pod.get("volumes") or [] if _is_of(volume, secret)}
    mounts = [mount for one in containers for mount in one.get("volumeMounts") or [] if mount.get("name") in volumes]
    by_file = {Reads.SUB_PATH if mount.get("subPath") or mount.get("subPathExpr") else Reads.VOLUME for mount in mounts}
    return by_file | ({Reads.ENVIRONMENT} if any(_is_in_environment(one, secret) for one in containers) else set())


def strangers(found: Sequence[Rollout], secret: str) -> str:
    """The workloads whose pods get this Secret in no way that their template shows: that they are new says nothing of them."""
    return ", ".join(one.name for one in found if not reads(one, secret))


def _is_of(volume: Mapping[str, Any], secret: str) -> bool:
    sources = [volume, *((volume.get("projected") or {}).get("sources") or [])]
    return any(secret in ((one.get("secret") or {}).get("secretName"), (one.get("secret") or {}).get("name")) for one in sources)


def _is_in_environment(container: Mapping[str, Any], secret: str) -> bool:
    single = [((one.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name") for one in container.get("env") or []]
    whole = [(one.get("secretRef") or {}).get("name") for one in container.get("envFrom") or []]
    return secret in (*single, *whole)


# --- the three kinds of workload ------------------------------------------------------------------------------------------


async def _read(cluster: Cluster, namespace: str, name: str) -> Rollout:
    kind, _, plain = name.partition("/")
    with cluster_faults(f"{name} in {namespace}", needs=f"{kind}s/get"):
        read = getattr(cluster.apps, f"read_namespaced_{_resource(kind)}")
        return _rollout(name, cluster.plain(await read(plain, namespace, **cluster.reading)))


async def _patch(cluster: Cluster, namespace: str, name: str, change: Mapping[str, Any]) -> None:
    kind, _, plain = name.partition("/")
    with cluster_faults(f"patch of {name} in {namespace}", needs=f"{kind}s/patch", mutates=True):
        patch = getattr(cluster.apps, f"patch_namespaced_{_resource(kind)}")
        await patch(plain, namespace, change, **cluster.merging)


def _resource(kind: str) -> str:
    try:
        return {"deployment": "deployment", "statefulset": "stateful_set", "daemonset": "daemon_set"}[kind]
    except KeyError:
        raise Rejected(f"rollout {kind}/…: not a deployment, a statefulset or a daemonset") from None


def _rollout(name: str, found: Mapping[str, Any]) -> Rollout:
    metadata, spec, status = found["metadata"], found["spec"], found.get("status") or {}
    return Rollout(
        name=name,
        generation=metadata.get("generation") or 0,
        observed=status.get("observedGeneration") or 0,
        pods=_pods(name, spec, status),
        stuck=_stuck(status),
        held=_held(spec),
        annotations=metadata.get("annotations") or {},
        template=spec.get("template") or {},
    )


def _pods(name: str, spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[int, int, int, int]:
    def count(said: str) -> int:
        return int(status.get(said) or 0)

    if name.startswith("daemonset/"):
        desired = count("desiredNumberScheduled")
        return desired, count("updatedNumberScheduled"), count("numberAvailable"), desired
    wanted = spec.get("replicas")
    return 1 if wanted is None else int(wanted), count("updatedReplicas"), count("availableReplicas"), count("replicas")


def _stuck(status: Mapping[str, Any]) -> str:
    for one in status.get("conditions") or []:
        if one.get("type") == "Progressing" and one.get("status") == "False":
            return str(one.get("reason") or "not progressing")
    return ""


def _held(spec: Mapping[str, Any]) -> str:
    """What keeps a new template from ever reaching the pods until a person acts."""
    strategy = spec.get("updateStrategy") or {}
    if spec.get("paused"):
        return "; its rollout is paused: kubectl rollout resume"
    if strategy.get("type") == "OnDelete":
        return "; its update strategy is OnDelete: delete its pods by hand"
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    return f"; its update strategy holds back the pods below partition {partition}" if partition else ""
