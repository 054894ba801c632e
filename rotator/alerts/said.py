"""What a delivery says, in our words: values are fingerprinted and dropped here, and nothing of a payload goes further than its clues."""

import uuid
from collections.abc import Iterable
from typing import Any

from rotator.alerts.delivery import (
    Closed,
    Clue,
    Delivery,
    Due,
    Handshake,
    Hash,
    HeldByGitGuardian,
    HeldByGitHub,
    Ignored,
    Leak,
    Record,
    Regenerated,
    Reopened,
    Suspicion,
)
from rotator.core.exposure import Bound, words
from rotator.core.keyshape import is_keylike
from rotator.core.report import Arrival, Clues, Matter, Report
from rotator.core.sealed import Fingerprint, Sealed

OURS = ("azure", "openai", "cognitive")
"""Words in a sender's name for a kind of key that make it worth asking the whole fleet."""
BATCHED = ("event-grid",)
"""Sources that deliver an event again in another batch; each event has an id that is the same in all of them."""
TOLD_TO_US = ("fingerprint", "sha256")
"""Digests that only somebody sends who means a key of ours; `hmsl_hash` comes with every kind of secret."""
EXPOSES = (Matter.LEAK, Matter.SUSPICION)
SOURCE_ID_LENGTH_MAX = 500
REASONS_MAX = 10


def arrival_of(delivery: Delivery) -> Arrival:
    """The reports of a delivery, and the names that it is remembered by: neither alone tells a replay."""
    names = [f"body:{delivery.body_sha256}", *([f"id:{delivery.delivery_id}"] if delivery.delivery_id else [])]
    reports = tuple(reports_of(delivery.records))
    return Arrival(source=delivery.source, identities=tuple(names), reports=reports, by_event=delivery.source in BATCHED)


def ignored(delivery: Delivery) -> list[str]:
    """Why nothing is done about what of a delivery says nothing to us: sentences of ours, each once, and not more than anybody reads."""
    return list(dict.fromkeys(one.because for one in delivery.records if isinstance(one, Ignored)))[:REASONS_MAX]


def reports_of(records: Iterable[Record]) -> Iterable[Report]:
    """One report for each record that says something."""
    for record in records:
        match record:
            case Leak() | Reopened():
                clues = clues_of(record.clues, record.kind)
                yield _report(record, Matter.LEAK, clues=clues, reopened=isinstance(record, Reopened))
            case Suspicion():
                note = ": ".join(part for part in (record.alert_type, record.origin.note) if part)
                yield _report(record, Matter.SUSPICION, account=record.account, caller=record.by, note=note)
            case Regenerated():
                matter = Matter.REGENERATED if record.action == "regenerated" else Matter.LISTED
                yield _report(record, matter, account=record.account, caller=record.caller)
            case Due():
                yield _report(record, Matter.DUE, secret=_secret(record))
            case Closed():
                yield _report(record, Matter.CLOSED, note=f"{record.how} {record.by}".strip())
            case Handshake() | Ignored():
                pass


def clues_of(clues: Iterable[Clue], kind: str = "") -> Clues:
    """By what the key can be recognised, without the value."""
    every = list(clues)
    values = [clue for clue in every if isinstance(clue, Sealed)]
    hashes = [clue for clue in every if isinstance(clue, Hash)]
    held = next((str(clue) for clue in every if isinstance(clue, HeldByGitHub)), "")
    held = held or next((str(clue.incident) for clue in every if isinstance(clue, HeldByGitGuardian)), "")
    named = any(word in kind.lower() for word in OURS)
    fingerprints = [*(value.fingerprint for value in values), *(Fingerprint(one.value) for one in hashes if one.kind == "fingerprint")]
    return Clues(
        fingerprints=tuple(dict.fromkeys(fingerprints)),
        sha256=tuple(one.value for one in hashes if one.kind == "sha256"),
        hmsl_hash=tuple(one.value for one in hashes if one.kind == "hmsl_hash"),
        held_by=held,
        likely=named or any(value.satisfies(is_keylike) for value in values) or any(one.kind in TOLD_TO_US for one in hashes),
    )


def _report(record: Leak | Reopened | Suspicion | Regenerated | Due | Closed, matter: Matter, **facts: object) -> Report:
    origin = record.origin
    exposed = origin.exposed or words(origin.reported_at, (Bound.LATEST, "the report's own time", origin.happened_at))
    told: dict[str, Any] = {"note": origin.note, "exposed": exposed if matter in EXPOSES else (), **facts}
    return Report(
        id=f"rep-{uuid.uuid4().hex[:12]}",
        source=origin.source,
        source_id=origin.id[:SOURCE_ID_LENGTH_MAX],
        matter=matter,
        reported_at=origin.reported_at,
        url=origin.url,
        **told,
    )


def _secret(due: Due) -> str:
    """As the settings name it: the vault's base URL and the secret; a vault that is told by its name alone, by that."""
    return f"{due.vault}/secrets/{due.secret}".lower()
