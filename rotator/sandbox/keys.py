"""What an account key looks like and how long it lives.

Promises: every value is assembled at run time from a seeded generator, in the two shapes Azure has; a key knows when
each gateway starts and stops to accept it, fixed at the moment it is minted and replaced. Never: a literal key, a value
in a repr.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

SHAPES = ("legacy", "current")
SLOTS = ("key1", "key2")

_BASE62 = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_YEAR_C = 2026
# The letter that tells scanners which service a current key belongs to; kinds that have none of their own share E.
_KIND_LETTERS = {
    "AIServices": "A",
    "OpenAI": "B",
    "CognitiveServices": "E",
    "ComputerVision": "F",
    "ContentSafety": "H",
    "Face": "K",
    "FormRecognizer": "L",
    "SpeechServices": "Y",
    "TextAnalytics": "a",
    "TextTranslation": "b",
}


@dataclass(slots=True, kw_only=True)
class Key:
    """One value that was ever in a slot. `died_at` is when its last gateway refuses it: None while in its slot."""

    account: str
    slot: str
    value: str = field(repr=False)
    minted_at: datetime
    minted_by: str
    accepted_at: datetime
    deaths: dict[str, datetime] = field(default_factory=dict)

    @property
    def died_at(self) -> datetime | None:
        return max(self.deaths.values(), default=None)

    def accepted(self, gateway: str, now: datetime) -> bool:
        return self.accepted_at <= now and (not self.deaths or now < self.deaths[gateway])

    def replace_at(self, now: datetime, delays: Mapping[str, float]) -> None:
        """The delay is fixed here, so that changing the account's knob later revives nothing."""
        self.deaths = {gateway: now + timedelta(seconds=seconds) for gateway, seconds in delays.items()}


def mint(shape: str, kind: str, random: Random, now: datetime) -> str:
    match shape:
        case "legacy":
            return _draw(random, _HEX, 32)
        case "current":
            return _current(kind, random, now)
        case _:
            raise ValueError(f"key shape {shape!r} is none of {SHAPES}")


def _current(kind: str, random: Random, now: datetime) -> str:
    """84 characters. The last four are a checksum that nobody outside documents: here they are noise."""
    year = chr(ord("C") + now.year - _YEAR_C)
    month = "ABCDEFGHIJKL"[now.month - 1]
    parts = [_draw(random, _BASE62, 52), "JQQJ99", year, month, _draw(random, _BASE62, 12)]
    return "".join([*parts, "AAA", _KIND_LETTERS.get(kind, "E"), "ACOG", _draw(random, _BASE62, 4)])


def _draw(random: Random, alphabet: str, length: int) -> str:
    return "".join(random.choices(alphabet, k=length))
