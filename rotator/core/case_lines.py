"""The lines that the reports of a case and the words about it have to say. A state that a step has told already is not told twice."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from rotator.core.audit import AuditEvent
from rotator.core.evidence import APPROVED, DISMISSED, FILED, MOVED, Evidence
from rotator.core.exposure import Bound, Said, tightest
from rotator.core.incident import OPERATOR, UNFINISHED, Incident, State
from rotator.core.legible import legible
from rotator.core.line import Line, What, by, by_many
from rotator.core.report import Report
from rotator.core.snapshot import KeyMemory

AS_SEEN = "as a look shows"
BY_SOMEBODY = "in no slot any more, and no step of this ledger did it"


def reported(reports: Sequence[Report], filed: AuditEvent | None) -> Iterator[Line]:
    """Each source's first report, and how many more there were. Whatever its clock says, the first one was there before the case."""
    sources: dict[str, list[Report]] = {}
    for report in reports:
        sources.setdefault(report.source, []).append(report)
    for number, (source, (first, *more)) in enumerate(sources.items()):
        told = f"by {source}: {legible(first.source_id, 100)}" + (f" ({legible(first.note, 100)})" if first.note else "")
        line = Line(what=What.REPORTED, at=first.reported_at, told=told, evidence=(f"report {legible(first.id, 64)}",))
        opened_it = filed is not None and not number and not _is_a_persons(filed)
        yield replace(line, place=filed.seq, rank=-6, written_at=filed.at) if filed and opened_it else line
        if more:
            again = f"by {source}: {len(more)} more of the same"
            refs, until = (f"report {legible(more[-1].id, 64)}",), more[-1].reported_at
            yield Line(what=What.REPORTED, at=more[0].reported_at, told=again, evidence=refs, count=len(more), until=until)


def exposed(said: Sequence[Said], first: datetime) -> Iterator[Line]:
    """Since when it lay open, by the word of each source, which nobody here has verified. What is no earlier than the `first` report adds
    nothing to that."""
    for source in dict.fromkeys(one.source for one in said):
        for bound in Bound:
            one = tightest((one for one in said if one.source == source), bound)
            if one is not None and one.at < first:
                since = "not before this" if bound is Bound.EARLIEST else "at the latest since this"
                told = f"{since}, by the unverified word of {legible(source, 60)}: {legible(one.word.what, 100)}"
                evidence = (f"report {legible(one.report, 64)}",)
                yield Line(what=What.EXPOSED, at=one.at, told=told, evidence=evidence, at_latest=bound is Bound.LATEST, place=0)


def closed_at_sources(closings: Sequence[AuditEvent]) -> Iterator[Line]:
    """Each source and each way, counted."""
    ways: dict[tuple[str, str], list[AuditEvent]] = {}
    for event in closings:
        ways.setdefault((event.fields.get("source", ""), event.fields.get("how", "")), []).append(event)
    for (source, how), events in ways.items():
        told = f"{source}: {how}, {legible(events[0].fields.get('told', ''), 100)}"
        yield by_many(events, What.SOURCE_CLOSED, told + (f"; and {len(events) - 1} more so" if len(events) > 1 else ""))


def words(case: Incident, reports: Sequence[Report], evidence: Evidence, memory: KeyMemory | None) -> Iterator[Line]:
    """What the events about the case say."""
    killed = any(effect.kills(case.fingerprint) and effect.took_effect for effect in evidence.effects)
    proven = any(effect.is_proof for effect in evidence.effects)
    state = ""
    for word in evidence.words:
        now = _state_after(word, state)
        if word is evidence.filed:
            yield from _first_filed(case, reports, word)
        elif word.event == FILED:
            yield _filed_again(word, state, now)
        elif word.event in (APPROVED, DISMISSED):
            yield by(word, What.APPROVED if word.event == APPROVED else What.DISMISSED, _person(word))
        elif word.event == MOVED:
            yield from _moved(word, state, killed=killed, proven=proven, memory=memory)
        state = now


def _state_after(word: AuditEvent, before: str) -> str:
    """What a person files is open; where it was unfinished it stays where it is."""
    said = word.fields.get("state")
    if said or word.event != FILED:
        return said or before
    return before if before in UNFINISHED else State.OPEN


def _first_filed(case: Incident, reports: Sequence[Report], word: AuditEvent) -> Iterator[Line]:
    said = word.fields
    by_reports = [] if _is_a_persons(word) else reports
    if not by_reports:
        yield by(word, What.REPORTED, _source(word), rank=-6, at=min(word.at, case.reported_at))
    yield by(word, What.STORED, f"as {case.id}, to be ended by {said.get('mode', case.mode)}", rank=-4)
    because = next((report.because for report in by_reports if report.because), "")
    yield by(word, What.RECOGNISED, legible(because) or f"as {case.slot or 'a replaced value'} of {case.credential}", rank=-3)
    if said.get("state") == State.HELD:
        yield by(word, What.HELD, legible(said.get("because", "") or case.held_because), rank=-2)


def _filed_again(word: AuditEvent, before: str, now: str) -> Line:
    told = f"{_source(word)}; to be ended by {word.fields.get('mode', '')}"
    opens = now == State.OPEN and before not in UNFINISHED
    if opens and before == State.HELD and _is_a_persons(word):
        return by(word, What.APPROVED, told)
    return by(word, What.REOPENED if opens else What.REPORTED, told)


def _is_a_persons(word: AuditEvent) -> bool:
    return word.fields.get("source", "").startswith(OPERATOR)


def _source(word: AuditEvent) -> str:
    who = "a person" if _is_a_persons(word) else legible(word.fields.get("source", ""), 60)
    return f"by {who}" + (f": {legible(word.fields['note'])}" if word.fields.get("note") else "")


def _person(word: AuditEvent) -> str:
    reason = legible(word.fields.get("reason", ""))
    return f"by {legible(word.fields.get('by', ''), 100)}" + (f": {reason}" if reason else "")


def _moved(word: AuditEvent, before: str, *, killed: bool, proven: bool, memory: KeyMemory | None) -> Iterator[Line]:
    state, because = word.fields.get("state", ""), legible(word.fields.get("because", ""))
    if state == before:
        if because != AS_SEEN:
            yield by(word, What.NOTED, because)
    elif state == State.REVOKED and not killed:
        yield by(word, What.REVOKED, BY_SOMEBODY, at_latest=True)
    elif state == State.DEAD and not proven:
        if not killed and before == State.OPEN:
            yield by(word, What.REVOKED, BY_SOMEBODY, at_latest=True, rank=-1)
        yield by(word, What.DEAD, _proof(memory), at_latest=True)
    elif state == State.UNPROVEN:
        yield by(word, What.UNPROVEN, "nobody holds the value any more, so its death cannot be proven")
    elif state == State.OPEN:
        yield by(word, What.REOPENED, "the value is seen in a slot again")
    elif state == State.CLOSED:
        yield by(word, What.CLOSED, because)


def _proof(memory: KeyMemory | None) -> str:
    known = memory is not None and memory.dead_at is not None
    return f"proven before: {legible(memory.proof)}" if known and memory else "a look says so; no event carries the proof"
