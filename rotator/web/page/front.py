"""The first page: what waits for a person, what is leaked and alive, what is overdue, what failed; then the fleet, the worst first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from htpy import Node, Renderable, a, b, code, div, h1, h2, li, p, section, span, ul

from rotator.core.incident import Incident, State
from rotator.core.policy import due_at
from rotator.core.standing import Rank
from rotator.core.wave import Wave
from rotator.ledger.onlooker import Failure, Way
from rotator.ledger.soundness import Trouble
from rotator.web.page.cases import card, over, walked
from rotator.web.page.fleet import Listing, fleet
from rotator.web.page.frame import Visit, framed
from rotator.web.page.words import command, from_now, many, moment, named, said, sentence, toned

SHOWN = 10
"""So many of what presses stand on the page; the rest is a number and a command."""
LATELY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What the first page is made from. `held` and `pressing` are cases that are not over, `ended` those that are; the newest."""

    fleet: Listing
    held: Sequence[Way]
    pressing: Sequence[Way]
    ended: Sequence[Way]
    counts: Mapping[State, int]
    failures: Sequence[Failure]
    wave: Wave | None
    trouble: Trouble | None = None


def front(visit: Visit, seen: Front) -> Renderable:
    return framed(
        visit,
        "All credentials",
        h1[_headline(seen)],
        _troubled(seen),
        _figures(visit, seen),
        seen.fleet.whole
        and [_waiting(visit, seen), _pressing(visit, seen), _overdue(visit, seen), _failed(visit, seen), over(visit, seen.ended)],
        fleet(visit, seen.fleet),
    )


# --- in a sentence, and in figures --------------------------------------------------------------------------------------------


def _headline(seen: Front) -> str:
    """The one thing to know."""
    if seen.trouble is not None:
        what = seen.trouble.what
        return f"{what[0].upper()}{what[1:]} since {seen.trouble.since:%Y-%m-%d %H:%M:%S} UTC"
    waits, alive = seen.counts.get(State.HELD, 0), seen.counts.get(State.OPEN, 0)
    overdue, failed = len(seen.fleet.roll.so[Rank.OVERDUE]), len(seen.failures)
    stopped = seen.wave is not None and seen.wave.stop is not None
    if waits or stopped:
        return f"{many(waits + stopped, 'thing')} {'waits' if waits + stopped == 1 else 'wait'} for you"
    if alive:
        return f"{many(alive, 'leaked key')} {'is' if alive == 1 else 'are'} being killed"
    if overdue:
        return f"{many(overdue, 'key')} {'is' if overdue == 1 else 'are'} overdue"
    if failed:
        return "Nothing waits for you; some steps failed lately"
    return "Nothing waits for you"


def _troubled(seen: Front) -> Node:
    if seen.trouble is None:
        return None
    return p(class_="bad")[sentence(f"{said(seen.trouble.because)}; until then this daemon rotates nothing and kills no leaked key")]


def _figures(visit: Visit, seen: Front) -> Renderable:
    pressing = sum(seen.counts.get(state, 0) for state in (State.OPEN, State.REVOKED, State.DEAD))
    held = seen.counts.get(State.HELD, 0)
    entries = (
        ("waiting for a person", held, "bad", "#waiting"),
        ("open cases", pressing, "bad" if seen.counts.get(State.OPEN) else "warn", "#open"),
        ("overdue", len(seen.fleet.roll.so[Rank.OVERDUE]), "bad", visit.to(only=Rank.OVERDUE.name.lower()) + "#fleet"),
        ("with a laggard", len(seen.fleet.roll.so[Rank.LAGS]), "warn", visit.to(only=Rank.LAGS.name.lower()) + "#fleet"),
        ("never seen", len(seen.fleet.roll.so[Rank.UNKNOWN]), "warn", visit.to(only=Rank.UNKNOWN.name.lower()) + "#fleet"),
        ("credentials", len(seen.fleet.roll.places), "", visit.to() + "#fleet"),
    )
    return ul(class_="figures")[
        (
            li[a(href=href)[b(class_=tone if count else "quiet")[f"{count:,}"], span(class_="small quiet")[name]]]
            for name, count, tone, href in entries
        )
    ]


# --- what presses -------------------------------------------------------------------------------------------------------------


def _waiting(visit: Visit, seen: Front) -> Node:
    stopped = seen.wave.stop if seen.wave else None
    if not seen.held and stopped is None:
        return None
    return section(id="waiting")[
        h2["Waits for you"],
        ul(class_="cards")[
            stopped is not None
            and li[
                div(class_="head")[
                    toned("The wave of rotations is stopped", "state bad"), span(class_="quiet")[moment(stopped.at, visit.now)]
                ],
                p[sentence(f"{said(stopped.by, 60)}: {said(stopped.because)}")],
                command("rotator", "waves", "resume"),
            ],
            (
                card(visit, way, _why_held(way.case), command("rotator", "incidents", "approve", way.case.id), _no(way.case))
                for way in seen.held
            ),
        ],
        _more(seen.counts.get(State.HELD, 0), len(seen.held), "held"),
    ]


def _why_held(case: Incident) -> Node:
    return p[sentence(said(case.held_because)) or "A person is to say whether it is killed."]


def _no(case: Incident) -> Renderable:
    return command("rotator", "incidents", "dismiss", case.id, "--reason", "…")


def _pressing(visit: Visit, seen: Front) -> Node:
    if not seen.pressing:
        return None
    states = (State.OPEN, State.REVOKED, State.DEAD)
    return section(id="open")[
        h2["Open cases"],
        ul(class_="cards")[
            (card(visit, way, walked(way, visit), command("rotator", "incidents", "show", way.case.id)) for way in seen.pressing)
        ],
        _more(sum(seen.counts.get(state, 0) for state in states), len(seen.pressing), *map(str, states)),
    ]


def _overdue(visit: Visit, seen: Front) -> Node:
    overdue = seen.fleet.roll.so[Rank.OVERDUE]
    if not overdue:
        return None
    late = list(islice((place for place in seen.fleet.roll.places if place[2] in overdue), SHOWN))
    return section(id="overdue")[
        h2["Overdue"],
        ul(class_="cards")[
            (
                li[
                    div(class_="head")[
                        a(class_="state", href=visit.to("credentials", name))[named(name)], toned(_over_since(name, seen, visit), "bad")
                    ],
                    command("rotator", "plan", name),
                ]
                for _, _, name in late[:3]
            )
        ],
        len(late) > 3
        and p(class_="quiet")[
            "And ",
            [[", " if number else "", a(href=visit.to("credentials", name))[named(name)]] for number, (_, _, name) in enumerate(late[3:])],
            ".",
        ],
        _more(len(overdue), len(late)),
    ]


def _over_since(name: str, seen: Front, visit: Visit) -> str:
    published, credential = seen.fleet.roll.published(name), seen.fleet.credentials.get(name)
    assert published is not None
    return f"due {from_now(due_at(credential.policy, published), visit.now)}" if credential else "overdue"


def _failed(visit: Visit, seen: Front) -> Node:
    if not seen.failures:
        return None
    return section(id="failed")[
        h2["Failed in the last 24 hours"],
        ul(class_="cards")[(_failure(visit, one) for one in seen.failures)],
    ]


def _failure(visit: Visit, one: Failure) -> Renderable:
    hopeless = one.result in ("denied", "missing", "rejected")
    times = f"{one.count} times, last " if one.count > 1 else ""
    return li[
        div(class_="head")[
            a(class_="state", href=visit.to("credentials", one.credential))[named(said(one.credential, 100))],
            toned(f"{said(one.step, 40)} {said(one.slot, 10)}".strip() + f": {said(one.result, 40)}", "warn"),
            span(class_="quiet")[times, moment(one.at, visit.now)],
        ],
        p[sentence(said(one.fault)) or "No more was written."],
        command("rotator", "doctor" if hopeless else "plan", one.credential),
    ]


def _more(total: int, shown: int, *states: str) -> Node:
    if total <= shown:
        return None
    listing = " ".join(f"--state {one}" for one in states)
    return p(class_="quiet")[
        f"And {total - shown:,} more", [": ", code[f"rotator incidents list {listing}"]] if states else ", in the table below", "."
    ]
