"""`rotator rotate`: the operator's door to the corridor."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import click

from rotator.cli import report
from rotator.cli.duration import DURATION
from rotator.cli.look import Seen, hidden, looked_for, see_well
from rotator.cli.session import Common, Exit, chosen, common_options, credential_names, fail, in_house
from rotator.cli.show import Progress, print_json, print_table
from rotator.core.credential import Credential
from rotator.core.faults import LeaseLost
from rotator.core.sealed import Sealed
from rotator.core.step import Quiet, Retire
from rotator.core.wave import result_of
from rotator.engine.gate import tell_wave
from rotator.engine.observe import NOTHING, Told
from rotator.engine.ports import HeldBy, Lease
from rotator.engine.reconcile import Run, reconcile
from rotator.engine.stay import NOT_WAITED_FOR, Stay
from rotator.telemetry import story
from rotator.wiring import House

NEXT_SHOWN = 20
ASK_AGAIN = timedelta(milliseconds=500)
UNDER_WAY = frozenset({"propagating", "overlap", "revoking", "proving_dead", "retiring"})
"""Phases of a rotation that has published its value: --now goes on with it, so that a run that was killed is not a second rotation."""


@click.command("rotate", short_help="Rotate credentials without downtime.")
@click.argument("names", nargs=-1, shell_complete=credential_names)
@click.option("--due", is_flag=True, help="Every credential whose cryptoperiod is over and window open.")
@click.option("--now", is_flag=True, help="Due whatever its age.")
@click.option("--replace-foreign", is_flag=True, help="Replace a value that is no key of this account in a secret that was never ours.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Stay until the rotation is through, the old key proven dead.")
@click.option("--timeout", type=DURATION, default="10m", show_default=True, help="How long --wait stays.")
@common_options
def command(names: tuple[str, ...], due: bool, now: bool, replace_foreign: bool, wait: bool, timeout: timedelta, common: Common) -> None:
    """Rotate the NAMED credentials, or all that are --due: mint, prove, publish, move the dependents, revoke, prove dead, retire.

    A run that is killed is gone on with by the same command.

    \b
    Examples:
      rotator rotate chat-prod --now             rotate it whatever its age
      rotator rotate --due                       what a cron job would run
      rotator rotate chat-prod --now --no-wait   start it and come back to it
    """
    if bool(names) == due:
        fail(Exit.USAGE, "Name the credentials to rotate, or say --due; not both. `rotator status` lists them.")

    async def errand(house: House) -> Exit:
        limit = timeout if wait else None
        gate = asyncio.Semaphore(house.settings.limits.concurrency)

        async def one(credential: Credential) -> dict[str, Any]:
            async with gate:
                stay = Stay.SEEN if due else Stay.THROUGH
                return await rotate_one(house, credential, limit, now=now, replace_foreign=replace_foreign, stay=stay)

        rows = await asyncio.gather(*(one(credential) for credential in chosen(house, names)))
        if due:
            rows = [row for row in rows if row["outcome"] != "quiet"]
        print_rows(rows, common)
        if not common.json:
            _say_next(rows)
        return report.exit_code(rows)

    in_house(common, errand, None if common.json else Progress())


async def rotate_one(
    house: House,
    credential: Credential,
    limit: timedelta | None,
    *,
    now: bool = False,
    replace_foreign: bool = False,
    stay: Stay = Stay.THROUGH,
) -> dict[str, Any]:
    """One credential through the corridor, and its row. An order that cannot be given is a row of its own, and nothing is done.

    An empty secret is given a key that is there first, which is no rotation: only then there is something that `now` can be about.
    """
    started, empty = house.world.clock.now(), False
    if now or replace_foreign:
        seen = (await see_well(house, [credential], looked_for(None) if limit is None else limit))[0]
        refused = _not_to_be_ordered(seen)
        if refused:
            return refused
        await _order(house, seen, now=now, replace_foreign=replace_foreign)
        empty = seen.current is None
    lease = await claim(house, credential.name, limit)
    if isinstance(lease, HeldBy):
        return report.held(credential.name, f"{lease.owner} acts on it now; the same command later goes on, or wait with --timeout")
    run = await walk(house, credential, lease, started + limit if limit is not None else None, stay=stay)
    if isinstance(run, LeaseLost):
        return report.held(credential.name, str(run))
    row = report.rotated(run, waited=limit is not None)
    if not (now and empty and isinstance(run.decision, Quiet)):
        return row
    left = limit and max(started + limit - house.world.clock.now(), timedelta(0))
    again = await rotate_one(house, credential, left, now=True, stay=stay)
    return {**again, "steps": [*row["steps"], *again["steps"]]}


async def walk(
    house: House,
    credential: Credential,
    lease: Lease,
    until: datetime | None,
    *,
    known: Sequence[Sealed] = (),
    told: Told = NOTHING,
    stay: Stay = Stay.THROUGH,
) -> Run | LeaseLost:
    """The corridor under a lease, and the lease given back. A lease that was lost stops this credential and none of the others.

    Without an `until` it ends at the first wait, and what fails is not tried again for long.
    """
    try:
        with story(credential=credential.name, rotation=lease.rotation):
            run = await reconcile(
                credential,
                house.world,
                lease,
                until=until,
                known=known,
                told=told,
                stay=stay,
                retries_for=NOT_WAITED_FOR,
            )
    except LeaseLost as lost:
        return lost
    await _give_back(house, lease, run)
    return run


async def _give_back(house: House, lease: Lease, run: Run) -> None:
    """Due next as the run says, for a daemon if there is one; what is urgent stays so, and a wave that waits for this one is told."""
    now, work = house.world.clock.now(), house.ledger.work
    until = getattr(run.decision, "until", now)
    await tell_wave(house.ledger.waves, run.credential.name, result_of(run.decision, run.look.snapshot.dependents), now)
    if isinstance(run.decision, Quiet):
        await work.finish(lease, again=min(until, now + house.settings.limits.ask_every), rests_until=until)
    elif any(case.is_open for case in run.incidents):
        await work.hand_back(lease, after=max(until - now, timedelta(0)))
    else:
        await work.finish(lease, again=min(until, now + house.settings.limits.look_every))


async def claim(house: House, name: str, limit: timedelta | None) -> Lease | HeldBy:
    """The lease, waited for as long as `limit`."""
    deadline = house.world.clock.now() + (limit or timedelta(0))
    while isinstance(lease := await house.ledger.work.claim(name), HeldBy) and house.world.clock.now() < deadline:
        house.world.watch("held", credential=name, because=f"{lease.owner} acts on it now; waiting")
        await house.world.clock.sleep(ASK_AGAIN)
    return lease


def _not_to_be_ordered(seen: Seen) -> dict[str, Any] | None:
    """The row of an order that cannot be given, since nobody can say what is to be replaced; None where it can."""
    name, unseen = seen.credential.name, hidden(seen)
    if unseen is not None:
        remedy = f"; {unseen.remedy}" if unseen.remedy else ""
        because = f"{unseen.what} cannot be seen: {unseen.because}{remedy}; nothing was ordered, and nothing was changed"
        return report.nothing_done(name, "failed", because)
    if seen.facts.local_auth_is_off:
        return report.nothing_done(name, "refused", "local auth is off: the account accepts no key, there is none to rotate")
    return None


async def _order(house: House, seen: Seen, *, now: bool, replace_foreign: bool) -> None:
    """Write down which value an operator wants away, before waiting for anyone: two orders at once are one."""
    current, name = seen.current, seen.credential.name
    if current is None:
        return
    if replace_foreign and seen.active is None:
        await house.ledger.work.order(name, current.version, foreign=True)
    elif now and current.fingerprint and seen.decision.phase not in UNDER_WAY and not _is_carried_out(seen):
        await house.ledger.work.order(name, current.fingerprint, foreign=False)


def _is_carried_out(seen: Seen) -> bool:
    """An order before this one was carried out but for its last word: the run died at the retirement of the value that it was about."""
    order = seen.look.snapshot.memory.order
    return order is not None and any(one.step == Retire.name and one.fingerprint == order.value for one in seen.look.unsettled)


def _say_next(rows: Sequence[dict[str, Any]]) -> None:
    """When it goes on, or what to type; of a large fleet the first ones."""
    told = [line for row in rows if (line := _next(row))]
    for line in told[:NEXT_SHOWN]:
        click.echo(line, err=True)
    if len(told) > NEXT_SHOWN:
        click.echo(f"… and {len(told) - NEXT_SHOWN} more, the same way.", err=True)


def _next(row: dict[str, Any]) -> str | None:
    again = f"rotator rotate {row['name']}"
    match row["outcome"]:
        case "waiting":
            return f"{row['name']}: goes on {row['goes_on_at']}; then type: {again} (`rotator serve` does it by itself)"
        case "rotated":
            return f"{row['name']}: rotated. The evidence: rotator audit show {row['name']}"
        case "failed":
            return f"{row['name']}: stands still: {row['because']}. Once that is mended: {again}"
        case "held":
            return f"{row['name']}: left to who acts on it. Later: {again}"
        case "unproven":
            return f"{row['name']}: the replaced key is not proven dead yet. Ask again: {again}"
        case _:
            return None


def print_rows(rows: list[dict[str, Any]], common: Common) -> None:
    """What came of it, for a program or for a person."""
    if common.json:
        print_json(rows)
        return
    table = []
    for row in rows:
        steps = ", ".join(f"{step['step']} {step['slot'] or ''}".strip() for step in row["steps"] if step["outcome"] != "failed")
        table.append((row["name"] or "–", row["outcome"], str(row["reason"] or "–"), steps or "–", row["because"]))
    print_table("", ("credential", "outcome", "reason", "steps", "because"), table, empty="nothing was due")
