"""A whole fleet leaks: how fast the keys die, against what Azure Resource Manager's token bucket permits.

    python -m tests.bench.bench_mass_revocation [--accounts 1000] [--scale 1] [--latency-ms 100] [--concurrency 32]

A cut cannot be done with less than two writes an account: listKeys (which slot is it in?) and regenerateKey. The bucket holds 200 writes
and gets 10 a second, so the ideal is (2 x accounts - 200) / 10 seconds: three minutes for 1,000, forty seconds for 300. With `--scale`
both buckets, the sandbox's own (which is strict: it refuses with a Retry-After of whole seconds) and rotator's, are refilled so many times
as fast; the burst stays.

The clock starts when all cases are filed. The engine is driven as a daemon drives it: so many workers; cases whose key is alive go first; a
run that ends in a wait is taken up again when it is due. "Killed" is when the last leaked key was regenerated. "Closed" is when every key
was proven dead, every secret healed, and each account looked at once more, which is a third write an account and goes behind the kills: its
ideal counts three. Nothing is adopted before: each secret is tagged on its way. 429s are the sandbox's refusals, each of which costs a
second. At `--scale 2` and more the processor holds back (about 0.13 s of it an account, most of it the ledger's), not the bucket.
"""

import argparse
import asyncio
import itertools
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.azure import SIZES, Size, Sort
from rotator.core.credential import Credential, Slot
from rotator.core.incident import Alert, State
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed
from rotator.engine.intake import intake
from rotator.engine.ports import HeldBy
from rotator.engine.reconcile import reconcile
from rotator.settings import load
from rotator.wiring import House, open_house
from tests.bench.loopback import Loopback, loopback, table

TARGET = 0.9
FIRST, LATER = 0, 1
ENDS_WITHIN_S = 1_800


class Fleet:
    """What is to do, the kills first; and when each was done."""

    def __init__(self, house: House, keys: dict[str, Sealed]) -> None:
        self._house = house
        self._keys = keys
        self._due: asyncio.PriorityQueue[tuple[int, int, str]] = asyncio.PriorityQueue()
        self._number = itertools.count()
        self.done = asyncio.Event()
        self.killed: dict[str, float] = {}
        self.closed: dict[str, float] = {}
        self.runs = 0

    async def file(self) -> None:
        """All are reported."""
        for name, key in self._keys.items():
            alert = Alert(source="bench", reported_at=datetime.now(UTC), fingerprint=key.fingerprint)
            await intake(alert, self._house.credentials[name], self._house.world, slot=Slot.KEY1, mode=Mode.CUT)
            self._put(FIRST, name)

    def _put(self, rank: int, name: str) -> None:
        self._due.put_nowait((rank, next(self._number), name))

    async def work(self) -> None:
        """One worker, until somebody ends it."""
        while True:
            _, _, name = await self._due.get()
            await self._walk(self._house.credentials[name])

    async def _walk(self, credential: Credential) -> None:
        lease = await self._house.ledger.work.claim(credential.name)
        assert not isinstance(lease, HeldBy)
        run = await reconcile(credential, self._house.world, lease)
        self.runs += 1
        until: datetime = getattr(run.decision, "until", datetime.now(UTC))
        await self._house.ledger.work.finish(lease, again=until)
        for step in run.steps:
            if step.step == "revoke" and not step.failed:
                self.killed[credential.name] = step.at.timestamp()
        if all(case.state is State.CLOSED for case in run.incidents):
            self.closed[credential.name] = time.time()
            if len(self.closed) == len(self._keys):
                self.done.set()
            return
        wait = max((until - datetime.now(UTC)).total_seconds(), 0.0)
        alive = any(case.state is State.OPEN for case in run.incidents)
        asyncio.get_running_loop().call_later(wait, self._put, FIRST if alive else LATER, credential.name)


async def measure(azure: Loopback, accounts: int, scale: float, latency_s: float, concurrency: int) -> list[list[str]]:
    keys = {one["account"]: Sealed(one["value"]) for one in azure.ask("keys") if one["slot"] == "key1"}
    sizes = {sort: Size(burst=size.burst, refill_per_s=size.refill_per_s * scale) for sort, size in SIZES.items()}
    reads, writes = sizes[Sort.READS], sizes[Sort.WRITES]
    if latency_s:
        azure.tell("faults", operation="*", fault=f"latency:{latency_s}", probability=1)
    limits = {"reads": reads.burst, "reads_per_s": reads.refill_per_s, "writes": writes.burst, "writes_per_s": writes.refill_per_s}
    async with open_house(load(azure.settings), azure.settings.parent, _unwatched, sizes=sizes) as house:
        fleet, filing = Fleet(house, keys), time.time()
        await fleet.file()
        azure.tell("throttle", **limits)
        filed_s, began = time.time() - filing, time.time()
        async with asyncio.timeout(ENDS_WITHIN_S), asyncio.TaskGroup() as group:
            workers = [group.create_task(fleet.work()) for _ in range(concurrency)]
            await fleet.done.wait()
            for worker in workers:
                worker.cancel()
        refused = sum(level.refused for _, _, level in house.azure.budget.levels())
        taken = {sort: level.taken for _, sort, level in house.azure.budget.levels()}
    _check(azure, keys)
    killed_s, closed_s = max(fleet.killed.values()) - began, max(fleet.closed.values()) - began
    each = {sort: f"{count / accounts:.2f} {sort}" for sort, count in taken.items()}
    counts = f"filed in {filed_s:.1f} s; {each[Sort.WRITES]}, {each[Sort.READS]} an account; {refused} x 429; {fleet.runs} runs"
    return [
        _row("killed", 2, accounts, writes, killed_s, counts),
        _row("closed", 3, accounts, writes, closed_s, f"{timedelta(seconds=round(closed_s))} of sandbox time"),
    ]


def _row(what: str, writes_each: int, accounts: int, bucket: Size, took_s: float, counts: str) -> list[str]:
    ideal_s = max(writes_each * accounts - bucket.burst, 0) / bucket.refill_per_s
    share = ideal_s / took_s
    held = f"{TARGET:.0%} {'held' if share >= TARGET else 'MISSED'}" if what == "killed" else "-"
    return [what, str(writes_each), f"{ideal_s:.1f} s", f"{took_s:.1f} s", f"{share:.0%}", held, counts]


def _check(azure: Loopback, leaked: dict[str, Sealed]) -> None:
    """No figure for a job that was not done: each leaked key is dead by the sandbox's own word."""
    alive = [one["account"] for one in azure.ask("keys") if one["died_at"] is None and Sealed(one["value"]) == leaked[one["account"]]]
    if alive:
        raise SystemExit(f"{len(alive)} leaked keys are alive")


def _unwatched(event: str, **fields: Any) -> None:
    """Nobody looks on."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--latency-ms", type=float, default=100)
    parser.add_argument("--concurrency", type=int, default=32)
    said = parser.parse_args(arguments)
    with loopback(accounts=said.accounts) as azure:
        rows = asyncio.run(measure(azure, said.accounts, said.scale, said.latency_ms / 1000, said.concurrency))
    columns = ("until all are", "writes each", "ideal", "took", "of the ideal", "target", "counted")
    bucket = f"bucket 200 + {10 * said.scale:g}/s ({said.scale:g} x Azure's)"
    table(f"{said.accounts} leaked accounts, cut; {bucket}, {said.latency_ms:g} ms a call", columns, rows)


if __name__ == "__main__":
    main()
