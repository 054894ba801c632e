"""Secrets of Kubernetes clusters, in every namespace, by kubeconfig."""

import base64
import binascii
import importlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from rotator.azure.paging import Pages
from rotator.core.faults import Fault
from rotator.hunt.place import Held, Hidden, Scope, behind, prints
from rotator.hunt.reach import Reach

PAGE = 200
PAGES_MAX = 500
ASKS = "which workloads run on it (`rollouts:`); and where an operator writes it from the vault, which (`kind: external-secret`)"
NOT_SEARCHED = frozenset({"helm.sh/release.v1", "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
"""Types of Secrets that hold no key of an AI service for an app: packed releases, and the cluster's own tokens."""


class ClusterSecrets:
    """Fulfils `Place`."""

    name = "Kubernetes secrets"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        for kubeconfig, context in scope.clusters:
            about = {"kubeconfig": kubeconfig, **({"context": context} if context else {})}
            what = f"the Secrets of {kubeconfig}" + (f", context {context}" if context else "")
            try:
                secrets = await _secrets(about, reach)
            except ModuleNotFoundError:
                yield Hidden(what=what, because="the client for Kubernetes is not installed", remedy="pip install 'rotator[kubernetes]'")
                continue
            except Fault as fault:
                yield behind(what, fault)
                continue
            reach.tell(f"{self.name}: {len(secrets)} in {kubeconfig}")
            for secret in secrets:
                for held in _held(secret, about):
                    yield held


async def _secrets(about: Mapping[str, str], reach: Reach) -> list[dict[str, Any]]:
    cluster = importlib.import_module("rotator.dependents.cluster")  # its client is an extra
    found, after, pages = list[dict[str, Any]](), "", Pages(PAGES_MAX)
    async with cluster.open_cluster(about, reach.tools) as opened:
        while True:
            with cluster.cluster_faults("list of the Secrets of all namespaces", needs="secrets/list"):
                more = {"_continue": after} if after else {}
                page = opened.plain(await opened.core.list_secret_for_all_namespaces(limit=PAGE, **more, **opened.reading))
                found += [one for one in page.get("items") or [] if one.get("type") not in NOT_SEARCHED]
                after = (page.get("metadata") or {}).get("continue") or ""
            if not after:
                return found
            pages.turn(after)


def _held(secret: Mapping[str, Any], about: Mapping[str, str]) -> list[Held]:
    metadata = secret.get("metadata") or {}
    namespace, name = str(metadata.get("namespace", "default")), str(metadata.get("name", ""))
    found = []
    for field, encoded in (secret.get("data") or {}).items():
        settings = {"kind": "kubernetes-secret", **about, "namespace": namespace, "secret": name, "field": field}
        what = f"field {field} of Secret {namespace}/{name}"
        values = prints(_plain(encoded))
        found.append(Held(what=what, resource=f"{namespace}/{name}", settings=settings, fingerprints=values, asks=ASKS))
    return found


def _plain(encoded: object) -> str | None:
    try:
        return base64.b64decode(encoded, validate=True).decode() if isinstance(encoded, str) else None
    except (binascii.Error, UnicodeDecodeError):
        return None  # not text: no key stands in it
