"""What a version of ours says of itself, in the fifteen tags that Key Vault allows. The tags of others survive, whatever gives way."""

from collections.abc import Mapping

from rotator.core.credential import (
    TAG_ACCOUNT,
    TAG_FINGERPRINT,
    TAG_OPERATION,
    TAG_REASON,
    TAG_RETIRED,
    TAG_SLOT,
    TAGS_MAX,
    Credential,
    Slot,
    Version,
    account_tag,
)
from rotator.core.sealed import Fingerprint
from rotator.core.step import Retire


def published(credential: Credential, slot: Slot, value: Fingerprint, operation: str, reason: str) -> dict[str, str]:
    """What a version says from its first moment, the most needed first."""
    return {
        TAG_FINGERPRINT: value,
        TAG_ACCOUNT: account_tag(credential.account),
        TAG_OPERATION: operation,
        TAG_SLOT: slot.value,
        TAG_REASON: reason,
    }


def retired(credential: Credential, step: Retire, version: Version, proof: str) -> dict[str, str]:
    """What it says when its value is dead."""
    kept = {
        TAG_FINGERPRINT: step.fingerprint,
        TAG_ACCOUNT: account_tag(credential.account),
        TAG_RETIRED: proof,
        TAG_SLOT: version.slot or step.slot,
        TAG_REASON: version.reason,
        TAG_OPERATION: version.operation,
    }
    return {name: str(value) for name, value in kept.items() if value}


def with_foreign(own: Mapping[str, str], foreign: Mapping[str, str]) -> dict[str, str]:
    """Both, as far as there is room: the last of ours give way first."""
    return {**foreign, **dict(list(own.items())[: max(TAGS_MAX - len(foreign), 0)])}


def given_way(own: Mapping[str, str], foreign: Mapping[str, str]) -> dict[str, str]:
    """For the audit: which of ours found no room. Nothing where all of them did."""
    lost = [name for name in own if name not in with_foreign(own, foreign)]
    return {"tags_without_room": ", ".join(lost)} if lost else {}
