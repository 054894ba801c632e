"""Lists of Resource Manager over whatever runs on keys: by subscription or resource group.

Promises: small pages with an absolute nextLink, as Azure has them; a list shows no secret value, of named values as
of connections; a backend's credentials are none, for Azure. Never: filters.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from rotator.sandbox.connections import Connection
from rotator.sandbox.factories import LinkedService, masked
from rotator.sandbox.state import State
from rotator.sandbox.wire import Answer, Call, Refused, Route

_SCOPE = r"/subscriptions/(?P<subscription>[^/]+)(/resourceGroups/(?P<group>[^/]+))?/providers"
_SERVICE = r"(?P<parent>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ApiManagement/service/[^/]+)"
_WORKSPACE = r"(?P<parent>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices/workspaces/[^/]+)"
_FACTORY = r"(?P<parent>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.DataFactory/factories/[^/]+)"
_ACCOUNT = r"(?P<parent>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/[^/]+)"
_PROJECT = _ACCOUNT.removesuffix(")") + "/projects/[^/]+)"
_SITE = r"(?P<parent>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Web/sites/[^/]+)"


class Listings:
    """The part of Resource Manager that lists."""

    def __init__(self, state: State, url: str) -> None:
        self._state = state
        self._url = url
        self.routes: Sequence[Route] = (
            Route("GET", rf"{_SCOPE}/(?P<noun>Microsoft\.Web/sites)", "ListSites", self.resources),
            Route("GET", rf"{_SITE}/(?P<noun>slots)", "ListSlots", self.children),
            Route("GET", rf"{_SCOPE}/(?P<noun>Microsoft\.App/containerApps)", "ListContainerApps", self.resources),
            Route("GET", rf"{_SCOPE}/(?P<noun>Microsoft\.App/jobs)", "ListJobs", self.resources),
            Route("GET", rf"{_SCOPE}/(?P<noun>Microsoft\.ApiManagement/service)", "ListServices", self.resources),
            Route("GET", rf"{_SERVICE}/(?P<noun>namedValues)", "ListNamedValues", self.children),
            Route("GET", rf"{_SERVICE}/(?P<noun>backends)", "ListBackends", self.children),
            Route("GET", rf"{_SCOPE}/(?P<noun>Microsoft\.ContainerInstance/containerGroups)", "ListContainerGroups", self.resources),
            Route("GET", rf"{_SCOPE}/(?P<noun>Microsoft\.MachineLearningServices/workspaces)", "ListWorkspaces", self.resources),
            Route("GET", rf"{_SCOPE}/(?P<noun>Microsoft\.DataFactory/factories)", "ListFactories", self.resources),
            Route("GET", rf"{_FACTORY}/(?P<noun>linkedservices)", "ListLinkedServices", self.children),
            Route("GET", rf"{_WORKSPACE}/(?P<noun>connections)", "ListWorkspaceConnections", self.children),
            Route("GET", rf"{_ACCOUNT}/(?P<noun>connections)", "ListConnections", self.children),
            Route("GET", rf"{_ACCOUNT}/(?P<noun>projects)", "ListProjects", self.parents),
            Route("GET", rf"{_PROJECT}/(?P<noun>connections)", "ListProjectConnections", self.children),
        )

    def resources(self, call: Call) -> Answer:
        """What is of this type itself; of a service, that whose parts are there."""
        namespace = call.names["noun"].split("/")[0]
        if namespace.lower() in self._state.unregistered:
            message = f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found"
            raise Refused(409, "MissingSubscriptionRegistration", message)
        group = re.escape(call.names["group"]) if call.names.get("group") else "[^/]+"
        scope = rf"/subscriptions/{re.escape(call.names['subscription'])}/resourceGroups/{group}"
        form = re.compile(rf"({scope}/providers/{re.escape(call.names['noun'])}/[^/]+)(?:/.*)?", re.IGNORECASE)
        found = [match[1] for one in self._ids() if (match := form.fullmatch(one))]
        return self._page(call, [{"id": one, "name": one.rsplit("/", 1)[1]} for one in dict.fromkeys(found)])

    def children(self, call: Call) -> Answer:
        form = re.compile(rf"{re.escape(call.names['parent'])}/{call.names['noun']}/[^/]+", re.IGNORECASE)
        found = [one for one in self._ids() if form.fullmatch(one)]
        return self._page(call, [{"id": one, "name": one.rsplit("/", 1)[1], "properties": self._shown(one)} for one in found])

    def parents(self, call: Call) -> Answer:
        """What is known by its parts alone: a project, of which connections are there."""
        form = re.compile(rf"({re.escape(call.names['parent'])}/{call.names['noun']}/[^/]+)/.*", re.IGNORECASE)
        found = dict.fromkeys(match[1] for one in self._ids() if (match := form.fullmatch(one)))
        return self._page(call, [{"id": one, "name": one.rsplit("/", 1)[1], "properties": {}} for one in found])

    def _ids(self) -> list[str]:
        return [str(getattr(one, "id", "")) for one in self._state.consumers.values()]

    def _shown(self, id_: str) -> dict[str, Any]:
        """As its own GET shows it: a secret named value without its value, a connection without its credentials, secure strings masked."""
        consumer = self._state.consumers[id_.lower()]
        properties: dict[str, Any] = dict(getattr(consumer, "properties", {}))
        if properties.get("secret"):
            properties.pop("value", None)
        if isinstance(consumer, Connection):
            properties["credentials"] = None
        return masked(properties) if isinstance(consumer, LinkedService) else properties

    def _page(self, call: Call, every: list[dict[str, Any]]) -> Answer:
        token = call.query.get("$skiptoken", "0")
        if not token.isdecimal():
            raise Refused(400, "InvalidSkipToken", "The skip token is invalid.")
        start, end = int(token), int(token) + self._state.page_size
        body: dict[str, Any] = {"value": every[start:end]}
        if end < len(every):
            query = urlencode({"api-version": call.query["api-version"], "$skiptoken": end})
            body["nextLink"] = f"{self._url}{call.request.path}?{query}"
        return Answer(body=body)
