"""A sandbox with three accounts, both ledgers, and a daemon's doors between them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from rotator.sandbox import Sandbox
from tests.web.street import Street, opened

ACCOUNTS = 3
Open = Callable[..., AbstractAsyncContextManager[Street]]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'rotator.db'}"
    return str(request.getfixturevalue("postgresql").database())


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """Where one database is enough."""
    return f"sqlite:///{tmp_path / 'rotator.db'}"


@pytest_asyncio.fixture
async def azure(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path, seed=31) as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def fleet(azure: Sandbox) -> list[dict[str, str]]:
    return await azure.furnish(ACCOUNTS)


@pytest.fixture
def open_street(azure: Sandbox, fleet: list[dict[str, str]], tmp_path: Path) -> Open:
    """A life of a daemon at the given ledger; several may follow each other, or live at once on PostgreSQL."""

    def begin(url: str, **wishes: Any) -> AbstractAsyncContextManager[Street]:
        return opened(azure, fleet, tmp_path, url, **wishes)

    return begin


@pytest_asyncio.fixture
async def street(open_street: Open, sqlite: str) -> AsyncIterator[Street]:
    """A daemon that lives."""
    async with open_street(sqlite) as made:
        yield made


@pytest_asyncio.fixture
async def doors(open_street: Open, sqlite: str) -> AsyncIterator[Street]:
    """Doors that store, and nobody behind them who works it off."""
    async with open_street(sqlite, living=False) as made:
        yield made
