"""The snapshot after a step, supposing that it succeeds: so a whole runbook is shown without performing any of it.

Promises to use plan() itself: what is forecast is what would be decided. Never predicts a service that fails; the runbook is the plain
walk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from rotator.core.credential import Credential, Slot, Version
from rotator.core.facts import Facts
from rotator.core.incident import Incident, State
from rotator.core.plan import plan
from rotator.core.retry import EMERGENCY_WAIT
from rotator.core.sealed import Fingerprint
from rotator.core.settle import settle
from rotator.core.snapshot import AccountView, Adoption, Current, KeyMemory, Memory, SecretView, Snapshot, Unseen
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
    Step,
    SwitchOffLocalAuth,
    Wait,
)

STEPS_MAX = 24
HORIZON = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """One line of a runbook: what would be decided, not before when."""

    decision: Decision
    not_before: datetime


def runbook(
    snapshot: Snapshot, credential: Credential, incidents: Sequence[Incident], now: datetime, *, barred: str = ""
) -> list[Forecast]:
    """The decisions from here until all is quiet, or until a person is needed. `barred`: what the data plane answers to whatever is asked
    of it from here, so that nothing is proven, neither a value nor its death."""
    lines: list[Forecast] = []
    cases = list(incidents)
    for _ in range(STEPS_MAX):
        facts = Facts(snapshot=snapshot, credential=credential, incidents=cases, now=now)
        moved = {case.id: case for case in settle(facts)}
        cases = [moved.get(case.id, case) for case in cases]
        decision = plan(snapshot, credential, cases, now)
        lines.append(Forecast(decision=decision, not_before=now))
        match decision:
            case Do(step=step, beside=beside):
                for one in (step, *beside):
                    snapshot, cases = after(snapshot, credential, cases, one, now, barred=barred)
            case Wait() if decision.refused or decision.phase == "unseen" or decision.until - now > HORIZON or _is_barred(decision, barred):
                deadline = _next_deadline(cases, now)
                if deadline is None:
                    return lines
                now = deadline
            case Wait():
                now = max(decision.until, now + timedelta(seconds=1))
            case Quiet():
                return lines
            case _:
                assert_never(decision)
    return lines


def _is_barred(wait: Wait, barred: str) -> bool:
    """Nothing that is asked again gets another answer."""
    return bool(barred) and wait.phase in ("proving", "proving_dead")


def _next_deadline(cases: Sequence[Incident], now: datetime) -> datetime | None:
    """When a case that is open kills, although nothing can be done for it until then."""
    return min((case.deadline for case in cases if case.state is State.OPEN and now < case.deadline), default=None)


def after(
    snapshot: Snapshot, credential: Credential, cases: Sequence[Incident], step: Step, now: datetime, *, barred: str = ""
) -> tuple[Snapshot, list[Incident]]:
    """The world and the cases once `step` has succeeded."""
    match step:
        case Mint(slot=slot, replaces=old) | Revoke(slot=slot, fingerprint=old):
            return _regenerated(snapshot, slot, old, now), list(cases)
        case Prove(fingerprint=value) | ProveDead(fingerprint=value) if barred:
            again = now + EMERGENCY_WAIT
            return _remember(snapshot, value, probes=1, seen=barred, unprovable=barred, probe_again_at=again), list(cases)
        case Prove(fingerprint=value):
            return _remember(snapshot, value, proven_at=now), list(cases)
        case Publish():
            return _published(snapshot, credential, cases, step, now), list(cases)
        case Adopt():
            return _adopted(snapshot, credential, step), list(cases)
        case Recover():
            return replace(snapshot, secret=replace(_secret(snapshot), deleted=False)), list(cases)
        case Propagate(dependent=name):
            views = tuple(replace(view, adoption=Adoption.PROVEN) if view.name == name else view for view in snapshot.dependents)
            return replace(snapshot, dependents=views), list(cases)
        case ProveDead(fingerprint=value):
            return _remember(snapshot, value, dead_at=now, probes=1), list(cases)
        case Retire(version=identity):
            return _retired(snapshot, identity, now), list(cases)
        case SwitchOffLocalAuth(incident=identity):
            contained = [replace(case, contained_at=now) if case.id == identity else case for case in cases]
            return _contained(snapshot), contained
        case _:
            assert_never(step)


def _regenerated(snapshot: Snapshot, slot: Slot, old: Fingerprint, now: datetime) -> Snapshot:
    fresh = Fingerprint(f"new value of {slot} {sum(1 for _ in snapshot.memory.keys)}")
    minted = _remember(_remember(snapshot, old, replaced_at=now), fresh, minted_at=now, slot=slot)
    slots: Mapping[Slot, Fingerprint] | Unseen = snapshot.slots
    return minted if isinstance(slots, Unseen) else replace(minted, slots={**slots, slot: fresh})


def _published(snapshot: Snapshot, credential: Credential, cases: Sequence[Incident], step: Publish, now: datetime) -> Snapshot:
    secret = _secret(snapshot)
    leaked = {case.fingerprint for case in cases}
    compromised = secret.current is not None and secret.current.fingerprint in leaked
    version = Version(
        id=f"version {len(secret.versions) + 1}",
        created=now,
        fingerprint=step.fingerprint,
        slot=step.slot,
        account=credential.account,
        reason="key_compromise" if compromised else "superseded",
    )
    current = Current(version=version.id, created=now, fingerprint=step.fingerprint)
    stale = tuple(replace(view, adoption=Adoption.STALE, because="has not the new value yet") for view in snapshot.dependents)
    shown = replace(snapshot, secret=replace(secret, current=current, versions=(*secret.versions, version)), dependents=stale)
    return _remember(shown, step.fingerprint, published_at=now, version=version.id)


def _adopted(snapshot: Snapshot, credential: Credential, step: Adopt) -> Snapshot:
    secret = _secret(snapshot)
    created = secret.current.created if secret.current else snapshot.at
    others = tuple(version for version in secret.versions if version.id != step.version)
    tagged = Version(id=step.version, created=created, fingerprint=step.fingerprint, slot=step.slot, account=credential.account)
    return replace(snapshot, secret=replace(secret, versions=(*others, tagged)))


def _retired(snapshot: Snapshot, identity: str, now: datetime) -> Snapshot:
    secret = _secret(snapshot)
    versions = tuple(
        replace(version, enabled=False, retired=now.isoformat()) if version.id == identity else version for version in secret.versions
    )
    return replace(snapshot, secret=replace(secret, versions=versions))


def _contained(snapshot: Snapshot) -> Snapshot:
    off = Unseen(what="slots", because="local auth is off")
    account = snapshot.account
    return replace(snapshot, slots=off, account=replace(account, local_auth=False) if isinstance(account, AccountView) else account)


def _remember(snapshot: Snapshot, value: Fingerprint, **facts: object) -> Snapshot:
    known = snapshot.memory.keys.get(value) or KeyMemory(fingerprint=value)
    keys = {**snapshot.memory.keys, value: replace(known, **facts)}  # type: ignore[arg-type]
    memory: Memory = replace(snapshot.memory, keys=keys)
    return replace(snapshot, memory=memory)


def _secret(snapshot: Snapshot) -> SecretView:
    return SecretView(current=None) if isinstance(snapshot.secret, Unseen) else snapshot.secret
