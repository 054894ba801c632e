"""What every command shares: its options, the house opened and closed, and each error as a sentence with an exit code."""

import asyncio
import contextlib
import difflib
import functools
import getpass
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from rotator.core.credential import Credential
    from rotator.ledger.login import Password
    from rotator.ledger.store import Ledger
    from rotator.settings import Settings
    from rotator.wiring import House


EMERGENCY_PATIENCE_S = 5
"""How long a revocation waits for a ledger that somebody has locked."""
SILENCE_S = 1.5
ERRORS_SHOWN = 100
SQLITE = "sqlite:///"


class Exit(IntEnum):
    """The exit codes. The names are what a script tells apart."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    NOTHING_MATCHED = 4
    UNPROVEN = 5
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The options that every command has."""

    config: Path
    output: str
    log_level: str

    @property
    def json(self) -> bool:
        return self.output == "json"


F = TypeVar("F", bound=Callable[..., Any])


def common_options(command: F) -> F:
    """--config, --output and --log-level, handed over as one `common`."""

    @click.option(
        "--config", "-c", envvar="ROTATOR_CONFIG", type=click.Path(path_type=Path), default=Path("rotator.yaml"), show_default=True
    )
    @click.option(
        "--output", "-o", type=click.Choice(["table", "json"]), default="table", show_default=True, help="json goes to stdout alone."
    )
    @click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="warning", show_default=True)
    @functools.wraps(command)
    def wrapped(*args: Any, config: Path, output: str, log_level: str, **kwargs: Any) -> Any:
        return command(*args, common=Common(config=config, output=output, log_level=log_level), **kwargs)

    return wrapped  # type: ignore[return-value]


def credential_names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: the names in the settings. Nothing, and nothing said, where they cannot be read."""
    from rotator.settings import SettingsError, load

    path = context.params.get("config") or os.environ.get("ROTATOR_CONFIG") or "rotator.yaml"
    try:
        return [one.name for one in load(Path(path)).credentials if one.name.startswith(incomplete)]
    except SettingsError:
        return []


def fail(code: Exit, *sentences: str) -> NoReturn:
    """Say what is wrong and what to type next, on standard error, and end."""
    from rotator.telemetry import scrub

    for sentence in sentences:
        click.echo(scrub(sentence), err=True)
    sys.exit(code)


def agreed(question: str) -> bool:
    """A yes or a no from the terminal. Ctrl-C is heard at once, also where a loop has taken the signal for itself."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm(question, err=True)
    finally:
        signal.signal(signal.SIGINT, before)


def read_settings(common: Common) -> "Settings":
    """The settings, or every error in them and exit code 2."""
    from rotator.settings import SettingsError, load

    try:
        return load(common.config)
    except SettingsError as error:
        count = len(error.errors)
        fail(
            Exit.USAGE,
            f"{error.source}: {count} {'error' if count == 1 else 'errors'}",
            *(f"  {line}" for line in error.errors[:ERRORS_SHOWN]),
            *([f"  and {count - ERRORS_SHOWN} more"] if count > ERRORS_SHOWN else []),
            f"Correct it, then: rotator config check --config {common.config}",
        )


def in_house(
    common: Common,
    errand: "Callable[[House], Awaitable[Exit]]",
    watch: Callable[..., None] | None = None,
    heard: Callable[[str, str, float], None] | None = None,
    *,
    emergency: bool = False,
) -> NoReturn:
    """Open the house, run the errand in it, close, and end with its exit code. A mistake of a user never shows a traceback.

    `heard` is told of each call to Azure. An `emergency` does not wait for a ledger that cannot be used. Such an errand lets no fault of
    the ledger out once it has changed something outside.
    """
    from rotator.cli import show
    from rotator.cli.counting import aloud
    from rotator.telemetry import start_logging
    from rotator.traces import Traced, tracing

    settings = read_settings(common)
    start_logging(common.log_level)
    told = watch or show.heard

    async def opened() -> Exit:
        aloud.set(not common.json)
        with tracing() as traced:
            furniture = {"watch": Traced(told) if traced else told} | ({"heard": heard} if heard else {})
            return await _housed(settings, common.config.absolute().parent, errand, furniture, emergency=emergency)

    sentence(opened)


async def _housed(
    settings: "Settings", directory: Path, errand: "Callable[[House], Awaitable[Exit]]", furniture: dict[str, Any], *, emergency: bool
) -> Exit:
    from rotator.ledger.fault import LedgerFault
    from rotator.wiring import on_ledger, open_house

    try:
        async with (
            _open(settings, directory, EMERGENCY_PATIENCE_S if emergency else None) as ledger,
            open_house(settings, directory, ledger=ledger, **furniture) as house,
        ):
            return await errand(house)
    except LedgerFault as fault:
        if not emergency:
            raise
        why = fault
    from rotator.cli.stopgap import stopgap

    async with stopgap(why) as ledger, open_house(settings, directory, ledger=ledger, **furniture) as house:
        return await errand(on_ledger(house, ledger, stopgap=str(why)))


@contextlib.asynccontextmanager
async def _open(settings: "Settings", directory: Path, patience_s: float | None = None) -> "AsyncIterator[Ledger]":
    """The ledger. One that others hold is waited for, and that is said before somebody thinks that nothing happens."""
    from rotator.ledger.opening import BUSY_TIMEOUT_S, open_ledger

    address = settings.ledger_address(directory)
    patience_s = BUSY_TIMEOUT_S if patience_s is None else patience_s
    waiting = asyncio.create_task(_say_what_is_waited_for(address, patience_s))
    try:
        async with ledger_password(settings, directory) as password, open_ledger(address, password, patience_s=patience_s) as ledger:
            waiting.cancel()
            yield ledger
    finally:
        waiting.cancel()


async def _say_what_is_waited_for(address: str, patience_s: float) -> None:
    from rotator.ledger.holders import held_by

    await asyncio.sleep(SILENCE_S)
    path = address.removeprefix(SQLITE)
    if path == address:
        click.echo("Waiting for the ledger's server to answer…", err=True)
    else:
        click.echo(f"Waiting for {path}, which somebody else has locked{held_by(Path(path))}: {patience_s:.0f} s at most…", err=True)


def in_ledger(common: Common, errand: "Callable[[Ledger], Awaitable[Exit]]", *, made: bool = True) -> NoReturn:
    """The same for what needs the ledger alone, and no SDK of Azure. `made`: one that is not there is made."""
    from rotator.telemetry import start_logging

    settings = read_settings(common)
    start_logging(common.log_level)
    directory = common.config.absolute().parent
    address = settings.ledger_address(directory)
    path = Path(address.removeprefix(SQLITE))
    if not made and address.startswith(SQLITE) and not path.exists():
        fail(Exit.NOTHING_MATCHED, f"There is no ledger at {path}: nothing was done with these settings yet, or `ledger:` names another.")

    async def opened() -> Exit:
        async with _open(settings, directory) as ledger:
            return await errand(ledger)

    sentence(opened)


@contextlib.asynccontextmanager
async def ledger_password(settings: "Settings", directory: Path) -> "AsyncIterator[Password | None]":
    """What the ledger is logged in to with; no SDK of Azure where no token of it is needed."""
    if settings.ledger_login == "libpq":
        yield None
        return
    from rotator.wiring import ledger_login

    async with ledger_login(settings, directory) as password:
        yield password


def sentence(errand: Callable[[], Awaitable[Exit]]) -> NoReturn:
    """Run the errand and end with its exit code; whatever goes wrong outside is a sentence."""
    sys.exit(_guarded(errand))


def _guarded(errand: Callable[[], Awaitable[Exit]]) -> Exit:
    from rotator.core.faults import Fault, LeaseLost, Misconfigured
    from rotator.ledger.fault import LedgerFault

    try:
        return asyncio.run(errand())  # type: ignore[arg-type]
    except KeyboardInterrupt:
        fail(Exit.INTERRUPTED, "Interrupted. Nothing is lost: the same command goes on where this one stopped.")
    except LedgerFault as error:
        from rotator.cli.stopgap import REMEDY

        fail(Exit.FAILED, f"The ledger cannot be used: {error}. {REMEDY}")
    except LeaseLost as error:
        fail(Exit.FAILED, f"Stopped before the next effect: {error}. The same command goes on.")
    except Misconfigured as fault:
        fail(Exit.USAGE, f"{fault.what}; {fault.remedy}")
    except Fault as fault:
        fail(Exit.FAILED, f"{fault.what}{f'; {fault.remedy}' if fault.remedy else ''}")


def me() -> str:
    """The person at this terminal, as well as a machine can tell."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return f"somebody@{socket.gethostname()}"


def chosen(house: "House", names: Sequence[str]) -> "list[Credential]":
    """The credentials by name, all of them for no name; exit code 4 for a name that is none, with the nearest one."""
    known = house.credentials
    unknown = [name for name in names if name not in known]
    if unknown:
        fail(Exit.NOTHING_MATCHED, *(_unknown(name, known) for name in unknown))
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())


def _unknown(name: str, known: Iterable[str]) -> str:
    from rotator.core.keyshape import is_keylike

    if is_keylike(name):
        return "A key is no name, and this one stands in the shell's history now. Pass it on standard input: rotator revoke --leaked-key -"
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"No credential is named {name!r}." + (f" Did you mean {near[0]!r}?" if near else " `rotator status` lists them.")
