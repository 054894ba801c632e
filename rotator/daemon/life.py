"""The daemon's life: it starts, reloads, stops, and says so to the service manager and in the log.

SIGTERM and SIGINT: nothing more is claimed, each run ends between two steps or is handed back in time. SIGHUP: the settings and the
secrets they refer to are read anew; what is wrong, or needs a restart, is said, and the old ones stay.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from rotator.daemon.cadence import Tick, ticking
from rotator.daemon.errand import Errands
from rotator.daemon.fleet import Fleet
from rotator.daemon.overdue import Overdue
from rotator.daemon.pulse import Pulse
from rotator.daemon.pump import Pump
from rotator.daemon.renewal import NotRenewed, Renewal, references_of
from rotator.daemon.systemd import Systemd
from rotator.daemon.ticks import enlisted, recalled, ticks_of
from rotator.engine.gate import Paced
from rotator.engine.ports import World
from rotator.ledger.fault import LedgerFault
from rotator.settings import Settings, SettingsError
from rotator.wiring import House, refurnished

RELOADED = frozenset({"defaults", "credentials", "discover", "limits"})
"""Settings that a reload takes over; a change of any other one needs a restart, and so do these of the limits."""
LIMITS_THAT_RESTART = ("request_timeout", "azure_share", "emergency_reserve", "alerts_per_minute")


class Daemon:
    """One house, kept. `read` reads the settings anew."""

    def __init__(self, house: House, read: Callable[[], Settings], systemd: Systemd) -> None:
        self._house, self._read, self._systemd = house, read, systemd
        self._polls: list[Tick] = []
        self._companions: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self.pulse, self.overdue = Pulse(), Overdue()
        ledger, clock = house.ledger, house.world.clock
        self._gate = Paced(ledger.waves, lambda: self.fleet.limits.wave.limits(), lambda: self.fleet.size, clock)
        self.fleet = Fleet(house.credentials, house.settings.limits, self._gated(house.world))
        errands = Errands(self.fleet, ledger.work, ledger.waves, self.overdue, lambda: self.pump.stopping)
        self.pump = Pump(ledger.work, ledger.lock, errands.run, lambda: self.fleet.slots, clock, house.world.watch, self.pulse)
        ledger.work.listeners.append(self.pump.hear)
        self._reloads: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        self.renewal = Renewal(references_of(house.settings), house.tools.secret)
        self._mended: list[Callable[[], None]] = []

    async def begin(self) -> None:
        """Take the ledger into service, before anything is listened on.

        Raises:
            AlreadyServed: another daemon serves this ledger.
        """
        ledger = self._house.ledger
        await ledger.lock.become_daemon()
        await enlisted(self.fleet, ledger)
        await recalled(self.fleet, ledger.work)
        await ledger.work.reap()
        await self._tried_again()

    def accompany(self, *companions: Callable[[], Coroutine[Any, Any, None]], ticks: Sequence[Tick] = ()) -> None:
        """Other rooms' loops, which run for as long as the daemon lives, and their ticks."""
        self._companions += companions
        self._polls += ticks

    def tell_when_mended(self, told: Callable[[], None]) -> None:
        """Who has work in hand that is about to fail by what was mended: they try it again at once."""
        self._mended.append(told)

    async def _tried_again(self) -> None:
        """A person may have mended what stood in the way. Raises LedgerFault."""
        for told in self._mended:
            told()
        await self._house.ledger.inbox.try_again()
        await self._house.ledger.closings.try_again()
        self._house.ledger.inbox.hear()

    async def live(self, *, once: bool = False) -> None:
        """Until stopped, or with `once` until nothing is due. Told to stop before it began, it does nothing."""
        ledger, watch = self._house.ledger, self._house.world.watch
        if self.pump.stopping:
            return watch("stopped")
        async with contextlib.AsyncExitStack() as stack:
            if not once:
                await stack.enter_async_context(ticking([*self._ticks(), *self._polls], watch))
                await stack.enter_async_context(self._watchdog())
                await stack.enter_async_context(_beside(self._companions))
            watch("serving", credentials=self.fleet.size, owner=ledger.lock.owner, once=once)
            self._systemd.ready(self._status())
            await self.pump.serve(lambda: self.fleet.limits.stop_within, once=once)
        return watch("stopped")

    def _ticks(self) -> Sequence[Tick]:
        around = Tick(name="scopes", every=timedelta(hours=1), run=self.look_around, jitter=timedelta(minutes=5))
        return [*ticks_of(self.fleet, self._house.ledger, self.overdue), around]

    def stop(self) -> None:
        """End between two steps; told to the service manager at once."""
        if not self.pump.stopping:
            self._systemd.stopping()
            self.pump.stop()

    # --- settings ---------------------------------------------------------------------------------------------------------

    async def reload(self) -> bool:
        """Read the settings anew, and take over credentials and limits; whether that was done. No run in hand is disturbed."""
        self._systemd.reloading()
        try:
            async with self._looking:
                return await self._reload()
        finally:
            self._systemd.ready(self._status())

    async def _reload(self) -> bool:
        watch, old = self._house.world.watch, self._house.settings
        try:
            settings = await asyncio.to_thread(self._read)
        except SettingsError as error:
            watch("reload_refused", errors=error.errors, kept="the settings as they were")
            return False
        fixed = needs_restart(old, settings)
        if fixed:
            watch("reload_refused", errors=[f"{name}: a change needs a restart" for name in fixed], kept="the settings as they were")
            return False
        before = self._house.credentials
        try:
            switch = await self.renewal.prepared()
            await self._take_over(settings)
        except NotRenewed as refused:
            watch("reload_refused", errors=list(refused.because), kept="the settings and the secrets as they were")
            return False
        except LedgerFault as fault:
            watch("reload_refused", errors=[f"the ledger: {fault}"], kept="the settings as they were")
            return False
        secrets, now = switch(), self._house.credentials
        changed = [name for name, one in now.items() if name in before and before[name] != one]
        watch("reloaded", credentials=self.fleet.size, changed=changed, gone=sorted(set(before) - set(now)), secrets=list(secrets))
        try:
            await enlisted(self.fleet, self._house.ledger)
            for name in changed:
                await self._house.ledger.work.wake(name)
            await self._tried_again()
        except LedgerFault as fault:
            watch("reload_unheard", because=str(fault))  # the next tick enlists, and every row comes round by itself
        return True

    async def _take_over(self, settings: Settings) -> None:
        self._house = await refurnished(self._house, settings)
        self.fleet.swap(self._house.credentials, settings.limits, self._gated(self._house.world))

    async def look_around(self) -> None:
        """What the scopes of the settings take into care now: who is new, who has gone. A reload under way does this by itself."""
        settings = self._house.settings
        if not settings.discover or self._looking.locked():
            return
        async with self._looking:
            await self._take_over(settings)
        await enlisted(self.fleet, self._house.ledger)

    def _gated(self, world: World) -> World:
        return replace(world, gate=self._gate)

    def _status(self) -> str:
        return f"{self.fleet.size} credentials kept"

    # --- signals and the watchdog -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """For as long as this lasts, a signal is a word and not the end of the process. To be begun before anybody can see that we live: a
        service manager may want us gone at once."""
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self._hang_up}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _hang_up(self) -> None:
        """One reload after the other: a second signal during the first is read after it."""
        before = self._reloads

        async def one() -> None:
            if before is not None:
                await asyncio.wait([before])
            await self.reload()

        self._reloads = asyncio.create_task(one())

    @contextlib.asynccontextmanager
    async def _watchdog(self) -> AsyncIterator[None]:
        """systemd hears of us only while pump and ledger beat; that it hears at all is the loop's beat."""
        if self._systemd.watchdog is None:
            yield
            return

        async def bark(every: timedelta) -> None:
            while True:
                late = self.pulse.late("pump", "ledger")
                if late:
                    self._house.world.watch("not_beating", late=late)
                else:
                    self._systemd.alive()
                await asyncio.sleep(every.total_seconds())

        task = asyncio.create_task(bark(self._systemd.watchdog / 3))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def _beside(companions: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(companion()) for companion in companions]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def needs_restart(old: Settings, new: Settings) -> list[str]:
    """What differs and is read at the start alone."""
    fixed = [name for name in Settings.model_fields if name not in RELOADED and getattr(old, name) != getattr(new, name)]
    limits = [f"limits.{name}" for name in LIMITS_THAT_RESTART if getattr(old.limits, name) != getattr(new.limits, name)]
    return fixed + limits
