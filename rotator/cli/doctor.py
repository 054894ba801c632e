"""`rotator doctor`: can rotator do what its settings ask, and could each credential be revoked right now?"""

import asyncio
import math
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rotator.cli.progress import Counter
from rotator.cli.session import Common, Exit, chosen, common_options, read_settings, sentence
from rotator.cli.show import NOTHING, heard, length, print_json, print_table
from rotator.core.policy import Mode
from rotator.doctor.findings import SUBJECTS, Finding, Severity, worst
from rotator.doctor.readiness import Readiness, judged, ordered

if TYPE_CHECKING:
    from rotator.doctor.examine import Examined
    from rotator.settings import Settings
    from rotator.wiring import House

MARKS = {Severity.OK: "✓", Severity.WARNING: "!", Severity.ERROR: "✗"}
WELL_MAX = 12
"""More of one subject that are well are a number."""


@click.command("doctor", short_help="Can rotator do what its settings ask?")
@click.argument("names", nargs=-1)
@click.option("--readiness", "as_readiness", is_flag=True, help="Could each be revoked right now, and in how many seconds? Worst first.")
@click.option("--all", "show_all", is_flag=True, help="Each thing that is well, too, however many they are.")
@common_options
def command(names: tuple[str, ...], as_readiness: bool, show_all: bool, common: Common) -> None:
    """Ask whether rotator can do what its settings ask: identity, clock, ledger, each account, vault and dependent (or those NAMED), the
    senders of alerts, the notifier. Permissions as Azure itself tells them, less what deny assignments take away, and calls that change
    nothing. Each trouble comes with what mends it. Exit code 0 where nothing is in the way, 1 where something is.

    --readiness supposes that each key leaked now, and walks what `revoke` would do by the policy's mode and by a cut. ✓: killed, and the
    vault's readers have a live key after it. !: killed, but only at the drain's deadline, or nothing can be published after it, or the
    vault gives out a dead key already. ✗: not even a cut would kill it. Exit code 1 where one is not ready.

    \b
    Examples:
      rotator doctor
      rotator doctor chat-prod --readiness
      rotator doctor --output json
    """
    settings = read_settings(common)

    async def errand() -> Exit:
        found, history = await _examined(settings, names, common)
        if as_readiness:
            return _readiness([judged(one, history) for one in found.readings], common)
        if common.json:
            print_json({"worst": worst(found.findings).value, "findings": [_plain(one) for one in found.findings]})
        else:
            _print(found.findings, show_all)
        return Exit.FAILED if worst(found.findings) is Severity.ERROR else Exit.DONE

    sentence(errand)


async def _examined(settings: "Settings", names: tuple[str, ...], common: Common) -> "tuple[Examined, dict[str, Any]]":
    """With the ledger of the settings; where that cannot be opened, this is said, and everything else is looked at without it."""
    from rotator.doctor.examine import Examined
    from rotator.doctor.ledger import shut
    from rotator.ledger.fault import LedgerFault
    from rotator.telemetry import start_logging

    start_logging(common.log_level)
    directory = common.config.absolute().parent
    try:
        return await _in_house(settings, names, directory)
    except LedgerFault as fault:
        said = shut(settings.ledger, fault)
    with tempfile.TemporaryDirectory(prefix="rotator-doctor-") as place:
        aside = settings.model_copy(update={"ledger": f"sqlite:///{Path(place) / 'aside.db'}"})
        found, _ = await _in_house(aside, names, directory)
    others = [one for one in found.findings if one.subject is not said.subject]
    from rotator.doctor.findings import ordered as in_order

    return Examined(findings=in_order([said, *others]), readings=found.readings), {}


async def _in_house(settings: "Settings", names: tuple[str, ...], directory: Path) -> "tuple[Examined, dict[str, Any]]":
    from rotator.doctor.examine import examine
    from rotator.wiring import open_house

    counter = Counter()
    async with open_house(settings, directory, heard) as house:
        try:
            found, history = await asyncio.gather(examine(house, chosen(house, names), directory, counter), _history(house))
        finally:
            counter.end()
    return found, history


async def _history(house: "House") -> dict[str, Any]:
    return await house.ledger.journal.durations()


def _plain(one: Finding) -> dict[str, str]:
    return {"subject": one.subject.value, "name": one.name, "severity": one.severity.value, "said": one.said, "mend": one.mend}


def _print(findings: list[Finding], show_all: bool) -> None:
    mends = {mend: number for number, mend in enumerate(dict.fromkeys(one.mend for one in findings if one.mend), 1)}
    for subject in SUBJECTS:
        mine = [one for one in findings if one.subject is subject]
        well = [one for one in mine if one.severity is Severity.OK]
        few = show_all or len(well) <= WELL_MAX
        rows = [_line(one, mends) for one in mine if few or one not in well]
        rows += [] if few else [(MARKS[Severity.OK], f"{len(well)} others", "", "are well")]
        if rows:
            print_table(subject.value, ("", "which", "mend", "what"), rows)
    if mends:
        click.echo("What mends it:")
        for mend, number in mends.items():
            click.echo(f"  [{number}] {mend}")
    errors, warnings = (sum(one.severity is severity for one in findings) for severity in (Severity.ERROR, Severity.WARNING))
    click.echo(f"{errors} in the way, {warnings} to know." if errors or warnings else "Nothing is in the way.")


def _line(one: Finding, mends: Mapping[str, int]) -> tuple[str, str, str, str]:
    return MARKS[one.severity], one.name, f"[{mends[one.mend]}]" if one.mend else "", one.said


def _readiness(found: list[Readiness], common: Common) -> Exit:
    found = ordered(found)
    if common.json:
        print_json([_row(one) for one in found])
    else:
        columns = ("credential", "ready", "on compromise", "killed in", "if cut", "published", "then proven in", "because")
        rows = [
            (
                one.name,
                "✓" if one.ready else "✗" if one.cut_in is None else "!",
                one.mode.value,
                _seconds(one.killed_in),
                _seconds(one.cut_in),
                NOTHING if one.mode is Mode.CONTAIN or not one.killed_in else "yes" if one.publishes else "no",
                _seconds(one.proven_in),
                "; ".join(one.because)
                or ("from what these steps took before" if not one.guessed else f"guessed: {', '.join(one.guessed)}"),
            )
            for one in found
        ]
        print_table("Could it be revoked right now?", columns, rows, empty="the settings name no credential")
    return Exit.DONE if all(one.ready for one in found) else Exit.FAILED


def _seconds(value: timedelta | None) -> str:
    """What is short is not called nothing."""
    if value is None:
        return NOTHING
    seconds = value.total_seconds()
    return f"{math.ceil(seconds * 1000)} ms" if seconds < 0.1 else f"{seconds:.1f} s" if seconds < 60 else length(value)


def _row(one: Readiness) -> dict[str, Any]:
    def number(value: Any) -> float | None:
        return None if value is None else round(value.total_seconds(), 3)

    return {
        "name": one.name,
        "ready": one.ready,
        "because": list(one.because),
        "mode": one.mode.value,
        "killed_in_seconds": number(one.killed_in),
        "cut_in_seconds": number(one.cut_in),
        "publishes": one.publishes,
        "proven_in_seconds": number(one.proven_in),
        "guessed": list(one.guessed),
    }
