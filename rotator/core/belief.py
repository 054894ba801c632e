"""What may be decided on what was told a moment ago, instead of looked at just now.

A run asks for its slots by a call that Azure counts as a write, and has just been told both keys by the regenerate it did itself. So a look
may believe, for a bounded time and within one run. What a person in the portal did meanwhile is then not in it: a belief carries a decision
only where it can do no more harm than the same person a second later.

    decided                                   on a belief
    prove, prove dead                         yes: changes nothing; a control that is not accepted proves nothing
    publish what we minted                    yes: what is published was accepted a moment ago
    publish where the current value is gone   yes, if it is we who replaced it: any other value may be a person's newer one
    adopt, retire, propagate                  yes: each is about a version or dependent that is looked at again after it
    revoke by a cut or past a deadline        yes: it waits for nothing
    revoke otherwise, mint                    no: what the vault gives out, or somebody runs on, may have moved into that slot
    switch local auth off, recover            no: they are rare, and a look is cheap beside them
    quiet, with a case unfinished             no: a case is closed by what is seen
    wait for a person, or for what is unseen  no: perhaps it is there by now
"""

from datetime import timedelta

from rotator.core.facts import Facts, Needed
from rotator.core.step import Adopt, Decision, Do, Propagate, Prove, ProveDead, Publish, Quiet, Retire, Revoke, Wait

SLOTS_BELIEVED_FOR = timedelta(seconds=10)
"""How long the two slots and the account are believed after listKeys or regenerateKey told them."""
SECRET_BELIEVED_FOR = timedelta(seconds=3)
"""How long the secret is believed in an emergency; a scheduled run asks each time."""
_PATIENT = frozenset({"overlap", "propagating", "draining", "proving", "proving_dead"})


def may_stand_on_belief(decision: Decision, facts: Facts) -> bool:
    """Whether `decision` may be acted upon although the look believed something. If not, it is taken again on a fresh look."""
    match decision:
        case Do(step=Prove() | ProveDead() | Adopt() | Retire() | Propagate()):
            return True
        case Do(step=Publish(heals=heals)):
            return not heals or _we_replaced_the_current_value(facts)
        case Do(step=Revoke() as revoke):
            return any(case.fingerprint == revoke.fingerprint and case.waits_for_nobody(facts.now) for case in facts.compromised())
        case Do():
            return False
        case Wait():
            return decision.phase in _PATIENT and not decision.failed
        case Quiet():
            return decision.phase == "quiet" and not facts.is_emergency


def _we_replaced_the_current_value(facts: Facts) -> bool:
    try:
        current = facts.current
    except Needed:
        return False
    return current is not None and current.fingerprint is not None and facts.memory.of(current.fingerprint).replaced_at is not None
