"""`rotator sandbox` as a command: alone in its directory, forgetful, and what it says to type works as typed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

STARTS_S = 60


def start(directory: Path, *arguments: str, **env: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "rotator", "sandbox", "--directory", str(directory), "--accounts", "2", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **env})


def said(running: "subprocess.Popen[str]", last: str) -> str:
    assert running.stdout is not None
    lines = ""
    while not lines.rstrip().endswith(last):
        line = running.stdout.readline()
        assert line, running.stderr.read() if running.stderr else ""
        lines += line
    return lines


def end(running: "subprocess.Popen[str]", by: int = signal.SIGINT) -> None:
    """As soon as it has said that it runs, it can be ended in good order."""
    running.send_signal(by)
    running.communicate(timeout=STARTS_S)
    assert running.returncode == 0


def test_a_second_one_in_the_same_directory_is_refused_and_a_later_one_has_forgotten_everything(tmp_path: Path) -> None:
    first = start(tmp_path, "--output", "json")
    try:
        facts = json.loads(said(first, "}"))
        rotator = [sys.executable, "-m", "rotator"]
        subprocess.run([*rotator, "rotate", "chat-prod", "--config", facts["settings"]], capture_output=True, timeout=60, check=True)
        assert (tmp_path / "rotator.db").exists()
        second = start(tmp_path)
        _, told = second.communicate(timeout=STARTS_S)
        assert second.returncode == 3
        assert f"process {first.pid}" in told
        assert "--directory ANOTHER" in told
    finally:
        end(first)
    third = start(tmp_path, "--output", "json")
    try:
        said(third, "}")
        assert not (tmp_path / "rotator.db").exists()
        assert not (tmp_path / "rotator.db.workers").exists()
    finally:
        end(third, by=signal.SIGTERM)


@pytest.mark.parametrize("path", ["/usr/bin:/bin", f"{Path(sys.executable).parent}:/usr/bin:/bin"], ids=["not on the path", "on the path"])
def test_what_it_says_to_type_works_as_typed(tmp_path: Path, path: str) -> None:
    running = start(tmp_path / "a place", PATH=path)
    try:
        lines = said(running, "forgets everything.").splitlines()
        typed = "\n".join(line.strip() for line in lines if line.startswith("  ") and not line.rstrip().endswith(("--now", "cut")))
        done = subprocess.run(["bash", "-e", "-c", typed], capture_output=True, text=True, timeout=60, env={"PATH": path}, check=False)
        assert done.returncode == 0, done.stderr
        assert "chat-prod" in done.stdout
    finally:
        end(running)


def test_its_apps_live_on_a_key_that_a_hunt_finds(tmp_path: Path) -> None:
    running = start(tmp_path, "--apps", "--output", "json")
    try:
        facts = json.loads(said(running, "}"))
        hunt = [sys.executable, "-m", "rotator", "discover", "--hunt", "--output", "json", "--config", facts["settings"]]
        done = subprocess.run(hunt, capture_output=True, text=True, timeout=60, check=True)
        assert {row["name"]: bool(row["copies"]) for row in json.loads(done.stdout)["accounts"]} == {
            "chat-prod": True,
            "agents": False,
            "foundry": False,
        }
        assert "AI Foundry connections: 1 to search" in done.stderr
    finally:
        end(running)
