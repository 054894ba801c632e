"""`/healthz`: is it alive? `/readyz`: can it work, and if not, what fails? Neither asks for anything that costs a call to an account.

An answer of `/readyz` is kept for some seconds, and each check has a limit, so that whoever polls it cannot wear anything out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Protocol

from aiohttp import web

from rotator.core.faults import Fault
from rotator.ledger.fault import LedgerFault
from rotator.telemetry import scrub

KEPT_FOR = timedelta(seconds=5)
ANSWERS_WITHIN = timedelta(seconds=4)

Check = Callable[[], Awaitable[None]]
"""Returns where all is well; raises what stands in the way."""


class Unready(Exception):
    """A check found something that stands in the way; the text says what."""


class Pulse(Protocol):
    """Who has not beat for too long."""

    def late(self, *parts: str) -> list[str]: ...


class Health:
    """Fulfils the two routes."""

    def __init__(self, pulse: Pulse, checks: Mapping[str, Check], answers_within: timedelta = ANSWERS_WITHIN) -> None:
        self._pulse, self._checks, self._within_s = pulse, checks, answers_within.total_seconds()
        self._asking = asyncio.Lock()
        self._kept: tuple[float, dict[str, str]] | None = None

    def routes(self) -> Iterable[web.RouteDef]:
        return (web.get("/healthz", self._alive), web.get("/readyz", self._ready))

    async def _alive(self, _request: web.Request) -> web.Response:
        late = self._pulse.late("pump")
        return web.json_response({"alive": not late, "late": late}, status=503 if late else 200)

    async def _ready(self, _request: web.Request) -> web.Response:
        failing = await self._failing()
        checks = {name: failing.get(name, "ok") for name in self._checks}
        return web.json_response({"ready": not failing, "checks": checks}, status=503 if failing else 200)

    async def _failing(self) -> dict[str, str]:
        """What fails, asked anew only where the last answer is old; who comes meanwhile waits for the same answer."""
        loop = asyncio.get_running_loop()
        async with self._asking:
            if self._kept is None or loop.time() - self._kept[0] > KEPT_FOR.total_seconds():
                found = await asyncio.gather(*(_asked(check, self._within_s) for check in self._checks.values()))
                failing = {name: why for name, why in zip(self._checks, found, strict=True) if why}
                self._kept = loop.time(), failing
            return self._kept[1]


async def _asked(check: Check, within_s: float) -> str:
    try:
        await asyncio.wait_for(check(), within_s)
    except TimeoutError:
        return f"no answer within {within_s:g} s"
    except (Fault, LedgerFault, Unready) as fault:
        return scrub(str(fault))
    return ""
