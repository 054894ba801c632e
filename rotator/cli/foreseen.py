"""What a revocation will do and break, foreseen: for the person who is asked, for a dry run, and for an order that comes over HTTP.

Nothing is changed here. Whether the data plane lets this machine ask at all is asked beforehand, where somebody reads the plan: behind a
firewall nothing can be proven, so nothing can be published, and that has to be said before the kill.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import click

from rotator.cli import report
from rotator.cli.impact import impacts, standstill
from rotator.cli.look import Seen
from rotator.cli.plan import line, print_runbook
from rotator.cli.targets import Target
from rotator.core.credential import Reason
from rotator.core.forecast import Forecast, runbook
from rotator.core.incident import Alert, Incident, escalate, open_incident
from rotator.core.policy import Mode
from rotator.core.snapshot import AccountView, Unseen
from rotator.engine.ports import Verdict
from rotator.wiring import House

ASKED_FOR = timedelta(seconds=3)
ASKED_BEFORE_A_KILL_FOR = timedelta(seconds=1)
"""How long the data plane is asked whether it answers here: where a person reads the plan; and where nobody is asked, the kill is next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the options say."""

    mode: Mode | None
    note: str
    limit: timedelta | None
    dry_run: bool
    yes: bool


def alert_of(target: Target, wish: Wish, house: House) -> Alert:
    """The report that opens the case about it."""
    source = target.told or ("operator" if target.value is None else "operator, with the leaked value")
    note = "; ".join(filter(None, (wish.note, target.note)))
    return Alert(source=source, reported_at=house.world.clock.now(), fingerprint=target.fingerprint, note=note)


async def forecasts_of(groups: Mapping[str, Sequence[Target]], wish: Wish, house: House) -> dict[str, list[Forecast]]:
    """What will be done about each credential's values, where somebody is going to read it: with what the data plane says now."""
    within = ASKED_FOR if wish.dry_run or not wish.yes else ASKED_BEFORE_A_KILL_FOR
    bars = await asyncio.gather(*(barred(group[0].seen, house, within) for group in groups.values()))
    return {name: forecast_of(group, wish, house, bar) for (name, group), bar in zip(groups.items(), bars, strict=True)}


async def barred(seen: Seen, house: House, within: timedelta) -> str:
    """Why the data plane answers this machine nothing about any key; empty where it does. What cannot be asked in time is remembered."""
    account, slots = seen.look.snapshot.account, seen.look.snapshot.slots
    live = [] if isinstance(slots, Unseen) else [seen.look.values[value] for value in slots.values() if value in seen.look.values]
    if not isinstance(account, AccountView) or account.cannot_be_asked or not live:
        return ""
    asked = (house.world.data_plane.probe(account, host, live[0]) for host in account.endpoints)
    try:
        answers = await asyncio.wait_for(asyncio.gather(*asked), within.total_seconds())
    except TimeoutError:
        return remembered_bar(seen)
    bars = [answer.seen for answer in answers if answer.verdict is Verdict.BARRED]
    return bars[0] if bars and {answer.verdict for answer in answers} <= {Verdict.BARRED, Verdict.NOT_SERVED} else ""


def remembered_bar(seen: Seen) -> str:
    """The same as the last probe of a live key found it."""
    slots, memory = seen.look.snapshot.slots, seen.look.snapshot.memory
    return "" if isinstance(slots, Unseen) else next(filter(None, (memory.of(value).unprovable for value in slots.values())), "")


def forecast_of(group: Sequence[Target], wish: Wish, house: House, bar: str | None = None) -> list[Forecast]:
    """What will be done about one credential's values, as far as is known without asking."""
    seen = group[0].seen
    cases = [_case(target, wish, house) for target in group]
    others = [case for case in seen.incidents if case.fingerprint not in {one.fingerprint for one in cases}]
    bar = remembered_bar(seen) if bar is None else bar
    return runbook(seen.look.snapshot, seen.credential, [*others, *cases], seen.at, barred=bar)


def _case(target: Target, wish: Wish, house: House) -> Incident:
    if target.resumes:
        return escalate(target.resumes, wish.mode or target.resumes.mode)
    return open_incident(
        f"forecast {target.fingerprint}", target.seen.credential, alert_of(target, wish, house), slot=target.slot, mode=wish.mode
    )


def planned(name: str, group: Sequence[Target], forecast: list[Forecast], wish: Wish) -> dict[str, Any]:
    """The row of a dry run."""
    lines = [line(each) for each in forecast]
    steps = [{**each, "outcome": "planned", "at": each["not_before"]} for each in lines if each["step"] not in ("wait", "quiet")]
    stuck = standstill(forecast)
    return {
        "name": name,
        "outcome": "planned",
        "reason": group[0].resumes.reason if group[0].resumes else Reason.KEY_COMPROMISE,
        "because": f"{lines[0]['because']}. {stuck}" if stuck else lines[0]["because"],
        "steps": steps,
        "timings": report.no_times(),
        "impact": [told.strip() for told in impacts(group, wish.mode, forecast)],
    }


def show(name: str, group: Sequence[Target], forecast: list[Forecast], wish: Wish) -> None:
    """The plan of one credential, for a person."""
    print_runbook(f"{name}: what will be done", forecast)
    for told in impacts(group, wish.mode, forecast):
        click.echo(told)
    stuck = standstill(forecast)
    if stuck:
        click.secho(f"  {stuck}", bold=True, fg="red")
    click.echo()
