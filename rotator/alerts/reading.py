"""Reading what others wrote: every type may be another one, every name misspelt, every text hold a key.

Promises: no exception but Malformed; bounded depth, numbers and lengths; whatever becomes a text of ours has no key in it.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from rotator.alerts.authentic import moment
from rotator.alerts.delivery import Malformed
from rotator.core.keyshape import CURRENT_INSIDE, MARK, is_keylike, keys_in, without_encoded, without_keys
from rotator.core.sealed import Sealed

RECORDS_MAX = 1000
TEXTS_MAX = 50_000
DEPTH_MAX = 64
NOTE_LENGTH_MAX = 500
NOTE_READ_MAX = 10_000
ID_LENGTH_MAX = 200
VALUE_LENGTH_MAX = 1 << 20
CLUES_MAX = 20
_ID = re.compile(rf"[A-Za-z0-9._:/|#@+=-]{{1,{ID_LENGTH_MAX}}}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_ACCOUNT = re.compile(
    r"/subscriptions/[^/\s\x00-\x1f\"']{1,64}/resourcegroups/[^/\s\x00-\x1f\"']{1,90}/providers/microsoft\.cognitiveservices/accounts/"
    r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
    re.IGNORECASE,
)


def document(body: bytes) -> Any:
    """The JSON in `body`. Raises Malformed."""
    try:
        found = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON in UTF-8, or nests deeper than any alert does") from None
    if _depth_over(found, DEPTH_MAX):
        raise Malformed("the body nests deeper than any alert does")
    return found


def object_in(body: bytes) -> Mapping[str, Any]:
    """The JSON object that `body` is. Raises Malformed: an array or a text says nothing, and its sender would believe that it was heard."""
    found = document(body)
    if not isinstance(found, Mapping):
        raise Malformed("the body is JSON and no object")
    return found


def mapping(value: object) -> Mapping[str, Any]:
    """`value` if it is an object, or the object that it holds as a JSON text (Azure's `claims`), else an empty one."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
        if _depth_over(value, DEPTH_MAX):
            return {}
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> list[Any]:
    """The elements of an array, or of an array written as a text; one thing alone is an array of one. Raises Malformed over the bound."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    found = list(value) if isinstance(value, list) else [] if value is None else [value]
    if len(found) > RECORDS_MAX:
        raise Malformed(f"more than {RECORDS_MAX} records in one delivery")
    return found


def field(value: object, *names: str) -> Any:
    """What stands under the first of `names` that is there, whatever its case, spaces, dashes; `{value, localizedValue}` is its value."""
    if not isinstance(value, Mapping):
        return None
    found = value.get(names[0])
    if found is None:
        known = {_plain(key): inner for key, inner in reversed(list(value.items())) if inner is not None}
        found = next((known[plain] for plain in map(_plain, names) if plain in known), None)
    if isinstance(found, Mapping):
        spelt = {_plain(key): inner for key, inner in found.items()}
        if "value" in spelt and set(spelt) <= {"value", "localizedvalue"}:
            return spelt["value"]
    return found


def text(value: object, *names: str) -> str:
    """A text or a number under one of `names`, stripped; else nothing."""
    found = field(value, *names)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return plain(found).strip()


def time(value: object, *names: str) -> datetime | None:
    return moment(field(value, *names))


def number(value: object, *names: str) -> int | None:
    """A positive whole number, also where it is written as a text."""
    found = field(value, *names)
    if isinstance(found, bool) or not isinstance(found, str | int):
        return None
    written = plain(found).strip()
    return int(written) if re.fullmatch(r"[1-9][0-9]{0,17}", written, re.ASCII) else None


def plain(value: str | float) -> str:
    """As a text that can be encoded (JSON can say half a character)."""
    try:
        return str(value).encode("utf-8", "replace").decode()
    except ValueError:
        return ""  # a number of more digits than Python writes


def note(value: str, *known: Sealed) -> str:
    """A text for people: on one line, short, and without anything that is or looks like a key."""
    for sealed in known:
        value = sealed.cut_from(value, MARK)
    return _CONTROL.sub(" ", without_keys(value[:NOTE_READ_MAX])).strip()[:NOTE_LENGTH_MAX]


def link(value: str, *known: Sealed) -> str:
    """A URL to be shown, never fetched; anything else, or one with a key inside, is left out."""
    if len(value) > 2000 or not value.startswith(("https://", "http://")) or any(sealed.occurs_in(value) for sealed in known):
        return ""
    plain = unquote(value)
    odd = re.search(r"[\s\x00-\x1f<>\"]", value) or "@" in value.split("/")[2]
    return "" if odd or CURRENT_INSIDE.search(plain) or without_encoded(plain) != plain else without_keys(value)


def identity(value: str) -> str:
    """A sender's id as it is, or its digest where it is odd, long or has the shape of a key; nothing stays nothing."""
    if not value or (_ID.fullmatch(value) and not is_keylike(value)):
        return value
    return "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def word(value: str) -> str:
    """A name out of a vocabulary (an alert type, a severity, a resolution), not longer than names are."""
    return note(value)[:100]


def account_in(*texts: str) -> str:
    """The first resource id of an AI account that stands in one of `texts`, without what follows its name; else nothing."""
    for each in texts:
        found = _ACCOUNT.search(each[:VALUE_LENGTH_MAX])
        if found:
            return found[0]
    return ""


def accounts_in(value: object) -> list[str]:
    """Every account that is named anywhere in `value`, each once whatever its case."""
    found: dict[str, str] = {}
    for each in texts(value):
        for match in _ACCOUNT.finditer(each[:VALUE_LENGTH_MAX]):
            found.setdefault(match[0].lower(), match[0])
            if len(found) >= RECORDS_MAX:
                return list(found.values())
    return list(found.values())


def texts(value: object) -> Iterator[str]:
    """Every text in `value`, at most TEXTS_MAX of them, without recursion."""
    waiting: list[object] = [value]
    for _ in range(TEXTS_MAX):
        if not waiting:
            return
        one = waiting.pop()
        if isinstance(one, str):
            yield plain(one)
        elif isinstance(one, Mapping):
            waiting.extend(reversed([*one.values()]))
        elif isinstance(one, Sequence):
            waiting.extend(reversed(one))


def sealed_in(value: object) -> list[Sealed]:
    """The keys that stand in any text of `value`."""
    found: dict[Sealed, None] = {}
    for each in texts(value):
        found.update(dict.fromkeys(keys_in(each[:VALUE_LENGTH_MAX], CLUES_MAX)))
        if len(found) >= CLUES_MAX:
            break
    return list(found)[:CLUES_MAX]


def values_of(value: str) -> list[Sealed]:
    """A reported value as it stands, and the keys inside it."""
    value = plain(value).strip()[:VALUE_LENGTH_MAX]
    return list(dict.fromkeys([Sealed(value), *keys_in(value, CLUES_MAX)])) if value else []


def _plain(name: object) -> str:
    return "".join(letter for letter in str(name).lower() if letter.isalnum())


def _depth_over(value: object, most: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(most):
        inner = (each for one in level for each in (one.values() if isinstance(one, dict) else one))
        level = [each for each in inner if isinstance(each, dict | list)]
        if not level:
            return False
    return True
