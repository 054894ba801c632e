"""Whether it may be gone back to the value before: while its overlap lasts, it lives, and nobody has it who should not.

The value that was published in its place is the superseded one then, for an overlap of its own. The one that is gone back to is no younger
for it: its cryptoperiod goes on, and where that is over, it is replaced as soon as the other one is dead.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from rotator.core.credential import Reason, Role
from rotator.core.facts import Facts
from rotator.core.rules.publication import to_prove
from rotator.core.snapshot import Rollback
from rotator.core.step import Decision, Do, Publish, Wait

JUST_NOW = timedelta(seconds=30)


def roll_back(facts: Facts) -> Decision | None:
    """An operator asked for the value before, and it may be had: publish it again, once it is accepted just now."""
    order = facts.memory.back
    if order is None or facts.current is None or _why_not_back(facts, order):
        return None
    slot = facts.slot_of(order.value)
    assert slot is not None
    told = f"an operator asked to go back to the value before, which {slot} holds"
    unproven = to_prove(_asked_anew(facts, order), slot, Reason.SUPERSEDED, told)
    if isinstance(unproven, Wait):
        return replace(unproven, until=min(unproven.until, facts.overlap_ends()))
    if unproven:
        return unproven
    step = Publish(slot=slot, fingerprint=order.value)
    because = f"{told}; the one that it superseded lives on for an overlap of its own"
    return Do(step=step, reason=Reason.SUPERSEDED, because=because, phase="publishing")


def rollback_of(facts: Facts) -> Rollback | str:
    """The order that would go back now, or the sentence that says why there is nothing to go back to. Raises Needed."""
    current, active = facts.current, facts.active
    if active is None or current is None or current.fingerprint is None:
        return (
            "the vault's current value is in no slot of the account, so there is nothing to go back from: `rotator plan` says what is done"
        )
    order = Rollback(value=facts.slots[active.other], instead_of=current.fingerprint, at=facts.now)
    return _why_not_back(facts, order) or order


def _why_not_back(facts: Facts, order: Rollback) -> str:
    """Empty where it may be done; else the first thing that stands in the way, for a person. Raises Needed."""
    return next((told for stands, told in _WALLS if stands(facts, order)), "")


def _asked_anew(facts: Facts, order: Rollback) -> Facts:
    """The same facts, without a proof of the value that is older than the order: one that is dated ahead of our clock (another machine's
    was fast) would make every proof too old, and so asks for one of just now.
    """
    key = facts.memory.of(order.value)
    since = order.at if order.at <= facts.now else facts.now - JUST_NOW
    if key.proven_at is None or key.proven_at >= since:
        return facts
    keys = {**facts.memory.keys, order.value: replace(key, proven_at=None)}
    return replace(facts, snapshot=replace(facts.snapshot, memory=replace(facts.memory, keys=keys)))


def _is_done(facts: Facts, order: Rollback) -> bool:
    return facts.current is None or facts.active is None or facts.current.fingerprint != order.instead_of


def _is_gone(facts: Facts, order: Rollback) -> bool:
    return facts.slot_of(order.value) is None


def _was_never_published(facts: Facts, order: Rollback) -> bool:
    slot = facts.slot_of(order.value)
    return slot is not None and facts.role(slot) is not Role.RETIRED


def _is_compromised(facts: Facts, order: Rollback) -> bool:
    return facts.is_compromised(order.value)


def _a_leak_is_open(facts: Facts, order: Rollback) -> bool:
    return facts.is_compromised(order.instead_of)


def _is_over(facts: Facts, order: Rollback) -> bool:
    return facts.now >= facts.overlap_ends()


def _cannot_be_proven(facts: Facts, order: Rollback) -> bool:
    return not facts.can_prove


_WALLS: tuple[tuple[Callable[[Facts, Rollback], bool], str], ...] = (
    (_is_done, "the value that was to be taken back is not what the vault gives out any more"),
    (_is_gone, "the value before is in no slot any more: it was revoked"),
    (_was_never_published, "the other slot holds no value that was published before: there is nothing to go back to"),
    (_is_compromised, "the value before is compromised: it must die, and is not published again"),
    (
        _a_leak_is_open,
        "the value that the vault gives out is compromised, and is replaced by a fresh one: `rotator revoke` goes on with it",
    ),
    (_is_over, "the overlap is over: the value before is about to be revoked"),
    (_cannot_be_proven, "the data plane cannot be asked whether it accepts the value before; to accept that: `unprovable: accept`"),
)
