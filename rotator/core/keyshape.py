"""What a key of Azure's AI services looks like: to take it out of a text, and to find it in one.

Two questions with two strictnesses. *Is this a key?* asks for word boundaries, so that the log keeps what only resembles one. *Which keys
stand in here?* does not: in a report a key follows a `\\n` or a `%3D` that somebody escaped. The checksum at the end is advisory, so it is
never looked at.
"""

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


def is_keylike(text: str) -> bool:
    """Whether a key stands anywhere in `text`, whatever surrounds it."""
    return bool((_ANCHOR in text and CURRENT_INSIDE.search(text)) or LEGACY_INSIDE.search(text))


def without_keys(text: str, mark: str = MARK) -> str:
    """`text` with everything that has the shape of a key replaced, whatever surrounds it."""
    return LEGACY_INSIDE.sub(mark, CURRENT_INSIDE.sub(mark, text) if _ANCHOR in text else text)


def keys_in(text: str, most: int = FOUND_MAX) -> list[Sealed]:
    """The keys that stand in `text`, sealed, each once, at most `most`; also where it is percent-encoded."""
    found: dict[Sealed, None] = {}
    for value in _shapes(text):
        if len(found) >= most:
            break
        found[Sealed(value)] = None
    return list(found)


def _shapes(text: str) -> Iterator[str]:
    for spelling in (text, unquote(text)) if "%" in text else (text,):
        for anchor in re.finditer(_ANCHOR, spelling):
            start = anchor.start() - _BEFORE
            if start >= 0 and CURRENT_INSIDE.fullmatch(spelling, start, start + _LENGTH):
                yield spelling[start : start + _LENGTH]
        yield from (legacy[0] for legacy in LEGACY_INSIDE.finditer(spelling))
