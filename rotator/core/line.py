"""One line of a timeline, and how it is made from the event that says it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from rotator.core.audit import AuditEvent


class What(StrEnum):
    """What a line of a timeline is about."""

    EXPOSED = "exposed"
    REPORTED = "reported"
    STORED = "stored"
    RECOGNISED = "recognised"
    HELD = "held"
    APPROVED = "approved"
    DISMISSED = "dismissed"
    ADOPTED = "adopted"
    MINTED = "minted"
    ACCEPTED = "accepted"
    PUBLISHED = "published"
    DELIVERED = "delivered"
    MOVED = "moved"
    LAGS = "lags"
    REVOKE_CALLED = "revoke_called"
    REVOKED = "revoked"
    FIRST_401 = "first_401"
    STILL_ACCEPTED = "still_accepted"
    INCONCLUSIVE = "inconclusive"
    DEAD = "dead"
    UNPROVEN = "unproven"
    RETIRED = "retired"
    CONTAINED = "contained"
    REOPENED = "reopened"
    FAILED = "failed"
    UNANSWERED = "unanswered"
    NOTED = "noted"
    SOURCE_CLOSED = "source_closed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. `until` and `count`: as often, until then. `at_latest`: it was so by then, and nobody knows since when.

    `place` and `rank` are its place in the chain, `written_at` when that event was written.
    """

    what: What
    at: datetime
    told: str
    evidence: tuple[str, ...] = ()
    count: int = 1
    until: datetime | None = None
    at_latest: bool = False
    place: float | None = None
    rank: int = 0
    written_at: datetime | None = None


def by(event: AuditEvent, what: What, told: str, **more: Any) -> Line:
    """The line that `event` is the evidence of."""
    line = Line(what=what, at=event.at, told=told, evidence=(f"#{event.seq}",), place=event.seq, written_at=event.at)
    return replace(line, **more) if more else line


def by_many(events: Sequence[AuditEvent], what: What, told: str) -> Line:
    """The same, said by several events: the first and the last of them are named, all are counted."""
    first, last = events[0], events[-1]
    if first is last:
        return by(first, what, told)
    return by(first, what, told, evidence=(f"#{first.seq}", f"#{last.seq}"), count=len(events), until=last.at)
