"""Several records in one delivery: one that lacks something must not take the others with it, for the sender will not send them again."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from rotator.alerts.delivery import Ignored, Malformed, Record
from rotator.alerts.reading import RECORDS_MAX

One = TypeVar("One")


def each_of(parts: Sequence[One], read: Callable[[One], Sequence[Record]]) -> tuple[Record, ...]:
    """What `read` makes of each part. Raises Malformed where every part is."""
    found: list[Record] = []
    wrong: list[Malformed] = []
    for part in parts:
        try:
            found += read(part)
        except Malformed as malformed:
            wrong.append(malformed)
    if wrong and not found:
        raise wrong[0]
    if len(found) + len(wrong) > RECORDS_MAX:
        raise Malformed(f"more than {RECORDS_MAX} records in one delivery")
    left_out = [Ignored(because=f"left out of its batch: {one.sentence}") for one in wrong]
    return (*found, *left_out) or (Ignored(because="a delivery of nothing"),)
