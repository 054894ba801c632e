"""Tables for people. What does not fit beside goes below its row, and where even that is too wide, each row is a block of its own.

Columns that say nothing are left out; no line ends in blanks. Below, a value stands behind the name of its column, unless it is a sentence.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from rotator.telemetry import scrub

NOTHING = "–"
SENTENCES = frozenset({"because", "what", "what to do"})
"""Columns that speak for themselves wherever they stand. As the last of a table such a one is the first to go below its row."""
LONG = frozenset({"steps", "dependents", "what", "which means", "names", "secrets", "where"})
"""Columns that may go below their row, from the right to the left; the first column, which says whose row it is, never does."""
PIPED_WIDTH = 160
GAP, INDENT = 3, 4
SENTENCE_WIDTH_MIN = 40
"""A sentence in a column that is narrower than this is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """`beside` are columns with their widths (None: the rest of the line), `below` those that get lines of their own."""

    beside: Mapping[int, int | None]
    below: Sequence[int] = ()


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, colours: Mapping[str, str], empty: str = "nothing"
) -> None:
    """`colours` are the styles of cells that say exactly a word."""
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)
    if not rows:
        console.print(f"{title}: {empty}" if title else f"{empty[:1].upper()}{empty[1:]}.", markup=False)
        return
    telling = [number for number in range(len(columns)) if any(row[number] not in ("", NOTHING) for row in rows)] or [0]
    cells = [[Text(scrub(cell, identifier=True), style=colours.get(cell, "")) for cell in row] for row in rows]
    layout = _layout(columns, cells, telling, console.width)
    if title:
        _print(console, Text(title, style="italic"))
    console.print()
    if layout is None:
        for row in cells:
            _print_block(console, columns, row, telling)
    else:
        _print_row(console, [Text(name, style="bold") for name in columns], layout, columns)
        _print(console, Text(" " + "─" * (_width(layout, columns, cells, console.width) - 1)))
        for row in cells:
            _print_row(console, row, layout, columns)
    console.print()


def _layout(columns: Sequence[str], cells: Sequence[Sequence[Text]], telling: Sequence[int], width: int) -> _Layout | None:
    """The last column beside the others if there is room for it (or for a sentence); else what is long goes below; None: nothing fits."""
    natural = {number: max(len(columns[number]), *(row[number].cell_len for row in cells)) for number in telling}
    *first, last = telling
    room = width - sum(natural[number] + GAP for number in first) - 1
    if room >= min(natural[last], SENTENCE_WIDTH_MIN):
        return _Layout(beside={**{number: natural[number] for number in first}, last: None})
    below: list[int] = []
    long = [number for number in reversed(first[1:]) if columns[number] in LONG]
    for number in (last, *long) if columns[last] in SENTENCES else (*long, last):
        below.append(number)
        beside = {number: natural[number] for number in telling if number not in below}
        if beside and sum(beside.values()) + GAP * (len(beside) - 1) + 1 <= width:
            return _Layout(beside=beside, below=sorted(below))
    return None


def _width(layout: _Layout, columns: Sequence[str], cells: Sequence[Sequence[Text]], width: int) -> int:
    """How wide the rows are."""
    if layout.below or None not in layout.beside.values():
        return width
    last = next(number for number, wide in layout.beside.items() if wide is None)
    fixed = sum(wide + GAP for wide in layout.beside.values() if wide is not None) + 1
    return min(width, fixed + max(len(columns[last]), *(row[last].cell_len for row in cells)))


def _print_row(console: Console, row: Sequence[Text], layout: _Layout, columns: Sequence[str]) -> None:
    head = row[0].plain == columns[0]
    line, at = Text(" "), 1
    for number, wide in layout.beside.items():
        if wide is None:
            first, *more = row[number].wrap(console, console.width - at, overflow="fold") or [Text()]
            _print(console, line + first)
            for each in more:
                _print(console, Text(" " * at) + each)
            return
        line += row[number] + Text(" " * (wide - row[number].cell_len + GAP))
        at += wide + GAP
    _print(console, line)
    for number in () if head else layout.below:
        _print_below(console, columns[number], row[number], named=len(layout.below) > 1 or columns[number] not in SENTENCES)


def _print_below(console: Console, name: str, cell: Text, *, named: bool) -> None:
    if cell.plain in ("", NOTHING):
        return
    text = _labelled(name, cell) if named else cell
    for each in text.wrap(console, max(console.width - INDENT, 1), overflow="fold"):
        _print(console, Text(" " * INDENT) + each)


def _print_block(console: Console, columns: Sequence[str], row: Sequence[Text], telling: Sequence[int]) -> None:
    """The first cell; the others, as many on a line as fit; the sentence."""
    first, *rest = telling
    sentence = rest[-1:] if rest and columns[rest[-1]] in SENTENCES else []
    _print(console, Text(" ") + row[first])
    short = [number for number in rest if number not in sentence and row[number].plain not in ("", NOTHING)]
    line = Text()
    for number in short:
        told = _labelled(columns[number], row[number])
        if line and INDENT + line.cell_len + 2 + told.cell_len > console.width:
            _print_below(console, "", line, named=False)
            line = Text()
        line += (Text("  ") if line else Text()) + told
    _print_below(console, "", line, named=False)
    for number in sentence:
        _print_below(console, columns[number], row[number], named=False)


def _labelled(name: str, cell: Text) -> Text:
    return Text.assemble((f"{name}: ", "dim"), cell)


def _print(console: Console, line: Text) -> None:
    line.rstrip()
    console.print(line, soft_wrap=True)
