"""One Step, one effect: the only place that changes the outside. Called with the lease held and the intent written.

Each branch does one call (or one round of probes) and says what came of it and what is remembered by it. A lost answer is raised as a
Fault: whoever called looks again.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from rotator.core.adoption import handed, taken_at
from rotator.core.credential import Credential, Reason, Slot, tagged_version
from rotator.core.faults import Missing
from rotator.core.retry import EMERGENCY_WAIT, LONGEST_WAIT
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.snapshot import AccountView, Current, Kept, KeyMemory, Memory, SecretView, Unseen
from rotator.core.stale import superseded_beside
from rotator.core.step import (
    Adopt,
    Do,
    Mint,
    Propagate,
    Prove,
    ProveDead,
    Publish,
    Recover,
    Retire,
    Revoke,
    SwitchOffLocalAuth,
)
from rotator.engine import tags
from rotator.engine.beside import beside, over
from rotator.engine.observe import NOTHING, Look, Told, Word
from rotator.engine.ports import Answer, Edition, Placed, Published, SecretLook, Verdict, World

REFUSALS_IN_A_ROW = 3
"""How many 401s in a row, each on a fresh connection, at every endpoint host, make a value dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a step: a word, what is remembered of the values, and details that a person reads in the audit.

    `told` is what the next look may believe after it; None: what it could believe before.
    """

    result: str
    learned: tuple[KeyMemory, ...] = ()
    handed: tuple[Kept, ...] = ()
    detail: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[Fingerprint, Sealed] = field(default_factory=dict)
    told: Told | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a step is done with: the credential, the look that led to it, the values seen so far in this run, and whether it is hurried: a
    case is open, or somebody waits."""

    credential: Credential
    look: Look
    values: Mapping[Fingerprint, Sealed]
    world: World
    hurried: bool = False

    @property
    def memory(self) -> Memory:
        return self.look.snapshot.memory

    @property
    def account(self) -> AccountView:
        account = self.look.snapshot.account
        assert not isinstance(account, Unseen)
        return account


async def perform(do: Do, operation: str, bench: Bench) -> Outcome:
    """Do the step. Raises a Fault where it failed or where nobody knows."""
    match do.step:
        case Mint(slot=slot, replaces=old) | Revoke(slot=slot, fingerprint=old):
            return await _regenerate(slot, old, bench)
        case Prove():
            return await _prove(do.step, bench)
        case Publish():
            return await _publish(do, do.step, operation, bench)
        case Adopt():
            return await _adopt(do.step, operation, bench)
        case Recover():
            await bench.world.recovery.recover(bench.credential.secret)
            return Outcome(result="recovered", told=NOTHING)
        case Propagate():
            return await _propagate(do.step, bench)
        case ProveDead():
            return await _prove_dead(do.step, bench)
        case Retire():
            return await _retire(do.step, bench)
        case SwitchOffLocalAuth():
            await bench.world.issuer.switch_off_local_auth(bench.credential.account)
            return Outcome(result="local auth off, read back", told=NOTHING)
        case _:
            assert_never(do.step)


async def _regenerate(slot: Slot, old: Fingerprint, bench: Bench) -> Outcome:
    sent = bench.world.clock.now()
    keys = await bench.world.issuer.regenerate(bench.credential.account, slot)
    now, new = bench.world.clock.now(), keys[slot].fingerprint
    learned = (
        replace(bench.memory.of(old), slot=slot, replaced_at=now),
        replace(bench.memory.of(new), slot=slot, minted_at=now),
        *superseded_beside(slot.other, keys[slot.other].fingerprint, bench.memory, now),
    )
    values = {value.fingerprint: value for value in keys.values()}
    await bench.world.journal.index(bench.credential.name, bench.credential.account, {slot: keys[slot]})
    told = replace(bench.look.told, keys=Word(said=keys, at=sent))
    return Outcome(result="regenerated", learned=learned, detail={"new_fingerprint": new}, values=values, told=told)


async def _prove(step: Prove, bench: Bench) -> Outcome:
    """Accepted at one endpoint host at least, and refused at none: a host that cannot be reached from here speaks for nobody."""
    value, now = bench.values[step.fingerprint], bench.world.clock.now()
    answers = await asyncio.gather(*(bench.world.data_plane.probe(bench.account, host, value) for host in bench.account.endpoints))
    memory = replace(bench.memory.of(step.fingerprint), slot=step.slot, probes=bench.memory.of(step.fingerprint).probes + 1)
    seen = _told(bench.account.endpoints, answers)
    verdicts = {answer.verdict for answer in answers}
    refused = Verdict.REFUSED in verdicts
    if Verdict.ACCEPTED in verdicts and not refused:
        learned = replace(memory, proven_at=now, seen=seen, unprovable="", probes=0, probe_again_at=None)
        return Outcome(result="accepted", learned=(learned,), detail={"seen": seen})
    barred = verdicts <= {Verdict.BARRED, Verdict.NOT_SERVED}
    waiting = replace(
        memory,
        seen=seen or "the account names no https endpoint",
        unprovable=(seen or "the account names no https endpoint") if barred else "",
        probe_again_at=now + _patience(memory.probes, bench),
    )
    return Outcome(result="not accepted yet" if refused else "inconclusive", learned=(waiting,), detail={"seen": seen})


async def _publish(do: Do, step: Publish, operation: str, bench: Bench) -> Outcome:
    secret, now = bench.look.secret, bench.world.clock.now()
    assert secret is not None
    own = tags.published(bench.credential, step.slot, step.fingerprint, operation, do.reason)
    text = bench.credential.template.fill(bench.values[step.fingerprint].reveal(), secret.text.reveal() if secret.text else None)
    edition = Edition(
        text=Sealed(text),
        tags=tags.with_foreign(own, secret.foreign_tags),
        expires=_expires(step, bench, now),
        content_type=secret.content_type,
    )
    placed = await bench.world.vault.publish(bench.credential.secret, edition)
    known = bench.memory.of(step.fingerprint)
    learned = replace(known, slot=step.slot, published_at=placed.created, version=placed.version)
    told = replace(bench.look.told, secret=Word(said=_as_published(secret, edition, placed), at=now))
    detail = {"version": placed.version, **tags.given_way(own, secret.foreign_tags)}
    return Outcome(result="published", learned=(learned,), detail=detail, told=told)


def _expires(step: Publish, bench: Bench, now: datetime) -> datetime:
    """When its cryptoperiod is over, which a value that was published before has begun already; never before an overlap is over."""
    policy = bench.credential.policy
    before = [one.created for one in bench.look.secret.view.versions if one.fingerprint == step.fingerprint] if bench.look.secret else []
    return max(min([now, *before]) + policy.cryptoperiod, now + min(policy.overlap, policy.cryptoperiod))


async def _adopt(step: Adopt, operation: str, bench: Bench) -> Outcome:
    """The tag's reason tells why a version superseded the one before it: an adopted one superseded none for a compromise."""
    secret = bench.look.secret
    assert secret is not None
    own = tags.published(bench.credential, step.slot, step.fingerprint, operation, Reason.SUPERSEDED)
    told = tags.with_foreign(own, secret.foreign_tags)
    await bench.world.vault.tag(bench.credential.secret, step.version, told)
    detail = {"version": step.version, **tags.given_way(own, secret.foreign_tags)}
    return Outcome(result="tagged", detail=detail, told=_retold(bench.look, step.version, told))


async def _propagate(step: Propagate, bench: Bench) -> Outcome:
    dependent = next(one for one in bench.credential.dependents if one.name == step.dependent)
    published = Published(
        secret=bench.credential.secret,
        version=step.version,
        fingerprint=step.fingerprint,
        value=bench.values[step.fingerprint],
        since=bench.look.snapshot.at,
        delivered_at=taken_at(bench.memory.adoptions, dependent.name, step.version),
    )
    await bench.world.kinds[dependent.kind].deliver(dependent, published)
    given = handed(bench.look.snapshot, step, bench.world.clock.now())
    return Outcome(result="delivered", handed=(given,), detail={"dependent": dependent.name})


async def _prove_dead(step: ProveDead, bench: Bench) -> Outcome:
    """One round: at each host a control with a live key, then probes with the dead one until one of them is not a 401."""
    value = await _value_of(step, bench)
    memory = bench.memory.of(step.fingerprint)
    memory = replace(memory, slot=memory.slot or step.slot, probes=memory.probes + 1)
    if value is None:
        return Outcome(result="lost", learned=(replace(memory, lost=True),), detail={"seen": "nobody holds the value any more"})
    live = [bench.values[live] for live in _live(bench) if live in bench.values and live != step.fingerprint]
    rounds = await asyncio.gather(*(_refused_everywhere(host, value, live, bench) for host in bench.account.endpoints))
    firsts = [one.first_401 for one in rounds if one.first_401]
    memory = replace(memory, first_401_at=memory.first_401_at or min(firsts, default=None))
    detail = {"seen": "; ".join(f"{host}: {one.seen}" for host, one in zip(bench.account.endpoints, rounds, strict=True))}
    serving = [one for one in rounds if one.verdict is not Verdict.NOT_SERVED]
    now = bench.world.clock.now()
    if serving and all(one.verdict is Verdict.REFUSED for one in serving):
        proof = f"{REFUSALS_IN_A_ROW}x401 at {len(serving)} of {len(rounds)} endpoint(s)"
        proof += ", the others serve no probe" if len(serving) < len(rounds) else ""
        dead = replace(memory, dead_at=now, proof=proof, seen=detail["seen"], probe_again_at=None)
        if memory.replaced_at:
            detail["dead_after_seconds"] = f"{(now - memory.replaced_at).total_seconds():.3f}"
        return Outcome(result="dead", learned=(dead,), detail=detail)
    alive = any(one.verdict is Verdict.ACCEPTED for one in rounds)
    waiting = replace(memory, seen=detail["seen"], probe_again_at=now + _patience(memory.probes, bench))
    return Outcome(result="still accepted" if alive else "inconclusive", learned=(waiting,), detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    verdict: Verdict
    seen: str
    first_401: datetime | None = None


async def _refused_everywhere(host: str, value: Sealed, live: list[Sealed], bench: Bench) -> _Round:
    """A 401 counts only where a live key is not refused: a wrong endpoint answers in the same words. The live ones are asked beside it."""
    asked = [beside(bench.world.data_plane.probe(bench.account, host, one)) for one in live]
    try:
        last, first = await _refused(host, value, bench)
        if last.verdict is not Verdict.REFUSED:
            return _Round(verdict=last.verdict, seen=last.seen, first_401=first)
        controls = [await one for one in asked]
    finally:
        await over(asked)
    told = ", ".join(control.seen for control in controls) or "none"
    if any(control.verdict in (Verdict.ACCEPTED, Verdict.NOT_SERVED) for control in controls):
        return _Round(verdict=Verdict.REFUSED, seen=f"{REFUSALS_IN_A_ROW} x 401, a live key {told}", first_401=first)
    return _Round(verdict=Verdict.INCONCLUSIVE, seen=f"401, but no live key was accepted there (control: {told})", first_401=first)


async def _refused(host: str, value: Sealed, bench: Bench) -> tuple[Answer, datetime | None]:
    """The last answer, which is the first one that is no 401 if there is one; and when the first 401 came."""
    first: datetime | None = None
    for _ in range(REFUSALS_IN_A_ROW):
        answer = await bench.world.data_plane.probe(bench.account, host, value)
        if answer.verdict is not Verdict.REFUSED:
            break
        first = first or answer.at
    return answer, first


async def _value_of(step: ProveDead, bench: Bench) -> Sealed | None:
    """The dead value: still in memory from this run, else from the version that holds it, else lost."""
    if step.fingerprint in bench.values:
        return bench.values[step.fingerprint]
    if step.version is None:
        return None
    try:
        text = await bench.world.vault.read(bench.credential.secret, step.version)
    except Missing:
        return None
    inside = bench.credential.template.extract(text.reveal())
    return Sealed(inside) if inside and Sealed(inside).fingerprint == step.fingerprint else None


def _live(bench: Bench) -> list[Fingerprint]:
    slots = bench.look.snapshot.slots
    return [] if isinstance(slots, Unseen) else list(slots.values())


async def _retire(step: Retire, bench: Bench) -> Outcome:
    """Disable the version and say in its tags when and how its key was proven dead."""
    secret = bench.look.secret
    version = secret.view.version(step.version) if secret else None
    if version is None:
        raise Missing(f"version {step.version} is not there any more")
    memory = bench.memory.of(step.fingerprint)
    proof = f"{memory.dead_at or bench.world.clock.now():%Y-%m-%dT%H:%M:%SZ} {memory.proof}".rstrip()
    own = tags.retired(bench.credential, step, version, proof)
    kept = tags.with_foreign(own, version.foreign_tags)
    await bench.world.vault.tag(bench.credential.secret, step.version, kept, disable=True)
    detail = {"version": step.version, "proof": proof, **tags.given_way(own, version.foreign_tags)}
    return Outcome(result="retired", detail=detail, told=_retold(bench.look, step.version, kept, enabled=False))


def _as_published(before: SecretLook, edition: Edition, placed: Placed) -> SecretLook:
    """The secret as the answer to a set tells it: one version more, and that is the current one."""
    version = tagged_version(
        edition.tags, id=placed.version, created=placed.created, expires=edition.expires, content_type=edition.content_type
    )
    current = Current(version=version.id, created=version.created, fingerprint=None)
    versions = (*(one for one in before.view.versions if one.id != version.id), version)
    view = SecretView(current=current, versions=versions)
    return SecretLook(view=view, text=edition.text, content_type=edition.content_type, foreign_tags=version.foreign_tags)


def _retold(look: Look, identity: str, tags: Mapping[str, str], *, enabled: bool = True) -> Told:
    """The secret with one version tagged anew. It is no younger for that."""
    word = look.told.secret
    if word is None:
        return look.told
    versions = tuple(
        tagged_version(tags, id=one.id, created=one.created, enabled=enabled, expires=one.expires, content_type=one.content_type)
        if one.id == identity
        else one
        for one in word.said.view.versions
    )
    return replace(look.told, secret=replace(word, said=replace(word.said, view=replace(word.said.view, versions=versions))))


def _patience(probes: int, bench: Bench) -> timedelta:
    """How long until the data plane is asked again: doubling from a quarter of a second; a gateway may take hours, but where somebody
    waits for the answer (or for the time of it) it is asked often enough."""
    doubled: timedelta = timedelta(seconds=0.25) * 2 ** min(probes, 12)
    return min(doubled, EMERGENCY_WAIT if bench.hurried else LONGEST_WAIT)


def _told(hosts: tuple[str, ...], answers: list[Answer]) -> str:
    return "; ".join(f"{host}: {answer.seen}" for host, answer in zip(hosts, answers, strict=True))
