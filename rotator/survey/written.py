"""A survey as settings to commit: YAML that `config check` takes as it is. What a person has to decide stands there as a comment. Pure."""

import json
import re
from collections.abc import Collection, Iterator

from rotator.survey.estate import Account, Found, Holding, Survey

LENGTH_MAX = 100
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def settings_yaml(survey: Survey, taken_names: Collection[str] = (), taken_secrets: Collection[str] = ()) -> str:
    """A credential for each account with keys that the settings do not name yet; names and secrets are unlike those `taken`."""
    names, secrets = set(taken_names), {secret.lower() for secret in taken_secrets}
    ready: list[str] = []
    open_: list[str] = []
    for found in survey.found:
        if found.managed_as is None and found.account.local_auth:
            name = _name(found.account, names)
            names.add(name)
            holding = _usable(found, secrets)
            if holding is None:
                open_ += _undecided(found, name, secrets)
            else:
                secrets.add(str(holding.secret).lower())
                ready += _entry(found, name, holding)
    return "\n".join([*_head(survey), "credentials:" if ready else "credentials: []", *ready, *open_, ""])


def _head(survey: Survey) -> Iterator[str]:
    yield f"# What `rotator discover` found on {survey.at:%Y-%m-%d} by {_line(survey.how)}: accounts that no settings name yet."
    yield "# Read it, put it beside your other settings, then: rotator config check && rotator doctor && rotator plan"
    for one in survey.unseen:
        yield f"# Not seen: {_line(one.what)}: {_line(one.because)}"
    keyless = [found.account.name for found in survey.found if not found.account.local_auth]
    if keyless:
        yield f"# Nothing to rotate, for local auth is off: {_line(', '.join(keyless))}"


def _entry(found: Found, name: str, holding: Holding) -> Iterator[str]:
    yield from _described(found)
    yield f"  - name: {_text(name)}"
    yield f"    account: {_text(found.account.id)}"
    yield f"    secret: {_text(str(holding.secret))}"
    for other in found.holdings:
        if other is not holding:
            yield f"    # the key is in {_line(str(other.secret))}, too: a `vault-copy` in `dependents` keeps it in step"


def _undecided(found: Found, name: str, secrets: Collection[str]) -> Iterator[str]:
    yield from _described(found)
    part = next((one for one in found.holdings if not one.whole), None)
    if part is not None and str(part.secret).lower() not in secrets:
        yield f"  # The key is a part of what {_line(str(part.secret))} holds: say in `format` how it stands there, as {{key}}."
    elif found.holdings:
        yield f"  # Its key is in {_line(str(found.holdings[0].secret))}, which another credential has: give it a secret of its own."
    else:
        yield "  # No secret that could be read holds a key of it: name the one that its users read, and put key1 there before."
    where = str(part.secret) if part else f"https://VAULT.vault.azure.net/secrets/{re.sub(r'[^0-9A-Za-z-]+', '-', found.account.name)}-key"
    yield f"  # - name: {_text(name)}"
    yield f"  #   account: {_text(found.account.id)}"
    yield f"  #   secret: {_text(where)}"
    if part is not None:
        yield "  #   format: '…{key}…'"


def _described(found: Found) -> Iterator[str]:
    account = found.account
    yield f"  # {_line(account.kind)} in {_line(account.location) or 'no location'}, network {account.exposure}"


def _usable(found: Found, secrets: Collection[str]) -> Holding | None:
    """The first secret that holds the key alone and that no other credential has."""
    return next((one for one in found.holdings if one.whole and str(one.secret).lower() not in secrets), None)


def _name(account: Account, taken: Collection[str]) -> str:
    """The account's own name; with its group, its subscription or a number where others have it."""
    group, subscription = f"{account.name}-{account.group}", f"{account.name}-{account.group}-{account.subscription[:8]}"
    for wish in (account.name, group, subscription, *(f"{subscription}-{number}" for number in range(2, len(taken) + 3))):
        name = _UNFIT.sub("-", wish).strip("-._")[-LENGTH_MAX:].lstrip("-._") or "account"
        if name.lower() not in {one.lower() for one in taken}:
            return name
    raise AssertionError("one more number than there are names is free")


def _text(value: str) -> str:
    """A scalar that YAML reads back as the same text."""
    return (
        value
        if re.fullmatch(r"[A-Za-z/][A-Za-z0-9/._-]*|https://[A-Za-z0-9/._:-]*[A-Za-z0-9]", value) and not _is_word(value)
        else json.dumps(value)
    )


def _is_word(value: str) -> bool:
    """What YAML would read as something else than text."""
    return value.lower() in ("true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf")


def _line(text: str) -> str:
    """For a comment: one line, whatever it holds."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
