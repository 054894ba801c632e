"""The corridor: look, decide, write the intent, do the step, write the outcome, look again, until quiet.

Three doors lead here (cadence, alert, operator), and none has a rotation path of its own. Kill the process anywhere: the next run looks and
goes on. The lease is looked at again right before every effect.
"""

import asyncio
import contextlib
import random
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from rotator.core.belief import may_stand_on_belief
from rotator.core.credential import Credential, Reason
from rotator.core.facts import Facts
from rotator.core.faults import Ambiguous, Conflict, Denied, Fault, Missing, Rejected
from rotator.core.incident import Incident
from rotator.core.retry import MOVES_WITHIN, Again, GiveUp, after
from rotator.core.sealed import Sealed
from rotator.core.settle import close
from rotator.core.snapshot import AccountView, HeldBack
from rotator.core.step import (
    Adopt,
    Decision,
    Do,
    Mint,
    Propagate,
    Prove,
    ProveDead,
    Quiet,
    Revoke,
    SwitchOffLocalAuth,
    Wait,
    fingerprint_of,
    label,
    slot_of,
)
from rotator.core.waiting import RECHECK
from rotator.engine.gate import decide
from rotator.engine.looking import look_again
from rotator.engine.observe import NOTHING, PATIENCE_IN_AN_EMERGENCY, Look, Told
from rotator.engine.perform import Bench, Outcome, perform
from rotator.engine.ports import Lease, World
from rotator.engine.stay import Stay, ends, leaves, next_look
from rotator.engine.urgency import LISTENS_EVERY, Urgent, kills_due, unless_urgent, urgent
from rotator.engine.walk import Done, Moment, Walk

LOOKS_MAX = 10_000
SHORTEST_WAIT = timedelta(milliseconds=50)
SETTLES_WITHIN = timedelta(seconds=1)
"""A step that succeeded is not repeated within this time, even if a look does not show its effect yet."""
LONGEST_STEP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run came to: the last decision, and the steps that led there."""

    credential: Credential
    decision: Decision
    look: Look
    incidents: Sequence[Incident]
    steps: tuple[Done, ...] = ()
    reason: Reason | None = None


async def reconcile(
    credential: Credential,
    world: World,
    lease: Lease,
    *,
    until: datetime | None = None,
    known: Sequence[Sealed] = (),
    told: Told = NOTHING,
    stay: Stay = Stay.THROUGH,
    retries_for: timedelta | None = None,
    chance: random.Random | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Run:
    """Walk until quiet, or until the next step is later than `until` (None: until the first wait that is no retry).

    `known` are values handed in, `told` is what the caller has just seen: the first look may believe it. Once `stopping` says so, the run
    ends before its next step. Without an `until`, what fails is tried again for a while, or for as long as `retries_for` says.

    Raises:
        LeaseLost: another worker may act on the credential now; nothing was done after that.
    """
    started = Moment.now(world.clock)
    walk = Walk(
        credential=credential,
        world=world,
        lease=lease,
        values={value.fingerprint: value for value in known},
        chance=chance or random.Random(),
        started=started,
        looked=started,
        told=told,
        until=until,
        retries_for=retries_for,
        stopping=stopping,
    )
    for _ in range(LOOKS_MAX):
        look, incidents = await look_again(walk)
        now = world.clock.now()
        decision = await decide(look.snapshot, credential, incidents, world)
        facts = Facts(snapshot=look.snapshot, credential=credential, incidents=incidents, now=now)
        stands = may_stand_on_belief(decision, facts)
        if look.believes and not stands:
            walk.closing = isinstance(decision, Quiet)
            continue  # nothing is believed twice in a row: the next look asks for everything
        walk.told = look.told if stands or isinstance(decision, Do) else NOTHING
        word = decision.step.name if isinstance(decision, Do) else type(decision).__name__.lower()
        world.watch("decided", credential=credential.name, decision=word, because=decision.because, **_aside(decision))
        if stopping():
            break
        if isinstance(decision, Do):
            await _do(decision, look, incidents, walk)
        elif not walk.heard and (leaves(decision, look, incidents, stay, walk) or ends(decision, incidents, walk)):
            break
        else:
            await _sleep_until(world.clock.now() if walk.heard else next_look(decision, walk), walk)
    cases = await _finish(decision, look, incidents, walk)
    return Run(
        credential=credential,
        decision=decision,
        look=look,
        incidents=cases,
        steps=tuple(walk.steps),
        reason=walk.reason or getattr(decision, "reason", None),
    )


def _aside(decision: Decision) -> dict[str, Any]:
    """What an onlooker may want to know of a decision: its phase, and whether a person should be told."""
    return {"phase": decision.phase, **({"tell": True} if isinstance(decision, Wait) and decision.tell else {})}


async def _do(do: Do, look: Look, incidents: Sequence[Incident], walk: Walk) -> None:
    """Intent, effect, outcome, for each step that it carries. Either way a step is held back for a while, so that it cannot spin."""
    world, name = walk.world, walk.credential.name
    walk.reason = do.reason
    meant = {_operation(walk): replace(do, step=step, beside=()) for step in (do.step, *do.beside)}
    for operation, one in meant.items():
        await world.journal.intend(walk.lease, operation, one)
    await world.work.hold(walk.lease)
    for operation, one in meant.items():
        world.watch("step", credential=name, step=one.step.name, slot=slot_of(one.step), reason=one.reason, operation=operation)
    bench = Bench(credential=walk.credential, look=look, values=walk.values, world=world, hurried=walk.hurried)
    with urgent(any(case.presses for case in incidents)):
        ended = await _perform(do, meant, bench, incidents, walk)
    for operation, one in meant.items():
        result = ended.get(operation) or Ambiguous(f"{one.step.name}: its answer was not waited for")
        if isinstance(result, Fault):
            await _failed(one, operation, result, look, walk)
        else:
            await _succeeded(one, operation, result, look, walk)


def _operation(walk: Walk) -> str:
    return str(uuid.UUID(int=walk.chance.getrandbits(128), version=4))


async def _succeeded(do: Do, operation: str, outcome: Outcome, look: Look, walk: Walk) -> None:
    world = walk.world
    walk.values.update(outcome.values)
    walk.told = look.told if outcome.told is None else outcome.told
    walk.failures.pop(label(do.step), None)
    if not isinstance(do.step, Prove | ProveDead):
        settles = MOVES_WITHIN if isinstance(do.step, Propagate) else SETTLES_WITHIN
        walk.held_back[label(do.step)] = HeldBack(until=world.clock.now() + settles, because=outcome.result, failed=False)
    await world.journal.outcome(
        walk.lease, operation, outcome.result, learned=outcome.learned, handed=outcome.handed, detail=outcome.detail
    )
    _note(do, operation, outcome.result, do.because, walk)
    world.watch("done", credential=walk.credential.name, step=do.step.name, slot=slot_of(do.step), outcome=outcome.result, **outcome.detail)


async def _perform(
    do: Do, meant: Mapping[str, Do], bench: Bench, incidents: Sequence[Incident], walk: Walk
) -> Mapping[str, Outcome | Fault]:
    """What came of each step; nothing where its answer was not waited for.

    A kill is waited for; any other step holds up no kill: not one that becomes due meanwhile, nor, before a cut, for long.
    """
    ended: dict[str, Outcome | Fault] = {}
    if isinstance(do.step, Mint | Revoke | SwitchOffLocalAuth):
        await _all(meant, None, bench, ended)
        return ended
    patience = PATIENCE_IN_AN_EMERGENCY if isinstance(do.step, Adopt) and kills_due(incidents, walk.world.clock.now()) else LONGEST_STEP
    with contextlib.suppress(Urgent):
        work = _all(meant, patience.total_seconds(), bench, ended)
        await unless_urgent(work, incidents, walk.world, walk.lease, walk.hear)
    return dict(ended)


async def _all(meant: Mapping[str, Do], patience_s: float | None, bench: Bench, ended: dict[str, Outcome | Fault]) -> None:
    """All of them at once, each for itself: one that fails or hangs takes no other with it."""

    async def one(operation: str, do: Do) -> None:
        try:
            with contextlib.suppress(TimeoutError):
                ended[operation] = await asyncio.wait_for(perform(do, operation, bench), patience_s)
        except Fault as fault:
            ended[operation] = fault

    running = [asyncio.ensure_future(one(operation, do)) for operation, do in meant.items()]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()


async def _failed(do: Do, operation: str, fault: Fault, look: Look, walk: Walk) -> None:
    """A fault is the outcome where it tells that nothing happened; an ambiguous one is left for the next look to settle."""
    world, now, name = walk.world, walk.world.clock.now(), type(fault).__name__.lower()
    walk.told = NOTHING
    if isinstance(fault, Ambiguous):
        walk.unanswered[operation] = Moment.now(world.clock)
    else:
        await world.journal.outcome(walk.lease, operation, name, detail={"fault": fault.what})
    of_this_step = walk.failures.setdefault(label(do.step), Counter())
    of_this_step[name] += 1
    failures = of_this_step[name]  # of one kind: a throttle before it makes no refusal final
    match after(fault, failures, now, emergency=walk.emergency, chance=walk.chance):
        case Again(at=until):
            pass
        case GiveUp():
            until = now + RECHECK
    because = f"{fault.what}; {fault.remedy}" if fault.remedy else fault.what
    hopeless = isinstance(fault, Denied | Missing | Rejected)
    walk.held_back[label(do.step)] = HeldBack(until=until, because=because, failed=True, tries=failures, hopeless=hopeless)
    await _note_blind_refusal(do, fault, look, walk)
    _note(do, operation, name, because, walk, failed=True)
    world.watch("failed", credential=walk.credential.name, step=do.step.name, slot=slot_of(do.step), fault=name, because=because)


def _note(do: Do, operation: str, outcome: str, because: str, walk: Walk, *, failed: bool = False) -> None:
    now = walk.world.clock.now()
    walk.steps.append(
        Done(
            step=do.step.name,
            slot=slot_of(do.step),
            outcome=outcome,
            at=now,
            because=because,
            fingerprint=fingerprint_of(do.step),
            failed=failed,
            operation=operation,
        )
    )


async def _note_blind_refusal(do: Do, fault: Fault, look: Look, walk: Walk) -> None:
    """Local auth is off and regenerateKey is refused then: the case remembers, and nobody tries again."""
    account = look.snapshot.account
    refused = isinstance(fault, Rejected | Denied | Conflict) and isinstance(account, AccountView) and not account.local_auth
    for case in await walk.world.cases.of(walk.credential.name) if refused and isinstance(do.step, Revoke) else ():
        if case.fingerprint == fingerprint_of(do.step):
            await walk.world.cases.save(replace(case, regenerate_refused=True), because=fault.what)


async def _finish(decision: Decision, look: Look, incidents: Sequence[Incident], walk: Walk) -> list[Incident]:
    """All is quiet: a case whose value is proven dead is closed."""
    if isinstance(decision, Quiet):
        facts = Facts(snapshot=look.snapshot, credential=walk.credential, incidents=incidents, now=walk.world.clock.now())
        for case in close(incidents, facts):
            await walk.world.cases.save(case, because="the value is dead and all is quiet")
    return await walk.world.cases.of(walk.credential.name)


async def _sleep_until(at: datetime, walk: Walk) -> None:
    """Sleep, but not through a wake: an incident filed meanwhile is looked at within a second."""
    clock = walk.world.clock
    await clock.sleep(SHORTEST_WAIT)
    while (left := at - clock.now()) > timedelta(0):
        if walk.stopping():
            return
        if await walk.world.work.woken(walk.lease):
            walk.hear()
            return
        await clock.sleep(min(left, LISTENS_EVERY))
