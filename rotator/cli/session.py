"""What every command shares: its options, the house opened and closed, and each error as a sentence with an exit code."""

import asyncio
import contextlib
import difflib
import functools
import getpass
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


def fail(code: Exit, *sentences: str) -> NoReturn:
    """Say what is wrong and what to type next, on standard error, and end."""
    from rotator.telemetry import scrub

    for sentence in sentences:
        click.echo(scrub(sentence), err=True)
    sys.exit(code)


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
            *(f"  {line}" for line in error.errors),
            f"Correct it, then: rotator config check --config {common.config}",
        )


def in_house(
    common: Common,
    errand: "Callable[[House], Awaitable[Exit]]",
    watch: Callable[..., None] | None = None,
    heard: Callable[[str, str, float], None] | None = None,
) -> NoReturn:
    """Open the house, run the errand in it, close, and end with its exit code. A mistake of a user never shows a traceback."""
    from rotator.telemetry import logged, start_logging
    from rotator.traces import Traced, tracing

    settings = read_settings(common)
    start_logging(common.log_level)

    async def opened() -> Exit:
        from rotator.wiring import open_house

        with tracing() as traced:
            told = Traced(watch or logged) if traced else watch or logged
            async with open_house(settings, common.config.absolute().parent, told, heard=heard) as house:
                return await errand(house)

    sentence(opened)


def in_ledger(common: Common, errand: "Callable[[Ledger], Awaitable[Exit]]") -> NoReturn:
    """The same for what needs the ledger alone, and no SDK of Azure."""
    from rotator.telemetry import start_logging

    settings = read_settings(common)
    start_logging(common.log_level)

    async def opened() -> Exit:
        from rotator.ledger.opening import open_ledger

        directory = common.config.absolute().parent
        async with ledger_password(settings, directory) as password, open_ledger(settings.ledger_address(directory), password) as ledger:
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
    from rotator.core.faults import Fault, LeaseLost
    from rotator.ledger.database import LedgerFault

    try:
        return asyncio.run(errand())  # type: ignore[arg-type]
    except KeyboardInterrupt:
        fail(Exit.INTERRUPTED, "Interrupted. Nothing is lost: the same command goes on where this one stopped.")
    except LedgerFault as error:
        fail(Exit.FAILED, f"The ledger cannot be used: {error}")
    except LeaseLost as error:
        fail(Exit.FAILED, f"Stopped before the next effect: {error}. The same command goes on.")
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
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"No credential is named {name!r}." + (f" Did you mean {near[0]!r}?" if near else " `rotator status` lists them.")
