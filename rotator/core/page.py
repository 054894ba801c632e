"""The report of one case as Markdown, for people: the facts of `core/postmortem.py`, and no others.

What strangers wrote is shown letter by letter: no markup of theirs, no link, nobody called by it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from rotator.core.exposure import Said
from rotator.core.figures import Length, figures
from rotator.core.legible import in_markdown, lasted, legible, stamp
from rotator.core.line import Line
from rotator.core.postmortem import facts
from rotator.core.timeline import Timeline


def as_markdown(told: Timeline) -> bytes:
    """The page. The same facts make the same bytes."""
    return ("\n".join(_page(told)) + "\n").encode()


def said(length: Length) -> str:
    """A length for people, with what has to be said of it."""
    if length.of is None:
        return f"not known: {length.because}"
    return f"{'at most ' if length.at_most else ''}{lasted(length.of)}" + (f" ({length.because})" if length.because else "")


def figure_rows(told: Timeline) -> list[tuple[str, str]]:
    """Each figure with its name."""
    known = figures(told)
    return [
        ("first reported", stamp(known.reported_at)),
        ("exposure: first report to revoked", said(known.exposure)),
        ("time to dead: first report to the stable 401", said(known.time_to_dead)),
        ("waited for a person", said(known.waited_for_a_person) if known.waited_for_a_person else "no"),
        ("the value existed before the report for", lasted(known.existed_before) if known.existed_before is not None else "not known"),
        ("exposed, by the unverified word of its senders", _since(known.exposed_earliest, known.exposed_latest)),
        ("reports", str(known.reports)),
        ("calls that change something", str(known.calls)),
        ("values made", str(known.mints)),
        ("rounds of probes", str(known.probe_rounds)),
    ]


def _since(earliest: Said | None, latest: Said | None) -> str:
    said = [
        f"{bound} {stamp(one.at)} ({legible(one.source, 60)}: {legible(one.word.what, 100)})"
        for bound, one in (("not before", earliest), ("at the latest since", latest))
        if one is not None
    ]
    return ", ".join(said) or "they do not say"


def when(line: Line) -> str:
    """Its time; "by" where it is an upper bound."""
    return f"{'by ' if line.at_latest else ''}{stamp(line.at)}"


def told_whole(line: Line) -> str:
    """What it tells, and how often."""
    return line.told + (f" ({line.count} times, until {stamp(line.until)})" if line.until else "")


def _page(told: Timeline) -> Iterator[str]:
    case, known = told.case, facts(told)
    yield f"# Incident {in_markdown(case.id)}: {in_markdown(case.credential)}"
    yield from ("", f"State **{case.state}**, mode **{case.mode}**, reason `{case.reason}`.", "", in_markdown(known["summary"]), "")
    if known["note"]:
        yield from (f"Note: {in_markdown(known['note'])}", "")
    rows = [(when(line), line.what.replace("_", " "), in_markdown(told_whole(line)), _refs(line)) for line in told.lines]
    yield from ("## Figures", "", *_table(("figure", "value"), [(name, in_markdown(value)) for name, value in figure_rows(told)]), "")
    yield from ("## Timeline", "", *_table(("time (UTC)", "what", "told", "evidence"), rows), "")
    yield from ("## Sources", "", *_sources(known["sources"]), "")
    yield from ("## Evidence", "", *(f"- {line}" for line in _evidence(told, known["evidence"])), "")
    yield from ("## Not proven, not known", "", *(f"- {in_markdown(sentence)}" for sentence in known["not_known"]))


def _refs(line: Line) -> str:
    return ", ".join(f"`{ref}`" if ref.startswith("#") else in_markdown(ref) for ref in line.evidence)


def _sources(sources: dict[str, Any]) -> Iterator[str]:
    total, shown = sources["total"], sources["shown"]
    if not total:
        yield "No report came from outside: a person filed it."
        return
    yield f"{total} report(s): {_counted(sources['by_source'])}. At their sources: {_counted(sources['closed_at_source'])}."
    columns = ("time (UTC)", "source", "id", "url", "verdict", "closed at the source")
    yield from ("", *_table(columns, [[in_markdown(cell) for cell in _source(one)] for one in shown]))
    if total > len(shown):
        yield from ("", f"{total - len(shown)} more are not shown one by one.")


def _source(one: dict[str, Any]) -> list[str]:
    closing = ": ".join(filter(None, (one["closing"], one["closing_told"])))
    return [one["reported_at"], one["source"], one["id"], one["url"] or "", one["verdict"], closing]


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{in_markdown(name)} {count}" for name, count in counts.items())


def _evidence(told: Timeline, evidence: dict[str, Any]) -> Iterator[str]:
    yield f"account: {in_markdown(told.case.account)}"
    yield f"fingerprint: `{evidence['fingerprint']}` (domain-separated SHA-256; the value itself is kept nowhere)"
    yield f"proof: {in_markdown(evidence['proof'] or 'none')}"
    yield from (f"endpoint {in_markdown(seen)}" for seen in evidence["endpoints"])
    audit = evidence["audit"]
    if not audit["head"]:
        yield "audit events: none"
        return
    yield f"audit events: {_ranges(audit['events'])}"
    yield f"the chain up to event `#{audit['head_event']}` ends in `{audit['head']}`: check it with `rotator audit verify`"


def _ranges(numbers: Sequence[int]) -> str:
    """`#3`–`#9`, `#12`: what follows on each other is said once."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    return ", ".join("–".join(f"`#{number}`" for number in run) for run in runs)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table of cells that are safe already."""
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
