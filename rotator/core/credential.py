"""The nouns: a credential, the issuer's slots, the vault's versions."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from rotator.core.policy import Policy
from rotator.core.sealed import Fingerprint
from rotator.core.template import Template

TAG_FINGERPRINT = "rotator-fingerprint"
TAG_ACCOUNT = "rotator-account"
TAG_OPERATION = "rotator-operation"
TAG_SLOT = "rotator-slot"
TAG_REASON = "rotator-reason"
TAG_RETIRED = "rotator-retired"
TAG_LENGTH_MAX = 256
"""What every version of ours says, written in the same call as its value. Key Vault allows 256 characters a tag."""
TAGS_MAX = 15
TAGS_NEEDED = 2
"""Key Vault allows fifteen tags a version; without fingerprint and account a version does not say that it is ours."""
OUR_TAGS = (TAG_FINGERPRINT, TAG_ACCOUNT, TAG_OPERATION, TAG_SLOT, TAG_REASON, TAG_RETIRED)


class Slot(StrEnum):
    """The issuer's named place for a key. Cognitive Services has exactly two."""

    KEY1 = "key1"
    KEY2 = "key2"

    @property
    def other(self) -> "Slot":
        return Slot.KEY2 if self is Slot.KEY1 else Slot.KEY1


class Role(StrEnum):
    """What a slot is for, derived from the vault: never stored."""

    ACTIVE = "active"
    STANDBY = "standby"
    RETIRED = "retired"


class Reason(StrEnum):
    """Why a key is replaced or revoked: the words of RFC 5280, 5.3.1, and one of our own for a case without proof."""

    KEY_COMPROMISE = "key_compromise"
    SUSPECTED_COMPROMISE = "suspected_compromise"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation_of_operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where the value is kept: a vault's base URL and the secret's name in it."""

    vault: str
    name: str

    def __str__(self) -> str:
        return f"{self.vault}/secrets/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """Something that runs on the value: what kind it is, the settings of that kind, and when its turn is (`core/rules/stages.py`)."""

    name: str
    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stage: int = 1
    canary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """The logical thing rotated: one account's key as one vault secret with its dependents."""

    name: str
    account: str
    secret: Secret
    policy: Policy = field(default_factory=Policy)
    dependents: tuple[Dependent, ...] = ()
    template: Template = field(default_factory=Template)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a vault secret, as its tags tell it. Without our tags, `fingerprint` is None."""

    id: str
    created: datetime
    enabled: bool = True
    expires: datetime | None = None
    content_type: str | None = None
    fingerprint: Fingerprint | None = None
    slot: Slot | None = None
    account: str | None = None
    operation: str | None = None
    reason: str | None = None
    retired: str | None = None
    foreign_tags: Mapping[str, str] = field(default_factory=dict)

    def is_of(self, account: str) -> bool:
        """Whether this version says that it holds a key of `account` (resource ids compare without case)."""
        return self.account is not None and self.account.lower() == account_tag(account).lower()


def tagged_version(
    tags: Mapping[str, str],
    *,
    id: str,  # noqa: A002  # the vault's word for it
    created: datetime,
    enabled: bool = True,
    expires: datetime | None = None,
    content_type: str | None = None,
) -> Version:
    """A version as its tags tell it: ours are read, the others kept as they are."""
    slot = tags.get(TAG_SLOT, "")
    return Version(
        id=id,
        created=created,
        enabled=enabled,
        expires=expires,
        content_type=content_type,
        fingerprint=Fingerprint(tags[TAG_FINGERPRINT]) if TAG_FINGERPRINT in tags else None,
        slot=Slot(slot) if slot in set(Slot) else None,
        account=tags.get(TAG_ACCOUNT),
        operation=tags.get(TAG_OPERATION),
        reason=tags.get(TAG_REASON),
        retired=tags.get(TAG_RETIRED),
        foreign_tags={name: value for name, value in tags.items() if name not in OUR_TAGS},
    )


def account_tag(account: str) -> str:
    """The resource id as a tag carries it: whole, or its digest where it is longer than a tag may be."""
    return account if len(account) <= TAG_LENGTH_MAX else "sha256:" + hashlib.sha256(account.lower().encode()).hexdigest()
