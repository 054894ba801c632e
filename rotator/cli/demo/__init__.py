"""`rotator demo`: the main job on the embedded default. A loopback Azure, five stories, and evidence that is measured, not claimed."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from rotator.cli.demo.client import Client
from rotator.cli.demo.evidence import Evidence, Story, collect, print_evidence
from rotator.cli.demo.residents import settle
from rotator.cli.foreseen import Wish
from rotator.cli.pasted import Pasted
from rotator.cli.revoke import kill
from rotator.cli.rotate import rotate_one
from rotator.cli.sandbox import write_settings
from rotator.cli.serve import open_doors
from rotator.cli.session import Common, Exit, common_options, fail
from rotator.cli.show import Progress, print_json
from rotator.cli.targets import recognised
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed
from rotator.daemon.life import Daemon
from rotator.daemon.systemd import Systemd
from rotator.sandbox import SandboxThread
from rotator.settings import load
from rotator.telemetry import logged, start_logging
from rotator.wiring import House, open_house

LIMIT = timedelta(seconds=20)
ASK_AGAIN = timedelta(milliseconds=500)
LOOKS_AGAIN = timedelta(milliseconds=50)
GATEWAY_REMEMBERS_S = 0.6
"""How long the loopback gateways still accept a key that was replaced: Azure's take minutes, at times hours."""
FALLS_DUE_IN = {"cryptoperiod": "4s", "overlap": "2s", "grace": "1s"}


@click.command("demo", short_help="See it work, without an account.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the loopback Azure's keys.")
@common_options
def command(seed: int, common: Common) -> None:
    """Start a loopback Azure with a dozen accounts; rotate one that falls due while a client calls it; heal one that somebody regenerated
    in the portal; drain a leaked key; cut another. On three of them live apps, behind dependents of four kinds. Then ask every endpoint
    what the old keys are worth, count the calls that failed, and show it.

    Needs no account, no settings and no network; leaves nothing behind. Ends with 1 if any of it is not so.

    \b
    Examples:
      rotator demo
      rotator demo --output json
    """
    start_logging(common.log_level)
    with tempfile.TemporaryDirectory(prefix="rotator-demo-") as place, SandboxThread(Path(place), seed=seed) as azure:
        try:
            evidence = asyncio.run(_tell(azure, Path(place), common))
        except KeyboardInterrupt:
            fail(Exit.INTERRUPTED, "Interrupted; nothing is left behind.")
    if common.json:
        print_json(evidence.as_json())
    else:
        print_evidence(evidence)
    sys.exit(Exit.DONE if evidence.holds else Exit.FAILED)


async def _tell(azure: Any, place: Path, common: Common) -> Evidence:
    fleet = azure.furnish(12)
    for one in fleet[:5]:
        azure.change_account(one["name"], death_delay=GATEWAY_REMEMBERS_S, activation_delay=0.2)
    policies: dict[str, dict[str, Any]] = {one["name"]: {"dependents": settle(azure, place, one)} for one in (fleet[0], *fleet[2:4])}
    policies[fleet[0]["name"]] |= FALLS_DUE_IN
    path, _ = write_settings(place, azure, fleet, policies=policies, port=0)
    watch = logged if common.json else Progress()
    async with open_house(load(path), place, watch) as house:
        stories = [
            await _falls_due(azure, house, fleet[0]["name"], common),
            await _regenerated_by_hand(azure, house, fleet[1]["name"], common),
            await _leaked(azure, house, fleet[2]["name"], Mode.DRAIN, common),
            await _leaked(azure, house, fleet[3]["name"], Mode.CUT, common),
            await _alerted(azure, house, place, fleet[4]["name"], common),
        ]
        return await collect(azure, house, stories)


async def _falls_due(azure: Any, house: House, name: str, common: Common) -> Story:
    _headline(common, f"1. {name} falls due and is rotated, while a client and apps of four kinds call it all the time")
    old = azure.account(name).keys["key1"]
    async with _client(azure, house, name) as client:
        row = await rotate_one(house, house.credentials[name], LIMIT)
        for _ in range(int(LIMIT / ASK_AGAIN)):
            if row["outcome"] not in ("quiet", "done"):
                break
            await house.world.clock.sleep(ASK_AGAIN)
            row = await rotate_one(house, house.credentials[name], LIMIT)
        await asyncio.sleep(0.5)
    return Story(
        name=name, what="rotated when due", row=row, old=Sealed(old), client=client, wants="rotated", no_failure=True, spares_apps=True
    )


async def _regenerated_by_hand(azure: Any, house: House, name: str, common: Common) -> Story:
    _headline(common, f"2. Somebody regenerates key1 of {name} in the portal: the vault gives out a dead key, until rotator looks")
    await rotate_one(house, house.credentials[name], LIMIT)
    old = azure.account(name).keys["key1"]
    async with _client(azure, house, name) as client:
        azure.regenerate(name, "key1")
        row = await rotate_one(house, house.credentials[name], LIMIT)
        await asyncio.sleep(0.5)
    return Story(name=name, what="healed", row=row, old=Sealed(old), client=client, wants="rotated")


async def _leaked(azure: Any, house: House, name: str, mode: Mode, common: Common) -> Story:
    how = "replaced first, then killed (drain)" if mode is Mode.DRAIN else "killed first, then replaced (cut)"
    _headline(common, f"{3 if mode is Mode.DRAIN else 4}. The active key of {name} leaks: found by its value over the whole fleet, {how}")
    leaked = Sealed(azure.account(name).keys["key1"])
    async with _client(azure, house, name) as client:
        targets, _ = await recognised(house, [Pasted(values=(leaked,))])
        row = await kill(house, targets, Wish(mode=mode, note="demo", limit=LIMIT, dry_run=False, yes=True))
        await asyncio.sleep(0.5)
    spares = mode is Mode.DRAIN
    return Story(name=name, what=f"leaked: {mode}", row=row, old=leaked, client=client, wants="dead", spares_apps=spares)


async def _alerted(azure: Any, house: House, place: Path, name: str, common: Common) -> Story:
    """Nobody types anything: the daemon lives beside, as `rotator serve` would, in charge of this account."""
    _headline(
        common, f"5. The key of {name} is pushed to GitHub: a signed alert reaches the daemon, which kills the key and closes the alert"
    )
    leaked = Sealed(azure.account(name).keys["key1"])
    ours = replace(house, credentials={name: house.credentials[name]})
    daemon = Daemon(ours, lambda: house.settings, Systemd({}))
    await daemon.begin()
    async with open_doors(daemon, ours, place) as port, _client(azure, house, name) as client:
        alive = asyncio.create_task(daemon.live())
        began = datetime.now(UTC)
        delivery = await asyncio.to_thread(azure.report, "github", f"http://127.0.0.1:{port}", name)
        alert = azure.state.leaks.alerts[-1]
        for _ in range(int(LIMIT / LOOKS_AGAIN)):
            if alert.state != "open" or alive.done():
                break
            await asyncio.sleep(LOOKS_AGAIN.total_seconds())
        await asyncio.sleep(0.5)
        daemon.stop()
        await alive
    cases = await house.ledger.cases.of(name)
    dead = cases[-1].dead_at if delivery["status"] == 202 and cases else None
    timings = {"reported": began.isoformat(), "stable_401": dead.isoformat() if dead else None}
    row = {"outcome": "dead" if dead else "not dead", "timings": timings}
    return Story(name=name, what="leaked: a signed alert", row=row, old=leaked, client=client, wants="dead", alert=delivery["about"])


@contextlib.asynccontextmanager
async def _client(azure: Any, house: House, name: str) -> AsyncIterator[Client]:
    """A client that runs for as long as the story, and a moment before it."""
    account = azure.account(name)
    client = Client(house=house, secret=house.credentials[name].secret, kind=account.kind, endpoint=account.endpoint.rstrip("/"))
    async with asyncio.TaskGroup() as group:
        group.create_task(client.run())
        await client.first_answer.wait()
        try:
            yield client
        finally:
            client.stopping = True


def _headline(common: Common, text: str) -> None:
    if not common.json:
        click.echo(f"\n{click.style(text, bold=True)}", err=True)
