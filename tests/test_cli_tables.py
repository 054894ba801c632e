"""What people see: tables at any width, help at eighty columns, names that the shell completes."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rotator.cli import main
from rotator.cli.counting import CLEARED, aloud, counted
from rotator.cli.show import NARROWEST, Progress, print_table
from tests.test_cli import SETTINGS, every_command

SENTENCE = "the vault's current version holds key1 and does not say so yet; who reads it directly loses access"
STEPS = "adopt key1, mint key2, prove key2, publish key2, revoke key1, prove_dead key1, retire key1"
COLUMNS = ("credential", "outcome", "reason", "steps", "empty", "because")
ROWS = [("chat-prod", "rotated", "superseded", STEPS, "–", SENTENCE), ("a", "dead", "–", "–", "–", "short")]


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int | None) -> list[str]:
    if width is not None:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", "1")
    print_table("a title", COLUMNS, ROWS)
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()


@pytest.mark.parametrize("width", [30, 40, 60, 70, 80, 100, 120, 200, None])
def test_no_width_cuts_a_word_or_hides_a_column(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int | None
) -> None:
    lines = shown(capsys, monkeypatch, width)
    assert max(map(len, lines)) <= (width or 160)
    assert all(line == line.rstrip() for line in lines), "no trailing blanks"
    words = " ".join(lines).split()
    for word in (*SENTENCE.split(), *STEPS.split(), "chat-prod", "superseded", "short"):
        assert word in words, word
    assert "empty" not in words


def test_at_eighty_columns_the_sentence_stands_whole_below_its_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(capsys, monkeypatch, 80)
    row = next(number for number, line in enumerate(lines) if line.startswith(" chat-prod"))
    assert lines[row].split() == ["chat-prod", "rotated", "superseded"]
    assert lines[row + 1].startswith("    steps: adopt key1")


WIDE = "https://kv-prod.vault.azure.net/secrets/chat-prod-key, https://kv-other.vault.azure.net/secrets/a-copy-of-chat-prod-key"


@pytest.mark.parametrize("width", [30, 60, 80, 120])
@pytest.mark.parametrize(
    ("columns", "row", "labelled"),
    [
        (("incident", "credential", "sources", "time to dead"), ("inc-4f2a", "chat-prod", WIDE, "0.1 s"), "time to dead: 0.1 s"),
        (("account", "kind", "managed as", "secrets", "copies"), ("chat-prod", "OpenAI", "agents", WIDE, "yes"), "copies: yes"),
        (("account", "managed as"), ("a-name-that-is-as-long-as-a-narrow-terminal", "agents"), "managed as: agents"),
    ],
)
def test_a_last_column_that_is_no_sentence_is_never_a_bare_word_below_its_row(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    columns: tuple[str, ...],
    row: tuple[str, ...],
    labelled: str,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    print_table("a title", columns, [row])
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    mine = next(line for line in lines if line.startswith(f" {row[0]}"))
    assert mine.endswith(f" {row[-1]}") or any(labelled in line for line in lines), lines


def test_the_first_column_stays_beside_its_numbers(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    row = ("candidate", "12", "could be: Entra tokens are taken at its own host name; switch local auth off", "a, b, c " * 30)
    print_table("posture", ("what", "accounts", "which means", "names"), [row])
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert any(line.split()[:2] == ["candidate", "12"] for line in lines), lines
    assert any(line.startswith("    names: a, b, c") for line in lines), lines


def test_a_table_without_a_title_says_in_a_sentence_that_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("", ("a",), [], empty="nothing was due")
    assert capsys.readouterr().out == "Nothing was due.\n"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_line_of_progress_goes_on_below_its_beginning_on_a_terminal_and_is_one_line_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    told = {"credential": "chat-prod", "decision": "wait", "because": SENTENCE}
    Progress()("decided", **told)
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    Progress()("decided", **told)
    first, *more = click.unstyle(capsys.readouterr().err).splitlines()
    begins = first.index("…")
    assert more
    assert all(line[: begins + 2] == " " * (begins + 2) and line[begins + 2] != " " for line in more)
    assert " ".join([first[begins + 2 :], *(line.strip() for line in more)]) == SENTENCE
    assert max(map(len, [first, *more])) <= max(width, begins + NARROWEST)


@pytest.mark.parametrize("command", [(), *every_command()], ids=lambda one: " ".join(one) or "rotator")
def test_help_fits_eighty_columns_and_cuts_nothing(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*command, "--help"], prog_name="rotator", terminal_width=80)
    long = [line for line in done.stdout.splitlines() if len(line) > 80 and not line.startswith("  --")]
    assert long == []
    assert "..." not in done.stdout.replace("]...", "").replace("COMMAND [ARGS]...", "")


def completed(words: str, place: Path, **env: str) -> list[str]:
    program = [sys.executable, "-c", "from rotator.cli import main; main(prog_name='rotator')"]
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1), "_ROTATOR_COMPLETE": "bash_complete"}
    known = {name: value for name, value in os.environ.items() if name != "ROTATOR_CONFIG"}
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, env={**known, **asked, **env}, cwd=place, check=True)
    assert done.stderr == ""
    return [line.removeprefix("plain,") for line in done.stdout.splitlines() if line]


def test_the_shell_completes_the_names_in_the_settings_and_nothing_where_there_are_none(tmp_path: Path) -> None:
    assert completed("rotator rotate ch", tmp_path) == []
    (tmp_path / "other.yaml").write_text(SETTINGS, encoding="utf-8")
    assert completed("rotator rotate ch", tmp_path, ROTATOR_CONFIG="other.yaml") == ["chat-prod"]
    assert completed("rotator status --config other.yaml ch", tmp_path) == ["chat-prod"]
    assert completed("rotator revoke x", tmp_path, ROTATOR_CONFIG="other.yaml") == []
    (tmp_path / "rotator.yaml").write_text("cloud: [", encoding="utf-8")
    assert completed("rotator plan ch", tmp_path) == []


def test_a_person_who_waits_for_a_large_fleet_sees_how_far_it_is_and_a_program_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for talks in (True, False):
        token = aloud.set(talks)
        with counted(120) as one_more:
            for _ in range(120):
                one_more()
        aloud.reset(token)
        said = capsys.readouterr()
        assert said.out == ""
        assert ("asked 60 of 120 accounts…" in said.err) is talks
        assert said.err.endswith(CLEARED if talks else "")
