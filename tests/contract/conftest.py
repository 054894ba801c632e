"""A sandbox, and what a kind of dependent is made from, pointed at it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rotator.azure import Azure, ClientSecret, Cloud, open_azure
from rotator.core.sealed import Sealed
from rotator.dependents import Tools
from rotator.sandbox import Sandbox
from tests.contract import rigs_elsewhere
from tests.contract.rigs_on_arm import OTHER_SECURE, REGISTRY_PASSWORD


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
    async with open_azure(cloud, identity) as opened:
        yield opened


@pytest.fixture
def tools(azure: Azure, sandbox: Sandbox, tmp_path: Path) -> Tools:
    async def secret(reference: str) -> Sealed:
        known = {"env:OTHER": OTHER_SECURE, "env:REGISTRY": REGISTRY_PASSWORD, **rigs_elsewhere.secrets(sandbox)}
        return Sealed(known.get(reference, "a secret"))

    async def pause(seconds: float) -> None:
        sandbox.pass_time(seconds)

    return Tools(azure=azure, secret=secret, directory=tmp_path, pause=pause)
