"""`rotator work`: the queue, for operators. One row a credential: what is due, who acts on it, and whether that worker lives."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from rotator.cli.session import Common, Exit, common_options, fail, in_ledger
from rotator.cli.show import print_json, print_table, rfc3339, until

if TYPE_CHECKING:
    from rotator.ledger.store import Ledger
    from rotator.ledger.work import WorkRow


@click.group("work", short_help="The queue: what is due, and who acts on it.")
def command() -> None:
    """The work table: one row a credential is all the queue there is."""


@command.command("list")
@click.option("--claimed", is_flag=True, help="Only what a worker acts on now.")
@common_options
def listed(claimed: bool, common: Common) -> None:
    """Every credential that the ledger knows: when it is due next, how urgent, and which worker has it.

    \b
    Examples:
      rotator work list
      rotator work list --claimed --output json
    """

    async def errand(ledger: "Ledger") -> Exit:
        rows = [row for row in await ledger.work.rows() if row.owner or not claimed]
        if common.json:
            print_json([_plain(row) for row in rows])
        else:
            now = ledger.database.now()
            columns = ("credential", "due", "priority", "worker", "rotation", "rests")
            print_table(f"{len(rows)} row(s)", columns, [_cells(row, now) for row in rows], empty="nothing is known yet: rotator status")
        return Exit.DONE

    in_ledger(common, errand)


@command.command("steal")
@click.argument("credential")
@click.option("--yes", "-y", is_flag=True, help="Also from a worker that lives.")
@common_options
def steal(credential: str, yes: bool, common: Common) -> None:
    """Free a CREDENTIAL from a worker that hangs. That worker finds out before its next effect, and stops.

    A worker that was killed needs none of this: its rows are free within seconds.

    \b
    Example:
      rotator work steal chat-prod --yes
    """

    async def errand(ledger: "Ledger") -> Exit:
        row = next((row for row in await ledger.work.rows() if row.credential == credential), None)
        if row is None:
            fail(Exit.NOTHING_MATCHED, f"The ledger knows no {credential!r}. `rotator work list` shows what it knows.")
        if row.owner and row.alive and not yes:
            told = f"{row.owner} acts on {credential} and is alive. If it hangs: rotator work steal {credential} --yes"
            fail(Exit.REFUSED, told)
        owner = await ledger.work.steal(credential)
        if common.json:
            print_json({"credential": credential, "from": owner})
        else:
            click.echo(f"{credential} was held by {owner} and is free." if owner else f"{credential} was free already.")
        return Exit.DONE

    in_ledger(common, errand)


def _plain(row: "WorkRow") -> dict[str, Any]:
    return {
        "credential": row.credential,
        "due_at": rfc3339(row.due_at),
        "priority": row.priority,
        "worker": row.owner,
        "alive": row.alive if row.owner else None,
        "attempts": row.attempts,
        "rests_until": rfc3339(row.rests_until),
        "rotation": row.rotation,
    }


def _cells(row: "WorkRow", now: datetime) -> tuple[str, ...]:
    worker = "–" if row.owner is None else row.owner if row.alive else f"{row.owner} (dead)"
    urgent = {0: "cadence", 10: "operator", 100: "emergency"}.get(row.priority, str(row.priority))
    rests = "–" if row.rests_until is None else until(row.rests_until, now)
    return (row.credential, until(row.due_at, now), urgent, worker, row.rotation or "–", rests)
