"""`revoke --all`: what its cases say of the order that they are parts of, and who may approve it.

A batch is known by the source of its cases, so that it outlives the process that ordered it, and needs no place of its own.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rotator.core.incident import OPERATOR
from rotator.core.legible import legible

BY_LENGTH_MAX = 70
"""A source is kept in a hundred characters."""
_SOURCE = re.compile(rf"{OPERATOR} (?P<by>.+), (?P<id>all-[0-9a-f]{{8}})(?: \((?P<slot>key1|key2|both)\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One order about every credential: its id, who gave it, and about which slot; without one about the active keys."""

    id: str
    by: str
    slot: str | None = None

    @property
    def source(self) -> str:
        """What the source of each of its cases says."""
        about = f" ({self.slot})" if self.slot else ""
        return f"{OPERATOR} {legible(self.by, BY_LENGTH_MAX)}, {self.id}{about}"

    @property
    def waits(self) -> str:
        """Why its cases are held where a second person has to approve it."""
        return f"{self.id} was ordered by {legible(self.by, BY_LENGTH_MAX)}, and another person has to approve it"


def batch_of(source: str) -> Batch | None:
    """The batch that a case with this source is a part of."""
    found = _SOURCE.fullmatch(source)
    return Batch(id=found["id"], by=found["by"], slot=found["slot"]) if found else None


def is_own(batch: Batch, names: Iterable[str]) -> bool:
    """Whether one of these names of an approver is the one who gave the order: the same person at two machines is one person."""
    return _person(batch.by) in {_person(name) for name in names}


def _person(name: str) -> str:
    return legible(name, BY_LENGTH_MAX).partition("@")[0].strip().casefold()
