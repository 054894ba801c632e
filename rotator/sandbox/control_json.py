"""The truth as JSON: pure, values included, and for the control port alone."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rotator.sandbox.accounts import Account
from rotator.sandbox.apps import App
from rotator.sandbox.faults import Fault
from rotator.sandbox.journal import Entry
from rotator.sandbox.keys import Key
from rotator.sandbox.versions import Version

if TYPE_CHECKING:
    from rotator.sandbox.server import Sandbox


def settings(azure: "Sandbox") -> dict[str, Any]:
    """All that a client needs to connect; the client's secret among it, which is worth nothing outside."""
    return {
        "seed": azure.seed,
        "authority": azure.authority,
        "resource_manager": azure.resource_manager,
        "audience": azure.audience,
        "ca_file": str(azure.ca_file),
        "tenant": azure.tenant,
        "client": azure.client,
        "client_secret": azure.client_secret,
        "subscription": azure.subscription,
        "vaults": {vault.name: vault.url for vault in azure.state.vaults.values()},
        "accounts": {account.name: account.id for account in azure.accounts},
        "endpoints": {account.name: account.endpoints for account in azure.accounts},
        "control": azure.control_url,
        "github": azure.github_url,
        "gitguardian": azure.gitguardian_url,
        "scanner_token": azure.scanner_token,
        "webhook_secrets": dict(azure.state.leaks.webhook_secrets),
        "elsewhere": elsewhere(azure),
    }


def elsewhere(azure: "Sandbox") -> dict[str, Any]:
    """Where the platforms outside Azure are, and the tokens that they take; worth nothing outside."""
    there = azure.elsewhere
    return {
        "kubeconfig": azure.kubeconfig(),
        "github": {"url": azure.url("github_secrets"), "token": there.github.token},
        "azure_devops": {"url": azure.url("azure_devops"), "token": there.devops.token},
        "app_configuration": {"url": azure.url("app_configuration"), "id": there.store.id, "secret": there.store.secret},
        "receiver": {"url": azure.url("receiver")},
    }


def whole(azure: "Sandbox") -> dict[str, Any]:
    vaults = {
        vault.name: {
            secret.name: {
                "deleted": secret.deleted_at is not None,
                "versions": [version_json(v) for v in secret.versions],
            }
            for secret in vault.secrets.values()
        }
        for vault in azure.state.vaults.values()
    }
    return {
        "now": _time(azure.state.now()),
        "accounts": [account_json(account) for account in azure.accounts],
        "vaults": vaults,
        "faults": [fault_json(rule) for rule in azure.state.faults.rules],
    }


def account_json(account: Account) -> dict[str, Any]:
    plain = (
        "id name kind key_shape group subscription endpoint endpoints gateways keys disable_local_auth "
        "provisioning_state public_network_access lock firewall deleted activation_delay death_delay local_auth_delay"
    )
    return {name: getattr(account, name) for name in plain.split()}


def key_json(key: Key) -> dict[str, Any]:
    return {
        "account": key.account,
        "slot": key.slot,
        "value": key.value,
        "minted_at": _time(key.minted_at),
        "minted_by": key.minted_by,
        "accepted_at": _time(key.accepted_at),
        "died_at": _time(key.died_at),
        "deaths": {gateway: _time(moment) for gateway, moment in key.deaths.items()},
    }


def version_json(version: Version) -> dict[str, Any]:
    plain = ("id", "value", "tags", "content_type", "enabled", "set_by")
    shown = {name: getattr(version, name) for name in plain}
    times = {
        "exp": version.expires,
        "nbf": version.not_before,
        "created": _time(version.created),
        "updated": _time(version.updated),
    }
    return {**shown, **times}


def app_json(app: App) -> dict[str, Any]:
    times = {"first_failure": _time(app.first_failure), "last_failure": _time(app.last_failure), "failed_for_s": app.failed_for_s}
    return {**{name: getattr(app, name) for name in ["name", "account", "consumer", "path", "calls", "failed", "last_status"]}, **times}


def entry_json(entry: Entry) -> dict[str, Any]:
    names = [name for name in Entry.__slots__ if name != "at"]
    return {"at": _time(entry.at), **{name: getattr(entry, name) for name in names}}


def fault_json(rule: Fault) -> dict[str, Any]:
    names = ("operation", "target", "times", "probability", "fired")
    return {"fault": rule.label, **{name: getattr(rule, name) for name in names}}


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
