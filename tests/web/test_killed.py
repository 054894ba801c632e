"""Kill -9 at every step between an alert and its end: what was answered 202 leads to a dead key and a closed alert."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.sandbox import SandboxThread
from tests.sandbox.conftest import Estate
from tests.sandbox.test_serve import Served, change
from tests.web.street import settings_for


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with SandboxThread(tmp_path, seed=37) as azure:
        fleet = azure.furnish(2)
        path = settings_for(azure, fleet, tmp_path, f"sqlite:///{tmp_path / 'rotator.db'}", limits={"request_timeout": "3s"})
        yield Estate(azure=azure, directory=tmp_path, settings=path, fleet=fleet)


@contextmanager
def serving(estate: Estate) -> Iterator[Served]:
    served = Served(estate)
    try:
        yield served
    finally:
        if served.process.poll() is None:
            assert served.end() == 0
        assert not [key for key in estate.azure.keys_ever if key.value in str(served.lines)], "a key in the log"


def tell(served: Served, sender: str = "github", **options: Any) -> Any:
    port = served.until(lambda: served.told("listening"), "listening")[0]["port"]
    return served.estate.azure.report(sender, f"http://127.0.0.1:{port}", "chat-prod", **options)


def kill(served: Served) -> None:
    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait(10)


def buried(served: Served, estate: Estate, leaked: str) -> None:
    """By another life of the daemon."""
    alert = estate.azure.state.leaks.alerts[0]
    served.until(lambda: served.told("serving"), "service")
    served.until(lambda: alert.state == "resolved", "closed alert")
    estate.assert_at_rest("chat-prod", dead=leaked)
    served.until(lambda: estate.rows("SELECT 1 FROM incidents WHERE state = 'closed'"), "end of the case")
    estate.assert_no_call_came_twice("chat-prod")
    assert estate.rows("SELECT count(*) FROM incidents") == [(1,)]
    served.until(lambda: estate.rows("SELECT DISTINCT closing FROM reports") == [("done",)], "closing")
    assert estate.run("audit", "verify").exit_code == 0


def test_what_was_answered_is_in_the_ledger_after_a_kill(estate: Estate) -> None:
    leaked = estate.azure.account("chat-prod").keys["key1"]
    estate.azure.fault("GetAlert", "hang:60")
    with serving(estate) as served:
        assert tell(served)["status"] == 202
        kill(served)
    assert estate.rows("SELECT verdict, source_id FROM reports") == [("waiting", "example/chat#1")]
    estate.azure.clear_faults()
    with serving(estate) as served:
        buried(served, estate, leaked)


STEPS = {
    "the value is being fetched": ("GetAlert", "hang:60"),
    "the fleet is being asked": ("ListKeys", "hang:60"),
    "the key is being killed": ("RegenerateKey", "hang:60"),
    "its death is being proven": ("DataPlane", "hang:60"),
    "the new one is being published": ("SetSecret", "hang:60"),
    "the old version is being retired": ("UpdateSecret", "hang:60"),
    "the alert is being closed": ("UpdateAlert", "hang:60"),
}


@pytest.mark.parametrize("moment", STEPS)
def test_a_kill_while(estate: Estate, moment: str) -> None:
    leaked = estate.azure.account("chat-prod").keys["key1"]
    operation, fault = STEPS[moment]
    with serving(estate) as served:
        served.until(lambda: len({line["credential"] for line in served.told("decided", decision="quiet")}) == 2, "first looks")
        estate.azure.clear_journal()
        estate.azure.fault(operation, fault)
        assert tell(served)["status"] == 202
        served.until(
            lambda: [entry for entry in estate.azure.journal if entry.operation == operation and entry.fault], f"call in which {moment}"
        )
        kill(served)
    estate.azure.clear_faults()
    with serving(estate) as served:
        buried(served, estate, leaked)


def test_a_changed_alert_setting_needs_a_restart_and_a_reload_with_new_credentials_goes_on(estate: Estate) -> None:
    document = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))
    change(estate, credentials=document["credentials"][1:])
    with serving(estate) as served:
        served.until(lambda: served.told("serving"), "service")
        change(estate, credentials=document["credentials"], alerts={**document["alerts"], "vault-radar": {"secret": "env:NEW"}})
        served.process.send_signal(signal.SIGHUP)
        refused = served.until(lambda: served.told("reload_refused"), "refusal")
        assert refused[0]["errors"] == ["alerts: a change needs a restart"]
        change(estate, alerts=document["alerts"])
        served.process.send_signal(signal.SIGHUP)
        served.until(lambda: served.told("reloaded"), "reload")
        leaked = estate.azure.account("chat-prod").keys["key1"]
        assert tell(served)["status"] == 202
        buried(served, estate, leaked)


def test_a_token_that_is_mended_in_its_file_is_taken_over_by_a_hang_up(estate: Estate) -> None:
    """A report that waits because the token is bad is worked off at once, without a restart."""
    github = yaml.safe_load(estate.settings.read_text(encoding="utf-8"))["alerts"]["github"]
    file = Path(github["token"].removeprefix("file:"))
    good = file.read_text(encoding="utf-8")
    file.write_text("a token that was mistyped", encoding="utf-8")
    leaked = estate.azure.account("chat-prod").keys["key1"]
    with serving(estate) as served:
        served.until(lambda: served.told("serving"), "service")
        assert tell(served)["status"] == 202
        served.until(lambda: "401" in str(served.told("report_put_off")), "refusal of the token")
        file.write_text(good, encoding="utf-8")
        served.process.send_signal(signal.SIGHUP)
        served.until(lambda: served.told("reloaded", secrets=[github["token"]]), "reload")
        buried(served, estate, leaked)
        assert good not in str(served.lines)


def test_a_flood_of_valid_invalid_and_oversized_posts_leaves_it_serving_in_bounded_memory(estate: Estate) -> None:
    with serving(estate) as served:
        port = served.until(lambda: served.told("listening"), "listening")[0]["port"]
        base, azure = f"http://127.0.0.1:{port}", estate.azure

        async def flood(times: int) -> set[int]:
            import aiohttp

            good = [azure.senders.signed({"sha256": f"{number:064x}"}) for number in range(times)]
            seen: set[int] = set()
            async with aiohttp.ClientSession() as session:

                async def post(number: int) -> None:
                    posting = good[number]
                    body = (posting.body, b"{", b"x" * (2 << 20))[number % 3]
                    try:
                        async with session.post(f"{base}/alerts/signed", data=body, headers=dict(posting.headers)) as answer:
                            seen.add(answer.status)
                    except aiohttp.ClientConnectionError:
                        seen.add(413)

                for start in range(0, times, 30):
                    await asyncio.gather(*(post(number) for number in range(start, min(start + 30, times))))
            return seen

        assert asyncio.run(flood(150)) == {202, 401, 413}
        before = _resident_mb(served.process.pid)
        assert asyncio.run(flood(450)) == {202, 401, 413}
        assert _resident_mb(served.process.pid) - before < 40
        leaked = azure.account("chat-prod").keys["key1"]
        assert tell(served)["status"] == 202
        served.until(lambda: azure.state.leaks.alerts[0].state == "resolved", "closed alert")
        estate.assert_at_rest("chat-prod", dead=leaked)
        assert served.told("request_failed") == []


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
