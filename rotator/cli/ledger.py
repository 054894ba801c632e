"""`rotator ledger`: the database that remembers. PostgreSQL's schema is brought up to date here; SQLite's by whoever opens it."""

import click

from rotator.cli.session import Common, Exit, common_options, ledger_password, read_settings, sentence
from rotator.cli.show import print_json


@click.group("ledger", short_help="The database that remembers.")
def command() -> None:
    """Where incidents, intents, history and the audit chain are kept: `ledger:` in the settings."""


@command.command("upgrade")
@common_options
def upgrade(common: Common) -> None:
    """Bring the schema up to date. Workers of the version before can go on meanwhile; upgrade them after it, one by one.

    \b
    Example:
      rotator ledger upgrade --config rotator.yaml
    """
    settings, directory = read_settings(common), common.config.absolute().parent

    async def errand() -> Exit:
        from rotator.ledger.opening import upgrade_ledger

        async with ledger_password(settings, directory) as password:
            was, now = await upgrade_ledger(settings.ledger_address(directory), password)
        if common.json:
            print_json({"from": was, "to": now})
        else:
            click.echo(f"The schema is {now}: there was nothing to do." if was == now else f"The schema was {was or 'empty'} and is {now}.")
        return Exit.DONE

    sentence(errand)
