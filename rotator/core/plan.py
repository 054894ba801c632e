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
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from rotator.core.credential import TAGS_MAX, TAGS_NEEDED, Credential, Reason, Role, Slot, Version
from rotator.core.facts import Compromise, Facts, Needed
from rotator.core.incident import Incident, State
from rotator.core.policy import due_at, is_due, starts_at
from rotator.core.retry import EMERGENCY_WAIT
from rotator.core.rollback import asked_anew, why_not_back
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import Adoption, DependentView, HeldBack, Snapshot, Unseen
from rotator.core.stages import turn
from rotator.core.step import (
    Adopt,
    Decision,
    Do,
    Mint,
    Propagate,
    Prove,
    ProveDead,
    Publish,
    Quiet,
    Recover,
    Retire,
    Revoke,
    Start,
    SwitchOffLocalAuth,
    Wait,
)

RECHECK = timedelta(minutes=15)
LOOK_AGAIN = timedelta(seconds=30)
LOOK_AGAIN_IN_AN_EMERGENCY = timedelta(seconds=2)
SOONEST = timedelta(milliseconds=250)
PROBES_WITHOUT_ALARM = 8
"""How often a value may be refused before somebody is told: by then about two minutes have passed, and no mint takes that long."""
HEALS_PER_HOUR_MAX = 3
DELIVERIES_AT_ONCE = 8
FOREIGN_TAGS_MAX = TAGS_MAX - 5
"""Five of the tags that a version may have are ours. In an emergency fewer of ours do, or none."""
KILL_TRIES_MAX, KILL_LOOKS_MAX = 5, 4
"""How often a kill is tried, and looked for, before local auth is switched off without it."""
BITES_WITHIN = timedelta(seconds=10)
"""How long the switch waits for the proof of a kill. A gateway may take longer; the switch does not."""
OFF = "local_auth_off"


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
            waiting.append(_until_tried_again(decision, held, facts))
        elif decision is not None:
            return _not_past_a_deadline(decision, waiting, facts)
    return _not_past_a_deadline(_quiet(facts) if not waiting else waiting[0], waiting, facts)


def _until_tried_again(do: Do, held: HeldBack, facts: Facts) -> Wait:
    """Tried again later. A dependent that takes the value and does not move is told of past grace, however well each delivery went."""
    to = f" to {do.step.dependent}" if isinstance(do.step, Propagate) else ""
    because = f"{do.step.name}{to}: {held.because}; tried again {_when(held.until)}"
    for_dependents = isinstance(do.step, Propagate)
    late = for_dependents and _grace_is_over(facts)
    because += f"; past grace {do.because}; {_way_back(facts)}" if late else ""
    return Wait(
        until=held.until,
        because=because,
        phase=do.phase,
        reason=do.reason,
        failed=held.failed,
        tell=held.failed or late,
        for_dependents=for_dependents,
    )


def _ask(rule: "Rule", facts: Facts) -> Decision | None:
    try:
        return rule(facts)
    except Needed as needed:
        return _wait_to_see(facts, needed.unseen)


def _adopt_before_a_cut(facts: Facts) -> Decision | None:
    """The first touch of a secret tags it even before a cut: after it, nothing else would say that the secret is ours."""
    cut = any(case.cuts or facts.now >= case.deadline for case in facts.compromised())
    try:
        return _adopt(facts) if cut and not facts.local_auth_is_off else None
    except Needed:
        return None  # what cannot be seen, or only as it was, does not hold up a cut


def _revoke_at_any_price(facts: Facts) -> Decision | None:
    """A compromised value in a slot, and a cut is ordered or the deadline is over: needs the slot and nothing else.

    One that was tried a moment ago holds up no other.
    """
    if facts.local_auth_is_off:
        return _revoke_unseen(facts)
    kills = _kills(facts)
    return next((kill for kill in kills if not facts.held_back(kill.step)), next(iter(kills), None))


def _kills(facts: Facts) -> list[Do]:
    """Every kill that is ordered or overdue. Raises Needed where the slots of none can be told."""
    kills, hidden = [], None
    for case in facts.compromised():
        try:
            kill = _kill(case, facts) if case.cuts or facts.now >= case.deadline else None
        except Needed as needed:
            hidden = needed
        else:
            kills += [kill] if kill else []
    if hidden is not None and not kills:
        raise hidden
    return kills


def _kill(case: Compromise, facts: Facts) -> Do | None:
    slot = facts.slot_holding(case.fingerprint)
    if slot is None:
        return None
    ordered, overdue = f"the case says {_mode(case)}: kill it first, replace it after", f"its deadline {case.deadline:%H:%M:%S} is over"
    return _revoke(case, slot, f"{slot} holds a compromised value and {ordered if case.cuts else f'{overdue}: it waits for nobody'}")


def _revoke_unseen(facts: Facts) -> Decision | None:
    """Local auth is off, so no key can be listed; whether regenerateKey works then is found by trying once, in the slot the case knows."""
    for case in _killed_unseen(facts):
        if case.slot and (case.cuts or facts.now >= case.deadline):
            step = Revoke(slot=case.slot, fingerprint=case.fingerprint)
            return Do(
                step=step, reason=case.reason, because=f"local auth is off; {case.slot} still holds the leaked value", phase="revoking"
            )
    return None


def _killed_unseen(facts: Facts) -> list[Incident]:
    if not isinstance(facts.snapshot.slots, Unseen):
        return []
    return [case for case in facts.incidents if case.state is State.OPEN and case.slot and not case.regenerate_refused]


def _contain(facts: Facts) -> Decision | None:
    """Contain is ordered and local auth is on: switch it off; after every kill and its proof, as far as they can be had in a moment.

    The kill takes one call and bites within seconds, the switch takes minutes to hours and makes kill and proof impossible: so they are
    first, and a kill that failed for a reason that passes is tried again before the switch. What a person would have to mend holds up
    nothing.
    """
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
        adopt, kills = _adopt_before_a_cut(facts), _kills(facts)
    except Needed as needed:
        done = all(facts.memory.of(case.fingerprint).replaced_at for case in _to_contain(facts))
        return (
            None if done or not _is_worth_a_look(needed.unseen, facts) else replace(_wait_to_see(facts, needed.unseen), phase="containing")
        )
    steps = [step for step in (adopt, *kills) if isinstance(step, Do)]
    now = next((step for step in steps if facts.held_back(step.step) is None), None)
    if now is not None:
        return now
    tried = [(kill, held) for kill in kills if (held := facts.held_back(kill.step))]
    waits = [_until_tried_again(kill, held, facts) for kill, held in tried if _is_worth_a_try(held, facts)]
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
        proof = next((step for step in _proofs(facts) if step.fingerprint in unproven and not facts.held_back(step)), None)
    except Needed:
        return None
    if proof is not None:
        return _to_prove_dead(facts, proof)
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


def _revoke_when_unused(facts: Facts) -> Decision | None:
    """A compromised value that neither the vault gives out nor a dependent runs on."""
    if facts.local_auth_is_off:
        return None
    for case in facts.compromised():
        slot = facts.slot_of(case.fingerprint)
        if slot and slot is not facts.active and not facts.laggards():
            return _revoke(case, slot, f"{slot} holds a compromised value that nothing uses any more")
    return None


def _prove_dead_meanwhile(facts: Facts) -> Decision | None:
    """The vault cannot be seen, or may not be set, so nothing can be healed now; a leaked value's death can be proven all the same."""
    if not facts.incidents or facts.local_auth_is_off:
        return None
    return _prove_dead(facts) if not facts.sees_secret or _cannot_heal(facts) else None


def _cannot_heal(facts: Facts) -> bool:
    return facts.active is None and not facts.secret.deleted and _refuse_to_heal(facts) is not None


def _local_auth_off(facts: Facts) -> Decision | None:
    """Nothing can be rotated where no key is accepted. A leaked value that may still stand in a slot is never called quiet."""
    if not facts.local_auth_is_off:
        return None
    drained = min(_killed_unseen(facts), key=lambda case: case.deadline, default=None)
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
        step = ProveDead(fingerprint=each.fingerprint, slot=memory.slot or each.slot, version=_version_that_holds(each.fingerprint, facts))
        if facts.account.provable and not (memory.lost or memory.dead_at) and due and not facts.held_back(step):
            because = "local auth is off; the data plane is asked what it answers to the leaked value now"
            return Do(step=step, reason=each.reason, because=because, phase="proving_dead")
    seen = facts.memory.of(case.fingerprint).seen
    because = (
        f"the leaked value was replaced; local auth is off and every key is refused{f' ({seen})' if seen else ''}, which proves the death "
        f"of none; to have the proof: switch local auth on, then: rotator revoke {facts.credential.name}"
    )
    return Wait(until=facts.now + RECHECK, because=because, phase=OFF, reason=case.reason, tell=True, hopeless=True)


def _version_that_holds(value: Fingerprint, facts: Facts) -> str | None:
    versions = _unretired(facts) if facts.sees_secret else []
    return next((version.id for version in versions if version.fingerprint == value), None)


def _heal(facts: Facts) -> Decision | None:
    """The vault's current value is in no slot, or there is none: publish a proven, uncompromised slot, if the secret is ours to set."""
    if facts.secret.deleted:
        because = f"{facts.credential.secret} is soft-deleted: a set would be refused until it is recovered"
        return Do(step=Recover(), reason=Reason.SUPERSEDED, because=because, phase="healing")
    if facts.active is not None:
        return None
    return _refuse_to_heal(facts) or _publish(facts, _candidate(facts), heals=True)


def _refuse_to_heal(facts: Facts) -> Decision | None:
    current, order = facts.current, facts.memory.order
    ordered = order is not None and current is not None and order.foreign and order.value == current.version
    if current is not None and not facts.secret_is_ours and not ordered:
        what = (
            "the value in {} is no key of this account" if current.enabled else "the current version of {} is disabled and cannot be read"
        )
        because = (
            f"{what.format(facts.credential.secret)}, and the secret was never ours; "
            f"if it may be replaced: rotator rotate {facts.credential.name} --replace-foreign"
        )
        return Wait(until=facts.now + RECHECK, because=because, phase="foreign", tell=True, refused=True)
    leaks = sum(facts.now - case.reported_at < timedelta(hours=1) for case in facts.incidents)
    if facts.memory.heals_last_hour >= HEALS_PER_HOUR_MAX + leaks:
        times, secret = facts.memory.heals_last_hour, facts.credential.secret
        because = f"healed {times} times within the hour: somebody keeps setting {secret}; find out who (Terraform?)"
        return Wait(until=facts.now + RECHECK, because=because, phase="contested", tell=True, failed=True)
    return None


def _candidate(facts: Facts) -> Slot:
    """Which slot to publish: what readers last got, if it still lives; else a fresh mint; else the least used one."""
    tagged = [version for version in facts.secret.versions if version.is_of(facts.credential.account) and version.fingerprint]
    latest = max(tagged, key=lambda version: version.created, default=None)
    usable = [slot for slot in Slot if not facts.is_compromised(facts.slots[slot])]

    def rank(slot: Slot) -> tuple[bool, bool, bool, bool]:
        value = facts.slots[slot]
        last_given = latest is not None and latest.fingerprint == value
        return not last_given, not facts.is_fresh(slot), facts.role(slot) is Role.RETIRED, not facts.is_proven(value)

    return min(usable or list(Slot), key=rank)


def _adopt(facts: Facts) -> Decision | None:
    """The current version holds a live key and does not say so, or says something else: tag it, make no new version."""
    active, current = facts.active, facts.current
    if active is None or current is None or current.fingerprint is None:
        return None
    version = facts.secret.current_version
    if version is not None and version.fingerprint == current.fingerprint and version.is_of(facts.credential.account):
        return None
    if version is not None and len(version.foreign_tags) > TAGS_MAX - TAGS_NEEDED:
        return None  # there is no room to say so; that we have seen it in a slot is remembered
    step = Adopt(version=current.version, slot=active, fingerprint=current.fingerprint)
    because = f"the vault's current version holds {active} and does not say so yet"
    return Do(step=step, reason=_reason_now(facts), because=because, phase="adopting")


def _reason_now(facts: Facts) -> Reason:
    """Why anything is done while a case is open."""
    return next((case.reason for case in facts.incidents if case.state is State.OPEN), Reason.SUPERSEDED)


def _roll_back(facts: Facts) -> Decision | None:
    """An operator asked for the value before, and it may be had (`core/rollback.py`): publish it again, once it is accepted just now."""
    order = facts.memory.back
    if order is None or facts.current is None or why_not_back(facts, order):
        return None
    slot = facts.slot_of(order.value)
    assert slot is not None
    told = f"an operator asked to go back to the value before, which {slot} holds"
    unproven = _to_prove(asked_anew(facts, order), slot, Reason.SUPERSEDED, told)
    if isinstance(unproven, Wait):
        return replace(unproven, until=min(unproven.until, facts.overlap_ends()))
    if unproven:
        return unproven
    step = Publish(slot=slot, fingerprint=order.value)
    because = f"{told}; the one that it superseded lives on for an overlap of its own"
    return Do(step=step, reason=Reason.SUPERSEDED, because=because, phase="publishing")


def _renew(facts: Facts) -> Decision | None:
    """The current value is compromised, ordered away, or past its cryptoperiod in an open window: mint, prove, publish the other slot.

    A wave may hold all of it but a compromise; what is published already goes on.
    """
    active = facts.active
    why = _why_renew(facts) if active else None
    if active is None or why is None or (why[0] is Reason.SUPERSEDED and facts.memory.held_by_wave):
        return None
    decision = _renewed(facts, active, *why)
    return replace(decision, starts=_start(facts)) if isinstance(decision, Do) and why[0] is Reason.SUPERSEDED else decision


def _start(facts: Facts) -> Start:
    return Start.ORDER if _is_ordered(facts) else Start.CADENCE


def _is_ordered(facts: Facts) -> bool:
    order, current = facts.memory.order, facts.current
    return order is not None and current is not None and order.value == current.fingerprint


def _renewed(facts: Facts, active: Slot, reason: Reason, because: str) -> Decision | None:
    standby = active.other
    if facts.is_fresh(standby):
        return _publish(facts, standby, heals=False, reason=reason, because=because)
    if facts.role(standby) is Role.RETIRED and reason is Reason.SUPERSEDED:
        return None  # its overlap is not over: `supersede` revokes it first, when everyone has moved, and so makes a fresh one
    if not facts.can_prove:
        return _unprovable(facts)
    unready = _unready(facts, active) if reason is Reason.SUPERSEDED else None
    if unready:
        return unready
    step = Mint(slot=standby, replaces=facts.slots[standby])
    return Do(step=step, reason=reason, because=f"{because}; {_what_the_mint_ends(facts, standby)}", phase="minting")


def _unready(facts: Facts, active: Slot) -> Decision | None:
    """Before a scheduled mint: what would stop the rotation half-way stops it here. A compromise waits for none of this."""
    untold = _adopt(facts)
    if untold:
        return untold  # the old value has to be known as ours before it is superseded, or nothing would revoke it
    version = facts.secret.current_version
    foreign = len(version.foreign_tags) if version else 0
    if foreign > FOREIGN_TAGS_MAX:
        ours, over = TAGS_MAX - FOREIGN_TAGS_MAX, foreign - FOREIGN_TAGS_MAX
        because = f"{facts.credential.secret} has {foreign} tags of its own, and ours take {ours} of {TAGS_MAX}: remove {over}"
        return Wait(until=facts.now + RECHECK, because=because, phase="tags", tell=True, refused=True)
    return _to_prove(facts, active, Reason.SUPERSEDED, "nothing is minted before the data plane has answered to the key in use")


def _why_renew(facts: Facts) -> tuple[Reason, str] | None:
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
        over = "its cryptoperiod is over" if due <= facts.now else f"due {_when(due)} and let out early, so that not all are due at once"
        return Reason.SUPERSEDED, f"active since {since:%Y-%m-%d}, {over}"
    return None


def _what_the_mint_ends(facts: Facts, standby: Slot) -> str:
    if facts.role(standby) is Role.RETIRED:
        return f"minting {standby} ends the overlap of the value before it at once"
    if facts.memory.of(facts.slots[standby]).minted_at is None:
        return f"{standby} was never empty to our knowledge: who reads it directly, without the vault, loses access"
    return f"{standby} gets a new value that nobody has"


def _publish(facts: Facts, slot: Slot, *, heals: bool, reason: Reason | None = None, because: str = "") -> Decision:
    """Publish what stands in `slot`, after the data plane has accepted it."""
    value = facts.slots[slot]
    if facts.is_compromised(value):
        mint = Mint(slot=slot, replaces=value)
        return Do(step=mint, reason=Reason.KEY_COMPROMISE, because="no slot holds a value that may be published", phase="minting")
    because = because or _why_heal(facts)
    reason = reason or _reason_to_heal(facts)
    unproven = _to_prove(facts, slot, reason, because)
    if unproven:
        return unproven
    accepted = "is accepted by the data plane" if facts.memory.of(value).proven_at else "cannot be asked about, which the settings accept"
    return Do(
        step=Publish(slot=slot, fingerprint=value, heals=heals), reason=reason, because=f"{because}; {slot} {accepted}", phase="publishing"
    )


def _to_prove(facts: Facts, slot: Slot, reason: Reason, because: str) -> Decision | None:
    """None once the data plane has accepted what stands in `slot` (or cannot be asked, and the settings accept that)."""
    value = facts.slots[slot]
    memory = facts.memory.of(value)
    if facts.is_proven(value):
        return None
    if not facts.can_prove:
        return _unprovable(facts)
    if memory.probe_again_at and facts.now < memory.probe_again_at:
        told = f"{slot} is not accepted by the data plane yet ({memory.seen}); asked again"
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


def _why_heal(facts: Facts) -> str:
    if facts.current is None:
        return f"{facts.credential.secret} has no value yet"
    return "the vault's current value is in no slot of the account" if facts.current.enabled else "the vault's current version is disabled"


def _reason_to_heal(facts: Facts) -> Reason:
    """A current value that was compromised says so in the next version; one that a person replaced is superseded."""
    value = facts.current.fingerprint if facts.current else None
    return Reason.KEY_COMPROMISE if value and facts.is_compromised(value) else Reason.SUPERSEDED


def _unprovable(facts: Facts) -> Wait:
    because = f"{facts.account.cannot_be_asked}, and nothing is published without proof; to accept that: `unprovable: accept`"
    return Wait(until=facts.now + RECHECK, because=because, phase="unprovable", tell=True, refused=True)


def _propagate(facts: Facts) -> Decision | None:
    """Dependents lag whose stage has its turn: make them pick up the value, all at once.

    One that was tried lately, or cannot be seen, does not hold the others of its stage back.
    """
    active, current = facts.active, facts.current
    if active is None or current is None or current.fingerprint is None:
        return None
    behind = {view.name: view for view in turn(facts).theirs if view.adoption is Adoption.STALE}
    steps = [Propagate(dependent=name, slot=active, fingerprint=current.fingerprint, version=current.version) for name in behind]
    ready = [step for step in steps if not facts.held_back(step)] or steps[:1]
    if not ready:
        return None
    step, *beside = ready[:DELIVERIES_AT_ONCE]
    view = behind[step.dependent]
    because = f"{view.name} lags: {view.because or view.seen}"
    because += f"; at the same time {', '.join(one.dependent for one in beside)}" if beside else ""
    return Do(step=step, beside=tuple(beside), reason=_reason_of_current(facts), because=because, phase="propagating")


def _reason_of_current(facts: Facts) -> Reason:
    version = facts.secret.current_version
    return Reason(version.reason) if version and version.reason in set(Reason) else Reason.SUPERSEDED


def _supersede(facts: Facts) -> Decision | None:
    """A retired value dies when the overlap is over and every dependent has moved; never while one is Stale or Unseen."""
    retired = _retired_slot(facts)
    if retired is None or facts.is_compromised(facts.slots[retired]) or facts.now < facts.overlap_ends() or not facts.moved():
        return None
    step = Revoke(slot=retired, fingerprint=facts.slots[retired])
    return Do(step=step, reason=Reason.SUPERSEDED, because=f"the overlap is over and {_everyone(facts)}", phase="revoking")


def _overlap(facts: Facts) -> Decision | None:
    """A retired value lives on: until its overlap is over, the dependents have moved, or its deadline has come."""
    retired = _retired_slot(facts)
    if retired is None:
        return None
    if facts.is_compromised(facts.slots[retired]):
        return _wait_to_drain(facts, retired)
    ends = facts.overlap_ends()
    if facts.now >= ends:
        return None if facts.moved() else _wait_for_dependents(facts, retired)
    late = facts.laggards() if _grace_is_over(facts) else []
    because = f"both values are valid until {_when(ends)}; then {retired} is revoked"
    because += "".join(f"; past grace {view.name} is {view.adoption}" + _why_late(view, facts) for view in late)
    because += f"; {_way_back(facts)}" if late else ""
    stage = turn(facts)
    because += f"; {stage.because}" if stage.because else ""
    until = min([ends, *_probes_due(facts), *stage.until])
    return Wait(until=until, because=because, phase="overlap", reason=Reason.SUPERSEDED, tell=bool(late))


def _way_back(facts: Facts) -> str:
    return f"see to it, or go back to the value before: rotator rollback {facts.credential.name}"


def _why_late(view: DependentView, facts: Facts) -> str:
    """What was seen of it, and what the last delivery said, which may name what a person has to do."""
    tries = [held.because for name, held in facts.memory.held_back.items() if held.failed and view.name in name.split()]
    told = "; ".join(dict.fromkeys(filter(None, (view.because, *tries))))
    return f" ({told})" if told else ""


def _retired_slot(facts: Facts) -> Slot | None:
    active = facts.active
    return active.other if active is not None and facts.role(active.other) is Role.RETIRED else None


def _grace_is_over(facts: Facts) -> bool:
    return facts.current is not None and facts.now >= facts.grace_ends()


def _wait_to_drain(facts: Facts, slot: Slot) -> Wait:
    names = ", ".join(view.name for view in facts.laggards())
    until = facts.now + LOOK_AGAIN_IN_AN_EMERGENCY
    return Wait(
        until=until, because=f"{slot} is compromised and {names} still runs on it; revoked at its deadline", phase="draining", tell=True
    )


def _wait_for_dependents(facts: Facts, retired: Slot) -> Wait:
    behind = [view for view in facts.snapshot.dependents if view.adoption is not Adoption.PROVEN]
    told = ", ".join(f"{view.name} is {view.adoption}" + _why_late(view, facts) for view in behind)
    claimed_only = facts.current is not None and all(view.adoption is Adoption.CLAIMED for view in behind)
    until = facts.grace_ends() if facts.current and claimed_only else facts.now + LOOK_AGAIN
    because = f"{retired} is not revoked while {told}"
    late = _grace_is_over(facts)
    return Wait(until=until, because=because, phase="overlap", reason=Reason.SUPERSEDED, tell=late, for_dependents=True)


def _prove_dead(facts: Facts) -> Decision | None:
    """A revoked value is probed until it is proven dead: one that a version of ours still holds, or that a case is about."""
    step = next(_proofs(facts), None)
    return _to_prove_dead(facts, step) if step else None


def _proofs(facts: Facts) -> Iterator[ProveDead]:
    if facts.account.cannot_be_asked:
        return
    for value, version in _buried_alive(facts):
        memory = facts.memory.of(value)
        if memory.lost or (memory.probe_again_at and facts.now < memory.probe_again_at):
            continue
        slot = memory.slot or (version.slot if version else None)
        yield ProveDead(fingerprint=value, slot=slot, version=version.id if version else None)


def _to_prove_dead(facts: Facts, step: ProveDead) -> Do:
    because = f"the value {step.fingerprint[:8]}… is replaced; the data plane has to refuse it at every endpoint"
    return Do(step=step, reason=_reason_of_death(facts, step.fingerprint), because=because, phase="proving_dead")


def _buried_alive(facts: Facts) -> list[tuple[Fingerprint, Version | None]]:
    """Values in no slot that are not proven dead, each with a version that can be read for it."""
    live = set(facts.slots.values())
    versions = _unretired(facts) if facts.sees_secret else []
    held = {version.fingerprint: version for version in versions if version.fingerprint}
    leaked = [case.fingerprint for case in facts.incidents if case.state is State.REVOKED]
    values = [*leaked, *(value for value in held if value not in leaked)]
    return [(value, held.get(value)) for value in values if value not in live and not facts.memory.of(value).dead_at]


def _unretired(facts: Facts) -> list[Version]:
    current = facts.current.version if facts.current else None
    return [version for version in facts.versions_of_ours() if version.enabled and not version.retired and version.id != current]


def _reason_of_death(facts: Facts, value: Fingerprint) -> Reason:
    return Reason.KEY_COMPROMISE if facts.is_compromised(value) else Reason.SUPERSEDED


def _retire(facts: Facts) -> Decision | None:
    """The version of a dead value is disabled and tagged, once nobody can run on it: a reader that caches a disabled version crashes."""
    if facts.laggards():
        return None
    steps = [
        Retire(version=version.id, fingerprint=version.fingerprint, slot=version.slot or facts.memory.of(version.fingerprint).slot)
        for version in _unretired(facts)
        if version.fingerprint and facts.memory.of(version.fingerprint).dead_at and version.fingerprint not in facts.slots.values()
    ]
    if not steps:
        return None
    step = next((step for step in steps if not facts.held_back(step)), steps[0])
    because = f"the value in version {step.version[:8]}… is proven dead and nobody runs on it"
    return Do(step=step, reason=_reason_of_death(facts, step.fingerprint), because=because, phase="retiring")


def _probes_due(facts: Facts) -> list[datetime]:
    """When replaced values that are not proven dead are asked again."""
    if facts.account.cannot_be_asked:
        return []
    waiting = [facts.memory.of(value) for value, _ in _buried_alive(facts)]
    return [memory.probe_again_at for memory in waiting if memory.probe_again_at and memory.probe_again_at > facts.now and not memory.lost]


def _unfinished(facts: Facts) -> Decision | None:
    """Something is still to be proven, or somebody lags: not quiet yet."""
    asked = _probes_due(facts)
    if asked:
        because = "a replaced value is not refused everywhere yet (gateways may accept it for minutes to hours); probed again"
        return Wait(until=min(asked), because=because, phase="proving_dead")
    behind = facts.laggards()
    if behind:
        told = ", ".join(f"{view.name} is {view.adoption}" for view in behind)
        failed = [held for held in facts.memory.held_back.values() if held.failed and facts.now < held.until]
        because = "; ".join([f"{told}: {behind[0].because}", *(held.because for held in failed)])
        soon = facts.now + (LOOK_AGAIN_IN_AN_EMERGENCY if any(case.is_open for case in facts.incidents) else LOOK_AGAIN)
        return Wait(until=soon, because=because, phase="propagating", tell=True, failed=bool(failed), for_dependents=True)
    return None


def _held(facts: Facts) -> Decision | None:
    """A scheduled rotation that the wave lets not start; every rule that acts on what is published has had its turn."""
    held, why = facts.memory.held_by_wave, _why_renew(facts) if facts.active else None
    if held is None or why is None or why[0] is not Reason.SUPERSEDED:
        return None
    because = f"{why[1]}; {held.because}"
    return Wait(until=facts.now + RECHECK, because=because, phase="wave", reason=why[0], tell=held.stopped, refused=held.stopped)


def _quiet(facts: Facts) -> Quiet:
    active, since = facts.active, facts.active_since
    assert active is not None
    due, starts = due_at(facts.credential.policy, since), starts_at(facts.credential.policy, since)
    if starts <= facts.now and facts.credential.policy.window:
        opens = facts.credential.policy.window.next_open(facts.now)
        told = "overdue since" if due <= facts.now else "due"
        return Quiet(until=opens, because=f"{told} {_when(due)}; the window opens {_when(opens)}", phase="due")
    first = facts.memory.of(facts.slots[active.other]).minted_at is None
    warning = f"; {_what_the_mint_ends(facts, active.other)} then" if first else ""
    unasked = facts.account.cannot_be_asked
    warning += f"; a replaced key cannot be proven dead: {unasked}" if unasked else ""
    return Quiet(until=starts, because=f"{active} is active and due {_when(due)}{warning}")


def _wait_to_see(facts: Facts, unseen: Unseen) -> Wait:
    """Rule 1: a needed fact is Unseen. Say who must do what; with a case open, look again sooner and tell."""
    emergency = any(case.is_open for case in facts.incidents)
    soon = facts.now + (LOOK_AGAIN_IN_AN_EMERGENCY if emergency else LOOK_AGAIN)
    until = max(unseen.again, facts.now + SOONEST) if unseen.again else soon
    because = f"{unseen.what} cannot be seen: {unseen.because}" + (f"; {unseen.remedy}" if unseen.remedy else "")
    tell = emergency or bool(unseen.remedy)
    phase = "settling" if unseen.settles else "unseen"
    return Wait(until=until, because=because, phase=phase, tell=tell, failed=True, hopeless=unseen.hopeless)


def _not_past_a_deadline(decision: Wait | Quiet, waiting: Sequence[Wait], facts: Facts) -> Wait | Quiet:
    """Nobody sleeps past the deadline of an open case, nor past the time when a step that failed is tried again."""
    deadlines = [case.deadline for case in facts.incidents if case.state is State.OPEN and facts.now < case.deadline]
    first = next(iter(waiting), decision)
    until = min([decision.until, *deadlines, *(wait.until for wait in waiting)])
    if isinstance(first, Quiet):
        return replace(first, until=until)
    alone = all(isinstance(one, Wait) and one.for_dependents for one in [*waiting, decision])
    return replace(first, until=until, for_dependents=alone)


def _revoke(case: Compromise, slot: Slot, because: str) -> Do:
    return Do(step=Revoke(slot=slot, fingerprint=case.fingerprint), reason=case.reason, because=because, phase="revoking")


def _mode(case: Compromise) -> str:
    return case.incident.mode if case.incident else "cut"


def _everyone(facts: Facts) -> str:
    return "every dependent has moved" if facts.snapshot.dependents else "all readers have had time to move"


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


Rule = Callable[[Facts], Decision | None]

RULES: tuple[Rule, ...] = (
    _contain,
    _adopt_before_a_cut,
    _revoke_at_any_price,
    _revoke_when_unused,
    _prove_dead_meanwhile,
    _local_auth_off,
    _heal,
    _adopt,
    _roll_back,
    _renew,
    _propagate,
    _supersede,
    _prove_dead,
    _retire,
    _overlap,
    _unfinished,
    _held,
)
