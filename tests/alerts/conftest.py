"""Senders of the sandbox on one side, our doors on the other, and nothing between them but bytes."""

import asyncio
import secrets
import string
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from rotator.alerts import Delivery, Post, Record
from rotator.alerts.api import open_session
from rotator.alerts.delivery import post_of
from rotator.alerts.table import Alerting, alerting
from rotator.sandbox import Sandbox
from rotator.sandbox.senders import Posting, Senders
from rotator.settings import Settings

BASE62 = string.ascii_letters + string.digits
ACCOUNT = "/subscriptions/0000-1111/resourceGroups/rg-ai/providers/Microsoft.CognitiveServices/accounts/chat-prod"
NOWHERE = "https://127.0.0.1:9"
AUDIENCE = "api://rotator-of-a-test"
DOORS = ("github", "github-partner", "gitguardian", "vault-radar", "event-grid", "azure-monitor", "defender", "signed")


def base62(length: int) -> str:
    return "".join(secrets.choice(BASE62) for _ in range(length))


def current_key() -> str:
    return base62(52) + "JQQ" + "J99" + "CC" + base62(12) + "AAA" + "B" + "AC" + "OG" + base62(4)


def legacy_key() -> str:
    return secrets.token_hex(16)


def post(posting: Posting, at: datetime | None = None, query: Mapping[str, str] | None = None) -> Post:
    return post_of(posting.headers.items(), posting.body, at or datetime.now(UTC), query)


@dataclass
class Street:
    """The sandbox, its senders, and the doors that the settings open to them."""

    azure: Sandbox
    doors: Alerting

    @property
    def senders(self) -> Senders:
        return self.azure.senders

    async def take(self, posting: Posting, **options: Any) -> Delivery:
        """What the web layer does: verify, then parse."""
        came = post(posting, **options)
        sender = self.doors.senders[posting.door]
        await sender.verify(came)
        return sender.parse(came)

    async def only(self, posting: Posting, **options: Any) -> Record:
        (record,) = (await self.take(posting, **options)).records
        return record


def settings_for(azure: Sandbox, *, entra: bool = False) -> Settings:
    """As a person would write them, with each reference named like its door."""
    lock: Mapping[str, Any] = {"entra": {"tenant": azure.tenant, "audience": AUDIENCE}}
    of_azure: Mapping[str, Any] = lock if entra else {"secret": "env:of"}
    callers = {"entra": {**lock["entra"], "callers": [azure.client], "role": ""}}
    alerts = {
        "github": {"secret": "env:github", "token": "env:token", "api": azure.github_url},
        "github-partner": {"api": azure.github_url},
        "gitguardian": {"secret": "env:gitguardian", "token": "env:token", "api": azure.gitguardian_url},
        "vault-radar": {"secret": "env:vault_radar"},
        "signed": {"secret": "env:signed"},
        "event-grid": {**of_azure} if entra else {"secret": "env:event_grid"},
        "azure-monitor": {**of_azure} if entra else {"secret": "env:azure_monitor"},
        "defender": callers if entra else {"secret": "env:defender"},
    }
    return Settings.model_validate({"alerts": alerts})


def resolver(azure: Sandbox) -> Callable[[str], str]:
    def resolve(reference: str) -> str:
        name = reference.removeprefix("env:").replace("_", "-")
        return azure.scanner_token if name == "token" else azure.webhook_secret(name)

    return resolve


def silent(place: Path, seed: int) -> Sandbox:
    """A sandbox whose senders can build and sign, and where nothing listens."""
    azure = Sandbox(place, seed=seed)
    azure._urls.update(dict.fromkeys(("entra", "github", "gitguardian"), NOWHERE))
    return azure


def silent_doors(azure: Sandbox) -> Alerting:
    """Its doors: all of them parse, and all that need no public key verify."""

    async def build() -> Alerting:
        async with aiohttp.ClientSession() as session:
            return alerting(settings_for(azure).alerts, resolver(azure), session, authority=azure.authority)

    return asyncio.run(build())


@pytest_asyncio.fixture
async def azure(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path, seed=5) as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def session(azure: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session(str(azure.ca_file)) as opened:
        yield opened


@pytest.fixture
def street(azure: Sandbox, session: aiohttp.ClientSession) -> Street:
    """Every door, Azure's by a shared secret."""
    doors = alerting(settings_for(azure).alerts, resolver(azure), session, authority=azure.authority)
    return Street(azure, doors)


@pytest.fixture
def entra_street(azure: Sandbox, session: aiohttp.ClientSession) -> Street:
    """Every door, Azure's by Entra."""
    doors = alerting(settings_for(azure, entra=True).alerts, resolver(azure), session, authority=azure.authority)
    return Street(azure, doors)
