"""A health probe: by itself, or beside a dependent of any other kind (`health: {url, status, field}`).

GET, without a key. An app that says in `field` which version or fingerprint it runs on proves it. One that answers its status alone
proves that it is well, which during the overlap it is on either key: so a status lifts nothing, and a wrong one holds everything back.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rotator.core.credential import Dependent
from rotator.core.faults import Denied, Fault
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.https import Reply, Request, ask, refused
from rotator.dependents.tools import Tools
from rotator.dependents.views import at, claimed, proven, short, stale, unseen
from rotator.engine.ports import Kind, Published

DEPTH_MAX = 8
NEEDS = "GET of the health URL"


def kind(tools: Tools) -> "Health":
    return Health(tools)


class Health:
    """Fulfils `Kind` for an app that reads the vault by itself and has a health URL: nothing is delivered, all is seen."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        return await probe(dependent, published, dependent.parameters, self._tools)

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """The app looks at the vault by itself: there is nobody to be told."""


class Beside:
    """Any kind, with a health probe beside it where the settings say one. What cannot be seen is a view, and no fault."""

    def __init__(self, other: Kind, tools: Tools) -> None:
        self._other = other
        self._tools = tools

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        try:
            return await self._seen(dependent, published)
        except Fault as fault:
            return unseen(dependent, "; ".join(filter(None, (fault.what, fault.remedy))))

    async def _seen(self, dependent: Dependent, published: Published) -> DependentView:
        """The probe is asked only where the kind has nothing against it: an app on its old value is not asked whether it is well."""
        view = await self._other.adoption(dependent, published)
        check = dependent.parameters.get("health")
        if check is None or view.adoption in (Adoption.STALE, Adoption.UNSEEN):
            return view
        health = await probe(dependent, published, check, self._tools)
        both = f"{view.seen}; health {health.seen}"
        if health.adoption is Adoption.CLAIMED:
            return replace(view, seen=both)
        return replace(health, seen=both)

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        await self._other.deliver(dependent, published)


async def probe(dependent: Dependent, published: Published, said: Mapping[str, Any], tools: Tools) -> DependentView:
    """What the app says of itself now."""
    headers = {"Accept": "application/json", "User-Agent": "rotator"}
    request = Request(
        what=f"health of {dependent.name}", url=said["url"], headers=headers, missing="correct the health URL in the settings"
    )
    reply = await ask(tools.azure.probes, request)
    if reply.status in (401, 403) and reply.status != said["status"]:
        raise Denied(f"{request.what}: {reply.status}", remedy=f"grant {NEEDS} to rotator's machine")
    if reply.status != said["status"] and (reply.status in (404, 408, 429) or reply.status >= 500):
        raise refused(request, reply)  # unwell, or not there: what it runs on cannot be seen
    seen = f"{reply.status} at {at(datetime.now(UTC))}"
    if reply.status != said["status"]:
        return stale(dependent, seen, f"its health URL answers {reply.status} and not {said['status']}")
    if said["field"] is None:
        return claimed(dependent, seen, "it is well, which it may be on either key: name the `field` that says its version or fingerprint")
    return _compared(dependent, published, reply, said["field"], seen)


def _compared(dependent: Dependent, published: Published, reply: Reply, field: str, seen: str) -> DependentView:
    running = _at(reply.content, field)
    if not isinstance(running, str) or not running:
        return stale(dependent, seen, f"its health URL says nothing in {field!r}")
    told = f"{seen}, {field} {short(running)}"
    if running in (published.version, published.fingerprint):
        return proven(dependent, told, running=published.fingerprint)
    return stale(dependent, told, "it says that it runs on another one")


def _at(content: Any, field: str) -> Any:
    """What stands at a path of names with dots between."""
    for name in field.split(".")[:DEPTH_MAX]:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content
