"""Container Apps and their jobs: an array of secrets that is replaced as a whole, replicas that keep what they started
with.

Promises: an update drops the secrets it does not name, reads the vault again for those that refer to it, and restarts
nothing; a restart of a revision makes new replicas with what is stored, and does not read the vault; every 30 minutes
a reference without a version is read again, and the replicas with it; a pinned one never is. Never: images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rotator.sandbox.references import Fetched, fetch, place_at
from rotator.sandbox.wire import Answer, Call, Refused, Route

if TYPE_CHECKING:
    from rotator.sandbox.state import State

CACHED_FOR = timedelta(minutes=30)
_PROVIDER = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.App"
_APP = rf"(?P<id>{_PROVIDER}/containerApps/(?P<target>[^/]+))"
_JOB = rf"(?P<id>{_PROVIDER}/jobs/(?P<target>[^/]+))"


@dataclass(slots=True, kw_only=True)
class Replica:
    """A pod, or one execution of a job: it holds what was stored when it began."""

    name: str
    created_at: datetime
    holds: dict[str, str] = field(repr=False)
    ended_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class ContainerApp:
    """An app, or a job (`is_job`). `takes_s` is how long an update is under way; `stuck` makes new replicas unhealthy; `env` are the
    variables of its one container, as its template has them.
    """

    id: str
    secrets: list[dict[str, str]] = field(repr=False)
    modified_at: datetime
    is_job: bool = False
    env: list[dict[str, str]] = field(default_factory=list, repr=False)
    takes_s: float = 0.0
    stuck: bool = False
    busy_until: datetime | None = None
    revision: str = "app--r1"
    healthy: bool = True
    restarts: int = 0
    fetched: dict[str, Fetched] = field(default_factory=dict, repr=False)
    replicas: list[Replica] = field(default_factory=list, repr=False)

    def stored(self, state: "State") -> dict[str, str]:
        self.look(state)
        return {one["name"]: value for one in self.secrets if (value := self._holds(one)) is not None}

    def process(self, state: "State", secret: str) -> str | None:
        """What the replicas that run now hold."""
        self.look(state)
        running = [one for one in self.replicas if one.ended_at is None]
        return running[-1].holds.get(secret) if running else None

    def look(self, state: "State") -> None:
        late = [one for one in self.secrets if "keyVaultUrl" in one and not place_at(one["keyVaultUrl"]).version]
        if any(one["name"] in self.fetched and state.now() >= self.fetched[one["name"]].at + CACHED_FOR for one in late):
            self._fetch(state)
            if not self.is_job:
                self.restart(state)

    def write(self, secrets: list[dict[str, str]], state: "State") -> None:
        self.secrets = secrets
        self.modified_at = state.now()
        self.busy_until = state.now() + timedelta(seconds=self.takes_s)
        self._fetch(state)

    def restart(self, state: "State") -> None:
        """The replicas of the active revision, made anew."""
        self.restarts += 1
        self.healthy = not self.stuck
        if not self.stuck:
            self.replicas = [self._replica(state, f"{self.revision}-{self.restarts}-{number}") for number in range(2)]

    def execute(self, state: "State") -> Replica:
        """A job's next execution begins."""
        self.replicas.append(self._replica(state, f"execution-{len(self.replicas) + 1}"))
        return self.replicas[-1]

    def _replica(self, state: "State", name: str) -> Replica:
        return Replica(name=name, created_at=state.now(), holds={one["name"]: self._holds(one) or "" for one in self.secrets})

    def _fetch(self, state: "State") -> None:
        self.fetched = {one["name"]: fetch(state, place_at(one["keyVaultUrl"])) for one in self.secrets if "keyVaultUrl" in one}

    def _holds(self, secret: dict[str, str]) -> str | None:
        return self.fetched[secret["name"]].value if secret["name"] in self.fetched else secret.get("value")


class ContainerApps:
    """The part of Resource Manager that container apps and jobs answer at."""

    def __init__(self, state: "State") -> None:
        self._state = state
        revision = rf"{_APP}/revisions/(?P<revision>[^/]+)"
        self.routes: Sequence[Route] = (
            Route("GET", _APP, "GetContainerApp", self.get),
            Route("PATCH", _APP, "UpdateContainerApp", self.update),
            Route("POST", rf"{_APP}/listSecrets", "ListContainerAppSecrets", self.list_secrets),
            Route("GET", rf"{_APP}/revisions", "ListRevisions", self.revisions),
            Route("GET", rf"{revision}/replicas", "ListReplicas", self.replicas),
            Route("POST", rf"{revision}/restart", "RestartRevision", self.restart),
            Route("GET", _JOB, "GetJob", self.get),
            Route("PATCH", _JOB, "UpdateJob", self.update),
            Route("POST", rf"{_JOB}/listSecrets", "ListJobSecrets", self.list_secrets),
            Route("GET", rf"{_JOB}/executions", "ListExecutions", self.executions),
        )

    def get(self, call: Call) -> Answer:
        return Answer(body=self._shown(self._find(call)))

    def update(self, call: Call) -> Answer:
        app = self._find(call)
        if self._is_busy(app):
            raise Refused(409, "ContainerAppOperationInProgress", "Cannot modify a container app with an operation in progress.")
        configuration = (call.json().get("properties") or {}).get("configuration") or {}
        if "secrets" in configuration:
            app.write([_checked(one) for one in configuration["secrets"]], self._state)
        else:
            app.modified_at = self._state.now()
        return Answer(body=self._shown(app))

    def list_secrets(self, call: Call) -> Answer:
        app = self._find(call)
        stored = app.stored(self._state)
        return Answer(body={"value": [{**one, "value": stored.get(one["name"], "")} for one in app.secrets]})

    def revisions(self, call: Call) -> Answer:
        app = self._find(call)
        properties = {
            "active": True,
            "createdTime": _time(app.modified_at),
            "replicas": len(app.replicas),
            "trafficWeight": 100,
            "healthState": "Healthy" if app.healthy else "Unhealthy",
            "provisioningState": "Provisioned",
            "runningState": "Running" if app.healthy else "Degraded",
        }
        old = {"active": False, "createdTime": _time(app.modified_at), "replicas": 0, "trafficWeight": 0, "healthState": "None"}
        rows = {app.revision: properties, "app--r0": old}
        return Answer(body={"value": [{"id": f"{app.id}/revisions/{name}", "name": name, "properties": row} for name, row in rows.items()]})

    def replicas(self, call: Call) -> Answer:
        app = self._find(call)
        there = app.replicas if call.names["revision"] == app.revision else []
        running = [{"name": one.name, "properties": {"createdTime": _time(one.created_at), "runningState": "Running"}} for one in there]
        return Answer(body={"value": running})

    def restart(self, call: Call) -> Answer:
        app = self._find(call)
        if call.names["revision"] != app.revision:
            raise Refused(400, "RevisionInactive", "The revision is not active.")
        app.restart(self._state)
        return Answer()

    def executions(self, call: Call) -> Answer:
        rows = [
            {
                "name": one.name,
                "properties": {
                    "status": "Succeeded" if one.ended_at else "Running",
                    "startTime": _time(one.created_at),
                    **({"endTime": _time(one.ended_at)} if one.ended_at else {}),
                },
            }
            for one in reversed(self._find(call).replicas)
        ]
        return Answer(body={"value": rows})

    def _find(self, call: Call) -> ContainerApp:
        app = self._state.find(call.names["id"], ContainerApp)
        app.look(self._state)
        return app

    def _is_busy(self, app: ContainerApp) -> bool:
        return app.busy_until is not None and self._state.now() < app.busy_until

    def _shown(self, app: ContainerApp) -> dict[str, Any]:
        """Secrets by name alone: values are for listSecrets."""
        secrets = [{name: value for name, value in one.items() if name != "value"} for one in app.secrets]
        return {
            "id": app.id,
            "name": app.id.rsplit("/", 1)[1],
            "type": "Microsoft.App/jobs" if app.is_job else "Microsoft.App/containerApps",
            "location": "westeurope",
            "systemData": {"lastModifiedAt": _time(app.modified_at)},
            "properties": {
                "provisioningState": "InProgress" if self._is_busy(app) else "Succeeded",
                "configuration": {"secrets": secrets, "activeRevisionsMode": "Single"},
                "template": {"containers": [{"name": "main", "image": "main:1", "env": app.env}]},
            },
        }


def _checked(secret: Any) -> dict[str, str]:
    if not isinstance(secret, dict) or not secret.get("name") or ("value" in secret) == ("keyVaultUrl" in secret):
        raise Refused(400, "ContainerAppSecretInvalid", "A secret needs a name and either a value or a keyVaultUrl.")
    return {name: str(value) for name, value in secret.items()}


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
