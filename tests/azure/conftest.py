"""The adapters before mocked SDK clients, each autospecced against the real class: a call that the SDK does not have fails."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock, Mock, create_autospec

import aiohttp
import pytest
import pytest_asyncio
from azure.core.exceptions import HttpResponseError
from azure.core.rest import AsyncHttpResponse
from azure.keyvault.secrets.aio import SecretClient
from azure.mgmt.cognitiveservices.aio import CognitiveServicesManagementClient
from azure.mgmt.cognitiveservices.aio.operations import AccountsOperations

from rotator.azure import CLOUDS, Azure, SendOnceTransport, Tokens
from rotator.issuers.cognitive import CognitiveServices
from rotator.key_vault import KeyVault


class Factory:
    """Makes the mocked client instead of the SDK's class, and remembers what it was made with."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.made: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.made.append((arguments, options))
        return self.client


@pytest_asyncio.fixture
async def azure() -> AsyncIterator[Azure]:
    async with aiohttp.ClientSession() as session:
        yield Azure(
            cloud=CLOUDS["public"],
            credential=create_autospec(Tokens, instance=True),
            transport=SendOnceTransport(session),
            probes=session,
        )


@pytest.fixture
def accounts() -> Any:
    return create_autospec(AccountsOperations, instance=True)


@pytest.fixture
def management(accounts: Any) -> Factory:
    client = create_autospec(CognitiveServicesManagementClient, instance=True)
    client.accounts = accounts
    return Factory(client)


@pytest.fixture
def cognitive(azure: Azure, management: Factory) -> CognitiveServices:
    return CognitiveServices(azure, management)


@pytest.fixture
def client() -> Any:
    return create_autospec(SecretClient, instance=True)


@pytest.fixture
def secrets(client: Any) -> Factory:
    return Factory(client)


@pytest.fixture
def vault(azure: Azure, secrets: Factory) -> KeyVault:
    return KeyVault(azure, secrets)


def answered(
    status: int, code: str = "", inner: str = "", headers: dict[str, str] | None = None, kind: type[Any] = HttpResponseError
) -> Any:
    """An error as the SDKs raise it for an answer: its message holds what must not be repeated."""
    response = Mock(spec=AsyncHttpResponse, status_code=status, reason="because", headers=headers or {})
    response.text = Mock(return_value="a body that nobody may see")
    error = kind(message="a message that nobody may see", response=response)
    error.error = Mock(code=code, innererror={"code": inner} if inner else None) if code else None
    return error


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def awaitable(value: Any) -> Any:
    return AsyncMock(return_value=value)
