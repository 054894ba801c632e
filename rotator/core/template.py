"""How a key stands inside a vault value: alone, in a connection string, or in a field of a JSON document.

A template is the text of the value with `{key}` where the key stands. One that is a JSON object is matched field by field, so that
white space and a person's other fields do not matter and survive a rotation.
"""

import json
from dataclasses import dataclass
from typing import Any

MARK = "{key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """`text` holds `{key}` exactly once; `settings.py` refuses anything else."""

    text: str = MARK

    def extract(self, value: str) -> str | None:
        """The key inside `value`, or None where `value` is not of this form."""
        pattern = _document(self.text)
        if pattern is None:
            return _between(self.text, value)
        leaf = _leaf(pattern, _document(value))
        return _between(leaf[0], leaf[1]) if leaf else None

    def fill(self, key: str, current: str | None) -> str:
        """A value that carries `key`; of a JSON document in `current` every other field is kept."""
        pattern = _document(self.text)
        if pattern is None:
            return self.text.replace(MARK, key)
        document = _document(current) if current is not None else None
        return json.dumps(_merge(pattern, document, key), separators=(", ", ": "))


def _document(text: str | None) -> dict[str, Any] | None:
    try:
        parsed = json.loads(text) if text and text.lstrip().startswith("{") else None
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _between(pattern: str, value: str) -> str | None:
    """What stands at the mark. White space around a key that stands alone (a pasted new line) is not part of it."""
    if pattern == MARK:
        return value.strip() or None
    before, _, after = pattern.partition(MARK)
    fits = value.startswith(before) and value.endswith(after) and len(value) > len(before) + len(after)
    return value[len(before) : len(value) - len(after)] if fits else None


def _leaf(pattern: Any, document: Any) -> tuple[str, str] | None:
    """The template's string with the mark, and the document's string at the same place."""
    if isinstance(pattern, str) and isinstance(document, str) and MARK in pattern:
        return pattern, document
    if isinstance(pattern, dict) and isinstance(document, dict):
        found = (_leaf(part, document[name]) for name, part in pattern.items() if name in document)
        return next((leaf for leaf in found if leaf), None)
    return None


def _merge(pattern: Any, document: Any, key: str) -> Any:
    """The template's fields over the document's: only the one with the mark is ours to change, whatever else a person wrote stays."""
    if isinstance(pattern, str) and MARK in pattern:
        return pattern.replace(MARK, key)
    if not isinstance(pattern, dict):
        return document
    have = document if isinstance(document, dict) else {}
    return {**have, **{name: _merge(part, have.get(name, part), key) for name, part in pattern.items()}}
