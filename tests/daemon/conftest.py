"""What is awaited here runs in virtual time, but for the tests that ask for the real one."""

import asyncio

from tests.engine.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories(item: object) -> dict[str, type[asyncio.AbstractEventLoop]]:
    real = getattr(item, "get_closest_marker", lambda _: None)("real_time")
    return {"real": asyncio.SelectorEventLoop} if real else {"virtual": VirtualLoop}
