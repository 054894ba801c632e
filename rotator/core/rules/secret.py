"""The vault's secret: ours are healed where they give out no live key, and told by their tags; what was never ours is left to a person."""

from datetime import timedelta

from rotator.core.credential import TAGS_MAX, TAGS_NEEDED, Reason, Role, Slot
from rotator.core.facts import Facts, Needed
from rotator.core.incident import State
from rotator.core.rules.publication import publish
from rotator.core.step import Adopt, Decision, Do, Recover, Wait
from rotator.core.waiting import RECHECK

HEALS_PER_HOUR_MAX = 3


def heal(facts: Facts) -> Decision | None:
    """The vault's current value is in no slot, or there is none: publish a proven, uncompromised slot, if the secret is ours to set."""
    if facts.secret.deleted:
        because = f"{facts.credential.secret} is soft-deleted: a set would be refused until it is recovered"
        return Do(step=Recover(), reason=Reason.SUPERSEDED, because=because, phase="healing")
    if facts.active is not None:
        return None
    refused = _refuse_to_heal(facts)
    return refused or publish(facts, _candidate(facts), heals=True, reason=_reason_to_heal(facts), because=_why_heal(facts))


def adopt(facts: Facts) -> Decision | None:
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


def adopt_before_a_cut(facts: Facts) -> Decision | None:
    """The first touch of a secret tags it even before a cut: after it, nothing else would say that the secret is ours. It is tried once."""
    cut = any(case.waits_for_nobody(facts.now) for case in facts.compromised())
    try:
        first = adopt(facts) if cut and not facts.local_auth_is_off else None
    except Needed:
        return None  # what cannot be seen, or only as it was, does not hold up a cut
    return None if isinstance(first, Do) and facts.failures(first.step) else first


def cannot_heal(facts: Facts) -> bool:
    """Whether there is something to heal and it may not be."""
    return facts.active is None and not facts.secret.deleted and _refuse_to_heal(facts) is not None


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


def _why_heal(facts: Facts) -> str:
    if facts.current is None:
        return f"{facts.credential.secret} has no value yet"
    return "the vault's current value is in no slot of the account" if facts.current.enabled else "the vault's current version is disabled"


def _reason_to_heal(facts: Facts) -> Reason:
    """A current value that was compromised says so in the next version; one that a person replaced is superseded."""
    value = facts.current.fingerprint if facts.current else None
    return Reason.KEY_COMPROMISE if value and facts.is_compromised(value) else Reason.SUPERSEDED


def _reason_now(facts: Facts) -> Reason:
    """Why anything is done while a case is open."""
    return next((case.reason for case in facts.incidents if case.state is State.OPEN), Reason.SUPERSEDED)
