"""The closed union of permitted effects, and the planner's three answers. Nothing else in the program may change the outside."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rotator.core.credential import Reason, Slot
from rotator.core.sealed import Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOffLocalAuth:
    """Contain: the account accepts no key at all any more."""

    name = "switch_off_local_auth"
    incident: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """Regenerate `slot` so that `fingerprint` dies."""

    name = "revoke"
    slot: Slot
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Mint:
    """Regenerate the standby `slot` to have a fresh value; `replaces` dies by it."""

    name = "mint"
    slot: Slot
    replaces: Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Prove:
    """Ask the data plane whether it accepts the value in `slot`."""

    name = "prove"
    slot: Slot
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Make the value in `slot` the vault's current version. `heals` where the current one was not ours to leave."""

    name = "publish"
    slot: Slot
    fingerprint: Fingerprint
    heals: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Tag an existing version whose value is the key in `slot`; no new version."""

    name = "adopt"
    version: str
    slot: Slot
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover:
    """Bring a soft-deleted secret back, so that it can be set."""

    name = "recover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Propagate:
    """Make one dependent pick up the published value."""

    name = "propagate"
    dependent: str
    slot: Slot
    fingerprint: Fingerprint
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveDead:
    """One round of probes with a revoked value; `version` is the vault's version that still holds it, if any."""

    name = "prove_dead"
    fingerprint: Fingerprint
    slot: Slot | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """Disable the version of a dead value and tag it with the proof."""

    name = "retire"
    version: str
    fingerprint: Fingerprint
    slot: Slot | None = None


Step = SwitchOffLocalAuth | Revoke | Mint | Prove | Publish | Adopt | Recover | Propagate | ProveDead | Retire


def label(step: Step) -> str:
    """What tells this step from another of its kind: by it, a step that failed is held back."""
    parts = (step.name, slot_of(step), fingerprint_of(step), getattr(step, "dependent", None), getattr(step, "version", None))
    return " ".join(str(part) for part in parts if part)


def slot_of(step: Step) -> Slot | None:
    """The slot a step is about, if it is about one."""
    return getattr(step, "slot", None)


def fingerprint_of(step: Step) -> Fingerprint | None:
    """The value a step is about, if it is about one."""
    return getattr(step, "replaces", None) or getattr(step, "fingerprint", None)


class Start(StrEnum):
    """Whose wish a scheduled rotation is, as long as its value is not published: the wave is asked before each such step."""

    CADENCE = "cadence"
    ORDER = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Perform `step` now, and at the same time what stands `beside` it: deliveries to others of its stage, each with an intent of its own.

    `because` is a sentence a person can read. `starts`: part of a rotation that a wave may hold.
    """

    step: Step
    reason: Reason
    because: str
    phase: str
    starts: Start | None = None
    beside: tuple[Propagate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A rotation is under way and goes on at `until`, or a person has to do something first (`tell`).

    `refused`: a guard rail stands here; `failed`: a step failed and is tried again; `hopeless`: waiting alone does not help;
    `for_dependents`: they alone are waited for.
    """

    until: datetime
    because: str
    phase: str
    reason: Reason | None = None
    tell: bool = False
    refused: bool = False
    failed: bool = False
    hopeless: bool = False
    for_dependents: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Nothing to do before `until`."""

    until: datetime
    because: str
    phase: str = "quiet"


Decision = Do | Wait | Quiet
