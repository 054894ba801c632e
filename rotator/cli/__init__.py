"""The command line. Only the command that is called is imported, and a command that needs no Azure SDK imports none."""

import contextlib
import importlib
import os
import traceback
from collections.abc import Iterator
from typing import Any

import click

from rotator.cli.streams import mend
from rotator.core.keyshape import without_keys

COMMANDS = {
    "demo": "Rotate, heal, drain and cut keys of a loopback Azure, and measure it. Start here.",
    "sandbox": "Run the loopback Azure by itself, to point rotator (or an SDK) at.",
    "discover": "Every account there is: its posture, who holds its keys, and settings to commit.",
    "doctor": "Can rotator do what its settings ask? By asking; each trouble with the command that mends it.",
    "status": "Every credential: what is active, how old, when due, and what is going on.",
    "plan": "What would be done next, and why. Changes nothing.",
    "rotate": "Rotate credentials without downtime, to the proof that the old key is dead.",
    "rollback": "Go back to the value before, while its overlap lasts.",
    "revoke": "Kill a leaked key: replace it, revoke it, prove it dead.",
    "hunt": "Who holds a copy of a key that the settings do not know, or pins a version that never moves.",
    "incidents": "The cases: list and show them, approve or dismiss what waits for a person, write the post-mortem.",
    "drill": "Leak the key of a decoy on purpose, and measure how long it lives.",
    "serve": "The daemon: keep the fleet rotated, without anyone watching.",
    "waves": "How scheduled rotations go out: a canary first. Stop and resume them.",
    "audit": "The evidence: verify, show or export the audit chain.",
    "work": "The queue: what is due, and who acts on it; steal a row from a worker that hangs.",
    "ledger": "The database that remembers: bring its schema up to date.",
    "config": "Write settings, check them, or print their JSON schema.",
}
"""The help of each command stands here, so that `rotator --help` imports none of them."""


INTERRUPTED = 130


class Commands(click.Group):
    """Commands by name, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(f"rotator.cli.{cmd_name}").command
        return _with_whole_helps(found)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = _near(args[0])
            raise click.UsageError(f"{error.message}{f' Did you mean {near!r}?' if near else ''}", ctx) from None

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """With streams that may be printed to whatever they are; what of the answer was lost is said at the end."""
        lost = mend()
        try:
            return super().main(*args, **kwargs)
        finally:
            error = lost()
            if error is not None:
                click.echo(f"The answer could not be written: {error.strerror}.", err=True)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _told_without_keys():
            context = super().make_context(*args, **kwargs)
        context.color = False if os.environ.get("NO_COLOR") else None
        return context

    def invoke(self, ctx: click.Context) -> object:
        """The last net: what nobody expected is a defect of ours, told as one, and without a key."""
        try:
            with _told_without_keys():
                return super().invoke(ctx)
        except click.Abort:
            click.echo("\nNothing was changed.", err=True)
            raise SystemExit(INTERRUPTED) from None
        except OSError as error:
            told = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or type(error).__name__
            click.echo(f"The machine refuses: {told}. Nothing is lost: the same command goes on.", err=True)
            raise SystemExit(1) from None
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception as defect:  # noqa: BLE001  # the one of the command line
            click.echo("".join(traceback.format_tb(defect.__traceback__)) + type(defect).__name__, err=True)  # its text may hold anything
            click.echo("This is a defect of rotator; the lines above say where. Nothing is lost: the same command goes on.", err=True)
            raise SystemExit(1) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _with_whole_helps(command: click.Command) -> click.Command:
    """The lists of subcommands say the first sentence of each, and no half of it."""
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        if each.help and not each.short_help:
            each.short_help = " ".join(each.help.partition("\n\n")[0].split()).partition(". ")[0].removesuffix(".") + "."
        _with_whole_helps(each)
    return command


@contextlib.contextmanager
def _told_without_keys() -> Iterator[None]:
    """A key that was typed where it does not belong is not printed once more."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = without_keys(error.message)
        raise


def _near(name: str) -> str:
    import difflib

    return next(iter(difflib.get_close_matches(name, list(COMMANDS), n=1)), "")


EPILOG = """\b
First:
  rotator demo                                 see it work, without an account
  rotator discover --yaml                      settings for what you can see
  rotator config init                          or settings to fill in
  rotator config check                         check them
  rotator doctor                               will it work? changes nothing
  rotator plan                                 what would be done, and why
A key leaked:
  rotator revoke --leaked-key - --mode cut     paste the key, it is not shown
  rotator revoke NAME --dry-run                what it would do, what breaks
  rotator incidents list                       what waits for a person

\b
Exit codes: 0 done, 1 something failed, 2 usage or settings, 3 refused by
a guard rail, 4 nothing matched, 5 revoked but not yet proven dead.

\b
Completion: eval "$(_ROTATOR_COMPLETE=bash_source rotator)"
            (zsh_source and fish_source likewise)"""
"""No line is longer than a terminal of 80 columns."""


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="rotator")
def main() -> None:
    """Rotates and revokes the keys of Azure AI services, and proves the old ones dead."""
