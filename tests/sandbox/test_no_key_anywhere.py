"""No key, client secret or token leaves memory but over TLS: not to a terminal, a log, a file, a process list."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    import subprocess

    from tests.sandbox.conftest import Estate

FAULTS = ("500-before", "503-after", "drop-after", "truncated", "429:1", "403", "409", "hang")
STRUCK = ("RegenerateKey", "SetSecret", "UpdateSecret", "ListKeys", "GetSecret", "DataPlane", "Token")
LEAKED = "leaked"
"""Stands for the value of key1 on standard input: a key is never an argument."""

CALM: dict[str, tuple[Sequence[str], bool]] = {
    "rotate": (("rotate", "chat-prod", "--now"), False),
    "drain": (("revoke", "chat-prod", "--mode", "drain", "--yes"), False),
    "contain": (("revoke", "chat-prod", "--mode", "contain", "--yes"), False),
    "leaked": (("revoke", "--leaked-key", "-", "--mode", "cut", "--yes", "--reason", "a laptop"), True),
}


@dataclass(kw_only=True)
class Witness:
    """Everything that could be seen of one run from outside."""

    places: dict[str, bytes] = field(default_factory=dict)

    def assert_free_of(self, words: dict[str, str]) -> None:
        for place, content in self.places.items():
            for what, word in words.items():
                assert word.encode() not in content, f"{what} stands in {place}"


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """Where temporary files of the command would appear."""
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


@pytest.mark.parametrize(
    ("command", "output"),
    [("rotate", "table"), ("rotate", "json"), ("drain", "table"), ("contain", "json"), ("leaked", "table"), ("leaked", "json")],
)
def test_a_calm_run(estate: Estate, private: Path, command: str, output: str) -> None:
    arguments, takes_key = CALM[command]
    witness = _run(estate, private, [*arguments, "--output", output, "--log-level", "debug"], takes_key)
    witness.assert_free_of(_secrets_of(estate))


@pytest.mark.parametrize("command", ["rotate", "leaked"])
def test_a_run_in_bad_weather(estate: Estate, private: Path, command: str) -> None:
    """Every sort of call struck by every sort of fault, one after the other, while the SDKs log whatever they would."""
    for operation in STRUCK:
        for number, fault in enumerate(FAULTS):
            estate.azure.fault(operation, fault, skip=number)
    arguments, takes_key = CALM[command]
    settings = yaml.safe_load(estate.settings.read_text())
    settings["limits"] = {"request_timeout": "0.4s"}
    estate.settings.write_text(yaml.safe_dump(settings))
    witness = _run(estate, private, [*arguments, "--timeout", "6s", "--output", "json", "--log-level", "debug"], takes_key)
    assert any(entry.fault for entry in estate.azure.journal)
    witness.assert_free_of(_secrets_of(estate))


def test_a_key_on_the_command_line_is_refused_and_not_repeated(estate: Estate) -> None:
    value = estate.azure.account("chat-prod").keys["key1"]
    for arguments in (["--leaked-key", value], [value], ["--fingerprint", value], ["--reason", value, "nobody"]):
        result = estate.run("revoke", *arguments, "--yes")
        assert result.exit_code in (2, 4), (arguments[0], result.output)
        assert value not in result.output


def test_a_key_that_is_not_ours_is_not_repeated(estate: Estate, private: Path) -> None:
    stranger = estate.azure.account("chat-prod").keys["key1"][::-1]
    result = estate.run("revoke", "--leaked-key", "-", "--yes", "--log-level", "debug", stdin=stranger)
    assert result.exit_code == 4
    assert stranger not in result.output


def _run(estate: Estate, private: Path, arguments: Sequence[str], takes_key: bool) -> Witness:
    witness = Witness()
    process = estate.start(*arguments, environment={"TMPDIR": str(private)})
    watching = threading.Thread(target=_watch, args=(process, private, witness))
    watching.start()
    value = estate.azure.account("chat-prod").keys["key1"]
    out, err = process.communicate(value + "\n" if takes_key else None, timeout=60)
    watching.join(10)
    assert "Traceback" not in err
    witness.places |= {"standard output": out.encode(), "standard error": err.encode()}
    for path in estate.directory.rglob("*"):
        if path.is_file() and path.name != "client-secret":
            witness.places[str(path.relative_to(estate.directory))] = path.read_bytes()
    assert {"cmdline", "environ", "rotator.db"} <= set(witness.places), set(witness.places)
    return witness


def _watch(process: subprocess.Popen[str], private: Path, witness: Witness) -> None:
    """What others on the machine can see while it runs: arguments, environment, temporary files, and the ledger before it is tidied."""
    while process.poll() is None:
        for name in ("cmdline", "environ"):
            try:
                witness.places[name] = Path(f"/proc/{process.pid}/{name}").read_bytes() or witness.places.get(name, b"")
            except OSError:
                continue
        for path in [*private.rglob("*"), *private.parent.glob("rotator.db*")]:
            try:
                content = path.read_bytes() if path.is_file() else b""
            except OSError:
                continue
            place = f"{path.name} while it ran"
            before = witness.places.get(place, b"")
            witness.places[place] = before if content in before else before + content
        time.sleep(0.02)


def _secrets_of(estate: Estate) -> dict[str, str]:
    azure = estate.azure
    tokens = azure.state.sessions.tokens
    assert tokens
    keys = {f"{key.slot} of {key.account}": key.value for key in azure.keys_ever}
    bearers = {f"token {number}": token for number, token in enumerate(tokens)}
    return {**keys, **bearers, "the client's secret": azure.client_secret}


def test_the_witness_would_see_a_key(estate: Estate, private: Path) -> None:
    """The test of the test: a key in a file, in the environment and in an argument is found."""
    value = estate.azure.account("chat-prod").keys["key1"]
    (private / "dump").write_text(value)
    process = estate.start("status", "--output", "json", environment={"TMPDIR": str(private), "LEAK": value, "PID": str(os.getpid())})
    witness = Witness()
    _watch(process, private, witness)
    process.communicate()
    with pytest.raises(AssertionError, match="stands in environ"):
        Witness(places={"environ": witness.places["environ"]}).assert_free_of(_secrets_of(estate))
    with pytest.raises(AssertionError, match="stands in dump"):
        Witness(places={"dump": witness.places["dump while it ran"]}).assert_free_of(_secrets_of(estate))
