"""How things read: tables and lines of progress for people, JSON for programs. Times are RFC 3339 in UTC for programs, ages for people."""

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from rotator.telemetry import logged, scrub

NOTHING = "–"
COLOURS = {
    "quiet": "green",
    "overlap": "cyan",
    "unseen": "red",
    "foreign": "red",
    "contested": "red",
    "unprovable": "red",
    "rotated": "green",
    "dead": "green",
    "failed": "red",
    "refused": "red",
    "unproven": "yellow",
    "held": "yellow",
}


def rfc3339(at: datetime | None) -> str | None:
    """A time for programs, in milliseconds and UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def length(value: timedelta) -> str:
    """A duration for people: its two largest units."""
    seconds = int(abs(value).total_seconds())
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    parts = [(seconds // size % (10**9 if size == 86400 else {3600: 24, 60: 60, 1: 60}[size]), unit) for unit, size in units]
    told = [f"{count}{unit}" for count, unit in parts if count]
    return ("-" if value < timedelta(0) else "") + (" ".join(told[:2]) or "0s")


def until(at: datetime | None, now: datetime) -> str:
    """How far away a time is, for people."""
    if at is None:
        return NOTHING
    return f"in {length(at - now)}" if at >= now else f"{length(now - at)} ago"


def print_json(value: Any) -> None:
    """JSON on standard output, and nothing else there."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str = "nothing") -> None:
    """A table that fits the terminal."""
    from rotator.cli.tables import print_table as printed

    printed(title, columns, rows, colours=COLOURS, empty=empty)


ABOUT_THE_FLEET = frozenset({"scope_unseen", "account_refused", "account_vanished"})


def heard(event: str, **fields: Any) -> None:
    """Fulfils the engine's `Watch` for a command that only shows: what a person has to know of the fleet is said, the rest logged."""
    logged(event, **fields)
    line = _line(event, fields) if event in ABOUT_THE_FLEET else None
    if line:
        click.echo(scrub(line, identifier=True), err=True)


class Progress:
    """Fulfils the engine's `Watch` for a person: a line for each step as it happens, with its reason. Repeated waits are said once."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def __call__(self, event: str, **fields: Any) -> None:
        logged(event, **fields)
        line = _line(event, fields)
        name = str(fields.get("credential", ""))
        if line is None or self._last.get(name) == line:
            return
        self._last[name] = line
        click.echo(_fitted(f"{datetime.now(UTC):%H:%M:%S}  {name:<16} ", scrub(line, identifier=True)), err=True)


MARKS = {"✓": "green", "✗": "red", "!": "yellow", "≠": "yellow"}


def _fitted(head: str, line: str) -> str:
    """On a terminal, what is too long goes on below its beginning, and the mark has its colour; elsewhere one line is one line."""
    if not sys.stderr.isatty():
        return head + line
    width = max(shutil.get_terminal_size().columns - len(head), NARROWEST)
    first, *more = textwrap.wrap(line, width, subsequent_indent="  ", break_on_hyphens=False) or [""]
    mark = click.style(first[:1], fg=MARKS.get(first[:1]))
    return head + mark + first[1:] + "".join(f"\n{' ' * len(head)}{each}" for each in more)


NARROWEST = 40


def _line(event: str, fields: Mapping[str, Any]) -> str | None:
    what = " ".join(str(fields[name]) for name in ("step", "slot") if fields.get(name))
    match event:
        case "decided" if fields["decision"] not in ("wait", "quiet"):
            return f"→ {fields['decision']}: {fields['because']}"
        case "decided" if fields["decision"] == "wait":
            return f"… {fields['because']}"
        case "done":
            return f"✓ {what}: {fields['outcome']}"
        case "failed":
            return f"✗ {what}: {fields['because']}"
        case "settled":
            return f"? {what}: the answer was lost; {fields['result']}"
        case "incident":
            return f"! incident {fields['incident']}: {fields['state']}"
        case "second_writer":
            return f"! {fields['because']}"
        case "held":
            return f"… {fields['because']}"
        case _:
            return _line_of_a_daemon(event, fields)


def _line_of_a_daemon(event: str, fields: Mapping[str, Any]) -> str | None:
    """What a person at the daemon's terminal wants to know besides; the rest is in the log."""
    match event:
        case "serving":
            return f"· {fields['credentials']} credential(s) kept; Ctrl-C ends between two steps"
        case "listening":
            page = f"; the page: http://{fields['host']}:{fields['metrics_port']}/" if fields["page"] else ""
            return f"· http://{fields['host']}:{fields['port']}/healthz, /readyz and /metrics{page}"
        case "alert" | "alert_closed" | "alert_refused" | "alert_ignored" | "alert_not_closed" | "poll_failed" | "report_put_off":
            return _line_of_an_alert(event, fields)
        case "drifted":
            return f"≠ {fields['because']}"
        case "overdue":
            return f"! overdue since {fields['due']}"
        case "window_missed":
            return f"! its window went by until {fields['closed']}"
        case "reloaded":
            return f"· the settings were read anew: {fields['credentials']} credential(s) kept"
        case "reload_refused":
            return f"✗ the settings stay as they were: {'; '.join(fields['errors'])}"
        case "scope_unseen":
            return f"✗ {fields['what']}: {fields['because']}; who was in it before stays in care"
        case "account_refused":
            return f"✗ {fields['because']}"
        case "discovered":
            return f"+ taken into care: {fields['account']}"
        case "account_vanished":
            kept = f"; kept in care for {fields['kept_for']}" if fields["kept_for"] else ""
            return f"- the account of {fields['credential']} is gone{kept}"
        case "lock_lost" | "locked_again" | "stopping" | "stopped" | "clock_jumped":
            return f"· {event.replace('_', ' ')}"
        case _:
            return None


def _line_of_an_alert(event: str, fields: Mapping[str, Any]) -> str:
    because = fields["because"]
    match event:
        case "alert":
            return f"! {fields['source']}: {because}"
        case "alert_closed":
            return f"✓ the alert of {fields['source']}: {because}"
        case "alert_refused":
            return f"✗ {fields['source']}: {because} ({fields['times']} times)"
        case "alert_ignored":
            return f"… {fields['source']}: nothing is done about {because} ({fields['times']} times)"
        case "alert_not_closed":
            return f"✗ the alert of {fields['source']} stays open: {because}"
        case _:
            return f"… {because}"
