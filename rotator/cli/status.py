"""`rotator status`: every credential as it is now."""

from datetime import datetime
from typing import Any

import click

from rotator.cli.look import Seen, see
from rotator.cli.session import Common, Exit, chosen, common_options, credential_names, in_house
from rotator.cli.show import length, print_json, print_table, rfc3339, until
from rotator.core.incident import State
from rotator.core.policy import due_at
from rotator.core.second_writer import sentence
from rotator.wiring import House


@click.command("status", short_help="Every credential as it is now.")
@click.argument("names", nargs=-1, shell_complete=credential_names)
@common_options
def command(names: tuple[str, ...], common: Common) -> None:
    """Every credential (or those NAMED): what is active, how old, when due, and what is going on.

    \b
    Examples:
      rotator status
      rotator status chat-prod --output json
    """

    async def errand(house: House) -> Exit:
        seen = await see(house, chosen(house, names))
        if common.json:
            print_json([row(one) for one in seen])
        else:
            _print(seen, house.world.clock.now())
        return Exit.DONE

    in_house(common, errand)


def row(one: Seen) -> dict[str, Any]:
    """The contract's row."""
    due = _due(one)
    return {
        "name": one.credential.name,
        "account": one.credential.account,
        "secret": str(one.credential.secret),
        "active": one.active,
        "fingerprint": one.current.fingerprint if one.current else None,
        "age_seconds": int((one.at - one.active_since).total_seconds()) if one.active_since else None,
        "due_at": rfc3339(due),
        "overdue": due is not None and due <= one.at,
        "phase": one.decision.phase,
        "because": _because(one),
        "incident": next((case.id for case in one.incidents if case.is_open), None),
        "held": _held(one),
        "dependents": [
            {"name": view.name, "kind": view.kind, "adoption": view.adoption, "seen": view.seen, "because": view.because}
            for view in one.look.snapshot.dependents
        ],
    }


def _because(one: Seen) -> str:
    second = one.look.snapshot.memory.second_writer
    return f"{one.decision.because}; {sentence(second)}" if second else one.decision.because


def _due(one: Seen) -> datetime | None:
    """What accepts no key at all has none to rotate."""
    since = None if one.facts.local_auth_is_off else one.active_since
    return due_at(one.credential.policy, since) if since else None


def _held(one: Seen) -> str | None:
    """A case that waits for a person: nothing is done about it until `rotator incidents approve` or `dismiss`."""
    return next((case.id for case in one.incidents if case.state is State.HELD), None)


def _when_due(one: Seen, now: datetime) -> str:
    due = _due(one)
    return f"OVERDUE {until(due, now)}" if due and due <= now else until(due, now)


def _print(seen: list[Seen], now: datetime) -> None:
    columns = ("credential", "active", "fingerprint", "age", "due", "phase", "incident", "held", "dependents", "because")
    rows = [
        (
            one.credential.name,
            str(one.active or "–"),
            (one.current.fingerprint or "–")[:8] if one.current else "–",
            length(now - one.active_since) if one.active_since else "–",
            _when_due(one, now),
            one.decision.phase,
            next((case.id for case in one.incidents if case.is_open), "–"),
            _held(one) or "–",
            ", ".join(f"{view.name} {view.adoption}" for view in one.look.snapshot.dependents) or "–",
            _because(one),
        )
        for one in seen
    ]
    print_table(f"{len(rows)} credential(s)", columns, rows, empty="the settings name no credential; see config/one-account.yaml")
