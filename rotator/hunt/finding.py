"""What is found of somebody who holds a key, or refers to its secret. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rotator.core.credential import Secret, Slot
from rotator.core.sealed import Fingerprint


class Why(StrEnum):
    """How the key is held; the worst first."""

    COPY = "copy"
    PINNED = "pinned"
    READER = "reader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One finding. `owner` is whose key it is, `secret` the one that is referred to, `settings` the dependent as the settings would say it,
    and `asks` what only a person knows before they can.
    """

    owner: str
    why: Why
    what: str
    resource: str
    told: str
    known: bool
    fingerprint: Fingerprint | None = None
    slot: Slot | None = None
    secret: Secret | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    asks: str = ""

    @property
    def is_open(self) -> bool:
        """Whether somebody has to do something: the settings do not know it, or it pins a version and never moves."""
        return not self.known or self.why is Why.PINNED


def worst_first(one: Copy) -> tuple[bool, int, str]:
    """The order in which a person should look at them."""
    return not one.is_open, list(Why).index(one.why), one.what


def astray(read: Secret, own: Secret | None) -> str:
    """What to ask of somebody who reads another secret than the credential's own; nothing where it is that one."""
    return "" if own is None or str(read).lower() == str(own).lower() else f"whether it can refer to {own}: it reads a copy, {read}"
