"""A fleet of 10,000 and of 50,000 credentials: reading its settings, knowing it in the ledger, and looking at each one once.

`python -m tests.bench.bench_fleet [--sizes 10000 50000] [--postgresql]`. The world is in memory, so what is measured is rotator itself; the
ratio is per credential, the larger fleet over the smaller, and memory is the whole process's peak.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from rotator.ledger.opening import open_ledger
from rotator.settings import parse
from tests import postgres

ACCOUNTS = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts"
AT_ONCE = 32


def settings_of(size: int) -> str:
    return "credentials:\n" + "".join(
        f"  - name: chat-{number}\n    account: {ACCOUNTS}/chat-{number}\n    secret: https://kv.vault.azure.net/secrets/chat-{number}\n"
        for number in range(size)
    )


async def measure(size: int, url: str) -> tuple[float, float, float]:
    """Seconds for the settings, for enlisting, and for claiming and finishing each row once, as a daemon does."""
    began = time.perf_counter()
    credentials = {one.name: one for one in parse(settings_of(size), "bench").credential_list()}
    read = time.perf_counter()
    async with open_ledger(url) as ledger:
        await ledger.work.enlist(list(credentials))
        enlisted = time.perf_counter()
        later = ledger.database.now().replace(year=ledger.database.now().year + 1)
        done = 0
        while claimed := await ledger.work.claim_due(AT_ONCE):
            await asyncio.gather(*(ledger.work.finish(one.lease, again=later, rests_until=later) for one in claimed))
            done += len(claimed)
        assert done == size
        return read - began, enlisted - read, time.perf_counter() - enlisted


def one(size: int, url: str) -> None:
    took = asyncio.run(measure(size, url))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(" ".join([*(f"{seconds:.3f}" for seconds in took), f"{peak_mb:.0f}"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("SIZE", "URL"))
    said = parser.parse_args()
    if said.one:
        return one(int(said.one[0]), said.one[1])
    click.echo(f"{'credentials':>12} {'settings':>9} {'enlist':>8} {'rows':>8} {'rows/s':>8} {'per row':>8} {'peak MB':>8}")
    with tempfile.TemporaryDirectory() as place:
        if not said.postgresql:
            return _table(said.sizes, lambda size: f"sqlite:///{Path(place) / f'{size}.db'}")
        with postgres.running() as server:
            return _table(said.sizes, lambda _size: server.database())


def _table(sizes: list[int], url_of: Callable[[int], str]) -> None:
    first: float | None = None
    for size in sizes:
        command = [sys.executable, "-m", "tests.bench.bench_fleet", "--one", str(size), url_of(size)]
        told = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout.split()
        read_s, enlist_s, rows_s, peak_mb = map(float, told)
        first = first or rows_s / size
        ratio, rate = rows_s / size / first, size / rows_s
        click.echo(f"{size:>12} {read_s:>8.2f}s {enlist_s:>7.2f}s {rows_s:>7.1f}s {rate:>8.0f} {ratio:>7.2f}x {peak_mb:>8.0f}")


if __name__ == "__main__":
    main()
