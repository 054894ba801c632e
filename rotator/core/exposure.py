"""Since when was a value in wrong hands? What its senders say of that, kept as their word: nobody here can verify it, and no deadline is
counted from it.

A word is a bound: a commit cannot have been read before it was made (`earliest`), and an alert is not raised before the value lay open
(`latest`). A time that cannot be is left out, and it is said that it was.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)
"""Whatever claims to be older is a clock that was never set."""
CLOCKS_DIFFER = timedelta(minutes=5)


class Bound(StrEnum):
    """On which side of the beginning of the exposure a time lies."""

    EARLIEST = "earliest"
    LATEST = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What one sender says: `what` happened at that time. No time, and why, where the one that was said cannot be."""

    bound: Bound
    what: str
    at: datetime | None = None
    refused: str = ""


def words(now: datetime, *said: tuple[Bound, str, datetime | None]) -> tuple[Word, ...]:
    """What was said, without what says no time at all; `now` is when it reached us."""
    return tuple(_word(bound, what, at, now) for bound, what, at in said if at is not None)


def _word(bound: Bound, what: str, at: datetime, now: datetime) -> Word:
    if at > now + CLOCKS_DIFFER:
        return Word(bound=bound, what=what, refused="it lies in the future")
    if at < BEFORE_ALL:
        return Word(bound=bound, what=what, refused="it lies before the year 2000")
    return Word(bound=bound, what=what, at=min(at, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A word with whose it is: a source, and the report that carries it."""

    word: Word
    source: str
    report: str

    @property
    def at(self) -> datetime:
        assert self.word.at is not None
        return self.word.at


def tightest(said: Iterable[Said], bound: Bound) -> Said | None:
    """Of all words of one bound the one that says the most: of several commits, and of several alerts, the first."""
    return min((one for one in said if one.word.bound is bound and one.word.at is not None), key=lambda one: one.at, default=None)
