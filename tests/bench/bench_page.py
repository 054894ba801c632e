"""The page over a ledger of 50,000 credentials: how long each view takes, and for how long at most the daemon's loop waits meanwhile.

`python -m tests.bench.bench_page [--sizes 5000 50000] [--postgresql]`. Held against: every view in less than a second, and no stretch of
the loop that is longer than an emergency may wait to start (50 ms). It is asked as a browser does, through the door.
"""

import argparse
import asyncio
import contextlib
import gc
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import click

from rotator.alerts.authentic import SharedSecret
from rotator.ledger.opening import open_ledger, open_onlooker
from rotator.web.app import listening, make_app
from rotator.web.orders import Doorkeeper
from rotator.web.page.rooms import Page
from rotator.web.page.visitor import Visitors
from rotator.web.tries import Tries
from tests import postgres
from tests.web.crowd import NOW, fill, fleet_of

TOKEN = "a token of a bench"
TICK_S = 0.001


class Beat:
    """The longest time that the loop did not come round."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        async def beat() -> None:
            while True:
                began = time.perf_counter()
                await asyncio.sleep(TICK_S)
                self.longest_s = max(self.longest_s, time.perf_counter() - began - TICK_S)

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()


async def measure(url: str, size: int) -> None:
    fleet = fleet_of(size)
    async with open_ledger(url):
        fill(url, fleet)
        gc.collect()  # what filling left behind is not the page's
        async with open_onlooker(url) as onlooker:
            visitors = Visitors(Doorkeeper(SharedSecret(TOKEN, "a bench")))
            page = Page(visitors, onlooker, lambda: fleet, lambda: NOW, lambda *_, **__: None, Tries(), _sound)
            async with listening(make_app(page.routes()), "127.0.0.1", 0) as port, aiohttp.ClientSession() as session:
                for path in ("/", "/", "/?q=777", "/?only=overdue", "/credentials/chat-00011", "/incidents/inc-000011"):
                    await ask(session, f"http://127.0.0.1:{port}{path}", size)


async def _sound() -> None:
    """Nothing is wrong with the ledger."""


async def ask(session: aiohttp.ClientSession, url: str, size: int) -> None:
    beat, began = Beat(), time.perf_counter()
    async with beat.beating(), session.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        length = len(await answer.read())
    took = (time.perf_counter() - began) * 1000
    path = url.partition("//")[2].partition("/")[2]
    click.echo(f"{size:>6}  /{path:<26} {answer.status}  {took:7.1f} ms  loop held {beat.longest_s * 1000:5.1f} ms  {length // 1024} KiB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[5_000, 50_000])
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    for size in asked.sizes:
        if asked.postgresql:
            with postgres.running() as server:
                asyncio.run(measure(server.database(), size))
        else:
            with tempfile.TemporaryDirectory() as place:
                asyncio.run(measure(f"sqlite:///{Path(place) / 'rotator.db'}", size))


if __name__ == "__main__":
    main()
