"""`rotator rollback`: back to the value before, while its overlap lasts. Shows what will be done first, and asks."""

import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import click

from rotator.cli import report
from rotator.cli.duration import DURATION
from rotator.cli.look import Seen, see
from rotator.cli.plan import line, print_runbook
from rotator.cli.rotate import claim, print_rows, walk
from rotator.cli.session import Common, Exit, chosen, common_options, fail, in_house
from rotator.cli.show import Progress, print_json
from rotator.core.facts import Needed
from rotator.core.faults import LeaseLost
from rotator.core.forecast import Forecast, runbook
from rotator.core.legible import span
from rotator.core.rules.rollback import rollback_of
from rotator.core.snapshot import Rollback
from rotator.engine.ports import HeldBy
from rotator.wiring import House


@click.command("rollback", short_help="Go back to the value before, while its overlap lasts.")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and stop.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask. Needed without a terminal.")
@click.option("--timeout", type=DURATION, default="10m", show_default=True, help="How long to stay until the dependents have moved back.")
@common_options
def command(name: str, dry_run: bool, yes: bool, timeout: timedelta, common: Common) -> None:
    """Publish the value that the last rotation of NAME superseded again, and move the dependents back to it.

    Only while its overlap lasts, only if the data plane accepts it now, and never if it is compromised: else exit code 3. It is no younger
    for it: its cryptoperiod goes on. The value that is taken back is revoked after an overlap of its own.

    \b
    Examples:
      rotator rollback chat-prod --dry-run     what would be done
      rotator rollback chat-prod
    """

    async def errand(house: House) -> Exit:
        seen = (await see(house, chosen(house, [name])))[0]
        order = _order(seen)
        forecast = _forecast(seen, order)
        if dry_run and common.json:
            print_json([_planned(seen, forecast)])
            return Exit.DONE
        if not common.json:
            print_runbook(f"{name}: what will be done", forecast)
            click.echo(_impact(seen, order))
        if dry_run:
            click.echo("Nothing was changed (--dry-run).", err=True)
            return Exit.DONE
        _confirm(name, yes)
        rows = [await _roll_back(house, seen, order, timeout)]
        print_rows(rows, common)
        return report.exit_code(rows)

    in_house(common, errand, None if common.json else Progress())


def _order(seen: Seen) -> Rollback:
    name = seen.credential.name
    try:
        found = rollback_of(seen.facts)
    except Needed as needed:
        unseen = needed.unseen
        remedy = f"; {unseen.remedy}" if unseen.remedy else ""
        fail(Exit.FAILED, f"{name}: whether it may be gone back cannot be seen: {unseen.because}{remedy}. Nothing was changed.")
    if isinstance(found, str):
        fail(Exit.REFUSED, f"{name}: {found}. Nothing was changed.")
    return found


def _forecast(seen: Seen, order: Rollback) -> list[Forecast]:
    snapshot = seen.look.snapshot
    ordered = replace(snapshot, memory=replace(snapshot.memory, back=order, order=None))
    return runbook(ordered, seen.credential, seen.incidents, seen.at)


def _planned(seen: Seen, forecast: list[Forecast]) -> dict[str, Any]:
    lines = [line(each) for each in forecast]
    steps = [{**each, "outcome": "planned", "at": each["not_before"]} for each in lines if each["step"] not in ("wait", "quiet")]
    first = {"reason": lines[0]["reason"], "because": lines[0]["because"]}
    return {"name": seen.credential.name, "outcome": "planned", **first, "steps": steps, "timings": report.no_times()}


def _impact(seen: Seen, order: Rollback) -> str:
    who = ", ".join(view.name for view in seen.look.snapshot.dependents) or "whoever reads the vault"
    overlap = span(seen.credential.policy.overlap)
    return f"  {who}: back to {order.value[:8]}…. The value that is taken back, {order.instead_of[:8]}…, lives {overlap} more."


def _confirm(name: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        fail(Exit.REFUSED, f"Not going back with {name} without a yes: there is no terminal to ask on. Look at --dry-run, then add --yes.")
    if not click.confirm(f"Go back to the value before for {name}?", err=True):
        fail(Exit.REFUSED, "Nothing was changed.")


async def _roll_back(house: House, seen: Seen, order: Rollback, limit: timedelta) -> dict[str, Any]:
    """The order into the ledger, then the corridor; whoever acts on the credential now finds the order there."""
    credential, started = seen.credential, house.world.clock.now()
    await house.ledger.work.order_back(credential.name, order.value, instead_of=order.instead_of)
    lease = await claim(house, credential.name, limit)
    if isinstance(lease, HeldBy):
        return report.held(credential.name, f"the order is written down; {lease.owner} acts on it now and has been told")
    run = await walk(house, credential, lease, started + limit)
    if isinstance(run, LeaseLost):
        return report.held(credential.name, f"the order is written down; {run}")
    row = report.rotated(run, waited=True)
    published = any(done.step == "publish" and not done.failed and done.fingerprint == order.value for done in run.steps)
    return {**row, "outcome": "rolled_back"} if published and row["outcome"] in ("waiting", "rotated", "done") else row
