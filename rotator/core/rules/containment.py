"""Contain is ordered: the account shall accept no key at all. Local auth is switched off last, after every kill and its proof.

The kill takes one call and bites within seconds, the switch takes minutes to hours and makes kill and proof impossible: so they are
first, and a kill that failed for a reason that passes is tried again before the switch. What a person would have to mend holds up
nothing.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from rotator.core.credential import Reason
from rotator.core.facts import Facts, Needed
from rotator.core.incident import Incident, State
from rotator.core.retry import EMERGENCY_WAIT
from rotator.core.rules.dead import proofs, to_prove_dead
from rotator.core.rules.leaked import ordered_kills
from rotator.core.rules.secret import adopt_before_a_cut
from rotator.core.snapshot import HeldBack, Unseen
from rotator.core.step import Decision, Do, SwitchOffLocalAuth, Wait
from rotator.core.waiting import until_tried_again, wait_to_see

KILL_TRIES_MAX, KILL_LOOKS_MAX = 5, 4
"""How often a kill is tried, and looked for, before local auth is switched off without it."""
BITES_WITHIN = timedelta(seconds=10)
"""How long the switch waits for the proof of a kill. A gateway may take longer; the switch does not."""


def contain(facts: Facts) -> Decision | None:
    """Contain is ordered and local auth is on: switch it off, after every kill and its proof, as far as they can be had in a moment."""
    case = facts.contain_ordered()
    if case is None or facts.local_auth_is_off:
        return None
    first = _kill_before_contain(facts) or _proof_before_contain(facts)
    if first is not None:
        return first
    step = SwitchOffLocalAuth(incident=case.id)
    return Do(step=step, reason=case.reason, because="the case says contain: the account shall accept no key at all", phase="containing")


def _kill_before_contain(facts: Facts) -> Decision | None:
    try:
        adopt, kills = adopt_before_a_cut(facts), ordered_kills(facts)
    except Needed as needed:
        done = all(facts.memory.of(case.fingerprint).replaced_at for case in _to_contain(facts))
        return (
            None if done or not _is_worth_a_look(needed.unseen, facts) else replace(wait_to_see(facts, needed.unseen), phase="containing")
        )
    steps = [step for step in (adopt, *kills) if isinstance(step, Do)]
    ready = [one for one in steps if facts.held_back(one.step) is None and facts.failures(one.step) < KILL_TRIES_MAX]
    if ready:
        return min(ready, key=lambda one: facts.failures(one.step))
    tried = [(kill, held) for kill in kills if (held := facts.held_back(kill.step))]
    waits = [until_tried_again(kill, held, facts) for kill, held in tried if _is_worth_a_try(held, facts)]
    return min(waits, key=lambda wait: wait.until, default=None)


def _is_worth_a_try(held: HeldBack, facts: Facts) -> bool:
    return not held.failed or (not held.hopeless and held.tries < KILL_TRIES_MAX and _is_soon(held.until, facts))


def _is_worth_a_look(unseen: Unseen, facts: Facts) -> bool:
    return not unseen.hopeless and facts.memory.blind_looks < KILL_LOOKS_MAX and _is_soon(unseen.again or facts.now, facts)


def _is_soon(at: datetime, facts: Facts) -> bool:
    return at <= max([facts.now + EMERGENCY_WAIT, *(case.deadline for case in _to_contain(facts))])


def _to_contain(facts: Facts) -> list[Incident]:
    return [case for case in facts.incidents if case.awaits_containment]


def _proof_before_contain(facts: Facts) -> Decision | None:
    """One round of proof for each value that was killed; more, for as long as a kill takes to bite."""
    try:
        unproven = [case.fingerprint for case in _to_contain(facts) if _may_be_proven(case, facts)]
        proof = next((step for step in proofs(facts) if step.fingerprint in unproven and not facts.held_back(step)), None)
    except Needed:
        return None
    if proof is not None:
        return to_prove_dead(facts, proof)
    again = [at for value in unproven if (at := facts.memory.of(value).probe_again_at) and at > facts.now]
    if not again:
        return None
    because = "the killed value is not refused everywhere yet, and its death could not be proven once local auth is off; asked again"
    return Wait(until=min(again), because=because, phase="proving_dead", reason=Reason.KEY_COMPROMISE, failed=True)


def _may_be_proven(case: Incident, facts: Facts) -> bool:
    memory = facts.memory.of(case.fingerprint)
    if case.state is not State.REVOKED or memory.lost or not facts.account.provable:
        return False
    return not memory.probes or (memory.replaced_at is not None and facts.now < memory.replaced_at + BITES_WITHIN)
