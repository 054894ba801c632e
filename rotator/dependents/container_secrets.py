"""What the apps and the jobs of Container Apps share: an array of secrets that a write replaces as a whole."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rotator.core.credential import Dependent
from rotator.core.faults import Missing, Rejected
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.arm import SHOWN, Reference, Resource, by_value, elsewhere, filled, pinned, reference_at, view
from rotator.engine.ports import Published

WHOLE_SECONDS = timedelta(seconds=1)
"""The vault tells a version's time in whole seconds."""
UNDER_WAY = frozenset({"InProgress", "Updating", "Provisioning"})
SecretMap = Mapping[str, Mapping[str, str]]
"""By name: `name`, and `value`, or `keyVaultUrl` with `identity`."""


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
