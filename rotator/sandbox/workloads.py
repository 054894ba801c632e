"""Deployments, StatefulSets and DaemonSets: a change of the pod template rolls new pods out, in their time or never.

Promises: new pods replace the old ones only once they are available; a stuck rollout leaves the old ones running and
says ProgressDeadlineExceeded after ten minutes; a change of anything but the spec rolls nothing. Never: HTTP.
"""

import copy
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rotator.sandbox.pods import Pod, uses

if TYPE_CHECKING:
    from rotator.sandbox.cluster import Cluster
    from rotator.sandbox.state import State

PROGRESS_DEADLINE = timedelta(minutes=10)
PLURALS = {"deployment": "deployments", "statefulset": "statefulsets", "daemonset": "daemonsets"}
KINDS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}


@dataclass(slots=True, kw_only=True)
class Workload:
    """`object` is what the API shows of it; `takes_s` how long its new pods take; `stuck` that they never come up."""

    plural: str
    object: dict[str, Any] = field(repr=False)
    takes_s: float = 0.0
    stuck: bool = False
    pods: list[Pod] = field(default_factory=list)
    rolling: dict[str, Any] | None = field(default=None, repr=False)
    rolled_at: datetime | None = None
    rollouts: int = 0
    made: int = 0

    @property
    def id(self) -> str:
        metadata = self.object["metadata"]
        return f"kubernetes:{metadata['namespace']}/{self.plural}/{metadata['name']}"

    @property
    def namespace(self) -> str:
        return str(self.object["metadata"]["namespace"])

    @property
    def replicas(self) -> int:
        return int(self.object["spec"].get("replicas", 1))

    def process(self, state: "State", *path: str) -> str | None:
        """What its oldest pod has: `env|volume|subPath, SECRET, FIELD`, or `mount, CLASS, OBJECT`."""
        cluster = state.elsewhere.cluster
        cluster.look(state)
        how, where, name = path
        if not self.pods:
            return None
        if how == "mount":
            fetched = self.pods[0].mounts.get(where, {}).get(name)
            return fetched.value if fetched else None
        return self.pods[0].held.get((how, where, name))

    def changed(self, state: "State") -> None:
        """The template is another one: whatever was rolling before is not any more."""
        held = self.object["spec"].get("paused") or (self.object["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"
        if not held:
            self.rolling = copy.deepcopy(self.object["spec"]["template"])
            self.rolled_at = state.now()
            self.rollouts += 1

    def start(self, cluster: "Cluster", state: "State") -> None:
        self.pods = [self._pod(cluster, state, self.object["spec"]["template"]) for _ in range(self.replicas)]

    def look(self, cluster: "Cluster", state: "State") -> None:
        over = self.rolled_at is not None and state.now() >= self.rolled_at + timedelta(seconds=self.takes_s)
        if self.rolling is not None and over and not self.stuck:
            self.pods = [self._pod(cluster, state, self.rolling) for _ in range(self.replicas)]
            self.rolling = None
        for pod in self.pods:
            pod.look(cluster, state)

    def _pod(self, cluster: "Cluster", state: "State", template: dict[str, Any]) -> Pod:
        self.made += 1
        name = f"{self.object['metadata']['name']}-{self.made}"
        now = state.now()
        pod = Pod(name=name, namespace=self.namespace, template=copy.deepcopy(template), started_at=now, polled_at=now)
        pod.start(cluster, state)
        return pod

    def is_new(self, pod: Pod) -> bool:
        return json.dumps(pod.template, sort_keys=True) == json.dumps(self.object["spec"]["template"], sort_keys=True)

    def status(self, state: "State") -> dict[str, Any]:
        """In the words of each kind."""
        new, there, generation = sum(map(self.is_new, self.pods)), len(self.pods), self.object["metadata"]["generation"]
        surge = 1 if self.stuck and self.rolling is not None else 0
        if self.plural == "daemonsets":
            counts = {"desiredNumberScheduled": self.replicas, "currentNumberScheduled": there, "updatedNumberScheduled": new + surge}
            health = {"numberAvailable": there - surge, "numberReady": there - surge, "numberMisscheduled": 0}
            return {"observedGeneration": generation, **counts, **health}
        counts = {"replicas": there + surge, "updatedReplicas": new + surge, "availableReplicas": there, "readyReplicas": there}
        conditions = {"conditions": self._conditions(state)} if self.plural == "deployments" else {}
        return {"observedGeneration": generation, **counts, **conditions}

    def _conditions(self, state: "State") -> list[dict[str, Any]]:
        late = self.rolling is not None and self.rolled_at is not None and state.now() >= self.rolled_at + PROGRESS_DEADLINE
        done = "NewReplicaSetAvailable" if self.rolling is None else "ReplicaSetUpdated"
        progressing = {"status": "False", "reason": "ProgressDeadlineExceeded"} if late else {"status": "True", "reason": done}
        available = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}
        return [available, {"type": "Progressing", **progressing}]


def follows(workload: Workload, secret: str) -> bool:
    """Whether Reloader restarts it when this Secret changes."""
    said = {**(workload.object["spec"]["template"].get("metadata", {}).get("annotations") or {}), **_annotations(workload)}
    named = [one.strip() for one in said.get("secret.reloader.stakater.com/reload", "").split(",")]
    auto = said.get("reloader.stakater.com/auto") == "true" and any(used == secret for _, used in uses(workload.object["spec"]["template"]))
    return auto or secret in named


def _annotations(workload: Workload) -> dict[str, str]:
    return workload.object["metadata"].get("annotations") or {}
