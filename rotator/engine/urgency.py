"""What is urgent: a kill that becomes due drops what is in hand, and the calls of an emergency go before those of cadence.

Nobody holds up a cut, nor a deadline. Whether the calls made here and now belong to an emergency stands in a context variable: tasks take
it along, and what is below the ports (the budget of Azure, its connections) is handed `is_urgent` and knows nothing of the engine.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, TypeVar

from rotator.core.incident import Incident, State
from rotator.engine.beside import beside
from rotator.engine.ports import Lease, World

LISTENS_EVERY = timedelta(seconds=1)

T = TypeVar("T")

_urgent: ContextVar[bool] = ContextVar("urgent", default=False)
_gives_way: ContextVar[bool] = ContextVar("gives_way", default=False)


@contextlib.contextmanager
def urgent(yes: bool = True) -> Iterator[None]:
    """Inside, every call is part of an emergency (or, with False, is not), in the tasks that are made here, too."""
    before = _urgent.set(yes)
    try:
        yield
    finally:
        _urgent.reset(before)


def is_urgent() -> bool:
    """Whether the call that is made now is part of an emergency."""
    return _urgent.get()


@contextlib.contextmanager
def giving_way(yes: bool = True) -> Iterator[None]:
    """Inside, a call that would have to wait for budget is refused at once: its worker is of more use elsewhere, and comes back."""
    before = _gives_way.set(yes)
    try:
        yield
    finally:
        _gives_way.reset(before)


def gives_way() -> bool:
    """Whether the call that is made now is one that would rather come back than wait."""
    return _gives_way.get()


class Urgent(Exception):
    """A kill is due that was not due a moment ago."""


async def unless_urgent(
    work: Coroutine[Any, Any, T], incidents: Sequence[Incident], world: World, lease: Lease, heard: Callable[[], None]
) -> T:
    """What comes of `work`. A wake meanwhile is `heard`, and its cases are looked at. Raises Urgent where one is to be killed now."""
    task = beside(work)
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
