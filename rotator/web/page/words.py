"""How things read on the page: times and lengths for people, what the ledger says made harmless, and the commands to type.

Whatever comes from the ledger passes `said`: one line, bounded, without a key or a sign that turns a line around; and of a fingerprint
its first letters alone.
"""

import re
import shlex
from datetime import datetime, timedelta

from htpy import Element, Renderable, code, span, time

from rotator.core.legible import lasted, legible, stamp
from rotator.core.sealed import Fingerprint

LETTERS = 8
_FINGERPRINT = re.compile(r"(?<![a-z0-9])[a-z2-7]{26}(?![a-z0-9])")
_LINK = re.compile(r"https://[A-Za-z0-9._~:/?#@!$&()*+,;=%-]{1,300}")
NOTHING = "–"
NAME_LENGTH = 24


def said(text: str, most: int = 300) -> str:
    """What the ledger says, for a page."""
    return _FINGERPRINT.sub(lambda found: short(Fingerprint(found[0])), legible(text, most))


def short(value: Fingerprint) -> str:
    """The first letters of a fingerprint: enough for `rotator revoke --fingerprint`, and for a person to tell two apart."""
    return f"{value[:LETTERS]}…"


def printed(value: Fingerprint | None) -> Renderable | str:
    return code[short(value)] if value else NOTHING


def length(value: timedelta) -> str:
    """A length for people: its two largest units, whole seconds at the least."""
    return "0 s" if abs(value) < timedelta(seconds=1) else lasted(timedelta(seconds=int(abs(value).total_seconds()))).replace(".000", "")


def brief(value: timedelta) -> str:
    """How long something took: tenths of a second below a minute."""
    return f"{value.total_seconds():.1f} s" if value < timedelta(minutes=1) else length(value)


def from_now(at: datetime, now: datetime) -> str:
    """How far away a time is."""
    return f"in {length(at - now)}" if at > now else f"{length(now - at)} ago"


def moment(at: datetime | None, now: datetime, *, by: bool = False) -> Renderable | str:
    """A time as its distance, with the time itself behind it."""
    if at is None:
        return NOTHING
    return time(datetime=stamp(at), title=stamp(at))[f"{'by ' if by else ''}{from_now(at, now)}"]


def clock(at: datetime) -> Renderable:
    """A time as it is, to the second."""
    return time(datetime=stamp(at), title=stamp(at))[span(class_="wide")[f"{at:%Y-%m-%d} "], f"{at:%H:%M:%S}"]


def command(*words: str) -> Element:
    """What to type."""
    return code(class_="type")[" ".join(word if word.startswith("…") else shlex.quote(word) for word in words)]


def sentence(text: str) -> str:
    """As a sentence of its own."""
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "…", "?")) else ".") if text else ""


def named(text: str) -> Element:
    """A name: broken inside only where it is longer than names are."""
    return span(class_="any" if len(text) > NAME_LENGTH else None)[text]


def linkable(url: str) -> bool:
    """Whether an address may be followed: https, and every sign of it is what it seems to be."""
    return _LINK.fullmatch(url) is not None


def toned(text: str, tone: str) -> Element:
    return span(class_=tone or None)[text]


def many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
