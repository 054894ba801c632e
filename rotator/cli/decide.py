"""`rotator incidents approve|dismiss`: a person's word about a case. It is given once, about what that person has seen, and is evidence."""

import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from rotator.cli.approval import approve_all_of, not_by_oneself
from rotator.cli.case import found
from rotator.cli.session import Common, Exit, common_options, fail, in_ledger, me, read_settings
from rotator.cli.show import length, print_json, rfc3339
from rotator.core.incident import TRANSITIONS, Incident, State
from rotator.core.legible import legible
from rotator.core.policy import Mode

if TYPE_CHECKING:
    from rotator.ledger.store import Ledger

_BREAKS = {
    Mode.DRAIN: "its value is replaced everywhere, then killed; what has not moved {deadline} from now loses access",
    Mode.CUT: "its value is killed first and replaced after; every user of it fails until it reads the new one",
    Mode.CONTAIN: "its value is killed and local auth is switched off; the account accepts no key at all any more",
}
_LEFT = {
    State.HELD: "its value is left as it is",
    State.OPEN: "nothing more is done on its account; where its value is replaced in the vault already, that still ends it",
}
"""The tags of the replacement say why it was made: they speak for themselves, and need no case."""


@click.command("approve")
@click.argument("identity", metavar="ID", required=False)
@click.option("--all-of", "batch", metavar="BATCH", help="Every case of one order of `rotator revoke --all`; another person gave it.")
@click.option("--reason", default="", help="Why, for the audit.")
@click.option("--by", default=None, help="Who; by default you.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask. Needed without a terminal.")
@common_options
def approve(identity: str | None, batch: str | None, reason: str, by: str | None, yes: bool, common: Common) -> None:
    """Let a case that is held be acted upon. Its credential is due at once; its deadline is counted from now. Where it is acted upon
    already, or is over, there is nothing left to do, and the exit code is 0.

    \b
    Examples:
      rotator incidents approve inc-4f2a --reason "the gist is real"
      rotator incidents approve --all-of all-1f0c9a2b --reason "it is Alice"
    """
    settings = read_settings(common)
    if (identity is None) == (batch is None):
        fail(Exit.USAGE, "Say the ID of a case, or --all-of BATCH. `rotator incidents list --state held` shows what waits.")

    async def errand(ledger: "Ledger") -> Exit:
        from rotator.survey.memory import recalled

        deadlines = {one.name: one.policy.drain_deadline for one in (await recalled(settings, ledger)).values()}
        if batch is not None:
            return await approve_all_of(ledger, batch, deadlines, by, reason, yes, common)
        case = await found(ledger, identity or "")
        not_by_oneself(case, by)
        if case.credential not in deadlines:
            fail(Exit.USAGE, f"{case.id} is about {case.credential}, which {common.config} does not name: nobody would act on it.")
        if case.state is not State.HELD:
            return _not_held(case, common)
        deadline = deadlines[case.credential]
        _ask(f"Approve {case.id} ({case.credential}): {_BREAKS[case.mode].format(deadline=length(deadline))}.", yes, case)
        decided = await _decide(ledger, case, State.OPEN, by, reason, deadline)
        _say(
            decided, common, f"{case.credential} is due at once, deadline {rfc3339(decided.deadline)}. The daemon acts on it; without one:"
        )
        return Exit.DONE

    in_ledger(common, errand)


@click.command("dismiss")
@click.argument("identity", metavar="ID")
@click.option("--reason", required=True, help="Why nothing is to be done, for the audit.")
@click.option("--by", default=None, help="Who; by default you.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask. Needed without a terminal.")
@common_options
def dismiss(identity: str, reason: str, by: str | None, yes: bool, common: Common) -> None:
    """Do nothing about a case that is held or open. Another report of the same opens it again only if it proves what was suspected. What is
    revoked cannot be left as it is any more: exit code 3.

    \b
    Example:
      rotator incidents dismiss inc-4f2a --reason "revoked by hand"
    """
    if not reason.strip():
        fail(Exit.USAGE, "Say why: --reason TEXT. It is all that tells the next person why a reported key was left alive.")

    async def errand(ledger: "Ledger") -> Exit:
        case = await found(ledger, identity)
        if State.DISMISSED not in TRANSITIONS[case.state]:
            return _too_late(case, common)
        _ask(f"Dismiss {case.id} ({case.credential}): {_LEFT[case.state]}.", yes, case)
        decided = await _decide(ledger, case, State.DISMISSED, by, reason, timedelta(0))
        _say(decided, common, "Nothing more is done on its account. To kill the value after all:")
        return Exit.DONE

    in_ledger(common, errand)


def _not_held(case: Incident, common: Common) -> Exit:
    """Approved before, or by now beyond it: nothing to do. A person's no is not turned round by a yes to the same words."""
    if case.state is State.DISMISSED:
        fail(Exit.REFUSED, f"{case.id} was dismissed. To kill the value after all: rotator revoke --fingerprint {case.fingerprint}")
    return _nothing_to_do(case, common)


def _too_late(case: Incident, common: Common) -> Exit:
    if case.state is not State.DISMISSED:
        fail(Exit.REFUSED, f"{case.id} is {case.state}: its value is revoked, which nobody can undo. See: rotator incidents show {case.id}")
    return _nothing_to_do(case, common)


def _nothing_to_do(case: Incident, common: Common) -> Exit:
    click.echo(f"{case.id} is {case.state}: there is nothing to do. How it goes: rotator incidents show {case.id}", err=True)
    if common.json:
        print_json(_row(case))
    return Exit.DONE


def _ask(what: str, yes: bool, case: Incident) -> None:
    if yes:
        return
    if case.held_because:
        click.echo(f"Held because {legible(case.held_because)}.", err=True)
    if not sys.stdin.isatty():
        fail(
            Exit.REFUSED,
            what,
            f"Not without a yes: there is no terminal to ask on. Read `rotator incidents show {case.id}`, then add --yes.",
        )
    click.echo(what, err=True)
    if not click.confirm("Do it?", err=True):
        fail(Exit.REFUSED, "Nothing was changed.")


async def _decide(ledger: "Ledger", case: Incident, to: State, by: str | None, reason: str, deadline: timedelta) -> Incident:
    from rotator.ledger.cases import Overtaken

    who, why = legible(by or me(), 100), legible(reason)
    try:
        return await ledger.cases.decide(case, to, by=who, because=why, drain_deadline=deadline)
    except Overtaken as overtaken:
        now = overtaken.case
        fail(
            Exit.REFUSED, f"Nothing was changed: meanwhile {now.id} is {now.state}, {now.mode}. Look again: rotator incidents show {now.id}"
        )


def _say(case: Incident, common: Common, next_: str) -> None:
    if common.json:
        print_json(_row(case))
    else:
        click.echo(f"{case.id} is {case.state}. {next_} rotator revoke --fingerprint {case.fingerprint}")


def _row(case: Incident) -> dict[str, str | None]:
    return {"incident": case.id, "credential": case.credential, "state": case.state, "deadline": rfc3339(case.deadline)}
