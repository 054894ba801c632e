"""The history of one credential, from the audit: its rotations, each with its steps and what came of them, the newest first.

Steps that carry the same rotation are one, from its trigger to the proof. What no rotation claims (of a program before there were any, or a
step that a person took by hand) stands by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from rotator.core.audit import AuditEvent
from rotator.core.evidence import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """One run through the corridor, as far as its events are at hand."""

    identity: str
    effects: tuple[Effect, ...]

    @property
    def began(self) -> datetime:
        return self.effects[0].intent.at

    @property
    def ended(self) -> datetime | None:
        """When its last outcome was written; None while a step of it has none."""
        outcomes = [effect.outcome.at for effect in self.effects if effect.outcome]
        return max(outcomes) if len(outcomes) == len(self.effects) else None

    @property
    def took(self) -> timedelta | None:
        return self.ended - self.began if self.ended and self.ended >= self.began else None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was done, in RFC 5280's words; more than one where a compromise came in between."""
        return tuple(dict.fromkeys(reason for effect in self.effects if (reason := effect.intent.fields.get("reason", ""))))

    @property
    def failed(self) -> int:
        return sum(effect.failed for effect in self.effects)


def rotations(events: Sequence[AuditEvent]) -> list[Rotation]:
    """The rotations among the events of one credential, the newest first. An intent that stands before the events at hand is not told."""
    ordered = sorted(events, key=lambda event: event.seq)
    effects = list(_effects(ordered))
    order = {name: place for place, name in enumerate(dict.fromkeys(map(_name, effects)))}
    grouped = groupby(sorted(effects, key=lambda effect: (order[_name(effect)], effect.intent.seq)), key=_name)
    found = [Rotation(identity=name, effects=tuple(some)) for name, some in grouped]
    return sorted(found, key=lambda one: one.effects[-1].intent.seq, reverse=True)


def _effects(ordered: Sequence[AuditEvent]) -> Iterator[Effect]:
    outcomes: dict[str, AuditEvent] = {}
    for event in ordered:
        if event.event == "outcome":
            outcomes.setdefault(event.fields.get("operation", ""), event)
    for event in ordered:
        if event.event == "intent":
            yield Effect(intent=event, outcome=outcomes.get(event.fields.get("operation", "")))


def _name(effect: Effect) -> str:
    return effect.intent.fields.get("rotation") or f"#{effect.intent.seq}"
