"""An account as Resource Manager shows it: pure, and without its keys."""

from typing import Any

from rotator.sandbox.accounts import PROVIDER, Account

# What Azure calls the endpoints of each kind. Kinds that are not here have one, of the name below.
ENDPOINT_NAMES = {
    "OpenAI": ("OpenAI Language Model Instance API", "OpenAI Dall-E API"),
    "AIServices": ("AI Foundry API", "Azure OpenAI Legacy API - Latest moniker"),
}
OTHER_ENDPOINT_NAMES = ("Cognitive Services API", "Container")


def endpoint_names(kind: str) -> tuple[str, str]:
    return ENDPOINT_NAMES.get(kind, OTHER_ENDPOINT_NAMES)


def resource(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "type": f"{PROVIDER}/accounts",
        "location": account.location,
        "kind": account.kind,
        "sku": {"name": account.sku},
        "etag": f'"{account.etag}"',
        "tags": account.tags,
        "properties": _properties(account),
    }


def _properties(account: Account) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "provisioningState": account.provisioning_state,
        "endpoint": account.endpoint,
        "endpoints": account.endpoints,
        "customSubDomainName": account.name.lower(),
        "dateCreated": account.created.isoformat().replace("+00:00", "Z"),
        "privateEndpointConnections": [],
        "networkAcls": {
            "defaultAction": "Deny" if account.firewall else "Allow",
            "virtualNetworkRules": [],
            "ipRules": [],
        },
        "publicNetworkAccess": account.public_network_access,
        "isMigrated": False,
    }
    if account.disable_local_auth is not None:
        properties["disableLocalAuth"] = account.disable_local_auth
    return properties
