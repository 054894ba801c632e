"""How long a value may live, and what a compromise asks for."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim

REPEATED_HOUR = timedelta(hours=2)
"""Longer than any change of daylight saving."""
WINDOWS_LOOKED_BACK = timedelta(days=400)


class Mode(StrEnum):
    """What a compromise asks for.

    Drain: replace everywhere, then kill, by a deadline. Cut: kill first. Contain: also switch local auth off.
    """

    DRAIN = "drain"
    CUT = "cut"
    CONTAIN = "contain"


class OnSuspicion(StrEnum):
    """What a case without proof asks for: an account is named, and no key.

    Rotate: as if it were due now. Drain: as if it were proven, never faster than that. Ask: hold it for a person. Inform: tell, and go on.
    """

    ROTATE = "rotate"
    DRAIN = "drain"
    ASK = "ask"
    INFORM = "inform"


class Unprovable(StrEnum):
    """What to do with a key that the data plane cannot be asked about (a kind without a probe, a firewall between)."""

    REFUSE = "refuse"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a scheduled rotation may start: from each time that `opens` (cron, in `zone`) names, for `length`."""

    opens: str
    length: timedelta
    zone: str = "UTC"

    def is_open(self, now: datetime) -> bool:
        """Whether `now` lies in a window. Over a change of daylight saving, cron's rule holds (as Debian's cron does it)."""
        return any(opened <= now < opened + self.length for opened in takewhile(lambda opened: opened <= now, self._openings(now)))

    def next_open(self, now: datetime) -> datetime:
        """`now` if the window is open, else the next opening, in UTC."""
        return now if self.is_open(now) else next(opened for opened in self._openings(now) if opened > now)

    def last_closed(self, since: datetime, now: datetime) -> datetime | None:
        """When the last window that opened after `since`, or stood open then, had closed by `now`; of the last year only."""
        start = max(since, now - WINDOWS_LOOKED_BACK)
        closed = [opened + self.length for opened in takewhile(lambda opened: opened + self.length <= now, self._openings(start))]
        return next((close for close in reversed(closed) if close > since), None)

    def _openings(self, now: datetime) -> Iterator[datetime]:
        """The openings from the first that `now` could still lie in, in UTC, where no hour comes twice."""
        start = (now - self.length - REPEATED_HOUR).astimezone(ZoneInfo(self.zone))
        return (opened.astimezone(UTC) for opened in CronSim(self.opens, start))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules one credential lives by. Words as in NIST SP 800-57: the cryptoperiod is the longest time a value stays active."""

    cryptoperiod: timedelta = timedelta(days=30)
    overlap: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(hours=4)
    on_compromise: Mode = Mode.DRAIN
    drain_deadline: timedelta = timedelta(minutes=2)
    window: Window | None = None
    unprovable: Unprovable = Unprovable.REFUSE
    on_suspicion: OnSuspicion | None = None
    pause: timedelta = timedelta(0)
    """How long a dependent that only claims to have moved is left alone before the next stage has its turn."""
    early: timedelta = timedelta(0)
    """How long before its cryptoperiod is over a rotation may start by itself, so that a thousand of one birthday do not start at once."""


def mode_when_proven(policy: Policy, source: Mode | None) -> Mode:
    """What a proven compromise asks for: the stricter of what the credential and what the source of the report says."""
    ranks = list(Mode)
    return max(policy.on_compromise, source or policy.on_compromise, key=ranks.index)


def when_suspected(policy: Policy, source: OnSuspicion | None) -> OnSuspicion:
    """What a suspicion asks for: the credential's word goes before the source's; where neither has one, a person's."""
    return policy.on_suspicion or source or OnSuspicion.ASK


def due_at(policy: Policy, published: datetime) -> datetime:
    """When a value published at `published` is to be replaced: its cryptoperiod over, and the window open."""
    over = published + policy.cryptoperiod
    return policy.window.next_open(over) if policy.window else over


def starts_at(policy: Policy, published: datetime) -> datetime:
    """When its rotation starts by itself: `early`, never later than `due_at`, and inside the window."""
    start = published + policy.cryptoperiod - policy.early
    return policy.window.next_open(start) if policy.window else start


def is_due(policy: Policy, published: datetime, now: datetime) -> bool:
    """Whether a rotation may start now: its time has come and the window is open (an overdue value waits for the next opening, too)."""
    return now >= published + policy.cryptoperiod - policy.early and (policy.window is None or policy.window.is_open(now))


def window_missed(policy: Policy, due: datetime, now: datetime) -> datetime | None:
    """When the last whole window closed in which a value due at `due` was to be replaced; None where none has gone by."""
    return policy.window.last_closed(due, now) if policy.window else None


SPREAD_MAX = timedelta(hours=12)


def early_by(name: str, policy: Policy, spread: float) -> timedelta:
    """This credential's own share of the spread: the same at every start, and on every machine."""
    digest = hashlib.sha256(f"rotator-spread:{name}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    return min(policy.cryptoperiod * spread, SPREAD_MAX) * place
