"""`rotator serve` as a process against the sandbox: it rotates, heals, answers for its health, reloads, and ends as it is told to."""

import contextlib
import json
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
import yaml

from rotator.sandbox import SandboxThread
from tests.sandbox.conftest import Estate, build_estate

SOON_S = 60.0


class Served:
    """The process, and what it says."""

    def __init__(self, estate: Estate, environment: dict[str, str] | None = None) -> None:
        self.estate = estate
        self.process = estate.start("serve", environment=environment)
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with contextlib.suppress(ValueError):
                self.lines.append(json.loads(line))

    def told(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if line.get("event") == event and fields.items() <= line.items()]

    def until(self, happened: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + SOON_S
        while not (found := happened()):
            assert self.process.poll() is None, f"it ended before {what}: {self.lines[-5:]}"
            assert time.monotonic() < deadline, f"no {what}: {self.lines[-5:]}"
            time.sleep(0.05)
        return found

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        port = self.until(lambda: self.told("listening"), "listening")[0]["port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def page(self, path: str, port: str = "metrics_port") -> str:
        port = self.until(lambda: self.told("listening"), "listening")[0][port]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=SOON_S)
        self._reader.join(5)
        return code


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Estate]:
    """Two accounts: the first one's key is due every few seconds, the other's next month; asked after every second."""
    with SandboxThread(tmp_path, seed=23) as azure:
        yield short_lived(azure, tmp_path)


def short_lived(azure: SandboxThread, directory: Path) -> Estate:
    made = build_estate(azure, directory, 2, ask_every="1s", stop_within="5s")
    document = yaml.safe_load(made.settings.read_text(encoding="utf-8"))
    document["web"] = {"port": 0, "metrics_port": 0}
    document["credentials"][0]["cryptoperiod"] = "3s"
    made.settings.write_text(yaml.safe_dump(document), encoding="utf-8")
    return made


def change(estate: Estate, **changes: Any) -> None:
    document = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    estate.settings.write_text(yaml.safe_dump({**document, **changes}), encoding="utf-8")


def test_it_keeps_a_fleet_and_ends_when_it_is_told_to(fleet: Estate) -> None:
    """One life: it rotates what is due, heals what a person regenerated, is alive and ready, refuses a second daemon, and ends with 0."""
    due, quiet = fleet.names
    old = fleet.azure.account(due).keys["key1"]
    served = Served(fleet)
    assert served.get("/healthz") == (200, {"alive": True, "late": []})
    status, told = served.get("/readyz")
    assert (status, set(told["checks"].values())) == (200, {"ok"}), told
    assert set(told["checks"]) == {"ledger", "lock", "identity", "vault"}

    served.until(lambda: served.told("done", credential=due, step="retire"), "rotation")
    fleet.assert_no_call_came_twice(due)
    retired = served.told("done", credential=due, step="retire")[0]["rotation"]
    told_of_it = [line["step"] for line in served.told("done", rotation=retired)]
    assert told_of_it[-6:] == ["mint", "prove", "publish", "revoke", "prove_dead", "retire"], told_of_it

    served.until(lambda: served.told("asked", credential=quiet), "light look")
    page = served.page("/metrics")
    assert re.search(r'^rotator_key_age_seconds\{credential="' + quiet + r'"\} ', page, re.MULTILINE), page
    assert 'rotator_steps_total{outcome="published",step="publish"}' in page
    assert 'rotator_rotations_total{outcome="done",reason="superseded"}' in page
    assert 'rotator_azure_calls_total{answer="200",operation="POST Microsoft.CognitiveServices/accounts/regenerateKey"}' in page
    assert 'rotator_azure_calls_total{answer="401",operation="GET data plane"}' in page
    assert re.search(r"^rotator_audit_events [1-9]", page, re.MULTILINE)
    assert "rotator_lock_held 1.0" in page
    with pytest.raises(urllib.error.HTTPError, match="404"):
        served.page("/metrics", port="port")
    assert not [key for key in fleet.azure.keys_ever if key.value in page]
    fleet.azure.regenerate(quiet, "key1")
    served.until(lambda: served.told("done", credential=quiet, step="publish"), "healing")
    healed = fleet.azure.secret(fleet._vault_of(quiet), f"{quiet}-key")[-1].value
    assert healed in fleet.azure.account(quiet).keys.values()

    change(fleet, web={"port": served.told("listening")[0]["port"]})
    second = fleet.run("serve")
    assert second.exit_code == 3, second.output
    assert "Another daemon serves this ledger" in second.stderr
    assert str(served.process.pid) in second.stderr

    assert served.end() == 0
    assert served.told("stopped")
    assert not [key for key in fleet.azure.keys_ever if key.value in str(served.lines)], "a key in the log"
    assert not fleet.azure.account(due).accepts(old, fleet.azure.account(due).gateways[0], datetime.now(UTC))
    assert fleet.rows("SELECT count(*) FROM work WHERE owner IS NOT NULL") == [(0,)]
    assert fleet.run("audit", "verify").exit_code == 0


def test_the_moment_it_listens_it_can_be_ended_as_at_any_other(fleet: Estate) -> None:
    served = Served(fleet)
    served.until(lambda: served.told("listening"), "listening")
    assert served.end() == 0
    assert served.told("stopped")


class Ear:
    """What systemd hears: the first word of each message, as they come."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.words: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            self.words.append(self._socket.recv(1000).decode().partition("\n")[0])

    def turns(self) -> list[str]:
        return [word for word in self.words if word != "WATCHDOG=1"]


def test_it_tells_systemd_reloads_and_stops_amid_a_step(fleet: Estate, tmp_path: Path) -> None:
    ear = Ear(tmp_path / "notify")
    served = Served(fleet, {"NOTIFY_SOCKET": ear.path, "WATCHDOG_USEC": "600000", "WATCHDOG_PID": ""})
    served.until(lambda: ear.words.count("WATCHDOG=1") > 1 and "READY=1" in ear.words, "watchdog")

    served.process.send_signal(signal.SIGHUP)
    served.until(lambda: served.told("reloaded"), "reload")
    served.until(lambda: ear.turns() == ["READY=1", "RELOADING=1", "READY=1"], "a reload that ended")
    change(fleet, limits={"concurrency": -1})
    served.process.send_signal(signal.SIGHUP)
    refused = served.until(lambda: served.told("reload_refused"), "refusal")
    assert "limits.concurrency" in str(refused[0]["errors"])
    served.until(lambda: ear.turns()[3:] == ["RELOADING=1", "READY=1"], "a reload that was refused")

    fleet.azure.fault("RegenerateKey", "latency:1")
    before = len(served.told("step", step="mint"))
    served.until(lambda: len(served.told("step", step="mint")) > before, "next mint")
    assert served.end(signal.SIGINT) == 0
    assert ear.turns()[5:] == ["STOPPING=1"]
    assert len(served.told("done", step="mint")) == len(served.told("step", step="mint")), "the step in hand came to its end"
    fleet.assert_no_call_came_twice(fleet.names[0])


def test_a_daemon_whose_vault_is_away_is_alive_and_not_ready(tmp_path: Path) -> None:
    azure = SandboxThread(tmp_path, seed=23)
    azure.start()
    served = Served(short_lived(azure, tmp_path))
    assert served.get("/readyz")[0] == 200
    azure.stop()
    failing = served.until(lambda: (told := served.get("/readyz")) and told[0] == 503 and told[1]["checks"], "refusal")
    assert "cannot be reached" in failing["vault"]
    assert failing["ledger"] == failing["lock"] == "ok"
    assert served.get("/healthz")[0] == 200, "that Azure is away is no reason to be killed"
    assert served.end() == 0


def test_once_works_off_what_is_due_and_ends(fleet: Estate) -> None:
    due, quiet = fleet.names
    document = yaml.safe_load(fleet.settings.read_text(encoding="utf-8"))
    document["credentials"][0]["cryptoperiod"] = "30m"
    change(fleet, credentials=document["credentials"])
    assert fleet.run("serve", "--once").exit_code == 0
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1), tick=True):
        result = fleet.run("serve", "--once")
    assert result.exit_code == 0, result.output
    told = {line["credential"]: line for line in map(json.loads, result.stderr.splitlines()) if line.get("decision") == "quiet"}
    assert due in told
    assert fleet.mints(due) == 2
    assert fleet.mints(quiet) == 0


def test_waves_are_shown_stopped_and_resumed_and_hold_what_a_person_types(fleet: Estate) -> None:
    due = fleet.names[0]
    assert "No wave is out" in fleet.run("waves", "show").stdout
    stopped = fleet.run("waves", "stop", "--reason", "release weekend", "--by", "ops@example")
    assert stopped.exit_code == 0, stopped.output
    assert "Stopped by ops@example" in stopped.stdout
    assert fleet.run("waves", "stop", "--reason", "again").exit_code == 4

    for command in (("rotate", due, "--now"), ("rotate", "--due")):
        held = fleet.run(*command, "--output", "json")
        assert held.exit_code == 3, held.output
        row = json.loads(held.stdout)[0]
        assert (row["name"], row["outcome"]) == (due, "refused")
        assert "rotator waves resume" in row["because"]
        assert "release weekend" in row["because"]
    time.sleep(3)
    status = json.loads(fleet.run("status", due, "--output", "json").stdout)[0]
    assert (status["phase"], status["overdue"]) == ("wave", True)
    assert fleet.mints(due) == 0

    cut = fleet.run("revoke", due, "--mode", "cut", "--yes", "--output", "json")
    assert cut.exit_code == 0, cut.output
    assert fleet.run("waves", "resume").exit_code == 0
    assert json.loads(fleet.run("waves", "show", "--output", "json").stdout)["stopped"] is None
    notes = [event for event in fleet.run("audit", "export").stdout.splitlines() if '"wave"' in event]
    assert "stopped by ops@example: release weekend" in notes[0]
    assert "resumed by" in notes[1]


def test_a_notifier_that_cannot_be_spoken_to_is_said_at_the_start(fleet: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody finds out at three in the morning that nobody is told."""
    monkeypatch.setenv("ROTATOR_TEST_NOTIFY", "no-such-service://example")
    change(fleet, notify={"urls": ["env:ROTATOR_TEST_NOTIFY"]})
    refused = fleet.run("serve")
    assert refused.exit_code == 1, refused.output
    assert "notify.urls[0]" in refused.stderr
