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


def exclude(denial: str, who: str) -> str:
    """Nobody removes a deny assignment by itself: what made it does."""
    return f"let what made the deny assignment {denial!r} exclude {who or NOBODY} (a deployment stack: --deny-settings-excluded-principals)"


def set_policy(vault: str, who: str) -> str:
    """An access policy for rotator alone: everybody else's stay as they are, and so does the vault."""
    _, _, subscription, _, group, *_, name = vault.split("/")
    where = f"--subscription {subscription} --resource-group {shlex.quote(group)} --name {name}"
    return f"az keyvault set-policy {where} --object-id {who or NOBODY} --secret-permissions get list set recover"


def soft_delete(vault: str) -> str:
    return f"az resource update --ids {shlex.quote(vault)} --set properties.enableSoftDelete=true"


def let_in(vault: str, id_: str = "") -> str:
    name = id_.rsplit("/", 1)[-1] or vault_name(vault)
    return f"az keyvault network-rule add --name {name} --ip-address THIS-MACHINE, or a private endpoint"


def enable(secret: Secret, version: str) -> str:
    return f"az keyvault secret set-attributes --enabled true --id {secret}/{version}"


def local_auth_on(account: str) -> str:
    return f"az resource update --ids {shlex.quote(account)} --set properties.disableLocalAuth=false"


def vault_name(url: str) -> str:
    """A host that is not Azure's own (a private name, an emulator) tells no vault's name."""
    name, _, domain = (urlsplit(url).hostname or "").partition(".")
    return name if domain.startswith("vault.") else "NAME-OF-THE-VAULT"
