"""The addresses of both ledgers; a sandbox, and what a kind of dependent is made from, pointed at it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rotator.azure import Azure, ClientSecret, Cloud, Shares, open_azure
from rotator.core.sealed import Sealed
from rotator.dependents import Tools
from rotator.ledger.opening import open_ledger
from rotator.ledger.store import Ledger
from rotator.sandbox import Sandbox
from tests.contract import rigs_elsewhere
from tests.contract.rigs_on_arm import OTHER_SECURE, REGISTRY_PASSWORD


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'rotator.db'}"
    return str(request.getfixturevalue("postgresql").database())


@pytest_asyncio.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(url) as opened:
        yield opened


@pytest_asyncio.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path, seed=3) as azure:
        yield azure


@pytest_asyncio.fixture
async def azure(sandbox: Sandbox) -> AsyncIterator[Azure]:
    cloud = Cloud(
        authority=sandbox.authority,
        resource_manager=sandbox.resource_manager,
        audience=sandbox.audience,
        ca_file=str(sandbox.ca_file),
        verify_challenge_resource=False,
        private=True,
    )
    identity = ClientSecret(tenant=sandbox.tenant, client=sandbox.client, secret=lambda: sandbox.client_secret)
    async with open_azure(cloud, identity, shares=Shares(cadence=1, reserve=0)) as opened:  # one 429 would else close it for seconds
        yield opened


@pytest.fixture
def tools(azure: Azure, sandbox: Sandbox, tmp_path: Path) -> Tools:
    async def secret(reference: str) -> Sealed:
        known = {"env:OTHER": OTHER_SECURE, "env:REGISTRY": REGISTRY_PASSWORD, **rigs_elsewhere.secrets(sandbox)}
        return Sealed(known.get(reference, "a secret"))

    async def pause(seconds: float) -> None:
        sandbox.pass_time(seconds)

    return Tools(azure=azure, secret=secret, directory=tmp_path, pause=pause)
