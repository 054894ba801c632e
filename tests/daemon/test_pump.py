"""The pump: slots, the reserve for emergencies, a lock that is lost, a ledger that is away, an end between two steps."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from rotator.core.faults import LeaseLost
from rotator.core.policy import Mode
from rotator.daemon.pulse import Pulse
from rotator.daemon.pump import Pump, Slots
from rotator.daemon.rows import Ending, GiveBack
from rotator.ledger.work import EMERGENCY, Claimed
from tests.daemon.memory_rows import MemoryLock, MemoryRows
from tests.daemon.test_daemon import OPEN
from tests.daemon.town import Town, ages, limits
from tests.engine.world import START

DAY = timedelta(days=1)


class Bench:
    """A pump over rows alone; `errand` is what a run does."""

    def __init__(self, errand: Callable[[Claimed], Awaitable[Ending]], slots: Slots) -> None:
        self.lock = MemoryLock()
        self.rows = MemoryRows(self.now, self.lock)
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.started: list[tuple[str, float]] = []
        self._errand = errand
        self.pump = Pump(self.rows, self.lock, self._run, lambda: slots, self, self.watch, Pulse())
        self.serving: asyncio.Task[None] | None = None

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time())

    async def sleep(self, length: timedelta) -> None:
        await asyncio.sleep(length.total_seconds())

    def watch(self, event: str, **fields: Any) -> None:
        self.said.append((event, fields))

    async def _run(self, claimed: Claimed) -> Ending:
        self.started.append((claimed.lease.credential, asyncio.get_running_loop().time()))
        return await self._errand(claimed)

    async def begin(self, *names: str) -> None:
        await self.rows.enlist(names)
        self.serving = asyncio.create_task(self.pump.serve(lambda: timedelta(seconds=25)))
        await asyncio.sleep(0.5)

    async def end(self) -> None:
        self.pump.stop()
        assert self.serving
        await self.serving


def takes(seconds: float) -> Callable[[Claimed], Awaitable[Ending]]:
    async def errand(claimed: Claimed) -> Ending:
        await asyncio.sleep(seconds)
        return GiveBack(again=START + 365 * DAY, rests_until=START + 365 * DAY)

    return errand


async def test_an_emergency_starts_at_once_under_fifty_thousand_due_rows_and_all_slots_busy() -> None:
    bench = Bench(takes(3600), Slots(concurrency=4, reserve=2))
    await bench.begin(*(f"c{number}" for number in range(50_000)))
    assert len(bench.started) == 4, "the reserve is for emergencies alone"
    at = asyncio.get_running_loop().time()
    await bench.rows.wake("c40000", priority=EMERGENCY)
    await asyncio.sleep(1)
    name, started = bench.started[-1]
    assert name == "c40000"
    assert started - at < 1
    await bench.end()


async def test_emergencies_fill_the_reserve_and_then_whatever_is_free() -> None:
    bench = Bench(takes(3600), Slots(concurrency=3, reserve=2))
    for number in range(9):
        await bench.rows.wake(f"e{number}", priority=EMERGENCY)
    await bench.begin("c0")
    assert [name for name, _ in bench.started] == ["e0", "e1", "e2", "e3", "e4"]
    await bench.end()


async def test_a_slot_that_is_free_is_filled_at_once() -> None:
    bench = Bench(takes(10), Slots(concurrency=1, reserve=1))
    await bench.begin("c0", "c1", "c2")
    await asyncio.sleep(30)
    assert [round(at) for _, at in bench.started] == [0, 10, 20]
    await bench.end()


async def test_when_the_lock_is_lost_every_run_has_ended_before_it_locks_again() -> None:
    held: list[str] = []

    async def errand(claimed: Claimed) -> Ending:
        owner = claimed.lease.owner
        held.append(f"{owner} begins")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)
            held.append(f"{owner} ends")
            raise
        raise AssertionError

    bench = Bench(errand, Slots(concurrency=2, reserve=1))
    await bench.begin("c0")
    bench.lock.away = True
    bench.lock.lost.set()
    await asyncio.sleep(20)
    assert held == ["worker-1 begins", "worker-1 ends"], "nothing is claimed while the database is away"
    bench.lock.away = False
    await asyncio.sleep(60)
    assert held == ["worker-1 begins", "worker-1 ends", "worker-2 begins"]
    await bench.end()


async def test_a_fault_ends_a_run_and_neither_the_pump_nor_the_others() -> None:
    async def errand(claimed: Claimed) -> Ending:
        if claimed.lease.credential == "bad":
            raise ZeroDivisionError("the value was s3cret")
        return GiveBack(again=START + DAY, rests_until=START + DAY)

    bench = Bench(errand, Slots(concurrency=1, reserve=1))
    await bench.begin("bad", "good")
    await asyncio.sleep(600)
    bad = [at for name, at in bench.started if name == "bad"]
    assert 3 <= len(bad) <= 8, "it is tried again, ever less often"
    assert [name for name, _ in bench.started].count("good") == 1
    assert "s3cret" not in str(bench.said), "what nobody expected may hold anything"
    await bench.end()


async def test_a_ledger_that_is_away_ends_nothing_and_the_row_is_given_back_when_it_is_there() -> None:
    bench = Bench(takes(5), Slots(concurrency=1, reserve=1))
    await bench.begin("c0")
    bench.rows.away = True
    await asyncio.sleep(300)
    bench.rows.away = False
    await asyncio.sleep(40)
    assert bench.rows.table["c0"].owner is None
    assert [name for name, _ in bench.started] == ["c0"]
    await bench.end()


async def test_a_row_that_waits_to_be_given_back_is_free_at_once_for_its_emergency() -> None:
    bench = Bench(takes(5), Slots(concurrency=1, reserve=1))
    await bench.begin("c0")
    bench.rows.full = True
    while [said for said, _ in bench.said].count("give_back_failed") < 8:  # noqa: ASYNC110  # what is waited for tells nobody
        await asyncio.sleep(0.1)
    bench.rows.full = False
    woken = asyncio.get_running_loop().time()
    await bench.rows.wake("c0", priority=EMERGENCY)
    bench.pump.hear()
    await asyncio.sleep(20)
    assert [name for name, _ in bench.started] == ["c0", "c0"]
    assert bench.started[1][1] - woken < 3, "it was held until the clock said to try again"
    await bench.end()


async def test_a_run_that_has_lost_its_lease_gives_nothing_back() -> None:
    async def errand(claimed: Claimed) -> Ending:
        raise LeaseLost("another worker has taken c0 over")

    bench = Bench(errand, Slots(concurrency=1, reserve=1))
    await bench.begin("c0")
    assert bench.rows.finished == []
    assert [event for event, _ in bench.said] == ["lease_lost"]
    await bench.end()


async def test_what_is_not_through_at_the_end_is_handed_back_with_its_priority() -> None:
    bench = Bench(takes(3600), Slots(concurrency=1, reserve=1))
    await bench.rows.wake("c0", priority=EMERGENCY)
    await bench.begin()
    await bench.end()
    row = bench.rows.table["c0"]
    assert (row.owner, row.priority) == (None, EMERGENCY)
    assert row.due_at <= bench.now()
    assert asyncio.get_running_loop().time() < 30


async def test_an_end_amid_a_step_lets_the_step_end_and_hands_the_row_back() -> None:
    town = Town(ages(8), limits=limits(**OPEN))
    town.trouble("c0").hangs("issuer.regenerate", 10)
    async with town.living():
        await asyncio.sleep(5)
    assert [fields["step"] for fields in town.told("done")] == ["prove", "mint"]
    row = town.rows.table["c0"]
    assert (row.owner, row.rests_until) == (None, None)
    assert asyncio.get_running_loop().time() < 20
    town.begin()
    await town.live(timedelta(minutes=15))
    assert town.published() == ["c0"]
    assert sum(key.by == "daemon" for key in town.worlds["c0"].keys.values()) == 2, "a mint, and the end of the old key"


async def test_a_step_that_hangs_at_the_end_is_cut_off_and_settled_by_the_next_daemon() -> None:
    town = Town(ages(8), limits=limits(**OPEN))
    town.trouble("c0").hangs("issuer.regenerate", 3600)
    async with town.living():
        await asyncio.sleep(5)
    assert town.told("handed_back")
    town.begin()
    await town.live(timedelta(minutes=15))
    assert town.published() == ["c0"]


async def test_a_lock_that_is_lost_amid_a_step_leads_to_no_second_mint() -> None:
    town = Town(ages(8), limits=limits(**OPEN))
    town.trouble("c0").hangs("issuer.regenerate", 30)
    async with town.living():
        await asyncio.sleep(5)
        town.lock.lost.set()
        await asyncio.sleep(900)
    assert town.published() == ["c0"]
    assert town.told("locked_again")
    assert sum(key.by == "daemon" for key in town.worlds["c0"].keys.values()) == 2


async def test_a_leak_during_a_long_run_is_answered_in_that_run() -> None:
    town = Town(ages(8), limits=limits(concurrency=1, **OPEN))
    town.trouble("c0").hangs("data_plane.probe", 50)
    async with town.living():
        await asyncio.sleep(10)
        case = await town.leak("c0", Mode.CUT)
        await asyncio.sleep(30)
        revoked = town.worlds["c0"].ledger.cases[case.id].revoked_at
        assert revoked
        assert revoked - case.reported_at < timedelta(seconds=5)
        await asyncio.sleep(60)


async def test_the_lines_of_one_rotation_carry_one_id() -> None:
    import structlog

    town = Town(ages(8), limits=limits(**OPEN), overlap=timedelta(minutes=1))
    ids: set[str] = set()
    watch = town.watch

    def listening(event: str, **fields: Any) -> None:
        if fields.get("step"):
            ids.add(structlog.contextvars.get_contextvars()["rotation"])
        watch(event, **fields)

    town.watch = listening  # type: ignore[method-assign]
    town.begin()
    await town.live(timedelta(minutes=5))
    assert len(ids) == 1
    assert "retire" in [fields["step"] for fields in town.told("done")], "from the first step to the last"


async def test_a_light_look_after_a_restart_asks_for_the_account_once() -> None:
    town = Town(ages(1), limits=limits(ask_every="10m", **OPEN))
    await town.live(timedelta(minutes=1))
    town.begin()
    before = len(town.asked("c0"))
    await town.live(timedelta(minutes=31))
    assert town.asked("c0")[before:] == [
        *("vault.glimpse", "issuer.account", "data_plane.probe"),
        *("vault.glimpse", "data_plane.probe"),
        *("vault.glimpse", "data_plane.probe"),
    ]
