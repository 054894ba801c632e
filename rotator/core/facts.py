"""What the planner's rules may ask of a snapshot. A question whose fact is Unseen raises `Needed`: so a rule waits only for what it asks.

Roles are derived here and nowhere stored: a slot is active if the vault's current version holds its value, retired if an earlier version
or our memory says that it was published, else standby.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from rotator.core.compromise import Compromise, compromises
from rotator.core.credential import Credential, Role, Slot, Version, account_tag
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
from rotator.core.stale import denied_slot, stale_secret, stale_slots
from rotator.core.step import Propagate, Step, label

T = TypeVar("T")


class Needed(Exception):
    """A rule asked for a fact that could not be read."""

    def __init__(self, unseen: Unseen) -> None:
        super().__init__(unseen.because)
        self.unseen = unseen


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
        """The live values. A list that denies what we were told we did is stale, and so Unseen."""
        slots = _seen(self.snapshot.slots)
        return _seen(stale_slots(slots, self.snapshot, self.credential, self.now) or slots)

    @property
    def secret(self) -> SecretView:
        """The vault's secret. A view without a version that we published lately, or from before it, is stale, and so Unseen."""
        secret = _seen(self.snapshot.secret)
        return _seen(stale_secret(secret, self.memory, self.now) or secret)

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

    def slot_denied(self, value: Fingerprint) -> Slot | None:
        """The slot that we put this value into, where a list that is not believed shows another one: for a kill that waits for nobody. What
        is there instead costs one mint more; but for what the vault gives out now, which is never killed in its place."""
        slots, secret = _seen(self.snapshot.slots), self.snapshot.secret
        slot = denied_slot(value, slots, self.snapshot, self.credential, self.now)
        current = secret.current if isinstance(secret, SecretView) else None
        return None if slot is None or (current is not None and current.fingerprint == slots[slot]) else slot

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

    @property
    def is_emergency(self) -> bool:
        return any(case.is_open for case in self.incidents)

    def compromised(self) -> Iterator[Compromise]:
        """Every value that must die, cases first."""
        return compromises(self.snapshot, self.credential, self.incidents)

    def is_compromised(self, value: Fingerprint) -> bool:
        return any(case.fingerprint == value for case in self.compromised())

    def held_back(self, step: Step) -> HeldBack | None:
        """Whether this very step was tried a moment ago and is not to be tried again yet."""
        handed = self._handed(step) if isinstance(step, Propagate) else None
        held = [one for one in (self.memory.held_back.get(label(step)), handed) if one and self.now < one.until]
        return max(held, key=lambda one: (one.failed, one.until), default=None)

    def failures(self, step: Step) -> int:
        """How often in a row this very step failed in this run, also where it may be tried again: a look may take longer than that wait."""
        tried = self.memory.held_back.get(label(step))
        return tried.tries if tried and tried.failed else 0

    def _handed(self, step: Propagate) -> HeldBack | None:
        """What the ledger says of the last delivery, whoever did it."""
        kept = self.memory.adoptions.get(step.dependent)
        if kept is None or kept.version != step.version or kept.delivered_at is None:
            return None
        until = handed_again(kept.since, kept.delivered_at, emergency=self.is_emergency)
        return HeldBack(until=until, because="delivered", failed=False)

    def laggards(self) -> list[DependentView]:
        """Dependents that may still run on an older value: seen to (Stale), or not seen (Unseen)."""
        return [view for view in self.snapshot.dependents if view.adoption in (Adoption.STALE, Adoption.UNSEEN)]

    def moved(self) -> bool:
        """Whether a scheduled revocation may go on: every dependent Proven; Claimed counts once grace is over."""
        enough = {Adoption.PROVEN, Adoption.CLAIMED} if self.grace_is_over else {Adoption.PROVEN}
        return all(view.adoption in enough for view in self.snapshot.dependents)

    def grace_ends(self) -> datetime:
        """Until when dependents may lag before somebody is told, and before Claimed counts as moved."""
        return (self.current.created if self.current else self.now) + self.credential.policy.grace

    @property
    def grace_is_over(self) -> bool:
        return self.current is not None and self.now >= self.grace_ends()

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
