"""How long until an emergency starts, under so many due rows and with every slot busy; on a real ledger.

python -m tests.bench.bench_emergency [--rows 50000] [--times 20] [--postgresql]
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from rotator.daemon.pulse import Pulse
from rotator.daemon.pump import Pump, Slots
from rotator.daemon.rows import Ending, HandBack
from rotator.ledger.opening import open_ledger
from rotator.ledger.work import EMERGENCY, Claimed
from rotator.wiring import LedgerClock

TARGET_S = 1.0


async def measured(url: str, rows: int, times: int) -> list[float]:
    """Seconds from the wake to the start of its run, for each of so many emergencies one after the other."""
    started: dict[str, float] = {}

    async def errand(claimed: Claimed) -> Ending:
        started[claimed.lease.credential] = time.perf_counter()
        await asyncio.sleep(0.01 if claimed.priority >= EMERGENCY else 3600)
        return HandBack(after=timedelta(days=1))

    def quiet(event: str, **fields: Any) -> None:
        return

    async with open_ledger(url) as ledger:
        await ledger.work.enlist([f"c{number:05}" for number in range(rows)])
        slots = Slots(concurrency=32, reserve=8)
        pump = Pump(ledger.work, ledger.lock, errand, lambda: slots, LedgerClock(ledger), quiet, Pulse())
        serving = asyncio.create_task(pump.serve(lambda: timedelta(0)))
        while len(started) < slots.concurrency:  # noqa: ASYNC110  # what is measured is not to be disturbed
            await asyncio.sleep(0.05)
        took = []
        for number in range(times):
            name = f"c{rows - 1 - number:05}"
            woken = time.perf_counter()
            await ledger.work.wake(name, priority=EMERGENCY)
            while name not in started:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            took.append(started[name] - woken)
            await asyncio.sleep(0.1)
        pump.stop()
        await serving
    return took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    with ExitStack() as stack:
        if asked.postgresql:
            from tests.postgres import running

            url = stack.enter_context(running()).database()
        else:
            url = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/rotator.db"
        took = asyncio.run(measured(url, asked.rows, asked.times))
    kind = "PostgreSQL" if asked.postgresql else "SQLite"
    sys.stdout.write(
        f"{kind}, {asked.rows} rows due, 32 slots busy: an emergency starts after {statistics.median(took) * 1000:.0f} ms "
        f"(median of {asked.times}), {max(took) * 1000:.0f} ms at most; to reach: {TARGET_S * 1000:.0f} ms\n"
    )


if __name__ == "__main__":
    main()
