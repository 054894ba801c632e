"""What the apps and the jobs of Container Apps share: an array of secrets that a write replaces as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from rotator.core.credential import Dependent
from rotator.core.faults import Conflict, Missing, Rejected
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.arm import (
    ATTEMPTS,
    SHOWN,
    Reference,
    Resource,
    Underway,
    by_value,
    elsewhere,
    filled,
    pinned,
    reference_at,
    view,
)
from rotator.engine.ports import Published

WHOLE_SECONDS = timedelta(seconds=1)
"""The vault tells a version's time in whole seconds."""
UNDER_WAY = frozenset({"InProgress", "Updating", "Provisioning"})
SecretMap = Mapping[str, Mapping[str, str]]
"""By name: `name`, and `value`, or `keyVaultUrl` with `identity`."""


class Holder(Protocol):
    """An app or a job: what is asked of the one that holds the secrets."""

    @property
    def place(self) -> Resource: ...
    async def found(self) -> Any: ...
    async def secrets(self) -> SecretMap: ...
    async def patch(self, found: Any, rows: Sequence[Mapping[str, str]]) -> None:
        """Replaces every secret by `rows`. Answered before it is through: `is_under_way`."""


async def look(holder: Holder, dependent: Dependent, published: Published) -> tuple[DependentView, datetime | None]:
    """What is stored, which is Stale while a write is under way; and when the holder was last written."""
    found = await holder.found()
    mine = own(await holder.secrets(), holder.place, dependent.parameters["secret"])
    stored = judged(mine, dependent, published, modified_at(found))
    if is_published(stored) and is_under_way(found):
        stored = replace(stored, adoption=Adoption.STALE, because="the write is under way", running=None)
    return stored, modified_at(found)


def is_published(stored: DependentView) -> bool:
    return stored.adoption in (Adoption.PROVEN, Adoption.CLAIMED)


async def store(holder: Holder, begun: Underway, dependent: Dependent, published: Published) -> Any | None:
    """Write the secrets where ours lags; the holder as it then is, or None while a write of it is under way.

    Raises Rejected for a reference that never moves, Conflict where somebody else keeps writing.
    """
    place, name = holder.place, dependent.parameters["secret"]
    found = await holder.found()
    if is_under_way(found):
        return None
    secrets = await holder.secrets()
    mine = own(secrets, place, name)
    reference = reference_of(mine)
    if reference is not None:
        reference.refuse_to_move(f"secret {name} of {place.name}", published)
    stored, sign = is_stored(mine, dependent, published), (place.id.lower(), name, published.version)
    if stored is False or (stored is None and not begun.is_on(sign)):
        await _write(holder, found, secrets, dependent, published)
        begun.begin(sign)
        found = await holder.found()
    return None if is_under_way(found) else found


async def _write(holder: Holder, found: Any, secrets: SecretMap, dependent: Dependent, published: Published) -> None:
    """`found` and `secrets` as they were read; where they are not any more, they are read again first."""
    place, name = holder.place, dependent.parameters["secret"]
    for _ in range(ATTEMPTS):
        rows = rewritten(secrets, name, dependent, published)
        again, others = await holder.found(), await holder.secrets()
        if modified_at(again) != modified_at(found) or others != secrets:
            found, secrets = again, others
            own(secrets, place, name)
            continue
        await holder.patch(found, rows)
        if is_stored(own(await holder.secrets(), place, name), dependent, published) is False:
            raise Conflict(f"secret {name} of {place.name} was written by somebody else meanwhile")
        return
    raise Conflict(f"{place.name} keeps changing while its secrets are written", remedy="look at who else deploys it")


def secret_map(found: Sequence[Any]) -> dict[str, dict[str, str]]:
    """As listSecrets answers: values included, so it goes nowhere but into the write."""
    fields = (("name", "name"), ("value", "value"), ("key_vault_url", "keyVaultUrl"), ("identity", "identity"))
    rows = ({key: value for field, key in fields if (value := getattr(one, field, None)) is not None} for one in found)
    return {row["name"]: row for row in rows if "name" in row}


def own(secrets: SecretMap, place: Resource, name: str) -> Mapping[str, str]:
    if name not in secrets:
        raise Missing(f"{place.name} has no secret {name}", remedy="correct `secret:`, or make the secret once by hand")
    return secrets[name]


def reference_of(secret: Mapping[str, str]) -> Reference | None:
    return reference_at(secret["keyVaultUrl"]) if "keyVaultUrl" in secret else None


def is_stored(secret: Mapping[str, str], dependent: Dependent, published: Published) -> bool | None:
    """Whether the platform has the published value; None where it does not show what it read from the vault."""
    if "keyVaultUrl" in secret:
        return published.value.occurs_in(secret["value"]) if secret.get("value") else None
    return Sealed(secret.get("value", "")) == filled(dependent, published, secret.get("value"))


def rewritten(secrets: SecretMap, name: str, dependent: Dependent, published: Published) -> list[dict[str, str]]:
    """All of them, for the write: ours with the new value, references without what they were read to be."""
    mine = secrets[name]
    value = None if "keyVaultUrl" in mine else filled(dependent, published, mine.get("value"))
    rows = [_written(one) for one in secrets.values()]
    return [{**row, "value": value.reveal()} if value and row["name"] == name else row for row in rows]


def _written(secret: Mapping[str, str]) -> dict[str, str]:
    """An empty value cannot be told from one that is not shown, and would be written over it."""
    if "keyVaultUrl" in secret:
        return {key: text for key, text in secret.items() if key != "value"}
    if not secret.get("value"):
        raise Rejected(f"the value of secret {secret['name']} is not shown, so a write would lose it")
    return dict(secret)


def judged(secret: Mapping[str, str], dependent: Dependent, published: Published, written: datetime | None) -> DependentView:
    """What is stored: Proven and Claimed speak of the store alone, the caller adds what runs on it. A write reads the vault again, so where
    Azure does not show what it read, a write since the version was made (`written` is the last one) is as much as can be known.
    """
    name = dependent.parameters["secret"]
    what, reference = f"secret {name}", reference_of(secret)
    if reference is None:
        return by_value(dependent, published, secret.get("value"), what)
    if not reference.is_to(published):
        return elsewhere(dependent, published, what)
    stored = is_stored(secret, dependent, published)
    if stored is None and written is not None and written >= published.since + WHOLE_SECONDS:
        view_ = view(dependent, Adoption.CLAIMED, "not shown", f"Azure does not show what it read for {what}")
    elif stored:
        saw = f"fingerprint {published.fingerprint[:SHOWN]}"
        view_ = view(dependent, Adoption.PROVEN, saw, running=published.fingerprint)
    else:
        saw = "not shown" if stored is None else "an older value"
        view_ = view(dependent, Adoption.STALE, saw, f"{what} was not read from the vault again yet")
    return pinned(reference, view_, what)


def modified_at(found: Any) -> datetime | None:
    """When the resource was last written: what began after it began with what is stored."""
    stamp: datetime | None = getattr(found.system_data, "last_modified_at", None) if found.system_data else None
    return stamp


def is_under_way(found: Any) -> bool:
    state = getattr(found.properties, "provisioning_state", None) if found.properties else None
    return str(getattr(state, "value", state)) in UNDER_WAY
