"""A plain Kubernetes Secret and the workloads that run on it.

The Secret is patched under its resourceVersion, one field and nothing beside it; then each workload is restarted, because a variable is
read at the start of a pod alone. Where the app reads its file again (`restart: false`) nothing is restarted, and nothing is proven. An
immutable Secret cannot be edited; one that another controller writes would be set back.
"""

import base64
from collections.abc import Sequence
from typing import Any

from rotator.core.credential import Dependent
from rotator.core.faults import Conflict, Rejected
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import DependentView
from rotator.dependents import rollouts
from rotator.dependents.cluster import Cluster, Open, cluster_faults, open_cluster, read_secret, text_of
from rotator.dependents.rollouts import Reads, Rollout, mark_of
from rotator.dependents.tools import Tools
from rotator.dependents.views import claimed, filled, fingerprint_in, proven, short, stale
from rotator.engine.ports import Published

TRIES = 3
"""How often a write is done over, where somebody else wrote between our read and it."""
WRITERS = ("ExternalSecret", "SealedSecret", "SecretProviderClassPodStatus")


def kind(tools: Tools) -> "KubernetesSecret":
    return KubernetesSecret(tools)


class KubernetesSecret:
    """Fulfils `Kind` for a plain Secret."""

    def __init__(self, tools: Tools, opened: Open = open_cluster) -> None:
        self._tools = tools
        self._open = opened

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        said = dependent.parameters
        async with self._open(said, self._tools) as cluster:
            secret = await read_secret(cluster, said["namespace"], said["secret"])
            held = _fingerprint(secret, said["field"], said["format"])
            seen = f"Secret {said['secret']}: {short(held) if held else 'no value'}"
            if held != published.fingerprint:
                return stale(dependent, seen, _old(secret, dependent), running=held)
            found = await rollouts.look(cluster, said["namespace"], said["rollouts"])
        if said["restart"]:
            return _restarted(dependent, published, found, seen)
        return _watched(dependent, found, seen, held)

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        said, mark = dependent.parameters, _mark(dependent)
        async with self._open(said, self._tools) as cluster:
            found = await rollouts.look(cluster, said["namespace"], said["rollouts"])
            wrote = await self._write(cluster, dependent, published, found)
            if said["restart"]:
                names, value = said["rollouts"], published.fingerprint
                await rollouts.restart(cluster, said["namespace"], names, said["secret"], mark, value, again=wrote)
            elif trap := _trap(found, said["secret"]):
                raise Rejected(trap, remedy="set `restart: true`")

    async def _write(
        self, cluster: Cluster, dependent: Dependent, published: Published, found: Sequence[Rollout], tries: int = TRIES
    ) -> bool:
        """Whether the Secret had to be written. Done over where somebody else wrote meanwhile; any other Conflict is raised."""
        said = dependent.parameters
        namespace, name, field = said["namespace"], said["secret"], said["field"]
        secret = await read_secret(cluster, namespace, name)
        if _fingerprint(secret, field, said["format"]) == published.fingerprint:
            return False
        if secret.get("immutable"):
            raise Rejected(f"Secret {name} is immutable", remedy="delete it and make it again without `immutable`, or name another one")
        if writer := _writer(secret):
            raise Rejected(
                f"Secret {name} is written by {writer}, which would set it back", remedy="use the kind of dependent that moves it"
            )
        if said["restart"]:
            await rollouts.prepare(cluster, namespace, found, name, _mark(dependent), published.fingerprint)
        text = filled(published.value, said["format"], text_of(secret, field))
        change = {
            "metadata": {"resourceVersion": secret["metadata"]["resourceVersion"]},
            "data": {field: base64.b64encode(text.reveal().encode()).decode()},
        }
        try:
            with cluster_faults(f"patch of Secret {name} in {namespace}", needs="secrets/patch", mutates=True):
                await cluster.core.patch_namespaced_secret(name, namespace, change, **cluster.merging)
        except Conflict:
            now = await read_secret(cluster, namespace, name)
            if tries == 1 or now["metadata"]["resourceVersion"] == secret["metadata"]["resourceVersion"]:
                raise
            return await self._write(cluster, dependent, published, found, tries - 1)
        return True


def _restarted(dependent: Dependent, published: Published, found: Sequence[Rollout], seen: str) -> DependentView:
    mark, value = _mark(dependent), published.fingerprint
    if not found:
        because = "the Secret holds it; no rollout is named, so nobody says what the pods run on"
        return claimed(dependent, seen, because, running=value)
    lagging = [why for one in found if (why := one.lags(mark, value))]
    if lagging:
        return stale(dependent, seen, "; ".join(lagging))
    if named := rollouts.strangers(found, dependent.parameters["secret"]):
        because = f"all pods are new, but {named} gets Secret {dependent.parameters['secret']} by no variable and no volume"
        return claimed(dependent, seen, because, running=value)
    return proven(dependent, f"{seen}; {', '.join(f'{one.name} {one.pods[1]}/{one.pods[0]}' for one in found)}", running=value)


def _watched(dependent: Dependent, found: Sequence[Rollout], seen: str, value: Fingerprint) -> DependentView:
    trap = _trap(found, dependent.parameters["secret"])
    if trap:
        return stale(dependent, seen, trap)
    because = (
        "the Secret holds it; the kubelet brings it into volumes within minutes, and whether the app reads the file again it does not say"
    )
    return claimed(dependent, seen, because, running=value)


def _trap(found: Sequence[Rollout], secret: str) -> str:
    """Who reads the Secret so that a running pod never sees a change."""
    for one in found:
        if fixed := rollouts.reads(one, secret) - {Reads.VOLUME}:
            return f"{one.name} reads Secret {secret} by {' and '.join(sorted(fixed))}, which never changes under a running pod"
    return ""


def _old(secret: dict[str, Any], dependent: Dependent) -> str:
    field = dependent.parameters["field"]
    if field not in (secret.get("data") or {}):
        return f"it has no field {field!r} yet"
    return "it is immutable and holds another value" if secret.get("immutable") else f"its field {field!r} holds another value"


def _mark(dependent: Dependent) -> str:
    return mark_of(dependent.parameters["secret"], dependent.parameters["field"])


def _writer(secret: dict[str, Any]) -> str:
    owners = secret["metadata"].get("ownerReferences") or []
    return next((f"{one['kind']} {one['name']}" for one in owners if one.get("kind") in WRITERS), "")


def _fingerprint(secret: dict[str, Any], field: str, form: str) -> Fingerprint | None:
    text = text_of(secret, field)
    return None if text is None else fingerprint_in(text, form)
