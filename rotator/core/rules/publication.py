"""Nothing is given out that the data plane has not accepted."""

from rotator.core.credential import Reason, Slot
from rotator.core.facts import Facts
from rotator.core.step import Decision, Do, Mint, Prove, Publish, Wait
from rotator.core.waiting import RECHECK

PROBES_WITHOUT_ALARM = 8
"""How often a value may be refused before somebody is told: by then about two minutes have passed, and no mint takes that long."""


def publish(facts: Facts, slot: Slot, *, heals: bool, reason: Reason, because: str) -> Decision:
    """Publish what stands in `slot`, after the data plane has accepted it."""
    value = facts.slots[slot]
    if facts.is_compromised(value):
        mint = Mint(slot=slot, replaces=value)
        return Do(step=mint, reason=Reason.KEY_COMPROMISE, because="no slot holds a value that may be published", phase="minting")
    unproven = to_prove(facts, slot, reason, because)
    if unproven:
        return unproven
    accepted = "is accepted by the data plane" if facts.memory.of(value).proven_at else "cannot be asked about, which the settings accept"
    return Do(
        step=Publish(slot=slot, fingerprint=value, heals=heals), reason=reason, because=f"{because}; {slot} {accepted}", phase="publishing"
    )


def to_prove(facts: Facts, slot: Slot, reason: Reason, because: str) -> Decision | None:
    """None once the data plane has accepted what stands in `slot` (or cannot be asked, and the settings accept that)."""
    value = facts.slots[slot]
    memory = facts.memory.of(value)
    if facts.is_proven(value):
        return None
    if not facts.can_prove:
        return unprovable(facts)
    if memory.probe_again_at and facts.now < memory.probe_again_at:
        seen = f" ({memory.seen})" if memory.seen else ""
        told = f"{slot} is not accepted by the data plane yet{seen}; asked again"
        return Wait(
            until=memory.probe_again_at,
            because=told,
            phase="proving",
            reason=reason,
            failed=bool(memory.unprovable),
            tell=memory.probes >= PROBES_WITHOUT_ALARM,
        )
    told = f"{because}; {slot} has to be accepted by the data plane first"
    return Do(step=Prove(slot=slot, fingerprint=value), reason=reason, because=told, phase="proving")


def unprovable(facts: Facts) -> Wait:
    """Refused until a person accepts it in the settings."""
    because = f"{facts.account.cannot_be_asked}, and nothing is published without proof; to accept that: `unprovable: accept`"
    return Wait(until=facts.now + RECHECK, because=because, phase="unprovable", tell=True, refused=True)
