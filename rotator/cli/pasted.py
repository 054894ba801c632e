"""What somebody pastes: a bare key, `AZURE_OPENAI_API_KEY="…"`, a line of JSON or of a log. One line is one report."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from rotator.cli.session import Exit, fail
from rotator.core.keyshape import keys_in
from rotator.core.sealed import Fingerprint, Sealed

KEY_LENGTH_MIN, LINE_LENGTH_MAX = 16, 4096
LINES_MAX = 1000
SIZE_MAX = LINE_LENGTH_MAX * LINES_MAX
KEYS_PER_LINE_MAX = 20
_AROUND = " \t\"'`,;"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pasted:
    """One line, as everything in it that may be a key, the most likely first."""

    values: tuple[Sealed, ...]

    @property
    def name(self) -> Fingerprint:
        """By what the line is named where nothing in it is known."""
        return self.values[0].fingerprint


def pasted(line: str) -> Pasted:
    """What has the shape of a key, the whole line, and what stands after the first `=` or `:`; without what quotes it."""
    bare = line.strip().strip(_AROUND)
    _, sign, after = max((bare.partition(sign) for sign in "=:"), key=lambda parts: len(parts[2]))
    wholes = [Sealed(text) for text in (line.strip(), bare, after.strip(_AROUND) if sign else "") if len(text) >= KEY_LENGTH_MIN]
    return Pasted(values=tuple(dict.fromkeys([*keys_in(line, KEYS_PER_LINE_MAX), *wholes])))


def read_pasted() -> list[Pasted]:
    """The lines of standard input; of a terminal one, that is not shown."""
    try:
        asked = sys.stdin.isatty()
        text = click.prompt("Paste the leaked key (it is not shown)", hide_input=True, err=True) if asked else sys.stdin.read(SIZE_MAX)
        lines = [line for line in text.splitlines() if line.strip()]
    except UnicodeError:
        fail(Exit.USAGE, "Standard input is not text.")
    if not lines:
        fail(Exit.USAGE, "Standard input holds no key. Pass it like this: rotator revoke --leaked-key - < file")
    if len(lines) > LINES_MAX or max(len(line.strip()) for line in lines) > LINE_LENGTH_MAX:
        fail(Exit.USAGE, f"Standard input is not a list of keys: at most {LINES_MAX} lines of {LINE_LENGTH_MAX} characters.")
    _refuse_short(lines)
    return list(dict.fromkeys(pasted(line) for line in lines))


def _refuse_short(lines: Sequence[str]) -> None:
    """What is shorter than any key is none: sealed, the scrubber would take it out of every line that is printed from then on."""
    short = next((number for number, line in enumerate(lines, 1) if len(line.strip()) < KEY_LENGTH_MIN), None)
    if short is not None:
        fail(Exit.USAGE, f"Line {short} of standard input is shorter than any key ({KEY_LENGTH_MIN} characters). Nothing was changed.")
