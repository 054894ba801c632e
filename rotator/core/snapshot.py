"""The world as it was seen at one moment, and what we remember of our own doing.

Unseen is a value: a fact that could not be read says why, and what a person should do. The snapshot holds no key, only fingerprints.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rotator.core.credential import Slot, Version
from rotator.core.sealed import Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A fact that could not be read. `again` is when the service said to come back; `hopeless` that a person has to act first; `settles`
    that it is our own call without an answer that is waited for."""

    what: str
    because: str
    remedy: str = ""
    again: datetime | None = None
    hopeless: bool = False
    settles: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """The issuer's account. `provable` tells whether its kind has a probe that costs nothing."""

    kind: str
    endpoints: tuple[str, ...]
    local_auth: bool = True
    provable: bool = True

    @property
    def cannot_be_asked(self) -> str:
        """Empty, or why no key can be tried at the data plane."""
        if not self.provable:
            return f"kind {self.kind} cannot be asked at the data plane"
        return "" if self.endpoints else "the account names no https endpoint, so the data plane cannot be asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What a reader without a version gets now. `fingerprint` is None where the value does not have the template's form."""

    version: str
    created: datetime
    fingerprint: Fingerprint | None
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretView:
    """The vault's secret: its current value and the versions, in no order (the vault gives them none)."""

    current: Current | None
    versions: tuple[Version, ...] = ()
    deleted: bool = False

    def version(self, identity: str) -> Version | None:
        return next((version for version in self.versions if version.id == identity), None)

    def active_since(self, account: str) -> datetime | None:
        """Since when the current value is given out: published again (gone back to, or healed), it is no younger for that."""
        if self.current is None:
            return None
        value = self.current.fingerprint
        before = [one.created for one in self.versions if value and one.fingerprint == value and one.is_of(account)]
        return min([self.current.created, *before])

    @property
    def current_version(self) -> Version | None:
        return self.version(self.current.version) if self.current else None


class Adoption(StrEnum):
    """Does a dependent run on the published value? Claimed: we wrote it and nothing can be read back."""

    PROVEN = "Proven"
    CLAIMED = "Claimed"
    STALE = "Stale"
    UNSEEN = "Unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class DependentView:
    """One dependent and what was seen of it: a version or fingerprint, a status, a time."""

    name: str
    kind: str
    adoption: Adoption
    seen: str = ""
    running: Fingerprint | None = None
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How a dependent was last seen: towards which published version, `since` when it is so, and when it was last handed that version."""

    dependent: str
    kind: str
    adoption: Adoption
    version: str
    fingerprint: Fingerprint
    since: datetime
    running: Fingerprint | None = None
    seen: str = ""
    because: str = ""
    delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMemory:
    """What the ledger knows of one value: every time is of an effect that was answered, or settled by looking.

    `published_at` is the vault's own time of `version`. `seen` is what the last probe saw, `unprovable` why the data plane could not be
    asked, `proof` how the value was proven dead, and `lost` says that nobody holds it any more to probe it.
    """

    fingerprint: Fingerprint
    slot: Slot | None = None
    minted_at: datetime | None = None
    proven_at: datetime | None = None
    published_at: datetime | None = None
    version: str | None = None
    replaced_at: datetime | None = None
    first_401_at: datetime | None = None
    dead_at: datetime | None = None
    seen: str = ""
    unprovable: str = ""
    proof: str = ""
    lost: bool = False
    probes: int = 0
    probe_again_at: datetime | None = None

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever done with this value, as far as we know: it may have been listed, and no more."""
        return not (self.probes or self.minted_at or self.proven_at or self.published_at or self.replaced_at or self.dead_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An operator's word to replace what the vault holds now: `value` is that value's fingerprint, or its version for a foreign one."""

    value: str
    foreign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """An operator's word, given at `at`, to publish `value` again in the place of `instead_of`: over when that is not current any more."""

    value: Fingerprint
    instead_of: Fingerprint
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """A step that was tried lately, with or without success: not again before `until`, and it does not hold up the others.

    `tries` so many times in a row; `hopeless` where a person has to act before it can succeed.
    """

    until: datetime
    because: str
    failed: bool
    tries: int = 1
    hopeless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Why the wave lets no scheduled rotation of this credential start now; `stopped` where a person has to resume it."""

    because: str
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The ledger's part of a snapshot. An empty one is always safe: it costs at most one extra mint.

    `blind_looks`: how many looks of this run in a row did not see the slots. `second_writer` is the vault's current version, where another
    ledger than ours seems to have published it. `unanswered`: when the last regenerate of a slot was meant whose outcome is not known;
    `doubted`: when the last one was that is taken for one that never was.
    """

    keys: Mapping[Fingerprint, KeyMemory] = field(default_factory=dict)
    adoptions: Mapping[str, Kept] = field(default_factory=dict)
    order: Order | None = None
    back: Rollback | None = None
    heals_last_hour: int = 0
    held_back: Mapping[str, HeldBack] = field(default_factory=dict)
    blind_looks: int = 0
    held_by_wave: Held | None = None
    second_writer: Version | None = None
    unanswered: Mapping[Slot, datetime] = field(default_factory=dict)
    doubted: Mapping[Slot, datetime] = field(default_factory=dict)

    def of(self, fingerprint: Fingerprint) -> KeyMemory:
        return self.keys.get(fingerprint) or KeyMemory(fingerprint=fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything the planner may know. `at` is when the look began (aware UTC): what happened after it may not be in it."""

    at: datetime
    account: AccountView | Unseen
    slots: Mapping[Slot, Fingerprint] | Unseen
    secret: SecretView | Unseen
    dependents: tuple[DependentView, ...] = ()
    memory: Memory = field(default_factory=Memory)
