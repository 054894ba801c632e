"""One credential: what its readers get and until when, why the last step was taken, who runs on it, its values, cases, rotations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from htpy import (
    Node,
    Renderable,
    a,
    br,
    caption,
    code,
    dd,
    details,
    div,
    dl,
    dt,
    h1,
    h2,
    li,
    nav,
    p,
    section,
    span,
    summary,
    table,
    tbody,
    td,
    th,
    thead,
    tr,
    ul,
)

from rotator.core.credential import Credential
from rotator.core.evidence import Effect
from rotator.core.history import Rotation, rotations
from rotator.core.incident import State
from rotator.core.policy import due_at
from rotator.core.snapshot import Adoption, Kept, KeyMemory
from rotator.core.standing import share
from rotator.ledger.onlooker import Intended, Portrait
from rotator.web.page import pictures
from rotator.web.page.cases import state
from rotator.web.page.frame import Visit, framed
from rotator.web.page.pictures import Life
from rotator.web.page.words import NOTHING, brief, clock, command, from_now, length, moment, named, printed, said, toned

EVENTS = 300
"""So many events of the chain are one page of history."""
LIVES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the page is made from. `credential` is None where the settings name it no more and the ledger remembers it."""

    name: str
    credential: Credential | None
    portrait: Portrait


def credential(visit: Visit, seen: Room) -> Renderable:
    portrait, earlier = seen.portrait, bool(visit.query.get("before"))
    return framed(
        visit,
        seen.name,
        h1[seen.name],
        seen.credential is None and p(class_="warn")["The settings do not name it (any more); this is what the ledger remembers."],
        not earlier and [_now(visit, seen), _cases(visit, portrait), _dependents(visit, portrait), _values(visit, portrait)],
        _history(visit, portrait),
    )


def current(values: Sequence[KeyMemory]) -> KeyMemory | None:
    """What its readers get: the value that was published last."""
    return max((one for one in values if one.published_at), key=_published, default=None)


def _published(one: KeyMemory) -> datetime:
    assert one.published_at is not None
    return one.published_at


# --- as it is -----------------------------------------------------------------------------------------------------------------


def _now(visit: Visit, seen: Room) -> Node:
    return [_age(visit, seen), dl[(pair for name, value in _facts(visit, seen) if value for pair in (dt[name], dd[value]))], _next(seen)]


def _age(visit: Visit, seen: Room) -> Node:
    held, of = current(seen.portrait.values), seen.credential
    if held is None or of is None:
        return p(class_="quiet")["The ledger knows of no publish: it was not rotated or looked at yet, or what it needs cannot be seen."]
    published, whole = _published(held), of.policy.cryptoperiod
    used, due = share(of.policy, published, visit.now), due_at(of.policy, published)
    late = due <= visit.now
    told = f"{length(visit.now - published)} of {length(whole)} used, {'overdue since' if late else 'due'} "
    sentence = told + (length(visit.now - due) if late else from_now(due, visit.now))
    return div[p(class_="bad" if late else None)[sentence], pictures.age(used, sentence)]


def _facts(visit: Visit, seen: Room) -> Iterator[tuple[str, Node]]:
    held, of, portrait = current(seen.portrait.values), seen.credential, seen.portrait
    if held:
        yield "In use", [f"{held.slot or 'no slot known'} ", printed(held.fingerprint), " since ", moment(held.published_at, visit.now)]
    yield "Last step", _last(portrait.last, visit)
    yield "Why", said(portrait.last.because) if portrait.last else None
    if portrait.work:
        work = portrait.work
        yield "Next look", "a worker has it in hand now" if work.worked_on else moment(work.due_at, visit.now)
    if of:
        policy = of.policy
        yield "Account", code[said(of.account, 500)]
        yield "Secret", code[said(str(of.secret), 500)]
        window = f", only in the window {policy.window.opens} ({policy.window.zone})" if policy.window else ""
        yield (
            "Rules",
            f"every {length(policy.cryptoperiod)}{window}; overlap {length(policy.overlap)}; on compromise {policy.on_compromise}",
        )


def _last(last: Intended | None, visit: Visit) -> Node:
    if last is None:
        return None
    done = said(last.result, 60) or "no outcome was written yet"
    return [f"{said(last.step, 40)} {said(last.slot, 10)}".strip() + f": {done}, ", moment(last.at, visit.now)]


def _next(seen: Room) -> Node:
    """What to type: to see it as Azure has it now, and what would be done."""
    open_case = any(case.is_open for case in seen.portrait.cases)
    words = ("rotator", "status", seen.name) if open_case else ("rotator", "plan", seen.name)
    return [p(class_="quiet")["As Azure has it now, and what comes next:"], command(*words)] if seen.credential else None


# --- its cases, dependents, values --------------------------------------------------------------------------------------------


def _cases(visit: Visit, portrait: Portrait) -> Node:
    if not portrait.cases:
        return None
    return section[
        h2["Cases"],
        table[
            thead[
                tr[th(scope="col")["Case"], th(scope="col")["State"], th(scope="col")["Value"], th(scope="col", class_="fit")["Reported"]]
            ],
            tbody[
                (
                    tr[
                        th(scope="row")[a(href=visit.to("incidents", case.id))[said(case.id, 64)]],
                        td[state(case.state), case.state is State.HELD and [br, span(class_="small")[said(case.held_because)]]],
                        td[printed(case.fingerprint)],
                        td(class_="fit")[moment(case.reported_at, visit.now)],
                    ]
                    for case in portrait.cases
                )
            ],
        ],
    ]


TONES = {Adoption.PROVEN: "good", Adoption.CLAIMED: "", Adoption.STALE: "bad", Adoption.UNSEEN: "warn"}


def _dependents(visit: Visit, portrait: Portrait) -> Node:
    if not portrait.adoptions:
        return section[h2["Dependents"], p(class_="quiet")["None was seen."]]
    return section[
        h2["Dependents"],
        table[
            caption["How each was last seen towards the value that its readers get."],
            thead[
                tr[
                    th(scope="col")["Dependent"],
                    th(scope="col")["Runs on it?"],
                    th(scope="col")["Seen"],
                    th(scope="col", class_="fit wide")["Handed it"],
                ]
            ],
            tbody[(_dependent(visit, one) for one in portrait.adoptions)],
        ],
    ]


def _dependent(visit: Visit, one: Kept) -> Renderable:
    return tr[
        th(scope="row")[named(said(one.dependent, 200)), br, span(class_="small quiet")[said(one.kind, 100)]],
        td[
            pictures.adoption(one.adoption),
            toned(one.adoption.value, TONES[one.adoption]),
            br,
            span(class_="small quiet")["since ", moment(one.since, visit.now)],
        ],
        td(class_="any")[said(one.seen) or NOTHING, one.because and [br, span(class_="small quiet")[said(one.because)]]],
        td(class_="fit wide")[moment(one.delivered_at, visit.now)],
    ]


def _values(visit: Visit, portrait: Portrait) -> Node:
    lived = sorted((one for one in portrait.values if one.published_at), key=_published, reverse=True)[:LIVES]
    others = [one for one in portrait.values if not one.published_at][:LIVES]
    if not lived and not others:
        return None
    begin = min(map(_published, lived), default=visit.now)
    heirs = [None, *map(_published, lived)]
    return section[
        h2["Values"],
        table[
            caption[
                "Each value that is remembered: given out (full), still valid (pale), revoked (cross), proven dead (disc); on one time."
            ],
            thead[tr[th(scope="col", class_="fit")["Value"], th(scope="col", class_="bar")["Its time"], th(scope="col")["How it stands"]]],
            tbody[
                (_value(visit, one, begin, heir) for one, heir in zip(lived, heirs, strict=False)),
                (
                    tr[
                        th(scope="row", class_="fit")[printed(one.fingerprint)],
                        td(class_="bar small quiet")["never published"],
                        td(class_="any")[_stands(visit, one, None)],
                    ]
                    for one in others
                ),
            ],
        ],
    ]


def _value(visit: Visit, one: KeyMemory, begin: datetime, heir: datetime | None) -> Renderable:
    told = Life(published=_published(one), superseded=heir, revoked=one.replaced_at, dead=one.dead_at)
    name = f"published {from_now(told.published, visit.now)}" + (f", revoked {from_now(told.revoked, visit.now)}" if told.revoked else "")
    return tr[
        th(scope="row", class_="fit")[printed(one.fingerprint), br, span(class_="small quiet")[one.slot or "no slot"]],
        td(class_="bar")[
            pictures.life(told, begin, visit.now, name), span(class_="small quiet")["from ", moment(one.published_at, visit.now)]
        ],
        td(class_="any")[_stands(visit, one, heir)],
    ]


def _stands(visit: Visit, one: KeyMemory, heir: datetime | None) -> Node:
    if one.dead_at:
        return [
            toned("dead", "state good"),
            ", proven ",
            moment(one.dead_at, visit.now),
            one.proof and [br, span(class_="small quiet")[said(one.proof)]],
        ]
    if one.replaced_at and not one.published_at:
        return toned("replaced before anyone got it", "quiet")
    if one.replaced_at:
        why = "nobody holds it any more to prove it" if one.lost else said(one.seen) or "not probed yet"
        return [toned("revoked", "state warn"), ", not proven dead: ", why]
    if one.published_at and heir is None:
        return toned("in use", "state")
    return toned("valid in its overlap" if one.published_at else "standby, or of the time before rotator", "quiet")


# --- its history --------------------------------------------------------------------------------------------------------------


def _history(visit: Visit, portrait: Portrait) -> Node:
    found = rotations(portrait.events)
    before = portrait.events[0].seq if portrait.earlier and portrait.events else None
    return section[
        h2["Rotations"],
        p(class_="quiet")["None in the audit."]
        if not found
        else ul(class_="cards")[(_rotation(visit, one, number == 0) for number, one in enumerate(found))],
        nav(class_="pages", aria_label="Pages")[
            visit.query.get("before") and a(href=visit.here(before=""))["Newest"],
            before and a(href=visit.here(before=str(before)))["Earlier"],
        ],
    ]


def _rotation(visit: Visit, one: Rotation, first: bool) -> Renderable:
    last = one.effects[-1]
    took = f"took {brief(one.took)}" if one.took is not None else "goes on, or its end was not written"
    return li[
        details(open=first or None)[
            summary[
                toned(", ".join(said(reason, 40).replace("_", " ") for reason in one.reasons) or "a step by itself", "state"),
                span(class_="quiet")[" ", moment(one.began, visit.now), f", {len(one.effects)} steps, {took}"],
                one.failed > 0 and toned(f", {one.failed} failed", "warn"),
                not one.failed and not last.outcome and toned(f", {said(last.step, 40)} without an outcome", "warn"),
            ],
            table[
                thead[
                    tr[
                        th(scope="col", class_="fit")["Time (UTC)"],
                        th(scope="col")["Step"],
                        th(scope="col")["Outcome"],
                        th(scope="col", class_="wide")["Because"],
                    ]
                ],
                tbody[(_effects(list(same)) for _, same in groupby(one.effects, key=_alike))],
            ],
        ]
    ]


def _alike(effect: Effect) -> tuple[str, ...]:
    """What is told once, however often it came in a row."""
    if not effect.failed:
        return (str(effect.intent.seq),)
    fault = effect.outcome.fields.get("fault", "") if effect.outcome else ""
    return effect.step, effect.slot, effect.result, fault, effect.intent.fields.get("because", "")


def _effects(same: Sequence[Effect]) -> Renderable:
    effect, last = same[0], same[-1]
    fields = effect.outcome.fields if effect.outcome else {}
    tone = "bad" if effect.failed else "good" if effect.is_proof else ""
    more = fields.get("fault") or fields.get("seen") or fields.get("dependent")
    again = f", {len(same)} times until {last.intent.at:%H:%M:%S}" if len(same) > 1 else ""
    return tr[
        td(class_="fit small")[clock(effect.intent.at)],
        th(scope="row", class_="fit")[
            said(effect.step, 40).replace("_", " "), effect.slot and span(class_="quiet small")[f" {said(effect.slot, 10)}"]
        ],
        td(class_="any")[
            toned(said(effect.result, 80), tone) if effect.outcome else toned("none written", "warn"),
            again,
            more and [br, span(class_="small quiet")[said(more)]],
        ],
        td(class_="wide small quiet any")[said(effect.intent.fields.get("because", ""))],
    ]
