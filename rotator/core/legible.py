"""How times, lengths and the words of strangers read in what is kept: one line, bounded, without a key and without control characters.

The words come from whoever can file a report. What they could do to a terminal or to a page is taken out here, once.
"""

from datetime import UTC, datetime, timedelta

from rotator.core.keyshape import without_keys

WORDS_MAX = 300
"""How many characters of a stranger's sentence are kept."""
LOOKED_AT_MAX = 20_000
_LONGER_THAN_A_KEY = 400
"""In base64 of base64, too."""
_MARKDOWN = {
    **{sign: f"\\{sign}" for sign in "\\`*_[]#|~"},
    "<": "&lt;",
    ">": "&gt;",
    "&": "&amp;",
    "@": "&#64;",
    "://": "&#58;//",
    "www.": "www&#46;",
}
"""What would be taken for markup, for a person who is called, or for a link to be clicked."""


def legible(text: str, most: int = WORDS_MAX) -> str:
    """`text` as one printable line of at most `most` characters, without a key, nor the half of one that stood where it was cut."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text[:LOOKED_AT_MAX]).split())
    safe = without_keys(line) if len(text) <= LOOKED_AT_MAX else without_keys(line)[:-_LONGER_THAN_A_KEY]
    return safe if len(safe) <= most else f"{safe[: most - 1]}…"


def in_markdown(text: str) -> str:
    """`text` so that a reader of Markdown sees it letter by letter, also inside a table."""
    shown, place = [], 0
    while place < len(text):
        sign = next((sign for sign in ("://", "www.") if text.startswith(sign, place)), text[place])
        shown.append(_MARKDOWN.get(sign, sign))
        place += len(sign)
    return "".join(shown)


def stamp(at: datetime) -> str:
    """A time in RFC 3339, UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lasted(length: timedelta) -> str:
    """A duration as a person says it: seconds to the millisecond below a minute, else its two largest units."""
    if length < timedelta(minutes=1):
        return f"{length.total_seconds():.3f} s"
    seconds = int(length.total_seconds())
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    told = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")) if count]
    return " ".join(told[:2])


def span(length: timedelta) -> str:
    """A duration that was set, or measured, where a tenth of a second is as much as anybody asks."""
    seconds = length.total_seconds()
    if 0 < seconds < 0.05:
        return "< 0.1 s"
    return f"{seconds:.1f}".removesuffix(".0") + " s" if seconds < 59.95 else lasted(timedelta(seconds=round(seconds)))
