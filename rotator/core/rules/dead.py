"""A value that is in no slot any more: probed until it is proven dead, then its version is retired.

replaced        asked at every endpoint, again and again, while somebody holds it who can ask
proven dead     its version is disabled and tagged, once nobody can run on it
"""

from collections.abc import Iterator
from datetime import datetime

from rotator.core.credential import Reason, Version
from rotator.core.facts import Facts
from rotator.core.incident import State
from rotator.core.rules.secret import cannot_heal
from rotator.core.sealed import Fingerprint
from rotator.core.step import Decision, Do, ProveDead, Retire


def prove_dead(facts: Facts) -> Decision | None:
    """A revoked value is probed until it is proven dead: one that a version of ours still holds, or that a case is about."""
    step = next(proofs(facts), None)
    return to_prove_dead(facts, step) if step else None


def prove_dead_meanwhile(facts: Facts) -> Decision | None:
    """The vault cannot be seen, or may not be set, so nothing can be healed now; a leaked value's death can be proven all the same."""
    if not facts.incidents or facts.local_auth_is_off:
        return None
    return prove_dead(facts) if not facts.sees_secret or cannot_heal(facts) else None


def retire(facts: Facts) -> Decision | None:
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


def proofs(facts: Facts) -> Iterator[ProveDead]:
    """A round of probes for each replaced value whose turn it is."""
    if facts.account.cannot_be_asked:
        return
    for value, version in _buried_alive(facts):
        memory = facts.memory.of(value)
        if memory.lost or (memory.probe_again_at and facts.now < memory.probe_again_at):
            continue
        slot = memory.slot or (version.slot if version else None)
        yield ProveDead(fingerprint=value, slot=slot, version=version.id if version else None)


def to_prove_dead(facts: Facts, step: ProveDead) -> Do:
    """One of these, with its reason."""
    because = f"the value {step.fingerprint[:8]}… is replaced; the data plane has to refuse it at every endpoint"
    return Do(step=step, reason=_reason_of_death(facts, step.fingerprint), because=because, phase="proving_dead")


def probes_due(facts: Facts) -> list[datetime]:
    """When replaced values that are not proven dead are asked again."""
    if facts.account.cannot_be_asked:
        return []
    waiting = [facts.memory.of(value) for value, _ in _buried_alive(facts)]
    return [memory.probe_again_at for memory in waiting if memory.probe_again_at and memory.probe_again_at > facts.now and not memory.lost]


def version_that_holds(value: Fingerprint, facts: Facts) -> str | None:
    """A version that a replaced value can be read from, to probe it."""
    versions = _unretired(facts) if facts.sees_secret else []
    return next((version.id for version in versions if version.fingerprint == value), None)


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
