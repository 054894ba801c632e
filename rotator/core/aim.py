"""What a person means who names a credential of which cases are unfinished: which of them are gone on with, which live values die anew.

named            gone on with                                              dies anew
NAME             a case about what the vault gives out, or gave out        what the vault gives out, where no case is about it
                 before the value that was published in its place
--slot keyN      a case about a value of that slot                         what is in it, but for what such a case put there
--slot both      every one                                                 the same of both

So the same command typed again, after a crash or an exit code 5, is the same order and no second kill of the fresh key; and another case
of the same credential spares no key that a person asked for.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rotator.core.credential import Reason, Slot, Version
from rotator.core.facts import Facts, Needed
from rotator.core.incident import Incident, State
from rotator.core.sealed import Fingerprint
from rotator.core.settle import Intent
from rotator.core.snapshot import Memory, SecretView, Unseen
from rotator.core.stale import denied_slot

BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The cases that an order goes on with; and a value that it is about beside them, with its slot."""

    cases: tuple[Incident, ...]
    values: tuple[tuple[Fingerprint, Slot], ...]


def aim(facts: Facts, slot: str, unfinished: Sequence[Incident], unsettled: Sequence[Intent] = ()) -> Aim:
    """What `--slot` is about. `unfinished` are the cases that may be gone on with, `unsettled` the intents without an outcome."""
    mine = [case for case in unfinished if slot == BOTH or case.slot == slot]
    covered = {case.fingerprint: case for case in unfinished}
    cases, values = list(mine), list[tuple[Fingerprint, Slot]]()
    for each in list(Slot) if slot == BOTH else [Slot(slot)]:
        for value in held_by(facts, each):
            if value in covered:
                cases.append(covered[value])
            elif not any(is_put_there_by(case, value, each, facts, unsettled) for case in mine):
                values.append((value, each))
    return Aim(cases=tuple({case.id: case for case in cases}.values()), values=tuple(values))


def about_the_active(facts: Facts, unfinished: Sequence[Incident]) -> list[Incident]:
    """The cases that NAME alone goes on with. Where nobody knows what is given out, any of them may be meant."""
    given = given_out(facts)
    if given is None:
        return list(unfinished)
    mine = [case for case in unfinished if case.fingerprint == given]
    if mine:
        return mine
    replaced = {case.id: at for case in unfinished if is_replaced_by(case, given, facts) and (at := _given_at(case.fingerprint, facts))}
    last = max(replaced.values(), default=None)
    return [case for case in unfinished if case.id in replaced and replaced[case.id] == last]


def given_out(facts: Facts) -> Fingerprint | None:
    """What readers of the vault get: as it is seen, or else as it is remembered."""
    try:
        current = facts.current
    except Needed:
        return last_given(facts.memory)
    return current.fingerprint if current and current.enabled else None


def last_given(memory: Memory) -> Fingerprint | None:
    """What we remember as published last, by us or seen so."""
    given = [(key.published_at, key.fingerprint) for key in memory.keys.values() if key.published_at]
    return max(given)[1] if given else None


def held_by(facts: Facts, slot: Slot) -> list[Fingerprint]:
    """What is in a slot: two values where the list may lag, the one that we put there and the one that is listed instead."""
    slots = facts.snapshot.slots
    if isinstance(slots, Unseen):
        return []
    ours = [value for value in facts.memory.keys if denied_slot(value, slots, facts.snapshot, facts.credential, facts.now) is slot]
    listed = slots[slot]
    return ours if ours and facts.memory.of(listed).replaced_at else [*ours, listed]


def is_put_there_by(case: Incident, value: Fingerprint, slot: Slot, facts: Facts, unsettled: Iterable[Intent] = ()) -> bool:
    """Whether this value is there because of the case: minted since it was filed, over its value, or published in the place of it (or
    about to be); or by a call of ours whose answer was lost."""
    memory, old = facts.memory.of(value), facts.memory.of(case.fingerprint)
    if memory.is_new:
        flying = (one for one in unsettled if one.slot is slot and one.fingerprint != value and one.at >= case.reported_at)
        return case.state is State.OPEN and any(flying)
    if memory.minted_at is None:
        return False
    if memory.minted_at == old.replaced_at and memory.slot == (old.slot or case.slot):
        return True
    coming = case.state is State.OPEN and _given_at(value, facts) is None
    return memory.minted_at >= case.reported_at and (coming or is_replaced_by(case, value, facts))


def is_replaced_by(case: Incident, value: Fingerprint, facts: Facts) -> bool:
    """Whether `value` was published in the place of the case's value: right after it and for a compromise, as the version says; or, where
    none says why, since the case was filed."""
    given, before = _given_at(value, facts), _given_at(case.fingerprint, facts)
    if given is None or before is None or given < before or value == case.fingerprint:
        return False
    reasons = {version.reason for version in _versions(facts) if version.fingerprint == value and version.created >= before}
    if reasons & {Reason.KEY_COMPROMISE, Reason.SUSPECTED_COMPROMISE}:
        return not any(before < at < given for at in _times_given(facts, besides=(value, case.fingerprint)))
    return Reason.SUPERSEDED not in reasons and given >= case.reported_at.replace(microsecond=0)


def _times_given(facts: Facts, besides: Collection[Fingerprint]) -> list[datetime]:
    values = {*facts.memory.keys, *(version.fingerprint for version in _versions(facts) if version.fingerprint)} - {*besides}
    return [at for other in values if (at := _given_at(other, facts))]


def _given_at(value: Fingerprint, facts: Facts) -> datetime | None:
    """When readers were last given this value: the vault's times, which are whole seconds, and what is remembered of them."""
    times = [version.created for version in _versions(facts) if version.fingerprint == value]
    return max([*times, *filter(None, [facts.memory.of(value).published_at])], default=None)


def _versions(facts: Facts) -> list[Version]:
    secret = facts.snapshot.secret
    return [one for one in secret.versions if one.is_of(facts.credential.account)] if isinstance(secret, SecretView) else []
