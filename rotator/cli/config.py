"""`rotator config`: write settings, check them, or print their schema. Asks nothing of Azure and imports no SDK."""

from importlib.resources import files
from pathlib import Path

import click

from rotator.cli.forewarned import warnings
from rotator.cli.session import Common, Exit, common_options, fail, read_settings
from rotator.cli.show import print_json


@click.group("config", short_help="Write settings, check them, or print their schema.")
def command() -> None:
    """The settings: see config/ for commented examples."""


@command.command("check")
@common_options
def check(common: Common) -> None:
    """Read the settings and say everything that is wrong with them, each with its place and what would be right.

    What is well written and would fail on every run all the same (a file or a variable that is not there, an id that is still the
    example's) is a warning, and no error: it may be there where rotator runs.

    \b
    Examples:
      rotator config check
      rotator config check --config fleet.yaml --output json
    """
    settings = read_settings(common)
    count, warned = len(settings.credentials), list(warnings(settings, common.config.absolute().parent))
    if common.json:
        facts = {"valid": True, "credentials": count, "discover": len(settings.discover), "file": str(common.config)}
        print_json({**facts, "warnings": warned})
    else:
        for line in warned:
            click.echo(f"Warning: {line}", err=True)
        scopes = f" and {len(settings.discover)} scope(s)" if settings.discover else ""
        named = f"{count} {'credential' if count == 1 else 'credentials'}{scopes}"
        judged = f"well-formed, {len(warned)} to mend" if warned else "good"
        click.echo(f"{common.config}: {judged}, {named}. Next: rotator doctor --config {common.config}")


@command.command("schema")
@common_options
def schema(common: Common) -> None:
    """The JSON schema of the settings, for editors. JSON whatever --output says.

    \b
    Example:
      rotator config schema > settings.schema.json
    """
    from rotator.settings import schema as of_settings

    print_json(of_settings())


@command.command("init")
@click.option(
    "--to", type=click.Path(dir_okay=False, path_type=Path), default=Path("rotator.yaml"), show_default=True, help="The file to write."
)
def init(to: Path) -> None:
    """Write commented settings for one account, to put your own names into. A file that is there is left alone.

    \b
    Example:
      rotator config init --to rotator.yaml
    """
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(example("one-account.yaml"))
    except FileExistsError:
        fail(Exit.REFUSED, f"{to} is there already, and is left as it is. Another file: rotator config init --to ANOTHER.yaml")
    except OSError as error:
        fail(Exit.FAILED, f"{to}: {error.strerror}")
    click.echo(f"{to} is written: put your names in. Next: rotator config check --config {to}")


def example(name: str) -> str:
    """One of the examples in config/: beside the program where it is installed, at the top where it is checked out."""
    inside = files("rotator") / "examples" / name
    outside = Path(__file__).parents[2] / "config" / name
    return (inside if inside.is_file() else outside).read_text(encoding="utf-8")
