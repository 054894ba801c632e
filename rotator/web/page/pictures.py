"""Pictures, as inline SVG made by pure functions: each has a name that says in words what it shows, and needs no colour to be read.

What lies along a line is placed by shares of the width, so a picture fills what room there is while its marks and letters stay as they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from htpy import Element, circle, line, path, rect, svg, text, title

from rotator.core.snapshot import Adoption
from rotator.core.standing import columns

DUE_AT, ENDS_AT = 2 / 3, 1.5
"""Where a bar has the end of the cryptoperiod, and how many cryptoperiods it is long."""
NEARLY = 0.9
COLUMN_HEIGHT = 84


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing that happened on a case's way, or has not yet. `at_latest`: nobody knows since when it is so."""

    name: str
    at: datetime | None
    at_latest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One value's time: given out from `published` to `superseded`, valid until `revoked`, proven dead at `dead`. Open ends are None."""

    published: datetime
    superseded: datetime | None = None
    revoked: datetime | None = None
    dead: datetime | None = None


def percent(part: float) -> str:
    return f"{min(max(part, 0.0), 1.0) * 100:.2f}%"


# --- how old ------------------------------------------------------------------------------------------------------------------


def age(used: float, name: str) -> Element:
    """How much of the cryptoperiod is used up: a bar that crosses the upright line when it is over, and has an arrow where it runs out."""
    tone = "f-bad" if used >= 1 else "f-warn" if used >= NEARLY else "f-plain"
    return svg(role="img", width="100%", height="14", class_="age")[
        title[name],
        rect(class_="track", x="0", y="4", width="100%", height="6", rx="3"),
        rect(class_=tone, x="0", y="4", width=percent(used * DUE_AT), height="6", rx="3"),
        line(class_="due", x1=percent(DUE_AT), x2=percent(DUE_AT), y1="0", y2="14"),
        used > ENDS_AT and svg(x="100%", overflow="visible")[path(class_="s-bad", d="M-9 2l5 5l-5 5M-4 2l5 5l-5 5")],
    ]


def fleet(counts: Sequence[int], name: str) -> Element:
    """How many credentials have used up how much of their cryptoperiod: a column each, those past its end hatched."""
    most, wide = max([*counts, 1]), 1 / max(len(counts), 1)
    shown: list[Element] = []
    for number, (count, (low, _)) in enumerate(zip(counts, columns(), strict=True)):
        shown += _column(number * wide, wide, count, most, low) if count else []
        anchor = "middle" if number else "start"
        shown.append(text(x=percent(number * wide), y=str(16 + COLUMN_HEIGHT + 15), text_anchor=anchor)[f"{low * 100:.0f}"])
    floor = str(16 + COLUMN_HEIGHT)
    due = percent(10 * wide)
    return svg(role="img", width="100%", height=str(16 + COLUMN_HEIGHT + 22), class_="fleet")[
        title[name],
        line(class_="axis", x1="0", x2="100%", y1=floor, y2=floor),
        shown,
        line(class_="due", x1=due, x2=due, y1="4", y2=floor),
    ]


def _column(left: float, wide: float, count: int, most: int, low: float) -> list[Element]:
    """One that counts somebody, with its number above; cut through where the cryptoperiod is over."""
    tall = max(round(count / most * COLUMN_HEIGHT), 2)
    tone = "f-bad" if low >= 1 else "f-warn" if low >= NEARLY else "f-plain"
    x, end, top = percent(left + 0.1 * wide), percent(left + 0.9 * wide), 16 + COLUMN_HEIGHT - tall
    cuts = [line(class_="cut", x1=x, x2=end, y1=str(y), y2=str(y)) for y in range(top + 4, top + tall, 6)] if low >= 1 else []
    number = text(class_="count", x=percent(left + 0.5 * wide), y=str(top - 4), text_anchor="middle")[f"{count:,}"]
    return [rect(class_=tone, x=x, y=str(top), width=percent(0.8 * wide), height=str(tall)), *cuts, number]


# --- who runs on it -----------------------------------------------------------------------------------------------------------

SHAPES: Mapping[Adoption, Element] = {
    Adoption.PROVEN: circle(class_="f-good", cx="6", cy="6", r="5"),
    Adoption.CLAIMED: path(class_="f-plain", d="M6 1a5 5 0 0 0 0 10zM6 1a5 5 0 0 1 0 10v-1.5a3.5 3.5 0 0 0 0 -7z"),
    Adoption.STALE: path(class_="f-bad", d="M6 .8L11.6 11H.4z"),
    Adoption.UNSEEN: circle(class_="s-quiet", cx="6", cy="6", r="4.5", stroke_dasharray="2.4 2"),
}
"""A full disc, a half one, a triangle, and a broken ring."""


def adoption(how: Adoption) -> Element:
    """The mark of how a dependent was last seen; the word stands beside it."""
    return svg(role="img", class_="mark", width="12", height="12")[title[how.value], SHAPES[how]]


# --- how long -----------------------------------------------------------------------------------------------------------------

ENDS = ("Stable 401",)


def track(marks: Sequence[Mark], index: int, end: datetime) -> Element:
    """One line of a case's way: where on its time this mark lies, and how long it was since the one before."""
    begin, one = _begin(marks, end), marks[index]
    if one.at is None:
        return svg(role="img", width="100%", height="16")[
            title[f"{one.name}: not yet"], line(class_="axis", x1="0", x2="100%", y1="8", y2="8")
        ]
    place = percent(_share(one.at, begin, end))
    done = one.name in ENDS
    return svg(role="img", width="100%", height="16")[
        title[f"{one.name}: {place} of the way along"],
        line(class_="axis", x1="0", x2="100%", y1="8", y2="8"),
        line(class_="s-good" if done else "s-plain", x1="0", x2=place, y1="8", y2="8"),
        circle(
            class_=f"hollow {'s-good' if done else 's-plain'}" if one.at_latest else ("f-good" if done else "f-plain"),
            cx=place,
            cy="8",
            r="4.5",
        ),
    ]


def way(marks: Sequence[Mark], end: datetime, name: str) -> Element:
    """All of a case's way on one line: from the report to the last 401 or, while that has not come, to now (an open end)."""
    begin, known = _begin(marks, end), [mark for mark in marks if mark.at]
    dead = any(mark.name in ENDS for mark in known)
    reached = max((_share(mark.at, begin, end) for mark in known if mark.at), default=0.0)
    shapes = [_shape(number, percent(_share(mark.at, begin, end))) for number, mark in enumerate(marks) if mark.at]
    return svg(role="img", width="100%", height="16", class_="way")[
        title[name],
        line(class_="axis", x1="0", x2="100%", y1="8", y2="8"),
        line(
            class_="s-good" if dead else "s-bad",
            x1="0",
            x2=percent(reached) if dead else "100%",
            y1="8",
            y2="8",
            stroke_dasharray=None if dead else "4 3",
        ),
        shapes,
    ]


def _shape(number: int, place: str) -> Element:
    """Reported: a ring; published: a square; revoked: a cross; the first 401: a smaller disc; dead: a disc."""
    shapes = (
        circle(class_="hollow s-bad", r="4"),
        rect(class_="f-plain", x="-4", y="-4", width="8", height="8"),
        path(class_="s-bad", d="M-4 -4L4 4M4 -4L-4 4"),
        circle(class_="f-good", r="3"),
        circle(class_="f-good", r="5"),
    )
    return svg(x=place, y="8", overflow="visible")[shapes[number % len(shapes)]]


def life(one: Life, begin: datetime, now: datetime, name: str) -> Element:
    """When a value was given out (full), still valid (pale), revoked (a cross), proven dead (a disc), on a time that all share."""
    start = _share(one.published, begin, now)
    given = _share(one.superseded or one.revoked or now, begin, now)
    valid = _share(one.revoked or now, begin, now)
    return svg(role="img", width="100%", height="14")[
        title[name],
        line(class_="axis", x1="0", x2="100%", y1="7", y2="7"),
        _span("f-soft", given, valid),
        _span("f-plain", start, given),
        one.revoked is not None
        and svg(x=percent(valid), y="7", overflow="visible")[path(class_="s-bad", d="M-3.5 -3.5L3.5 3.5M3.5 -3.5L-3.5 3.5")],
        one.dead is not None and circle(class_="f-good", cx=percent(_share(one.dead, begin, now)), cy="7", r="3"),
    ]


def _span(tone: str, start: float, end: float) -> Element | None:
    return rect(class_=tone, x=percent(start), y="4", width=percent(max(end - start, 0.004)), height="6") if end >= start else None


def _begin(marks: Iterable[Mark], end: datetime) -> datetime:
    return min((mark.at for mark in marks if mark.at), default=end)


def _share(at: datetime, begin: datetime, end: datetime) -> float:
    whole = max(end - begin, timedelta(milliseconds=1))
    return (at - begin) / whole
