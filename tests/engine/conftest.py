"""Every test here runs in virtual time. `--seeds N` runs that many seeds of the simulation; `--seed S` replays one."""

import pytest

from tests.engine.virtual_time import VirtualLoop

SEEDS = 150


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=SEEDS, help="how many seeds the simulation of the engine runs")
    parser.addoption("--seed", type=int, default=None, help="replay one seed of the simulation")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        one = metafunc.config.getoption("--seed", default=None)
        count = metafunc.config.getoption("--seeds", default=SEEDS)
        metafunc.parametrize("seed", [one] if one is not None else range(count))


def pytest_asyncio_loop_factories() -> dict[str, type[VirtualLoop]]:
    return {"virtual": VirtualLoop}
