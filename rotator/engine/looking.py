"""One look along the corridor, and what it settles: intents whose outcome is not known, then the cases.

A look that may believe what this run was told a moment ago forgets all of it when somebody woke the credential, or another case stands.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from rotator.core.adoption import changed
from rotator.core.facts import Facts
from rotator.core.incident import Incident
from rotator.core.second_writer import EVENT, sentence
from rotator.core.settle import APPLIED, NOT_APPLIED, Intent, Settled, given_out, settle, settle_intent
from rotator.core.snapshot import Unseen
from rotator.core.step import Mint, Revoke
from rotator.engine.observe import Look, observe
from rotator.engine.urgency import Urgent, giving_way, unless_urgent, urgent
from rotator.engine.walk import Done, Moment, Walk

DROPPED_LOOKS_MAX = 3
LOOKS_EVERY = timedelta(seconds=2)
"""How often the list of keys is asked for while a regenerate is not settled: as soon as it shows the effect, all goes on."""


async def look_again(walk: Walk) -> tuple[Look, list[Incident]]:
    """Look, and let the look settle what was ambiguous: intents first, then the cases."""
    world, name = walk.world, walk.credential.name
    incidents, look = await _observe(walk)
    if look.unsettled:
        look = _not_while_in_flight(await _settle_intents(look, incidents, walk), walk)
    walk.values.update(look.values)
    look = await _remember_adoption(await _remember_current(look, walk), walk)
    walk.slots_unseen = walk.slots_unseen + 1 if isinstance(look.snapshot.slots, Unseen) else 0
    await _tell_of_a_second_writer(look, walk)
    keys = {value: walk.sooner(key) for value, key in look.snapshot.memory.keys.items()}
    found = {value: replace(key, lost=False) if value in walk.values else key for value, key in keys.items()}
    memory = replace(look.snapshot.memory, keys=found, held_back=dict(walk.held_back), blind_looks=walk.slots_unseen)
    look = replace(look, snapshot=replace(look.snapshot, memory=memory))
    facts = Facts(snapshot=look.snapshot, credential=walk.credential, incidents=incidents, now=world.clock.now())
    moved = list(settle(facts))
    for case in moved:
        await world.cases.save(case, because="as a look shows")
        took = (case.dead_at or world.clock.now()) - case.reported_at
        world.watch("incident", credential=name, incident=case.id, state=case.state, since_report_seconds=took.total_seconds())
    return look, await world.cases.of(name) if moved else incidents


async def _tell_of_a_second_writer(look: Look, walk: Walk) -> None:
    """Once a version, for as long as the audit remembers."""
    version, name = look.snapshot.memory.second_writer, walk.credential.name
    if version is None or version.operation is None:
        return
    fields = {"version": version.id, "operation": version.operation, "because": sentence(version)}
    if await walk.world.journal.say_once(name, EVENT, fields):
        walk.world.watch(EVENT, credential=name, **fields)


async def _remember_current(look: Look, walk: Walk) -> Look:
    given, memory = given_out(look.snapshot), look.snapshot.memory
    if given is None:
        return look
    await walk.world.journal.remember(walk.lease, [given])
    return replace(look, snapshot=replace(look.snapshot, memory=replace(memory, keys={**memory.keys, given.fingerprint: given})))


async def _remember_adoption(look: Look, walk: Walk) -> Look:
    """What has changed with the dependents goes into the ledger and its audit: also what nobody could read back in another process."""
    found, memory = changed(look.snapshot, walk.world.clock.now()), look.snapshot.memory
    if not found:
        return look
    await walk.world.journal.adopted(walk.lease, found)
    for one in found:
        walk.world.watch("adoption", credential=walk.credential.name, dependent=one.dependent, adoption=one.adoption, seen=one.seen)
    adoptions = {**memory.adoptions, **{one.dependent: one for one in found}}
    return replace(look, snapshot=replace(look.snapshot, memory=replace(memory, adoptions=adoptions)))


async def _observe(walk: Walk) -> tuple[list[Incident], Look]:
    """The cases and a look. A look that nothing pressed, and that takes long, is dropped for a short one when a case is filed meanwhile."""
    world, name = walk.world, walk.credential.name
    closing, walk.closing = walk.closing, False
    for _ in range(DROPPED_LOOKS_MAX):
        walk.looked = Moment.now(world.clock)
        incidents = await world.cases.of(name)
        told, walk.heard = walk.may_believe(incidents), False
        walk.emergency = any(case.is_open for case in incidents)
        if walk.emergency:
            break
        try:
            look = await unless_urgent(observe(walk.credential, world, told=told), incidents, world, walk.lease, walk.hear)
        except Urgent:
            continue
        if walk.heard:
            incidents = await world.cases.of(name)
            walk.emergency = any(case.is_open for case in incidents)
        return incidents, look
    with urgent(any(case.presses for case in incidents)), giving_way(closing):
        return incidents, await observe(walk.credential, world, emergency=True, told=told)


async def _settle_intents(look: Look, incidents: Sequence[Incident], walk: Walk) -> Look:
    settled = 0
    for intent in look.unsettled:
        now = walk.world.clock.now()
        facts = Facts(snapshot=look.snapshot, credential=walk.credential, incidents=incidents, now=now)
        lost = _last_in_flight(intent, walk)
        found = settle_intent(replace(intent, at=lost.at), facts, walk.lists_lag)
        if found is not None and not (found.result == NOT_APPLIED and _may_still_come(intent, lost, walk)):
            await walk.world.journal.outcome(walk.lease, intent.operation, found.result, learned=found.learned)
            _note_settled(intent, found, walk)
            walk.world.watch("settled", credential=walk.credential.name, step=intent.step, result=found.result)
            settled += 1
    if not settled:
        return look
    memory, unsettled = await walk.world.journal.recall(walk.credential.name)
    return replace(look, snapshot=replace(look.snapshot, memory=memory), unsettled=unsettled)


def _flies(intent: Intent) -> bool:
    return intent.step in (Mint.name, Revoke.name)


def _may_still_come(intent: Intent, lost: Moment, walk: Walk) -> bool:
    """A look that began too soon after the call does not show that it had no effect, whatever the clock was set to meanwhile."""
    return _flies(intent) and walk.looked.loop_s < lost.loop_s + walk.lists_lag.total_seconds()


def _note_settled(intent: Intent, found: Settled, walk: Walk) -> None:
    """The step in this run's story, as it ended; one of a run before it only where it took effect."""
    applied = found.result == APPLIED
    for place, done in enumerate(walk.steps):
        if done.operation == intent.operation:
            because = f"{done.because}; {found.result}"
            walk.steps[place] = replace(done, outcome=found.result, because=because, failed=not applied)
            return
    if applied:
        because = "a run before this one ended before it knew"
        now, value = walk.world.clock.now(), intent.fingerprint
        walk.steps.append(Done(step=intent.step, slot=intent.slot, outcome=found.result, at=now, because=because, fingerprint=value))


def _last_in_flight(intent: Intent, walk: Walk) -> Moment:
    """When the call's answer was lost; for a run before this one (which died), no later than when this one began."""
    return walk.unanswered.get(intent.operation, walk.started)


def _not_while_in_flight(look: Look, walk: Walk) -> Look:
    """A regenerate without an answer may still take effect: until that is settled, what the slots hold is not known."""
    flying = [intent for intent in look.unsettled if _flies(intent)]
    if not flying or isinstance(look.snapshot.slots, Unseen):
        return look
    again = max(_last_in_flight(intent, walk).at for intent in flying) + walk.lists_lag
    soon = min(again, walk.world.clock.now() + LOOKS_EVERY)
    because = f"regenerateKey of {flying[-1].slot} was sent and not answered; its effect may still come, or not be listed yet"
    return replace(look, snapshot=replace(look.snapshot, slots=Unseen(what="the slots", because=because, again=soon, settles=True)))
