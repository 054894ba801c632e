"""Printing never stops an errand: closed streams, pipes that nobody reads, a full disk, an old encoding. And no message repeats a key."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.cli.sandbox import write_settings
from rotator.core.sealed import fingerprint
from rotator.sandbox import SandboxThread
from tests.test_cli import Estate

ROTATOR = f"{sys.executable} -m rotator"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    place = tmp_path_factory.mktemp("town")
    with SandboxThread(place, seed=21) as azure:
        settings, _ = write_settings(place, azure, azure.furnish(11), overlap="0s")
        yield Estate(azure, settings)


def shell(town: Estate, line: str, **env: str) -> "subprocess.CompletedProcess[str]":
    known = {**os.environ, "ROTATOR_CONFIG": str(town.settings), **env}
    script = f"set -o pipefail; {line.replace('rotator ', ROTATOR + ' ', 1)}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, errors="replace", timeout=120, env=known, check=False)


@pytest.mark.parametrize(
    ("name", "line", "env"),
    [
        ("agents", "rotator revoke agents --mode cut --yes | true", {}),
        ("speech", "rotator revoke speech --mode cut --yes 2>&1 | head -1", {}),
        ("translate", "rotator revoke translate --mode cut --yes >/dev/full", {}),
        ("language", "rotator revoke language --mode cut --yes >/dev/full 2>/dev/full", {}),
        ("invoices", "rotator revoke invoices --mode cut --yes", {"PYTHONIOENCODING": "ascii"}),
        ("moderation", "rotator revoke moderation --mode cut --yes -o json", {"PYTHONIOENCODING": "latin-1"}),
        ("vision", "rotator revoke vision --mode cut --yes >&- 2>&-", {}),
        ("faces", "rotator revoke faces --mode cut --yes <&- >&- 2>&- --log-level debug", {}),
    ],
    ids=["nobody reads", "one line is read", "a full disk", "both full", "ascii", "latin-1", "closed", "all closed"],
)
def test_a_leaked_key_dies_whatever_becomes_of_what_is_printed(town: Estate, name: str, line: str, env: dict[str, str]) -> None:
    leaked = town.key(name)
    done = shell(town, line, **env)
    assert done.returncode == 0, done.stderr
    assert leaked not in town.azure.account(name).keys.values()
    for said in ("Traceback", "defect", "Exception ignored", "Broken pipe"):
        assert said not in done.stderr


def test_an_answer_that_could_not_be_written_is_said(town: Estate) -> None:
    assert "could not be written: No space left on device" in shell(town, "rotator status chat-prod >/dev/full").stderr


def test_a_closed_standard_input_is_a_sentence(town: Estate) -> None:
    done = shell(town, "rotator revoke chat-prod <&-")
    assert (done.returncode, "add --yes" in done.stderr) == (3, True), done.stderr
    done = shell(town, "rotator revoke --leaked-key - <&-")
    assert (done.returncode, "holds no key" in done.stderr) == (2, True), done.stderr


KEYS = [secrets.token_hex(16), f"{secrets.token_hex(26)}JQQJ99BCAC{secrets.token_hex(5)}AAAAACOG{secrets.token_hex(2)}"]


@pytest.mark.parametrize("key", KEYS, ids=["legacy", "current"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("revoke", "--fingerprint", "KEY"),
        ("revoke", "KEY", "--yes"),
        ("KEY",),
        ("revoke", "chat-prod", "--mode", "KEY"),
        ("revoke", "chat-prod", "--KEY"),
        ("status", "KEY"),
        ("rotate", "chat-prod", "--timeout", "KEY"),
        ("status", "--config", "KEY"),
    ],
    ids=" ".join,
)
def test_a_key_that_was_typed_where_it_does_not_belong_is_not_printed_once_more(town: Estate, arguments: tuple[str, ...], key: str) -> None:
    done = shell(town, " ".join(["rotator", *(word.replace("KEY", key) for word in arguments)]))
    assert done.returncode in (2, 4)
    assert key not in done.stdout + done.stderr


def test_a_key_as_fingerprint_is_refused_as_leaked_now(town: Estate) -> None:
    done = town.run("revoke", "--fingerprint", town.key("chat-test"), "--dry-run", "--output", "json")
    assert done.exit_code == 2
    assert "this one has leaked now" in done.stderr


@pytest.mark.parametrize("given", ["", " "])
def test_an_empty_fingerprint_is_a_usage_error_and_matches_nothing(town: Estate, given: str) -> None:
    town.run("status", "chat-test")
    done = town.run("revoke", "--fingerprint", given, "--yes")
    assert (done.exit_code, "--fingerprint is empty" in done.stderr) == (2, True)


def test_a_fingerprint_is_no_key(town: Estate) -> None:
    assert town.run("revoke", "--fingerprint", fingerprint(town.key("chat-test")), "--dry-run").exit_code == 0


@pytest.mark.parametrize("ended", ["\\x03", "\\x04"], ids=["Ctrl-C", "Ctrl-D"])
@pytest.mark.parametrize("arguments", ["--leaked-key -", "chat-prod"])
def test_who_leaves_at_a_prompt_has_changed_nothing(town: Estate, tmp_path: Path, arguments: str, ended: str) -> None:
    program = f"""
import os, pty, select, signal, sys, time
child, terminal = pty.fork()
if child == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as a terminal starts it: where the suite runs in the background, it ignores it
    os.execv(sys.executable, [sys.executable, "-m", "rotator", "revoke", *{arguments.split()!r}])
seen, sent = b"", False
while True:
    if sent and not select.select([terminal], [], [], 20)[0]:
        os.write(terminal, b"{ended}")  # pressed again: what comes before read() is called may be thrown away
    try:
        read = os.read(terminal, 4096)
    except OSError:
        break
    if not read:
        break
    seen += read
    if not sent and (b"not shown" in seen or b"[y/N]" in seen):
        sent = True
        time.sleep(0.5)  # as no person is quicker than read() is called
        os.write(terminal, b"{ended}")
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(code, seen.decode(errors="replace"))
"""
    known = {**os.environ, "ROTATOR_CONFIG": str(town.settings)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=known, check=True)
    assert done.stdout.startswith("130 "), done.stdout
    assert "Nothing was changed." in done.stdout
