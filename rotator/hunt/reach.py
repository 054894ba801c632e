"""How far a hunt reaches: Azure Resource Manager at its own pace, lists and single looks, so many at once, and a word of progress."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from rotator.azure import SIZES, Sort, error_code, faults
from rotator.azure.arm import ResourceManager
from rotator.azure.patience import patiently
from rotator.core.faults import Fault
from rotator.core.legible import span
from rotator.dependents.tools import Tools
from rotator.hunt.place import Held, Hidden, Scope, behind, place_of, scope_of

T = TypeVar("T")
AT_ONCE = 8
"""Resources of one place that are asked at the same time."""
PROGRESS_EVERY = 25
NONE_OF_A_KIND = frozenset({"MissingSubscriptionRegistration", "SubscriptionNotRegistered"})
"""What a subscription says that never had a resource of a provider: nothing of it is there to be searched."""


@dataclass(slots=True, kw_only=True)
class Reach:
    """What a place searches with: Resource Manager at cadence's pace, so that no hunt starves a kill; and a word of progress. `share` is
    how much of the budget is ours.
    """

    tools: Tools
    tell: Callable[[str], None]
    share: float = 1.0
    _arm: ResourceManager = field(init=False)

    def __post_init__(self) -> None:
        self._arm = ResourceManager(self.tools.azure)

    async def every(self, resource: str, api_version: str, *, needs: str) -> list[dict[str, Any]]:
        """All of a list, over its pages. Raises a Fault."""

        async def once() -> list[dict[str, Any]]:
            with faults(f"list of {resource.rsplit('/', 1)[1]}", needs=needs):
                return await self._arm.rows(resource, api_version)

        return await self.patiently(once)

    async def get(self, resource: str, api_version: str, *, needs: str) -> dict[str, Any]:
        """One resource. Raises a Fault."""
        return await self._call("GET", resource, api_version, needs)

    async def ask(self, resource: str, api_version: str, *, needs: str) -> dict[str, Any]:
        """One action that reads: a POST, which Azure counts as a write. Raises a Fault."""
        return await self._call("POST", resource, api_version, needs)

    async def _call(self, method: str, resource: str, api_version: str, needs: str) -> dict[str, Any]:
        async def once() -> dict[str, Any]:
            with faults(place_of(resource), needs=needs):
                return await self._arm.call(method, resource, api_version)

        return await self.patiently(once)

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call, which only reads, with the patience of who looks over everything. Raises a Fault."""
        return await patiently(call, self.tools.pause)

    async def listed(
        self, noun: str, scope: Scope, api_version: str, *, needs: str, kinds: Collection[str] = ()
    ) -> tuple[list[str], list[Hidden]]:
        """The resources of a type in scope, by id (only those of some `kinds`, where they are said); and what hides some of them."""
        found, hidden = list[str](), list[Hidden]()
        for path, rows in (await self._lists(scope.lists(noun), api_version, needs)).items():
            if not isinstance(rows, Fault):
                found += [str(one["id"]) for one in rows if one.get("id") and (not kinds or one.get("kind") in kinds)]
            elif error_code(rows)[0] not in NONE_OF_A_KIND:
                hidden.append(behind(f"every {noun} in {scope_of(path)}", rows))
        return found, hidden

    async def parts(
        self, parents: Iterable[str], noun: str, api_version: str, *, needs: str
    ) -> tuple[dict[str, dict[str, Any]], list[Hidden]]:
        """What is listed below each of these (`slots`, `namedValues`): its properties by its id; and what hides some of them."""
        found, hidden = dict[str, dict[str, Any]](), list[Hidden]()
        lists = await self._lists([f"{parent}/{noun}" for parent in parents], api_version, needs)
        for path, rows in lists.items():
            if isinstance(rows, Fault):
                hidden.append(behind(f"the {_words(noun)} of {place_of(path.rpartition('/')[0])}", rows))
            else:
                found |= {str(one["id"]): _inner(one) for one in rows if one.get("id")}
        return found, hidden

    async def _lists(self, paths: Iterable[str], api_version: str, needs: str) -> dict[str, list[dict[str, Any]] | Fault]:
        """What each of these lists, so many at once; or what stands in its way."""
        gate, every = asyncio.Semaphore(AT_ONCE), list(paths)

        async def one(path: str) -> list[dict[str, Any]] | Fault:
            async with gate:
                try:
                    return await self.every(path, api_version, needs=needs)
                except Fault as fault:
                    return fault

        return dict(zip(every, await asyncio.gather(*(one(path) for path in every)), strict=True))

    async def each(
        self, name: str, resources: Iterable[str], look: Callable[[str], Awaitable[list[Held]]], *, writes: bool = True
    ) -> AsyncIterator[Held | Hidden]:
        """What `look` finds in each, so many at once; one that cannot be looked at is Hidden. How many is said before the first is asked;
        `writes`: each of them is a call that Azure counts as a write.
        """
        gate, every = asyncio.Semaphore(AT_ONCE), list(resources)
        self.tell(f"{name}: {len(every)} to search{spent(len(every), self.share) if writes else ''}")

        async def one(resource: str) -> list[Held] | Hidden:
            async with gate:
                try:
                    with faults(place_of(resource)):
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


def spent(calls: int, share: float) -> str:
    """What so many calls cost that count as writes, where they are more than go at once."""
    size = SIZES[Sort.WRITES]
    if calls <= size.burst / 2:
        return ""
    wait_s = max(0.0, calls - size.burst) / size.refill_per_s / share
    return f", as many calls that Azure counts as writes; about {span(timedelta(seconds=math.ceil(wait_s)))} of waiting for them"


def _inner(row: dict[str, Any]) -> dict[str, Any]:
    inner = row.get("properties")
    return inner if isinstance(inner, dict) else {}


def _words(noun: str) -> str:
    """`namedValues`, as people say it."""
    return "".join(f" {char.lower()}" if char.isupper() else char for char in noun)
