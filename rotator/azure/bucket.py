"""One of Azure Resource Manager's token buckets, kept on our side, so that we wait here instead of being refused there.

Promises: an emergency takes the next token whoever waits, effects before looks; cadence leaves the last share of the bucket, and a share of
the refill, to others. What an answer says only ever lowers the level. Nobody waits longer than said, and never sends anything.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from rotator.core.faults import Throttled
from rotator.core.legible import span

WAITERS_MAX = 1_000
BLOCK_MAX_S = 60.0
"""A bucket is full again within 20 s; a Retry-After beyond this is about something else, and holds up its own call alone."""
CROWD_S = 1.0
"""Emergencies that need more than this much of the refill are a crowd."""
NEARLY_FULL = 0.9
SLACK_S = 0.2
"""Calls overtake each other on their way: so much of the refill stays in the bucket, or one would be refused for a whole second."""
SOONEST_S = 0.001


class Rank(IntEnum):
    """Who goes first. Within a rank the first come is the first served."""

    KILL = 0
    """The one effect of an emergency: it waits for no look, not even for one of another emergency."""
    EMERGENCY = 1
    CADENCE = 2
    CONFIRMATION = 3
    """What can as well be asked later: only where the bucket is nearly full, so from nobody's share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many calls at once, and how many a second after that."""

    burst: float
    refill_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What cadence may have: `cadence` of the refill, and nothing of the last `reserve` of the bucket. An emergency may have all."""

    cadence: float = 0.8
    reserve: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A bucket as it stands: what is left, how many wait, and for how long it is closed by a 429."""

    left: float
    burst: float
    waiting: int
    flying: int
    blocked_s: float
    taken: int
    refused: int


@dataclass(slots=True, eq=False)
class _Waiter:
    rank: Rank
    turn: "asyncio.Future[int]"


@dataclass(slots=True, eq=False)
class Bucket:
    """`take` before a call, `answered` after it. The clock is monotonic, in seconds."""

    size: Size
    shares: Shares = field(default_factory=Shares)
    clock: Callable[[], float] = time.monotonic
    _left: float = field(init=False)
    _paced: float = field(init=False)
    _at: float = field(init=False)
    _blocked_until: float = field(init=False, default=0.0)
    _queues: dict[Rank, deque[_Waiter]] = field(init=False, default_factory=lambda: {rank: deque() for rank in Rank})
    _flying: dict[int, float] = field(init=False, default_factory=dict)
    _taken: int = field(init=False, default=0)
    _refused: int = field(init=False, default=0)
    _timer: asyncio.TimerHandle | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._left, self._paced, self._at = self.size.burst, self._paced_max, self.clock()

    async def take(self, rank: Rank, what: str, *, within_s: float) -> int:
        """A token, as a number that the answer is told by.

        Raises:
            Throttled: it would take longer than `within_s`, or did; nothing was sent and no token is gone.
        """
        self._refill()
        wait_s = self._newcomer_waits_s(rank)
        if wait_s > within_s or self._is_crowded(rank):
            raise _throttled(what, rank, wait_s)
        waiter = _Waiter(rank, asyncio.get_running_loop().create_future())
        self._queues[rank].append(waiter)
        self._serve()
        try:
            async with asyncio.timeout(within_s):
                return await waiter.turn
        except TimeoutError as error:
            self._leave(waiter)
            raise _throttled(what, rank, self._newcomer_waits_s(rank)) from error
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def answered(self, ticket: int, remaining: int | None) -> None:
        """Lower the level to what the service had left, were it told at the last moment, and without those sent after this call."""
        self._refill()
        sent = self._flying.pop(ticket, None)
        if remaining is None or sent is None:
            return
        later = sum(1 for other in self._flying if other > ticket)
        told = remaining + 1 + (self._at - sent) * self.size.refill_per_s - later  # + 1: a whole number is told, and a fraction is there
        self._left = min(self._left, max(told, 0.0))

    def unanswered(self, ticket: int) -> None:
        """The call went out and nobody knows how it was counted: its token is gone."""
        self._flying.pop(ticket, None)

    def block(self, seconds: float) -> None:
        """The service refused for want of budget: empty, and closed for so long."""
        self._refill()
        self._refused += 1
        self._left = self._paced = 0.0
        self._blocked_until = max(self._blocked_until, self.clock() + min(seconds, BLOCK_MAX_S))

    def level(self) -> Level:
        self._refill()
        return Level(
            left=self._left,
            burst=self.size.burst,
            waiting=self._waiting(),
            flying=len(self._flying),
            blocked_s=max(self._blocked_until - self._at, 0.0),
            taken=self._taken,
            refused=self._refused,
        )

    # --- the level

    @property
    def _paced_max(self) -> float:
        return max(self.size.burst * (1 - self.shares.reserve), 1.0)

    def _refill(self) -> None:
        """Nothing flows in while the bucket is closed: what the service counts then is not known."""
        now = self.clock()
        flown = max(now - max(self._at, self._blocked_until), 0.0) * self.size.refill_per_s
        self._left = min(self._left + flown, self.size.burst)
        self._paced = min(self._paced + flown * self.shares.cadence, self._paced_max)
        self._at = max(now, self._at)

    def _wait_s(self, rank: Rank, *, ahead: int, same: int) -> float:
        """How long until a call of this rank may go, with so many before it, so many of them of its own rank."""
        wait_s = (self._kept(rank) + ahead + 1 - self._left) / self.size.refill_per_s
        if rank >= Rank.CADENCE:
            wait_s = max(wait_s, (same + 1 - self._paced) / (self.size.refill_per_s * self.shares.cadence))
        return max(wait_s, 0.0) + max(self._blocked_until - self._at, 0.0)

    def _kept(self, rank: Rank) -> float:
        """What a call of this rank has to leave in the bucket."""
        slack = min(self.size.refill_per_s * SLACK_S, self.size.burst / 10)
        share = {Rank.CADENCE: self.shares.reserve, Rank.CONFIRMATION: NEARLY_FULL}.get(rank, 0.0)
        return max(slack, self.size.burst * share)

    def _newcomer_waits_s(self, rank: Rank) -> float:
        ahead = sum(len(queue) for one, queue in self._queues.items() if one <= rank)
        return self._wait_s(rank, ahead=ahead, same=len(self._queues[rank]))

    def _is_crowded(self, rank: Rank) -> bool:
        """Cadence does not stand in line behind many emergencies: its worker is of more use to the next of them."""
        pressing = sum(len(queue) for one, queue in self._queues.items() if one < Rank.CADENCE)
        crowd = rank >= Rank.CADENCE and pressing > self.size.refill_per_s * CROWD_S
        return crowd or self._waiting() >= WAITERS_MAX

    def _waiting(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    # --- whose turn it is

    def _serve(self) -> None:
        """Hand out what may be handed out now, and come back when the next one may go."""
        self._refill()
        while (first := next((queue for queue in self._queues.values() if queue), None)) is not None:
            wait_s = self._wait_s(first[0].rank, ahead=0, same=0)
            if wait_s > 0:
                return self._come_back_in(wait_s)
            self._grant(first.popleft())
        return None

    def _grant(self, waiter: _Waiter) -> None:
        if waiter.turn.done():
            return
        self._taken += 1
        self._left -= 1
        self._paced -= waiter.rank >= Rank.CADENCE
        self._flying[self._taken] = self._at
        waiter.turn.set_result(self._taken)

    def _leave(self, waiter: _Waiter) -> None:
        """Who goes before its turn loses it; who goes with a token in hand gives it back."""
        if waiter in self._queues[waiter.rank]:
            self._queues[waiter.rank].remove(waiter)
        elif waiter.turn.done() and not waiter.turn.cancelled():
            self._flying.pop(waiter.turn.result(), None)
            self._left = min(self._left + 1, self.size.burst)
            self._paced = min(self._paced + (waiter.rank >= Rank.CADENCE), self._paced_max)
        self._serve()

    def _come_back_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(seconds, SOONEST_S), self._serve)


def _throttled(what: str, rank: Rank, seconds: float) -> Throttled:
    """Whole seconds, rounded up: nobody is told to wait for none. What may as well be asked later has met no trouble."""
    ours = "our own share of Azure Resource Manager's budget"
    told = f"what is left of {ours} is kept for others" if rank is Rank.CONFIRMATION else f"{ours} is used up"
    rest = span(timedelta(seconds=max(math.ceil(seconds), 1)))
    return Throttled(f"{what}: {told}; again in {rest}", until=datetime.now(UTC) + timedelta(seconds=seconds))
