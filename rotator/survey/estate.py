"""The nouns of a survey: an account as found, a vault, who holds a key or a copy of it, when it was last rotated. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from rotator.core.credential import Secret, Slot
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import Unseen
from rotator.hunt.finding import Copy

KEPT_FOR = timedelta(days=89)
"""How far back the activity log is asked. Azure keeps 90 days, and refuses a question that starts before them."""


class Exposure(StrEnum):
    """Who can reach the account over the network."""

    OPEN = "open"
    RESTRICTED = "restricted"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account as Resource Manager (or its graph) shows it. `subdomain`: it has a host name of its own, which Entra tokens need."""

    id: str
    name: str
    kind: str
    location: str
    subscription: str
    group: str
    local_auth: bool
    exposure: Exposure
    subdomain: bool
    created: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultPlace:
    """One vault. `id` is empty where it was only named by its URL."""

    url: str
    id: str = ""
    rbac: bool = True
    recoverable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything that could be listed, `how` it was, and what could not."""

    accounts: tuple[Account, ...]
    vaults: tuple[VaultPlace, ...]
    how: str
    unseen: tuple[Unseen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A secret whose current version holds a key of an account: `fingerprint`, as it was when that version was made. `whole`: the key is
    all that it holds; `by_tag`: its tags alone say so.
    """

    secret: Secret
    account: str
    created: datetime
    fingerprint: Fingerprint
    slot: Slot | None = None
    whole: bool = True
    by_tag: bool = False
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A rotation that is known, and who says so."""

    at: datetime
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One account with what is known around it. `since` is a time at which the key in use was there already, where no rotation is known.

    `keys` are empty where nobody asked for them, and Unseen where they could not be listed. `copies` are all who hold a key besides the
    secret that gives it out, or refer to one that holds it: those in vaults, and where it was hunted for them, everybody.
    """

    account: Account
    keys: Mapping[Slot, Fingerprint] | Unseen = field(default_factory=dict)
    holdings: tuple[Holding, ...] = ()
    rotated: Rotated | None = None
    since: datetime | None = None
    managed_as: str | None = None
    copies: tuple[Copy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The whole: accounts in the order of their ids. `write_only` is where a key may stand and nobody can look, whatever they may."""

    found: tuple[Found, ...]
    vaults: tuple[VaultPlace, ...]
    how: str
    at: datetime
    unseen: tuple[Unseen, ...] = ()
    keys_asked: bool = True
    hunted: bool = False
    write_only: tuple[Unseen, ...] = ()
