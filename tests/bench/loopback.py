"""What the benchmarks stand on: a loopback Azure in a process of its own, its control port, and a table for people.

Not collected by pytest: `python -m tests.bench.bench_leak_to_dead` and so on. Every figure is a ratio of two times of one run, so that a
slower machine moves both.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

STARTS_WITHIN_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Loopback:
    """A running sandbox, and settings that point at it."""

    settings: Path
    control: str

    def tell(self, path: str, **content: Any) -> Any:
        """One order to the control port."""
        return self._ask(path, "POST", content)

    def ask(self, path: str) -> Any:
        return self._ask(path, "GET", None)

    def forget(self, path: str) -> None:
        self._ask(path, "DELETE", None)

    def _ask(self, path: str, method: str, content: Any) -> Any:
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.control}/{path}", body, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@contextlib.contextmanager
def loopback(accounts: int) -> Iterator[Loopback]:
    """`rotator sandbox` in a process of its own, ended with the block."""
    with tempfile.TemporaryDirectory(prefix="rotator-bench-") as place:
        command = [
            sys.executable,
            "-m",
            "rotator",
            "sandbox",
            "--directory",
            place,
            "--accounts",
            str(accounts),
            "--seed",
            "1",
            "-o",
            "json",
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            told = json.loads(_first_value(process.stdout))
            yield Loopback(settings=Path(told["settings"]), control=told["control"])
        finally:
            process.terminate()
            process.wait(STARTS_WITHIN_S)


def _first_value(lines: IO[str]) -> str:
    text = ""
    for line in lines:
        text += line
        with contextlib.suppress(json.JSONDecodeError):
            json.loads(text)
            return text
    raise SystemExit("the sandbox did not start")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """To standard output, for people."""
    widths = [max(len(str(row[number])) for row in [columns, *rows]) for number in range(len(columns))]
    sys.stdout.write(f"\n{title}\n")
    for row in [columns, ["-" * width for width in widths], *rows]:
        sys.stdout.write("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    sys.stdout.flush()
