"""`rotator revoke`: kill a leaked key. Shows the plan and its impact first; asks on a terminal; without one it needs --yes."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import click

from rotator.cli import report
from rotator.cli.counting import counted, heard
from rotator.cli.duration import DURATION
from rotator.cli.foreseen import Wish, alert_of, forecasts_of, planned, show
from rotator.cli.look import looked_for
from rotator.cli.pasted import read_pasted
from rotator.cli.reported import looked_up, print_matches, read_report
from rotator.cli.revoked import say_next
from rotator.cli.rotate import claim, print_rows, walk
from rotator.cli.session import Common, Exit, agreed, chosen, common_options, credential_names, fail, in_house
from rotator.cli.show import Progress
from rotator.cli.stopgap import LOST, stopgap
from rotator.cli.targets import Target, by_fingerprint, named, recognised
from rotator.core.faults import Fault, LeaseLost
from rotator.core.incident import Incident, State, escalate
from rotator.core.keyshape import is_keylike
from rotator.core.policy import Mode
from rotator.engine.intake import intake
from rotator.engine.observe import NOTHING
from rotator.engine.ports import HeldBy
from rotator.engine.stay import Stay
from rotator.engine.urgency import urgent
from rotator.ledger.fault import LedgerFault
from rotator.telemetry import scrub
from rotator.wiring import House, on_ledger


@click.command("revoke", short_help="Kill a leaked key.")
@click.argument("names", nargs=-1, shell_complete=credential_names)
@click.option("--slot", type=click.Choice(["key1", "key2", "both"]), help="Which slot of the NAMED credentials; by default the active one.")
@click.option(
    "--leaked-key", metavar="-", help="Read leaked keys from standard input, one a line. Only '-': a key on a command line leaks again."
)
@click.option("--fingerprint", help="The fingerprint of a value, as `status` and the audit show it; its first 8 letters are enough.")
@click.option(
    "--report", "said", metavar="FILE|-", help="A report of TruffleHog, gitleaks, ggshield, SARIF, or any text; - is standard input."
)
@click.option("--all", "every", is_flag=True, help="Every credential of the settings: its active key, or what --slot says.")
@click.option("--anew", is_flag=True, help="With --all: a new round, though one of the last hour is not through.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    help="drain: replace, then kill, by a deadline. cut: kill first. contain: also switch local auth off.",
)
@click.option("--reason", "note", default="", help="What happened, for the incident and the audit.")
@click.option("--dry-run", is_flag=True, help="Show the plan and its impact, and stop.")
@click.option("--server", metavar="URL", help="Send it to the running daemon. Its token is in ROTATOR_OPERATOR_TOKEN; keys stay here.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask. Needed without a terminal.")
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Stay until the key is proven dead, or return at the first wait (what fails is tried again for 10 s).",
)
@click.option("--timeout", type=DURATION, default="10m", show_default=True, help="How long --wait stays.")
@common_options
def command(
    names: tuple[str, ...],
    slot: str | None,
    leaked_key: str | None,
    fingerprint: str | None,
    said: str | None,
    every: bool,
    anew: bool,
    mode: str | None,
    note: str,
    dry_run: bool,
    server: str | None,
    yes: bool,
    wait: bool,
    timeout: timedelta,
    common: Common,
) -> None:
    """Kill a key: of NAMED credentials, of the account that a leaked key belongs to, by fingerprint, all that a scanner's report
    names, or --all there are. Exactly one of these.

    It shows what it will do and what that breaks, asks, and stays until the data plane refuses the key at every endpoint. Killed half-way,
    the same command goes on with the same case, and kills no key that this case has published; a live key that is asked for and that no
    case is about dies beside it.

    Exit codes: 0 dead, and readers of the vault have a live key; 5 revoked, not yet proven dead; 1 not revoked, or dead while the vault
    still gives out the dead key ("dead" and "unreplaced" in the JSON).

    \b
    Examples:
      rotator revoke --leaked-key - --mode cut     paste the key, it is not shown
      rotator revoke chat-prod --dry-run           what it would do, what breaks
      rotator revoke chat-prod --slot both --mode contain --reason "laptop stolen"
      gitleaks detect --report-path leaks.json; rotator revoke --report leaks.json
    """
    _exactly_one(names, leaked_key, fingerprint, said, every, slot)
    leaked = read_pasted() if leaked_key else []
    scanned = read_report(said) if said is not None else None
    wish = Wish(mode=Mode(mode) if mode else None, note=scrub(note), limit=timeout if wait else None, dry_run=dry_run, yes=yes)

    if server is not None:
        from rotator.cli.remote import asked_of, revoke_at

        if every:
            fail(Exit.USAGE, "--all is ordered beside the daemon's ledger, where its estimate can be made: leave --server away.")
        revoke_at(server, asked_of(names, slot, leaked, fingerprint, scanned), wish, common)

    async def errand(house: House) -> Exit:
        if every:
            from rotator.cli.everything import revoke_all

            return await revoke_all(house, slot, wish, common, anew=anew)
        unmatched: list[dict[str, Any]] = []
        aside: Mapping[str, Mapping[str, Any]] = {}
        with urgent(), counted(len(house.credentials)) as one_more:
            if scanned is not None:
                found = await looked_up(house, scanned)
                targets, unmatched, aside = list(found.targets), list(found.others), found.aside()
                if not common.json:
                    print_matches(found)
            elif names:
                targets, unmatched = await named(house, chosen(house, names), slot, looked_for(wish.limit))
            elif fingerprint is not None:
                targets, unmatched = await by_fingerprint(heard(house, one_more), fingerprint)
            else:
                targets, unmatched = await recognised(heard(house, one_more), leaked)
        for row in unmatched:
            click.echo(f"{row['fingerprint'][:8]}…: {row['because']}" if row.get("fingerprint") else row["because"], err=True)
        return await _revoke(house, targets, wish, common, unmatched, aside)

    in_house(common, errand, None if common.json or every else Progress(), emergency=True)


def _exactly_one(
    names: Sequence[str], leaked_key: str | None, fingerprint: str | None, said: str | None, every: bool, slot: str | None
) -> None:
    if leaked_key not in (None, "-") and (not leaked_key or leaked_key.startswith("--")):
        fail(
            Exit.USAGE, "--leaked-key takes '-' and nothing else: the key itself is read from standard input: rotator revoke --leaked-key -"
        )
    if leaked_key not in (None, "-") or is_keylike(fingerprint or ""):
        fail(
            Exit.USAGE,
            "A key on a command line stands in the shell's history and in the process list: this one has leaked now, too.",
            "Pass it on standard input: rotator revoke --leaked-key -",
        )
    if sum((bool(names), leaked_key is not None, fingerprint is not None, said is not None, every)) != 1:
        ways = "NAME…, --leaked-key -, --fingerprint F, --report FILE, --all"
        fail(Exit.USAGE, f"Say exactly one of: {ways}. `rotator status` lists the names.")
    if fingerprint is not None and not fingerprint.strip():
        fail(Exit.USAGE, "--fingerprint is empty. `rotator status` and `rotator audit show` tell fingerprints.")
    if slot and not (names or every):
        fail(Exit.USAGE, "--slot goes with NAME, or with --all.")


# --- the plan, the question, the kill ---------------------------------------------------------------------------------------


async def _revoke(
    house: House,
    targets: Sequence[Target],
    wish: Wish,
    common: Common,
    unmatched: list[dict[str, Any]],
    aside: Mapping[str, Mapping[str, Any]],
) -> Exit:
    groups: dict[str, list[Target]] = {}
    for target in targets:
        groups.setdefault(target.seen.credential.name, []).append(target)
    foreseen = not common.json or wish.dry_run  # where nobody reads the plan, nothing is asked for it
    forecasts = await forecasts_of(groups, wish, house) if foreseen else {}
    if not targets or (wish.dry_run and common.json):
        rows = [*unmatched, *({**planned(name, group, forecasts[name], wish), **aside.get(name, {})} for name, group in groups.items())]
        print_rows(rows, common)
        return report.exit_code(rows)
    if not common.json:
        for name, group in groups.items():
            show(name, group, forecasts[name], wish)
    if wish.dry_run:
        click.echo("Nothing was changed (--dry-run).", err=True)
        return Exit.DONE
    confirm(list(groups), wish)
    killed = await asyncio.gather(*(_killed(house, group, wish) for group in groups.values()))
    rows = [*unmatched, *({**row, **aside.get(row["name"], {})} for row in killed)]
    print_rows(rows, common)
    if not common.json:
        say_next(rows)
    return report.exit_code(rows)


def confirm(names: Sequence[str], wish: Wish) -> None:
    """A yes on a terminal, or exit code 3."""
    if wish.yes:
        return
    what = ", ".join(names)
    if not sys.stdin.isatty():
        fail(Exit.REFUSED, f"Not revoking {what} without a yes: there is no terminal to ask on. Look at --dry-run, then add --yes.")
    if not agreed(f"Revoke {what}?"):
        fail(Exit.REFUSED, "Nothing was changed.")


async def _killed(house: House, group: Sequence[Target], wish: Wish) -> dict[str, Any]:
    """The kill, also where the ledger fails under it: the same values die then without one that lasts."""
    try:
        row = await kill(house, group, wish)
    except LedgerFault as fault:
        blank = [replace(one, seen=replace(one.seen, look=replace(one.seen.look, told=NOTHING))) for one in group]
        if house.stopgap:
            return report.unrecorded(group[0].seen.credential.name, str(fault), gone=await _are_gone(house, group))
        try:
            async with stopgap(fault) as ledger:
                return await _killed(on_ledger(house, ledger, stopgap=str(fault)), blank, wish)
        except LedgerFault:
            return report.unrecorded(group[0].seen.credential.name, str(fault), gone=await _are_gone(house, group))
    return {**row, "because": f"{row['because']}; {LOST}: {house.stopgap}"} if house.stopgap else row


async def _are_gone(house: House, group: Sequence[Target]) -> bool | None:
    """Whether the values are in no slot any more; None where that cannot be seen."""
    try:
        keys = await house.world.issuer.keys(group[0].seen.credential.account)
    except Fault:
        return None
    return not {key.fingerprint for key in keys.values()} & {one.fingerprint for one in group}


async def kill(house: House, group: Sequence[Target], wish: Wish) -> dict[str, Any]:
    """File the cases about one credential's values, walk the corridor, and say what came of it."""
    return await walk_cases(house, group, [await _filed(target, wish, house) for target in group], wish)


async def walk_cases(house: House, group: Sequence[Target], cases: Sequence[Incident], wish: Wish) -> dict[str, Any]:
    """The same for cases that are filed."""
    credential, started = group[0].seen.credential, house.world.clock.now()
    lease = await claim(house, credential.name, wish.limit)
    if isinstance(lease, HeldBy):
        return report.held(credential.name, f"the case is filed; {lease.owner} acts on the credential and has been told")
    known = [target.value for target in group if target.value]
    until = started + wish.limit if wish.limit is not None else None
    run = await walk(house, credential, lease, until, known=known, told=group[0].seen.look.told, stay=Stay.DEAD)
    if isinstance(run, LeaseLost):
        return report.held(credential.name, f"the case is filed; {run}")
    return report.revoked(run, cases, already=all(target.slot is None and not target.resumes for target in group))


async def _filed(target: Target, wish: Wish, house: House) -> Incident:
    """The case; one that is done is not opened again where nothing new is said of it."""
    done = target.resumes if target.value is None else None
    if done and done.state is State.CLOSED and escalate(done, wish.mode or done.mode) == done:
        return done
    return await intake(alert_of(target, wish, house), target.seen.credential, house.world, slot=target.slot, mode=_mode(target, wish))


def _mode(target: Target, wish: Wish) -> Mode | None:
    return wish.mode or (target.resumes.mode if target.resumes else None)
