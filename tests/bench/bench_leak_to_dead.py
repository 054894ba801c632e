"""From the report of a leak to the proof that the key is dead, over the time of the calls that no program could leave out.

    python -m tests.bench.bench_leak_to_dead [--latency-ms 100] [--times 10]

What is unavoidable is told by the planner's rules (`core/plan.py`); each line waits for the one before it, and what stands in one line is
asked at once:

    cut     look (account, both keys, the secret) · regenerateKey · prove the replacement · set the secret · 3 probes of the dead key
    drain   look · regenerateKey of the standby · prove it · set the secret · regenerateKey of the leaked slot · 3 probes of the dead key

The three probes are in a row, each on a fresh connection, because that is what proves a death; at all endpoints at once, and the control
beside them. "Calls" is that chain made with the same adapters and nothing else: no planner, no ledger, no second look, in the same run.
"Nominal" counts the lines of the chain at the latency that the sandbox was told to add to each call. Tokens and connections are warm, the
secret is adopted, nothing depends on it. Drain looks once more before it kills (neither a drain nor a schedule kills a slot on what it was
told before); that look is not counted as unavoidable.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.core.credential import Credential, Slot
from rotator.core.incident import Alert
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed
from rotator.core.snapshot import AccountView
from rotator.engine.intake import intake
from rotator.engine.perform import REFUSALS_IN_A_ROW
from rotator.engine.ports import Edition, HeldBy
from rotator.engine.reconcile import Run, reconcile
from rotator.settings import load
from rotator.wiring import House, open_house
from tests.bench.loopback import Loopback, loopback, table

CUT_LINES = 4 + REFUSALS_IN_A_ROW
DRAIN_LINES = 5 + REFUSALS_IN_A_ROW
TARGET = {Mode.CUT: 1.2, Mode.DRAIN: None}


async def measure(azure: Loopback, latency_s: float, times: int) -> list[list[str]]:
    async with open_house(load(azure.settings), azure.settings.parent, _unwatched) as house:
        names = iter(house.credentials)
        rows = []
        for mode, lines in ((Mode.CUT, CUT_LINES), (Mode.DRAIN, DRAIN_LINES)):
            bare, ours = [], []
            for _ in range(times):
                one, other = house.credentials[next(names)], house.credentials[next(names)]
                for credential in (one, other):
                    await _walk(house, credential)  # adopts the secret, and warms tokens, connections and the challenge
                azure.tell("faults", operation="*", fault=f"latency:{latency_s}", probability=1)
                bare.append(await _bare_chain(house, one, mode))
                ours.append(await _leak_to_dead(house, other, mode))
                azure.forget("faults")
            rows.append(_row(mode, bare, ours, lines * latency_s))
        return rows


def _row(mode: Mode, bare: Sequence[float], ours: Sequence[float], nominal_s: float) -> list[str]:
    ratio, target = statistics.median(ours) / statistics.median(bare), TARGET[mode]
    return [
        mode.value,
        f"{nominal_s * 1000:.0f} ms",
        f"{statistics.median(bare) * 1000:.0f} ms",
        f"{statistics.median(ours) * 1000:.0f} ms ({min(ours) * 1000:.0f}-{max(ours) * 1000:.0f})",
        f"{ratio:.2f}",
        f"{statistics.median(ours) / nominal_s:.2f}",
        "-" if target is None else f"{target:.2f} {'held' if ratio <= target else 'MISSED'}",
    ]


async def _leak_to_dead(house: House, credential: Credential, mode: Mode) -> float:
    slots = await house.world.issuer.keys(credential.account)
    reported = datetime.now(UTC)
    alert = Alert(source="bench", reported_at=reported, fingerprint=slots[Slot.KEY1].fingerprint)
    await intake(alert, credential, house.world, slot=Slot.KEY1, mode=mode)
    run = await _walk(house, credential)
    dead = next(step.at for step in run.steps if step.step == "prove_dead" and step.outcome == "dead")
    return (dead - reported).total_seconds()


async def _walk(house: House, credential: Credential) -> Run:
    lease = await house.ledger.work.claim(credential.name)
    assert not isinstance(lease, HeldBy)
    run = await reconcile(credential, house.world, lease, until=house.world.clock.now() + timedelta(seconds=60))
    await house.ledger.work.finish(lease, again=getattr(run.decision, "until", house.world.clock.now()))
    return run


async def _bare_chain(house: House, credential: Credential, mode: Mode) -> float:
    """The same calls by the same adapters, and nothing between them."""
    world, began = house.world, time.perf_counter()
    account, slots, secret = await asyncio.gather(
        world.issuer.account(credential.account), world.issuer.keys(credential.account), world.vault.look(credential.secret)
    )
    leaked, fresh_slot = slots[Slot.KEY1], Slot.KEY1 if mode is Mode.CUT else Slot.KEY2
    minted = await world.issuer.regenerate(credential.account, fresh_slot)
    await _everywhere(house, account, [minted[fresh_slot]])
    tags = {"rotator-account": credential.account}
    edition = Edition(text=minted[fresh_slot], tags=tags, expires=datetime.now(UTC) + timedelta(days=1), content_type=secret.content_type)
    await world.vault.publish(credential.secret, edition)
    if mode is Mode.DRAIN:
        await world.issuer.regenerate(credential.account, Slot.KEY1)
    for _ in range(REFUSALS_IN_A_ROW):
        await _everywhere(house, account, [leaked])
    return time.perf_counter() - began


async def _everywhere(house: House, account: AccountView, values: Sequence[Sealed]) -> None:
    await asyncio.gather(*(house.world.data_plane.probe(account, host, value) for host in account.endpoints for value in values))


def _unwatched(event: str, **fields: Any) -> None:
    """Nobody looks on."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-ms", type=float, default=100)
    parser.add_argument("--times", type=int, default=10)
    said = parser.parse_args()
    with loopback(accounts=said.times * 4) as azure:
        rows = asyncio.run(measure(azure, said.latency_ms / 1000, said.times))
    columns = ("mode", "nominal", "calls", "leak to dead", "over calls", "over nominal", "target")
    table(f"Leak to dead, {said.latency_ms:.0f} ms a call, median of {said.times}", columns, rows)


if __name__ == "__main__":
    main()
