"""A leaked value in a slot is killed: at once where a cut is ordered or the deadline is over, else when nothing uses it any more.

At any price means that it asks for the slot and for nothing else: neither vault, dependents nor account hold up a kill.
"""

from rotator.core.compromise import Compromise
from rotator.core.credential import Slot
from rotator.core.facts import Facts, Needed
from rotator.core.incident import Incident, State
from rotator.core.snapshot import Unseen
from rotator.core.step import Decision, Do, Revoke


def revoke_at_any_price(facts: Facts) -> Decision | None:
    """A compromised value in a slot, and a cut is ordered or the deadline is over: needs the slot and nothing else.

    One that was tried a moment ago holds up no other, nor does one that fails again and again.
    """
    if facts.local_auth_is_off:
        return _revoke_unseen(facts)
    kills = ordered_kills(facts)
    ready = [kill for kill in kills if not facts.held_back(kill.step)]
    return min(ready, key=lambda kill: facts.failures(kill.step)) if ready else next(iter(kills), None)


def revoke_when_unused(facts: Facts) -> Decision | None:
    """A compromised value that neither the vault gives out nor a dependent runs on."""
    if facts.local_auth_is_off:
        return None
    for case in facts.compromised():
        slot = facts.slot_of(case.fingerprint)
        if slot and slot is not facts.active and not facts.laggards():
            return _revoke(case, slot, f"{slot} holds a compromised value that nothing uses any more")
    return None


def ordered_kills(facts: Facts) -> list[Do]:
    """Every kill that is ordered or overdue. Raises Needed where the slots of none can be told."""
    kills, hidden = [], None
    for case in facts.compromised():
        try:
            kill = _kill(case, facts) if case.waits_for_nobody(facts.now) else None
        except Needed as needed:
            hidden = needed
        else:
            kills += [kill] if kill else []
    if hidden is not None and not kills:
        raise hidden
    return kills


def _kill(case: Compromise, facts: Facts) -> Do | None:
    slot = facts.slot_holding(case.fingerprint) or facts.slot_denied(case.fingerprint)
    if slot is None:
        return None
    ordered, overdue = f"the case says {_mode(case)}: kill it first, replace it after", f"its deadline {case.deadline:%H:%M:%S} is over"
    return _revoke(case, slot, f"{slot} holds a compromised value and {ordered if case.cuts else f'{overdue}: it waits for nobody'}")


def _revoke(case: Compromise, slot: Slot, because: str) -> Do:
    return Do(step=Revoke(slot=slot, fingerprint=case.fingerprint), reason=case.reason, because=because, phase="revoking")


def _mode(case: Compromise) -> str:
    return case.incident.mode if case.incident else "cut"


def _revoke_unseen(facts: Facts) -> Decision | None:
    """Local auth is off, so no key can be listed; whether regenerateKey works then is found by trying once, in the slot the case knows."""
    for case in to_kill_unseen(facts):
        if case.slot and (case.cuts or facts.now >= case.deadline):
            step = Revoke(slot=case.slot, fingerprint=case.fingerprint)
            return Do(
                step=step, reason=case.reason, because=f"local auth is off; {case.slot} still holds the leaked value", phase="revoking"
            )
    return None


def to_kill_unseen(facts: Facts) -> list[Incident]:
    """Open cases that know their slot though no key can be listed, and whose kill was not refused yet."""
    if not isinstance(facts.snapshot.slots, Unseen):
        return []
    return [case for case in facts.incidents if case.state is State.OPEN and case.slot and not case.regenerate_refused]
