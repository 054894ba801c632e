"""Behind the switch: local auth is off, no key is accepted or can be listed, and nothing can be rotated.

A leaked value that may still stand in a slot is never called quiet: it lives again with local auth.
"""

from collections.abc import Sequence

from rotator.core.facts import Facts
from rotator.core.incident import Incident, State
from rotator.core.rules.dead import version_that_holds
from rotator.core.rules.leaked import to_kill_unseen
from rotator.core.step import Decision, Do, ProveDead, Quiet, Wait
from rotator.core.waiting import RECHECK

OFF = "local_auth_off"


def local_auth_off(facts: Facts) -> Decision | None:
    """Nothing can be rotated where no key is accepted. A leaked value that may still stand in a slot is never called quiet."""
    if not facts.local_auth_is_off:
        return None
    drained = min(to_kill_unseen(facts), key=lambda case: case.deadline, default=None)
    if drained is not None and facts.now < drained.deadline:
        because = f"local auth is off: nothing can be published; {drained.slot} is revoked at its deadline {drained.deadline:%H:%M:%S}"
        return Wait(until=drained.deadline, because=because, phase=OFF, reason=drained.reason)
    cases = [case for case in facts.incidents if case.state in (State.OPEN, State.REVOKED)]
    standing = next((case for case in cases if case.state is State.OPEN and not facts.memory.of(case.fingerprint).replaced_at), None)
    if standing is not None:
        return _still_holds(standing, facts)
    if cases:
        return _ask_behind_the_switch(cases, facts)
    return Quiet(until=facts.now + RECHECK, because="local auth is off: the account accepts no key, there is none to rotate", phase=OFF)


def _still_holds(case: Incident, facts: Facts) -> Wait:
    slot = case.slot or facts.memory.of(case.fingerprint).slot
    where, which = (f"{slot} still holds", slot) if slot else ("a slot may still hold", "both")
    because = (
        f"local auth is off, so no key can be regenerated, and {where} the leaked value, which lives again with local auth: "
        f"switch local auth on and at once: rotator revoke {facts.credential.name} --slot {which} --mode cut"
    )
    return Wait(until=facts.now + RECHECK, because=because, phase=OFF, reason=case.reason, tell=True, failed=True, hopeless=True)


def _ask_behind_the_switch(cases: Sequence[Incident], facts: Facts) -> Decision:
    """The value is in no slot. The data plane may be asked all the same; but where no key is accepted, a refusal proves nothing of one."""
    case = cases[0]
    for each in cases:
        memory = facts.memory.of(each.fingerprint)
        due = not memory.probe_again_at or facts.now >= memory.probe_again_at
        step = ProveDead(fingerprint=each.fingerprint, slot=memory.slot or each.slot, version=version_that_holds(each.fingerprint, facts))
        if not facts.account.cannot_be_asked and not (memory.lost or memory.dead_at) and due and not facts.held_back(step):
            because = "local auth is off; the data plane is asked what it answers to the leaked value now"
            return Do(step=step, reason=each.reason, because=because, phase="proving_dead")
    seen = facts.memory.of(case.fingerprint).seen
    because = (
        f"the leaked value was replaced; local auth is off and every key is refused{f' ({seen})' if seen else ''}, which proves the death "
        f"of none; to have the proof: switch local auth on, then: rotator revoke --fingerprint {case.fingerprint}"
    )
    return Wait(until=facts.now + RECHECK, because=because, phase=OFF, reason=case.reason, tell=True, hopeless=True)
