"""A ledger that cannot be used does not hold up a revocation, and is never passed over in silence."""

import contextlib
import json
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rotator.cli.sandbox import write_settings
from rotator.ledger.holders import holders
from rotator.sandbox import SandboxThread
from tests.test_cli import Estate

TRIGGER = "CREATE TRIGGER full BEFORE {} BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"


@pytest.fixture(scope="module")
def azure_and_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SandboxThread, Path]]:
    place = tmp_path_factory.mktemp("emergency")
    with SandboxThread(place, seed=31) as azure:
        write_settings(place, azure, azure.furnish(11), overlap="0s")
        yield azure, place


@pytest.fixture
def town(azure_and_place: tuple[SandboxThread, Path], tmp_path: Path) -> Estate:
    """The shared Azure, with settings and a ledger of the test's own."""
    azure, place = azure_and_place
    text = (place / "rotator.yaml").read_text(encoding="utf-8").replace(str(place / "rotator.db"), str(tmp_path / "rotator.db"))
    settings = tmp_path / "rotator.yaml"
    settings.write_text(text, encoding="utf-8")
    return Estate(azure, settings)


def used(ledger: Path, town: Estate) -> None:
    assert town.run("audit", "show").exit_code == 0
    assert ledger.exists()


def corrupt(ledger: Path, town: Estate) -> None:
    ledger.write_bytes(secrets.token_bytes(8192))


def a_directory(ledger: Path, town: Estate) -> None:
    ledger.mkdir()


def full(ledger: Path, town: Estate) -> None:
    used(ledger, town)
    with contextlib.closing(sqlite3.connect(ledger)) as other:
        other.execute(TRIGGER.format("INSERT ON incidents"))
        other.commit()


def full_after_the_kill(ledger: Path, town: Estate) -> None:
    used(ledger, town)
    with contextlib.closing(sqlite3.connect(ledger)) as other:
        other.execute(TRIGGER.format("UPDATE OF outcome ON intents"))
        other.commit()


def changed_by_hand(ledger: Path, town: Estate) -> None:
    town.run("revoke", "chat-prod", "--slot", "key2", "--mode", "cut", "--yes")
    with contextlib.closing(sqlite3.connect(ledger)) as other:
        other.execute("UPDATE incidents SET state = 'nonsense', deadline = 'soon'")
        other.execute("UPDATE keys SET slot = 'key9', minted_at = 'x'")
        other.commit()


@pytest.mark.parametrize(
    ("name", "breaks"),
    [
        ("agents", corrupt),
        ("speech", a_directory),
        ("translate", full),
        ("language", full_after_the_kill),
        ("chat-prod", changed_by_hand),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_a_cut_does_not_wait_for_a_ledger(town: Estate, name: str, breaks: Callable[[Path, Estate], None]) -> None:
    breaks(town.settings.with_name("rotator.db"), town)
    before = len(town.azure.keys_ever)
    leaked = town.key(name)
    done = town.run("revoke", name, "--mode", "cut", "--yes", "--output", "json")
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)
    assert row["outcome"] in ("dead", "already_dead")
    assert "recorded in no ledger that lasts" in row["because"]
    assert "move it away" in done.stderr
    account = town.azure.account(name)
    assert leaked not in account.keys.values()
    assert town.published(name) in account.keys.values()
    assert len(town.azure.keys_ever) - before <= 2, "at most one extra mint"


def test_who_is_asked_first_is_asked_here_too(town: Estate) -> None:
    corrupt(town.settings.with_name("rotator.db"), town)
    done = town.run("revoke", "invoices", "--mode", "cut")
    assert (done.exit_code, "add --yes" in done.stderr) == (3, True)


@pytest.mark.parametrize("arguments", [("status",), ("rotate", "invoices", "--now")], ids=" ".join)
def test_what_is_no_emergency_names_the_remedy(town: Estate, arguments: tuple[str, ...]) -> None:
    corrupt(town.settings.with_name("rotator.db"), town)
    done = town.run(*arguments)
    assert done.exit_code == 1
    assert "move it away, or point `ledger:` at another path" in done.stderr


def test_a_ledger_changed_by_hand_is_a_sentence(town: Estate) -> None:
    changed_by_hand(town.settings.with_name("rotator.db"), town)
    done = town.run("status", "chat-prod")
    assert done.exit_code == 1
    assert "was changed by hand" in done.stderr


@contextlib.contextmanager
def locked(ledger: Path) -> Iterator[int]:
    """Another process that writes, and does not end."""
    takes = f"c = sqlite3.connect({str(ledger)!r}); c.execute('BEGIN EXCLUSIVE')"
    program = f"import sqlite3, time; {takes}; print('x', flush=True); time.sleep(99)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            yield other.pid
        finally:
            other.kill()


def test_a_locked_ledger_says_soon_who_holds_it_and_the_cut_goes_on(town: Estate) -> None:
    ledger = town.settings.with_name("rotator.db")
    used(ledger, town)
    leaked = town.key("moderation")
    with locked(ledger) as process:
        assert [one.partition(" (")[0] for one in holders(ledger)] == [f"process {process}"]
        done = town.run("revoke", "moderation", "--mode", "cut", "--yes")
    assert done.exit_code == 0, done.output
    assert f"has locked (held by process {process}" in done.stderr
    assert leaked not in town.azure.account("moderation").keys.values()
