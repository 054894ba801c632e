"""`rotator audit`: the evidence."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rotator.cli.session import Common, Exit, common_options, credential_names, fail, in_ledger
from rotator.cli.show import print_json, print_table, rfc3339
from rotator.core.audit import AuditEvent

if TYPE_CHECKING:
    from rotator.ledger.store import Ledger

HEAD = re.compile(r"[0-9a-f]{64}")


@click.group("audit", short_help="The evidence.")
def command() -> None:
    """The audit chain: every intent, outcome and case, each event sealed by the hash of the one before it."""


@command.command("verify")
@click.option("--head", help="The head that was noted elsewhere: finds a chain whose end was cut off or that was written anew.")
@common_options
def verify(head: str | None, common: Common) -> None:
    """Walk the whole chain and say how many events were checked. Keep the head it prints somewhere else.

    \b
    Examples:
      rotator audit verify
      rotator audit verify --output json
    """

    head = None if head is None else head.strip().lower()
    if head is not None and not HEAD.fullmatch(head):
        fail(Exit.USAGE, "--head is not of the form of a head: 64 characters of 0-9 and a-f, as `rotator audit verify` prints it.")

    async def errand(ledger: "Ledger") -> Exit:
        verdict = await ledger.audit.verify(head=head)
        if common.json:
            told = {"events": verdict.events, "head": verdict.head, "valid": not verdict.broken, "broken": verdict.broken or None}
            print_json({**told, "noted": verdict.noted})
        elif verdict.broken:
            fail(Exit.FAILED, f"{verdict.events} event(s) checked, the chain is broken: {verdict.broken}.")
        else:
            since = "" if verdict.noted is None else f" The head you noted is event {verdict.noted} of {verdict.events}."
            click.echo(f"{verdict.events} events checked, the chain is whole.{since} Head: {verdict.head}")
        return Exit.FAILED if verdict.broken else Exit.DONE

    in_ledger(common, errand, made=False)


@command.command("show")
@click.argument("credential", required=False, shell_complete=credential_names)
@click.option("--last", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many events.")
@common_options
def show(credential: str | None, last: int, common: Common) -> None:
    """The last events, of one CREDENTIAL or of all.

    \b
    Examples:
      rotator audit show
      rotator audit show chat-prod --last 10
    """

    async def errand(ledger: "Ledger") -> Exit:
        events = [event async for event in ledger.audit.events(credential)][-last:]
        if credential and not events:
            fail(Exit.NOTHING_MATCHED, f"No event speaks of {credential!r}. `rotator status` lists the credentials.")
        if common.json:
            print_json([_plain(event) for event in events])
        else:
            rows = [(str(one.seq), f"{one.at:%Y-%m-%d %H:%M:%S}", one.credential, one.event, _told(one)) for one in events]
            print_table("audit", ("seq", "at", "credential", "event", "what"), rows, empty="no event yet")
        return Exit.DONE

    in_ledger(common, errand)


@command.command("export")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="A file; standard output by default.")
@common_options
def export(to: Path | None, common: Common) -> None:
    """The whole chain as JSON lines, whatever --output says, to keep outside this machine.

    \b
    Example:
      rotator audit export --to audit.jsonl
    """

    async def errand(ledger: "Ledger") -> Exit:
        lines = [json.dumps(_plain(event), ensure_ascii=False) async for event in ledger.audit.events()]
        if to is None:
            click.echo("\n".join(lines))
            return Exit.DONE
        try:
            to.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        except OSError as error:
            fail(Exit.FAILED, f"{to}: {error.strerror}")
        click.echo(f"{len(lines)} events written to {to}.", err=True)
        return Exit.DONE

    in_ledger(common, errand, made=False)


def _plain(event: AuditEvent) -> dict[str, Any]:
    return {**asdict(event), "at": rfc3339(event.at), "fields": dict(event.fields)}


def _told(event: AuditEvent) -> str:
    fields = {name: value for name, value in event.fields.items() if name not in ("worker", "operation") and value}
    return "  ".join(f"{name}={value}" for name, value in fields.items())
