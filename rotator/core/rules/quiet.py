"""What is left when no rule has a step: something unfinished, a wave that holds, or rest until the next is due."""

from rotator.core.credential import Reason
from rotator.core.facts import Facts
from rotator.core.policy import due_at, starts_at
from rotator.core.rules.dead import probes_due
from rotator.core.rules.renewal import what_the_mint_ends, why_renew
from rotator.core.step import Decision, Quiet, Wait
from rotator.core.waiting import RECHECK, look_again, when


def unfinished(facts: Facts) -> Decision | None:
    """Something is still to be proven, or somebody lags: not quiet yet."""
    asked = probes_due(facts)
    if asked:
        because = "a replaced value is not refused everywhere yet (gateways may accept it for minutes to hours); probed again"
        return Wait(until=min(asked), because=because, phase="proving_dead")
    behind = facts.laggards()
    if behind:
        told = ", ".join(f"{view.name} is {view.adoption}" for view in behind)
        failed = [held for held in facts.memory.held_back.values() if held.failed and facts.now < held.until]
        because = "; ".join([f"{told}: {behind[0].because}", *(held.because for held in failed)])
        return Wait(until=look_again(facts), because=because, phase="propagating", tell=True, failed=bool(failed), for_dependents=True)
    return None


def held(facts: Facts) -> Decision | None:
    """A scheduled rotation that the wave lets not start; every rule that acts on what is published has had its turn."""
    wave, why = facts.memory.held_by_wave, why_renew(facts) if facts.active else None
    if wave is None or why is None or why[0] is not Reason.SUPERSEDED:
        return None
    because = f"{why[1]}; {wave.because}"
    return Wait(until=facts.now + RECHECK, because=because, phase="wave", reason=why[0], tell=wave.stopped, refused=wave.stopped)


def quiet(facts: Facts) -> Quiet:
    """At rest until the next is due; and what a person should know before it is."""
    active, since = facts.active, facts.active_since
    assert active is not None
    due, starts = due_at(facts.credential.policy, since), starts_at(facts.credential.policy, since)
    if starts <= facts.now and facts.credential.policy.window:
        opens = facts.credential.policy.window.next_open(facts.now)
        told = "overdue since" if due <= facts.now else "due"
        return Quiet(until=opens, because=f"{told} {when(due)}; the window opens {when(opens)}", phase="due")
    first = facts.memory.of(facts.slots[active.other]).minted_at is None
    warning = f"; {what_the_mint_ends(facts, active.other)} then" if first else ""
    unasked = facts.account.cannot_be_asked
    warning += f"; a replaced key cannot be proven dead: {unasked}" if unasked else ""
    return Quiet(until=starts, because=f"{active} is active and due {when(due)}{warning}")
