"""How a platform reads a vault for those that refer to it: the newest version, or the one that a reference pins.

Promises: a pinned version never becomes another; a disabled or missing one is an error word, as platforms show it.
Never: HTTP.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from rotator.sandbox.versions import Secret, Vault

if TYPE_CHECKING:
    from rotator.sandbox.state import State

_REFERENCE = re.compile(r"@Microsoft\.KeyVault\((?P<parts>[^)]*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A secret in a vault; `version` is "" where none is pinned."""

    vault: str
    secret: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a platform got, and when it asked: `status` is Resolved, or why there is no value."""

    status: str
    at: datetime
    version: str = ""
    value: str | None = field(default=None, repr=False)


def place_of(setting: str) -> Place | None:
    """The place that `@Microsoft.KeyVault(…)` names; None where a text is no such reference."""
    found = _REFERENCE.fullmatch(setting)
    if found is None:
        return None
    parts = dict(part.split("=", 1) for part in found["parts"].split(";") if "=" in part)
    if "SecretUri" in parts:
        return place_at(parts["SecretUri"])
    return Place(vault=parts.get("VaultName", ""), secret=parts.get("SecretName", ""), version=parts.get("SecretVersion", ""))


def place_at(url: str) -> Place:
    base, _, rest = url.rstrip("/").partition("/secrets/")
    name, _, version = rest.partition("/")
    return Place(vault=base, secret=name, version=version)


def fetch(state: "State", place: Place) -> Fetched:
    now, vault = state.now(), _vault(state, place.vault)
    if vault is None:
        return Fetched(status="VaultNotFound", at=now)
    secret = vault.find(place.secret)
    if secret is None:
        return Fetched(status="SecretNotFound", at=now)
    return _read(secret, place.version, now)


def _read(secret: Secret, pinned: str, now: datetime) -> Fetched:
    version = secret.version(pinned) if pinned else secret.newest
    if version is None:
        return Fetched(status="SecretVersionNotFound", at=now)
    if not version.enabled:
        return Fetched(status="OtherReasons", at=now)
    return Fetched(status="Resolved", at=now, version=version.id, value=version.value)


def _vault(state: "State", named: str) -> Vault | None:
    """By its URL or by its name, as references may say either."""
    return next((vault for vault in state.vaults.values() if named.rstrip("/") in (vault.url, vault.says, vault.name)), None)
