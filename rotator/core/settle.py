"""What a look settles: where each case stands, told by what is in the slots now. Nothing here assumes that an effect happened."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rotator.core.credential import Slot
from rotator.core.facts import Facts, Needed
from rotator.core.incident import Incident, State, move
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import KeyMemory, SecretView, Snapshot, Unseen
from rotator.core.step import Adopt, Mint, Publish, Retire, Revoke


def settle(facts: Facts) -> Iterator[Incident]:
    """The cases that this look moves: revoked when the value is in no slot, dead with proof, open again when it is seen alive."""
    for case in facts.incidents:
        moved = move(case, _state(case, facts), facts.now)
        moved = _contained(move(moved, _state(moved, facts), facts.now), facts)  # a value that is lost goes by way of revoked
        if moved != case:
            yield moved


def _contained(case: Incident, facts: Facts) -> Incident:
    """Contained is what the account says, not what the PATCH answered."""
    return replace(case, contained_at=facts.now) if case.awaits_containment and facts.local_auth_is_off else case


def _state(case: Incident, facts: Facts) -> State:
    if not case.is_acted_on:
        return case.state
    memory = facts.memory.of(case.fingerprint)
    if isinstance(facts.snapshot.slots, Unseen):
        return _unseen_state(case, memory)
    try:
        slot = facts.slot_of(case.fingerprint)
    except Needed:  # the list of slots is stale: it settles nothing
        return case.state
    if slot is not None:
        return State.OPEN
    if case.state is State.CLOSED:
        return State.CLOSED
    if memory.dead_at:
        return State.DEAD
    lost = case.state is State.UNPROVEN or (memory.lost and case.state is not State.OPEN)
    return State.UNPROVEN if lost else State.REVOKED


def _unseen_state(case: Incident, memory: KeyMemory) -> State:
    """The slots cannot be seen: what we were told we did has to do, and nothing is taken back."""
    if memory.dead_at and case.state is not State.CLOSED:
        return State.DEAD
    return State.REVOKED if memory.replaced_at and case.state is State.OPEN else case.state


def given_out(snapshot: Snapshot) -> KeyMemory | None:
    """A key of ours that readers get now, whoever set it, if that is news: so it is revoked and retired once it is superseded."""
    current = snapshot.secret.current if isinstance(snapshot.secret, SecretView) else None
    known = snapshot.memory.keys.get(current.fingerprint) if current and current.fingerprint else None
    if current is None or known is None or known.version == current.version:
        return None
    return replace(known, published_at=current.created, version=current.version)


def close(incidents: Sequence[Incident], facts: Facts) -> Iterator[Incident]:
    """The cases that are done when all is quiet: their value is proven dead, and a containment that was ordered meanwhile has been seen."""
    for case in incidents:
        if case.state is State.DEAD and not case.awaits_containment:
            yield move(case, State.CLOSED, facts.now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A recorded wish to do a step, whose outcome is not recorded: the process died, or the answer was lost."""

    operation: str
    step: str
    slot: Slot | None
    fingerprint: Fingerprint | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a look says of an intent, and what is remembered of the values by it."""

    result: str
    learned: tuple[KeyMemory, ...] = ()


APPLIED = "done, as a look shows"
NOT_APPLIED = "not done, as a look shows"
NOT_KNOWN = "not known; the step repeats harmlessly"


def last_regenerates(intents: Iterable[Intent]) -> dict[Slot, datetime]:
    """When the last regenerate of each slot among these was meant."""
    regenerates = [one for one in intents if one.step in (Mint.name, Revoke.name) and one.slot]
    return {one.slot: one.at for one in sorted(regenerates, key=lambda one: one.at) if one.slot}


def settle_intent(intent: Intent, facts: Facts, lag: timedelta) -> Settled | None:
    """An ambiguous answer, settled by looking. None while the fact that would tell cannot be seen.

    `lag` is how much later than `intent.at` a list of keys has to be asked for, to be believed that nothing was regenerated.
    """
    try:
        match intent.step:
            case Mint.name | Revoke.name if intent.slot and intent.fingerprint:
                return _regenerated(intent, intent.slot, intent.fingerprint, facts, lag)
            case Publish.name if intent.fingerprint:
                return _published(intent.operation, intent.fingerprint, facts)
            case Adopt.name | Retire.name if facts.sees_secret:
                return Settled(result=APPLIED if _tagged(intent, facts) else NOT_KNOWN)
            case _:
                return Settled(result=NOT_KNOWN)
    except Needed:
        return None


def _tagged(intent: Intent, facts: Facts) -> bool:
    if intent.step == Adopt.name:
        return any(version.operation == intent.operation for version in facts.secret.versions)
    return any(version.fingerprint == intent.fingerprint and version.retired for version in facts.secret.versions)


def _regenerated(intent: Intent, slot: Slot, old: Fingerprint, facts: Facts, lag: timedelta) -> Settled | None:
    new, now = facts.slots[slot], facts.now
    if new == old:
        return Settled(result=NOT_APPLIED) if facts.snapshot.at >= intent.at + lag else None
    was, fresh = facts.memory.of(old), facts.memory.of(new)
    if was.replaced_at is None and _was_there(fresh, intent.at):
        return None  # a value that was there before never comes back: the list is stale, and tells nothing of this call
    learned = (
        replace(was, slot=slot, replaced_at=was.replaced_at or now),
        replace(fresh, slot=slot, minted_at=fresh.minted_at or now),
    )
    return Settled(result=APPLIED, learned=learned)


def _was_there(key: KeyMemory, before: datetime) -> bool:
    """Whether this value was minted, probed, proven, given out or replaced by then. Nothing is probed while an answer is not settled."""
    times = (key.minted_at, key.proven_at, key.published_at, key.replaced_at)
    return key.probes > 0 or any(at is not None and at < before for at in times)


def _published(operation: str, value: Fingerprint, facts: Facts) -> Settled:
    """Found by its operation tag; where that had to give way to the tags of others, by what is given out now and was not before."""
    was, current = facts.memory.of(value), facts.current
    version = next((version for version in facts.secret.versions if version.operation == operation), None)
    if version is not None:
        return Settled(result=APPLIED, learned=(replace(was, published_at=version.created, version=version.id),))
    now = facts.secret.current_version
    untold = current is not None and current.version != was.version and (now is None or now.operation is None)
    if current is not None and current.fingerprint == value and untold:
        return Settled(result=APPLIED, learned=(replace(was, published_at=current.created, version=current.version),))
    return Settled(result=NOT_APPLIED)
