"""The addresses of both ledgers: every test that takes `url` is run on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rotator.ledger.opening import open_ledger
from rotator.ledger.store import Ledger


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'rotator.db'}"
    return str(request.getfixturevalue("postgresql").database())


@pytest_asyncio.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(url) as opened:
        yield opened
