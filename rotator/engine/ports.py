"""What the engine asks of the outside, in its own words. Adapters fulfil these Protocols; none of them is a base class.

Every method may raise a `Fault`. A method that changes something sends its call at most once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from rotator.core.credential import Dependent, Secret, Slot
from rotator.core.incident import Incident
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.settle import Intent
from rotator.core.snapshot import AccountView, DependentView, Held, Kept, KeyMemory, Memory, SecretView
from rotator.core.step import Do, Start


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now(self) -> datetime: ...

    async def sleep(self, length: timedelta) -> None: ...


class Verdict(StrEnum):
    """What one probe says about one key at one endpoint. Only `refused` (401) speaks of death; `barred` (403, no probe) says nothing."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SERVED = "not_served"
    BARRED = "barred"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One probe's verdict, with what was seen (a status, an error name) and when."""

    verdict: Verdict
    seen: str
    at: datetime


class Issuer(Protocol):
    """The service that makes keys."""

    async def account(self, account: str) -> AccountView: ...

    async def keys(self, account: str) -> Mapping[Slot, Sealed]: ...

    async def regenerate(self, account: str, slot: Slot) -> Mapping[Slot, Sealed]: ...

    async def switch_off_local_auth(self, account: str) -> None: ...


class DataPlane(Protocol):
    """Where a key is used."""

    async def probe(self, account: AccountView, endpoint: str, value: Sealed) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretLook:
    """A secret as it is now, and the text that its current version holds (which may carry the key inside)."""

    view: SecretView
    text: Sealed | None
    content_type: str | None = None
    foreign_tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A new version to be written: the text and everything that goes with it in the same call."""

    text: Sealed
    tags: Mapping[str, str]
    expires: datetime
    content_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The version that a publish made, and the vault's own time of it."""

    version: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Glimpse:
    """What a reader without a version gets now, and what its tags say: one call. `fingerprint` is the tag's word, not the value's."""

    version: str
    text: Sealed
    fingerprint: Fingerprint | None


class Vault(Protocol):
    """Where the current value is published."""

    async def look(self, secret: Secret) -> SecretLook: ...

    async def glimpse(self, secret: Secret) -> Glimpse:
        """Raises Missing where nothing is there, or where its current version is disabled."""

    async def read(self, secret: Secret, version: str) -> Sealed: ...

    async def publish(self, secret: Secret, edition: Edition) -> Placed: ...

    async def tag(self, secret: Secret, version: str, tags: Mapping[str, str], *, disable: bool = False) -> None: ...


class Recovery(Protocol):
    """The vault's bin: a soft-deleted name has to be recovered before it can be set."""

    async def recover(self, secret: Secret) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a dependent should run on: the version, its fingerprint, and the value for those that must be handed it.

    `delivered_at` is when this very version was handed to this dependent, which was then seen to have taken it; None where nobody knows.
    """

    secret: Secret
    version: str
    fingerprint: Fingerprint
    value: Sealed
    since: datetime
    delivered_at: datetime | None = None


class Kind(Protocol):
    """One kind of dependent: make it move, and see whether it has."""

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView: ...

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Asked again until adoption is seen: a delivery of the same value that is under way is not started over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to act on one credential, fenced by `token`. `rotation` is one id from the trigger to the proof, over as many runs as it
    takes."""

    credential: str
    owner: str
    token: str
    rotation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBy:
    """Another worker acts on the credential."""

    owner: str


class Work(Protocol):
    """The one row per credential that is all the queue there is."""

    async def claim(self, credential: str) -> Lease | HeldBy: ...

    async def hold(self, lease: Lease) -> None:
        """Raises LeaseLost where the lease is not ours any more."""

    async def woken(self, lease: Lease) -> bool:
        """Whether somebody woke the credential since it was claimed (or since this was last asked)."""

    async def finish(self, lease: Lease, *, again: datetime, rests_until: datetime | None = None) -> None:
        """Due next at `again`; `rests_until` where the rotation is over and nothing else is to be done before that."""


class Cases(Protocol):
    """The incidents."""

    async def file(self, incident: Incident) -> Incident:
        """Store the case, or return the unfinished one about the same value (made stricter if the new one is)."""

    async def of(self, credential: str) -> list[Incident]: ...

    async def save(self, incident: Incident, *, because: str) -> None: ...


class Journal(Protocol):
    """Intents before, outcomes after, and what is remembered of each value."""

    async def recall(self, credential: str) -> tuple[Memory, list[Intent]]: ...

    async def index(self, credential: str, account: str, values: Mapping[Slot, Sealed]) -> None: ...

    async def intended(self, credential: str, operation: str) -> bool:
        """Whether an operation that a tag names was one of this ledger."""

    async def say_once(self, credential: str, event: str, fields: Mapping[str, str]) -> bool:
        """Into the audit, unless it says so already; whether it is new."""

    async def remember(self, lease: Lease, learned: Sequence[KeyMemory]) -> None: ...

    async def adopted(self, lease: Lease, changed: Sequence[Kept]) -> None:
        """Keep how these dependents are seen to be now, and say so in the audit."""

    async def intend(self, lease: Lease, operation: str, do: Do) -> None: ...

    async def outcome(
        self,
        lease: Lease,
        operation: str,
        result: str,
        *,
        learned: Sequence[KeyMemory] = (),
        handed: Sequence[Kept] = (),
        detail: Mapping[str, str] | None = None,
    ) -> None: ...


class Gate(Protocol):
    """Whether a scheduled rotation may start, or go on before it has published: the waves."""

    async def enter(self, credential: str, start: Start) -> Held | None: ...


class OpenGate:
    """No waves: everything may start."""

    async def enter(self, credential: str, start: Start) -> Held | None:
        return None


class Watch(Protocol):
    """Somebody who looks on: the log, a terminal. Never sees a value."""

    def __call__(self, event: str, **fields: Any) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Every port at once: what wiring makes for real and the tests make in memory."""

    clock: Clock
    issuer: Issuer
    data_plane: DataPlane
    vault: Vault
    recovery: Recovery
    kinds: Mapping[str, Kind]
    work: Work
    cases: Cases
    journal: Journal
    watch: Watch
    gate: Gate = field(default_factory=OpenGate)
