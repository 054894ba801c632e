"""Somebody who lives on an account's key behind platforms of many sorts: what a demonstration and the end-to-end tests are furnished with.

Promises: each holds the key that the account's secret gives out now, by reference where the platform can refer to a vault, and has a small
app on it that calls the account; beside each stands something of somebody else's. Never: writes settings; the description is what settings
are written from.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rotator.sandbox.server import Sandbox

SORTS = ("site", "slot", "container_app", "container_group", "named_value", "backend", "foundry_connection", "workspace_connection",
         "linked_service")  # fmt: skip


def inhabit(azure: "Sandbox", account: str, secret: str, sorts: Sequence[str] = SORTS) -> list[dict[str, Any]]:
    """[{name, sort, consumer: resource id, path: where its process holds the key}]. `secret` is the URL that references refer to."""
    key, found = azure.account(account).keys["key1"], []
    for sort in sorts:
        noun, name, path, about = _described(sort, account, key, secret)
        consumer = azure.add_consumer(noun, name, **about).id
        azure.add_app(f"{account}-{sort}", account, consumer, path)
        found.append({"name": f"{account}-{sort}", "sort": sort, "consumer": consumer, "path": path})
    return found


def _described(sort: str, account: str, key: str, url: str) -> tuple[str, str, list[str], dict[str, Any]]:
    """Noun, name, where the key is, and what there is to it."""
    reference = f"@Microsoft.KeyVault(SecretUri={url})"
    match sort:
        case "site":
            return "site", f"{account}-api", ["KEY"], {"settings": {"KEY": reference, "DATABASE": "of somebody else"}}
        case "slot":
            return "site", f"{account}-api/slots/staging", ["KEY"], {"settings": {"KEY": key, "DATABASE": "of somebody else"}}
        case "container_app":
            secrets = [{"name": "key", "keyVaultUrl": url, "identity": "system"}, {"name": "database", "value": "of somebody else"}]
            return "container_app", f"{account}-worker", ["key"], {"secrets": secrets}
        case "container_group":
            container = {"name": "chat", "properties": {"environmentVariables": [{"name": "KEY", "secureValue": key}]}}
            content = {"location": "westeurope", "properties": {"osType": "Linux", "containers": [container]}}
            return "container_group", f"{account}-batch", ["KEY"], {"content": content}
        case "named_value":
            properties = {"displayName": account, "secret": True, "keyVault": {"secretIdentifier": url}}
            return "named_value", f"{account}-key", [], {"properties": properties}
        case "backend":
            header = {"api-key": [key], "x-tenant": ["of somebody else"]}
            return "backend", account, ["header", "api-key"], {"properties": {"url": "https://chat", "credentials": {"header": header}}}
        case "foundry_connection" | "workspace_connection":
            properties = {"authType": "ApiKey", "category": "AzureOpenAI", "target": "https://chat", "credentials": {"key": key}}
            return sort, account, [], {"properties": properties}
        case "linked_service":
            headers = {"api-key": {"type": "SecureString", "value": key}}
            typed = {"url": "https://chat", "authHeaders": headers}
            return "linked_service", account, ["authHeaders", "api-key"], {"properties": {"type": "RestService", "typeProperties": typed}}
        case _:
            raise ValueError(f"no such sort: {sort!r}; there are {SORTS}")
