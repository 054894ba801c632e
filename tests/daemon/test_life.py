"""Ticks, the watchdog's words, a reload, health: in real time, for what they stand on is real."""

import asyncio
import configparser
import os
import signal
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rotator.core.faults import Denied
from rotator.daemon.cadence import Tick, ticking
from rotator.daemon.life import Daemon, needs_restart
from rotator.daemon.pulse import LATE_AFTER, Pulse
from rotator.daemon.systemd import Systemd
from rotator.settings import Settings, parse
from rotator.web.app import listening, make_app
from rotator.web.health import Health, Unready
from rotator.wiring import House, open_house

pytestmark = pytest.mark.real_time

SOON = 30.0


async def until(happened: Any) -> None:
    """Wait for what has to happen soon."""
    async with asyncio.timeout(SOON):
        while not happened():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.01)


# --- ticks ------------------------------------------------------------------------------------------------------------------


async def test_a_tick_comes_again_and_one_that_fails_is_said_and_comes_again_too() -> None:
    said: list[dict[str, Any]] = []
    ticked: list[str] = []

    async def good() -> None:
        ticked.append("good")

    async def bad() -> None:
        ticked.append("bad")
        raise ZeroDivisionError

    ticks = [Tick(name=one.__name__, every=timedelta(seconds=0.05), run=one) for one in (good, bad)]
    async with ticking(ticks, lambda event, **fields: said.append({"event": event, **fields})):
        await until(lambda: ticked.count("good") > 2 and ticked.count("bad") > 2)
    assert said[0] == {"event": "tick_failed", "tick": "bad", "error": "ZeroDivisionError"}


async def test_a_tick_that_takes_long_is_not_run_twice_at_once() -> None:
    running = 0
    most = 0
    ticked = 0

    async def slow() -> None:
        nonlocal running, most, ticked
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.2)
        running -= 1
        ticked += 1

    async with ticking([Tick(name="slow", every=timedelta(seconds=0.05), run=slow)], lambda *_, **__: None):
        await until(lambda: ticked > 1)
    assert most == 1


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(days=1)], ids=["back", "on"])
async def test_a_clock_that_jumps_makes_every_tick_come_at_once(jump: timedelta) -> None:
    ticked: list[int] = []
    said: list[str] = []
    skew = timedelta(0)

    async def hourly() -> None:
        ticked.append(1)

    tick = Tick(name="hourly", every=timedelta(hours=1), run=hourly)
    watch = lambda event, **_: said.append(event)  # noqa: E731
    async with ticking([tick], watch, lambda: datetime.now(UTC) + skew, timedelta(seconds=0.02)):
        await asyncio.sleep(0.1)
        assert not ticked
        skew = jump
        await until(lambda: ticked)
    assert said == ["clock_jumped"]


# --- systemd ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
async def test_systemd_is_told_of_each_turn_of_life(tmp_path: Path, abstract: bool) -> None:
    address = f"@rotator-test-{uuid.uuid4()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + address[1:] if abstract else address)
        systemd = Systemd({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"})
        systemd.ready("3 kept")
        systemd.reloading()
        systemd.alive()
        systemd.stopping()
        told = [ear.recv(1000).decode() for _ in range(4)]
    assert told[0] == "READY=1\nSTATUS=3 kept"
    assert told[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert told[2] == "WATCHDOG=1"
    assert told[3].startswith("STOPPING=1")
    assert systemd.watchdog == timedelta(seconds=3)


def test_the_unit_waits_for_longer_than_the_daemon_takes() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(Path(__file__).parents[2] / "infra" / "systemd" / "rotator.service")
    service = unit["Service"]
    assert timedelta(seconds=int(service["TimeoutStopSec"])) > Settings().limits.stop_within
    assert timedelta(seconds=int(service["WatchdogSec"])) > 2 * max(LATE_AFTER.values())
    assert service["Type"] == "notify"


def test_without_systemd_nobody_is_told_and_nothing_fails() -> None:
    Systemd({}).ready("alone")
    Systemd({"NOTIFY_SOCKET": "/nowhere/at/all"}).alive()
    assert Systemd({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog is None


# --- settings that change ---------------------------------------------------------------------------------------------------

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts"


def settings_of(directory: Path, *names: str, more: str = "") -> str:
    credentials = [f"  - {{name: {name}, account: {ACCOUNT}/{name}, secret: 'https://kv.example/secrets/{name}'}}\n" for name in names]
    identity = "identity: {client_secret: {tenant: t, client: c, secret: 'env:HOME'}}\n"
    cloud = "cloud: {authority: 'https://a.example', resource_manager: 'https://127.0.0.1:1', audience: 'https://127.0.0.1:1'}\n"
    return f"{cloud}{identity}ledger: sqlite:///{directory}/rotator.db\n{more}credentials:\n{''.join(credentials)}"


@asynccontextmanager
async def daemon_of(tmp_path: Path, said: list[tuple[str, dict[str, Any]]]) -> AsyncIterator[tuple[Daemon, Path, House]]:
    path = tmp_path / "rotator.yaml"
    path.write_text(settings_of(tmp_path, "a", "b"))

    def read() -> Settings:
        return parse(path.read_text(), "rotator.yaml")

    async with open_house(read(), tmp_path, lambda event, **fields: said.append((event, fields))) as house:
        yield Daemon(house, read, Systemd({})), path, house


async def test_a_reload_takes_over_credentials_and_limits(tmp_path: Path) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    async with daemon_of(tmp_path, said) as (daemon, path, house):
        path.write_text(settings_of(tmp_path, "b", "c", more="limits: {concurrency: 3}\n"))
        assert await daemon.reload()
        assert sorted(daemon.fleet.credentials) == ["b", "c"]
        assert daemon.fleet.slots.concurrency == 3
        assert sorted(row.credential for row in await house.ledger.work.rows()) == ["b", "c"]
    assert said[-1] == ("reloaded", {"credentials": 2, "changed": [], "gone": ["a"], "secrets": []})


async def test_a_policy_that_changes_makes_its_credential_due(tmp_path: Path) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    async with daemon_of(tmp_path, said) as (daemon, path, _):
        path.write_text(settings_of(tmp_path, "a", "b", more="defaults: {cryptoperiod: 8d}\n"))
        assert await daemon.reload()
        assert daemon.fleet.credentials["a"].policy.cryptoperiod == timedelta(days=8)
    assert said[-1][1]["changed"] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("credentials: [", "not YAML"),
        ("limits: {concurrency: 0}", "limits.concurrency"),
        ("cloud: usgov", "cloud: a change needs a restart"),
        ("web: {port: 9}", "web: a change needs a restart"),
        ("alerts: {signed: {secret: 'env:HOME'}}", "alerts: a change needs a restart"),
        ("limits: {request_timeout: 3s}", "limits.request_timeout: a change needs a restart"),
    ],
)
async def test_what_is_wrong_or_needs_a_restart_is_said_and_the_old_settings_stay(tmp_path: Path, text: str, says: str) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    async with daemon_of(tmp_path, said) as (daemon, path, _):
        old = path.read_text()
        path.write_text(text if text.startswith(("credentials", "cloud")) else f"{text}\n{old}")
        assert not await daemon.reload()
        assert sorted(daemon.fleet.credentials) == ["a", "b"]
    event, fields = said[-1]
    assert event == "reload_refused"
    assert says in str(fields["errors"])


def test_nothing_needs_a_restart_where_nothing_changed(tmp_path: Path) -> None:
    settings = parse(settings_of(tmp_path, "a"), "test")
    assert needs_restart(settings, settings) == []
    assert needs_restart(settings, settings.model_copy(update={"cloud": "china"})) == ["cloud"]


# --- signals ----------------------------------------------------------------------------------------------------------------


async def test_told_to_stop_before_it_lives_it_does_nothing_and_ends_as_it_should(tmp_path: Path) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    async with daemon_of(tmp_path, said) as (daemon, _, _):
        with daemon.heeding_signals():
            await daemon.begin()
            os.kill(os.getpid(), signal.SIGTERM)
            await until(lambda: daemon.pump.stopping)
            said.clear()
            await daemon.live()
    assert said == [("stopped", {})]


async def test_a_hang_up_before_it_lives_is_a_reload_and_not_its_end(tmp_path: Path) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    async with daemon_of(tmp_path, said) as (daemon, _, _):
        with daemon.heeding_signals():
            await daemon.begin()
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: "reloaded" in [event for event, _ in said])


# --- health -----------------------------------------------------------------------------------------------------------------


class Clockwork(Pulse):
    """A pulse whose parts are as old as a test says."""

    ages: dict[str, timedelta]

    def age(self, part: str) -> timedelta:
        return self.ages.get(part, timedelta(0))


@asynccontextmanager
async def served(health: Health) -> AsyncIterator[Any]:
    async with listening(make_app(health.routes()), "127.0.0.1", 0) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def get(path: str) -> tuple[int, dict[str, Any]]:
            async with session.get(path) as answer:
                return answer.status, await answer.json()

        yield get


async def test_it_is_alive_while_the_pump_beats() -> None:
    pulse = Clockwork()
    pulse.ages = {}
    async with served(Health(pulse, {})) as get:
        assert await get("/healthz") == (200, {"alive": True, "late": []})
        pulse.ages = {"pump": LATE_AFTER["pump"] + timedelta(seconds=1)}
        status, told = await get("/healthz")
        assert (status, told["alive"]) == (503, False)
        assert told["late"] == ["pump has not beat for 1 min 1 s"]


async def test_it_is_ready_when_every_check_is_well_and_says_which_one_is_not() -> None:
    async def well() -> None:
        return

    async def denied() -> None:
        raise Denied("a token: 401", remedy="grant it")

    async def hangs() -> None:
        await asyncio.sleep(60)

    async def gone() -> None:
        raise Unready("the lock is gone")

    async with served(Health(Pulse(), {"ledger": well})) as get:
        assert await get("/readyz") == (200, {"ready": True, "checks": {"ledger": "ok"}})
    async with served(Health(Pulse(), {"ledger": well, "identity": denied, "vault": hangs, "lock": gone}, timedelta(seconds=0.1))) as get:
        status, told = await get("/readyz")
    assert status == 503
    assert told["checks"] == {"ledger": "ok", "identity": "a token: 401", "vault": "no answer within 0.1 s", "lock": "the lock is gone"}


async def test_whoever_polls_readiness_wears_nothing_out() -> None:
    asked: list[int] = []

    async def well() -> None:
        asked.append(1)
        await asyncio.sleep(0.05)

    async with served(Health(Pulse(), {"ledger": well})) as get:
        await asyncio.gather(*(get("/readyz") for _ in range(20)))
    assert len(asked) == 1


async def test_a_port_that_is_taken_is_a_sentence() -> None:
    from rotator.core.faults import Rejected

    async with listening(make_app(), "127.0.0.1", 0) as port:
        with pytest.raises(Rejected, match=f"127.0.0.1:{port} cannot be listened on"):
            async with listening(make_app(), "127.0.0.1", port):
                pass
