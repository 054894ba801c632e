"""Signed alerts at a steady rate against a running daemon, while a key is revoked: latency, how many were lost, and the revocation's time
against the same without load.

python -m tests.bench.bench_alerts [--rate 500] [--seconds 60] [--postgresql] [--revocations 5]

Three processes on loopback: the daemon, the sender, and the sandbox here. The reports are counted in the ledger, behind its back.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rotator.sandbox import SandboxThread
from tests.contract.ledgers import ask
from tests.sandbox.conftest import Estate
from tests.sandbox.test_serve import Served
from tests.web.street import settings_for

TARGET_P99_MS = 250
ACCOUNTS = 12


def measured(place: Path, url: str, rate: int, seconds: float, revocations: int) -> dict[str, Any]:
    """What the sender saw, what the ledger has, and how long leaks took to be dead: alone, and under load."""
    with SandboxThread(place, seed=5) as azure:
        fleet = azure.furnish(ACCOUNTS)
        policy = {"compromises_per_hour": 1000, "alerts_per_minute": 10_000_000}
        path = settings_for(azure, fleet, place, url, limits=policy)
        served = Served(Estate(azure=azure, directory=place, settings=path, fleet=fleet))
        try:
            names = [one["name"] for one in fleet]
            served.until(lambda: len({line["credential"] for line in served.told("decided", decision="quiet")}) == ACCOUNTS, "first looks")
            port = served.told("listening")[0]["port"]
            alone = [revoked(served, name, port) for name in names[:revocations]]
            before = ask(url, "SELECT count(*) AS n FROM reports")[0]["n"]
            sender = _sender(azure, port, rate, seconds, azure.account(names[0]).keys["key1"])
            time.sleep(1)
            under, number = list[float](), revocations
            while sender.poll() is None:
                under.append(revoked(served, names[number % ACCOUNTS], port))
                number += 1
            told = json.loads(sender.communicate()[0])
            stored = ask(url, "SELECT count(*) AS n FROM reports")[0]["n"] - before - len(under)
            memory = int(Path(f"/proc/{served.process.pid}/status").read_text(encoding="ascii").split("VmHWM:")[1].split()[0]) // 1024
        finally:
            served.end()
        failed = [line for event in ("request_failed", "triage_failed", "pump_failed", "alert_not_stored") for line in served.told(event)]
    return {**told, "stored": stored, "alone": alone, "under": under, "memory_mb": memory, "failed": failed[:5]}


def revoked(served: Served, name: str, port: int) -> float:
    """Seconds from the alert at the door to the proof, by the daemon's own word, checked against the sandbox's truth."""
    azure = served.estate.azure
    leaked, began = azure.account(name).keys["key1"], time.perf_counter()
    alert = azure.report("github", f"http://127.0.0.1:{port}", name)
    assert alert["status"] == 202, alert
    found = azure.state.leaks.alerts[-1]
    assert found.secret == leaked
    served.until(lambda: found.state == "resolved", f"closed alert of {name}")
    return time.perf_counter() - began


def _sender(azure: SandboxThread, port: int, rate: int, seconds: float, value: str) -> "subprocess.Popen[str]":
    import hashlib

    arguments = [f"http://127.0.0.1:{port}/alerts/signed", "--rate", str(rate), "--seconds", str(seconds)]
    arguments += ["--sha256", hashlib.sha256(value.encode()).hexdigest()]
    sender = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.alert_load", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sender.stdin
    sender.stdin.write(azure.webhook_secret("signed") + "\n")
    sender.stdin.close()
    sender.stdin = None
    return sender


def table(found: dict[str, Any], kind: str, rate: int, seconds: float) -> str:
    """Ratios to what is to be reached, and of the revocations to those without load."""
    alone, under = statistics.median(found["alone"]), statistics.median(found["under"])
    lost = found["sent"] - found["stored"]
    rows = [
        ("alerts sent, of them answered 202", f"{found['sent']}, {found['statuses'].get('202', 0)}", f"{found['statuses']}"),
        ("lost (answered, and not in the ledger)", f"{lost}", "none is to be"),
        ("p50", f"{found['p50']:.0f} ms", f"{found['p50'] / TARGET_P99_MS:.2f} of {TARGET_P99_MS} ms"),
        ("p99", f"{found['p99']:.0f} ms", f"{found['p99'] / TARGET_P99_MS:.2f} of {TARGET_P99_MS} ms"),
        ("longest", f"{found['max']:.0f} ms", f"{found['max'] / TARGET_P99_MS:.2f} of {TARGET_P99_MS} ms"),
        ("leak to closed alert, alone", f"{alone:.2f} s", f"median of {len(found['alone'])}"),
        ("leak to closed alert, under load", f"{under:.2f} s", f"{under / alone:.2f} of alone, median of {len(found['under'])}"),
        ("the daemon's memory at most", f"{found['memory_mb']} MB", ""),
    ]
    head = f"{kind}: {rate} alerts a second for {seconds:g} s, beside one revocation after the other"
    return "\n".join([head, *(f"  {what:40} {value:>16}   {ratio}" for what, value, ratio in rows), *map(str, found["failed"])]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--revocations", type=int, default=3)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{place / 'rotator.db'}"
        if asked.postgresql:
            from tests.postgres import running

            url = stack.enter_context(running()).database()
        with contextlib.suppress(KeyboardInterrupt):
            found = measured(place, url, asked.rate, asked.seconds, asked.revocations)
            sys.stdout.write(table(found, "PostgreSQL" if asked.postgresql else "SQLite", asked.rate, asked.seconds))


if __name__ == "__main__":
    main()
