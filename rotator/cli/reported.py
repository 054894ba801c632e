"""`rotator revoke --report`: what a scanner found, looked up over the fleet. A hundred findings of one key are one case.

The report is read here and nowhere kept: values that are not ours are forgotten once the fleet has been asked.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.cli import report
from rotator.cli.session import Exit, fail
from rotator.cli.show import print_table, rfc3339
from rotator.cli.targets import Target, live_or_replaced, targets_of, unmatched_row, whose_are
from rotator.core.exposure import Bound, words
from rotator.core.legible import legible
from rotator.core.sealed import Fingerprint
from rotator.engine.intake import NotKnown, Recognised
from rotator.wiring import House

if TYPE_CHECKING:
    from rotator.alerts.reports import Finding, Report

SHOWN_MAX = 200
PLACES_TOLD_MAX = 5
LENGTH_OF_A_PLACE_MAX = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One finding that is about a key of ours."""

    place: str
    rule: str
    target: Target

    @property
    def stands(self) -> str:
        """Whether the value lives, as far as it is known."""
        if self.target.slot is not None:
            return "live"
        known = self.target.seen.look.snapshot.memory.keys.get(self.target.fingerprint)
        return f"already dead since {rfc3339(known.dead_at)}" if known and known.dead_at else "in no slot any more"

    def row(self) -> dict[str, Any]:
        """For programs."""
        slot, value = self.target.slot, self.target.fingerprint
        return {"place": self.place, "rule": self.rule, "slot": slot, "fingerprint": value, "state": self.stands}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What came of a report: the values to kill, the findings that named them, and rows for what is none of ours."""

    targets: Sequence[Target]
    matches: Sequence[Match]
    others: Sequence[dict[str, Any]]

    def aside(self) -> dict[str, dict[str, Any]]:
        """What the row of each credential says besides."""
        found: dict[str, list[dict[str, Any]]] = {}
        for match in self.matches:
            found.setdefault(match.target.seen.credential.name, []).append(match.row())
        return {name: {"findings": rows[:SHOWN_MAX], "findings_total": len(rows)} for name, rows in found.items()}


def read_report(where: str) -> "Report":
    """The report in a file, or on standard input; exit code 2 where it cannot be used, with the switch that its tool needs."""
    from rotator.alerts.reports import SIZE_BYTES_MAX, ReportError, read

    try:
        return read(_content(where, SIZE_BYTES_MAX + 1))
    except ReportError as error:
        fail(Exit.USAGE, f"{'Standard input' if where == '-' else where}: {error}")


def _content(where: str, most: int) -> bytes:
    if where == "-" and sys.stdin.isatty():
        fail(
            Exit.USAGE,
            "--report - reads a report that is piped in: gitleaks detect --report-path /dev/stdout | rotator revoke --report - --yes",
        )
    try:
        if where == "-":
            return sys.stdin.buffer.read(most)
        with Path(where).open("rb") as file:
            return file.read(most)
    except OSError as error:
        fail(Exit.USAGE, f"{where}: {error.strerror}")


async def looked_up(house: House, said: "Report") -> Reported:
    """Every value of the report, each account asked once for all of them."""
    values = {value.fingerprint: value for value in said.values}
    found = await whose_are(house, list(values)) if values else {}
    ours = {name: answer for name, answer in found.items() if live_or_replaced(answer)}
    targets = {one.fingerprint: one for one in await targets_of(house, ours, values)}
    matches, strangers = list[Match](), list["Finding"]()
    for finding in said.findings:
        mine = [targets[value.fingerprint] for value in finding.values if value.fingerprint in targets]
        matches += [Match(place=finding.place, rule=finding.rule, target=target) for target in mine]
        if not mine:
            strangers.append(finding)
    places: dict[Fingerprint, list[str]] = {name: [] for name in targets}
    for match in matches:
        places[match.target.fingerprint].append(match.place)
    named = [
        _with_places(target, said.tool, places[name], _first_committed(said, name, house.world.clock.now()))
        for name, target in targets.items()
    ]
    return Reported(targets=named, matches=matches, others=_others(said, strangers, found))


def _first_committed(said: "Report", value: Fingerprint, now: datetime) -> str:
    """Since when it lies open at the earliest, by the tool's word; a time that cannot be is left out, and that is said."""
    findings = [one for one in said.findings if any(each.fingerprint == value for each in one.values)]
    told = [word for one in findings for word in words(now, (Bound.EARLIEST, "committed", one.committed))]
    first = min((word.at for word in told if word.at), default=None)
    refused = next((f"; a time of its was left out: {word.refused}" for word in told if word.refused), "")
    return (f"; committed {first:%Y-%m-%d %H:%M} UTC at the earliest, by its unverified word" if first else "") + refused


def _with_places(target: Target, tool: str, places: Sequence[str], committed: str = "") -> Target:
    """The case names the places, the first of them; a report that is as long as a repository fits no note."""
    every = list(dict.fromkeys(legible(place, LENGTH_OF_A_PLACE_MAX) for place in places if place))
    more = f" and {len(every) - PLACES_TOLD_MAX} more places" if len(every) > PLACES_TOLD_MAX else ""
    note = f"found {len(places)} time(s) by {legible(tool, 40)}: {', '.join(every[:PLACES_TOLD_MAX])}{more}{committed}"
    return replace(target, told=f"operator, with a report of {legible(tool, 40)}", note=note)


def _others(said: "Report", strangers: Sequence["Finding"], found: dict[Fingerprint, Recognised]) -> list[dict[str, Any]]:
    """One row for all findings that are not ours, and one for those of which nobody can tell."""
    if not said.findings:
        return [report.unmatched("", "not_ours", f"the report of {legible(said.tool, 40)} holds no finding that could be a key")]
    rows: list[dict[str, Any]] = []
    kinds: dict[bool, list[Finding]] = {True: [], False: []}
    for one in strangers:
        kinds[any(isinstance(found[value.fingerprint], NotKnown) for value in one.values)].append(one)
    for some in kinds.values():
        if some:
            first = some[0].values[0].fingerprint
            row = unmatched_row(first, found[first])
            rows.append({**row, "fingerprint": None, "because": f"{len(some)} finding(s): {row['because']}", "findings_total": len(some)})
    return rows


def print_matches(said: Reported) -> None:
    """Which finding is about which key of ours."""
    columns = ("place", "rule", "credential", "slot", "value", "state")
    rows = [
        (
            one.place or "–",
            one.rule or "–",
            one.target.seen.credential.name,
            str(one.target.slot or "–"),
            f"{one.target.fingerprint[:8]}…",
            one.stands,
        )
        for one in said.matches
    ]
    if rows:
        shown = f"{SHOWN_MAX} of {len(rows)}" if len(rows) > SHOWN_MAX else str(len(rows))
        print_table(f"findings that are keys of ours: {shown}", columns, rows[:SHOWN_MAX])
