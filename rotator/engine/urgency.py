"""What is in hand is dropped when a kill becomes due that was not due when it began: nobody holds up a cut, nor a deadline."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from rotator.core.incident import Incident, State
from rotator.engine.ports import Lease, World

LISTENS_EVERY = timedelta(seconds=1)

T = TypeVar("T")


class Urgent(Exception):
    """A kill is due that was not due a moment ago."""


async def unless_urgent(
    work: Coroutine[Any, Any, T], incidents: Sequence[Incident], world: World, lease: Lease, heard: Callable[[], None]
) -> T:
    """What comes of `work`. A wake meanwhile is `heard`, and its cases are looked at. Raises Urgent where one is to be killed now."""
    task = asyncio.ensure_future(work)
    known = kills_due(incidents, world.clock.now())
    try:
        while not (await asyncio.wait({task}, timeout=LISTENS_EVERY.total_seconds()))[0]:
            if await world.work.woken(lease):
                heard()
                incidents = await world.cases.of(lease.credential)
            if kills_due(incidents, world.clock.now()) - known:
                raise Urgent
        return task.result()
    finally:
        task.cancel()


def kills_due(incidents: Sequence[Incident], now: datetime) -> set[str]:
    """The cases whose value is to be killed whatever else is under way."""
    return {case.id for case in incidents if case.state is State.OPEN and (case.cuts or now >= case.deadline)}
