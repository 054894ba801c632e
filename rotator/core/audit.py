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
    """What a walk along the chain found: how many events, the head, and the first thing wrong (empty if nothing is)."""

    events: int
    head: str
    broken: str = ""


def verify(events: Iterable[AuditEvent], *, count: int | None = None, head: str | None = None) -> Verdict:
    """Walk the chain from its first event. `count` and `head` are what was noted elsewhere, if it was."""
    previous, seen = GENESIS, 0
    for event in events:
        seen += 1
        digest = _digest(event.seq, event.at, event.event, event.credential, event.fields, previous)
        if event.seq != seen or event.previous != previous or event.hash != digest:
            return Verdict(events=seen, head=previous, broken=f"event {seen} ({event.event}) does not fit the chain")
        previous = event.hash
    if count is not None and count != seen:
        return Verdict(events=seen, head=previous, broken=f"{count} events were noted, {seen} are here")
    if head is not None and head != previous:
        return Verdict(events=seen, head=previous, broken=f"the head noted is {head}, the chain ends in {previous}")
    return Verdict(events=seen, head=previous)


def _digest(seq: int, at: datetime, event: str, credential: str, fields: Mapping[str, str], previous: str) -> str:
    content = [seq, at.isoformat(timespec="milliseconds"), event, credential, dict(sorted(fields.items())), previous]
    return hashlib.sha256(json.dumps(content, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()
