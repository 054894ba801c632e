"""Findings as `dependents:` to commit: what `config check` takes as it is, and as a comment what asks for something only a person knows.

Pure. Whatever stands in a name that somebody gave a resource, a line stays one line.
"""

import json
import re
from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from rotator.core.credential import Secret
from rotator.hunt.finding import Copy, Why, astray
from rotator.settings.kinds import KINDS


def dependents(copies: Iterable[Copy], indent: str, secret: Secret | None = None) -> Iterator[str]:
    """Lines from `dependents:` on, each entry once; `secret` is the one whose credential they stand in, where that is known."""
    once = {json.dumps(dict(one.settings), sort_keys=True): one for one in copies if one.settings}
    asks = {name: _asks(one, secret) for name, one in once.items()}
    ready = [one for name, one in once.items() if not asks[name] and one.why is not Why.PINNED]
    if once:
        yield f"{indent}dependents:" if ready else f"{indent}# dependents:"
    for one in ready:
        yield from (f"{indent}  {line}" for line in _entry(one))
    for name, one in once.items():
        if one not in ready:
            first = f"Say {asks[name]}" if asks[name] else f"First: {one.told}"  # else its rotation would stand still for it
            yield f"{indent}  # {one_line(first)}"
            yield from (f"{indent}  # {line}" for line in _entry(one))


def _asks(one: Copy, secret: Secret | None) -> str:
    asks = astray(one.secret, secret) if one.secret and secret else one.asks
    if asks:
        return asks
    try:
        KINDS[one.settings["kind"]].parameters.model_validate(dict(one.settings))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"another {'.'.join(map(str, first['loc'])) or 'name'}, for the settings do not take this one: {first['msg']}"
    return ""


def _entry(one: Copy) -> Iterator[str]:
    for number, (name, value) in enumerate(one.settings.items()):
        yield f"{'  ' if number else '- '}{name}: {scalar(str(value))}"


def scalar(value: str) -> str:
    """A scalar that YAML reads back as the same text."""
    plain = re.fullmatch(r"[A-Za-z/][A-Za-z0-9/._-]*|https://[A-Za-z0-9/._:-]*[A-Za-z0-9]", value)
    return value if plain and not _is_word(value) else json.dumps(value)


def _is_word(value: str) -> bool:
    """What YAML would read as something else than text."""
    return value.lower() in ("true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf")


def one_line(text: str) -> str:
    """For a comment: one line, whatever it holds."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
