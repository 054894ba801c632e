"""A Kubernetes cluster behind its API: objects, and the controllers that live on them.

Promises: every write makes a new resourceVersion, a changed spec a new generation; the External Secrets Operator, the
CSI driver, Reloader and the rollouts do what is due whenever somebody looks. Never: HTTP.
"""

import base64
import copy
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import yaml

from rotator.sandbox.pods import DRIVER_POLL, mounted
from rotator.sandbox.references import fetch, place_at
from rotator.sandbox.workloads import KINDS, Workload, follows

if TYPE_CHECKING:
    from rotator.sandbox.state import State

Key = tuple[str, str, str]
"""Plural, namespace, name."""


@dataclass(slots=True, kw_only=True)
class Operator:
    """What the External Secrets Operator knows of one ExternalSecret. `takes_s` is how long it takes to get round to it."""

    vault: str
    takes_s: float = 0.0
    seen: str = ""
    due_at: datetime | None = None
    synced_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Cluster:
    """`reloader` and `driver_rotates` say whether these are installed and switched on; `denied` what RBAC does not allow."""

    token: str = field(repr=False)
    objects: dict[Key, dict[str, Any]] = field(default_factory=dict, repr=False)
    changed: dict[Key, datetime] = field(default_factory=dict)
    workloads: dict[Key, Workload] = field(default_factory=dict)
    operators: dict[Key, Operator] = field(default_factory=dict)
    vaults: dict[Key, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    reloader: bool = True
    driver_rotates: bool = True
    polled_at: datetime | None = None
    version: int = 1000

    def put(self, key: Key, object_: dict[str, Any], state: "State") -> dict[str, Any]:
        """A whole object, as a person applies it."""
        self.version += 1
        metadata = {"namespace": key[1], "name": key[2], "generation": 1, **object_.get("metadata", {})}
        metadata["resourceVersion"] = str(self.version)
        self.objects[key] = {**object_, "metadata": metadata}
        self.changed[key] = state.now()
        return self.objects[key]

    def patch(self, key: Key, change: dict[str, Any], state: "State") -> dict[str, Any]:
        """A merge patch that may not change who the object is."""
        before = copy.deepcopy(self.objects[key])
        after = merged(before, change)
        self.version += 1
        after["metadata"] = {**after["metadata"], "resourceVersion": str(self.version), "name": key[2], "namespace": key[1]}
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] = before["metadata"]["generation"] + 1
        self.objects[key].clear()
        self.objects[key].update(after)
        if after.get("data") != before.get("data"):
            self.changed[key] = state.now()
            self._reload(key, state)
        workload = self.workloads.get(key)
        if workload is not None and after["spec"]["template"] != before["spec"]["template"]:
            workload.changed(state)
        return self.objects[key]

    def look(self, state: "State") -> None:
        """What is due is done by whoever looks next."""
        for key, operator in self.operators.items():
            self._sync(key, operator, state)
        self._poll(state)
        for workload in self.workloads.values():
            workload.look(self, state)
            workload.object["status"] = workload.status(state)

    def mounts_of(self, namespace: str, name: str) -> tuple[str, list[dict[str, Any]]]:
        key = ("secretproviderclasses", namespace, name)
        text = self.objects[key]["spec"]["parameters"]["objects"]
        return self.vaults[key], [yaml.safe_load(one) for one in yaml.safe_load(text)["array"]]

    def pod_statuses(self, namespace: str) -> list[dict[str, Any]]:
        """One SecretProviderClassPodStatus for each pod and class."""
        found = []
        for pod in (pod for workload in self.workloads.values() for pod in workload.pods if pod.namespace == namespace):
            for name, objects in pod.mounts.items():
                told = [{"id": f"secret/{object_}", "version": fetched.version} for object_, fetched in objects.items()]
                status = {"podName": pod.name, "secretProviderClassName": name, "mounted": True, "objects": told}
                found.append({"metadata": {"name": f"{pod.name}-{namespace}-{name}", "namespace": namespace}, "status": status})
        return found

    def _reload(self, key: Key, state: "State") -> None:
        """Reloader writes a digest of what changed into the template, as a variable."""
        if not self.reloader or key[0] != "secrets":
            return
        digest = hashlib.sha1(json.dumps(self.objects[key].get("data"), sort_keys=True).encode(), usedforsecurity=False).hexdigest()
        for place, workload in self.workloads.items():
            if place[1] == key[1] and follows(workload, key[2]):
                template = copy.deepcopy(workload.object["spec"]["template"])
                name = f"STAKATER_{key[2].upper().replace('-', '_')}_SECRET"
                container = template["spec"]["containers"][0]
                others = [one for one in container.get("env", []) if one["name"] != name]
                container["env"] = [*others, {"name": name, "value": digest}]
                self.patch(place, {"spec": {"template": template}}, state)

    def _sync(self, key: Key, operator: Operator, state: "State") -> None:
        """A changed annotation makes it look at once, its interval later; `CreatedOnce` never again."""
        object_, now = self.objects[key], state.now()
        annotations = json.dumps(object_["metadata"].get("annotations") or {}, sort_keys=True)
        if annotations != operator.seen:
            operator.seen, operator.due_at = annotations, now + timedelta(seconds=operator.takes_s)
        interval = timedelta(seconds=object_["spec"].get("refreshIntervalSeconds", 3600))
        once = object_["spec"].get("refreshPolicy") == "CreatedOnce" and operator.synced_at is not None
        by_interval = operator.synced_at is None or now >= operator.synced_at + interval
        asked = operator.due_at is not None and now >= operator.due_at
        if once or not (asked or by_interval):
            return
        operator.due_at, operator.synced_at = None, now
        self._write(key, operator, state)

    def _write(self, key: Key, operator: Operator, state: "State") -> None:
        object_, data, failed = self.objects[key], {}, ""
        for one in object_["spec"]["data"]:
            reference = one["remoteRef"]
            fetched = fetch(state, place_at(f"{operator.vault}/secrets/{reference['key']}/{reference.get('version') or ''}"))
            failed = failed or ("" if fetched.value is not None else fetched.status)
            data[one["secretKey"]] = base64.b64encode((fetched.value or "").encode()).decode()
        reason = "SecretSyncedError" if failed else "SecretSynced"
        status = {"type": "Ready", "status": "False" if failed else "True", "reason": reason}
        object_["status"] = {"refreshTime": f"{state.now():%Y-%m-%dT%H:%M:%SZ}", "conditions": [status]}
        target = ("secrets", key[1], (object_["spec"].get("target") or {}).get("name") or key[2])
        if not failed:
            self._write_secret(target, data, ("ExternalSecret", key[2]), state)

    def _poll(self, state: "State") -> None:
        """The driver writes the Secrets that it keeps in step: when one is not there yet, and when it polls."""
        now = state.now()
        due = self.driver_rotates and (self.polled_at is None or now >= self.polled_at + DRIVER_POLL)
        for key, object_ in [one for one in self.objects.items() if one[0][0] == "secretproviderclasses"]:
            for wanted in object_["spec"].get("secretObjects") or []:
                target = ("secrets", key[1], wanted["secretName"])
                if due or target not in self.objects:
                    here = mounted(self, key[1], key[2], state)
                    data = {one["key"]: base64.b64encode((here[one["objectName"]].value or "").encode()).decode() for one in wanted["data"]}
                    self._write_secret(target, data, ("SecretProviderClassPodStatus", key[2]), state)
        self.polled_at = now if due else self.polled_at

    def _write_secret(self, key: Key, data: dict[str, str], owner: tuple[str, str], state: "State") -> None:
        if key not in self.objects:
            owners = [{"apiVersion": "v1", "kind": owner[0], "name": owner[1], "uid": state.guid(), "controller": True}]
            self.put(key, {"kind": "Secret", "apiVersion": "v1", "metadata": {"ownerReferences": owners}, "type": "Opaque"}, state)
        if self.objects[key].get("data") != data:
            self.patch(key, {"data": data}, state)

    def add_workload(self, plural: str, namespace: str, name: str, about: dict[str, Any], state: "State") -> Workload:
        spec = {"selector": {"matchLabels": {"app": name}}, **about.pop("spec")}
        annotations = about.pop("annotations", {})
        key = (plural, namespace, name)
        object_ = {"kind": KINDS[plural], "apiVersion": "apps/v1", "metadata": {"annotations": annotations}, "spec": spec}
        workload = Workload(plural=plural, object=self.put(key, object_, state), **about)
        self.workloads[key] = workload
        self._poll(state)
        workload.start(self, state)
        workload.object["status"] = workload.status(state)
        return workload


def merged(whole: Any, change: Any) -> Any:
    """RFC 7386: objects are merged, null removes, everything else replaces."""
    if not isinstance(change, dict):
        return change
    found = dict(whole) if isinstance(whole, dict) else {}
    for name, value in change.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found
