"""Pods: what a process holds is decided at its start, and by what the kubelet and the CSI driver bring it later.

Promises: a variable and a subPath never change under a running pod; a volume follows its Secret after the kubelet's
sync; a CSI mount follows the vault when the driver polls. Never: HTTP.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rotator.sandbox.references import Fetched, fetch, place_at

if TYPE_CHECKING:
    from rotator.sandbox.cluster import Cluster
    from rotator.sandbox.state import State

KUBELET_SYNC = timedelta(seconds=90)
DRIVER_POLL = timedelta(minutes=2)


@dataclass(slots=True, kw_only=True)
class Pod:
    """`held` is what its variables and files say by Secret and field; `mounts` what the driver brought, by class and object."""

    name: str
    namespace: str
    template: Mapping[str, Any]
    started_at: datetime
    polled_at: datetime
    held: dict[tuple[str, str, str], str] = field(default_factory=dict, repr=False)
    mounts: dict[str, dict[str, Fetched]] = field(default_factory=dict, repr=False)

    def start(self, cluster: "Cluster", state: "State") -> None:
        for how, secret in uses(self.template):
            for name, value in values(cluster, self.namespace, secret).items():
                self.held[how, secret, name] = value
        for one in classes(self.template):
            self.mounts[one] = mounted(cluster, self.namespace, one, state)

    def look(self, cluster: "Cluster", state: "State") -> None:
        now = state.now()
        for how, secret in uses(self.template):
            changed = cluster.changed.get(("secrets", self.namespace, secret))
            if how == "volume" and changed is not None and now >= changed + KUBELET_SYNC:
                for name, value in values(cluster, self.namespace, secret).items():
                    self.held[how, secret, name] = value
        if cluster.driver_rotates and now >= self.polled_at + DRIVER_POLL:
            self.polled_at = now
            for one in self.mounts:
                self.mounts[one] = mounted(cluster, self.namespace, one, state)


def values(cluster: "Cluster", namespace: str, secret: str) -> dict[str, str]:
    found = cluster.objects.get(("secrets", namespace, secret), {})
    return {name: base64.b64decode(value).decode() for name, value in (found.get("data") or {}).items()}


def uses(template: Mapping[str, Any]) -> set[tuple[str, str]]:
    """How the containers get which Secret: env, volume or subPath."""
    pod = template.get("spec") or {}
    volumes = {one["name"]: one["secret"]["secretName"] for one in pod.get("volumes") or [] if "secret" in one}
    found: set[tuple[str, str]] = set()
    for container in pod.get("containers") or []:
        for one in container.get("env") or []:
            if "secretKeyRef" in (one.get("valueFrom") or {}):
                found.add(("env", one["valueFrom"]["secretKeyRef"]["name"]))
        for one in container.get("envFrom") or []:
            if "secretRef" in one:
                found.add(("env", one["secretRef"]["name"]))
        for one in container.get("volumeMounts") or []:
            if one["name"] in volumes:
                found.add(("subPath" if one.get("subPath") else "volume", volumes[one["name"]]))
    return found


def classes(template: Mapping[str, Any]) -> list[str]:
    """The SecretProviderClasses that the pod mounts."""
    found = [(one.get("csi") or {}).get("volumeAttributes", {}) for one in (template.get("spec") or {}).get("volumes") or []]
    return [one["secretProviderClass"] for one in found if "secretProviderClass" in one]


def mounted(cluster: "Cluster", namespace: str, name: str, state: "State") -> dict[str, Fetched]:
    """What the driver gets from the vault now, by object; a pinned version stays what it is."""
    vault, objects = cluster.mounts_of(namespace, name)
    places = {one["objectName"]: place_at(f"{vault}/secrets/{one['objectName']}/{one.get('objectVersion') or ''}") for one in objects}
    return {object_: fetch(state, place) for object_, place in places.items()}
