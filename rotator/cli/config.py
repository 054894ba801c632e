"""`rotator config`: check the settings, or print their schema. Asks nothing of Azure and imports no SDK."""

import click

from rotator.cli.session import Common, common_options, read_settings
from rotator.cli.show import print_json


@click.group("config", short_help="Check the settings, or print their schema.")
def command() -> None:
    """The settings: see config/ for commented examples."""


@command.command("check")
@common_options
def check(common: Common) -> None:
    """Read the settings and say everything that is wrong with them, each with its place and what would be right."""
    settings = read_settings(common)
    count = len(settings.credentials)
    if common.json:
        print_json({"valid": True, "credentials": count, "discover": len(settings.discover), "file": str(common.config)})
    else:
        scopes = f" and {len(settings.discover)} scope(s)" if settings.discover else ""
        named = f"{count} {'credential' if count == 1 else 'credentials'}{scopes}"
        click.echo(f"{common.config}: good, {named}. Next: rotator plan --config {common.config}")


@command.command("schema")
@common_options
def schema(common: Common) -> None:
    """The JSON schema of the settings, for editors."""
    from rotator.settings import schema as of_settings

    print_json(of_settings())
