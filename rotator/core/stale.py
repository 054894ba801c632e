"""Which look denies what we were told we did, and is not believed yet: a list of keys or a vault may answer with what was a moment ago."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rotator.core.credential import Credential, Slot
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import KeyMemory, Memory, SecretView, Snapshot, Unseen

STALE_LOOK_BELIEVED_AFTER = timedelta(minutes=10)
"""How long a look that denies what we were told we did (a replaced value listed, a published version not) is held to be stale."""
STRANGER_BELIEVED_AFTER = timedelta(minutes=2)
"""The same where a slot that we minted into shows a value that nobody remembers: an earlier mint of ours whose answer was lost, from a list
that lags; or what a person made right after us, who is found within this time. Not so where a call of ours in that slot has had no answer
since: what is there now is what that call made."""


def stale_slots(slots: Mapping[Slot, Fingerprint], snapshot: Snapshot, credential: Credential, now: datetime) -> Unseen | None:
    """Why these slots are not believed: they show a value that we saw replaced a moment ago, or not the one we just minted."""
    for slot, value in slots.items():
        replaced = snapshot.memory.of(value).replaced_at
        if replaced and now < replaced + STALE_LOOK_BELIEVED_AFTER:
            return Unseen(what="slots", because=f"listKeys still shows the value of {slot} that was replaced at {replaced:%H:%M:%S}")
        minted = _minted_lately(slot, value, snapshot, credential, now)
        if minted:
            return Unseen(what="slots", because=f"listKeys does not show yet what {slot} was given at {minted:%H:%M:%S}")
    return None


def denied_slot(
    value: Fingerprint, slots: Mapping[Slot, Fingerprint], snapshot: Snapshot, credential: Credential, now: datetime
) -> Slot | None:
    """Where we put this value last, if the list shows another one there and is not believed about it."""
    memory = snapshot.memory
    for slot, listed in slots.items():
        _, last = _last_minted(slot, memory)
        if last != value or listed == value or memory.of(value).replaced_at:
            continue
        replaced = memory.of(listed).replaced_at
        lags = replaced is not None and now < replaced + STALE_LOOK_BELIEVED_AFTER
        if lags or _minted_lately(slot, listed, snapshot, credential, now):
            return slot
    return None


def superseded_beside(slot: Slot, told: Fingerprint, memory: Memory, now: datetime) -> list[KeyMemory]:
    """What we put into this slot, and is not there any more, as the answer to a regenerate of the other one tells: that is no list, which
    may lag, and a value that nobody remembers came after ours."""
    at, last = _last_minted(slot, memory)
    if at is None or last is None or told == last or memory.of(last).replaced_at or not memory.of(told).is_new:
        return []
    return [replace(memory.of(last), replaced_at=now)]


def stale_secret(secret: SecretView, memory: Memory, now: datetime) -> Unseen | None:
    """Why this view of the secret is not believed: it lacks a version that we published lately, or is from before it.

    All of them are asked for, not the last alone: two versions of one second have no order.
    """
    lately = [key for key in memory.keys.values() if key.version and now < _published_at(key) + STALE_LOOK_BELIEVED_AFTER]
    if secret.deleted or not lately:
        return None
    last = max(lately, key=_published_at)
    older = secret.current is None or (secret.current.version != last.version and secret.current.created < _published_at(last))
    missing = last if older else next((key for key in lately if secret.version(key.version or "") is None), None)
    if missing is None:
        return None
    return Unseen(what="the secret", because=f"the vault does not show version {missing.version} yet, which we published")


def _minted_lately(slot: Slot, listed: Fingerprint, snapshot: Snapshot, credential: Credential, now: datetime) -> datetime | None:
    """When we last minted into `slot`, if that was a moment ago and `listed` is another value, not known to have come after it."""
    memory = snapshot.memory
    at, last = _last_minted(slot, memory)
    if at is None or last is None or last == listed or memory.of(last).replaced_at:
        return None
    if now >= at + STRANGER_BELIEVED_AFTER or _is_anothers_mint(at, listed, snapshot, credential):
        return None
    if _is_our_lost_answer(slot, at, listed, memory):
        return None
    later = memory.of(listed).minted_at
    return at if later is None or later < at else None


def _last_minted(slot: Slot, memory: Memory) -> tuple[datetime, Fingerprint] | tuple[None, None]:
    ours = [(key.minted_at, key.fingerprint) for key in memory.keys.values() if key.slot is slot and key.minted_at]
    return max(ours) if ours else (None, None)


def _is_our_lost_answer(slot: Slot, minted: datetime, value: Fingerprint, memory: Memory) -> bool:
    """What a call of ours has made there since, whose answer was lost: a value that nobody remembers, and that no call before it can have
    made. One that was settled as never made may have been made all the same, and a list that lags shows what it made."""
    sent, doubted = memory.unanswered.get(slot), memory.doubted.get(slot)
    if sent is None or sent < minted or not memory.of(value).is_new:
        return False
    return doubted is None or doubted + STRANGER_BELIEVED_AFTER <= sent


def _is_anothers_mint(at: datetime, value: Fingerprint, snapshot: Snapshot, credential: Credential) -> bool:
    """Made right after ours by a second writer, which the vault tells: it published this value, or any, after we minted ours."""
    secret, second = snapshot.secret, snapshot.memory.second_writer
    since = at.replace(microsecond=0)  # the vault's times are whole seconds
    if second is not None and second.created >= since:
        return True
    versions = secret.versions if isinstance(secret, SecretView) else ()
    return any(one.fingerprint == value and one.created >= since and one.is_of(credential.account) for one in versions)


def _published_at(key: KeyMemory) -> datetime:
    return key.published_at or datetime.min.replace(tzinfo=UTC)
