"""Somebody else's public keys, by name: cached, and fetched again where a signature names one that is not known.

At a bounded rate and one at a time: a stranger can name as many unknown keys as he likes, and makes one request a minute of it. A fetch
that fails leaves the keys in place that we have, for a while.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from rotator.alerts.delivery import Unverifiable
from rotator.core.faults import Fault

FRESH_S = 24 * 3600
STALE_S = 7 * FRESH_S
AGAIN_S = 60
KEYS_MAX = 100

Key = TypeVar("Key")
Clock = Callable[[], float]


class Keyring(Generic[Key]):
    """`fetch` gives all the keys there are now, or raises a Fault; an empty answer counts as none."""

    def __init__(self, whose: str, fetch: Callable[[], Awaitable[Mapping[str, Key]]], clock: Clock = time.monotonic) -> None:
        self._whose, self._fetch, self._clock = whose, fetch, clock
        self._known: Mapping[str, Key] = {}
        self._fetched = self._tried = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def key(self, identifier: str) -> Key | None:
        """The key of this name, or None where there is none. Raises Unverifiable where that cannot be told."""
        if not self._answers(identifier):
            async with self._one_at_a_time:
                if not self._answers(identifier) and self._clock() - self._tried >= AGAIN_S:
                    await self._renew()
        age = self._clock() - self._fetched
        if age >= STALE_S or (age >= FRESH_S and identifier not in self._known):
            raise Unverifiable(f"{self._whose} cannot be had at the moment")
        return self._known.get(identifier)

    def _answers(self, identifier: str) -> bool:
        return identifier in self._known and self._clock() - self._fetched < FRESH_S

    async def _renew(self) -> None:
        self._tried = self._clock()
        try:
            known = await self._fetch()
        except Fault:
            return
        if known:
            self._known, self._fetched = known, self._clock()
