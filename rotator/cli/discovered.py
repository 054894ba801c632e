"""How a survey reads: as JSON for programs, as tables for people."""

from datetime import datetime
from typing import Any

import click

from rotator.cli.show import NOTHING, length, print_table, rfc3339
from rotator.core.snapshot import Unseen
from rotator.hunt.finding import Copy, Why
from rotator.survey.estate import Found, Survey
from rotator.survey.posture import Gate, age, bars, histogram, keyless

NAMES_MAX = 12
COPIES_MAX = 100
"""As many are shown to people; all are in the JSON."""
HELD = {Why.COPY: "plain", Why.PINNED: "pinned", Why.READER: "reference"}
"""How a key is held, in the words of the table and the JSON."""


def document(survey: Survey, conditions: list[Gate], met: Any) -> dict[str, Any]:
    return {
        "at": rfc3339(survey.at),
        "how": survey.how,
        "keys_asked": survey.keys_asked,
        "hunted": survey.hunted,
        "accounts": [_row(found, survey.at) for found in survey.found],
        "vaults": [{"url": vault.url, "id": vault.id or None} for vault in survey.vaults],
        "unseen": [{"what": one.what, "because": one.because, "remedy": one.remedy} for one in survey.unseen],
        "write_only": [{"what": one.what, "because": one.because, "remedy": one.remedy} for one in survey.write_only],
        "ages": histogram(survey),
        "fail_on": [gate.word for gate in conditions],
        "failed": {word: list(names) for word, names in met.items()},
    }


def _row(found: Found, now: datetime) -> dict[str, Any]:
    account, old = found.account, age(found, now)
    keys = {} if isinstance(found.keys, Unseen) else {slot.value: name for slot, name in found.keys.items()}
    return {
        "name": account.name,
        "account": account.id,
        "kind": account.kind,
        "location": account.location,
        "subscription": account.subscription,
        "resource_group": account.group,
        "local_auth": account.local_auth,
        "public_network": account.exposure.value,
        "keyless": keyless(found).value,
        "fingerprints": keys,
        "secrets": [
            {"secret": str(one.secret), "slot": one.slot, "whole": one.whole, "told_by": "tag" if one.by_tag else "value"}
            for one in found.holdings
        ],
        "copies": [_copy(one) for one in found.copies],
        "rotated_at": rfc3339(found.rotated.at) if found.rotated else None,
        "rotated_says": found.rotated.says if found.rotated else None,
        "age_seconds": None if old.value is None else int(old.value.total_seconds()),
        "age_exact": old.exact,
        "managed_as": found.managed_as,
    }


def _copy(one: Copy) -> dict[str, Any]:
    return {
        "kind": one.settings["kind"],
        "what": one.what,
        "where": one.resource,
        "held_as": HELD[one.why],
        "slot": one.slot,
        "secret": str(one.secret) if one.secret else None,
        "known": one.known,
        "because": one.told,
        "settings": None if one.known else dict(one.settings),
        "asks": one.asks or None,
    }


# --- for people -------------------------------------------------------------------------------------------------------------


def print_survey(survey: Survey) -> None:
    columns = ("account", "kind", "group", "location", "keys", "network", "age", "managed as", "secrets", "copies")
    rows = [
        (
            found.account.name,
            found.account.kind,
            found.account.group,
            found.account.location,
            "on" if found.account.local_auth else "off",
            found.account.exposure.value,
            _age(found, survey.at),
            found.managed_as or ("nobody" if found.account.local_auth else NOTHING),
            ", ".join(f"{one.secret}{'' if one.whole else ' (a part of it)'}" for one in found.holdings) or NOTHING,
            _copies(found.copies),
        )
        for found in survey.found
    ]
    print_table(f"{len(rows)} account(s), by {survey.how}", columns, rows, empty="none that this identity can see")
    _print_copies(survey)
    _print_unseen(survey)
    unmanaged = sum(found.managed_as is None and found.account.local_auth for found in survey.found)
    if unmanaged:
        click.echo(f"{unmanaged} with keys are in nobody's care. Settings for them: rotator discover --yaml")
    if not survey.hunted and survey.keys_asked:
        click.echo("Copies are those in vaults. Who else holds the keys: rotator discover --hunt")


def _copies(copies: tuple[Copy, ...]) -> str:
    """How many, and the worst of those about whom something is to be done."""
    worst = next((HELD[one.why] for one in copies if one.is_open), "known") if copies else NOTHING
    return f"{len(copies)}, {worst}" if copies else worst


def _print_copies(survey: Survey) -> None:
    """Where they are: only those about whom something is to be done."""
    rows = [(found.account.name, HELD[one.why], one.what, one.told) for found in survey.found for one in found.copies if one.is_open]
    if rows:
        columns = ("account", "held as", "where", "because")
        print_table(
            f"{len(rows)} cop{'y' if len(rows) == 1 else 'ies'} that the settings do not know, or that never move",
            columns,
            rows[:COPIES_MAX],
        )
    if len(rows) > COPIES_MAX:
        click.echo(f"{len(rows) - COPIES_MAX} more: rotator discover --hunt --output json")


def _age(found: Found, now: datetime) -> str:
    old = age(found, now)
    return NOTHING if old.value is None else f"{'' if old.exact else '≥ '}{length(old.value)}"


def print_posture(survey: Survey) -> None:
    groups: dict[str, list[str]] = {}
    for found in survey.found:
        groups.setdefault(keyless(found).value, []).append(found.account.name)
        if found.account.exposure.value != "closed":
            groups.setdefault(f"network {found.account.exposure.value}", []).append(found.account.name)
        for held in dict.fromkeys(HELD[one.why] for one in found.copies if one.is_open):
            groups.setdefault(f"key held as {held}", []).append(found.account.name)
    said = {
        "already": "without keys: local auth is off",
        "candidate": "could be: Entra tokens are taken at its own host name; once its users have them, switch local auth off",
        "needs_subdomain": "would need a host name of its own first (a custom subdomain)",
        "not_possible": "knows keys alone",
        "network open": "reached from anywhere: rules or a private endpoint would narrow it",
        "network restricted": "reached from named networks",
        "key held as plain": "copied to where the settings do not know it: a rotation leaves it behind, or breaks its user",
        "key held as pinned": "a reference to one version of its secret, which never moves",
        "key held as reference": "read from its secret by somebody whom the settings do not know",
    }
    rows = [(word.replace("_", " "), str(len(groups[word])), what, _few(groups[word])) for word, what in said.items() if word in groups]
    print_table("posture", ("what", "accounts", "which means", "names"), rows, empty="no account that this identity can see")
    click.echo("Ages of keys (at least: no rotation is in the history that Azure keeps, or in anything else):")
    for line in bars(histogram(survey)):
        click.echo(f"  {line}")
    _print_unseen(survey)


def _few(names: list[str]) -> str:
    """All of them are in the JSON."""
    more = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")


def _print_unseen(survey: Survey) -> None:
    for one in survey.unseen:
        click.echo(f"Not seen: {one.what}: {one.because}{f'; {one.remedy}' if one.remedy else ''}")
    for one in survey.write_only:
        click.echo(f"Nobody can look: {one.what}: {one.because}; {one.remedy}")
