"""The fleet, asked for keys that the index does not know: once for all reports that wait, and each account seldom.

A report about an unknown key must not cost ARM's budget, and must not be called nobody's before every account was asked after it came. One
that could not be asked just now is asked again by itself.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.credential import Credential
from rotator.core.faults import Denied, Fault, Missing, Rejected
from rotator.daemon.fleet import Fleet
from rotator.engine.ports import World

EVERY = timedelta(minutes=15)
"""How often one account may be asked for the sake of a report that nobody knows."""
UNSEEN_AGAIN = timedelta(seconds=30)
PATIENCE_S = 2.0
"""How long a report waits in hand for the answer; a large fleet takes longer, and the report comes back for it."""
AT_SOONEST = timedelta(seconds=1)
AT_ONCE = 8
FINAL = (Denied, Missing, Rejected)
"""An account that answers so shows us no key now, nor the next minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """All were asked after the report came: how many, and which of them show their keys to nobody like us."""

    accounts: int
    hidden: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """Some are still to be asked, in a while."""

    after: timedelta
    unseen: tuple[str, ...]


class Sweep:
    """Who was asked when. Restarted with the daemon: then all are asked anew."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._asked: dict[str, datetime] = {}
        self._tried: dict[str, datetime] = {}
        self._hidden: set[str] = set()
        self._running: asyncio.Task[None] | None = None

    async def since(self, reported_at: datetime) -> Swept | NotYet:
        """Ask whoever was not asked since then and may be asked now, and wait a moment for it. The index knows what they said.

        Raises:
            LedgerFault: the index cannot be written.
        """
        clock = self._fleet.world.clock
        if self._running is None or self._running.done():
            ready = [name for name in self._missing(reported_at) if self._wait(name, clock.now()) <= timedelta(0)]
            self._running = asyncio.create_task(self._ask(ready)) if ready else None
        if self._running is not None:
            await asyncio.wait([self._running], timeout=PATIENCE_S)
            if self._running.done():
                self._running.result()
        left = self._missing(reported_at)
        if not left:
            credentials = self._fleet.credentials
            return Swept(accounts=len(credentials), hidden=tuple(sorted(self._hidden & set(credentials))))
        soonest = min(self._wait(name, clock.now()) for name in left)
        return NotYet(after=max(soonest, AT_SOONEST), unseen=tuple(left))

    async def end(self) -> None:
        """Whoever asks, asks no more."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _missing(self, reported_at: datetime) -> list[str]:
        return [name for name in self._fleet.credentials if name not in self._asked or self._asked[name] < reported_at]

    def _wait(self, name: str, now: datetime) -> timedelta:
        """How long until an account may be asked (again)."""
        asked, tried = self._asked.get(name), self._tried.get(name)
        waits = [asked + EVERY - now] if asked else []
        return max([*waits, tried + UNSEEN_AGAIN - now] if tried else waits, default=timedelta(0))

    async def _ask(self, names: list[str]) -> None:
        gate, world, fleet = asyncio.Semaphore(AT_ONCE), self._fleet.world, self._fleet.credentials
        world.watch("fleet_asked", accounts=len(names), because="a report speaks of a key that the index does not know")

        async def one(credential: Credential) -> None:
            async with gate:
                began = world.clock.now()
                try:
                    await world.journal.index(credential.name, credential.account, await world.issuer.keys(credential.account))
                    self._hidden.discard(credential.name)
                except FINAL:
                    if await _takes_keys(credential, world):
                        self._hidden.add(credential.name)
                except Fault:
                    self._tried[credential.name] = began
                    return
                self._asked[credential.name] = began

        await asyncio.gather(*(one(fleet[name]) for name in names))


async def _takes_keys(credential: Credential, world: World) -> bool:
    """Where local auth is off, keys cannot be listed, and none is alive."""
    try:
        return (await world.issuer.account(credential.account)).local_auth
    except Fault:
        return True
