"""What the planner's rules may ask of a snapshot. A question whose fact is Unseen raises `Needed`: so a rule waits only for what it asks.

Roles are derived here and nowhere stored: a slot is active if the vault's current version holds its value, retired if an earlier version
or our memory says that it was published, else standby.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from rotator.core.credential import Credential, Reason, Role, Slot, Version, account_tag
from rotator.core.incident import Incident
from rotator.core.policy import Unprovable
from rotator.core.retry import handed_again
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import (
    AccountView,
    Adoption,
    Current,
    DependentView,
    HeldBack,
    KeyMemory,
    Memory,
    SecretView,
    Snapshot,
    Unseen,
)
from rotator.core.step import Propagate, Step, label

T = TypeVar("T")

STALE_LOOK_BELIEVED_AFTER = timedelta(minutes=10)
"""How long a look that denies what we were told we did (a replaced value listed, a published version not) is held to be stale."""
STRANGER_BELIEVED_AFTER = timedelta(minutes=2)
"""The same where a slot that we minted into shows a value that nobody remembers: an earlier mint of ours whose answer was lost, from a list
that lags; or what a person made right after us, who is found within this time."""


class Needed(Exception):
    """A rule asked for a fact that could not be read."""

    def __init__(self, unseen: Unseen) -> None:
        super().__init__(unseen.because)
        self.unseen = unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Compromise:
    """A value that must die: by an incident, or because the vault's current version says why it superseded the one before."""

    fingerprint: Fingerprint
    deadline: datetime
    reason: Reason
    cuts: bool = False
    incident: Incident | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One snapshot with one credential's policy and cases, at `now`."""

    snapshot: Snapshot
    credential: Credential
    incidents: Sequence[Incident]
    now: datetime

    @property
    def memory(self) -> Memory:
        return self.snapshot.memory

    @property
    def account(self) -> AccountView:
        return _seen(self.snapshot.account)

    @property
    def local_auth_is_off(self) -> bool:
        account = self.snapshot.account
        return isinstance(account, AccountView) and not account.local_auth

    @property
    def slots(self) -> Mapping[Slot, Fingerprint]:
        """The live values. A list that shows a value we saw replaced a moment ago, or not the one we just minted, is stale: Unseen."""
        slots = _seen(self.snapshot.slots)
        for slot, value in slots.items():
            replaced = self.memory.of(value).replaced_at
            if replaced and self.now < replaced + STALE_LOOK_BELIEVED_AFTER:
                raise Needed(
                    Unseen(what="slots", because=f"listKeys still shows the value of {slot} that was replaced at {replaced:%H:%M:%S}")
                )
            minted = self._minted_lately(slot, value)
            if minted:
                raise Needed(Unseen(what="slots", because=f"listKeys does not show yet what {slot} was given at {minted:%H:%M:%S}"))
        return slots

    def _minted_lately(self, slot: Slot, listed: Fingerprint) -> datetime | None:
        """When we last minted into `slot`, if that was a moment ago and `listed` is another value, not known to have come after it."""
        ours = [(key.minted_at, key.fingerprint) for key in self.memory.keys.values() if key.slot is slot and key.minted_at]
        at, last = max(ours, default=(None, None))
        if at is None or last is None or last == listed or self.memory.of(last).replaced_at:
            return None
        later = self.memory.of(listed).minted_at
        if self._is_anothers_mint(at, listed):
            return None
        return at if self.now < at + STRANGER_BELIEVED_AFTER and (later is None or later < at) else None

    def _is_anothers_mint(self, at: datetime, value: Fingerprint) -> bool:
        """Made right after ours by a second writer, which the vault tells: it published this value, or any, after we minted ours."""
        secret, second = self.snapshot.secret, self.memory.second_writer
        since = at.replace(microsecond=0)  # the vault's times are whole seconds
        if second is not None and second.created >= since:
            return True
        versions = secret.versions if isinstance(secret, SecretView) else ()
        return any(one.fingerprint == value and one.created >= since and one.is_of(self.credential.account) for one in versions)

    @property
    def secret(self) -> SecretView:
        """The vault's secret. A view without a version that we published lately, or from before it, is stale, and so Unseen.

        All of them are asked for, not the last alone: two versions of one second have no order.
        """
        secret = _seen(self.snapshot.secret)
        lately = [key for key in self.memory.keys.values() if key.version and self.now < _published_at(key) + STALE_LOOK_BELIEVED_AFTER]
        if secret.deleted or not lately:
            return secret
        last = max(lately, key=_published_at)
        older = secret.current is None or (secret.current.version != last.version and secret.current.created < _published_at(last))
        missing = last if older else next((key for key in lately if secret.version(key.version or "") is None), None)
        if missing is not None:
            raise Needed(Unseen(what="the secret", because=f"the vault does not show version {missing.version} yet, which we published"))
        return secret

    @property
    def sees_secret(self) -> bool:
        try:
            return self.secret is not None
        except Needed:
            return False

    @property
    def current(self) -> Current | None:
        return self.secret.current

    @property
    def active_since(self) -> datetime:
        return self.secret.active_since(self.credential.account) or self.now

    @property
    def active(self) -> Slot | None:
        """The slot whose value the vault's current version holds."""
        current = self.current
        return self.slot_of(current.fingerprint) if current and current.enabled and current.fingerprint else None

    def slot_holding(self, value: Fingerprint) -> Slot | None:
        """The slot of one value, for a kill: that the list is stale about the other slot does not hold it up."""
        held = next((slot for slot, one in _seen(self.snapshot.slots).items() if one == value), None)
        return self.slot_of(value) if held and self.memory.of(value).replaced_at else held

    def slot_of(self, value: Fingerprint) -> Slot | None:
        return next((slot for slot, held in self.slots.items() if held == value), None)

    def role(self, slot: Slot) -> Role:
        if slot is self.active:
            return Role.ACTIVE
        return Role.RETIRED if self.was_published(self.slots[slot]) else Role.STANDBY

    def was_published(self, value: Fingerprint) -> bool:
        """Whether a version of the vault, or our memory, says that readers may have got this value."""
        tagged = any(version.fingerprint == value for version in self.secret.versions)
        return tagged or self.memory.of(value).published_at is not None

    def is_fresh(self, slot: Slot) -> bool:
        """A mint of ours that nobody was ever given, no older than one cryptoperiod."""
        minted = self.memory.of(self.slots[slot]).minted_at
        young = minted is not None and self.now - minted <= self.credential.policy.cryptoperiod
        return young and self.role(slot) is Role.STANDBY and not self.is_compromised(self.slots[slot])

    def versions_of_ours(self) -> list[Version]:
        """The versions that carry this account in our tag, and those that could not be tagged but whose value is remembered."""
        remembered: dict[str | None, KeyMemory] = {key.version: key for key in self.memory.keys.values() if key.version}
        return [known for version in self.secret.versions if (known := self._known(version, remembered))]

    def _known(self, version: Version, remembered: Mapping[str | None, KeyMemory]) -> Version | None:
        if version.is_of(self.credential.account) and version.fingerprint:
            return version
        key = remembered.get(version.id)
        return replace(version, fingerprint=key.fingerprint, slot=key.slot, account=account_tag(self.credential.account)) if key else None

    @property
    def secret_is_ours(self) -> bool:
        """Whether a version carries this account in our tag, or its current value was once seen in a slot of this account."""
        known = self.current is not None and self.current.fingerprint in self.memory.keys
        return known or bool(self.versions_of_ours())

    def compromised(self) -> Iterator[Compromise]:
        """Every value that must die, cases first. The second source needs no ledger: the vault says why a value was superseded."""
        for incident in self.incidents:
            if incident.is_acted_on:
                yield Compromise(
                    fingerprint=incident.fingerprint,
                    deadline=incident.deadline,
                    reason=incident.reason,
                    cuts=incident.cuts,
                    incident=incident,
                )
        yield from self._said_by_the_vault()

    def _said_by_the_vault(self) -> Iterator[Compromise]:
        secret, slots = self.snapshot.secret, self.snapshot.slots
        if isinstance(secret, Unseen) or isinstance(slots, Unseen) or secret.current is None or secret.current_version is None:
            return
        current = secret.current_version
        if current.reason not in (Reason.KEY_COMPROMISE, Reason.SUSPECTED_COMPROMISE) or not current.is_of(self.credential.account):
            return
        deadline = current.created + self.credential.policy.drain_deadline
        older = [one for one in secret.versions if one.created <= current.created and one.fingerprint not in (None, current.fingerprint)]
        last = max((one.created for one in older), default=current.created)
        for version in older:
            if version.created == last and version.fingerprint in slots.values() and version.fingerprint is not None:
                yield Compromise(fingerprint=version.fingerprint, deadline=deadline, reason=Reason(current.reason))

    def is_compromised(self, value: Fingerprint) -> bool:
        return any(case.fingerprint == value for case in self.compromised())

    def held_back(self, step: Step) -> HeldBack | None:
        """Whether this very step was tried a moment ago and is not to be tried again yet."""
        handed = self._handed(step) if isinstance(step, Propagate) else None
        held = [one for one in (self.memory.held_back.get(label(step)), handed) if one and self.now < one.until]
        return max(held, key=lambda one: (one.failed, one.until), default=None)

    def _handed(self, step: Propagate) -> HeldBack | None:
        """What the ledger says of the last delivery, whoever did it."""
        kept = self.memory.adoptions.get(step.dependent)
        if kept is None or kept.version != step.version or kept.delivered_at is None:
            return None
        until = handed_again(kept.since, kept.delivered_at, emergency=any(case.is_open for case in self.incidents))
        return HeldBack(until=until, because="delivered", failed=False)

    def laggards(self) -> list[DependentView]:
        """Dependents that may still run on an older value: seen to (Stale), or not seen (Unseen)."""
        return [view for view in self.snapshot.dependents if view.adoption in (Adoption.STALE, Adoption.UNSEEN)]

    def moved(self) -> bool:
        """Whether a scheduled revocation may go on: every dependent Proven; Claimed counts once grace is over."""
        current = self.current
        grace_over = current is not None and self.now >= self.grace_ends()
        enough = {Adoption.PROVEN, Adoption.CLAIMED} if grace_over else {Adoption.PROVEN}
        return all(view.adoption in enough for view in self.snapshot.dependents)

    def grace_ends(self) -> datetime:
        """Until when dependents may lag before somebody is told, and before Claimed counts as moved."""
        return (self.current.created if self.current else self.now) + self.credential.policy.grace

    def overlap_ends(self) -> datetime:
        created = self.current.created if self.current else self.now
        return created + self.credential.policy.overlap

    @property
    def can_prove(self) -> bool:
        """Whether a value may be published: the data plane can be asked, or the settings accept that it cannot."""
        return not self.account.cannot_be_asked or self.credential.policy.unprovable is Unprovable.ACCEPT

    def is_proven(self, value: Fingerprint) -> bool:
        """Whether the data plane has accepted the value, or could not be asked and the settings accept that."""
        memory = self.memory.of(value)
        return memory.proven_at is not None or (self.credential.policy.unprovable is Unprovable.ACCEPT and bool(memory.unprovable))

    def contain_ordered(self) -> Incident | None:
        """A case that asks for local auth to be off and has not had it."""
        return next((case for case in self.incidents if case.awaits_containment), None)


def _seen(fact: T | Unseen) -> T:
    if isinstance(fact, Unseen):
        raise Needed(fact)
    return fact


def _published_at(key: KeyMemory) -> datetime:
    return key.published_at or datetime.min.replace(tzinfo=UTC)
