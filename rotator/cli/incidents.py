"""`rotator incidents`: the cases, for people. What is reported, what waits for a yes, how each of them went, with its evidence."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from rotator.cli.case import found, row, told
from rotator.cli.decide import approve, dismiss
from rotator.cli.incident_report import report
from rotator.cli.session import Common, Exit, common_options, in_ledger
from rotator.cli.show import print_json, print_table, until
from rotator.core.incident import State
from rotator.core.legible import lasted, legible, span

if TYPE_CHECKING:
    from rotator.core.timeline import Timeline
    from rotator.ledger.cases import Listed
    from rotator.ledger.store import Ledger

ORDER = (State.HELD, State.OPEN, State.REVOKED, State.UNPROVEN, State.DEAD, State.CLOSED, State.DISMISSED)
"""What waits for a person first, then what is alive, then what is not proven."""
DONE_WITH = frozenset({State.CLOSED, State.DISMISSED})


NOT_CLOSED = "not closed at its source: rotator incidents show says why"


@click.group("incidents", short_help="The cases: list, show, report, approve, dismiss.")
def command() -> None:
    """The incidents: every report of a leak is a case about one value, from the first word to the proof that the value is dead.

    \b
    Examples:
      rotator incidents list
      rotator incidents show inc-4f2a
      rotator incidents approve inc-4f2a --reason "seen in the gist"
    """


@command.command("list")
@click.option("--all", "every", is_flag=True, help="Also what is closed or dismissed.")
@click.option("--state", "states", multiple=True, type=click.Choice([state.value for state in ORDER]), help="Only in this state; repeat.")
@click.option("--credential", help="Only of this credential.")
@common_options
def list_(every: bool, states: tuple[str, ...], credential: str | None, common: Common) -> None:
    """Every case that is not over, what waits for a person first; also one that is, but whose alert is not closed at its source.

    \b
    Examples:
      rotator incidents list
      rotator incidents list --state held
      rotator incidents list --all --credential chat-prod --output json
    """
    wanted = [State(state) for state in states] or [state for state in ORDER if every or state not in DONE_WITH]

    async def errand(ledger: "Ledger") -> Exit:
        not_closed = not states and not every
        cases = sorted(await ledger.cases.listed(wanted, credential, not_closed=not_closed), key=lambda one: ORDER.index(one.case.state))
        if common.json:
            print_json([row(one) for one in cases])
        else:
            _print_list(cases, ledger.database.now())
        return Exit.DONE

    in_ledger(common, errand)


@command.command("show")
@click.argument("identity", metavar="ID")
@common_options
def show(identity: str, common: Common) -> None:
    """One case, whole: its timeline with the evidence of each line, its reports, its figures, and what is not known. ID may be cut short.

    \b
    Examples:
      rotator incidents show inc-4f2a
      rotator incidents show inc-4f2a --output json
    """

    async def errand(ledger: "Ledger") -> Exit:
        whole = await told(ledger, await found(ledger, identity))
        if common.json:
            from rotator.core.postmortem import facts

            print_json(facts(whole))
        else:
            _print_case(whole)
        return Exit.DONE

    in_ledger(common, errand)


command.add_command(approve)
command.add_command(dismiss)
command.add_command(report)


def _print_list(cases: "Sequence[Listed]", now: datetime) -> None:
    columns = ("incident", "credential", "state", "mode", "reason", "sources", "reported", "time to dead", "because")
    print_table(
        f"{len(cases)} incident(s)",
        columns,
        [_cells(one, now) for one in cases],
        empty="none that is not over, or as asked; --all lists every one",
    )
    held = [one.case.id for one in cases if one.case.state is State.HELD]
    if held:
        click.echo(f"{len(held)} wait(s) for a person: rotator incidents show {held[0]}, then approve or dismiss it.", err=True)


def _cells(one: "Listed", now: datetime) -> tuple[str, ...]:
    case, seconds = one.case, row(one)["time_to_dead_seconds"]
    more = f" +{one.reports - 1}" if one.reports > 1 else ""
    lived = "–" if seconds is None else span(timedelta(seconds=seconds))
    because = legible(case.held_because) or (NOT_CLOSED if one.not_closed else "") or legible(case.note, 80) or "–"
    reported = until(one.first_reported_at, now)
    return (case.id, case.credential, case.state, case.mode, case.reason, legible(case.source, 30) + more, reported, lived, because)


def _print_case(whole: "Timeline") -> None:
    from rotator.core.line import What
    from rotator.core.page import figure_rows, told_whole, when
    from rotator.core.postmortem import facts

    known = facts(whole)
    click.echo(f"{known['incident']}  {known['state']}, {known['mode']}, {known['reason']}\n{known['summary']}\n")
    first = next((line.at for line in whole.lines if line.what is not What.EXPOSED), whole.case.reported_at)
    lines = [(when(line), _after(line.at, first), line.what, ", ".join(line.evidence), told_whole(line)) for line in whole.lines]
    print_table("timeline", ("time (UTC)", "after", "what", "evidence", "told"), lines)
    _print_reports(known["sources"])
    print_table("figures", ("figure", "value"), figure_rows(whole))
    click.echo("Not proven, not known:")
    for sentence in known["not_known"]:
        click.echo(f"  {sentence}")


def _print_reports(sources: dict[str, Any]) -> None:
    columns = ("reported (UTC)", "source", "id", "verdict", "closing", "because")
    rows = [
        (one["reported_at"], one["source"], one["id"], one["verdict"], one["closing"] or "–", one["closing_told"] or one["because"])
        for one in sources["shown"]
    ]
    shown = f"{len(rows)} of {sources['total']}" if len(rows) < sources["total"] else str(len(rows))
    print_table(f"reports: {shown}", columns, rows, empty="none came from outside, a person filed it")


def _after(at: datetime, first: datetime) -> str:
    return f"+{lasted(at - first)}" if at >= first else "before"
