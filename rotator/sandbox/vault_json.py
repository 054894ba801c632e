"""Secrets and versions as Key Vault shows them: pure. Only `bundle` may carry a value, and times are whole seconds."""

from datetime import timedelta
from typing import Any

from rotator.sandbox.versions import Secret, Vault, Version

_RECOVERY = {"recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}


def bundle(vault: Vault, secret: Secret, version: Version, *, with_value: bool = True) -> dict[str, Any]:
    value = {"value": version.value} if with_value else {}
    return {**value, **item(vault, secret, version, versioned=True)}


def item(vault: Vault, secret: Secret, version: Version, *, versioned: bool) -> dict[str, Any]:
    id_ = f"{vault.says}/secrets/{secret.name}" + (f"/{version.id}" if versioned else "")
    shown: dict[str, Any] = {"id": id_, "attributes": _attributes(version), "tags": version.tags}
    if version.content_type is not None:
        shown["contentType"] = version.content_type
    return shown


def deleted(vault: Vault, secret: Secret, recoverable: timedelta, *, whole: bool) -> dict[str, Any]:
    if secret.deleted_at is None:
        raise ValueError(f"{secret.name} is not deleted")
    return {
        **item(vault, secret, secret.newest, versioned=whole),
        "recoveryId": f"{vault.says}/deletedsecrets/{secret.name}",
        "deletedDate": int(secret.deleted_at.timestamp()),
        "scheduledPurgeDate": int((secret.deleted_at + recoverable).timestamp()),
    }


def _attributes(version: Version) -> dict[str, Any]:
    times = {"created": int(version.created.timestamp()), "updated": int(version.updated.timestamp())}
    optional = {"exp": version.expires, "nbf": version.not_before}
    return {"enabled": version.enabled, **{k: v for k, v in optional.items() if v is not None}, **times, **_RECOVERY}
