"""The cadence ticks, and owns no work: a tick that is missed is one tick later, never work that is lost.

APScheduler goes by the wall clock. Where that jumps (a suspended machine, a clock set by hand) every tick is run at once and counted anew,
or a clock set back by a day would stop them for a day.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped]

from rotator.engine.ports import Watch

JUMP = timedelta(seconds=30)
LOOKS_AT_THE_CLOCK = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What is done every so often, with a jitter so that many daemons do not do it at once."""

    name: str
    every: timedelta
    run: Callable[[], Awaitable[None]]
    jitter: timedelta = timedelta(0)


@contextlib.asynccontextmanager
async def ticking(
    ticks: Sequence[Tick],
    watch: Watch,
    wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    looks_every: timedelta = LOOKS_AT_THE_CLOCK,
) -> AsyncIterator[None]:
    """Every tick on its beat, for as long as this lasts."""
    scheduler = AsyncIOScheduler(timezone=UTC)
    for tick in ticks:
        scheduler.add_job(
            guarded(tick, watch),
            IntervalTrigger(seconds=tick.every.total_seconds(), jitter=tick.jitter.total_seconds() or None, timezone=UTC),
            id=tick.name,
            coalesce=True,
            misfire_grace_time=None,
            max_instances=1,
        )
    scheduler.start()
    clock = asyncio.create_task(_mind_jumps(scheduler, watch, wall, looks_every))
    try:
        yield
    finally:
        clock.cancel()
        await asyncio.gather(clock, return_exceptions=True)
        scheduler.shutdown(wait=False)


def guarded(tick: Tick, watch: Watch) -> Callable[[], Coroutine[Any, Any, None]]:
    """A tick that fails is said so, and ends nothing."""

    async def run() -> None:
        try:
            await tick.run()
        except Exception as fault:  # noqa: BLE001  # the one of a tick: the next one tries again
            watch("tick_failed", tick=tick.name, error=type(fault).__name__)

    return run


async def _mind_jumps(scheduler: AsyncIOScheduler, watch: Watch, wall: Callable[[], datetime], looks_every: timedelta) -> None:
    loop = asyncio.get_running_loop()
    was, then = wall(), loop.time()
    while True:
        await asyncio.sleep(looks_every.total_seconds())
        jump = wall() - was - timedelta(seconds=loop.time() - then)
        was, then = wall(), loop.time()
        if abs(jump) > JUMP:
            watch("clock_jumped", seconds=round(jump.total_seconds()))
            for job in scheduler.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))
