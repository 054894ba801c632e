"""`rotator plan`: what would be done next, and why."""

from typing import Any

import click

from rotator.cli.look import Seen, see
from rotator.cli.session import Common, Exit, chosen, common_options, credential_names, in_house
from rotator.cli.show import print_json, print_table, rfc3339, until
from rotator.core.forecast import Forecast, runbook
from rotator.core.step import Do, Quiet, slot_of
from rotator.wiring import House


@click.command("plan", short_help="What would be done next, and why.")
@click.argument("names", nargs=-1, shell_complete=credential_names)
@common_options
def command(names: tuple[str, ...], common: Common) -> None:
    """What would be done next for every credential (or those NAMED), why, and the whole runbook after it. Changes nothing.

    \b
    Examples:
      rotator plan
      rotator plan chat-prod --output json
    """

    async def errand(house: House) -> Exit:
        seen = await see(house, chosen(house, names))
        if common.json:
            print_json([row(one) for one in seen])
        else:
            for one in seen:
                print_runbook(one.credential.name, forecast(one))
        return Exit.DONE

    in_house(common, errand)


def forecast(one: Seen) -> list[Forecast]:
    """The runbook from what was seen."""
    return runbook(one.look.snapshot, one.credential, one.incidents, one.at)


def row(one: Seen) -> dict[str, Any]:
    """The contract's row: the next decision; and the runbook after it."""
    first, *then = [line(each) for each in forecast(one)]
    return {"name": one.credential.name, **first, "then": then}


def line(each: Forecast) -> dict[str, Any]:
    """One decision of a runbook, for programs."""
    decision = each.decision
    if isinstance(decision, Do):
        told = {"step": decision.step.name, "slot": slot_of(decision.step), "reason": decision.reason}
        not_before = each.not_before
    else:
        told = {"step": "quiet" if isinstance(decision, Quiet) else "wait", "slot": None, "reason": getattr(decision, "reason", None)}
        not_before = decision.until
    return {**told, "because": decision.because, "not_before": rfc3339(not_before)}


def print_runbook(name: str, lines: list[Forecast]) -> None:
    """A runbook for people."""
    now = lines[0].not_before
    rows = []
    for number, each in enumerate(lines, 1):
        decision = each.decision
        step = decision.step.name if isinstance(decision, Do) else "quiet" if isinstance(decision, Quiet) else "wait"
        slot = slot_of(decision.step) if isinstance(decision, Do) else None
        when = "now" if each.not_before <= now else until(each.not_before, now)
        rows.append((str(number), when, step, str(slot or ""), str(getattr(decision, "reason", None) or ""), decision.because))
    print_table(name, ("#", "when", "step", "slot", "reason", "because"), rows)
