"""The command line as a contract: exit codes, JSON, and that whoever makes a mistake is told what to type next."""

import contextlib
import json
import logging
import os
import re
import secrets
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
import yaml
from click.testing import CliRunner, Result

from rotator.cli import COMMANDS, main
from rotator.cli.sandbox import write_settings
from rotator.core.sealed import fingerprint
from rotator.sandbox import SandboxThread
from rotator.settings import schema

ACCOUNT = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/chat-prod"
SETTINGS = f"""\
credentials:
  - name: chat-prod
    account: {ACCOUNT}
    secret: https://kv.vault.azure.net/secrets/chat-key
"""
SDKS = {"azure", "sqlalchemy", "alembic", "msal", "aiohttp"}
"""What takes longer to import than a person waits for a sentence."""
DONE, FAILED, USAGE, REFUSED, NOTHING_MATCHED, UNPROVEN = 0, 1, 2, 3, 4, 5

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def quiet_logging() -> Iterator[None]:
    """Each command binds the log to its own standard error: what comes after a test must not write there."""
    root, azure = logging.getLogger(), logging.getLogger("azure")
    handlers, levels = list(root.handlers), (root.level, azure.level)
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    azure.setLevel(levels[1])


@pytest.fixture
def rotator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in a directory of its own, without settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROTATOR_CONFIG", raising=False)

    def run(*arguments: str, given: str | bytes | None = None, env: dict[str, str] | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=given, env=env, prog_name="rotator")

    return run


@pytest.fixture
def written(tmp_path: Path, rotator: Run) -> Path:
    """Settings that name one credential of an Azure that is never asked."""
    path = tmp_path / "rotator.yaml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def every_command(group: click.Group = main, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*before, name)
        if isinstance(command, click.Group):
            yield from every_command(command, (*before, name))


# --- help, completion, imports ---------------------------------------------------------------------------------------------


def test_the_first_help_names_every_command_every_exit_code_and_where_to_start(rotator: Run) -> None:
    done = rotator("--help")
    assert done.exit_code == DONE
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE), name
    for said in ("rotator demo", "rotator plan", "rotator revoke --leaked-key -", "Exit codes: 0 done", "_ROTATOR_COMPLETE=bash_source"):
        assert said in done.stdout


@pytest.mark.parametrize("command", list(every_command()), ids=" ".join)
def test_every_command_explains_itself(rotator: Run, command: tuple[str, ...]) -> None:
    for flag in ("--help", "-h"):
        done = rotator(*command, flag)
        assert (done.exit_code, done.stderr) == (DONE, "")
        assert done.stdout.startswith(f"Usage: rotator {' '.join(command)}")
        assert len(done.stdout.splitlines()) > 5


def test_a_command_that_acts_has_examples_and_the_common_options(rotator: Run) -> None:
    for command in ("status", "plan", "rotate", "revoke"):
        text = rotator(command, "--help").stdout
        assert "Examples:" in text
        assert all(option in text for option in ("--config", "--output", "--log-level"))


def examples_in(text: str) -> list[str]:
    """The command lines of a help, without the words behind them."""
    told = text.partition("Example")[2].partition("Options:")[0]
    return [re.split(r" {2,}", line.strip())[0] for line in told.splitlines() if " rotator " in f" {line.strip()} "]


def is_taken(line: str) -> str:
    """Whether the command line takes a line as it is written: its words, and no deed. Says which command it is."""
    _, _, line = line.partition("rotator ")
    words = shlex.split(re.split(r" (?:>|&&|;|#) ?", line)[0], comments=True)
    found: click.Command = main
    path: list[str] = []
    while words and isinstance(found, click.Group) and (inner := found.get_command(click.Context(found), words[0])) is not None:
        found = inner
        path.append(words.pop(0))
    found.make_context(path[-1], [word for word in words if word != "--help"])  # which every command takes, and ends with
    return " ".join(path)


@pytest.mark.parametrize("command", list(every_command()), ids=" ".join)
def test_every_command_has_examples_and_takes_them_as_they_are_written(rotator: Run, command: tuple[str, ...]) -> None:
    text = rotator(*command, "--help").stdout
    Path("inc-4f2a.md").touch()  # in a directory of its own
    if "Commands:" not in text:
        assert examples_in(text), "an example says more than a description"
    for line in examples_in(text):
        assert is_taken(line).startswith(" ".join(command)), line


def test_the_readme_and_the_first_help_write_nothing_that_the_command_line_does_not_take(rotator: Run) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    fenced = "".join(re.findall(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL))
    written = [part for line in fenced.splitlines() for part in line.partition("#")[0].split(" && ") if re.search(r"(^|/| )rotator ", part)]
    helped = [re.split(r" {2,}", line.strip())[0] for line in rotator("--help").stdout.splitlines() if line.startswith("    rotator ")]
    inline = [one for one in re.findall(r"`(rotator [a-z][^`\n]*)`", readme) if not re.search(r"[…|\[]|[A-Z]{4}", one)]
    assert min(len(written), len(inline), len(helped)) > 8
    for line in (*written, *helped, *inline):
        assert is_taken(line), line


def test_the_version_is_said(rotator: Run) -> None:
    assert re.search(r"\d+\.\d+", rotator("--version").stdout)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["config", "check"], ["config", "schema"], ["discover", "--help"], ["doctor", "--help"]],
    ids=" ".join,
)
def test_a_command_that_needs_no_azure_imports_none(written: Path, arguments: list[str]) -> None:
    program = (
        "import sys\nfrom rotator.cli import main\n"
        f"try:\n    main({arguments!r}, prog_name='rotator')\nfinally:\n"
        "    print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=written.parent, check=True)
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "click" in loaded
    assert not loaded & SDKS


def spoken(path: tuple[str, ...]) -> list[str]:
    """A command line that is right as far as it goes: what must be said is said."""
    found: click.Command = main
    for name in path:
        assert isinstance(found, click.Group)
        command = found.get_command(click.Context(found), name)
        assert command is not None
        found = command
    words = list(path)
    for one in found.params:
        if isinstance(one, click.Argument) and (one.required or one.nargs == -1):
            words.append("x")
        elif isinstance(one, click.Option) and one.required:
            words += [one.opts[0], "x"]
    return words if any(one.name == "config" for one in found.params) else []


@pytest.mark.parametrize("content", [None, "credentials: 5\n"], ids=["missing", "wrong"])
def test_settings_that_are_missing_or_wrong_are_said_before_an_sdk_is_imported(tmp_path: Path, content: str | None) -> None:
    """All commands in one process: what any of them imports stays."""
    settings = tmp_path / "rotator.yaml"
    if content is not None:
        settings.write_text(content, encoding="utf-8")
    reading = [path for path in every_command() if path[0] not in ("demo", "sandbox") and path != ("config", "schema")]
    lines = [[*words, "--config", str(settings)] for words in map(spoken, reading) if words]
    program = (
        "import json, sys\nfrom rotator.cli import main\n"
        "for words in json.load(sys.stdin):\n"
        "    try:\n        main(words, prog_name='rotator')\n"
        "    except SystemExit as end:\n"
        "        print(' '.join(words[:2]), end.code, *{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(lines), capture_output=True, text=True, timeout=60, cwd=tmp_path, check=True
    )
    told = [line.split() for line in done.stdout.splitlines()]
    assert len(told) == len(lines) > 15
    for name, second, code, *loaded in told:
        assert code == str(USAGE), (name, second, done.stderr)
        assert not set(loaded) & SDKS, (name, second)
    assert done.stderr.count(str(settings)) >= len(lines)


def test_the_shell_completes(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from rotator.cli import main; main(prog_name='rotator')"]
    done = subprocess.run(
        program, capture_output=True, text=True, timeout=60, env={**os.environ, "_ROTATOR_COMPLETE": "zsh_source"}, check=True
    )
    assert "#compdef rotator" in done.stdout
    words = {"COMP_WORDS": "rotator rot", "COMP_CWORD": "1", "_ROTATOR_COMPLETE": "bash_complete"}
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, env={**os.environ, **words}, check=True)
    assert done.stdout.splitlines() == ["plain,rotate"]


def test_the_script_for_bash_is_printed_by_the_installed_program() -> None:
    program = Path(sys.executable).with_name("rotator")
    env = {**os.environ, "_ROTATOR_COMPLETE": "bash_source", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, env=env, check=True)
    assert "_rotator_completion" in done.stdout
    assert subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=False).returncode == 0


# --- mistakes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rotat", "x"], "Did you mean 'rotate'?"),
        (["nothing-like-it"], "No such command"),
        (["--bogus"], "No such option"),
        (["status", "--bogus"], "No such option"),
        (["status", "--output", "xml"], "'table', 'json'"),
        (["status", "--log-level", "loud"], "'debug'"),
        (["rotate"], "rotator status"),
        (["rotate", "chat-prod", "--due"], "not both"),
        (["rotate", "chat-prod", "--timeout", "soon"], "write 90s, 15m, 24h or 30d"),
        (["rotate", "chat-prod", "--timeout", "999999999d"], "longer than anybody waits"),
        (["revoke", "chat-prod", "--mode", "kill"], "'drain', 'cut', 'contain'"),
        (["revoke", "chat-prod", "--slot", "key3"], "'both'"),
        (["revoke", "chat-prod", "--timeout", "-1s"], "not a duration"),
        (["audit", "show", "--last", "0"], "1<=x<=100000"),
        (["config"], "Usage: rotator config"),
        (["audit"], "Usage: rotator audit"),
    ],
    ids=" ".join,
)
def test_a_usage_error_is_2_and_says_what_would_be_right(rotator: Run, written: Path, arguments: list[str], says: str) -> None:
    done = rotator(*arguments)
    assert done.exit_code == USAGE
    assert says in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["chat-prod", "--leaked-key", "-"],
        ["chat-prod", "--fingerprint", "x"],
        ["--leaked-key", "-", "--fingerprint", "x"],
        ["chat-prod", "--leaked-key", "-", "--fingerprint", "x"],
    ],
    ids=["none", "name and key", "name and fingerprint", "key and fingerprint", "all three"],
)
def test_revoke_takes_exactly_one_selector(rotator: Run, written: Path, arguments: list[str]) -> None:
    done = rotator("revoke", *arguments, "--yes", given="x\n")
    assert done.exit_code == USAGE
    assert "exactly one of" in done.stderr
    assert "rotator status" in done.stderr


def test_a_slot_goes_with_a_name(rotator: Run, written: Path) -> None:
    done = rotator("revoke", "--fingerprint", "x", "--slot", "key1", "--yes")
    assert (done.exit_code, "NAME" in done.stderr) == (USAGE, True)


@pytest.mark.parametrize("glued", [True, False], ids=["--leaked-key=KEY", "--leaked-key KEY"])
def test_a_key_on_the_command_line_is_refused_and_never_repeated(rotator: Run, written: Path, glued: bool) -> None:
    key = secrets.token_hex(16)
    done = rotator("revoke", *([f"--leaked-key={key}"] if glued else ["--leaked-key", key]), "--yes")
    assert done.exit_code == USAGE
    assert key not in done.output
    assert "rotator revoke --leaked-key -" in done.stderr


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "holds no key"),
        ("\n \n", "holds no key"),
        (b"\xff\xfe\n", "not text"),
        ("x" * 5000, "not a list of keys"),
        ("x\n" * 1001, "not a list of keys"),
        (f"{secrets.token_hex(16)}\ne\n", "Line 2 of standard input is shorter than any key"),
    ],
    ids=["nothing", "white space", "no text", "a line too long", "too many lines", "a line too short"],
)
def test_a_standard_input_that_holds_no_keys_is_refused(rotator: Run, written: Path, given: str | bytes, says: str) -> None:
    done = rotator("revoke", "--leaked-key", "-", "--yes", given=given)
    assert done.exit_code == USAGE
    assert says in done.stderr


COMMANDS_WITH_SETTINGS = [
    ["status"],
    ["plan"],
    ["rotate", "chat-prod"],
    ["revoke", "chat-prod", "--yes"],
    ["audit", "verify"],
    ["audit", "show"],
    ["audit", "export"],
    ["config", "check"],
]


@pytest.mark.parametrize("arguments", COMMANDS_WITH_SETTINGS, ids=" ".join)
def test_without_a_settings_file_every_command_says_how_to_name_one(rotator: Run, arguments: list[str]) -> None:
    done = rotator(*arguments)
    assert done.exit_code == USAGE
    assert done.stdout == ""
    for said in ("rotator.yaml: 1 error", "No such file", "--config FILE", "rotator config check"):
        assert said in done.stderr


@pytest.mark.parametrize("arguments", COMMANDS_WITH_SETTINGS, ids=" ".join)
def test_settings_with_errors_are_2_with_every_one_of_them(rotator: Run, written: Path, arguments: list[str]) -> None:
    written.write_text("cloud: publc\n" + SETTINGS + "    cryptoperid: 7d\n", encoding="utf-8")
    done = rotator(*arguments, "--config", str(written))
    assert done.exit_code == USAGE
    assert f"{written}: 2 errors" in done.stderr
    assert "cloud (line 1): must be one of" in done.stderr
    assert "did you mean 'cryptoperiod'?" in done.stderr
    assert f"rotator config check --config {written}" in done.stderr


def test_an_unknown_credential_is_4_with_the_nearest_name(rotator: Run, written: Path) -> None:
    for command in (["status"], ["plan"], ["rotate", "--now"], ["revoke", "--yes"]):
        done = rotator(*command, "chat-prd")
        assert (done.exit_code, done.stdout) == (NOTHING_MATCHED, ""), command
        assert "No credential is named 'chat-prd'. Did you mean 'chat-prod'?" in done.stderr
        done = rotator(*command, "something-else")
        assert done.exit_code == NOTHING_MATCHED
        assert "`rotator status` lists them" in done.stderr


def test_of_several_unknown_names_each_is_said(rotator: Run, written: Path) -> None:
    done = rotator("status", "chat-prod", "chat-prd", "zzz")
    assert done.exit_code == NOTHING_MATCHED
    assert "'chat-prd'" in done.stderr
    assert "'zzz'" in done.stderr


# --- settings --------------------------------------------------------------------------------------------------------------


def test_good_settings_are_called_good_and_the_next_command_is_named(rotator: Run, written: Path) -> None:
    done = rotator("config", "check", "--config", str(written))
    assert (done.exit_code, done.stderr) == (DONE, "")
    assert "good, 1 credential." in done.stdout
    assert f"rotator doctor --config {written}" in done.stdout
    told = json.loads(rotator("config", "check", "--output", "json").stdout)
    assert told == {"valid": True, "credentials": 1, "file": "rotator.yaml", "warnings": [], "discover": 0}


def test_the_settings_are_found_by_the_environment_too(rotator: Run, written: Path, tmp_path: Path) -> None:
    moved = written.rename(tmp_path / "other.yaml")
    done = rotator("config", "check", env={"ROTATOR_CONFIG": str(moved)})
    assert done.exit_code == DONE
    assert str(moved) in done.stdout


def test_the_schema_is_json_on_standard_output_alone(rotator: Run) -> None:
    done = rotator("config", "schema")
    assert (done.exit_code, done.stderr) == (DONE, "")
    assert json.loads(done.stdout) == schema()


def test_what_would_fail_on_every_run_is_a_warning_and_no_error(rotator: Run, written: Path, tmp_path: Path) -> None:
    written.write_text(
        "cloud: {authority: https://a.b, resource_manager: https://a.b, audience: https://a.b, ca_file: missing.pem}\n"
        "identity: {client_secret: {tenant: t, client: c, secret: 'vault:https://kv.vault.azure.net/secrets/own'}}\n"
        f"web: {{operator_token: env:ROTATOR_NEVER_SET}}\nalerts: {{github: {{secret: 'file:{tmp_path}/none'}}}}\n"
        "defaults: {window: {opens: '0 9 * * 1-5', for: 0s}}\n" + SETTINGS,
        encoding="utf-8",
    )
    told = json.loads(rotator("config", "check", "--output", "json").stdout)
    places = [line.partition(":")[0] for line in told["warnings"]]
    assert told["valid"] is True
    for place in ("cloud.ca_file", "identity.client_secret.secret", "web.operator_token", "alerts.github.secret", "defaults.window.for"):
        assert place in places, told
    done = rotator("config", "check")
    assert done.exit_code == DONE
    assert done.stderr.count("Warning: ") == len(places)


def test_settings_are_made_by_a_command_that_leaves_alone_what_is_there(rotator: Run, tmp_path: Path) -> None:
    assert "rotator config init" in rotator("status").stderr
    done = rotator("config", "init")
    assert (done.exit_code, "rotator config check --config rotator.yaml" in done.stdout) == (DONE, True)
    done = rotator("config", "check")
    assert (done.exit_code, "good" in done.stdout) == (DONE, False), "nobody has put his names in yet"
    assert done.stderr == "Warning: credentials[0].account: still as in the example; put your own there\n"
    assert "well-formed, 1 to mend, 1 credential." in done.stdout
    (tmp_path / "rotator.yaml").write_text("mine", encoding="utf-8")
    assert rotator("config", "init").exit_code == REFUSED
    assert (tmp_path / "rotator.yaml").read_text(encoding="utf-8") == "mine"
    assert rotator("config", "init", "--to", "none/rotator.yaml").exit_code == FAILED


def test_of_very_many_errors_the_first_hundred_are_shown(rotator: Run, written: Path) -> None:
    written.write_text("".join(f"unknown-{number}: 1\n" for number in range(250)), encoding="utf-8")
    done = rotator("config", "check")
    assert done.exit_code == USAGE
    assert "250 errors" in done.stderr
    assert "and 150 more" in done.stderr
    assert len(done.stderr.splitlines()) < 110


def test_a_client_secret_that_is_no_text_is_named(rotator: Run, written: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe\x00")
    identity = f"identity: {{client_secret: {{tenant: t, client: c, secret: 'file:{tmp_path}/secret'}}}}\n"
    written.write_text(identity + SETTINGS, encoding="utf-8")
    done = rotator("status")
    assert "Traceback" not in done.output
    assert f"file:{tmp_path}/secret is not text" in done.output.replace("\n", " ")


# --- the ledger ------------------------------------------------------------------------------------------------------------


def broken_ledgers(place: Path) -> dict[str, tuple[str, str]]:
    (place / "file").write_text("x", encoding="utf-8")
    (place / "junk.db").write_bytes(secrets.token_bytes(4096))
    (place / "other.db").write_bytes(b"")
    with sqlite3.connect(place / "other.db") as other:
        other.execute("CREATE TABLE people (name TEXT)")
    other.close()
    (place / "directory.db").mkdir()
    return {
        "below a file": (f"sqlite:///{place}/file/rotator.db", "file"),
        "a directory": (f"sqlite:///{place}/directory.db", "directory"),
        "no database": (f"sqlite:///{place}/junk.db", "database"),
        "a database of something else": (f"sqlite:///{place}/other.db", "something else"),
        "where nobody may write": ("sqlite:////proc/rotator/rotator.db", "/proc"),
    }


@pytest.mark.parametrize("how", ["below a file", "a directory", "no database", "a database of something else", "where nobody may write"])
def test_a_ledger_that_cannot_be_used_is_named_and_is_1(rotator: Run, written: Path, tmp_path: Path, how: str) -> None:
    url, says = broken_ledgers(tmp_path)[how]
    written.write_text(f"ledger: {url}\n{SETTINGS}", encoding="utf-8")
    done = rotator("audit", "show")
    assert done.exit_code == FAILED
    assert done.stderr.startswith("The ledger cannot be used: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_ledger_stands_beside_its_settings_whatever_the_working_directory(
    rotator: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "rotator.yaml").write_text("ledger: sqlite:///mine.db\n" + SETTINGS, encoding="utf-8")
    assert rotator("audit", "show", "--config", "a/rotator.yaml").exit_code == DONE
    assert (tmp_path / "a" / "mine.db").exists()
    assert (tmp_path / "a" / "mine.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("command", ["verify", "export"])
def test_a_ledger_that_is_not_there_is_4_and_is_not_made(rotator: Run, written: Path, command: str) -> None:
    done = rotator("audit", command)
    assert done.exit_code == NOTHING_MATCHED
    assert f"There is no ledger at {written.with_name('rotator.db')}" in done.stderr
    assert not written.with_name("rotator.db").exists()


def test_an_empty_chain_is_whole_and_says_so(rotator: Run, written: Path) -> None:
    rotator("audit", "show")
    done = rotator("audit", "verify")
    assert done.exit_code == DONE
    assert "0 events checked" in done.stdout


def test_an_event_of_nobody_is_4(rotator: Run, written: Path) -> None:
    done = rotator("audit", "show", "chat-prd")
    assert done.exit_code == NOTHING_MATCHED
    assert "rotator status" in done.stderr


# --- against the loopback Azure --------------------------------------------------------------------------------------------

NAMES = ["chat-prod", "agents", "speech", "translate", "language", "invoices", "moderation", "vision", "faces", "chat-test", "batch"]
STATUS = {"name", "account", "secret", "active", "fingerprint", "age_seconds", "due_at", "phase", "because", "incident", "dependents"}
PLAN = {"name", "step", "slot", "reason", "because", "not_before"}
OUTCOME = {"name", "outcome", "reason", "because", "steps", "timings"}
STEP = {"step", "slot", "outcome", "at"}
TIMINGS = {"reported", "published", "revoked", "first_401", "stable_401"}
MUTATING = {"RegenerateKey", "UpdateAccount", "SetSecret", "UpdateSecret", "DeleteSecret", "RecoverSecret", "PurgeSecret"}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Estate:
    """A loopback Azure, settings that point at it, and the command line; every answer is searched for keys."""

    def __init__(self, azure: Any, settings: Path) -> None:
        self.azure = azure
        self.settings = settings

    def run(self, *arguments: str, given: str | None = None) -> Result:
        done = CliRunner().invoke(main, [*arguments, "--config", str(self.settings)], input=given, prog_name="rotator")
        for key in self.azure.keys_ever:
            assert key.value not in done.output, arguments
        return done

    def json(self, *arguments: str, given: str | None = None, code: int = DONE) -> Any:
        done = self.run(*arguments, "--output", "json", given=given)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def one(self, *arguments: str, given: str | None = None, code: int = DONE) -> dict[str, Any]:
        (row,) = self.json(*arguments, given=given, code=code)
        assert isinstance(row, dict)
        return row

    def ledger(self, change: str) -> None:
        """Behind its back."""
        with contextlib.closing(sqlite3.connect(next(self.settings.parent.glob("*.db")))) as ledger, ledger:
            ledger.execute(change)

    def key(self, name: str, slot: str = "key1") -> str:
        return str(self.azure.account(name).keys[slot])

    def published(self, name: str) -> str:
        vault = "kv-1" if NAMES.index(name) % 2 == 0 else "kv-2"
        return str(self.azure.secret(vault, f"{name}-key")[-1].value)

    def mutations(self) -> list[str]:
        return [entry.operation for entry in self.azure.journal if entry.operation in MUTATING]


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    place = tmp_path_factory.mktemp("estate")
    with SandboxThread(place, seed=11) as azure:
        settings, _ = write_settings(place, azure, azure.furnish(len(NAMES)), overlap="0s")
        yield Estate(azure, settings)


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Estate]:
    """Three accounts for one test alone."""
    with SandboxThread(tmp_path, seed=12) as azure:
        settings, _ = write_settings(tmp_path, azure, azure.furnish(3), overlap="0s")
        yield Estate(azure, settings)


def assert_times(values: Sequence[object]) -> None:
    for value in values:
        assert value is None or (isinstance(value, str) and RFC3339.fullmatch(value)), value


def test_status_tells_every_credential_in_the_words_of_the_contract(estate: Estate) -> None:
    rows = estate.json("status")
    assert [row["name"] for row in rows] == NAMES
    for row in rows:
        assert set(row) >= STATUS
        assert (row["incident"], row["dependents"]) == (None, [])
        assert isinstance(row["age_seconds"], int)
        assert_times([row["due_at"]])
    row = estate.one("status", "faces")
    assert row["active"] == "key1"
    assert row["fingerprint"] == fingerprint(estate.key("faces"))
    assert row["account"] == estate.azure.account("faces").id
    assert row["secret"].endswith("/secrets/faces-key")


def test_status_of_an_unreadable_credential_is_null_where_nothing_was_seen(estate: Estate) -> None:
    estate.azure.fault("GetSecret", "403", times=20, secret="faces-key")
    try:
        row = estate.one("status", "faces")
    finally:
        estate.azure.clear_faults()
    assert (row["active"], row["fingerprint"], row["age_seconds"], row["due_at"]) == (None, None, None, None)
    assert row["phase"] == "unseen"
    assert "cannot be seen" in row["because"]


def test_status_and_plan_for_people_fit_a_table_and_change_nothing(estate: Estate) -> None:
    estate.azure.clear_journal()
    status, plan = estate.run("status"), estate.run("plan", "faces")
    assert (status.exit_code, plan.exit_code) == (DONE, DONE)
    assert all(name in status.stdout for name in NAMES)
    assert "adopt" in plan.stdout
    assert max(len(line) for line in status.stdout.splitlines()) <= 160
    assert estate.mutations() == []


def test_plan_tells_the_next_step_in_the_words_of_the_contract(estate: Estate) -> None:
    estate.azure.clear_journal()
    rows = estate.json("plan")
    assert [row["name"] for row in rows] == NAMES
    for row in rows:
        assert set(row) >= PLAN
        assert_times([row["not_before"]])
    row = estate.one("plan", "faces")
    assert (row["step"], row["slot"], row["reason"]) == ("adopt", "key1", "superseded")
    assert [line["step"] for line in row["then"]] == ["quiet"]
    assert row["then"][0]["slot"] is None
    assert estate.mutations() == []


def test_a_rotation_is_told_step_by_step_with_its_five_times(estate: Estate) -> None:
    old = estate.key("chat-prod")
    row = estate.one("rotate", "chat-prod", "--now")
    assert set(row) >= OUTCOME
    assert (row["name"], row["outcome"], row["reason"]) == ("chat-prod", "rotated", "superseded")
    steps = [step["step"] for step in row["steps"]]
    assert [step for step in steps if step != "prove"] == ["adopt", "mint", "publish", "revoke", "prove_dead", "retire"]
    assert steps[steps.index("mint") : steps.index("publish")] == ["mint", "prove"]
    assert all(set(step) >= STEP for step in row["steps"])
    assert set(row["timings"]) == TIMINGS
    assert_times([*row["timings"].values(), *(step["at"] for step in row["steps"])])
    assert None not in row["timings"].values()
    times = [datetime.fromisoformat(row["timings"][name]) for name in ("reported", "published", "revoked", "first_401", "stable_401")]
    assert times == sorted(times)
    assert estate.published("chat-prod") == estate.key("chat-prod", "key2")
    assert old not in (estate.key("chat-prod"), estate.key("chat-prod", "key2"))


def test_a_rotation_that_is_not_due_does_nothing_and_says_when_it_will_be(estate: Estate) -> None:
    estate.one("rotate", "batch")
    estate.azure.clear_journal()
    row = estate.one("rotate", "batch")
    assert (row["outcome"], row["steps"]) == ("quiet", [])
    assert "due" in row["because"]
    assert set(row["timings"].values()) == {None}
    assert estate.mutations() == []


def test_nothing_is_due_and_that_is_no_error(hamlet: Estate) -> None:
    hamlet.json("rotate", "--due", "--no-wait")
    assert hamlet.json("rotate", "--due", "--no-wait") == []
    assert hamlet.run("rotate", "--due", "--no-wait").stdout == "Nothing was due.\n"


def test_of_two_that_are_due_both_are_rotated_and_the_third_is_left_alone(hamlet: Estate) -> None:
    for vault, name in (("kv-1", "chat-prod"), ("kv-2", "agents")):
        hamlet.azure.secret(vault, f"{name}-key")[-1].created -= timedelta(days=31)
    hamlet.json("rotate", "speech")
    before = hamlet.key("speech", "key2")
    rows = hamlet.json("rotate", "--due")
    assert {row["name"]: row["outcome"] for row in rows} == {"chat-prod": "rotated", "agents": "rotated"}
    assert hamlet.key("speech", "key2") == before


@pytest.mark.parametrize("mode", ["drain", "cut", "contain"])
def test_a_dry_run_shows_the_whole_plan_and_changes_nothing(estate: Estate, mode: str) -> None:
    estate.azure.clear_journal()
    before, events = estate.key("language"), estate.json("audit", "verify")["events"]
    row = estate.one("revoke", "language", "--mode", mode, "--dry-run")
    assert set(row) >= OUTCOME
    assert row["outcome"] == "planned"
    assert "revoke" in [step["step"] for step in row["steps"]]
    assert ("switch_off_local_auth" in [step["step"] for step in row["steps"]]) is (mode == "contain")
    assert all(set(step) >= STEP and step["outcome"] == "planned" for step in row["steps"])
    assert set(row["timings"]) == TIMINGS
    told = estate.run("revoke", "language", "--mode", mode, "--dry-run")
    assert told.exit_code == DONE
    assert "Nothing was changed (--dry-run)." in told.stderr
    assert "is active" in told.stdout
    assert (estate.mutations(), estate.key("language"), estate.json("audit", "verify")["events"]) == ([], before, events)


def test_without_a_terminal_and_without_a_yes_nothing_is_revoked(estate: Estate) -> None:
    estate.azure.clear_journal()
    for arguments in (["language"], ["--leaked-key", "-"], ["--fingerprint", fingerprint(estate.key("language"))]):
        done = estate.run("revoke", *arguments, given=estate.key("language") + "\n")
        assert done.exit_code == REFUSED
        assert "add --yes" in done.stderr
        assert "--dry-run" in done.stderr
    assert estate.mutations() == []
    assert estate.one("status", "language")["incident"] is None


def test_a_leaked_key_is_found_or_already_dead_or_not_ours_and_these_are_three_answers(estate: Estate) -> None:
    leaked = estate.key("agents")
    found = estate.one("revoke", "--leaked-key", "-", "--mode", "cut", "--yes", given=leaked + "\n")
    assert (found["name"], found["outcome"], found["reason"]) == ("agents", "dead", "key_compromise")
    steps = [step["step"] for step in found["steps"]]
    assert steps.index("revoke") < steps.index("publish") < steps.index("prove_dead") < steps.index("retire")
    assert_times(list(found["timings"].values()))
    assert None not in found["timings"].values()
    assert leaked not in (estate.key("agents"), estate.key("agents", "key2"))

    estate.azure.clear_journal()
    again = estate.one("revoke", "--leaked-key", "-", "--yes", given=f"\n{leaked}\n{leaked}\n")
    assert again["name"] == "agents"
    assert again["outcome"] != found["outcome"]
    assert again["steps"] == []
    assert again["timings"]["stable_401"] == found["timings"]["stable_401"]
    assert estate.mutations() == []

    foreign = estate.run("revoke", "--leaked-key", "-", "--yes", given=secrets.token_hex(16))
    assert foreign.exit_code == NOTHING_MATCHED
    assert "not ours" in foreign.stderr
    assert f"{len(NAMES)} accounts" in foreign.stderr


def test_a_leak_that_cannot_be_looked_for_everywhere_is_not_called_foreign(estate: Estate) -> None:
    estate.azure.fault("ListKeys", "403", times=50, account="faces")
    try:
        done = estate.run("revoke", "--leaked-key", "-", "--yes", given=secrets.token_hex(16))
    finally:
        estate.azure.clear_faults()
    assert done.exit_code == FAILED
    assert "could not be asked" in done.stderr
    assert "faces" in done.stderr


def test_of_several_leaked_keys_each_is_killed_where_it_lives(estate: Estate) -> None:
    keys = [estate.key("invoices"), estate.key("moderation", "key2")]
    rows = estate.json("revoke", "--leaked-key", "-", "--yes", given="\n".join([*keys, secrets.token_hex(16)]))
    assert {row["name"]: row["outcome"] for row in rows if row["name"]} == {"invoices": "dead", "moderation": "dead"}
    assert not {*keys} & {*estate.azure.account("invoices").keys.values(), *estate.azure.account("moderation").keys.values()}
    assert estate.published("moderation") == estate.key("moderation"), "what was not leaked is still given out"


def test_both_slots_of_a_credential_are_killed_and_a_third_value_is_published(estate: Estate) -> None:
    before = {estate.key("speech"), estate.key("speech", "key2")}
    row = estate.one("revoke", "speech", "--slot", "both", "--yes", "--reason", "laptop stolen")
    assert row["outcome"] == "dead"
    assert [step["step"] for step in row["steps"]].count("prove_dead") >= 2
    assert not before & {estate.key("speech"), estate.key("speech", "key2")}
    assert estate.published("speech") in (estate.key("speech"), estate.key("speech", "key2"))
    assert "laptop stolen" in estate.run("audit", "show", "speech", "--last", "1000", "--output", "json").stdout


def test_one_slot_is_killed_by_its_name_and_the_other_goes_on(estate: Estate) -> None:
    active, standby = estate.key("vision"), estate.key("vision", "key2")
    row = estate.one("revoke", "vision", "--slot", "key2", "--yes")
    assert row["outcome"] == "dead"
    assert (estate.key("vision"), estate.published("vision")) == (active, active)
    assert estate.key("vision", "key2") != standby


def test_a_key_is_revoked_by_its_fingerprint(estate: Estate) -> None:
    old = estate.key("chat-test")
    row = estate.one("revoke", "--fingerprint", fingerprint(old).upper(), "--yes")
    assert (row["name"], row["outcome"]) == ("chat-test", "dead")
    assert estate.key("chat-test") != old
    assert estate.run("revoke", "--fingerprint", "a" * 26, "--yes").exit_code == NOTHING_MATCHED


def test_revoked_but_not_proven_dead_is_5_and_the_same_command_goes_on(estate: Estate) -> None:
    """The gateway still accepts the old key: nobody says dead. Once it refuses it, the very same command says so."""
    leaked = estate.key("translate")
    estate.azure.change_account("translate", death_delay=3600)
    row = estate.one("revoke", "translate", "--mode", "cut", "--yes", "--no-wait", code=UNPROVEN)
    assert row["outcome"] == "unproven"
    assert (row["timings"]["first_401"], row["timings"]["stable_401"]) == (None, None)
    assert row["timings"]["revoked"]
    assert_times([row["goes_on_at"]])
    told = estate.run("revoke", "translate", "--mode", "cut", "--yes", "--no-wait")
    assert told.exit_code == UNPROVEN
    assert "rotator revoke translate" in told.stderr
    assert estate.one("status", "translate")["incident"]

    minted = estate.key("translate")
    for key in estate.azure.keys_ever:
        if key.value == leaked:
            key.deaths = dict.fromkeys(key.deaths, datetime.now(UTC))
    row = estate.one("revoke", "translate", "--yes")
    assert row["outcome"] == "dead"
    assert estate.key("translate") == minted, "the key that replaced the leaked one is not killed in its place"
    assert estate.one("status", "translate")["incident"] is None


def test_a_value_that_is_not_ours_is_refused_with_the_command_that_would_replace_it(hamlet: Estate) -> None:
    hamlet.azure.set_secret("kv-1", "speech-key", "something of somebody else")
    hamlet.azure.clear_journal()
    row = hamlet.one("rotate", "speech", "--now", code=REFUSED)
    assert row["outcome"] == "refused"
    assert "rotator rotate speech --replace-foreign" in row["because"]
    done = hamlet.run("revoke", "speech", "--yes")
    assert done.exit_code == REFUSED
    assert "--slot key1|key2|both" in done.stderr
    assert hamlet.mutations() == []
    status = hamlet.one("status", "speech")
    assert (status["active"], status["phase"]) == (None, "foreign")
    assert hamlet.one("rotate", "speech", "--replace-foreign")["outcome"] == "rotated"
    assert hamlet.published("speech") in (hamlet.key("speech"), hamlet.key("speech", "key2"))


def test_a_permission_that_is_missing_is_named(estate: Estate) -> None:
    estate.azure.fault("ListKeys", "403", times=50, account="faces")
    try:
        done = estate.run("rotate", "faces", "--now", "--timeout", "5s")
    finally:
        estate.azure.clear_faults()
    assert done.exit_code == FAILED
    assert "Microsoft.CognitiveServices/accounts/listKeys/action" in done.output


# --- what passes, what is lost, what is done twice --------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["GetSecret", "ListSecretVersions", "GetAccount", "ListKeys"])
def test_an_order_survives_one_fault_that_passes(hamlet: Estate, call: str) -> None:
    hamlet.azure.fault(call, "500-before", times=1)
    assert hamlet.one("rotate", "chat-prod", "--now")["outcome"] == "rotated"


def test_an_order_that_cannot_be_given_is_1_and_says_why(hamlet: Estate) -> None:
    hamlet.azure.fault("GetSecret", "500-before", times=50, secret="chat-prod-key")
    row = hamlet.one("rotate", "chat-prod", "--now", "--timeout", "1s", code=FAILED)
    assert "cannot be seen" in row["because"]
    assert "nothing was ordered" in row["because"]
    assert hamlet.mutations() == []


@pytest.mark.parametrize("call", ["ListKeys", "GetSecret"])
def test_a_revocation_survives_one_fault_that_passes(hamlet: Estate, call: str) -> None:
    hamlet.azure.fault(call, "500-before", times=1)
    assert hamlet.one("revoke", "chat-prod", "--mode", "cut", "--yes")["outcome"] == "dead"


def test_a_vault_that_cannot_be_seen_is_not_said_to_hold_something_else(hamlet: Estate) -> None:
    hamlet.azure.fault("GetSecret", "500-before", times=50, secret="chat-prod-key")
    done = hamlet.run("revoke", "chat-prod", "--yes", "--timeout", "1s")
    assert done.exit_code == FAILED
    assert "cannot be seen" in done.stderr
    assert "is not one of them" not in done.stderr
    assert "--slot key1|key2|both" in done.stderr
    assert hamlet.mutations() == []


@pytest.mark.parametrize(
    "form", ["AZURE_OPENAI_API_KEY={}", "export KEY='{}'", '  "api_key": "{}",', '{{"a": 1, "k": "{}"}}', "api-key: {};"]
)
def test_a_key_is_found_in_the_line_that_somebody_pastes(hamlet: Estate, form: str) -> None:
    row = hamlet.one("revoke", "--leaked-key", "-", "--dry-run", given=form.format(hamlet.key("agents", "key2")) + "\n")
    assert (row["name"], row["outcome"], row["reason"]) == ("agents", "planned", "key_compromise")


def test_a_fingerprint_may_be_told_by_its_beginning(hamlet: Estate) -> None:
    name = fingerprint(hamlet.key("speech"))
    assert hamlet.one("revoke", "--fingerprint", name[:8], "--dry-run")["name"] == "speech", "the index has not seen it yet"
    assert hamlet.run("revoke", "--fingerprint", "b" * 8, "--yes").exit_code == NOTHING_MATCHED
    for malformed in ("abc", "a" * 27, "not-a-fingerprint", "01234567"):
        done = hamlet.run("revoke", "--fingerprint", malformed, "--yes")
        assert (done.exit_code, "rotator status" in done.stderr) == (USAGE, True)


def test_a_beginning_of_two_fingerprints_is_2_with_both(hamlet: Estate) -> None:
    name = fingerprint(hamlet.key("speech"))
    other = name[:8] + "a" * 18
    hamlet.run("status")
    hamlet.ledger(f"UPDATE keys SET fingerprint = '{other}' WHERE fingerprint = '{fingerprint(hamlet.key('agents', 'key2'))}'")
    done = hamlet.run("revoke", "--fingerprint", name[:8], "--yes")
    assert done.exit_code == USAGE
    assert name in done.stderr
    assert other in done.stderr


def test_a_case_that_nobody_can_prove_any_more_never_takes_the_value_after_it(hamlet: Estate) -> None:
    command = ("revoke", "speech", "--slot", "key2", "--mode", "cut", "--yes")
    hamlet.one(*command)
    hamlet.ledger("UPDATE incidents SET state = 'unproven'")
    hamlet.ledger("UPDATE keys SET dead_at = NULL, lost = 1 WHERE dead_at IS NOT NULL")
    fresh = hamlet.key("speech", "key2")
    for _ in range(2):
        row = hamlet.one(*command, code=UNPROVEN)
        assert (row["outcome"], row["steps"]) == ("unproven", [])
        assert "nobody holds it" in row["because"]
    assert hamlet.key("speech", "key2") == fresh
    told = hamlet.one("revoke", "--fingerprint", fingerprint(fresh)[:8], "--yes", "--mode", "cut")
    assert told["outcome"] == "dead", "the value after it has a name of its own"


def test_to_contain_twice_is_to_contain_once(hamlet: Estate) -> None:
    command = ("revoke", "chat-prod", "--mode", "contain", "--yes")
    assert hamlet.one(*command)["outcome"] == "dead"
    hamlet.azure.clear_journal()
    row = hamlet.one(*command)
    assert (row["outcome"], row["reason"]) == ("dead", "key_compromise")
    assert hamlet.mutations() == []


def test_with_local_auth_off_a_slot_that_the_ledger_knows_is_killed_unseen(hamlet: Estate) -> None:
    hamlet.run("status")
    leaked, other = hamlet.key("agents"), hamlet.key("speech")
    for name in ("agents", "speech", "chat-prod"):
        hamlet.azure.change_account(name, disable_local_auth=True, regenerate_without_local_auth=True)
    hamlet.run("revoke", "agents", "--slot", "key1", "--mode", "cut", "--yes", "--timeout", "3s")
    assert hamlet.key("agents") != leaked
    hamlet.run("revoke", "--leaked-key", "-", "--mode", "cut", "--yes", "--timeout", "3s", given=other)
    assert hamlet.key("speech") != other
    row = hamlet.one("rotate", "chat-prod", "--now", code=REFUSED)
    assert "local auth is off" in row["because"]


def test_with_local_auth_off_a_slot_that_nobody_knows_is_1(hamlet: Estate) -> None:
    hamlet.azure.change_account("agents", disable_local_auth=True)
    done = hamlet.run("revoke", "agents", "--slot", "key1", "--mode", "cut", "--yes")
    assert done.exit_code == FAILED
    assert "the ledger does not know what key1 holds" in done.stderr
    assert hamlet.mutations() == []


def test_a_leak_that_was_dead_already_is_a_compromise_all_the_same(hamlet: Estate) -> None:
    old = hamlet.key("speech")
    hamlet.azure.regenerate("speech", "key1")
    row = hamlet.one("revoke", "--leaked-key", "-", "--yes", given=old)
    assert row["reason"] == "key_compromise"
    assert row["outcome"] == "already_dead"


@pytest.mark.parametrize(
    ("broken", "says"), [("secret: env:NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE"), ("ca_file: nowhere.pem", "nowhere.pem")]
)
def test_what_the_settings_name_and_is_not_there_is_2(hamlet: Estate, broken: str, says: str) -> None:
    text = hamlet.settings.read_text(encoding="utf-8")
    was = r"secret: file:[^\n,}]+" if broken.startswith("secret") else r"ca_file: [^\n,}]+"
    hamlet.settings.write_text(re.sub(was, broken, text), encoding="utf-8")
    done = hamlet.run("status")
    assert done.exit_code == USAGE, done.output
    assert says in done.stderr


def test_json_stands_alone_on_standard_output_and_logs_on_standard_error(estate: Estate) -> None:
    done = estate.run("status", "faces", "--output", "json", "--log-level", "debug")
    json.loads(done.stdout)
    for line in done.stderr.splitlines():
        json.loads(line)


def test_progress_for_people_goes_to_standard_error(hamlet: Estate) -> None:
    done = hamlet.run("rotate", "chat-prod", "--now")
    assert done.exit_code == DONE
    assert "→ mint" in done.stderr
    assert "✓ publish key2" in done.stderr
    assert "rotated" in done.stdout
    assert "→" not in done.stdout


def test_audit_verify_says_how_many_events_it_checked_and_export_has_as_many(estate: Estate, tmp_path: Path) -> None:
    estate.one("rotate", "batch", "--now")
    told = estate.json("audit", "verify")
    assert (told["valid"], told["broken"]) == (True, None)
    assert f"{told['events']} events checked" in estate.run("audit", "verify").stdout
    assert told["head"] in estate.run("audit", "verify", "--head", told["head"]).stdout
    lines = [json.loads(line) for line in estate.run("audit", "export").stdout.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, told["events"] + 1))
    assert lines[-1]["hash"] == told["head"]
    assert_times([line["at"] for line in lines])
    done = estate.run("audit", "export", "--to", str(tmp_path / "chain.jsonl"))
    assert f"{told['events']} events written" in done.stderr
    assert (tmp_path / "chain.jsonl").read_text(encoding="utf-8").count("\n") == told["events"]


def test_a_head_that_was_noted_last_week_is_an_event_of_the_chain(estate: Estate) -> None:
    estate.one("rotate", "batch", "--now")
    first = estate.json("audit", "show", "--last", "1000")[0]
    told = estate.json("audit", "verify", "--head", first["hash"])
    assert (told["valid"], told["noted"]) == (True, 1)
    assert f"The head you noted is event 1 of {told['events']}." in estate.run("audit", "verify", "--head", first["hash"]).stdout


def test_a_head_that_was_noted_elsewhere_and_does_not_fit_is_1(estate: Estate) -> None:
    estate.one("rotate", "batch", "--now")
    done = estate.run("audit", "verify", "--head", "f" * 64)
    assert done.exit_code == FAILED
    assert "broken" in done.stderr
    told = estate.json("audit", "verify", "--head", "f" * 64, code=FAILED)
    assert told["valid"] is False


@pytest.mark.parametrize("head", ["123", "", "g" * 64, "f" * 65])
def test_what_is_no_head_is_a_usage_error_and_no_sign_of_tampering(estate: Estate, head: str) -> None:
    done = estate.run("audit", "verify", "--head", head)
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert "broken" not in done.stderr
    assert "as `rotator audit verify` prints it" in done.stderr


def test_a_head_may_have_been_noted_in_capitals(estate: Estate) -> None:
    estate.one("rotate", "batch", "--now")
    head = estate.json("audit", "verify")["head"]
    assert estate.run("audit", "verify", "--head", f" {head.upper()}\n").exit_code == DONE


def test_every_step_has_an_intent_before_and_an_outcome_after_it(estate: Estate) -> None:
    estate.one("rotate", "chat-prod", "--now")
    events = estate.json("audit", "show", "chat-prod", "--last", "1000")
    intents = {event["fields"]["operation"]: event["seq"] for event in events if event["event"] == "intent"}
    outcomes = {event["fields"]["operation"]: event["seq"] for event in events if event["event"] == "outcome"}
    assert intents.keys() == outcomes.keys()
    assert all(intents[operation] < outcomes[operation] for operation in intents)


def test_the_key_of_no_account_stands_in_the_ledger_or_the_settings(estate: Estate) -> None:
    place = estate.settings.parent
    text = b"".join(path.read_bytes() for path in place.iterdir() if path.is_file())
    for key in estate.azure.keys_ever:
        assert key.value.encode() not in text


def test_the_settings_of_the_sandbox_name_the_whole_fleet(estate: Estate) -> None:
    document = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    assert [one["name"] for one in document["credentials"]] == NAMES
    done = estate.run("config", "check")
    assert f"good, {len(NAMES)} credentials." in done.stdout
