"""The secrets of doors, APIs and people's addresses, read anew while the daemon lives: all of them in one switch, or none.

What they hold is never said, only which reference. A room makes what is new first, and may refuse it; the switches come after all have,
without a pause between them, so no moment knows half of the new secrets.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from rotator.core.faults import Fault
from rotator.core.sealed import Sealed
from rotator.settings import Settings

READ_WITHIN_S = 60

Secrets = Mapping[str, Sealed]
"""What the references of the settings hold, by reference."""
Switch = Callable[[], None]
"""From now on the new ones, and the old ones no more. Cannot fail."""
Room = Callable[[Secrets], Switch]
"""What needs some of them. Raises Fault where it cannot be made of these."""


class NotRenewed(Exception):
    """Why the secrets stay as they are: a sentence for each reason, with references and no value."""

    def __init__(self, *because: str) -> None:
        super().__init__("; ".join(because))
        self.because = because


class Renewal:
    """`read` is how a reference is followed; raises Fault."""

    def __init__(self, references: set[str], read: Callable[[str], Awaitable[Sealed]]) -> None:
        self._references, self._read = sorted(references), read
        self._rooms: list[Room] = []
        self._held: Secrets | None = None

    async def held(self) -> Secrets:
        """As they were read last; read now, if that was never. Raises Fault: a daemon does not begin without one of them."""
        if self._held is None:
            self._held = {reference: await self._read(reference) for reference in self._references}
        return self._held

    def furnish(self, *rooms: Room) -> None:
        """Who is to have the secrets when they are read anew and others."""
        self._rooms += rooms

    async def prepared(self) -> Callable[[], Sequence[str]]:
        """Everything read and made anew; what comes back switches over to it, and says which references hold something else now.

        Raises:
            NotRenewed: one of them cannot be read, or is not of its form. Nothing has changed then.
        """
        fresh = await self._read_all()
        switches = [self._made(room, fresh) for room in self._rooms]
        held = self._held or {}

        def switch() -> Sequence[str]:
            changed = [reference for reference, value in fresh.items() if value != held.get(reference)]
            for one in switches if changed else ():
                one()
            self._held = fresh
            return changed

        return switch

    async def _read_all(self) -> Secrets:
        found, because = dict[str, Sealed](), list[str]()
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                for reference in self._references:
                    try:
                        found[reference] = await self._read(reference)
                    except Fault as fault:
                        because.append(fault.what if fault.what.startswith(reference) else f"{reference}: {fault.what}")
        except TimeoutError:
            unread = next(one for one in self._references if one not in found)
            because.append(f"{unread}: not read within {READ_WITHIN_S} s")
        if because:
            raise NotRenewed(*because)
        return found

    @staticmethod
    def _made(room: Room, fresh: Secrets) -> Switch:
        try:
            return room(fresh)
        except Fault as fault:
            raise NotRenewed(fault.what) from fault


def references_of(settings: Settings) -> set[str]:
    """Every secret that is read at the start and held: not those that are followed each time they are needed."""
    web = settings.web
    return settings.alerts.references() | {one for one in (web.operator_token, web.viewer_token) if one} | set(settings.notify.urls)
