"""`rotator incidents approve --all-of BATCH`: a second person's word about an order of `revoke --all`. Nobody approves their own."""

import socket
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from rotator.cli.session import Common, Exit, fail, me
from rotator.cli.show import print_json, rfc3339
from rotator.core.batch import Batch, batch_of, is_own
from rotator.core.estimate import spread
from rotator.core.incident import Incident, State
from rotator.core.legible import legible

if TYPE_CHECKING:
    from datetime import timedelta

    from rotator.ledger.store import Ledger


def person() -> str:
    """Who this process runs as: by its user id, which no variable of the environment changes."""
    import os
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid-{os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def not_by_oneself(case: Incident, by: str | None) -> None:
    """Ends with 3 where the case is part of an order that this person gave, under whatever name they approve it."""
    batch = batch_of(case.source) if case.state is State.HELD else None
    if batch is not None and is_own(batch, [person(), *([by] if by else [])]):
        fail(
            Exit.REFUSED,
            f"{batch.id} was ordered by {batch.by}, and you are {person()}{f' (--by {by})' if by else ''}: "
            f"another person has to approve it, at their own account: rotator incidents approve --all-of {batch.id}",
        )


async def approve_all_of(
    ledger: "Ledger", identity: str, deadlines: "Mapping[str, timedelta]", by: str | None, reason: str, yes: bool, common: Common
) -> Exit:
    """Open every case of the order that waits, each with the deadline of its turn. Killed half-way, the same command goes on."""
    batch, held = await _found(ledger, identity.strip().lower())
    waiting = [case for case in held if case.credential in deadlines]
    if not waiting:
        click.echo(f"{batch.id}: nothing of it waits. How it goes: rotator incidents list --all", err=True)
        return _said(batch, [], [], common)
    not_by_oneself(waiting[0], by)
    _ask(batch, waiting, yes)
    approved, overtaken = await _approve(ledger, waiting, deadlines, by, reason)
    return _said(batch, approved, overtaken, common)


async def _found(ledger: "Ledger", identity: str) -> tuple[Batch, list[Incident]]:
    cases = [(one.case, batch) for one in await ledger.cases.listed(list(State)) if (batch := batch_of(one.case.source))]
    mine = [(case, batch) for case, batch in cases if batch.id == identity]
    if not mine:
        fail(Exit.NOTHING_MATCHED, f"No order is {legible(identity, 64)!r}. `rotator incidents list --state held` shows what waits.")
    held = sorted((case for case, _ in mine if case.state is State.HELD), key=lambda case: (case.reported_at, case.id))
    return mine[0][1], held


def _ask(batch: Batch, waiting: Sequence[Incident], yes: bool) -> None:
    modes = ", ".join(sorted({case.mode for case in waiting}))
    accounts = len({case.credential for case in waiting})
    what = f"Approve {batch.id}, ordered by {batch.by}: {len(waiting)} key(s) of {accounts} account(s), {modes}"
    if yes:
        return
    if not sys.stdin.isatty():
        fail(
            Exit.REFUSED,
            what,
            "Not without a yes: there is no terminal to ask on. Read `rotator incidents list --state held`, then add --yes.",
        )
    click.echo(f"{what}.", err=True)
    typed = click.prompt("To approve, type how many keys", err=True, default="", show_default=False)
    if typed.strip() != str(len(waiting)):
        fail(Exit.REFUSED, f"That is not {len(waiting)}. Nothing was changed.")


async def _approve(
    ledger: "Ledger", waiting: Sequence[Incident], deadlines: "Mapping[str, timedelta]", by: str | None, reason: str
) -> tuple[list[Incident], list[Incident]]:
    from rotator.ledger.cases import Overtaken

    approved, overtaken = list[Incident](), list[Incident]()
    for place, case in enumerate(waiting):
        deadline = deadlines[case.credential] + spread(place)
        try:
            word = {"by": legible(by or me(), 100), "because": legible(reason)}
            approved.append(await ledger.cases.decide(case, State.OPEN, **word, drain_deadline=deadline))
        except Overtaken as other:
            overtaken.append(other.case)
    return approved, overtaken


def _said(batch: Batch, approved: Sequence[Incident], overtaken: Sequence[Incident], common: Common) -> Exit:
    if common.json:
        rows = [
            {"incident": case.id, "credential": case.credential, "state": case.state, "deadline": rfc3339(case.deadline)}
            for case in approved
        ]
        print_json({"batch": batch.id, "approved": rows, "left": [case.id for case in overtaken]})
    elif approved:
        click.echo(f"{batch.id}: {len(approved)} approved, due at once. The daemon acts on them; without one: rotator revoke --all")
    for case in overtaken:
        click.echo(f"{case.id} is {case.state}, {case.mode} meanwhile: left as it is.", err=True)
    return Exit.DONE
