"""The command line. Only the command that is called is imported, and a command that needs no Azure SDK imports none."""

import importlib
import traceback

import click

COMMANDS = {
    "demo": "Rotate, heal, drain and cut keys of a loopback Azure, and measure it. Start here.",
    "sandbox": "Run the loopback Azure by itself, to point rotator (or an SDK) at.",
    "status": "Every credential: what is active, how old, when due, and what is going on.",
    "plan": "What would be done next, and why. Changes nothing.",
    "rotate": "Rotate credentials without downtime, to the proof that the old key is dead.",
    "revoke": "Kill a leaked key: replace it, revoke it, prove it dead.",
    "incidents": "The cases: list and show them, approve or dismiss what waits for a person, write the post-mortem.",
    "drill": "Leak the key of a decoy on purpose, and measure how long it lives.",
    "serve": "The daemon: keep the fleet rotated, without anyone watching.",
    "waves": "How scheduled rotations go out: a canary first. Stop and resume them.",
    "audit": "The evidence: verify, show or export the audit chain.",
    "work": "The queue: what is due, and who acts on it; steal a row from a worker that hangs.",
    "ledger": "The database that remembers: bring its schema up to date.",
    "config": "Check the settings, or print their JSON schema.",
}
"""The help of each command stands here, so that `rotator --help` imports none of them."""


class Commands(click.Group):
    """Commands by name, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(f"rotator.cli.{cmd_name}").command
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = _near(args[0])
            raise click.UsageError(f"{error.message}{f' Did you mean {near!r}?' if near else ''}", ctx) from None

    def invoke(self, ctx: click.Context) -> object:
        """The last net: what nobody expected is a defect of ours, told as one, and without a key."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as defect:  # noqa: BLE001  # the one of the command line
            click.echo("".join(traceback.format_tb(defect.__traceback__)) + type(defect).__name__, err=True)  # its text may hold anything
            click.echo("This is a defect of rotator; the lines above say where. Nothing is lost: the same command goes on.", err=True)
            raise SystemExit(1) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _near(name: str) -> str:
    import difflib

    return next(iter(difflib.get_close_matches(name, list(COMMANDS), n=1)), "")


EPILOG = """\b
First:
  rotator demo                                   see it work, without an account
  rotator config check --config rotator.yaml     check your settings
  rotator plan                                   what would be done, and why
A key leaked:
  rotator revoke --leaked-key - --mode cut       paste the key, it is not shown
  rotator revoke NAME --dry-run                  what it would do, and what breaks
  rotator incidents list                         what is reported, and what waits for a person
\b
Exit codes: 0 done, 1 something failed, 2 usage or settings, 3 refused by a guard rail, 4 nothing matched, 5 revoked but not yet proven
dead. Completion: eval "$(_ROTATOR_COMPLETE=bash_source rotator)", or zsh_source, fish_source."""


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="rotator")
def main() -> None:
    """Rotates and revokes the keys of Azure AI services, and proves the old ones dead."""
