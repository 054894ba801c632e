"""What somebody reported, in our words: stored before anybody is told that it was taken, and judged in `core/judge.py`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rotator.core.credential import Slot
from rotator.core.exposure import Word
from rotator.core.sealed import Fingerprint


class Matter(StrEnum):
    """What a report is about."""

    LEAK = "leak"
    SUSPICION = "suspicion"
    REGENERATED = "regenerated"
    LISTED = "listed"
    DUE = "due"
    CLOSED = "closed"


class Verdict(StrEnum):
    """What it is to us. `waiting`: its value has still to be fetched or looked for."""

    WAITING = "waiting"
    COMPROMISED = "compromised"
    SUSPECTED = "suspected"
    HELD = "held"
    ALREADY_DEAD = "already_dead"
    NOT_OURS = "not_ours"
    NOTED = "noted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clues:
    """By what a key can be recognised. No value: it was fingerprinted and dropped when it was read. `held_by` is the sender's own name for
    a value that it keeps (`owner/repository#7`). `likely`: its shape or its kind is that of a key of ours, so the whole fleet may be asked.
    """

    fingerprints: tuple[Fingerprint, ...] = ()
    sha256: tuple[str, ...] = ()
    hmsl_hash: tuple[str, ...] = ()
    held_by: str = ""
    likely: bool = False

    @property
    def empty(self) -> bool:
        return not (self.fingerprints or self.sha256 or self.hmsl_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report, as it is stored before anybody is told that it was taken. `account` and `secret` are what it names, if it names one;
    `exposed` is its sender's word for since when."""

    id: str
    source: str
    source_id: str
    matter: Matter
    reported_at: datetime
    clues: Clues = Clues()
    account: str = ""
    secret: str = ""
    caller: str = ""
    url: str = ""
    note: str = ""
    exposed: tuple[Word, ...] = ()
    reopened: bool = False
    verdict: Verdict = Verdict.WAITING
    because: str = ""
    credential: str = ""
    fingerprint: Fingerprint | None = None
    incident: str = ""

    @property
    def waits(self) -> bool:
        """Whether its value has still to be fetched or looked for."""
        return self.verdict is Verdict.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A report, how it was closed at its source (empty: not, or not yet), what that said, and when it is tried again."""

    report: Report
    closing: str = ""
    answer: str = ""
    again_at: datetime | None = None

    @property
    def closing_told(self) -> str:
        """A sentence for people."""
        again = f"; tried again at {self.again_at:%Y-%m-%d %H:%M:%S} UTC" if self.again_at else ""
        not_closed = self.closing == "failed" or (self.closing == "due" and self.answer)
        return f"not closed at its source, because {self.answer}{again}" if not_closed else self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """A value of ours that the index knows: whose, where it was seen, and whether it is replaced, or proven dead."""

    credential: str
    fingerprint: Fingerprint
    slot: Slot | None
    published_at: datetime | None = None
    replaced_at: datetime | None = None
    dead_at: datetime | None = None
    sha256: str = ""
    hmsl_hash: str = ""

    def matches(self, clues: Clues) -> bool:
        return self.fingerprint in clues.fingerprints or self.sha256 in clues.sha256 or self.hmsl_hash in clues.hmsl_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One delivery: by what names it is remembered, and what it reports. `by_event`: its sender puts the same event into other batches,
    too, so each report is remembered by its own name beside that of the delivery."""

    source: str
    identities: tuple[str, ...]
    reports: tuple[Report, ...]
    by_event: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a delivery: the reports as they were stored, none for one that was taken before."""

    reports: tuple[Report, ...] = ()
    seen_before: bool = False
