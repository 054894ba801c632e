"""What a key of Azure's AI services looks like: to take it out of a text, and to find it in one.

Two questions with two strictnesses. *Is this a key?* asks for word boundaries, so that the log keeps what only resembles one. *Which keys
stand in here?* does not: in a report a key follows a `\\n` or a `%3D` that somebody escaped. The checksum at the end is advisory, so it is
never looked at.
"""

import base64
import re
from collections.abc import Iterator
from urllib.parse import unquote

from rotator.core.sealed import Sealed

MARK = "[scrubbed]"
_CURRENT = r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9][A-L][A-Za-z0-9]{12}AAA[A-Za-z]ACOG[A-Za-z0-9]{4}"
CURRENT = re.compile(rf"(?<![A-Za-z0-9]){_CURRENT}(?![A-Za-z0-9=])")
LEGACY = re.compile(r"(?<![A-Za-z0-9])[0-9a-f]{32}(?![A-Za-z0-9])")
CURRENT_INSIDE = re.compile(_CURRENT)
_ANCHOR, _BEFORE, _LENGTH = "JQQJ99", 52, 84
"""What every current key holds, and where: looked for first, so that a long text without it costs nothing."""
LEGACY_INSIDE = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
FOUND_MAX = 1000
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{43,}={0,2}")
"""Long enough for the shorter key in base64, of either alphabet; hexadecimal digits are among its letters."""
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){32,}")
_DEEP = 2
"""So many times one in another: a Kubernetes Secret that somebody quotes out of a field that is base64 itself."""


def is_keylike(text: str) -> bool:
    """Whether a key stands anywhere in `text`, whatever surrounds it."""
    return _is_plain(text) or any(_hides(run[0], _DEEP) for run in _ENCODED.finditer(text))


def without_keys(text: str, mark: str = MARK) -> str:
    """`text` with everything that has the shape of a key replaced, whatever surrounds it, and every run of base64 or hexadecimal digits
    that decodes to a text with one.
    """
    return without_encoded(LEGACY_INSIDE.sub(mark, CURRENT_INSIDE.sub(mark, text) if _ANCHOR in text else text), mark)


def without_encoded(text: str, mark: str = MARK) -> str:
    """The second half of it alone: for who keeps what only resembles a key."""
    return _ENCODED.sub(lambda run: mark if _hides(run[0], _DEEP) else run[0], text)


def keys_in(text: str, most: int = FOUND_MAX) -> list[Sealed]:
    """The keys that stand in `text`, sealed, each once, at most `most`; also where it is percent-encoded."""
    found: dict[Sealed, None] = {}
    for value in _shapes(text):
        if len(found) >= most:
            break
        found[Sealed(value)] = None
    return list(found)


def _is_plain(text: str) -> bool:
    return bool((_ANCHOR in text and CURRENT_INSIDE.search(text)) or LEGACY_INSIDE.search(text))


def _hides(run: str, deep: int) -> bool:
    """Whether it decodes to a text that holds a key, from wherever the encoded part of it begins."""
    for text in _decoded(run):
        if _is_plain(text) or (deep > 1 and any(_hides(inner[0], deep - 1) for inner in _ENCODED.finditer(text))):
            return True
    return False


def _decoded(run: str) -> Iterator[str]:
    letters = run.rstrip("=").translate(_STANDARD)
    for start in range(4):
        part = letters[start:]
        part = part[: len(part) - (len(part) % 4 == 1)]  # a single letter is no byte
        yield base64.b64decode(part + "=" * (-len(part) % 4)).decode("latin-1")
    for digits in _HEX.finditer(run):
        yield bytes.fromhex(digits[0]).decode("latin-1")
        yield bytes.fromhex(digits[0][1:-1]).decode("latin-1")


_STANDARD = str.maketrans("-_", "+/")


def _shapes(text: str) -> Iterator[str]:
    for spelling in (text, unquote(text)) if "%" in text else (text,):
        for anchor in re.finditer(_ANCHOR, spelling):
            start = anchor.start() - _BEFORE
            if start >= 0 and CURRENT_INSIDE.fullmatch(spelling, start, start + _LENGTH):
                yield spelling[start : start + _LENGTH]
        yield from (legacy[0] for legacy in LEGACY_INSIDE.finditer(spelling))
