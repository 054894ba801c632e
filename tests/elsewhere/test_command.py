"""The command hook: the key on standard input and nowhere else, bounds on everything."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.faults import Ambiguous, Denied, Fault, Rejected, Transient
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption
from rotator.dependents.command import Command
from tests.elsewhere.conftest import dependent, published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.core.credential import Dependent
    from rotator.dependents import Tools

KEY = "a new value"


def script(text: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", text, *arguments]


def one(command: Sequence[str], **more: Any) -> Dependent:
    return dependent("command", **{"command": list(command), "timeout": "30s", **more})


async def test_the_key_stands_on_standard_input_and_nowhere_else(tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTATOR_OPERATOR_TOKEN", "a token of rotator's own")
    look = """
import os, sys
from pathlib import Path
own = Path("/proc/self")
Path("seen").write_bytes(own.joinpath("cmdline").read_bytes() + own.joinpath("environ").read_bytes())
Path("stdin").write_text(sys.stdin.read())
"""
    await Command(tools).deliver(one(script(look)), published(KEY))
    assert (tmp_path / "stdin").read_text() == KEY
    seen = (tmp_path / "seen").read_text()
    assert KEY not in seen
    assert "a token of rotator's own" not in seen
    assert f"ROTATOR_FINGERPRINT={published(KEY).fingerprint}" in seen
    assert "ROTATOR_VERSION=v2" in seen


async def test_the_key_may_stand_in_a_larger_text(tools: Tools, tmp_path: Path) -> None:
    copy = "import sys; from pathlib import Path; Path('stdin').write_text(sys.stdin.read())"
    await Command(tools).deliver(one(script(copy), format="Endpoint=https://x;Key={key}"), published(KEY))
    assert (tmp_path / "stdin").read_text() == f"Endpoint=https://x;Key={KEY}"


async def test_exit_0_is_claimed_and_a_fingerprint_is_proven(tools: Tools) -> None:
    kind, new = Command(tools), published(KEY)
    silent, speaking = one(script("pass")), one(script(f"print('now runs', '{new.fingerprint}')"))
    for each, adoption in ((silent, Adoption.CLAIMED), (speaking, Adoption.PROVEN)):
        assert (await kind.adoption(each, new)).adoption is Adoption.STALE
        await kind.deliver(each, new)
        assert (await kind.adoption(each, new)).adoption is adoption


async def test_what_ran_well_is_not_run_again_by_this_process(tools: Tools, tmp_path: Path) -> None:
    kind = Command(tools)
    each = one(script("open('runs', 'a').write('x')"))
    for _ in range(3):
        await kind.deliver(each, published(KEY))
    assert (tmp_path / "runs").read_text() == "x"


async def test_a_check_gets_no_key_and_outlives_the_process(tools: Tools, tmp_path: Path) -> None:
    new = published(KEY)
    move = script("import sys; from pathlib import Path; Path('held').write_text(sys.stdin.read() and sys.argv[1])", new.fingerprint)
    ask = script(
        "import sys; from pathlib import Path; Path('asked').write_text(sys.stdin.read()); "
        "print(Path('held').read_text() if Path('held').exists() else '')"
    )
    each = one(move, check=ask)
    assert "prints none" in (await Command(tools).adoption(each, new)).because
    await Command(tools).deliver(each, new)
    assert (await Command(tools).adoption(each, new)).adoption is Adoption.PROVEN
    assert (tmp_path / "asked").read_text() == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [("raise SystemExit(1)", Rejected), ("raise SystemExit(75)", Transient), ("import os; os.kill(os.getpid(), 9)", Rejected)],
)
async def test_a_command_that_fails_shows_nothing_of_what_it_printed(tools: Tools, text: str, fault: type[Fault]) -> None:
    speaking = f"import sys; print(sys.stdin.read(), flush=True); print('oops', file=sys.stderr)\n{text}"
    with pytest.raises(fault) as failed:
        await Command(tools).deliver(one(script(speaking)), published(KEY))
    assert KEY not in f"{failed.value!r} {failed.value} {failed.value.remedy}"
    assert "oops" not in str(failed.value)


async def test_a_command_that_does_not_end_is_ended_with_all_that_it_started(tools: Tools, tmp_path: Path) -> None:
    fork = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    fork += "open('child', 'w').write(str(p.pid)); time.sleep(600)"
    with pytest.raises(Ambiguous, match="not done within 1 s"):
        await Command(tools).deliver(one(script(fork), timeout="1s"), published(KEY))
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not _runs(child):
            break
        await asyncio.sleep(0.02)
    assert not _runs(child)


async def test_a_command_that_is_not_wanted_any_more_is_ended(tools: Tools, tmp_path: Path) -> None:
    """A kill became due: what is in hand is dropped."""
    wait = "import os, time; open('own', 'w').write(str(os.getpid())); time.sleep(600)"
    task = asyncio.create_task(Command(tools).deliver(one(script(wait)), published(KEY)))
    for _ in range(500):
        if (tmp_path / "own").exists() and (tmp_path / "own").read_text():
            break
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _runs(int((tmp_path / "own").read_text()))


async def test_a_command_that_prints_without_end_fills_no_memory(tools: Tools) -> None:
    new = published(KEY)
    flood = f"import sys\nfor _ in range(3000): sys.stdout.write('x' * 1000)\nprint(' {new.fingerprint}')"
    kind, each = Command(tools), one(script(flood))
    await kind.deliver(each, new)
    assert (await kind.adoption(each, new)).adoption is Adoption.CLAIMED, "what stands behind the bound is not read"


async def test_a_command_that_does_not_read_its_input_may_still_do_well(tools: Tools) -> None:
    big = Sealed("k" * 300_000)
    await Command(tools).deliver(one(script("import sys; sys.stdin.close()")), replace(published(), value=big))


async def test_a_daemon_that_it_leaves_behind_lives_on(tools: Tools, tmp_path: Path) -> None:
    leave = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'], "
    leave += "stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL); open('child', 'w').write(str(p.pid))"
    await Command(tools).deliver(one(script(leave)), published(KEY))
    child = int((tmp_path / "child").read_text())
    assert _runs(child)
    os.kill(child, 9)


async def test_a_command_that_cannot_be_started_says_which(tools: Tools, tmp_path: Path) -> None:
    with pytest.raises(Rejected) as missing:
        await Command(tools).deliver(one(["/nowhere/at/all"]), published(KEY))
    assert "/nowhere/at/all" in missing.value.remedy
    (tmp_path / "no").write_text("#!/bin/sh\n")
    with pytest.raises(Denied) as denied:
        await Command(tools).deliver(one(["./no"]), published(KEY))
    assert "grant execute on ./no" in denied.value.remedy


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_what_ran_well_in_another_process_is_claimed_and_not_run_again(tools: Tools, tmp_path: Path) -> None:
    quiet, new = one(script("open('ran', 'a').write('x')")), published(KEY)
    known = replace(new, delivered_at=new.since)
    assert (await Command(tools).adoption(quiet, new)).adoption is Adoption.STALE
    found = await Command(tools).adoption(quiet, known)
    assert (found.adoption, found.seen) == (Adoption.CLAIMED, "ran at 2026-07-01T12:00:00Z")
    await Command(tools).deliver(quiet, known)
    assert not (tmp_path / "ran").exists()
