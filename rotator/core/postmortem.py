"""The report of one case for the post-mortem: its facts, in plain types and as JSON. `core/page.py` makes Markdown of them.

The same facts make the same bytes: nothing of the moment in which it is written is in it, so its SHA-256 can be anchored in the audit chain
and looked up later. It refers to the chain by the last event that it speaks of, whose hash seals every event before.
"""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rotator.core.exposure import Said
from rotator.core.figures import Length, figures, last_since, unknowns
from rotator.core.legible import lasted, legible, stamp
from rotator.core.line import Line, What
from rotator.core.report import Told
from rotator.core.timeline import Timeline

SOURCES_SHOWN = 20
"""A hundred reports of one leak are counted by source; so many of them stand there one by one."""


def as_json(told: Timeline) -> bytes:
    """The facts as they are printed for programs."""
    return (json.dumps(facts(told), indent=2, ensure_ascii=False) + "\n").encode()


def facts(told: Timeline) -> dict[str, Any]:
    """Every fact of the report, in plain types. Times are RFC 3339 in UTC; what is not known is null, and `not_known` says why."""
    case = told.case
    return {
        "incident": case.id,
        "credential": case.credential,
        "account": case.account,
        "fingerprint": case.fingerprint,
        "slot": case.slot,
        "state": case.state,
        "mode": case.mode,
        "reason": case.reason,
        "note": legible(case.note),
        "held_because": legible(case.held_because) or None,
        "deadline": stamp(case.deadline),
        "summary": summary(told),
        "figures": _figures(told),
        "timeline": [_line(line) for line in told.lines],
        "sources": _sources(told.reports),
        "evidence": _evidence(told),
        "not_known": unknowns(told),
    }


def summary(told: Timeline) -> str:
    """The case in two or three sentences."""
    case, known = told.case, figures(told)
    revoked, dead = last_since(told, What.REVOKED), last_since(told, What.DEAD)
    first = told.first(What.REPORTED)
    whom = (f" {first.told}" if first else "") + (f" ({known.reports} reports)" if known.reports > 1 else "")
    what = f"{case.slot} of {case.credential}" if case.slot else f"a replaced value of {case.credential}"
    said = [f"The value {case.fingerprint} ({what}) was first reported at {stamp(known.reported_at)}{whom}."]
    said.append(f"It was revoked {_end(revoked, known.exposure)}." if revoked else f"It is {case.state}, and not known to be revoked.")
    if revoked:
        said.append(f"It is proven dead {_end(dead, known.time_to_dead)}." if dead else "It is not proven dead.")
    return " ".join(said)


def _end(line: Line | None, length: Length) -> str:
    assert line is not None
    told = f", {lasted(length.of)} after the first report" if length.of else ""
    return f"{'by' if line.at_latest else 'at'} {stamp(line.at)}{told}" + (f" ({length.because})" if length.because else "")


# --- the parts ----------------------------------------------------------------------------------------------------------------


def _figures(told: Timeline) -> dict[str, Any]:
    known = figures(told)
    waited = known.waited_for_a_person
    return {
        "reported_at": stamp(known.reported_at),
        "exposure": _length(known.exposure),
        "time_to_dead": _length(known.time_to_dead),
        "waited_for_a_person": _length(waited) if waited else None,
        "existed_before_report_seconds": known.existed_before.total_seconds() if known.existed_before is not None else None,
        "exposed_since": {"earliest": _said(known.exposed_earliest), "latest": _said(known.exposed_latest)},
        "reports": known.reports,
        "calls": known.calls,
        "mints": known.mints,
        "probe_rounds": known.probe_rounds,
    }


def _said(said: Said | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {"at": stamp(said.at), "by_the_word_of": said.source, "what": legible(said.word.what), "report": said.report, "verified": False}


def _length(length: Length) -> dict[str, Any]:
    seconds = length.of.total_seconds() if length.of is not None else None
    return {"seconds": seconds, "at_most": length.at_most, "because": length.because or None}


def _line(line: Line) -> dict[str, Any]:
    return {
        "at": stamp(line.at),
        "what": line.what,
        "told": line.told,
        "evidence": list(line.evidence),
        "count": line.count,
        "until": _stamp(line.until),
        "at_latest": line.at_latest,
    }


def _sources(reports: Sequence[Told]) -> dict[str, Any]:
    return {
        "total": len(reports),
        "by_source": dict(sorted(Counter(one.report.source for one in reports).items())),
        "closed_at_source": dict(sorted(Counter(one.closing or "open" for one in reports).items())),
        "shown": [
            {
                "report": legible(one.report.id, 64),
                "source": one.report.source,
                "id": legible(one.report.source_id, 120),
                "url": legible(one.report.url, 200) or None,
                "reported_at": stamp(one.report.reported_at),
                "verdict": one.report.verdict,
                "because": legible(one.report.because),
                "closing": one.closing or None,
                "closing_told": legible(one.closing_told) or None,
                "closing_tried_again_at": _stamp(one.again_at),
            }
            for one in _shown(reports)
        ],
    }


def _shown(reports: Sequence[Told]) -> list[Told]:
    """The first of each source and way of closing before any second one; then the earliest."""
    firsts = {(one.report.source, one.closing): one for one in reversed(reports)}
    rest = [one for one in reports if firsts[one.report.source, one.closing] is not one]
    chosen = [*firsts.values(), *rest][:SOURCES_SHOWN]
    return sorted(chosen, key=lambda one: (one.report.reported_at, one.report.id))


def _evidence(told: Timeline) -> dict[str, Any]:
    memory, events, last = told.memory, told.evidence.events, told.last_event
    return {
        "fingerprint": told.case.fingerprint,
        "proof": legible(memory.proof) or None if memory else None,
        "first_401_at": _stamp(memory.first_401_at) if memory else None,
        "dead_at": _stamp(memory.dead_at) if memory else None,
        "endpoints": _endpoints(memory.seen) if memory else [],
        "audit": {"events": [event.seq for event in events], "head": last.hash if last else None, "head_event": last.seq if last else None},
    }


def _endpoints(seen: str) -> list[str]:
    return [legible(part) for part in seen.split("; ") if part]


def _stamp(at: datetime | None) -> str | None:
    return stamp(at) if at else None
