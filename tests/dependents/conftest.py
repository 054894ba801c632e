"""Kinds before mocked SDK clients, each autospecced against the real class: a call that the SDK does not have fails."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import aiohttp
import pytest
import pytest_asyncio

from rotator.azure import CLOUDS, Azure, SendOnceTransport, Tokens
from rotator.core.credential import Dependent, Secret
from rotator.core.sealed import Sealed, fingerprint
from rotator.dependents import Tools
from rotator.engine.ports import Published

NEW, OLD = secrets.token_hex(16), secrets.token_hex(16)
SINCE = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PUBLISHED = Published(
    secret=Secret(vault="https://kv-prod.vault.azure.net", name="chat-key"),
    version="b" * 32,
    fingerprint=fingerprint(NEW),
    value=Sealed(NEW),
    since=SINCE,
)
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-apps/providers"


def dependent(kind: str, **parameters: Any) -> Dependent:
    return Dependent(name="app", kind=kind, parameters={"format": "{key}", **parameters})


class Pages:
    """A list as the SDKs give it: read page by page."""

    def __init__(self, *items: Any) -> None:
        self._items = list(items)

    async def by_page(self) -> AsyncIterator[AsyncIterator[Any]]:
        yield self

    def __aiter__(self) -> "Pages":
        return self

    async def __anext__(self) -> Any:
        if not self._items:
            raise StopAsyncIteration
        return self._items.pop(0)


@pytest_asyncio.fixture
async def tools(tmp_path: Path) -> AsyncIterator[Tools]:
    async def secret(reference: str) -> Sealed:
        return Sealed(f"what {reference} refers to")

    async def pause(seconds: float) -> None:
        assert seconds < 2

    async with aiohttp.ClientSession() as session:
        azure = Azure(
            cloud=CLOUDS["usgov"],
            credential=create_autospec(Tokens, instance=True),
            transport=SendOnceTransport(session),
            probes=session,
        )
        yield Tools(azure=azure, secret=secret, directory=tmp_path, pause=pause)


@pytest.fixture
def published() -> Published:
    return PUBLISHED
