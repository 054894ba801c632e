"""Kinds before the sandbox and before mocked clients; what they are made from, and one published value."""

import base64
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
import pytest_asyncio
import yaml

from rotator.azure import Azure, ClientSecret, Cloud, open_azure
from rotator.core.credential import Dependent, Secret
from rotator.core.sealed import Sealed
from rotator.core.snapshot import DependentView
from rotator.dependents import Tools, make
from rotator.engine.ports import Kind, Published
from rotator.sandbox import Sandbox
from rotator.settings import parse

VALUE = secrets.token_hex(16)
"""A value that lives as long as the tests do is a word of nobody else's: the scrubber looks for it everywhere."""
VAULT, NAME = "kv-1", "chat-key"
SIGNING = "whsec_" + base64.b64encode(os.urandom(24)).decode()
ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"


def dependent(kind: str, **parameters: Any) -> Dependent:
    """As the settings make one: every parameter checked, and its defaults filled in."""
    one = {"name": "x", "account": ACCOUNT, "secret": "https://kv/secrets/s", "dependents": [{"kind": kind, "name": "app", **parameters}]}
    return parse(yaml.safe_dump({"credentials": [one]}), "test").credential_list()[0].dependents[0]


def published(value: str = VALUE, version: str = "v2", since: datetime | None = None) -> Published:
    sealed = Sealed(value)
    secret = Secret(vault="https://kv.vault.azure.net", name=NAME)
    since = since or datetime(2026, 7, 1, 12, tzinfo=UTC)
    return Published(secret=secret, version=version, fingerprint=sealed.fingerprint, value=sealed, since=since)


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    """For kinds whose client is mocked: nothing of it is reached."""

    async def secret(reference: str) -> Sealed:
        return Sealed({"env:SIGNING": SIGNING}.get(reference, VALUE))

    return Tools(azure=create_autospec(Azure, instance=True), secret=secret, directory=tmp_path)


@dataclass(kw_only=True)
class Estate:
    """A sandbox, and kinds that are pointed at it."""

    azure: Sandbox
    tools: Tools

    def kind(self, word: str) -> Kind:
        return make(word, self.tools)

    def publish(self, value: str) -> Published:
        """A new version in the vault, in the engine's words; then the second goes by that the vault tells times in."""
        version = self.azure.set_secret(VAULT, NAME, value)
        self.azure.pass_time(2)
        sealed = Sealed(value)
        return Published(
            secret=Secret(vault=self.azure.vault_url(VAULT), name=NAME),
            version=version.id,
            fingerprint=sealed.fingerprint,
            value=sealed,
            since=version.created.replace(microsecond=0),
        )

    async def look(self, one: Dependent, what: Published) -> DependentView:
        return await self.kind(one.kind).adoption(one, what)

    @property
    def cluster(self) -> Any:
        return self.azure.elsewhere.cluster

    def in_cluster(self) -> dict[str, str]:
        path = self.tools.directory / "kubeconfig.yaml"
        path.write_text(yaml.safe_dump(self.azure.kubeconfig()), encoding="utf-8")
        return {"kubeconfig": "kubeconfig.yaml", "namespace": "prod"}

    def arrivals(self, operation: str) -> int:
        return sum(entry.operation == operation for entry in self.azure.journal)


@pytest_asyncio.fixture
async def estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with Sandbox(tmp_path, seed=9) as azure:
        await azure.add_vault(VAULT)
        azure.set_secret(VAULT, NAME, "an old value")
        azure.pass_time(2)
        cloud = Cloud(
            authority=azure.authority,
            resource_manager=azure.resource_manager,
            audience=azure.audience,
            ca_file=str(azure.ca_file),
            verify_challenge_resource=False,
            private=True,
        )
        identity = ClientSecret(tenant=azure.tenant, client=azure.client, secret=lambda: azure.client_secret)
        known = {
            "env:SIGNING": SIGNING,
            "env:GITHUB_TOKEN": azure.elsewhere.github.token,
            "env:DEVOPS_TOKEN": azure.elsewhere.devops.token,
        }

        async def secret(reference: str) -> Sealed:
            return Sealed(known[reference])

        async with open_azure(cloud, identity, request_timeout_s=2) as opened:
            yield Estate(azure=azure, tools=Tools(azure=opened, secret=secret, directory=tmp_path))


def pod(secret: str = "chat", how: str = "env", **spec: Any) -> dict[str, Any]:
    """A spec whose pods get one field of a Secret as a variable, a file, or a file that is mounted alone."""
    container: dict[str, Any] = {"name": "chat", "image": "chat:1"}
    volumes = [{"name": "key", "secret": {"secretName": secret}}] if how != "env" else []
    if how == "env":
        container["env"] = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": secret, "key": "key"}}}]
    else:
        container["volumeMounts"] = [{"name": "key", "mountPath": "/key", **({"subPath": "key"} if how == "subPath" else {})}]
    return {**spec, "template": {"metadata": {"labels": {"app": "chat"}}, "spec": {"containers": [container], "volumes": volumes}}}


def mounted(name: str) -> dict[str, Any]:
    """A spec of two pods that mount a SecretProviderClass."""
    driver = {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": name}}
    spec = {"containers": [{"name": "chat", "image": "chat:1"}], "volumes": [{"name": "vault", "csi": driver}]}
    return {"replicas": 2, "template": {"metadata": {}, "spec": spec}}
