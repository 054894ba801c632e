"""The active key is replaced when it is compromised, when a person says so, or when its cryptoperiod is over and the window open.

the other slot holds                then
a fresh mint of ours                prove it, publish it
the value before, in its overlap    wait: when it is revoked, that makes a fresh one. A compromise mints over it at once
anything else                       mint, after the data plane has answered to the key in use (a compromise asks nothing)
"""

from dataclasses import replace

from rotator.core.credential import TAGS_MAX, Reason, Role, Slot
from rotator.core.facts import Facts
from rotator.core.policy import due_at, is_due
from rotator.core.rules.publication import publish, to_prove, unprovable
from rotator.core.rules.secret import adopt
from rotator.core.step import Decision, Do, Mint, Start, Wait
from rotator.core.waiting import RECHECK, when

FOREIGN_TAGS_MAX = TAGS_MAX - 5
"""Five of the tags that a version may have are ours. In an emergency fewer of ours do, or none."""


def renew(facts: Facts) -> Decision | None:
    """The current value is compromised, ordered away, or past its cryptoperiod in an open window: mint, prove, publish the other slot.

    A wave may hold all of it but a compromise; what is published already goes on.
    """
    active = facts.active
    why = why_renew(facts) if active else None
    if active is None or why is None or (why[0] is Reason.SUPERSEDED and facts.memory.held_by_wave):
        return None
    decision = _renewed(facts, active, *why)
    return replace(decision, starts=_start(facts)) if isinstance(decision, Do) and why[0] is Reason.SUPERSEDED else decision


def why_renew(facts: Facts) -> tuple[Reason, str] | None:
    """Why the value that the vault gives out is to be replaced now; None where it may stay."""
    current = facts.current
    assert current is not None
    assert current.fingerprint is not None
    case = next((case for case in facts.compromised() if case.fingerprint == current.fingerprint), None)
    if case is not None:
        return case.reason, f"the value in the vault is compromised, to be dead by {case.deadline:%H:%M:%S}"
    if _is_ordered(facts):
        return Reason.SUPERSEDED, "an operator ordered a new value"
    since = facts.active_since
    if is_due(facts.credential.policy, since, facts.now):
        due = due_at(facts.credential.policy, since)
        over = "its cryptoperiod is over" if due <= facts.now else f"due {when(due)} and let out early, so that not all are due at once"
        return Reason.SUPERSEDED, f"active since {since:%Y-%m-%d}, {over}"
    return None


def what_the_mint_ends(facts: Facts, standby: Slot) -> str:
    """Who loses access when the standby is minted, for a person."""
    if facts.role(standby) is Role.RETIRED:
        return f"minting {standby} ends the overlap of the value before it at once"
    if facts.memory.of(facts.slots[standby]).minted_at is None:
        return f"{standby} was never empty to our knowledge: who reads it directly, without the vault, loses access"
    return f"{standby} gets a new value that nobody has"


def _renewed(facts: Facts, active: Slot, reason: Reason, because: str) -> Decision | None:
    standby = active.other
    if facts.is_fresh(standby):
        return publish(facts, standby, heals=False, reason=reason, because=because)
    if facts.role(standby) is Role.RETIRED and reason is Reason.SUPERSEDED:
        return None  # its overlap is not over: `supersede` revokes it first, when everyone has moved, and so makes a fresh one
    if not facts.can_prove:
        return unprovable(facts)
    unready = _unready(facts, active) if reason is Reason.SUPERSEDED else None
    if unready:
        return unready
    step = Mint(slot=standby, replaces=facts.slots[standby])
    return Do(step=step, reason=reason, because=f"{because}; {what_the_mint_ends(facts, standby)}", phase="minting")


def _unready(facts: Facts, active: Slot) -> Decision | None:
    """Before a scheduled mint: what would stop the rotation half-way stops it here. A compromise waits for none of this."""
    untold = adopt(facts)
    if untold:
        return untold  # the old value has to be known as ours before it is superseded, or nothing would revoke it
    version = facts.secret.current_version
    foreign = len(version.foreign_tags) if version else 0
    if foreign > FOREIGN_TAGS_MAX:
        ours, over = TAGS_MAX - FOREIGN_TAGS_MAX, foreign - FOREIGN_TAGS_MAX
        because = f"{facts.credential.secret} has {foreign} tags of its own, and ours take {ours} of {TAGS_MAX}: remove {over}"
        return Wait(until=facts.now + RECHECK, because=because, phase="tags", tell=True, refused=True)
    return to_prove(facts, active, Reason.SUPERSEDED, "nothing is minted before the data plane has answered to the key in use")


def _start(facts: Facts) -> Start:
    return Start.ORDER if _is_ordered(facts) else Start.CADENCE


def _is_ordered(facts: Facts) -> bool:
    order, current = facts.memory.order, facts.current
    return order is not None and current is not None and order.value == current.fingerprint
