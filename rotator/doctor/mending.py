"""The commands that mend: to be read before they are typed, so each names its resource in full. Pure."""

import shlex
from urllib.parse import urlsplit

from rotator.core.credential import Secret
from rotator.settings.permissions import Role

NOBODY = "OBJECT-ID-OF-ROTATOR"


def grant(role: Role, scope: str, who: str) -> str:
    """The roles are those of `infra/`, by the names that it gives them."""
    said = f"--assignee-object-id {who or NOBODY} --role {shlex.quote(role.deployed)} --scope {shlex.quote(scope)}"
    return f"az role assignment create {said}"


def unlock(lock: str) -> str:
    return f"az lock delete --ids {shlex.quote(lock)}"


def recover(secret: Secret) -> str:
    return f"az keyvault secret recover --vault-name {vault_name(secret.vault)} --name {secret.name}"


def let_in(vault: str) -> str:
    return f"az keyvault network-rule add --name {vault_name(vault)} --ip-address THIS-MACHINE, or a private endpoint"


def enable(secret: Secret, version: str) -> str:
    return f"az keyvault secret set-attributes --enabled true --id {secret}/{version}"


def vault_name(url: str) -> str:
    return (urlsplit(url).hostname or url).split(".", 1)[0]
