"""Somebody who lives on an account's key outside Resource Manager, with a small app on it: for demonstrations and end-to-end tests.

Promises: each holds the key that the account's secret gives out now, and beside each stands something of somebody
else's. Never: writes settings; the description is what settings are written from.
"""

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rotator.sandbox.server import Sandbox

SORTS = ("deployment", "external_secret", "github_secret", "variable_group", "receiver")


def settle(azure: "Sandbox", account: str, secret: str, sorts: Sequence[str] = SORTS) -> list[dict[str, Any]]:
    """One of each of these sorts: [{sort, consumer: its id, path: where its process holds the key, parameters: what settings say of it}].

    `secret` is the URL of the account's secret.
    """
    key = azure.account(account).keys["key1"]
    found = [_described(azure, sort, account, key, secret) for sort in sorts]
    for one in found:
        azure.add_app(f"{account}-{one['sort']}", account, one["consumer"], one["path"])
    return found


def _described(azure: "Sandbox", sort: str, account: str, key: str, secret: str) -> dict[str, Any]:
    match sort:
        case "deployment":
            azure.add_consumer("cluster_secret", f"ai/{account}", data={"key": key, "database": "of somebody else"})
            made = azure.add_consumer("workload", f"ai/deployment/{account}", spec=_pod(account))
            parameters = {"kind": "kubernetes-secret", "namespace": "ai", "secret": account, "field": "key"}
            return _told(sort, made.id, ["env", account, "key"], {**parameters, "rollouts": [f"deployment/{account}"]})
        case "external_secret":
            vault, _, name = secret.rpartition("/secrets/")
            target = f"{account}-from-vault"
            spec = {"target": {"name": target}, "data": [{"secretKey": "key", "remoteRef": {"key": name}}]}
            azure.add_consumer("external_secret", f"ai/{account}", vault=vault, spec=spec)
            made = azure.add_consumer("workload", f"ai/statefulset/{account}", spec=_pod(target))
            parameters = {"kind": "external-secret", "namespace": "ai", "external_secret": account, "field": "key"}
            return _told(sort, made.id, ["env", target, "key"], {**parameters, "rollouts": [f"statefulset/{account}"]})
        case "github_secret":
            name, repository = account.upper().replace("-", "_"), f"contoso/{account}"
            azure.add_consumer("github_secret", "DATABASE", repository=repository, value="of somebody else")
            made = azure.add_consumer("github_secret", name, repository=repository, value=key)
            return _told(
                sort, made.id, [], {"kind": "github-secret", "repository": repository, "secret": name, "api": azure.url("github_secrets")}
            )
        case "variable_group":
            number = str(len(azure.elsewhere.devops.library) + 1)
            variables = {"KEY": {"value": key, "isSecret": True}, "DATABASE": {"value": "of somebody else", "isSecret": True}}
            projects = [{"projectReference": {"id": "ai", "name": "AI"}, "name": account}]
            object_ = {"name": account, "type": "Vsts", "variables": variables, "variableGroupProjectReferences": projects}
            made = azure.add_consumer("library", number, object=object_)
            place = {"organisation": f"{azure.url('azure_devops')}/contoso", "project": "AI", "variable_group": account, "variable": "KEY"}
            return _told(sort, made.id, ["KEY"], {"kind": "azure-devops", **place})
        case _:
            signing = "whsec_" + base64.b64encode(azure.state.guid().encode()).decode()
            made = azure.add_consumer("receiver", account, signing=signing, value=key, version="the first")
            return _told(sort, made.id, [], {"kind": "webhook", "url": f"{azure.url('receiver')}/hooks/{account}"}) | {"signing": signing}


def _pod(secret: str) -> dict[str, Any]:
    variable = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": secret, "key": "key"}}}
    container = {"name": "chat", "image": "chat:1", "env": [variable]}
    return {"replicas": 2, "template": {"metadata": {"labels": {"app": secret}}, "spec": {"containers": [container]}}}


def _told(sort: str, consumer: str, path: list[str], parameters: dict[str, Any]) -> dict[str, Any]:
    return {"sort": sort, "consumer": consumer, "path": path, "parameters": parameters}
