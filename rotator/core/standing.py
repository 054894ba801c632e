"""Where each credential of a fleet stands, by what the ledger remembers of it: what a person should look at first stands first.

A fleet is tens of thousands, and whoever looks sees fifty: so the order is made of plain tuples once, and what a row shows is worked out
for the rows that are shown. A place in the order is told by the place itself, so that a page goes on where the one before it ended, also
where that credential has moved meanwhile.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from heapq import merge
from itertools import pairwise

from rotator.core.credential import Credential
from rotator.core.incident import State
from rotator.core.policy import WINDOWS_LOOKED_BACK, Policy, Window

EDGES = (*(tenth / 10 for tenth in range(11)), 1.5)
"""Where one column of the fleet's picture ends and the next begins, in cryptoperiods; the last one has no end."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
PORTION = 1_000


class Rank(IntEnum):
    """What is to be said of a credential first. Lags: a dependent was not seen to run on what is published."""

    WAITS = 0
    LEAKED = 1
    UNPROVEN = 2
    OVERDUE = 3
    UNKNOWN = 4
    LAGS = 5
    RESTS = 6


RANK_OF_CASE: Mapping[State, Rank] = {
    State.HELD: Rank.WAITS,
    State.OPEN: Rank.LEAKED,
    State.REVOKED: Rank.UNPROVEN,
}
"""In every other state nothing is to be done for the credential's sake any more."""

Place = tuple[int, int, str]
"""Rank; when the cryptoperiod is over, in milliseconds since 1970 (0 where nothing is known); name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the ledger has of every credential: when what its readers get was published (in milliseconds since 1970), how many of its
    dependents were not seen to run on it, and in which states its cases are."""

    published_ms: Mapping[str, int]
    lagging: Mapping[str, int]
    cases: Mapping[str, Sequence[State]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """The fleet in order, the worst first; of whom else each thing but rest is so; how many have used up how much of their cryptoperiod."""

    at: datetime
    places: Sequence[Place]
    so: Mapping[Rank, frozenset[str]]
    ages: Sequence[int]
    published_ms: Mapping[str, int]

    def published(self, name: str) -> datetime | None:
        ms = self.published_ms.get(name)
        return None if ms is None else EPOCH + ms * MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One page of a roll: its places, how many there are in all, how many stand before it, and after which place the next one begins."""

    places: Sequence[Place]
    total: int
    before: int
    after: Place | None


def roll(credentials: Mapping[str, Credential], known: Remembered, now: datetime) -> Roll:
    """Everyone's place."""
    now_ms, opened = _ms(now), _LastOpen(now)
    places: list[Place] = []
    ages = [0] * len(EDGES)
    so: dict[Rank, set[str]] = {rank: set() for rank in Rank}
    for name, credential in credentials.items():
        published, policy = known.published_ms.get(name), credential.policy
        over = 0 if published is None else published + policy.cryptoperiod // MILLISECOND
        worst = Rank.RESTS
        for rank in _ranks(name, known, over, published is not None and over <= now_ms and over < opened.ms(policy.window)):
            so[rank].add(name)
            worst = min(worst, rank)
        places.append((int(worst), over, name))
        if published is not None:
            ages[column((now_ms - published) / max(over - published, 1))] += 1
    named = {rank: frozenset(names) for rank, names in so.items()}
    return Roll(at=now, places=_in_order(places), so=named, ages=ages, published_ms=known.published_ms)


def _in_order(places: list[Place]) -> list[Place]:
    """Sorted in portions that are then merged: one sort of fifty thousand would hold up every other thread of the process until it ends."""
    portions = [sorted(places[start : start + PORTION]) for start in range(0, len(places), PORTION)]
    return list(merge(*portions))


def leaf(of: Roll, *, after: Place | None, holding: str, rank: Rank | None, size: int) -> Leaf:
    """The page after a place, of those whose name holds these letters and of whom this is so."""
    part = holding.casefold()
    places = of.places if rank is None else [one for one in of.places if one[2] in of.so[rank]]
    wanted = [one for one in places if part in one[2].casefold()] if part else places
    start = 0 if after is None else bisect_right(wanted, after)
    shown = wanted[start : start + size]
    more = start + size < len(wanted)
    return Leaf(places=shown, total=len(wanted), before=start, after=shown[-1] if shown and more else None)


def share(policy: Policy, published: datetime, now: datetime) -> float:
    """How much of its cryptoperiod a value has used up: 1 is all of it."""
    return max((now - published) / policy.cryptoperiod, 0.0)


def column(used: float) -> int:
    """In which column of the fleet's picture it stands."""
    return min(max(bisect_right(EDGES, used) - 1, 0), len(EDGES) - 1)


def columns() -> Iterable[tuple[float, float | None]]:
    """From where to where each column goes; the last one has no end."""
    return (*pairwise(EDGES), (EDGES[-1], None))


def written(place: Place) -> str:
    """A place, as it stands in an address."""
    return ".".join(str(part) for part in (int(place[0]), *place[1:]))


def read(text: str) -> Place | None:
    """The place that an address names; None for what is none."""
    rank, _, rest = text.partition(".")
    over, _, name = rest.partition(".")
    known = rank in {str(one.value) for one in Rank} and over.isascii() and over.isdecimal() and len(over) <= 15
    return (int(rank), int(over), name) if known and 0 < len(name) <= 200 else None


def _ranks(name: str, known: Remembered, over: int, overdue: bool) -> Iterator[Rank]:
    """Everything that is so of it but rest."""
    yield from (RANK_OF_CASE[state] for state in known.cases.get(name, ()) if state in RANK_OF_CASE)
    if overdue:
        yield Rank.OVERDUE
    if not over:
        yield Rank.UNKNOWN
    if known.lagging.get(name):
        yield Rank.LAGS


class _LastOpen:
    """Until when each window was open last: asked once a window, for a window's openings cost time to find."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._known: dict[Window, int] = {}

    def ms(self, window: Window | None) -> int:
        if window is None:
            return _ms(self._now) + 1
        if window not in self._known:
            closed = self._now if window.is_open(self._now) else window.last_closed(self._now - WINDOWS_LOOKED_BACK, self._now)
            self._known[window] = _ms(closed) + (closed == self._now) if closed else 0
        return self._known[window]


def _ms(at: datetime) -> int:
    return (at - EPOCH) // MILLISECOND
