"""Who has a SQLite file locked, as far as Linux tells: the processes in /proc/locks. Elsewhere, and through a container's wall, nobody."""

import os
from collections.abc import Iterator
from pathlib import Path

PARTS = ("", "-wal", "-shm", "-journal")
HELD_FIELDS = 6


def holders(ledger: Path) -> list[str]:
    """The processes that hold a lock on the ledger, but for this one; each with its name where that can be read."""
    inodes = {place for part in PARTS if (place := _place(ledger.with_name(ledger.name + part)))}
    found = {process for place, process in _locks() if place in inodes and process != os.getpid()}
    return [f"process {process}{_name(process)}" for process in sorted(found)]


def held_by(ledger: Path) -> str:
    """The same as a part of a sentence; empty where nobody can be told."""
    found = holders(ledger)
    return f" (held by {', '.join(found)})" if found else ""


def _locks() -> Iterator[tuple[str, int]]:
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if len(words) >= HELD_FIELDS and words[1] == "POSIX" and words[4].isdigit():
            yield words[5].rpartition(":")[2], int(words[4])


def _place(path: Path) -> str | None:
    try:
        return str(path.stat().st_ino)
    except OSError:
        return None


def _name(process: int) -> str:
    try:
        return f" ({Path(f'/proc/{process}/comm').read_text(encoding='utf-8', errors='replace').strip()})"
    except OSError:
        return ""
