"""The house itself: import contracts, what stands at the top, and that the README's commands are the ones that run."""

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parent.parent
AGREED = {"pyproject.toml", "README.md", "rotator", "tests", "config", "infra"}


def test_imports_go_one_way() -> None:
    script = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run([sys.executable, "-c", script], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_else_stands_at_the_top() -> None:
    made_by_tools = {"build", "dist", "rotator.egg-info", "rotator.yaml"}
    found = {path.name for path in TOP.iterdir() if not path.name.startswith(".")}
    assert found - AGREED - made_by_tools == set()


def test_the_readme_names_a_command_that_sets_all_up_and_runs_the_tests() -> None:
    commands = [line for line in (TOP / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("python3 -m venv")]
    assert [command.rsplit("/", 1)[1] for command in commands] == ["rotator demo", "pytest"]


def test_no_room_is_too_long_to_look_at() -> None:
    long = {path.name: count for path in (TOP / "rotator").rglob("*.py") if (count := len(path.read_text("utf-8").splitlines())) > 350}
    assert long == {}, "a long room is a question: is there a noun of the field to split it by?"
