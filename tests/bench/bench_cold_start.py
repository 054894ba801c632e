"""How long a person waits at three in the morning before anything happens.

    python -m tests.bench.bench_cold_start [--times 10]

`rotator --help` is measured as a process, from its start to its end. `rotator revoke` is measured in process time (user and system, as the
kernel counts it for the child) and on the wall clock, from its start to its first call on the wire: a loopback server stands where Azure
would, and takes note of the first connection. The bare interpreter (`python -c pass`) of the same run is what no program in Python can go
below. The ledger is there already: the first command ever also makes its tables. A command whose settings are not there is measured as a
process, too: to say so needs no SDK, and nobody should wait for one.
"""

import argparse
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.bench.loopback import table

HELP_TARGET_S, REFUSED_TARGET_S, REVOKE_TARGET_S = 0.2, 0.5, 1.0
DONE, USAGE = 0, 2
REFUSED = ("status", "serve", "revoke")
"""Commands that need the whole house, where their settings are there."""
TIMES_WARM_UP = 2
ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/chat-prod"


def whole_process(command: Sequence[str], ends: int = DONE) -> tuple[float, float]:
    """Wall clock and process time of a command, start to end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    code = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
    assert code == ends, (command, code)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, _spent(after) - _spent(before)


def without_settings(place: Path) -> list[tuple[float, float]]:
    """The same for each of REFUSED, which says that its settings are not there."""
    missing = ["--config", str(place / "none.yaml")]
    return [
        whole_process([sys.executable, "-m", "rotator", name, *(["x"] if name == "revoke" else []), *missing], USAGE) for name in REFUSED
    ]


def first_call(place: Path) -> tuple[float, float]:
    """Wall clock and process time until the first connection comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return _first_call(write_settings(place, server.getsockname()[1]), server)


def _first_call(settings: Path, server: socket.socket) -> tuple[float, float]:
    command = [sys.executable, "-m", "rotator", "revoke", "chat-prod", "--mode", "cut", "--yes", "--config", str(settings)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    connection, _ = server.accept()
    wall, spent = time.perf_counter() - began, _spent_so_far(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    connection.close()
    return wall, spent


def _spent(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def _spent_so_far(pid: int) -> float:
    """User and system time of a living process, from the kernel's own table."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write_settings(place: Path, port: int) -> Path:
    secret = place / "client-secret"
    secret.write_text("not a secret", encoding="utf-8")
    here = f"https://127.0.0.1:{port}"
    settings = place / "rotator.yaml"
    document = {
        "cloud": {"authority": here, "resource_manager": here, "audience": here},
        "identity": {"client_secret": {"tenant": "t", "client": "c", "secret": f"file:{secret}"}},
        "credentials": [{"name": "chat-prod", "account": ACCOUNT, "secret": f"{here}/secrets/chat-prod-key"}],
    }
    settings.write_text(yaml.safe_dump(document), encoding="utf-8")
    return settings


def measure(times: int) -> list[list[str]]:
    bare: list[tuple[float, float]] = []
    shown: list[tuple[float, float]] = []
    called: list[tuple[float, float]] = []
    refused: list[list[tuple[float, float]]] = [[] for _ in REFUSED]
    with tempfile.TemporaryDirectory(prefix="rotator-bench-") as place:
        for number in range(times + TIMES_WARM_UP):
            one = (
                whole_process([sys.executable, "-c", "pass"]),
                whole_process([sys.executable, "-m", "rotator", "--help"]),
                first_call(Path(place)),
            )
            if number >= TIMES_WARM_UP:
                for kept, figure in zip((bare, shown, called, *refused), (*one, *without_settings(Path(place))), strict=True):
                    kept.append(figure)
    base = statistics.median(wall for wall, _ in bare)
    return [
        _row("python -c pass", bare, base, None, 0),
        _row("rotator --help", shown, base, HELP_TARGET_S, 0),
        *(_row(f"rotator {name}, no settings", kept, base, REFUSED_TARGET_S, 1) for name, kept in zip(REFUSED, refused, strict=True)),
        _row("rotator revoke, to its first call", called, base, REVOKE_TARGET_S, 1),
    ]


def _row(what: str, figures: Sequence[tuple[float, float]], base_s: float, target_s: float | None, judged: int) -> list[str]:
    wall, spent = (statistics.median(figure[number] for figure in figures) for number in (0, 1))
    told = "-" if target_s is None else f"{target_s:g} s of {('wall', 'process')[judged]} time"
    held = "" if target_s is None else " held" if (wall, spent)[judged] < target_s else " MISSED"
    return [what, f"{wall * 1000:.0f} ms", f"{spent * 1000:.0f} ms", f"{wall / base_s:.1f}", told + held]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    said = parser.parse_args()
    rows = measure(said.times)
    table(f"Cold start, median of {said.times}", ("what", "wall", "process", "over bare python", "target"), rows)


if __name__ == "__main__":
    main()
