"""timeline(): everything that is known of one case, in the order in which it happened, each line with its time and its evidence.

A time is said as it was written; none is made up, and one that is only an upper bound says so. Lines are ordered by the audit chain, which
no clock can turn around: what has no event of its own (a report, a first 401) is put where it must have been, and by its time only where
nothing else tells.

    what                       when it is said                                       its evidence
    exposed                    the sender's word for since when, if it has one      the report; unverified
    reported                   each source's first word; more of one source counted  the report, or the event by which a person filed it
    stored, recognised, held   one transaction: `incident.filed`                     the event
    approved, dismissed        a person's word                                       the event
    minted … contained         the outcome of the step                               its event; without one: unanswered
    revoke_called              before the call                                       its intent
    revoked                    the outcome of the kill; or a look, "at the latest"   the event
    first_401, dead            the data plane's answers                              the outcome of that round of probes
    moved, lags                how a dependent took what was published, at a change  its `adoption`
    source_closed              each source and way, counted                          the events
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rotator.core import case_lines, step_lines
from rotator.core.audit import AuditEvent
from rotator.core.evidence import Evidence, gather
from rotator.core.exposure import Said
from rotator.core.incident import Incident
from rotator.core.line import Line, What
from rotator.core.report import Told
from rotator.core.snapshot import KeyMemory

BEFORE = -5
"""The rank of what has no event of its own, and was there before the event beside which it is put."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One case, whole. `memory` is what the ledger knows of its value, None where it knows nothing."""

    case: Incident
    lines: tuple[Line, ...]
    reports: tuple[Told, ...]
    evidence: Evidence
    memory: KeyMemory | None

    def first(self, what: What) -> Line | None:
        return next((line for line in self.lines if line.what is what), None)

    def last(self, what: What) -> Line | None:
        return next((line for line in reversed(self.lines) if line.what is what), None)

    @property
    def exposed(self) -> tuple[Said, ...]:
        """What its senders say of since when the value lay open."""
        return said_of(self.reports)

    @property
    def last_event(self) -> AuditEvent | None:
        """The newest event it speaks of: its hash seals all that is told here, and stays as it is while the chain grows."""
        return next(iter(reversed(self.evidence.events)), None)


def timeline(case: Incident, told: Sequence[Told], events: Sequence[AuditEvent], memory: KeyMemory | None) -> Timeline:
    """The whole of it, from the case, its reports, the audit of its credential and what is remembered of its value."""
    evidence = gather(case, events)
    reports = tuple(sorted(told, key=lambda one: (one.report.reported_at, one.report.id)))
    words = [one.report for one in reports]
    found = [
        *case_lines.exposed(said_of(reports), min((report.reported_at for report in words), default=case.reported_at)),
        *case_lines.reported(words, evidence.filed),
        *case_lines.words(case, words, evidence, memory),
        *case_lines.closed_at_sources(evidence.closings),
        *step_lines.kills(case, evidence, memory),
        *step_lines.probes(evidence, memory),
        *step_lines.steps(case, evidence),
        *step_lines.adoptions(evidence),
        *step_lines.failures(evidence),
        *step_lines.contained(case, evidence),
    ]
    return Timeline(case=case, lines=_in_order(found), reports=reports, evidence=evidence, memory=memory)


def said_of(reports: Sequence[Told]) -> tuple[Said, ...]:
    """Each word with whose it is."""
    return tuple(Said(word=word, source=one.report.source, report=one.report.id) for one in reports for word in one.report.exposed)


def _in_order(found: Sequence[Line]) -> tuple[Line, ...]:
    """By place in the chain, then rank. What has no place gets that of the first event that was surely not before it."""
    written = sorted({(line.place, line.written_at) for line in found if line.place is not None and line.written_at is not None})
    placed = [line if line.place is not None else replace(line, place=_place(line.at, written), rank=BEFORE) for line in found]
    return tuple(sorted(placed, key=lambda line: (line.place, line.rank, line.at, line.count, line.what, line.told)))


def _place(at: datetime, written: Sequence[tuple[float, datetime]]) -> float:
    """That of the first event in the chain that bears no earlier time; after all of them where there is none."""
    return next((place for place, when in written if when >= at), float("inf"))
