"""`rotator revoke --all`: every credential's key, in order, as fast as Resource Manager permits; estimated first, and resumable.

All cases are filed before the first kill, each with the deadline of its turn: so a kill of this process loses none of them, and waiting at
the gate costs no dependent the time in which it was to move. What was ordered lately and is not through is gone on with, not begun again.
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import click

from rotator.azure import SIZES, Sort
from rotator.cli import report
from rotator.cli.approval import person
from rotator.cli.foreseen import Wish, alert_of, forecast_of, planned
from rotator.cli.impact import impact_of_all
from rotator.cli.look import looked_for
from rotator.cli.revoke import walk_cases
from rotator.cli.rotate import print_rows
from rotator.cli.session import Common, Exit, fail
from rotator.cli.show import length, rfc3339
from rotator.cli.targets import Target, Unclear, named_each
from rotator.core.batch import Batch, batch_of
from rotator.core.credential import Credential
from rotator.core.estimate import Budget, Estimate, estimate
from rotator.core.forecast import Forecast
from rotator.core.incident import Incident, State, open_incident
from rotator.core.policy import Mode
from rotator.engine.ports import Clock
from rotator.engine.urgency import urgent
from rotator.wiring import House

GONE_ON_WITH = timedelta(hours=1)
"""How long an order is gone on with by the same command; what is ordered after that is a new one."""
GOES_ON = frozenset({State.HELD, State.OPEN, State.REVOKED})
NAMES_TOLD_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One order about every credential: what is left to do of it, and what that takes."""

    batch: Batch
    since: datetime | None
    groups: dict[str, list[Target]]
    forecasts: dict[str, list[Forecast]]
    takes: Estimate
    unclear: Sequence[Unclear]
    done: Sequence[str]

    def rows_beside(self) -> list[dict[str, Any]]:
        """What is said of the credentials that nothing is to be done about now."""
        said = [report.nothing_done(name, "already_dead", f"done by {self.batch.id} before") for name in self.done]
        return [
            *said,
            *(report.nothing_done(one.credential, "refused" if one.code is Exit.REFUSED else "failed", str(one)) for one in self.unclear),
        ]


async def revoke_all(house: House, slot: str | None, wish: Wish, common: Common, *, anew: bool) -> Exit:
    """Look at all of them, say what it takes and what it breaks, ask, and kill."""
    with urgent():
        it = await _round(house, slot, wish, anew)
    if not it.groups:
        rows = it.rows_beside()
        print_rows(rows, common)
        return report.exit_code(rows) if rows else Exit.NOTHING_MATCHED
    _say(it, wish)
    if wish.dry_run:
        rows = [planned(name, group, it.forecasts[name], wish) for name, group in it.groups.items()]
        print_rows([*({**row, "estimate": _facts(it.takes)} for row in rows), *it.rows_beside()], common)
        click.echo("Nothing was changed (--dry-run).", err=True)
        return Exit.DONE
    held = [target for group in it.groups.values() for target in group if _needs_approval(target, house)]
    if held and any(target.resumes is None for target in held):
        _confirm(it, wish, "file")
    elif not held:
        _confirm(it, wish, "revoke")
    if held:
        return await _hold(house, it, held, wish, common)
    return await _march(house, it, wish, common)


# --- what there is to do ----------------------------------------------------------------------------------------------------


async def _round(house: House, slot: str | None, wish: Wish, anew: bool) -> Round:
    began = house.world.clock.now()
    batch, parts = (None, []) if anew else await _going_on(house, slot, began)
    of_it: dict[str, list[Incident]] = {}
    for case in parts:
        of_it.setdefault(case.credential, []).append(case)
    done = [name for name, cases in of_it.items() if not any(case.state in GOES_ON for case in cases) and name in house.credentials]
    left = [one for one in house.credentials.values() if one.name not in done]
    targets, unclear = await named_each(house, left, slot, looked_for(wish.limit))
    took_s = (house.world.clock.now() - began).total_seconds()
    waiting = {(case.credential, case.fingerprint): case for case in parts if case.state is State.HELD}
    groups: dict[str, list[Target]] = {}
    for target in targets:
        name = target.seen.credential.name
        resumes = waiting.get((name, target.fingerprint), target.resumes)
        groups.setdefault(name, []).append(replace(target, resumes=resumes))
    forecasts = {name: forecast_of(group, wish, house) for name, group in groups.items()}
    at_once = house.settings.limits.concurrency
    takes = estimate(
        ((_subscription(groups[name][0].seen.credential), runbook) for name, runbook in forecasts.items()),
        Budget(burst=SIZES[Sort.WRITES].burst, refill_per_s=SIZES[Sort.WRITES].refill_per_s),
        at_once=at_once,
        round_trip_s=took_s * min(at_once, len(left)) / max(len(left), 1),
    )
    return Round(
        batch=batch or Batch(id=f"all-{secrets.token_hex(4)}", by=person(), slot=slot),
        since=min((case.reported_at for case in parts), default=None),
        groups=dict(sorted(groups.items(), key=lambda pair: _deadline(pair[1]) or began)),
        forecasts=forecasts,
        takes=takes,
        unclear=unclear,
        done=done,
    )


async def _going_on(house: House, slot: str | None, now: datetime) -> tuple[Batch | None, list[Incident]]:
    """The last order about these slots that was given within the hour and is not through, and its cases. What is ordered of other slots is
    another order: what is done for the one is not done for the other."""
    listed = await house.ledger.cases.listed(list(State))
    lately = [(one.case, batch) for one in listed if (batch := batch_of(one.case.source)) and now - one.case.reported_at < GONE_ON_WITH]
    for case, batch in lately:  # the newest first
        if case.state in GOES_ON and batch.slot == slot:
            return batch, [other for other, its in lately if its.id == batch.id]
    return None, []


def _subscription(credential: Credential) -> str:
    return credential.account.split("/")[2].lower()


def _deadline(group: Sequence[Target]) -> datetime | None:
    return min((target.resumes.deadline for target in group if target.resumes), default=None)


# --- what is said, and asked ------------------------------------------------------------------------------------------------


def _say(it: Round, wish: Wish) -> None:
    takes = it.takes
    if it.since:
        ordered = f"{it.batch.id}, ordered {it.since:%H:%M:%S} by {it.batch.by}"
        click.echo(f"Goes on with {ordered}: {len(it.done)} done, {len(it.groups)} left. To begin anew: --anew", err=True)
    about = f"about {length(timedelta(seconds=takes.seconds))}" if takes.seconds >= 1 else "a moment"
    click.echo(f"{takes.accounts} account(s), about {takes.writes} writes, {about} (held up by {takes.held_up_by}).", err=True)
    for line in impact_of_all(it.groups, wish.mode, it.forecasts):
        click.echo(f"  {line}", err=True)
    for one in it.unclear[:NAMES_TOLD_MAX]:
        click.secho(f"  left out: {one}", err=True, fg="red")


def _facts(takes: Estimate) -> dict[str, Any]:
    return {"accounts": takes.accounts, "writes": takes.writes, "seconds": round(takes.seconds, 1), "held_up_by": takes.held_up_by}


def _confirm(it: Round, wish: Wish, what: str) -> None:
    if wish.yes:
        return
    count = it.takes.accounts
    if not sys.stdin.isatty():
        fail(
            Exit.REFUSED,
            f"Not revoking {count} account(s) without a yes: there is no terminal to ask on. Look at --dry-run, then add --yes.",
        )
    typed = click.prompt(f"To {what} this for all of them, type how many accounts there are", err=True, default="", show_default=False)
    if typed.strip() != str(count):
        fail(Exit.REFUSED, f"That is not {count}. Nothing was changed.")


# --- a second person --------------------------------------------------------------------------------------------------------


def _needs_approval(target: Target, house: House) -> bool:
    """What is acted on already needs none; unless this order would make it stricter, which it then does not."""
    return house.settings.limits.second_approver and (target.resumes is None or target.resumes.state is State.HELD)


async def _hold(house: House, it: Round, held: Sequence[Target], wish: Wish, common: Common) -> Exit:
    """File what waits for another person. What is acted on already goes on without this command."""
    batch = it.batch
    for target in held:
        if target.resumes is None:
            alert = replace(alert_of(target, wish, house), source=batch.source)
            case = _case(target, alert, wish, held_because=batch.waits)
            await house.world.cases.file(case)
    names = list(dict.fromkeys(target.seen.credential.name for target in held))
    because = f"held: {batch.waits}"
    rows = [*(report.nothing_done(name, "refused", because) for name in names), *it.rows_beside()]
    print_rows([{**row, "batch": batch.id} for row in rows], common)
    click.echo(f"Nothing is revoked yet: {batch.waits}. They type: rotator incidents approve --all-of {batch.id}", err=True)
    return Exit.REFUSED


def _case(target: Target, alert: Any, wish: Wish, *, held_because: str = "") -> Incident:
    identity = f"inc-{secrets.token_hex(5)}"
    return open_incident(identity, target.seen.credential, alert, slot=target.slot, mode=wish.mode, held_because=held_because)


# --- the kill ---------------------------------------------------------------------------------------------------------------


async def _march(house: House, it: Round, wish: Wish, common: Common) -> Exit:
    filed = {name: await _filed(house, it, group, place, wish) for place, (name, group) in enumerate(it.groups.items())}
    gate, progress = asyncio.Semaphore(house.settings.limits.concurrency), Progress(len(it.groups), house.world.clock.now())

    async def one(name: str, group: Sequence[Target]) -> dict[str, Any]:
        cases = filed[name]
        async with place_for(cases, gate, house.world.clock):
            row = await walk_cases(house, group, cases, wish)
        progress.note(row, house.world.clock.now())
        return row

    rows = [*await asyncio.gather(*(one(name, group) for name, group in it.groups.items())), *it.rows_beside()]
    print_rows([{**row, "batch": it.batch.id} for row in rows], common)
    _say_who_is_left(rows)
    return report.exit_code(rows)


async def _filed(house: House, it: Round, group: Sequence[Target], place: int, wish: Wish) -> list[Incident]:
    """The cases of one credential, each with the deadline of its turn; those that are filed are as they are, or stricter."""
    found = []
    for target in group:
        known = target.resumes
        stays = wish.mode is None or house.settings.limits.second_approver
        if known is not None and known.state is not State.HELD and (stays or wish.mode is known.mode):
            found.append(known)
            continue
        case = _case(target, replace(alert_of(target, wish, house), source=it.batch.source), wish)
        found.append(await house.world.cases.file(replace(case, deadline=case.deadline + it.takes.turn(place))))
    return found


@asynccontextmanager
async def place_for(cases: Sequence[Incident], gate: asyncio.Semaphore, clock: Clock) -> AsyncIterator[None]:
    """A place among those that run at once. A drain whose deadline comes before there is one goes in without."""
    deadline = min((case.deadline for case in cases if case.mode is Mode.DRAIN), default=None)
    wait_s = None if deadline is None else max((deadline - clock.now()).total_seconds(), 0)
    try:
        await asyncio.wait_for(gate.acquire(), wait_s)
    except TimeoutError:
        yield
        return
    try:
        yield
    finally:
        gate.release()


class Progress:
    """How far it is: a line whenever one is through, at most one a second, and one at the end."""

    def __init__(self, total: int, began: datetime) -> None:
        self._total, self._began, self._told = total, began, began
        self._through, self._dead, self._last = 0, 0, ("", "")

    def note(self, row: dict[str, Any], now: datetime) -> None:
        self._through += 1
        self._dead += row["outcome"] in ("dead", "already_dead") or row.get("dead", False)
        self._last = max(self._last, (row["timings"]["stable_401"] or "", row["name"]))
        if self._through == self._total or now - self._told >= timedelta(seconds=1):
            self._told = now
            click.echo(self._line(now), err=True)

    def _line(self, now: datetime) -> str:
        left = (now - self._began) * (self._total - self._through) / self._through
        last = f", last 401 {self._last[0]} ({self._last[1]})" if self._last[0] else ""
        failed = f", {self._through - self._dead} NOT" if self._through > self._dead else ""
        eta = f", about {length(left)} left" if self._through < self._total else ""
        return f"{rfc3339(now)}  {self._dead} of {self._total} dead{failed}{eta}{last}"


def _say_who_is_left(rows: Sequence[dict[str, Any]]) -> None:
    unreplaced = [row["name"] for row in rows if row.get("dead") and row.get("unreplaced")]
    alive = [row["name"] for row in rows if row["outcome"] not in ("dead", "already_dead", "unproven") and not row.get("dead")]
    lost = [row["name"] for row in rows if row["outcome"] == "unproven" and row.get("go_on") == [report.LEAKED_KEY]]
    unproven = [row["name"] for row in rows if row["outcome"] == "unproven" and row["name"] not in lost]
    again = "The same command goes on with these."
    for names, what, then in (
        (alive, "NOT revoked", again),
        (unreplaced, "dead, but NOT replaced: the vault gives out a dead key", again),
        (unproven, "revoked, not yet proven dead", again),
        (lost, "revoked, and nobody holds the value to prove it dead", f"With it: {report.LEAKED_KEY}"),
    ):
        if names:
            more = f" and {len(names) - NAMES_TOLD_MAX} more" if len(names) > NAMES_TOLD_MAX else ""
            click.echo(f"{what}: {', '.join(names[:NAMES_TOLD_MAX])}{more}. {then}", err=True)
