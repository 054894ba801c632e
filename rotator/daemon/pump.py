"""The pump: it claims what is due, runs so many at once, and gives each row back. It knows nothing of Azure.

Emergencies have slots of their own beside the cadence's, so that one starts at once when all slots are busy. When the lock session is lost
every run is cancelled and awaited before locking again: another worker may have our rows by then. A fault ends a run, never the pump.
"""

import asyncio
import contextlib
import random
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from rotator.core.faults import LeaseLost
from rotator.core.retry import EMERGENCY_WAIT, backoff, rest
from rotator.daemon.pulse import Pulse
from rotator.daemon.rows import Ending, GiveBack, HandBack, Lock, Rows
from rotator.engine.ports import Clock, Lease, Watch
from rotator.ledger.work import CADENCE, EMERGENCY, Claimed
from rotator.telemetry import story

LONGEST_NAP = timedelta(seconds=2)
SHORTEST_NAP = timedelta(milliseconds=50)
HEARTBEAT = timedelta(seconds=1)
FREE_AGAIN = timedelta(seconds=10)
"""How long a ledger that is away is left alone at most before a row is given back anew: its next emergency may be another process's."""
CLAIMS_AT_ONCE = 100
ONCE_WAITS = timedelta(seconds=5)
"""A rotation that is under way and goes on this soon is waited for with `--once`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """How many runs at once: for everyone, and beside them for emergencies alone."""

    concurrency: int
    reserve: int


class Pump:
    """`serve` until `stop`; `errand` is one run of one claimed row, and says how it is given back."""

    def __init__(
        self,
        rows: Rows,
        lock: Lock,
        errand: Callable[[Claimed], Awaitable[Ending]],
        slots: Callable[[], Slots],
        clock: Clock,
        watch: Watch,
        pulse: Pulse,
        chance: random.Random | None = None,
    ) -> None:
        self._rows, self._lock, self._errand, self._slots = rows, lock, errand, slots
        self._clock, self._watch, self._pulse, self._chance = clock, watch, pulse, chance or random.Random()
        self._running: dict[asyncio.Task[None], Claimed] = {}
        self._stopping = asyncio.Event()
        self._freed = asyncio.Event()
        self._heard = asyncio.Event()
        self._faults = 0
        self._soon: set[str] = set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def busy(self) -> int:
        return len(self._running)

    def stop(self) -> None:
        """Claim nothing more; the runs in hand end between two steps."""
        self._stopping.set()

    def hear(self) -> None:
        """Something was woken, an emergency perhaps, so the ledger is there: what waits to be given back is tried at once."""
        self._heard.set()
        self._heard = asyncio.Event()

    async def serve(self, stop_within: Callable[[], timedelta], *, once: bool = False) -> None:
        """Until stopped, or with `once` until nothing is due. What is not through then is handed back."""
        heart = asyncio.create_task(self._heart())
        try:
            while not self.stopping and not await self._round(once):
                pass
        finally:
            self._stopping.set()
            await self._wind_up(stop_within())
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    async def _round(self, once: bool) -> bool:
        """Claim, and wait for the next thing to do; with `once`, whether all is worked off."""
        try:
            if self._lock.lost.is_set():
                await self._start_over()
            claimed = await self._claim()
            self._pulse.beat("pump")
            self._faults = 0
            if claimed:
                return False
            idle, due = not self._running and not self._soon, await self._next_due()
            if once and idle and (due is None or due > timedelta(0)):
                return True
            await self._nap(due)
            return False
        except Exception as fault:  # noqa: BLE001  # the pump's one: a ledger that is away ends no daemon
            self._faults += 1
            self._pulse.beat("pump")
            self._watch("pump_failed", **_defect(fault))
            await self._rest(backoff(self._faults, self._chance))
            return False

    async def _claim(self) -> bool:
        """Fill the free slots; whether more may be due than there was room for."""
        room = self._room(CADENCE)
        claimed = list(await self._rows.claim_due(room, least_priority=CADENCE)) if room else []
        self._start(claimed)
        more = self._room(EMERGENCY) if len(claimed) == room else 0
        urgent = list(await self._rows.claim_due(more, least_priority=EMERGENCY)) if more else []
        self._start(urgent)
        return bool(claimed or urgent)

    def _room(self, priority: int) -> int:
        """How many runs of this priority may start now: emergencies fill the reserve first, and nobody else fills any of it."""
        slots = self._slots()
        urgent = sum(claimed.priority >= EMERGENCY for claimed in self._running.values())
        free = slots.concurrency + slots.reserve - self.busy
        free -= max(slots.reserve - urgent, 0) if priority < EMERGENCY else 0
        return max(min(free, CLAIMS_AT_ONCE), 0)

    def _start(self, claimed: list[Claimed]) -> None:
        for one in claimed:
            self._soon.discard(one.lease.credential)
            task = asyncio.create_task(self._run(one), name=one.lease.credential)
            self._running[task] = one
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._freed.set()

    async def _next_due(self) -> timedelta | None:
        """How long until something is due that there is room for."""
        return await self._rows.next_due(least_priority=CADENCE if self._room(CADENCE) else EMERGENCY)

    async def _nap(self, due: timedelta | None) -> None:
        """Until something is due, was woken, or a slot is free."""
        longest = LONGEST_NAP if due is None or not self._room(EMERGENCY) else min(due, LONGEST_NAP)
        woken = asyncio.create_task(self._rows.wait_for_wake(max(longest, SHORTEST_NAP)))
        others = [asyncio.create_task(event.wait()) for event in (self._freed, self._stopping, self._lock.lost)]
        try:
            await asyncio.wait([woken, *others], return_when=asyncio.FIRST_COMPLETED)
            if woken.done():
                woken.result()
        finally:
            for task in (woken, *others):
                task.cancel()
            await asyncio.gather(woken, *others, return_exceptions=True)
        self._freed.clear()

    # --- one run ----------------------------------------------------------------------------------------------------------

    async def _run(self, claimed: Claimed) -> None:
        lease = claimed.lease
        with story(credential=lease.credential, rotation=lease.rotation):
            try:
                ending = await self._errand(claimed)
            except LeaseLost as lost:
                self._watch("lease_lost", because=str(lost))
                return
            except Exception as defect:  # noqa: BLE001  # the one of a run
                self._watch("run_failed", attempt=claimed.attempts, **_defect(defect))
                ending = HandBack(after=_patience(claimed, self._chance))
            await self._give_back(lease, ending)

    async def _give_back(self, lease: Lease, ending: Ending) -> None:
        """Until it is done: a row that we do not give back, and that no one reaps while we live, would rest for ever."""
        tries = 0
        while not self._lock.lost.is_set():
            try:
                return await self._end(lease, ending)
            except Exception as fault:  # noqa: BLE001  # the one of this loop: the ledger is away
                tries += 1
                self._watch("give_back_failed", **_defect(fault))
                await self._rest(min(backoff(tries, self._chance), FREE_AGAIN))
        return None

    async def _rest(self, length: timedelta) -> None:
        """For so long, or until something is heard."""
        waits = [asyncio.ensure_future(self._clock.sleep(length)), asyncio.create_task(self._heard.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _end(self, lease: Lease, ending: Ending) -> None:
        match ending:
            case GiveBack(again=again, rests_until=rests_until, looked=looked):
                await self._rows.finish(lease, again=again, rests_until=rests_until, looked=looked)
                after = ONCE_WAITS + SHORTEST_NAP if rests_until else again - self._clock.now()
            case HandBack(after=after):
                await self._rows.hand_back(lease, after=after)
        if after <= ONCE_WAITS:
            self._soon.add(lease.credential)

    # --- the lock, and the end --------------------------------------------------------------------------------------------

    async def _heart(self) -> None:
        """Prove every second that the lock session lives; where it does not, all runs are cancelled at once."""
        while True:
            await self._lock.beat()
            if self._lock.lost.is_set():
                self._cancel()
            else:
                self._pulse.beat("ledger")
            await self._clock.sleep(HEARTBEAT)

    async def _start_over(self) -> None:
        """Every run has ended before a new lock is taken; the rows of the old one are freed by whoever reaps."""
        self._watch("lock_lost", runs=self.busy)
        self._cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._lock.lock_again()
        await self._rows.reap()
        self._watch("locked_again")

    def _cancel(self) -> None:
        for task in self._running:
            task.cancel()

    async def _wind_up(self, within: timedelta) -> None:
        """Each run ends between two steps, or is cut off in its step when the time is over; its row is free at once either way."""
        left = dict(self._running)
        if left:
            self._watch("stopping", runs=len(left))
            await asyncio.wait(left, timeout=within.total_seconds())
        late = {task: claimed for task, claimed in left.items() if not task.done()}
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for claimed in late.values():
            self._watch("handed_back", credential=claimed.lease.credential, rotation=claimed.lease.rotation)
            with contextlib.suppress(Exception):  # the end comes anyway, and a dead owner's rows are reaped
                await self._rows.hand_back(claimed.lease)


def _patience(claimed: Claimed, chance: random.Random) -> timedelta:
    """How long until a run that failed is tried again: an emergency never waits for long."""
    if claimed.priority >= EMERGENCY:
        return min(backoff(claimed.attempts, chance), EMERGENCY_WAIT)
    return rest(claimed.attempts, chance, hopeless=False)


def _defect(fault: Exception) -> dict[str, str]:
    """What may be told of an exception that nobody expected: where and what kind, and the text of those that we write ourselves."""
    from rotator.core.faults import Fault

    own = isinstance(fault, Fault) or type(fault).__module__.startswith("rotator.")
    where = traceback.extract_tb(fault.__traceback__)[-1]
    place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
    return {"error": type(fault).__name__, "because": str(fault) if own else place, "at": place}
