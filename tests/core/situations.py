"""Small builders for the tables: one account at rest, and what may be different about it. Fingerprints only, as in the core."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.core.credential import Credential, Reason, Secret, Slot, Version
from rotator.core.incident import Incident, State
from rotator.core.plan import plan
from rotator.core.policy import Mode, Policy
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
from rotator.core.step import Decision, Do, Step, label

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEY1, KEY2 = Slot.KEY1, Slot.KEY2
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ACCOUNT = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/chat"
OTHER_ACCOUNT = ACCOUNT + "-of-somebody-else"


def value(letter: str) -> Fingerprint:
    """A fingerprint that is easy to tell from others in a failing test."""
    return Fingerprint(letter * 26)


A, B, C, D = (value(letter) for letter in "abcd")
FOREIGN = value("x")
"""At rest A is in key1 and published, B is in key2; C and D are values that come or were."""


def credential(**policy: Any) -> Credential:
    return Credential(
        name="chat", account=ACCOUNT, secret=Secret(vault="https://kv.vault.azure.net", name="chat-key"), policy=Policy(**policy)
    )


def account(**changes: Any) -> AccountView:
    return replace(AccountView(kind="OpenAI", endpoints=("https://chat.openai.azure.com",)), **changes)


def unseen(what: str, because: str = "the service does not answer", **changes: Any) -> Unseen:
    return Unseen(what=what, because=because, **changes)


def version(identity: str, holds: Fingerprint | None, age: timedelta = DAY, **changes: Any) -> Version:
    """One of ours, unless `changes` says otherwise."""
    ours = Version(id=identity, created=NOW - age, fingerprint=holds, account=ACCOUNT, reason=Reason.SUPERSEDED)
    return replace(ours, **changes)


def untagged(identity: str, age: timedelta = DAY) -> Version:
    return Version(id=identity, created=NOW - age)


def vault(*versions: Version, holds: Fingerprint | None = None) -> SecretView:
    """The last version is the current one; `holds` where its tags do not tell what is in it."""
    last = versions[-1]
    current = Current(version=last.id, created=last.created, fingerprint=holds or last.fingerprint, enabled=last.enabled)
    return SecretView(current=current, versions=versions)


def known(holds: Fingerprint, **facts: Any) -> KeyMemory:
    return KeyMemory(fingerprint=holds, **facts)


def remember(*keys: KeyMemory, **changes: Any) -> Memory:
    """What the ledger knows; that the data plane answered to A once, unless `keys` says otherwise."""
    return Memory(keys={one.fingerprint: one for one in (known(A, proven_at=NOW - DAY), *keys)}, **changes)


def dependent(name: str, adoption: Adoption, **changes: Any) -> DependentView:
    return replace(DependentView(name=name, kind="app-service", adoption=adoption), **changes)


def case(holds: Fingerprint, mode: Mode = Mode.DRAIN, *, left: timedelta = MINUTE, **changes: Any) -> Incident:
    """A leak of a value; `left` is the time until its deadline."""
    opened = Incident(
        id=f"inc-{holds[0]}",
        credential="chat",
        account=ACCOUNT,
        fingerprint=holds,
        slot=None,
        reason=Reason.KEY_COMPROMISE,
        mode=mode,
        source="operator",
        note="",
        reported_at=NOW - MINUTE,
        deadline=NOW + left,
    )
    return replace(opened, **changes)


def revoked(holds: Fingerprint, mode: Mode = Mode.CUT, **changes: Any) -> Incident:
    return case(holds, mode, state=State.REVOKED, revoked_at=NOW - SECOND, **changes)


def at_rest(**changes: Any) -> Snapshot:
    """key1 is active since yesterday and proven, key2 stands by, nobody lags; the ledger knows nothing else."""
    rest = Snapshot(at=NOW, account=account(), slots={KEY1: A, KEY2: B}, secret=vault(version("v1", A)), memory=remember())
    return replace(rest, **changes)


def due(**changes: Any) -> Snapshot:
    """The cryptoperiod of key1 is over."""
    return at_rest(**{"secret": vault(version("v1", A, 31 * DAY)), **changes})


def overlap(published: timedelta = HOUR, **changes: Any) -> Snapshot:
    """key2 was published `published` ago, key1 is retired and still valid."""
    return at_rest(**{"secret": vault(version("v1", A, 31 * DAY), version("v2", B, published)), **changes})


def killed(**changes: Any) -> Snapshot:
    """key1 had the leaked A and was regenerated to C; the vault still gives A out."""
    return at_rest(**{"slots": {KEY1: C, KEY2: B}, "memory": remember(known(A, replaced_at=NOW - SECOND, slot=KEY1)), **changes})


def healed(**changes: Any) -> Snapshot:
    """After the kill, key2 was published in the place of the leaked A."""
    told = vault(version("v1", A, 9 * DAY), version("v2", B, MINUTE, reason=Reason.KEY_COMPROMISE))
    return killed(**{"secret": told, **changes})


def decide(seen: Snapshot, *cases: Incident, of: Credential | None = None, now: datetime = NOW) -> Decision:
    return plan(seen, of or credential(), cases, now)


def hold_back(seen: Snapshot, *steps: Step, failed: bool = True, lasts: timedelta = SECOND) -> Snapshot:
    """The steps were tried a moment ago."""
    held = HeldBack(until=NOW + lasts, because="the service answered 500", failed=failed)
    labels = {**seen.memory.held_back, **{label(step): held for step in steps}}
    return replace(seen, memory=replace(seen.memory, held_back=labels))


def steps_of(decisions: Iterable[Decision]) -> list[str]:
    """The names of the steps among decisions, in order."""
    return [decision.step.name for decision in decisions if isinstance(decision, Do)]
