"""What a person types next after a revocation: a sentence for each credential that is not done, or where the evidence is."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from rotator.cli.report import LEAKED_KEY
from rotator.core.rules.local_auth import OFF


def say_next(rows: Sequence[Mapping[str, Any]]) -> None:
    """Each with the command that goes on with it and with nothing else."""
    for row in rows:
        told = _next(row)
        if told:
            click.echo(f"{row['name']}: {told}", err=True)


def _next(row: Mapping[str, Any]) -> str:
    name, go_on = row["name"], " and ".join(row.get("go_on") or [f"rotator revoke {row['name']}"])
    if row.get("phase") == OFF and row["outcome"] in ("unproven", "failed"):
        return str(row["because"])
    if row.get("dead") and row.get("unreplaced"):
        return f"dead, but NOT replaced: {row['because']}. Go on: rotator rotate {name}"
    if row["outcome"] == "unproven":
        handed = "" if LEAKED_KEY in go_on else f" (or pass the key: {LEAKED_KEY})"
        return f"revoked, not yet proven dead. Ask again: {go_on}{handed}"
    if row["outcome"] == "failed" and not row["timings"]["revoked"]:
        return f"NOT revoked yet: {row['because']}. The case stands; go on: {go_on}"
    if row["outcome"] in ("dead", "already_dead"):
        return f"dead since {row['timings']['stable_401'] or 'earlier'}. The evidence: rotator audit show {name}"
    return ""
