"""Cases in a list: each with its state, its way so far, and what to type; and a table of those that are over."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from htpy import Node, Renderable, a, caption, code, div, h2, li, p, section, span, table, tbody, td, th, thead, tr

from rotator.core.incident import Incident, State
from rotator.ledger.onlooker import Way
from rotator.web.page import pictures
from rotator.web.page.frame import Visit
from rotator.web.page.pictures import Mark
from rotator.web.page.words import NOTHING, brief, many, moment, named, said, short, toned


def card(visit: Visit, way: Way, *content: Node) -> Renderable:
    case = way.case
    return li[
        div(class_="head")[
            a(class_="state", href=visit.to("incidents", case.id))[said(case.id, 64)],
            a(href=visit.to("credentials", case.credential))[named(said(case.credential, 100))],
            state(case.state),
            span(class_="quiet")[f"{case.mode}, {case.slot or 'a replaced value'} ", code[short(case.fingerprint)]],
            span(class_="quiet")[
                f"{many(way.reports, 'report')}, " if way.reports else f"{said(case.source, 60)}, ", moment(case.reported_at, visit.now)
            ],
        ],
        content,
    ]


def marks(way: Way) -> tuple[Mark, ...]:
    """The ends that a case's value comes to, in the order in which they are told."""
    revoked = way.case.state not in (State.HELD, State.OPEN)
    return (
        Mark(name="Reported", at=way.case.reported_at),
        Mark(name="Published", at=way.published_at),
        Mark(name="Revoked", at=way.revoked_at if revoked else None),
        Mark(name="First 401", at=way.first_401_at if revoked else None),
        Mark(name="Stable 401", at=way.dead_at if revoked else None),
    )


def walked(way: Way, visit: Visit) -> Node:
    known = marks(way)
    told = _offsets(known)
    end = way.dead_at if way.dead_at and known[-1].at else visit.now
    return div[pictures.way(known, max(end, way.case.reported_at), told), span(class_="small quiet")[told, _deadline(way.case, visit)]]


def _offsets(known: Sequence[Mark]) -> str:
    """What came when after the report, as far as it has come."""
    begin = known[0].at
    assert begin is not None
    rest = [f"{mark.name.lower()} +{brief(mark.at - begin)}" for mark in known[1:] if mark.at and mark.at >= begin]
    early = [f"{mark.name.lower()} before" for mark in known[1:] if mark.at and mark.at < begin]
    open_end = "" if known[-1].at else "not proven dead yet"
    return ", ".join(filter(None, ("reported", *early, *rest, open_end)))


def _deadline(case: Incident, visit: Visit) -> Node:
    if case.state is not State.OPEN or case.cuts:
        return None
    return ["; killed by its deadline ", moment(case.deadline, visit.now)]


def over(visit: Visit, ways: Sequence[Way]) -> Node:
    if not ways:
        return None
    return section(id="over")[
        h2["Cases that are over"],
        table[
            caption["The newest. Time to dead counts from the first report to the stable 401."],
            thead[tr[(th(scope="col", class_=kind)[name] for name, kind in OVER)]],
            tbody[(_over_row(visit, way) for way in ways)],
        ],
        p(class_="quiet small")["All: ", code["rotator incidents list --all"]],
    ]


OVER = (("Case", "fit"), ("Credential", None), ("Its way", "bar wide"), ("State", "fit"), ("Time to dead", "fit"), ("Reported", "fit wide"))


def _over_row(visit: Visit, way: Way) -> Renderable:
    case = way.case
    lived = way.dead_at - case.reported_at if way.dead_at and case.state in (State.DEAD, State.CLOSED) else None
    return tr[
        th(scope="row", class_="fit")[a(href=visit.to("incidents", case.id))[said(case.id, 64)]],
        td[a(href=visit.to("credentials", case.credential))[named(said(case.credential, 100))]],
        td(class_="bar wide")[lived is not None and pictures.way(marks(way), way.dead_at or visit.now, _offsets(marks(way)))],
        td(class_="fit")[state(case.state)],
        td(class_="fit")[brief(max(lived, timedelta(0))) if lived is not None else NOTHING],
        td(class_="fit wide")[moment(case.reported_at, visit.now)],
    ]


TONES: Mapping[State, str] = {State.HELD: "bad", State.OPEN: "bad", State.REVOKED: "warn", State.UNPROVEN: "warn", State.DEAD: "good"}
TOLD: Mapping[State, str] = {
    State.HELD: "held",
    State.OPEN: "open",
    State.REVOKED: "revoked, not proven dead",
    State.UNPROVEN: "unproven for good",
    State.DEAD: "dead",
    State.CLOSED: "closed",
    State.DISMISSED: "dismissed",
}


def state(of: State) -> Renderable:
    return toned(TOLD[of], f"state {TONES.get(of, 'quiet')}")
