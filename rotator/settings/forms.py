"""The forms of what stands in the settings: durations, references, URLs, ids; each with the words that say what would be right."""

import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from rotator.core.template import MARK, Template

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = r"^\d+(\.\d+)?[smhd]$"
_REFERENCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|vault:https://.+/secrets/[^/]+)$"
_ACCOUNT = (
    r"^/subscriptions/[^/]+/resource[Gg]roups/[^/]+/providers/[Mm]icrosoft\.[Cc]ognitive[Ss]ervices/accounts/[A-Za-z0-9][A-Za-z0-9_.-]*$"
)
LONGEST = timedelta(days=36_500)
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


def fits(form: str, value: str) -> bool:
    """Whether all of `value` is of the form: `$` alone would let a new line at its end pass."""
    return re.fullmatch(form.removeprefix("^").removesuffix("$"), value) is not None


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not fits(_DURATION, value):
        raise PydanticCustomError("duration", "not a duration; write a number and a unit, like 90s, 15m, 24h or 30d")
    seconds = float(value[:-1]) * timedelta(**{_UNITS[value[-1]]: 1}).total_seconds()
    if seconds > LONGEST.total_seconds():
        raise PydanticCustomError("duration", "longer than any key will live")
    return timedelta(seconds=seconds)


def _reference(value: object) -> str:
    if not isinstance(value, str) or not fits(_REFERENCE, value):
        hint = "not a reference; a secret is never written here: use env:NAME, file:/path or vault:https://VAULT/secrets/NAME"
        raise PydanticCustomError("reference", hint)
    return value


def pattern(form: str, hint: str) -> BeforeValidator:
    """Text that is of the form as a whole, or else `hint`."""

    def check(value: object) -> str:
        if not isinstance(value, str) or not fits(form, value):
            raise PydanticCustomError("form", hint)
        return value

    return BeforeValidator(check)


def _https(value: object) -> str:
    if not isinstance(value, str) or urlsplit(value).scheme != "https" or not urlsplit(value).hostname:
        raise PydanticCustomError("https", "not an https:// URL")
    return value.rstrip("/")


Duration = Annotated[timedelta, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["24h"]})]
Reference = Annotated[str, BeforeValidator(_reference), WithJsonSchema({"type": "string", "pattern": _REFERENCE})]
Url = Annotated[str, BeforeValidator(_https), WithJsonSchema({"type": "string", "pattern": "^https://"})]
AccountId = Annotated[
    str,
    pattern(
        _ACCOUNT, "not a resource id of the form /subscriptions/…/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/NAME"
    ),
    WithJsonSchema({"type": "string", "pattern": _ACCOUNT}),
]
Name = Annotated[str, pattern(NAME, "not a name: letters, digits, '.', '_' and '-'"), WithJsonSchema({"type": "string", "pattern": NAME})]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise PydanticCustomError("positive", "must be longer than nothing")
    return value


def _format(value: object) -> str:
    marked = isinstance(value, str) and value.count(MARK) == 1
    if not isinstance(value, str) or not marked or Template(text=value).extract(Template(text=value).fill("k", None)) != "k":
        raise PydanticCustomError("format", "must hold {key} exactly once; in JSON in a text field of an object")
    return value


Format = Annotated[str, BeforeValidator(_format), WithJsonSchema({"type": "string", "pattern": r"\{key\}"})]
"""How a key stands in a larger text."""
