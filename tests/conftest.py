"""Options of the whole suite. The default is what finishes while one waits; the rest is for the night."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import Server, running

settings.register_profile("rotator", deadline=None)
settings.load_profile("rotator")
"""No test fails because the machine was busy."""

WORKERS_PER_CORE, WORKERS_MAX = 2, 8
"""Half of the time a test waits, for a process or for an answer; and each worker brings a PostgreSQL, a sandbox and a few daemons."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One test that is named runs in this process: it starts at once, and what it prints is seen."""
    if config.args and all("::" in one for one in config.args):
        return 0
    return min(WORKERS_PER_CORE * (os.cpu_count() or 1), WORKERS_MAX)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rotator")
    group.addoption("--all-faults", action="store_true", help="every call, not only the main ones, struck by every fault of the wire")
    group.addoption("--fuzz", type=int, default=40, metavar="N", help="how many requests of each sort are tried at the doors")
    group.addoption("--all-kills", action="store_true", help="kill before and after every effect, and at every read between")
    group.addoption("--soak-seed", type=int, default=5, help="whom it kills, and when")
    group.addoption("--soak", type=int, default=15, metavar="SECONDS", help="how long three daemons are killed at random")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A real server, started by the first test that asks for it."""
    with running() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_challenge_of_another_vault() -> Iterator[None]:
    """Key Vault's SDK remembers challenges by host and port for the whole process; a loopback port may be another sandbox's tomorrow."""
    yield
    import sys

    if "azure.keyvault.secrets" in sys.modules:
        from azure.keyvault.secrets._shared import HttpChallengeCache

        HttpChallengeCache.clear()
