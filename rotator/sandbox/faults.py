"""What is made to go wrong, on purpose and by seed.

Promises: a rule names an operation (or "*"), optionally an account or secret, one fault, and how often; the first rule
that fires wins; the same seed and the same order of arrivals give the same faults. Never decides *how* a fault reaches
the client: that is the wire's part.
"""

from dataclasses import dataclass
from random import Random

OPERATIONS = (
    "ListKeys",
    "RegenerateKey",
    "GetAccount",
    "UpdateAccount",
    "ListAccounts",
    "SetSecret",
    "UpdateSecret",
    "GetSecret",
    "ListSecretVersions",
    "Token",
    "DataPlane",
)
# More is dispatched than is promised above: these can be named in a rule as well.
OTHER_OPERATIONS = (
    "ListSubscriptions",
    "GetOperation",
    "ListSecrets",
    "DeleteSecret",
    "ListDeletedSecrets",
    "GetDeletedSecret",
    "RecoverSecret",
    "PurgeSecret",
    "Discovery",
    "GetPublicKeys",
    "ListAlerts",
    "GetAlert",
    "UpdateAlert",
    "GetIncident",
    "ListIncidents",
    "ResolveIncident",
    "ListSites",
    "ListSlots",
    "ListContainerApps",
    "ListJobs",
    "ListServices",
    "ListNamedValues",
    "ListBackends",
    "ListContainerGroups",
    "ListWorkspaces",
    "ListWorkspaceConnections",
    "ListConnections",
    "ListProjects",
    "ListProjectConnections",
    "ListClusterSecrets",
    "ListFactories",
    "ListLinkedServices",
    "ListAppSettings",
    "ListConnectionStrings",
    "SetAppSettings",
    "GetAppSettingReference",
    "RefreshReferences",
    "RestartSite",
    "GetContainerApp",
    "UpdateContainerApp",
    "ListContainerAppSecrets",
    "ListRevisions",
    "ListReplicas",
    "RestartRevision",
    "GetJob",
    "UpdateJob",
    "ListJobSecrets",
    "ListExecutions",
    "GetContainerGroup",
    "SetContainerGroup",
    "GetNamedValue",
    "UpdateNamedValue",
    "ListNamedValue",
    "RefreshNamedValue",
    "GetBackend",
    "UpdateBackend",
    "GetConnection",
    "UpdateConnection",
    "GetWorkspaceConnection",
    "SetWorkspaceConnection",
    "ListConnectionSecrets",
    "GetLinkedService",
    "SetLinkedService",
    "GetClusterSecret",
    "PatchClusterSecret",
    "GetWorkload",
    "PatchWorkload",
    "GetExternalSecret",
    "PatchExternalSecret",
    "GetSecretProviderClass",
    "ListPodStatuses",
    "GetGitHubKey",
    "GetGitHubSecret",
    "PutGitHubSecret",
    "ListGitHubRepositories",
    "GetKeyValue",
    "PutKeyValue",
    "PutSentinel",
    "GetVariableGroup",
    "PutVariableGroup",
    "GetServiceConnection",
    "PutServiceConnection",
    "DeliverWebhook",
    "LookWebhook",
    "Health",
    "QueryGraph",
    "ListVaults",
    "ListLocks",
    "ListDenials",
    "ListPermissions",
    "ListPolicies",
    "GetInitiative",
    "ListActivity",
    "GetUser",
)
KINDS = {
    "500-before": "no effect, 500",
    "503-after": "effect, then 503",
    "drop-before": "no effect, connection closed",
    "drop-after": "effect, connection closed without an answer",
    "hang": "effect, no answer until the client gives up (or for the seconds given, then closed)",
    "hang-before": "the same without effect",
    "truncated": "effect, an answer shorter than its Content-Length, then closed",
    "429": "no effect, 429 with Retry-After of the seconds given (default 1)",
    "401": "no effect, 401",
    "403": "no effect, 403",
    "409": "no effect, 409",
    "latency": "effect and answer, both only after the seconds given, even if the client has left by then",
}
# What the hostile preset deals out. A false 401 or 403 is a lie, not bad weather: those are left to explicit rules.
WEATHER = (
    "500-before",
    "503-after",
    "drop-before",
    "drop-after",
    "truncated",
    "429:1",
    "hang:2",
    "hang-before:2",
    "latency:0.2",
)


@dataclass(slots=True, kw_only=True)
class Fault:
    """`times` None: without end. `probability` is asked at each arrival; `target` is an account's or secret's name; `skip` arrivals are
    let through first.
    """

    operation: str
    kind: str
    seconds: float | None = None
    target: str | None = None
    times: int | None = None
    probability: float = 1.0
    skip: int = 0
    fired: int = 0

    @property
    def label(self) -> str:
        return self.kind if self.seconds is None else f"{self.kind}:{self.seconds:g}"

    def matches(self, operation: str, target: str | None) -> bool:
        spent = self.times is not None and self.fired >= self.times
        wanted = self.target is None or (target is not None and self.target.lower() == target.lower())
        return not spent and wanted and self.operation in ("*", operation)


def parse(
    operation: str, fault: str, *, target: str | None = None, times: int | None = None, probability: float | None = None, skip: int = 0
) -> Fault:
    """One arrival is struck unless the caller says how many, or how likely."""
    if operation not in ("*", *OPERATIONS, *OTHER_OPERATIONS):
        raise ValueError(f"operation {operation!r} is none of {OPERATIONS}")
    kind, _, seconds = fault.partition(":")
    if kind not in KINDS or (kind == "latency" and not seconds):
        raise ValueError(f"fault {fault!r} is none of {tuple(KINDS)}, or lacks its seconds")
    return Fault(
        operation=operation,
        kind=kind,
        seconds=float(seconds) if seconds else None,
        target=target,
        times=1 if times is None and probability is None else times,
        probability=1.0 if probability is None else probability,
        skip=skip,
    )


class Faults:
    def __init__(self, random: Random) -> None:
        self._random = random
        self.rules: list[Fault] = []

    def add(self, rule: Fault) -> Fault:
        self.rules.append(rule)
        return rule

    def hostile(self, probability: float) -> None:
        """Each kind gets its share; since they are asked one after another, the sum is just below `probability`."""
        for weather in WEATHER:
            self.add(parse("*", weather, probability=probability / (len(WEATHER) + 1)))
        for operation in ("RegenerateKey", "UpdateAccount"):
            self.add(parse(operation, "409", probability=probability / (len(WEATHER) + 1)))

    def clear(self) -> None:
        self.rules.clear()

    def strike(self, operation: str, target: str | None) -> Fault | None:
        for rule in self.rules:
            if not rule.matches(operation, target) or self._random.random() >= rule.probability:
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            rule.fired += 1
            return rule
        return None
