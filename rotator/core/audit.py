"""Audit events and their hash chain: each event's hash covers its content and the hash before it.

Whoever changes, drops or inserts an event breaks every hash after it. Whoever cuts the end off is found by the head that was noted
elsewhere (`audit verify --head HASH`): keep an export or the head outside this machine.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One fact of evidence. `fields` hold fingerprints and times, never a value."""

    seq: int
    at: datetime
    event: str
    credential: str
    fields: Mapping[str, str]
    previous: str
    hash: str


def seal_event(*, seq: int, at: datetime, event: str, credential: str, fields: Mapping[str, str], previous: str) -> AuditEvent:
    """The event with its place in the chain."""
    digest = _digest(seq, at, event, credential, fields, previous)
    return AuditEvent(seq=seq, at=at, event=event, credential=credential, fields=dict(fields), previous=previous, hash=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a walk along the chain found: how many events, the head, and the first thing wrong (empty if nothing is).

    `noted` is which event the head that was noted elsewhere is the hash of.
    """

    events: int
    head: str
    broken: str = ""
    noted: int | None = None


class ChainWalk:
    """A walk along the chain from its first event, of which it keeps no more than the last hash. `head` is what was noted elsewhere."""

    def __init__(self, *, head: str | None = None) -> None:
        self.events, self.last, self.broken = 0, GENESIS, ""
        self._head = head
        self._noted = 0 if head == GENESIS else None

    def add(self, event: AuditEvent) -> None:
        """The next event. After the first that does not fit nothing is looked at any more."""
        if self.broken:
            return
        self.events += 1
        digest = _digest(event.seq, event.at, event.event, event.credential, event.fields, self.last)
        if event.seq != self.events or event.previous != self.last or event.hash != digest:
            self.broken = f"event {self.events} ({event.event}) does not fit the chain"
            return
        self.last = event.hash
        if self.last == self._head:
            self._noted = self.events

    def verdict(self, *, count: int | None = None) -> Verdict:
        """What was found so far. `count` is how many events were noted elsewhere, if that was."""
        broken = self.broken
        if not broken and count is not None and count != self.events:
            broken = f"{count} events were noted, {self.events} are here"
        if not broken and self._head is not None and self._noted is None:
            broken = f"the head noted is {self._head}, and no event of the chain has this hash; it ends in {self.last}"
        return Verdict(events=self.events, head=self.last, broken=broken, noted=self._noted)


def verify(events: Iterable[AuditEvent], *, count: int | None = None, head: str | None = None) -> Verdict:
    """Walk the chain from its first event. `count` and `head` are what was noted elsewhere, if it was: the chain may have grown since."""
    walk = ChainWalk(head=head)
    for event in events:
        walk.add(event)
    return walk.verdict(count=count)


def _digest(seq: int, at: datetime, event: str, credential: str, fields: Mapping[str, str], previous: str) -> str:
    content = [seq, at.isoformat(timespec="milliseconds"), event, credential, dict(sorted(fields.items())), previous]
    return hashlib.sha256(json.dumps(content, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()
