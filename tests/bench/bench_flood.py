"""From the alert of a leak to the proof that the key is dead, while strangers flood the port, over the same without a flood.

    python -m tests.bench.bench_flood [--connections 390] [--seconds 60] [--times 3] [--only NAME]

Held against: with all connections hot, at every path of a stranger's, the slowest leaked key is dead in no more than five times what it
takes in quiet, and so well before any deadline for a drain. The flood has a process and the lowest priority of its own, so that what is
measured is who gets a turn on the daemon's loop, and not who gets a core.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rotator.sandbox import SandboxThread
from tests.bench.bench_alerts import revoked
from tests.bench.loopback import table
from tests.sandbox.conftest import Estate
from tests.sandbox.test_serve import Served
from tests.web.street import settings_for

TARGET = 5
ACCOUNTS = 24
WARM_UP_S = 2
BODY = b'{"action": "created", "filler": "%s"}' % (b"x" * 20_000)


def _get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: rotator", *headers, "", ""]).encode()


def _post(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: rotator", f"Content-Length: {len(BODY)}", *headers, "", ""]).encode() + BODY


def floods(right_token: str) -> dict[str, bytes]:
    """What strangers ask, all the time; and one who may look, and does so without a pause."""
    return {
        "page": _get("/", "Authorization: Bearer wrong"),
        "no word": _get("/"),
        "nowhere": _get("/nowhere"),
        "orders": _get("/orders/ord-0123456789abcdef", "Authorization: Bearer wrong"),
        "health": _get("/healthz"),
        "unsigned": _post("/alerts/github"),
        "forged": _post("/alerts/github", "X-Hub-Signature-256: sha256=" + "0" * 64),
        "visitor": _get("/", f"Authorization: Bearer {right_token}"),
    }


def measured(place: Path, url: str, only: list[str], connections: int, seconds: float, times: int) -> Iterator[list[str]]:
    with SandboxThread(place, seed=5) as azure:
        fleet = azure.furnish(ACCOUNTS)
        (place / "operator").write_text("a token of a bench that is long enough", encoding="utf-8")
        web = {"operator_token": f"file:{place / 'operator'}"}
        limits = {"compromises_per_hour": 1000}
        path = settings_for(azure, fleet, place, url, limits=limits, web=web, on_compromise="drain")
        served = Served(Estate(azure=azure, directory=place, settings=path, fleet=fleet))
        try:
            names = [one["name"] for one in fleet]
            served.until(lambda: len({line["credential"] for line in served.told("decided", decision="quiet")}) == ACCOUNTS, "first looks")
            port, quiet = (
                served.told("listening")[0]["port"],
                [revoked(served, name, served.told("listening")[0]["port"]) for name in names[:5]],
            )
            yield ["none", f"{statistics.median(quiet):.2f} s", f"{max(quiet):.2f} s", "1.0", "", ""]
            for name, request in floods((place / "operator").read_text("utf-8")).items():
                if not only or name in only:
                    with _flooding(port, request, connections, seconds) as told:
                        took = [revoked(served, one, port) for one in names[5 : 5 + times]]
                    ratio = max(took) / statistics.median(quiet)
                    held = "held" if ratio <= TARGET else "MISSED"
                    yield [name, f"{statistics.median(took):.2f} s", f"{max(took):.2f} s", f"{ratio:.1f}", f"{TARGET} {held}", str(told)]
        finally:
            served.end()


@contextlib.contextmanager
def _flooding(port: int, request: bytes, connections: int, seconds: float) -> Iterator[dict[str, int]]:
    """Filled at the end: how often what was answered."""
    command = [sys.executable, "-m", "tests.bench.flood", str(port), "--connections", str(connections), "--seconds", str(seconds)]
    told: dict[str, int] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(request)
        process.stdin.close()
        process.stdin = None
        time.sleep(WARM_UP_S)
        yield told
        told |= json.loads(process.communicate()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=390)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{Path(place) / 'rotator.db'}"
        rows = list(measured(Path(place), url, asked.only, asked.connections, asked.seconds, asked.times))
    columns = ("flood", "leak to dead", "longest", "longest over quiet", "target", "answered")
    table(f"{asked.connections} connections of strangers, median of {asked.times}", columns, rows)


if __name__ == "__main__":
    main()
