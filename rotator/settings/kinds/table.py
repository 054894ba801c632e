"""What the README says of the kinds, made from what is declared of them, so that it reads as well in a terminal as in a browser."""

from collections.abc import Iterable, Iterator
from textwrap import wrap

from rotator.settings.kinds.declaration import Declaration, Permission

FENCE = "```"
GAP = 3
WIDE = 120
"""What a terminal shows of a line."""


def listing(kinds: Iterable[Declaration]) -> str:
    """Each kind with how it reads the key, what moves it, and what proves that: a list in Markdown."""
    return "\n".join(piece for one in kinds for line in _told(one) for piece in _wrapped(line))


def _told(one: Declaration) -> Iterator[str]:
    yield f"- **`{one.kind}`** reads {one.reads}"
    yield f"  - moved by: {one.moves}"
    yield f"  - proven by: {one.proof}"


def _wrapped(line: str) -> list[str]:
    inside = " " * (line.index("- ") + 2)
    return wrap(line, WIDE, subsequent_indent=inside, break_long_words=False, break_on_hyphens=False)


def permissions(kinds: Iterable[Declaration]) -> str:
    """Each kind with the pip extra that brings its client, and below it a line for each permission."""
    every = list(kinds)
    wide = max(len(_named(need)) for one in every for need in one.needs) + GAP
    return "\n".join([f"{FENCE}text", *(line for one in every for line in _needed(one, wide)), FENCE])


def _needed(one: Declaration, wide: int) -> Iterator[str]:
    yield f"{one.kind}, rotator[{one.extra}]" if one.extra else one.kind
    for need in one.needs:
        notes = ", ".join(filter(None, ("data action" if need.data else "", f"only for {need.only_for}" if need.only_for else "")))
        yield f"  {_named(need):<{wide}}{notes}".rstrip()


def _named(need: Permission) -> str:
    return need.action if need.system == "Azure" else f"{need.system}: {need.action}"
