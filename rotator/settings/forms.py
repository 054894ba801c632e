"""The forms of what stands in the settings: durations, references, URLs, ids; each with the words that say what would be right."""

import ipaddress
import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from rotator.core.template import MARK, Template

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = r"^\d+(\.\d+)?[smhd]$"
_REFERENCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|vault:https://.+/secrets/[^/]+)$"
_PART = r"(?!\.+/)[^/?#%\s\\]+"
_ACCOUNT = rf"/subscriptions/{_PART}/resourceGroups/{_PART}/providers/Microsoft\.CognitiveServices/accounts/[A-Za-z0-9][A-Za-z0-9_.-]*"
_ANY_ID = r"^/[A-Za-z]+/[^/]+/[A-Za-z]+/[^/]+/[A-Za-z]+/[A-Za-z.]+(/[A-Za-z]+/[^/]+)+$"
"""What an editor can tell: JSON schemas know no way to say `in any case`."""
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


def pattern(form: str, hint: str, *, quotable: bool = False) -> BeforeValidator:
    """Text that is of the form as a whole, or else `hint`. `quotable`: a number may be meant as one."""

    def check(value: object) -> str:
        if quotable and isinstance(value, int | float | date):
            raise PydanticCustomError("form", "must be text; put it in quotes")
        if not isinstance(value, str) or not fits(form, value):
            raise PydanticCustomError("form", hint)
        return value

    return BeforeValidator(check)


def resource_id(form: str, words: Sequence[str], example: str) -> Any:
    """The type of the id of an ARM resource, in any case. It is kept with the words of its path (`words`: the provider, then the types)
    spelled as Azure's reference does, so that one resource is written one way in status, tags and ledger; names stay as they are.
    """
    known = {word.lower(): word for word in ("subscriptions", "resourceGroups", "providers", *words)}

    def spelled(value: str) -> str:
        parts = value.split("/")
        return "/".join(known[part.lower()] if place % 2 or place == _PROVIDER else part for place, part in enumerate(parts))

    schema = WithJsonSchema({"type": "string", "pattern": _ANY_ID, "examples": [example]})
    return Annotated[str, pattern(f"(?i:{form})", f"not a resource id of the form {example}"), AfterValidator(spelled), schema]


_PROVIDER = 6
"""Where the provider stands in an id that is split at its slashes; names stand at the other even places."""


def _https(value: object) -> str:
    hint = "not an https:// URL"
    try:
        url = urlsplit(value) if isinstance(value, str) and not _CONTROL.search(value) else None
        valid = url is not None and url.scheme == "https" and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError as error:
        raise PydanticCustomError("https", hint) from error
    if url is None or not valid or not isinstance(value, str):
        raise PydanticCustomError("https", hint)
    if url.username is not None or url.password is not None:
        raise PydanticCustomError("https", "a user or a password is never written here")
    return value.rstrip("/")


def canonical(place: str) -> str:
    """One spelling of an account's id or a secret's URL, for telling whether two are the same: both are compared without regard to case."""
    text = place.strip().lower()
    scheme, found, rest = text.partition("://")
    path = re.sub(r"/{2,}", "/", rest if found else text).rstrip("/")
    host, slash, tail = path.partition("/")
    return f"{scheme}://{host.removesuffix(':443')}{slash}{tail}" if found else path


def printable(value: str) -> str:
    """Text without a NUL or another control character: no path and no address has one."""
    if _CONTROL.search(value):
        raise PydanticCustomError("control", "holds a control character")
    return value


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Duration = Annotated[timedelta, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["24h"]})]
Reference = Annotated[str, BeforeValidator(_reference), WithJsonSchema({"type": "string", "pattern": _REFERENCE})]
Url = Annotated[str, BeforeValidator(_https), WithJsonSchema({"type": "string", "pattern": "^https://"})]
AccountId = resource_id(
    _ACCOUNT,
    ("Microsoft.CognitiveServices", "accounts"),
    "/subscriptions/…/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/NAME",
)
Name = Annotated[
    str, pattern(NAME, "not a name: letters, digits, '.', '_' and '-'", quotable=True), WithJsonSchema({"type": "string", "pattern": NAME})
]


def _network(value: object) -> str:
    try:
        return str(ipaddress.ip_network(str(value)))
    except ValueError as error:
        raise PydanticCustomError("network", "not a network's address; write one like 10.0.0.0/8 or 10.1.2.3") from error


NetworkAddress = Annotated[str, BeforeValidator(_network), WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8"]})]


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
