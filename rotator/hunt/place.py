"""What a place that is searched is, what it finds, and how far it reaches."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from rotator.azure import faults
from rotator.azure.arm import ResourceManager
from rotator.core.faults import Fault, Throttled
from rotator.core.keyshape import keys_in
from rotator.core.sealed import Fingerprint, Sealed
from rotator.dependents.arm import Reference
from rotator.dependents.tools import Tools

T = TypeVar("T")
AT_ONCE = 8
"""Resources of one place that are asked at the same time."""
ATTEMPTS = 4
LONGEST_PAUSE = timedelta(seconds=60)
TEXT_MAX = 64 * 1024
KEYS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One text that somebody holds: what stands in it, as fingerprints (the first is that of all of it), or what it refers to.

    `settings` is the dependent as the settings would say it.
    """

    what: str
    resource: str
    settings: Mapping[str, Any]
    fingerprints: tuple[Fingerprint, ...] = ()
    reference: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """What could not be searched, why, and what a person has to do."""

    what: str
    because: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where is searched: subscriptions, in them one resource group or all; vaults by URL; clusters by kubeconfig and context."""

    subscriptions: tuple[str, ...]
    group: str = ""
    vaults: tuple[str, ...] = ()
    clusters: tuple[tuple[str, str], ...] = ()

    def lists(self, noun: str) -> list[str]:
        """The paths that list every resource of a type (`Microsoft.Web/sites`)."""
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return [f"/subscriptions/{one}{group}/providers/{noun}" for one in self.subscriptions]


class Place(Protocol):
    """One sort of places. A Fault that stands in its way anywhere is a `Hidden`, and the rest of it is searched."""

    name: str

    def search(self, scope: Scope, reach: "Reach") -> AsyncIterator[Held | Hidden]: ...


@dataclass(slots=True, kw_only=True)
class Reach:
    """What a place searches with: Resource Manager at cadence's pace, so that no hunt starves a kill; and a word of progress."""

    tools: Tools
    tell: Callable[[str], None]
    _arm: ResourceManager = field(init=False)

    def __post_init__(self) -> None:
        self._arm = ResourceManager(self.tools.azure)

    async def every(self, resource: str, api_version: str, *, needs: str) -> list[dict[str, Any]]:
        """All of a list, over its pages. Raises a Fault."""

        async def once() -> list[dict[str, Any]]:
            with faults(f"list of {place_of(resource)}", needs=needs):
                return await self._arm.rows(resource, api_version)

        return await self.patiently(once)

    async def ask(self, resource: str, api_version: str, *, needs: str) -> dict[str, Any]:
        """One action that reads: a POST, which Azure counts as a write. Raises a Fault."""

        async def once() -> dict[str, Any]:
            with faults(place_of(resource), needs=needs):
                return await self._arm.call("POST", resource, api_version)

        return await self.patiently(once)

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call, again where the service or our own budget asks for patience."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await call()
            except Throttled as throttled:
                pause = min(max(throttled.until - datetime.now(UTC), timedelta(seconds=0.5)), LONGEST_PAUSE)
                await self.tools.pause(pause.total_seconds())
        return await call()

    async def listed(self, noun: str, scope: Scope, api_version: str, *, needs: str) -> tuple[list[str], list[Hidden]]:
        """The resources of a type in scope, by id; and what hides some of them."""
        found, hidden = list[str](), list[Hidden]()
        for path in scope.lists(noun):
            try:
                found += [str(one["id"]) for one in await self.every(path, api_version, needs=needs) if one.get("id")]
            except Fault as fault:
                hidden.append(behind(f"every {noun} of {place_of(path)}", fault))
        return found, hidden

    async def each(self, name: str, resources: Iterable[str], look: Callable[[str], Awaitable[list[Held]]]) -> AsyncIterator[Held | Hidden]:
        """What `look` finds in each, so many at once; one that cannot be looked at is Hidden."""
        gate, every = asyncio.Semaphore(AT_ONCE), list(resources)
        self.tell(f"{name}: {len(every)} to search")

        async def one(resource: str) -> list[Held] | Hidden:
            async with gate:
                try:
                    return await look(resource)
                except Fault as fault:
                    return behind(place_of(resource), fault)

        tasks = [asyncio.ensure_future(one(resource)) for resource in every]
        try:
            for done, task in enumerate(asyncio.as_completed(tasks), 1):
                found = await task
                for each in [found] if isinstance(found, Hidden) else found:
                    yield each
                if done % PROGRESS_EVERY == 0:
                    self.tell(f"{name}: {done} of {len(every)}")
        finally:
            for left in tasks:
                left.cancel()


PROGRESS_EVERY = 25


def behind(what: str, fault: Fault) -> Hidden:
    """What a fault hides."""
    return Hidden(what=what, because=fault.what, remedy=fault.remedy)


def prints(text: object) -> tuple[Fingerprint, ...]:
    """The fingerprints of a text and of each key in it; the text itself goes no further."""
    if not isinstance(text, str) or not text or len(text) > TEXT_MAX:
        return ()
    every = [Sealed(text), *keys_in(text, KEYS_MAX)]
    return tuple(dict.fromkeys(one.fingerprint for one in every))


def place_of(resource: str) -> str:
    """A resource id as people say it: its names, and the group or subscription it is in. A URL says enough itself."""
    if resource.startswith("https://"):
        return resource
    parts = resource.strip("/").split("/")
    nouns = parts[parts.index("providers") + 2 :] if "providers" in parts else parts
    names = "/".join(nouns[1::2]) or "/".join(nouns)
    group = f" in {parts[3]}" if len(parts) > 3 and parts[2].lower() == "resourcegroups" else f" in {parts[1]}" if len(parts) > 1 else ""
    return f"{names}{group}"
