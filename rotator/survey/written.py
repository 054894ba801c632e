"""A survey as settings to commit: YAML that `config check` takes as it is. What a person has to decide stands there as a comment. Pure."""

import re
from collections.abc import Collection, Iterator

from rotator.core.credential import Secret
from rotator.hunt.finding import Copy
from rotator.hunt.written import dependents, one_line, scalar
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
    lacking = [line for found in survey.found for line in _lacking(found)]
    return "\n".join([*_head(survey), "credentials:" if ready else "credentials: []", *ready, *open_, *lacking, ""])


def _head(survey: Survey) -> Iterator[str]:
    yield f"# What `rotator discover` found on {survey.at:%Y-%m-%d} by {one_line(survey.how)}: accounts that no settings name yet."
    yield "# Read it, put it beside your other settings, then: rotator config check && rotator doctor && rotator plan"
    for one in survey.unseen:
        yield f"# Not seen: {one_line(one.what)}: {one_line(one.because)}"
    for one in survey.write_only:
        yield f"# Nobody can look: {one_line(one.what)}: {one_line(one.because)}; {one_line(one.remedy)}"
    keyless = [found.account.name for found in survey.found if not found.account.local_auth]
    if keyless:
        yield f"# Nothing to rotate, for local auth is off: {one_line(', '.join(keyless))}"


def _entry(found: Found, name: str, holding: Holding) -> Iterator[str]:
    yield from _described(found)
    yield f"  - name: {scalar(name)}"
    yield f"    account: {scalar(found.account.id)}"
    yield f"    secret: {scalar(str(holding.secret))}"
    yield from dependents(_beside(found, holding.secret), "    ", holding.secret)


def _beside(found: Found, secret: Secret) -> list[Copy]:
    """Everybody but the secret that gives the key out."""
    return [one for one in found.copies if one.resource.lower() != str(secret).lower()]


def _lacking(found: Found) -> Iterator[str]:
    """What the settings of a credential do not know yet, as a comment: it is theirs to take in."""
    unknown = [one for one in found.copies if not one.known]
    if found.managed_as and unknown:
        yield f"# {one_line(found.managed_as)} is in your settings already, without these:"
        yield from (f"# {line}" for line in dependents(unknown, "  "))


def _undecided(found: Found, name: str, secrets: Collection[str]) -> Iterator[str]:
    yield from _described(found)
    part = next((one for one in found.holdings if not one.whole), None)
    if part is not None and str(part.secret).lower() not in secrets:
        yield f"  # The key is a part of what {one_line(str(part.secret))} holds: say in `format` how it stands there, as {{key}}."
    elif found.holdings:
        yield f"  # Its key is in {one_line(str(found.holdings[0].secret))}, which another credential has: give it a secret of its own."
    else:
        yield "  # No secret that could be read holds a key of it: name the one that its users read, and put key1 there before."
    where = str(part.secret) if part else f"https://VAULT.vault.azure.net/secrets/{re.sub(r'[^0-9A-Za-z-]+', '-', found.account.name)}-key"
    yield f"  # - name: {scalar(name)}"
    yield f"  #   account: {scalar(found.account.id)}"
    yield f"  #   secret: {scalar(where)}"
    if part is not None:
        yield "  #   format: '…{key}…'"
    yield from (f"  # {line}" for line in dependents(_beside(found, part.secret) if part else found.copies, "  "))


def _described(found: Found) -> Iterator[str]:
    account = found.account
    yield f"  # {one_line(account.kind)} in {one_line(account.location) or 'no location'}, network {account.exposure}"


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
