"""Vaults, their secrets and the versions of these, as they truly are.

Promises: a set always makes a new version and that is the newest one, enabled or not; version ids are random, so their
order tells nothing about time. Never: HTTP, and no value in a repr.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from rotator.sandbox.throttle import Window


@dataclass(slots=True, kw_only=True)
class Version:
    id: str
    value: str = field(repr=False)
    tags: dict[str, str]
    content_type: str | None
    enabled: bool
    expires: int | None
    not_before: int | None
    created: datetime
    updated: datetime
    set_by: str


@dataclass(slots=True, kw_only=True)
class Secret:
    """`versions` stand in the order they were made, which no list operation shows."""

    name: str
    versions: list[Version] = field(default_factory=list)
    deleted_at: datetime | None = None

    @property
    def newest(self) -> Version:
        return self.versions[-1]

    def version(self, id_: str) -> Version | None:
        return next((version for version in self.versions if version.id == id_.lower()), None)


@dataclass(slots=True, kw_only=True)
class Vault:
    """`url` is where it is asked; `says` is what its answers call it, which differs behind a proxy that adds a path."""

    name: str
    url: str
    says: str
    group: str = "rg-vaults"
    rbac: bool = True
    firewall: bool = False
    secrets: dict[str, Secret] = field(default_factory=dict)
    sets: Window = field(default_factory=lambda: Window(300, 10))
    transactions: Window = field(default_factory=lambda: Window(4000, 10))

    def limit(self, sets: int, transactions: int, span_s: float) -> None:
        self.sets, self.transactions = Window(sets, span_s), Window(transactions, span_s)

    def find(self, name: str) -> Secret | None:
        """Names are case-insensitive and keep the case they were first written in."""
        secret = self.secrets.get(name.lower())
        return secret if secret and secret.deleted_at is None else None

    def find_deleted(self, name: str) -> Secret | None:
        secret = self.secrets.get(name.lower())
        return secret if secret and secret.deleted_at is not None else None

    def put(
        self,
        name: str,
        value: str,
        *,
        random: Random,
        now: datetime,
        by: str,
        tags: Mapping[str, str] | None = None,
        content_type: str | None = None,
        enabled: bool = True,
        expires: int | None = None,
        not_before: int | None = None,
    ) -> Version:
        version = Version(
            id=f"{random.getrandbits(128):032x}",
            value=value,
            tags=dict(tags or {}),
            content_type=content_type,
            enabled=enabled,
            expires=expires,
            not_before=not_before,
            created=now,
            updated=now,
            set_by=by,
        )
        self.secrets.setdefault(name.lower(), Secret(name=name)).versions.append(version)
        return version
