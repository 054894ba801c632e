"""What the audit says of one case: the words about it, and its steps, each intent with its outcome. Nothing is told that no event carries.

The order is the chain's: an event was written after the one before it, whatever the clocks of the workers said. A step belongs to a case
if it kills, probes or retires its very value; or if it is part of a rotation that did so, or that a compromise called for, while the case
stood. What other cases of the same credential kill is not in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rotator.core.audit import AuditEvent
from rotator.core.credential import Reason
from rotator.core.incident import Incident, State
from rotator.core.settle import APPLIED, NOT_APPLIED, NOT_KNOWN
from rotator.core.step import Adopt, Mint, Propagate, Prove, ProveDead, Publish, Recover, Retire, Revoke, SwitchOffLocalAuth

FILED, MOVED, APPROVED, DISMISSED = "incident.filed", "incident.moved", "incident.approved", "incident.dismissed"
ADOPTION = "adoption"
SOURCE_CLOSED, ANCHORED = "report.closed", "report.anchored"
KILLS = frozenset({Revoke.name, Mint.name})
"""Both are one call, and end the value that was in the slot."""
_OF_THE_VALUE = frozenset({Revoke.name, ProveDead.name, Retire.name})
_OF_THE_ROTATION = frozenset({Mint.name, Prove.name, Publish.name, Adopt.name, Recover.name, Propagate.name, SwitchOffLocalAuth.name})
_PROBES = frozenset({Prove.name, ProveDead.name})
_CALLED_FOR = frozenset({Reason.KEY_COMPROMISE.value, Reason.SUSPECTED_COMPROMISE.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One step: what was meant, and what came of it, if that was ever written."""

    intent: AuditEvent
    outcome: AuditEvent | None = None

    @property
    def step(self) -> str:
        return self.intent.fields.get("step", "")

    @property
    def slot(self) -> str:
        return self.intent.fields.get("slot", "")

    @property
    def value(self) -> str:
        """The value it is about; for what regenerates a slot, the one that dies by it."""
        return self.intent.fields.get("fingerprint", "")

    @property
    def result(self) -> str:
        return self.outcome.fields.get("result", "") if self.outcome else ""

    @property
    def failed(self) -> bool:
        """Whether it is known to have had no effect."""
        return self.outcome is not None and ("fault" in self.outcome.fields or self.result == NOT_APPLIED)

    @property
    def took_effect(self) -> bool:
        return self.outcome is not None and not self.failed and self.result != NOT_KNOWN

    @property
    def answered(self) -> bool:
        """Whether the service itself said that it is done; otherwise a later look showed it."""
        return self.took_effect and self.result != APPLIED

    @property
    def is_probe(self) -> bool:
        return self.step in _PROBES

    @property
    def is_proof(self) -> bool:
        return self.step == ProveDead.name and self.result == "dead"

    def kills(self, value: str) -> bool:
        return self.step in KILLS and self.value == value

    def seen_at(self, remembered: datetime | None) -> datetime:
        """When it took effect: as it is remembered, if that lies between what was written before and after it, else when it was written."""
        assert self.outcome is not None
        between = remembered is not None and self.intent.at <= remembered <= self.outcome.at
        return remembered if between and remembered else self.outcome.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The events that speak of one case, in the order of the chain: the words about it, its steps, what was closed at a source, and how the
    dependents took what was published for it."""

    words: tuple[AuditEvent, ...] = ()
    effects: tuple[Effect, ...] = ()
    closings: tuple[AuditEvent, ...] = ()
    adoptions: tuple[AuditEvent, ...] = ()

    @property
    def filed(self) -> AuditEvent | None:
        return next((word for word in self.words if word.event == FILED), None)

    @property
    def events(self) -> tuple[AuditEvent, ...]:
        """All of them, in the order of the chain."""
        steps = [event for effect in self.effects for event in (effect.intent, effect.outcome) if event]
        return tuple(sorted((*self.words, *steps, *self.closings, *self.adoptions), key=lambda event: event.seq))


def gather(case: Incident, events: Sequence[AuditEvent]) -> Evidence:
    """The events about `case` among those of its credential."""
    ordered = sorted(events, key=lambda event: event.seq)
    about = [event for event in ordered if event.fields.get("incident") == case.id]
    words = tuple(event for event in about if event.event.startswith("incident."))
    closings = tuple(event for event in about if event.event == SOURCE_CLOSED)
    effects = tuple(_of(case, words, _effects(ordered)))
    return Evidence(words=words, effects=effects, closings=closings, adoptions=tuple(_adoptions(case, words, effects, ordered)))


def _adoptions(
    case: Incident, words: Sequence[AuditEvent], effects: Sequence[Effect], ordered: Sequence[AuditEvent]
) -> Iterator[AuditEvent]:
    """Of the values that its rotations published, while it stood: one look may be another rotation's that went on with the same value."""
    first, last = _span(case, words)
    published = {effect.value for effect in effects if effect.step == Publish.name and effect.value != case.fingerprint}
    for event in ordered:
        if event.event == ADOPTION and first < event.seq < last and event.fields.get("fingerprint") in published:
            yield event


def _effects(ordered: Sequence[AuditEvent]) -> list[Effect]:
    outcomes: dict[str, AuditEvent] = {}
    for event in ordered:
        if event.event == "outcome":
            outcomes.setdefault(event.fields.get("operation", ""), event)
    intents = [event for event in ordered if event.event == "intent"]
    return [Effect(intent=intent, outcome=outcomes.get(intent.fields.get("operation", ""))) for intent in intents]


def _of(case: Incident, words: Sequence[AuditEvent], effects: Sequence[Effect]) -> list[Effect]:
    first, last = _span(case, words)
    meanwhile = [effect for effect in effects if first < effect.intent.seq < last]
    rotations = {_rotation(effect) for effect in meanwhile if effect.value == case.fingerprint or _called_for(effect)}
    own = [effect for effect in meanwhile if effect.step in _OF_THE_ROTATION and _rotation(effect) in rotations]
    of_value = [effect for effect in effects if effect.value == case.fingerprint and (effect.step in _OF_THE_VALUE or effect.step in KILLS)]
    return sorted({effect.intent.seq: effect for effect in (*own, *of_value)}.values(), key=lambda effect: effect.intent.seq)


def _span(case: Incident, words: Sequence[AuditEvent]) -> tuple[float, float]:
    """From the first word about the case to the last, if it is over; nothing at all where there is no word."""
    if not words:
        return 0, 0
    over = case.state in (State.CLOSED, State.DISMISSED)
    return words[0].seq, words[-1].seq if over else float("inf")


def _called_for(effect: Effect) -> bool:
    return effect.intent.fields.get("reason") in _CALLED_FOR


def _rotation(effect: Effect) -> str:
    return effect.intent.fields.get("rotation", "")
