"""`rotator sandbox`: the loopback Azure by itself, with settings that point at it."""

import asyncio
import contextlib
import fcntl
import os
import secrets
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from rotator.cli.session import Common, Exit, common_options, fail
from rotator.cli.show import print_json
from rotator.sandbox import Sandbox

OPERATOR = "operator-token"
CONTROL = "control-url"
SENDERS = ("github", "github-partner", "gitguardian", "vault-radar", "signed", "suspicion", "key-touched")
"""As the sandbox calls them: `suspicion` is Defender's about an account, `key-touched` Event Grid's of a key that somebody regenerated."""


@click.group("sandbox", invoke_without_command=True, short_help="Run the loopback Azure by itself.")
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), default=Path(".rotator-sandbox"), show_default=True)
@click.option("--accounts", type=click.IntRange(1, 5000), default=12, show_default=True, help="How many accounts it starts with.")
@click.option("--seed", type=int, help="The same seed makes the same keys and the same faults.")
@click.option(
    "--hostile", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="The share of calls that go wrong, each in its own way."
)
@click.option("--apps", is_flag=True, help="Apps of every sort live on the first account's key, and the settings do not know them.")
@common_options
@click.pass_context
def command(ctx: click.Context, directory: Path, accounts: int, seed: int | None, hostile: float, apps: bool, common: Common) -> None:
    """A loopback Azure over TLS: Entra, ARM, Key Vault and the AI data plane, on 127.0.0.1 alone, until Ctrl-C.

    It writes settings that point at it, and prints what to type next in another terminal.

    \b
    Examples:
      rotator sandbox
      rotator sandbox --apps            then: rotator discover --hunt
      rotator sandbox leak chat-prod    in another terminal, with a daemon there
    """
    if ctx.invoked_subcommand:
        return
    try:
        asyncio.run(_serve(directory.absolute(), accounts, seed, hostile, apps, common))
    except KeyboardInterrupt:
        raise SystemExit(Exit.DONE) from None
    except OSError as error:
        fail(Exit.FAILED, f"The sandbox cannot start: {error.strerror or error}")


@command.command("leak")
@click.argument("account")
@click.option("--by", "sender", type=click.Choice(SENDERS), default="github", show_default=True, help="Who finds it and reports it.")
@click.option("--slot", type=click.Choice(["key1", "key2"]), default="key1", show_default=True)
@click.option("--to", default="http://127.0.0.1:8080", show_default=True, help="Where `rotator serve` listens; on loopback alone.")
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), default=Path(".rotator-sandbox"), show_default=True)
@common_options
def leak(account: str, sender: str, slot: str, to: str, directory: Path, common: Common) -> None:
    """Leak a key of ACCOUNT in the running sandbox, and let a scanner tell the daemon of it, correctly signed.

    \b
    Examples:
      rotator sandbox leak chat-prod
      rotator sandbox leak chat-prod --by suspicion
    """
    try:
        control = (directory / CONTROL).read_text(encoding="utf-8").strip()
    except OSError:
        fail(Exit.FAILED, f"No sandbox has run in {directory}. Start one: rotator sandbox --directory {directory}")
    answer = asyncio.run(_reported(control, {"sender": sender, "to": to, "account": account, "slot": slot}))
    if common.json:
        print_json(answer)
    else:
        click.echo(f"{sender} told {to} of {slot} of {account}: {answer.get('status')} {answer.get('answer', '')}".rstrip())
        click.echo("Next: rotator incidents list")


async def _reported(control: str, wish: Mapping[str, str]) -> dict[str, Any]:
    import aiohttp

    try:
        async with aiohttp.ClientSession() as session, session.post(f"{control}/reports", json=dict(wish)) as response:
            answer = await response.json()
    except (aiohttp.ClientError, ValueError) as error:
        fail(Exit.FAILED, f"The sandbox does not answer at {control} ({type(error).__name__}). Start one: rotator sandbox")
    if response.status >= 400:
        fail(Exit.FAILED, f"The sandbox says: {answer.get('error') or answer}")
    return dict(answer)


async def _serve(directory: Path, accounts: int, seed: int | None, hostile: float, apps: bool, common: Common) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(directory):
        _forget(directory)
        await _serve_alone(directory, accounts, seed, hostile, apps, common)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One sandbox a directory: a second one would write settings that point elsewhere under the first."""
    file = os.open(directory / "running", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        told = os.read(file, 100).decode(errors="replace") or "another process"
        os.close(file)
        fail(Exit.REFUSED, f"A sandbox runs in {directory} already ({told}). Stop it, or: rotator sandbox --directory ANOTHER")
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, f"process {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(file)


def _forget(directory: Path) -> None:
    """The ledger of the run before: it speaks of keys that this sandbox never made."""
    for name in ("rotator.db", "rotator.db-wal", "rotator.db-shm"):
        (directory / name).unlink(missing_ok=True)
    shutil.rmtree(directory / "rotator.db.workers", ignore_errors=True)


async def _serve_alone(directory: Path, accounts: int, seed: int | None, hostile: float, apps: bool, common: Common) -> None:
    async with Sandbox(directory, seed=secrets.randbits(32) if seed is None else seed) as azure:
        fleet = await azure.furnish(accounts)
        if apps:
            azure.inhabit(fleet[0]["name"], fleet[0]["secret"])
            azure.add_account("foundry", "AIServices", group="rg-apps")  # whose connection is among those apps; it has no key of its own
            azure.change_account("foundry", disable_local_auth=True)
        if hostile:
            azure.hostile(hostile)
        settings, secret = write_settings(directory, azure, fleet)
        (directory / CONTROL).write_text(azure.control_url, encoding="utf-8")
        stopped = _told_to_stop()
        if common.json:
            facts = {
                "settings": str(settings),
                "secret_file": str(secret),
                "operator_token_file": str(directory / OPERATOR),
                "control": azure.control_url,
                "accounts": len(fleet),
            }
            print_json(facts)
        else:
            _say(settings, azure, len(fleet), apps)
        await stopped.wait()


def write_settings(
    directory: Path,
    azure: Any,
    fleet: Sequence[Mapping[str, str]],
    *,
    policies: Mapping[str, Mapping[str, Any]] | None = None,
    port: int | None = None,
    **defaults: str,
) -> tuple[Path, Path]:
    """Settings for the fleet, and the file that holds the sandbox's client secret (a fake one, for its owner alone). `port` is where a
    daemon listens; 0 takes any that is free."""
    own = policies or {}
    secret = directory / "client-secret"
    operator = _kept(directory / OPERATOR, secrets.token_urlsafe(24))
    document: dict[str, Any] = {
        "cloud": {
            "authority": azure.authority,
            "resource_manager": azure.resource_manager,
            "audience": azure.audience,
            "ca_file": str(azure.ca_file),
            "verify_challenge_resource": False,
        },
        "identity": {"client_secret": {"tenant": azure.tenant, "client": azure.client, "secret": _kept(secret, azure.client_secret)}},
        "ledger": f"sqlite:///{directory / 'rotator.db'}",
        "defaults": {"cryptoperiod": "30d", "overlap": "5s", "drain_deadline": "30s", **defaults},
        "alerts": _alerts(directory, azure),
        "web": {"operator_token": operator, **({"port": port} if port is not None else {})},
        "credentials": [{name: one[name] for name in ("name", "account", "secret")} | dict(own.get(one["name"], {})) for one in fleet],
    }
    path = directory / "rotator.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, width=200), encoding="utf-8")
    return path, secret


def _alerts(directory: Path, azure: Any) -> dict[str, Any]:
    """Every door, with the secret that the sandbox's senders know."""
    place = directory / "alerts"
    place.mkdir(mode=0o700, exist_ok=True)
    token = _kept(place / "token", azure.scanner_token)
    doors = ("github", "gitguardian", "vault-radar", "event-grid", "azure-monitor", "defender", "signed")
    alerts: dict[str, Any] = {door: {"secret": _kept(place / door, azure.webhook_secret(door))} for door in doors}
    alerts["github"] |= {"token": token, "api": azure.github_url}
    alerts["gitguardian"] |= {"token": token, "api": azure.gitguardian_url}
    alerts["github-partner"] = {"api": azure.github_url}
    return alerts


def _kept(file: Path, text: str) -> str:
    """A secret (a fake one), for its owner alone; how the settings refer to it."""
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(text, encoding="utf-8")
    return f"file:{file}"


def _say(settings: Path, azure: Any, accounts: int, apps: bool) -> None:
    click.echo(f"A loopback Azure with {accounts} accounts (seed {azure.seed}). Its truth and its faults: {azure.control_url}")
    click.echo("In another terminal:")
    click.echo(f"  export ROTATOR_CONFIG={shlex.quote(str(settings))}")
    for line in (
        "discover --hunt" if apps else "discover",
        "doctor",
        "status",
        "plan",
        "rotate chat-prod --now",
        "revoke chat-prod --mode cut",
    ):
        click.echo(f"  {_program()} {line}")
    password = shlex.quote(str(settings.parent / OPERATOR))
    click.echo(f"With `{_program()} serve`, the page: http://127.0.0.1:8080, any user name; the password is in {password}")
    click.echo("Ctrl-C stops it and forgets everything.")


def _program() -> str:
    """How this program is called where it is not on the path."""
    if shutil.which("rotator"):
        return "rotator"
    script = Path(sys.executable).with_name("rotator")
    return shlex.quote(str(script)) if script.exists() else f"{shlex.quote(sys.executable)} -m rotator"


def _told_to_stop() -> asyncio.Event:
    """Set by a signal. Asked for before the sandbox says that it runs: from then on somebody may stop it."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, stopped.set)
    return stopped
