"""The unchanged SDK clients, pointed at a sandbox the way a private cloud is; and rotator itself, pointed at one by settings."""

import contextlib
import os
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ClientSecretCredential
from azure.keyvault.secrets.aio import SecretClient
from azure.mgmt.cognitiveservices.aio import CognitiveServicesManagementClient
from click.testing import CliRunner, Result

from rotator.sandbox import Sandbox, SandboxThread


@dataclass
class Clients:
    """One session for all; `options` go to the SDK client as they are (retry_total=0 and the like)."""

    azure: Sandbox
    session: aiohttp.ClientSession
    transport: AioHttpTransport
    credential: ClientSecretCredential

    def management(self, **options: Any) -> CognitiveServicesManagementClient:
        return CognitiveServicesManagementClient(
            self.credential,
            self.azure.subscription,
            base_url=self.azure.resource_manager,
            credential_scopes=[f"{self.azure.audience}/.default"],
            transport=self.transport,
            **options,
        )

    def vault(self, name: str, **options: Any) -> SecretClient:
        url = self.azure.vault_url(name)
        return SecretClient(url, self.credential, verify_challenge_resource=False, transport=self.transport, **options)

    async def probe(self, url: str, key: str, header: str = "Ocp-Apim-Subscription-Key", method: str = "GET") -> int:
        async with self.session.request(method, url, headers={header: key}) as answer:
            await answer.read()
            return answer.status


@pytest_asyncio.fixture
async def azure(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path, seed=7) as sandbox:
        await sandbox.add_vault("kv-1")
        sandbox.add_account("chat-prod")
        yield sandbox


@pytest_asyncio.fixture
async def clients(azure: Sandbox) -> AsyncIterator[Clients]:
    context = ssl.create_default_context(cafile=str(azure.ca_file))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), timeout=aiohttp.ClientTimeout(total=10)) as session:
        transport = AioHttpTransport(session=session, session_owner=False, read_timeout=5, connection_timeout=5)
        credential = ClientSecretCredential(
            azure.tenant,
            azure.client,
            azure.client_secret,
            authority=azure.authority,
            disable_instance_discovery=True,
            transport=transport,
        )
        yield Clients(azure, session, transport, credential)


def retry_after(error: HttpResponseError) -> str:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    return headers["Retry-After"]


def inner_code(error: HttpResponseError) -> str:
    code: str = getattr(error.error, "innererror", {})["code"]
    return code


# --- rotator itself, against a sandbox --------------------------------------------------------------------------------------

ROTATOR = (sys.executable, "-m", "rotator")
EFFECTS = {
    "RegenerateKey": ("mint", "revoke"),
    "SetSecret": ("publish",),
    "UpdateSecret": ("adopt", "retire"),
    "UpdateAccount": ("switch_off_local_auth",),
}
"""Which calls change something, and the steps whose intents stand for them."""


@dataclass(kw_only=True)
class Estate:
    """A sandbox in a thread of its own, settings that point at it, and the command line: in this process, or as one of its own."""

    azure: SandboxThread
    directory: Path
    settings: Path
    fleet: list[dict[str, str]]

    @property
    def names(self) -> list[str]:
        return [one["name"] for one in self.fleet]

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """The command in this process, with everything below it real."""
        from rotator.cli import main

        return CliRunner().invoke(main, [*arguments, "--config", str(self.settings)], input=stdin)

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """The command in a process of its own, which may be killed."""
        return subprocess.Popen(
            [*ROTATOR, *arguments, "--config", str(self.settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the ledger says, read behind its back."""
        path = self.directory / "rotator.db"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(path)) as ledger:
            return ledger.execute(query).fetchall()

    def intents(self, name: str) -> list[tuple[str, float]]:
        """The steps that were intended for a credential, each with its time."""
        return [(step, at / 1000) for step, at in self.rows(f"SELECT step, at FROM intents WHERE credential = '{name}' ORDER BY at")]

    def arrivals(self, name: str, operation: str) -> list[Any]:
        """The authorised calls of one sort that came for a credential."""
        targets = (name, f"{name}-key")
        return [e for e in self.azure.journal if e.operation == operation and e.target in targets and e.authorized]

    def assert_no_call_came_twice(self, name: str) -> None:
        """Between two arrivals of one sort there is an intent for the second one."""
        for operation, steps in EFFECTS.items():
            story = [(at, "intent") for step, at in self.intents(name) if step in steps]
            story += [(entry.at.timestamp(), "call") for entry in self.arrivals(name, operation)]
            told = [what for _, what in sorted(story)]
            assert ("call", "call") not in list(pairwise(told)), f"{name}: {operation} came twice for one intent: {told}"
            assert told[:1] != ["call"], f"{name}: {operation} without an intent"

    def assert_at_rest(self, name: str, *, dead: str) -> None:
        """`dead` is refused at every gateway; what the vault gives out is live, accepted, and says whose it is; the version of `dead` is
        disabled and says so."""
        account, versions = self.azure.account(name), self.azure.secret(self._vault_of(name), f"{name}-key")
        now = datetime.now(UTC)
        current = versions[-1]
        assert not any(account.accepts(dead, gateway, now) for gateway in account.gateways), f"{name}: the old key lives"
        assert current.enabled
        assert current.value != dead
        assert current.value in account.keys.values(), f"{name}: the vault's current value is in no slot"
        assert all(account.accepts(current.value, gateway, now) for gateway in account.gateways)
        assert current.tags["rotator-account"] == account.id
        assert {"rotator-fingerprint", "rotator-slot", "rotator-operation", "rotator-reason"} <= set(current.tags)
        assert current.expires is not None
        buried = [version for version in versions if version.value == dead]
        assert buried
        assert all(not version.enabled and "rotator-retired" in version.tags for version in buried), f"{name}: not retired"

    def mints(self, name: str) -> int:
        return sum(key.account == name and key.minted_by == "RegenerateKey" for key in self.azure.keys_ever)

    def _vault_of(self, name: str) -> str:
        return next(one["vault"] for one in self.fleet if one["name"] == name)


def build_estate(azure: SandboxThread, directory: Path, accounts: int, **limits: Any) -> Estate:
    """A furnished sandbox, and settings for it with an overlap of nothing, so that a rotation is through in one go."""
    fleet = azure.furnish(accounts)
    secret = directory / "client-secret"
    secret.write_text(azure.client_secret, encoding="utf-8")
    document = {
        "cloud": {
            "authority": azure.authority,
            "resource_manager": azure.resource_manager,
            "audience": azure.audience,
            "ca_file": str(azure.ca_file),
            "verify_challenge_resource": False,
        },
        "identity": {"client_secret": {"tenant": azure.tenant, "client": azure.client, "secret": f"file:{secret}"}},
        "ledger": f"sqlite:///{directory / 'rotator.db'}",
        "defaults": {"cryptoperiod": "30d", "overlap": "0s", "drain_deadline": "20s"},
        "limits": {"request_timeout": "1.5s", **limits},
        "credentials": [{name: one[name] for name in ("name", "account", "secret")} for one in fleet],
    }
    settings = directory / "rotator.yaml"
    settings.write_text(yaml.safe_dump(document), encoding="utf-8")
    return Estate(azure=azure, directory=directory, settings=settings, fleet=fleet)


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """One account, `chat-prod`, and its secret."""
    with SandboxThread(tmp_path, seed=11) as azure:
        yield build_estate(azure, tmp_path, 1)
