"""How far a look over a large fleet has come, for a person who waits: on a terminal, from the first second on, and gone at the end."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace

import click

from rotator.core.credential import Slot
from rotator.core.sealed import Sealed
from rotator.core.snapshot import AccountView
from rotator.engine.ports import Issuer
from rotator.wiring import House

SILENT_S, EVERY_S = 1.0, 0.2
CLEARED = "\r\x1b[K"

aloud: ContextVar[bool] = ContextVar("aloud", default=False)
"""Whether the command talks to a person: one that answers in JSON does not."""


@contextlib.contextmanager
def counted(total: int) -> Iterator[Callable[[], None]]:
    """Call what it yields for each account that was asked."""
    asked, began, said = 0, time.monotonic(), 0.0
    shows = aloud.get() and total > 1 and sys.stderr.isatty()

    def one_more() -> None:
        nonlocal asked, said
        asked, now = asked + 1, time.monotonic()
        if shows and now - began >= SILENT_S and now - said >= EVERY_S:
            said = now
            click.echo(f"{CLEARED}asked {min(asked, total)} of {total} accounts…", nl=False, err=True)

    try:
        yield one_more
    finally:
        if said:
            click.echo(CLEARED, nl=False, err=True)


def heard(house: House, one_more: Callable[[], None]) -> House:
    """The same house, and each account that is asked for its keys is counted."""
    return replace(house, world=replace(house.world, issuer=_Heard(house.world.issuer, one_more)))


class _Heard:
    """Fulfils `Issuer` with another one, and says how often keys were asked for."""

    def __init__(self, issuer: Issuer, one_more: Callable[[], None]) -> None:
        self._issuer, self._one_more = issuer, one_more

    async def account(self, account: str) -> AccountView:
        return await self._issuer.account(account)

    async def keys(self, account: str) -> Mapping[Slot, Sealed]:
        try:
            return await self._issuer.keys(account)
        finally:
            self._one_more()

    async def regenerate(self, account: str, slot: Slot) -> Mapping[Slot, Sealed]:
        return await self._issuer.regenerate(account, slot)

    async def switch_off_local_auth(self, account: str) -> None:
        return await self._issuer.switch_off_local_auth(account)
