"""`rotator discover`: every account there is, as a table, as JSON, as settings to commit, or as a posture."""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from rotator.cli.progress import Counter
from rotator.cli.session import Common, Exit, common_options, fail, read_settings, sentence
from rotator.cli.show import NOTHING, length, print_json, print_table, rfc3339
from rotator.core.snapshot import Unseen
from rotator.settings import Settings
from rotator.survey.estate import Found, Survey
from rotator.survey.posture import WORDS, Gate, NoSuchGate, age, bars, failed, gates, histogram, keyless
from rotator.survey.written import settings_yaml

if TYPE_CHECKING:
    from rotator.azure import Azure
    from rotator.survey.look import Known

WRITES_PER_S, BURST = 10, 200
"""What Resource Manager grants of writes, which a look at keys counts as."""
NAMES_MAX = 12


@click.command("discover", short_help="Every account there is, and settings to commit.")
@click.option("--vault", "vaults", multiple=True, metavar="URL", help="A vault to look into besides those that are found; repeatable.")
@click.option("--no-keys", is_flag=True, help="List no key and read no secret's value: tags alone tell who holds what.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Settings for what is not managed yet, to commit.")
@click.option("--posture", "as_posture", is_flag=True, help="What could be without keys, what is public, how old the keys are.")
@click.option("--fail-on", default="", metavar="LIST", help=f"Exit code 3 where any of these is so: {','.join(WORDS)}.")
@common_options
def command(vaults: tuple[str, ...], no_keys: bool, as_yaml: bool, as_posture: bool, fail_on: str, common: Common) -> None:
    """Every Azure AI account over all subscriptions that you can see: kind, exposure, age of its keys, the vault secrets that hold them,
    and whether the settings manage it. Changes nothing. Works without settings, too: then as whoever `az login` says, in the public cloud.

    \b
    Examples:
      rotator discover
      rotator discover --yaml > found.yaml
      rotator discover --posture
      rotator discover --no-keys --fail-on unmanaged,public    in a pipeline
    """
    if as_yaml and as_posture:
        fail(Exit.USAGE, "Say one of --yaml and --posture.")
    try:
        conditions = gates(fail_on)
    except NoSuchGate as word:
        fail(Exit.USAGE, f"--fail-on does not know {str(word)!r}; it knows {', '.join(WORDS)}.")
    settings = _settings(common)

    async def errand() -> Exit:
        found, known = await _look(settings, common, vaults, not no_keys)
        met = failed(found, conditions)
        if as_yaml:
            taken = [one.name for one in known.credentials]
            click.echo(settings_yaml(found, taken, [str(one.secret) for one in known.credentials]), nl=False)
        elif common.json:
            print_json(document(found, conditions, met))
        elif as_posture:
            _print_posture(found)
        else:
            _print(found)
        for word, names in met.items():
            click.echo(f"{word}: {', '.join(name.rsplit('/', 1)[-1] for name in names)}", err=True)
        return Exit.REFUSED if met else Exit.DONE

    sentence(errand)


def _settings(common: Common) -> Settings:
    """Those of the file; where none was named and none is there, the defaults: a survey is what comes before settings."""
    given = click.get_current_context().get_parameter_source("config")
    if given is click.core.ParameterSource.DEFAULT and not common.config.exists():
        click.echo(f"No {common.config} here: looking at the public cloud, with whatever identity this machine has.", err=True)
        return Settings()
    return read_settings(common)


async def _look(settings: Settings, common: Common, vaults: tuple[str, ...], ask_keys: bool) -> "tuple[Survey, Known]":
    from rotator.azure.arm import ResourceManager
    from rotator.survey.accounts import inventory
    from rotator.survey.look import survey
    from rotator.telemetry import start_logging
    from rotator.wiring import azure_of

    start_logging(common.log_level)
    async with azure_of(settings, common.config.absolute().parent) as azure:
        known, now = await _known(settings, common, azure, vaults)
        counted = await inventory(ResourceManager(azure))
        count = sum(account.local_auth for account in counted.accounts) if ask_keys else 0
        if count > BURST / 2:
            seconds = max(0, count - BURST) / WRITES_PER_S / settings.limits.azure_share
            click.echo(
                f"{count} accounts: as many calls of listKeys, each a write in Azure's budget; about {seconds:.0f} s of waiting for it. "
                "`--no-keys` asks none.",
                err=True,
            )
        counter = Counter()
        try:
            return await survey(azure, known, now, counter, ask_keys=ask_keys, counted=counted), known
        finally:
            counter.end()


async def _known(settings: Settings, common: Common, azure: "Azure", vaults: tuple[str, ...]) -> "tuple[Known, datetime]":
    """What settings, scopes and ledger know; without a ledger that is there already, what the settings know."""
    from datetime import UTC

    from rotator.survey.look import Known
    from rotator.survey.scopes import assigned, listed

    urls = tuple(url.rstrip("/") for url in vaults)
    async with _ledger(settings, common) as ledger:
        if ledger is not None:
            from rotator.cli.show import heard
            from rotator.survey.roster import roster

            care = await roster(settings, azure, ledger, heard)
            minted = await ledger.journal.minted()
            return Known(credentials=list(care.values()), vaults=urls, minted=minted), ledger.database.now()
    from rotator.azure.arm import ResourceManager

    made = assigned(settings, await listed(ResourceManager(azure), settings.discover), {})
    return Known(credentials=[*settings.credential_list(), *made.credentials.values()], vaults=urls), datetime.now(UTC)


@contextlib.asynccontextmanager
async def _ledger(settings: Settings, common: Common) -> AsyncIterator[Any]:
    """The ledger, where there is one: a survey makes none."""
    from pathlib import Path

    from rotator.cli.session import ledger_password
    from rotator.ledger.opening import open_ledger

    directory = common.config.absolute().parent
    address = settings.ledger_address(directory)
    if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).exists():
        yield None
        return
    async with ledger_password(settings, directory) as password, open_ledger(address, password) as ledger:
        yield ledger


# --- JSON -------------------------------------------------------------------------------------------------------------------


def document(survey: Survey, conditions: list[Gate], met: Any) -> dict[str, Any]:
    return {
        "at": rfc3339(survey.at),
        "how": survey.how,
        "keys_asked": survey.keys_asked,
        "accounts": [_row(found, survey.at) for found in survey.found],
        "vaults": [{"url": vault.url, "id": vault.id or None} for vault in survey.vaults],
        "unseen": [{"what": one.what, "because": one.because, "remedy": one.remedy} for one in survey.unseen],
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
        "rotated_at": rfc3339(found.rotated.at) if found.rotated else None,
        "rotated_says": found.rotated.says if found.rotated else None,
        "age_seconds": None if old.value is None else int(old.value.total_seconds()),
        "age_exact": old.exact,
        "managed_as": found.managed_as,
    }


# --- for people -------------------------------------------------------------------------------------------------------------


def _print(survey: Survey) -> None:
    columns = ("account", "kind", "group", "location", "keys", "network", "age", "managed as", "secrets")
    rows = [
        (
            found.account.name,
            found.account.kind,
            found.account.group,
            found.account.location,
            "on" if found.account.local_auth else "off",
            found.account.exposure.value,
            _age(found, survey.at),
            found.managed_as or "nobody" if found.account.local_auth else NOTHING,
            ", ".join(f"{one.secret}{'' if one.whole else ' (a part of it)'}" for one in found.holdings) or NOTHING,
        )
        for found in survey.found
    ]
    print_table(f"{len(rows)} account(s), by {survey.how}", columns, rows, empty="none that this identity can see")
    _print_unseen(survey)
    unmanaged = sum(found.managed_as is None and found.account.local_auth for found in survey.found)
    if unmanaged:
        click.echo(f"{unmanaged} with keys are in nobody's care. Settings for them: rotator discover --yaml")


def _age(found: Found, now: datetime) -> str:
    old = age(found, now)
    if not found.account.local_auth or old.value is None:
        return NOTHING
    return f"{'' if old.exact else '≥ '}{length(old.value)}"


def _print_posture(survey: Survey) -> None:
    groups: dict[str, list[str]] = {}
    for found in survey.found:
        groups.setdefault(keyless(found).value, []).append(found.account.name)
        if found.account.exposure.value != "closed":
            groups.setdefault(f"network {found.account.exposure.value}", []).append(found.account.name)
    said = {
        "already": "without keys: local auth is off",
        "candidate": "could be: Entra tokens are taken at its own host name; once its users have them, switch local auth off",
        "needs_subdomain": "would need a host name of its own first (a custom subdomain)",
        "not_possible": "knows keys alone",
        "network open": "reached from anywhere: rules or a private endpoint would narrow it",
        "network restricted": "reached from named networks",
    }
    rows = [(word.replace("_", " "), str(len(groups[word])), what, _few(groups[word])) for word, what in said.items() if word in groups]
    print_table("posture", ("what", "accounts", "which means", "names"), rows, empty="no account that this identity can see")
    click.echo("Ages of keys (at least so old, where no rotation is known):")
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
