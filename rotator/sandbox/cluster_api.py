"""The Kubernetes API, as far as Secrets, workloads and the custom resources of two operators go.

Promises: `Status` objects for errors, RBAC by resource and verb, a 409 for a resourceVersion that is not the current
one, a 422 for a change of an immutable Secret. Never: watches, strategic merges of lists, admission.
"""

import base64
import binascii
import copy
from collections.abc import Sequence
from typing import Any

from rotator.sandbox.cluster import Key
from rotator.sandbox.state import State
from rotator.sandbox.wire import Answer, Call, Refused, Route

_NAMESPACE = r"/namespaces/(?P<namespace>[^/]+)"
_NAMED = r"/(?P<target>[^/]+)"
_MERGES = ("application/merge-patch+json", "application/strategic-merge-patch+json")
_EXTERNAL = r"/apis/external-secrets\.io/(v1|v1beta1)"
_DRIVER = r"/apis/secrets-store\.csi\.x-k8s\.io/v1"
_REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid"}
_OPERATIONS = {
    "secrets": ("GetClusterSecret", "PatchClusterSecret"),
    "deployments": ("GetWorkload", "PatchWorkload"),
    "statefulsets": ("GetWorkload", "PatchWorkload"),
    "daemonsets": ("GetWorkload", "PatchWorkload"),
    "externalsecrets": ("GetExternalSecret", "PatchExternalSecret"),
    "secretproviderclasses": ("GetSecretProviderClass", ""),
}


class ClusterApi:
    name = "kubernetes"

    def __init__(self, state: State) -> None:
        self._state = state
        groups = {
            "secrets": "/api/v1",
            "deployments": "/apis/apps/v1",
            "statefulsets": "/apis/apps/v1",
            "daemonsets": "/apis/apps/v1",
            "externalsecrets": _EXTERNAL,
            "secretproviderclasses": _DRIVER,
        }
        routes = [
            Route(method, f"{group}{_NAMESPACE}/(?P<plural>{plural}){_NAMED}", operation, effect)
            for plural, group in groups.items()
            for method, operation, effect in zip(("GET", "PATCH"), _OPERATIONS[plural], (self.get, self.patch), strict=True)
            if operation
        ]
        statuses = rf"{_DRIVER}{_NAMESPACE}/(?P<plural>secretproviderclasspodstatuses)"
        self.routes: Sequence[Route] = [
            *routes,
            Route("GET", statuses, "ListPodStatuses", self.statuses),
            Route("GET", r"/api/v1/(?P<plural>secrets)", "ListClusterSecrets", self.secrets),
        ]

    def admit(self, call: Call) -> None:
        cluster = self._state.elsewhere.cluster
        if call.request.headers.get("Authorization") != f"Bearer {cluster.token}":
            raise Refused(401, "Unauthorized", "Unauthorized")
        if "plural" not in call.names:
            return
        plural, verb = call.names["plural"], {"GET": "get", "PATCH": "patch"}[call.request.method]
        verb = "list" if "target" not in call.names else verb
        if f"{plural}/{verb}" in cluster.denied:
            message = (
                f'{plural} is forbidden: User "rotator" cannot {verb} resource "{plural}" in the namespace "{call.names.get("namespace")}"'
            )
            raise Refused(403, "Forbidden", message)

    def error(self, refused: Refused) -> Answer:
        reason = _REASONS.get(refused.status, refused.code)
        about = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": refused.message}
        return Answer(status=refused.status, body={**about, "reason": reason, "code": refused.status}, headers=refused.headers)

    def get(self, call: Call) -> Answer:
        return Answer(body=copy.deepcopy(self._found(call)))

    def patch(self, call: Call) -> Answer:
        before, change = self._found(call), call.json()
        if call.request.content_type not in _MERGES:
            raise Refused(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        said = (change.get("metadata") or {}).get("resourceVersion")
        if said is not None and said != before["metadata"]["resourceVersion"]:
            message = "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version"
            raise Refused(409, "Conflict", message)
        if call.names["plural"] == "secrets":
            _check_data(before, change)
        return Answer(body=self._state.elsewhere.cluster.patch(self._key(call), change, self._state))

    def statuses(self, call: Call) -> Answer:
        cluster = self._state.elsewhere.cluster
        cluster.look(self._state)
        found = cluster.pod_statuses(call.names["namespace"])
        start, size = int(call.query.get("continue") or 0), int(call.query.get("limit") or 500)
        more = {"continue": str(start + size)} if start + size < len(found) else {}
        kind = {"kind": "SecretProviderClassPodStatusList", "apiVersion": "secrets-store.csi.x-k8s.io/v1"}
        return Answer(body={**kind, "metadata": {"resourceVersion": "1", **more}, "items": found[start : start + size]})

    def secrets(self, call: Call) -> Answer:
        """Of all namespaces, in pages."""
        cluster = self._state.elsewhere.cluster
        cluster.look(self._state)
        found = [copy.deepcopy(one) for key, one in cluster.objects.items() if key[0] == "secrets"]
        start, size = int(call.query.get("continue") or 0), int(call.query.get("limit") or 500)
        more = {"continue": str(start + size)} if start + size < len(found) else {}
        body = {
            "kind": "SecretList",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": "1", **more},
            "items": found[start : start + size],
        }
        return Answer(body=body)

    def _key(self, call: Call) -> Key:
        return call.names["plural"], call.names["namespace"], call.names["target"]

    def _found(self, call: Call) -> dict[str, Any]:
        cluster, key = self._state.elsewhere.cluster, self._key(call)
        cluster.look(self._state)
        if key not in cluster.objects:
            raise Refused(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        return cluster.objects[key]


def _check_data(before: dict[str, Any], change: dict[str, Any]) -> None:
    if before.get("immutable") and change.get("data"):
        raise Refused(422, "Invalid", "Secret is invalid: data: Forbidden: field is immutable when `immutable` is set")
    try:
        for value in filter(None, (change.get("data") or {}).values()):
            base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError):
        raise Refused(400, "BadRequest", "illegal base64 data") from None
