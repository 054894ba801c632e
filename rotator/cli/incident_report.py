"""`rotator incidents report`: the post-mortem of a case, its SHA-256 anchored in the audit chain; and whether a file is such a one."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rotator.cli.case import found, told
from rotator.cli.session import Common, Exit, common_options, fail, in_ledger
from rotator.cli.show import print_json, rfc3339

if TYPE_CHECKING:
    from rotator.core.audit import AuditEvent
    from rotator.ledger.store import Ledger

FILE_BYTES_MAX = 64 * 1024 * 1024


@click.command("report")
@click.argument("identity", metavar="ID")
@click.option("--format", "form", type=click.Choice(["markdown", "json"]), help="markdown, or json where --output is.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="A file; standard output by default.")
@click.option("--verify", "claimed", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Is this file an anchored report?")
@common_options
def report(identity: str, form: str | None, to: Path | None, claimed: Path | None, common: Common) -> None:
    """Write the post-mortem of a case. Its SHA-256 becomes an event of the audit chain, so that nobody can change the file unseen.

    \b
    Examples:
      rotator incidents report inc-4f2a --to inc-4f2a.md
      rotator incidents report inc-4f2a --verify inc-4f2a.md
    """
    if claimed and (form or to):
        fail(Exit.USAGE, "--verify reads a file and writes none: leave --format and --to away.")
    form = form or ("json" if common.json else "markdown")

    async def errand(ledger: "Ledger") -> Exit:
        if claimed:
            return await _verify(ledger, identity, claimed, common)
        return await _write(ledger, identity, form, to, common)

    in_ledger(common, errand)


async def _write(ledger: "Ledger", identity: str, form: str, to: Path | None, common: Common) -> Exit:
    """Written first, anchored after: killed between the two, the same command makes the same bytes and anchors them."""
    from rotator.core.evidence import ANCHORED
    from rotator.core.page import as_markdown
    from rotator.core.postmortem import as_json

    case = await found(ledger, identity)
    whole = await told(ledger, case)
    text = as_markdown(whole) if form == "markdown" else as_json(whole)
    if to is None:
        click.echo(text, nl=False)
    else:
        _put(to, text)
    digest = hashlib.sha256(text).hexdigest()
    event, new = await ledger.audit.record_once(ANCHORED, case.credential, {"incident": case.id, "sha256": digest, "format": form})
    if to is not None and common.json:
        print_json({"incident": case.id, "format": form, "file": str(to), "sha256": digest, "event": event.seq, "anchored_now": new})
    else:
        click.echo(f"sha256 {digest}, {'anchored' if new else 'anchored before'} as event #{event.seq}", err=to is None)
    return Exit.DONE


def _put(to: Path, text: bytes) -> None:
    """The whole file or none of it, whatever stood there before."""
    try:
        handle, beside = tempfile.mkstemp(dir=to.absolute().parent, prefix=f".{to.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).replace(to)
        finally:
            Path(beside).unlink(missing_ok=True)
    except OSError as error:
        fail(Exit.FAILED, f"{to}: {error.strerror}. Nothing was anchored.")


async def _verify(ledger: "Ledger", identity: str, claimed: Path, common: Common) -> Exit:
    """An anchor is worth what the chain is worth: both are looked at."""
    case = await found(ledger, identity)
    digest = _digest(claimed)
    anchors = await _anchors(ledger, case.id, case.credential)
    mine = next((event for event in anchors if event.fields.get("sha256") == digest), None)
    chain = await ledger.audit.verify()
    if common.json:
        seq, at = (mine.seq, rfc3339(mine.at)) if mine else (None, None)
        print_json({"incident": case.id, "sha256": digest, "anchored": mine is not None, "event": seq, "at": at, "chain": not chain.broken})
        return Exit.DONE if mine and not chain.broken else Exit.FAILED
    if mine is None:
        fail(
            Exit.FAILED,
            f"{claimed} is not a report of {case.id} as it was written: none of {len(anchors)} anchored has its sha256 {digest}.",
        )
    if chain.broken:
        fail(Exit.FAILED, f"{claimed} is anchored as event #{mine.seq}, but the chain is broken: {chain.broken}.")
    click.echo(f"{claimed} is the report of {case.id} anchored as event #{mine.seq} at {rfc3339(mine.at)}; the chain is whole.")
    return Exit.DONE


async def _anchors(ledger: "Ledger", incident: str, credential: str) -> "list[AuditEvent]":
    from rotator.core.evidence import ANCHORED

    events = [event async for event in ledger.audit.events(credential)]
    return [event for event in events if event.event == ANCHORED and event.fields.get("incident") == incident]


def _digest(claimed: Path) -> str:
    try:
        if claimed.stat().st_size > FILE_BYTES_MAX:
            fail(Exit.USAGE, f"{claimed} is larger than any report: {FILE_BYTES_MAX // 1024 // 1024} MiB.")
        return hashlib.sha256(claimed.read_bytes()).hexdigest()
    except OSError as error:
        fail(Exit.USAGE, f"{claimed}: {error.strerror}")
