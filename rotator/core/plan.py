"""plan(): one pure decision about one credential. The first rule that matches wins; each answer has a reason and a sentence.

                     key1            key2           vault            rule
    at rest          active          standby        key1             quiet
    due              active          fresh          key1             renew: mint
                     active          fresh, proven  key1             renew: prove, publish
    overlap          retired         active         key2             move the dependents, then wait
    overlap over     fresh           active         key2             supersede: revoke key1
                     fresh           active         key2, old dead   bury: prove dead, retire the old version
    and a leak is the same walk with a deadline (drain), or with `revoke` first and `heal` after it (cut).

Unseen is not a rule of its own place: a rule that asks for a fact that could not be read waits for it, and the rules before it, which did
not ask, have had their turn. So a cut, or a drain past its deadline, needs the slot and neither the vault nor a dependent. A step that
failed a moment ago is held back, and the rules after it have their turn meanwhile.
The rules live in `core/rules/`, each in the room of what it acts on.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from rotator.core.credential import Credential
from rotator.core.facts import Facts, Needed
from rotator.core.incident import Incident, State
from rotator.core.rules.containment import contain
from rotator.core.rules.dead import prove_dead, prove_dead_meanwhile, retire
from rotator.core.rules.dependents import propagate
from rotator.core.rules.leaked import revoke_at_any_price, revoke_when_unused
from rotator.core.rules.local_auth import local_auth_off
from rotator.core.rules.quiet import held, quiet, unfinished
from rotator.core.rules.renewal import renew
from rotator.core.rules.retired import overlap, supersede
from rotator.core.rules.rollback import roll_back
from rotator.core.rules.secret import adopt, adopt_before_a_cut, heal
from rotator.core.snapshot import Snapshot
from rotator.core.step import Decision, Do, Quiet, Wait
from rotator.core.waiting import until_tried_again, wait_to_see

Rule = Callable[[Facts], Decision | None]

RULES: tuple[Rule, ...] = (
    contain,  # a case says contain: kill, prove, then switch local auth off
    adopt_before_a_cut,  # a secret that does not say yet that it is ours: tag it, or nothing would say so after the kill
    revoke_at_any_price,  # a compromised value in a slot, and a cut is ordered or the deadline over: kill it, whatever else is broken
    revoke_when_unused,  # a compromised value in a slot that nothing uses: kill it
    prove_dead_meanwhile,  # nothing can be healed now: prove the death of what leaked all the same
    local_auth_off,  # no key is accepted: nothing to rotate, and never quiet about a leaked value that may live again
    heal,  # the vault gives out no live key: publish a proven one
    adopt,  # the vault gives out a live key and does not say so: tag it
    roll_back,  # an operator wants the value before: prove it, publish it again
    renew,  # the active key is compromised, ordered away or due: mint, prove, publish
    propagate,  # dependents lag: hand them what is published
    supersede,  # the overlap is over and everyone has moved: revoke the value before
    prove_dead,  # a replaced value is not proven dead: probe it
    retire,  # a dead value's version is still enabled: disable and tag it
    overlap,  # a value before lives on: wait
    unfinished,  # a proof is not had yet, or somebody lags: wait
    held,  # the wave lets no scheduled rotation start: wait
)
"""The first that matches wins; where none does, all is quiet."""


def plan(snapshot: Snapshot, credential: Credential, incidents: Sequence[Incident], now: datetime) -> Decision:
    """The next step, or what is waited for, or that all is quiet."""
    facts = Facts(snapshot=snapshot, credential=credential, incidents=incidents, now=now)
    waiting: list[Wait] = []
    for rule in RULES:
        decision = _ask(rule, facts)
        if isinstance(decision, Do):
            held = facts.held_back(decision.step)
            if held is None:
                return decision
            waiting.append(until_tried_again(decision, held, facts))
        elif decision is not None:
            return _not_past_a_deadline(decision, waiting, facts)
    return _not_past_a_deadline(quiet(facts) if not waiting else waiting[0], waiting, facts)


def _ask(rule: Rule, facts: Facts) -> Decision | None:
    try:
        return rule(facts)
    except Needed as needed:
        return wait_to_see(facts, needed.unseen)


def _not_past_a_deadline(decision: Wait | Quiet, waiting: Sequence[Wait], facts: Facts) -> Wait | Quiet:
    """Nobody sleeps past the deadline of an open case, nor past the time when a step that failed is tried again."""
    deadlines = [case.deadline for case in facts.incidents if case.state is State.OPEN and facts.now < case.deadline]
    first = next(iter(waiting), decision)
    until = min([decision.until, *deadlines, *(wait.until for wait in waiting)])
    if isinstance(first, Quiet):
        return replace(first, until=until)
    alone = all(isinstance(one, Wait) and one.for_dependents for one in [*waiting, decision])
    return replace(first, until=until, for_dependents=alone)
