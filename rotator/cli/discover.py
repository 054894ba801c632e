"""`rotator discover`: every account there is, as a table, as JSON, as settings to commit, or as a posture."""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from rotator.cli.discovered import document, print_posture, print_survey
from rotator.cli.progress import Counter
from rotator.cli.session import Common, Exit, common_options, fail, read_settings, sentence
from rotator.cli.show import print_json
from rotator.settings import Settings
from rotator.survey.estate import Survey
from rotator.survey.posture import HUNTED, WORDS, NoSuchGate, failed, gates
from rotator.survey.written import settings_yaml

if TYPE_CHECKING:
    from rotator.azure import Azure
    from rotator.survey.copies import Hunting
    from rotator.survey.look import Known


@click.command("discover", short_help="Every account there is, and settings to commit.")
@click.option("--vault", "vaults", multiple=True, metavar="URL", help="A vault to look into besides those that are found; repeatable.")
@click.option("--no-keys", is_flag=True, help="List no key and read no secret's value: tags alone tell who holds what.")
@click.option("--hunt", "hunts", is_flag=True, help="Who copies the keys: search app settings and the like of all subscriptions, too.")
@click.option("--kubeconfig", "kubeconfigs", multiple=True, metavar="FILE[@CONTEXT]", help="With --hunt: this cluster's Secrets, too.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Settings for what is not managed yet, to commit.")
@click.option("--posture", "as_posture", is_flag=True, help="What could be without keys, what is public, how old the keys are.")
@click.option("--fail-on", default="", metavar="LIST", help=f"Exit code 3 where any of these is so: {','.join(WORDS)}.")
@common_options
def command(
    vaults: tuple[str, ...],
    no_keys: bool,
    hunts: bool,
    kubeconfigs: tuple[str, ...],
    as_yaml: bool,
    as_posture: bool,
    fail_on: str,
    common: Common,
) -> None:
    """Every Azure AI account over all subscriptions that you can see: kind, exposure, age of its keys, the vault secrets that hold them,
    and whether the settings manage it. Changes nothing. Works without settings, too: then as whoever `az login` says, in the public cloud.

    Copies are looked for in vaults. `--hunt` looks everywhere else, too, where `rotator hunt` does: App Service, Container Apps,
    Container Instances, API Management, Data Factory, connections of Azure ML and AI Foundry, clusters. It is asked for and no default,
    because it reads every setting of every app that you may read, which the owners of those apps see in their logs, and spends calls
    for each app of the budget of writes that kills live on; how many, it says before each sort. Where it is denied, that is listed with
    the permission that is missing, and the rest is searched.

    Of --fail-on, `copied` is a key that the settings do not know to be held there, `pinned` a reference to one version, `unwatched` a
    reference that the settings do not know; the last two need --hunt, and `copied` without it is about vaults alone. `older-than` fails
    for a key that is older, and for one of which nobody saw a rotation: at least so old (≥) cannot be shown to be younger. `unknown-age`
    is one of which nothing tells even that.

    \b
    Examples:
      rotator discover
      rotator discover --hunt
      rotator discover --hunt --yaml > found.yaml
      rotator discover --posture
      rotator discover --no-keys --fail-on unmanaged,public    in a pipeline
      rotator discover --hunt --fail-on copied,pinned          in another
    """
    if as_yaml and as_posture:
        fail(Exit.USAGE, "Say one of --yaml and --posture.")
    if hunts and no_keys:
        fail(Exit.USAGE, "Say one of --hunt and --no-keys: a hunt compares what it finds with the keys.")
    if kubeconfigs and not hunts:
        fail(Exit.USAGE, "--kubeconfig says where a hunt looks: add --hunt.")
    try:
        conditions = gates(fail_on)
    except NoSuchGate as word:
        fail(Exit.USAGE, f"--fail-on does not know {str(word)!r}; it knows {', '.join(WORDS)}.")
    blind = [gate.word for gate in conditions if gate.word in HUNTED]
    if blind and not hunts:
        fail(Exit.USAGE, f"--fail-on {','.join(blind)} would never fail without a hunt: add --hunt.")
    settings = _settings(common)

    async def errand() -> Exit:
        found, known = await _look(settings, common, vaults, not no_keys, kubeconfigs if hunts else None)
        met = failed(found, conditions)
        if as_yaml:
            taken = [one.name for one in known.credentials]
            click.echo(settings_yaml(found, taken, [str(one.secret) for one in known.credentials]), nl=False)
        elif common.json:
            print_json(document(found, conditions, met))
        elif as_posture:
            print_posture(found)
        else:
            print_survey(found)
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


async def _look(
    settings: Settings, common: Common, vaults: tuple[str, ...], ask_keys: bool, clusters: tuple[str, ...] | None
) -> "tuple[Survey, Known]":
    from rotator.azure.arm import ResourceManager
    from rotator.hunt.reach import spent
    from rotator.survey.accounts import inventory
    from rotator.survey.look import survey
    from rotator.telemetry import start_logging
    from rotator.wiring import azure_of

    start_logging(common.log_level)
    async with azure_of(settings, common.config.absolute().parent) as azure:
        known, now = await _known(settings, common, azure, vaults)
        counted = await inventory(ResourceManager(azure))
        count = sum(account.local_auth for account in counted.accounts) if ask_keys else 0
        cost = spent(count, settings.limits.azure_share)
        if cost:
            click.echo(f"keys: {count} accounts to ask{cost}. `--no-keys` asks none.", err=True)
        counter = Counter()
        hunting = None if clusters is None else _hunting(settings, common, azure, clusters, counter)
        try:
            return await survey(azure, known, now, counter, ask_keys=ask_keys, counted=counted, hunting=hunting), known
        finally:
            counter.end()


def _hunting(settings: Settings, common: Common, azure: "Azure", clusters: tuple[str, ...], counter: Counter) -> "Hunting":
    from rotator.cli.hunt import cluster_of, tell
    from rotator.hunt.reach import Reach
    from rotator.survey.copies import Hunting
    from rotator.wiring import tools_of

    def said(text: str) -> None:
        counter.end()
        tell(text)

    tools = tools_of(azure, common.config.absolute().parent)
    return Hunting(reach=Reach(tools=tools, tell=said, share=settings.limits.azure_share), clusters=tuple(map(cluster_of, clusters)))


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
