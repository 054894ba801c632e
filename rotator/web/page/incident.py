"""One case: its way from the report to the proof, line by line with the evidence; what to type next; and what nobody knows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from htpy import Node, Renderable, a, br, caption, code, dd, div, dl, dt, h1, h2, li, p, section, span, table, tbody, td, th, thead, tr, ul

from rotator.core.figures import last_since, reported_at, unknowns
from rotator.core.incident import State
from rotator.core.legible import lasted
from rotator.core.line import Line, What
from rotator.core.page import figure_rows, told_whole
from rotator.core.postmortem import facts
from rotator.core.timeline import Timeline
from rotator.ledger.onlooker import Story
from rotator.web.page import pictures
from rotator.web.page.cases import state
from rotator.web.page.frame import Visit, framed
from rotator.web.page.pictures import Mark
from rotator.web.page.words import LETTERS, NOTHING, clock, command, linkable, named, printed, said, sentence, toned

LINES_MAX = 400
TONES = {
    What.DEAD: "good",
    What.CLOSED: "good",
    What.RETIRED: "good",
    What.HELD: "warn",
    What.STILL_ACCEPTED: "warn",
    What.LAGS: "warn",
    What.UNANSWERED: "warn",
    What.UNPROVEN: "warn",
    What.FAILED: "bad",
    What.REOPENED: "bad",
    What.REPORTED: "bad",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A story with its timeline, which is made of it beside the loop."""

    story: Story
    told: Timeline


def incident(visit: Visit, seen: Telling) -> Renderable:
    case, told = seen.story.case, seen.told
    known = facts(told)
    return framed(
        visit,
        said(case.id, 64),
        h1[
            said(case.id, 64),
            " ",
            span(class_="quiet")[a(href=visit.to("credentials", case.credential))[named(said(case.credential, 100))]],
        ],
        p[state(case.state), f", {case.mode}, {case.reason.replace('_', ' ')}, ", printed(case.fingerprint)],
        p[said(known["summary"], 600)],
        case.note and p(class_="quiet")["Note: ", said(case.note)],
        _next(seen),
        _way(visit, told),
        _timeline(told),
        _sources(seen, known["sources"]),
        section[h2["Figures"], dl[(pair for name, value in figure_rows(told) for pair in (dt[name], dd[said(value)]))]],
        section[
            h2["Not proven, not known"],
            ul[
                (li[said(sentence)] for sentence in unknowns(told)),
                not seen.story.whole and li["Events of its credential older than the newest 20,000 were not read."],
            ],
        ],
        _evidence(told),
    )


def _next(seen: Telling) -> Node:
    """What to type now, as the case stands."""
    case = seen.story.case
    match case.state:
        case State.HELD:
            held = said(case.held_because) or "It waits for a person"
            yes, no = ("rotator", "incidents", "approve", case.id), ("rotator", "incidents", "dismiss", case.id, "--reason", "…")
            return [p(class_="bad")[f"{sentence(held)} Let it be killed, or leave the value as it is:"], command(*yes), command(*no)]
        case State.OPEN | State.REVOKED:
            waits = case.state is State.OPEN and not case.cuts
            until: Node = [" Whatever has not moved by then, it is killed at ", clock(case.deadline), " UTC."] if waits else None
            return [
                p["The daemon acts on it.", until, " To do it here and now, and stay until it is proven dead:"],
                command("rotator", "revoke", "--fingerprint", case.fingerprint[:LETTERS]),
            ]
        case State.DEAD | State.CLOSED | State.UNPROVEN:
            return [
                p["For the post-mortem, anchored in the audit:"],
                command("rotator", "incidents", "report", case.id, "--to", f"{case.id}.md"),
            ]
        case State.DISMISSED:
            return p(class_="quiet")["A person dismissed it: nothing is done about the value on its account."]


# --- its way ------------------------------------------------------------------------------------------------------------------


def marks(told: Timeline) -> tuple[Mark, ...]:
    """The five that a case is measured by. What came before the value was seen alive again does not count."""
    first_401 = told.last(What.FIRST_401) if last_since(told, What.REVOKED) else None
    return (
        Mark(name="Reported", at=reported_at(told)),
        _mark("Published", told.first(What.PUBLISHED)),
        _mark("Revoked", last_since(told, What.REVOKED)),
        _mark("First 401", first_401),
        _mark("Stable 401", last_since(told, What.DEAD)),
    )


def _mark(name: str, line: Line | None) -> Mark:
    return Mark(name=name, at=line.at if line else None, at_latest=bool(line and line.at_latest))


def _way(visit: Visit, told: Timeline) -> Node:
    if told.case.state is State.DISMISSED:
        return None
    known = marks(told)
    times = [mark.at for mark in known if mark.at]
    end = max(times) if known[-1].at else max(visit.now, *times)
    return section[
        h2["From the report to the last 401"],
        table(class_="walk")[
            thead[tr[th(scope="col")["What"], th(scope="col")["On its way"], th(scope="col", class_="fit")["After"]]],
            tbody[
                (
                    tr[
                        th(scope="row")[mark.name],
                        td(class_="line")[pictures.track(known, number, end)],
                        td(class_="fit")[_offset(known, mark)],
                    ]
                    for number, mark in enumerate(known)
                )
            ],
        ],
    ]


def _offset(known: tuple[Mark, ...], mark: Mark) -> Node:
    begin = known[0].at
    if mark.at is None or begin is None:
        return span(class_="quiet")["not yet"]
    return f"{'at most ' if mark.at_latest else ''}+{lasted(mark.at - begin)}" if mark.at >= begin else "before"


# --- its lines ----------------------------------------------------------------------------------------------------------------


def _timeline(told: Timeline) -> Node:
    shown = told.lines[:LINES_MAX]
    begin = shown[0].at if shown else told.case.reported_at
    return section[
        h2["Timeline"],
        table[
            caption["In the order of the audit chain. #N is the event of the chain that is the evidence."],
            thead[
                tr[
                    th(scope="col", class_="fit")["Time (UTC)"],
                    th(scope="col", class_="fit")["What"],
                    th(scope="col")["Told, and by what evidence"],
                ]
            ],
            tbody[
                (
                    tr[
                        td(class_="fit")[line.at_latest and "by ", clock(line.at), br, span(class_="small quiet")[_since(line.at - begin)]],
                        th(scope="row", class_="fit")[toned(line.what.replace("_", " "), TONES.get(line.what, ""))],
                        td(class_="any")[said(told_whole(line)), div(class_="small quiet")[said(", ".join(line.evidence), 100)]],
                    ]
                    for line in shown
                )
            ],
        ],
        len(told.lines) > len(shown)
        and p(class_="quiet")[f"And {len(told.lines) - len(shown)} more: ", code[f"rotator incidents show {said(told.case.id, 64)}"]],
    ]


def _since(after: timedelta) -> str:
    return f"+{lasted(after)}" if after >= timedelta(0) else "before"


def _sources(seen: Telling, sources: dict[str, object]) -> Node:
    if not seen.story.reports:
        return section[h2["Reports"], p(class_="quiet")["None came from outside: a person filed it."]]
    shown = sources["shown"]
    assert isinstance(shown, list)
    return section[
        h2["Reports"],
        table[
            caption[f"{len(shown)} of {seen.story.reports:,}"],
            thead[
                tr[
                    th(scope="col")["Source"],
                    th(scope="col")["Its alert"],
                    th(scope="col")["Verdict"],
                    th(scope="col", class_="wide")["Closed at the source"],
                ]
            ],
            tbody[(_source(one) for one in shown)],
        ],
    ]


def _source(one: dict[str, str | None]) -> Renderable:
    url = one["url"] or ""
    return tr[
        th(scope="row")[said(one["source"] or "", 60), br, span(class_="small quiet")[_plain(one["reported_at"])]],
        td(class_="any")[
            said(one["id"] or "", 120),
            url and [br, span(class_="small")[a(href=url, rel="noreferrer noopener nofollow")[url] if linkable(url) else said(url)]],
        ],
        td[said(one["verdict"] or "", 40).replace("_", " "), br, span(class_="small quiet")[said(one["because"] or "")]],
        td(class_="wide any")[said(" ".join(filter(None, (one["closing"], one["closing_told"])))) or NOTHING],
    ]


def _plain(at: str | None) -> str:
    """A time in RFC 3339, to the second, as the page writes times."""
    return (at or "")[:19].replace("T", " ")


def _evidence(told: Timeline) -> Node:
    return section[h2["Evidence"], ul(class_="plain")[(li[one] for one in _proofs(told))], command("rotator", "audit", "verify")]


def _proofs(told: Timeline) -> Iterator[Node]:
    yield ["Account: ", code[said(told.case.account, 500)]]
    if told.memory and told.memory.proof:
        yield f"Proof: {said(told.memory.proof)}"
    yield from (f"Endpoint: {said(part)}" for part in (told.memory.seen if told.memory else "").split("; ") if part)
    last = told.last_event
    if last:
        yield ["Audit: ", f"{len(told.evidence.events)} events, the last #{last.seq}, whose hash begins ", code[last.hash[:16]]]
