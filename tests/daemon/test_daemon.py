"""The daemon over a fleet, in virtual time: what it does after a week away, under broken clocks, outages, windows and stopped waves."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.core.credential import Slot
from rotator.core.policy import Mode, Window
from rotator.core.wave import resume, stop
from rotator.daemon.ticks import recalled
from rotator.engine.gate import change_wave, wave_now
from rotator.ledger.work import CADENCE, EMERGENCY
from tests.daemon.town import Town, ages, limits
from tests.engine.world import START

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OPEN = {"wave": {"canary": "100%", "share": "100%"}}
"""All at once: where a test is not about waves."""


async def test_what_is_due_is_rotated_and_the_old_key_dies_after_its_overlap() -> None:
    town = Town(ages(8, 1), limits=limits(**OPEN))
    old = town.worlds["c0"].slots[Slot.KEY1]
    await town.live(15 * MINUTE)
    assert town.published() == ["c0"]
    assert town.worlds["c0"].refused_everywhere(old)
    assert town.rows.table["c0"].rests_until


async def test_after_a_week_away_it_catches_up_in_the_order_of_risk_and_not_all_at_once() -> None:
    town = Town(ages(7.5, 14, 9, 1, 12, 10), limits=limits(concurrency=1, **OPEN))
    for name, world in town.worlds.items():
        created = world.entries[0].created
        town.rows.table[name] = await _row_that_rested(town, name, created + 7 * DAY)
    busy: list[int] = []
    watch = town.fleet.world.watch

    def counting(event: str, **fields: Any) -> None:
        busy.append(town.pump.busy)
        watch(event, **fields)

    town.watch = counting  # type: ignore[method-assign]
    town.begin()
    await town.live(5 * MINUTE)
    assert town.published() == ["c1", "c4", "c5", "c2", "c0"]
    assert max(busy) == 1


async def _row_that_rested(town: Town, name: str, until: datetime) -> Any:
    await town.rows.enlist([name])
    row = town.rows.table[name]
    row.rests_until = row.due_at = row.risk_at = until
    row.looked_at = START - 8 * DAY
    return row


@pytest.mark.parametrize("jump", [-3 * DAY, -HOUR, HOUR], ids=["three days back", "an hour back", "an hour on"])
async def test_a_wall_clock_that_jumps_stops_nothing(jump: timedelta) -> None:
    town = Town(ages(1, 6.9), limits=limits(**OPEN))
    async with town.living():
        await asyncio.sleep(60)
        town.skew = jump
        town.worlds["c0"].skew["daemon"] = town.worlds["c1"].skew["daemon"] = jump
        await asyncio.sleep(60)
        case = await town.leak("c0")
        await asyncio.sleep(30)
        assert town.worlds["c0"].ledger.cases[case.id].dead_at
        town.skew = timedelta(0)
        town.worlds["c0"].skew.clear()
        town.worlds["c1"].skew.clear()
        await asyncio.sleep(3 * HOUR.total_seconds())
    assert town.published() == ["c0", "c1"]


async def test_azure_is_away_for_ten_minutes_and_it_comes_back_by_itself_in_order() -> None:
    town = Town(ages(8, 12, 10, 1), limits=limits(concurrency=1, **OPEN))
    for name, world in town.worlds.items():
        await _row_that_rested(town, name, world.entries[0].created + 7 * DAY)
    town.away = True
    async with town.living():
        await asyncio.sleep(600)
        assert town.published() == []
        asked = sum(len(town.asked(name)) for name in town.worlds)
        assert asked < 4 * 4 * 30, "an outage is not hammered at"
        town.away = False
        await asyncio.sleep(360)
    assert sorted(town.published()) == ["c0", "c1", "c2"]
    assert town.told("run_failed") == []


async def test_azure_is_away_amid_a_wave_and_the_wave_goes_on() -> None:
    town = Town(ages(*[8] * 6), limits=limits(wave={"canary": "10%", "share": "50%"}))
    async with town.living():
        await asyncio.sleep(0.01)
        town.away = True
        await asyncio.sleep(600)
        town.away = False
        await asyncio.sleep(1200)
    wave = await wave_now(town.waves)
    assert wave
    assert wave.stop is None
    assert len(town.published()) == 6


NIGHT = Window(opens="30 1 * * *", length=2 * HOUR, zone="Europe/Berlin")


async def test_it_starts_inside_its_window_alone() -> None:
    """START is 14:00 in Berlin; the window opens at 1:30."""
    town = Town(ages(9), limits=limits(**OPEN), window=NIGHT)
    async with town.living():
        await asyncio.sleep(11 * HOUR.total_seconds())
        assert town.published() == []
        await asyncio.sleep(HOUR.total_seconds())
    assert town.published() == ["c0"]
    placed = town.worlds["c0"].entries[-1].created
    assert NIGHT.is_open(placed)


async def test_a_canary_goes_first_and_the_rest_when_it_is_through() -> None:
    town = Town(ages(*range(8, 18)), limits=limits(wave={"canary": "10%", "share": "30%"}))
    await town.live(3 * MINUTE)
    assert len(town.published()) == 10
    assert [note.partition(":")[0] for note in town.waves.notes] == [f"wave {number} opened" for number in range(1, 5)]
    assert "a canary of 1 of 10" in town.waves.notes[0]


async def test_a_wave_that_fails_stops_the_fleet_and_a_person_resumes_it() -> None:
    town = Town(ages(*[8] * 10), limits=limits(wave={"canary": "10%", "share": "50%"}))
    for world in town.worlds.values():
        world.provable = False
    async with town.living():
        await asyncio.sleep(600)
        assert town.published() == []
        assert await wave_now(town.waves) is None, "what cannot be proven starts nothing"
        for world in town.worlds.values():
            world.provable = True
        town.trouble("c0").fails("vault.publish", _denied(), times=1000)
        for name in town.worlds:
            await town.rows.wake(name)
        await asyncio.sleep(3 * HOUR.total_seconds())
        wave = await wave_now(town.waves)
        assert wave
        assert wave.stop
        assert wave.failed == ("c0",)
        assert town.published() == []
        town.trouble("c0").ends()
        await change_wave(town.waves, lambda wave: (resume(wave, by="ops", now=town.now()), None))
        await asyncio.sleep(HOUR.total_seconds())
    assert len(town.published()) == 10


def _denied() -> Any:
    from rotator.core.faults import Denied

    return Denied("set of secret: 403", remedy="grant setSecret")


async def test_a_stopped_wave_holds_the_cadence_and_an_order_and_lets_a_leak_pass() -> None:
    town = Town(ages(8, 1, 1), limits=limits(**OPEN))
    await change_wave(town.waves, lambda wave: (stop(wave, by="ops", because="release weekend", now=town.now()), None))
    await town.rows.enlist(list(town.worlds))
    await town.order("c1")
    async with town.living():
        await asyncio.sleep(60)
        assert town.published() == []
        case = await town.leak("c2", Mode.DRAIN)
        await asyncio.sleep(300)
        assert town.published() == ["c2"]
        assert town.worlds["c2"].ledger.cases[case.id].dead_at
        await change_wave(town.waves, lambda wave: (resume(wave, by="ops", now=town.now()), None))
        await asyncio.sleep(900)
    assert sorted(town.published()) == ["c0", "c1", "c2"]


async def test_one_that_is_held_asks_nothing_of_azure_meanwhile() -> None:
    town = Town(ages(8, 8), limits=limits(**OPEN))
    await change_wave(town.waves, lambda wave: (stop(wave, by="ops", because="why", now=town.now()), None))
    async with town.living():
        await asyncio.sleep(60)
        asked = len(town.asked("c1"))
        await asyncio.sleep(HOUR.total_seconds())
        assert len(town.asked("c1")) == asked


async def test_a_value_that_somebody_regenerates_is_healed_within_the_time_it_is_asked_after() -> None:
    town = Town(ages(1), limits=limits(ask_every="10m", **OPEN))
    async with town.living():
        await asyncio.sleep(60)
        town.worlds["c0"].person_regenerates(Slot.KEY1)
        await asyncio.sleep(601)
    assert town.told("drifted")
    assert town.published() == ["c0"]


@pytest.mark.parametrize("what", ["sets", "disables", "deletes", "untags"])
async def test_whatever_is_odd_leads_to_a_whole_look(what: str) -> None:
    town = Town(ages(1), limits=limits(ask_every="10m", **OPEN))
    world = town.worlds["c0"]
    async with town.living():
        await asyncio.sleep(60)
        acts: dict[str, Callable[[], object]] = {
            "sets": lambda: world.person_sets("nonsense"),
            "disables": world.person_disables_current,
            "deletes": world.person_deletes_secret,
            "untags": lambda: world._change(world.entries[-1].id, tags={}),
        }
        acts[what]()
        await asyncio.sleep(620)
    assert len(town.told("drifted")) == 1
    current = world.current_value
    assert current
    assert world.slot_of(current)


async def test_what_cannot_be_seen_waits_and_is_not_odd() -> None:
    town = Town(ages(1), limits=limits(ask_every="10m", **OPEN))
    async with town.living():
        await asyncio.sleep(60)
        town.away = True
        await asyncio.sleep(1300)
    assert [fields["outcome"] for fields in town.told("asked")] == ["not seen", "not seen"]
    assert town.told("drifted") == []


async def test_once_works_off_what_is_due_and_ends() -> None:
    town = Town(ages(8, 9, 1), limits=limits(wave={"canary": "10%", "share": "50%"}), overlap=timedelta(0))
    await asyncio.wait_for(town.once(), 300)
    assert sorted(town.published()) == ["c0", "c1"]
    assert all(row.owner is None for row in town.rows.table.values())


async def test_a_row_without_a_credential_is_parked() -> None:
    town = Town(ages(1), limits=limits(**OPEN))
    await town.rows.enlist(["gone"])
    await town.live(MINUTE)
    assert town.rows.table["gone"].due_at > town.now() + HOUR


async def test_a_spread_brings_the_start_forward_and_not_the_due_date() -> None:
    town = Town({f"c{number}": timedelta(days=6) for number in range(8)}, limits=limits(spread="5%", **OPEN))
    await town.once()
    starts = {row.rests_until for row in town.rows.table.values() if row.rests_until}
    assert len(starts) == 8
    assert all(START + DAY - 0.05 * 7 * DAY <= start <= START + DAY for start in starts)


async def test_what_is_overdue_and_which_window_went_by_is_said_once() -> None:
    town = Town(ages(8, 1), limits=limits(**OPEN), window=NIGHT)
    for name, world in town.worlds.items():
        await _row_that_rested(town, name, NIGHT.next_open(world.entries[0].created + 7 * DAY))
    for _ in range(30):
        town.overdue.say(await town.rows.rows(), town.fleet.credentials, town.now(), town.watch)
        await asyncio.sleep(HOUR.total_seconds())
    assert [fields["credential"] for fields in town.told("overdue")] == ["c0"]
    assert [fields["closed"] for fields in town.told("window_missed")] == ["2026-06-01T01:30:00+00:00", "2026-06-02T01:30:00+00:00"]


async def test_what_another_worker_published_meanwhile_is_not_overdue() -> None:
    town = Town(ages(8), limits=limits(**OPEN))
    (credential,) = town.fleet.credentials.values()
    await town.rows.enlist([credential.name])

    async def overdue(published: datetime) -> int:
        town.overdue.learn({credential.name: published, "gone": town.now()}, town.fleet.credentials)
        return town.overdue.say(await town.rows.rows(), town.fleet.credentials, town.now(), town.watch)

    assert await overdue(town.now() - credential.policy.cryptoperiod - DAY) == 1
    assert await overdue(town.now() - HOUR) == 0
    assert await overdue(town.now() - credential.policy.cryptoperiod - DAY) == 0, "an older word is no news"


@pytest.mark.parametrize("day", [datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2027, 3, 27, 22, tzinfo=UTC)], ids=["autumn", "spring"])
async def test_a_night_whose_hour_comes_twice_or_not_at_all_has_one_window(day: datetime) -> None:
    town = Town(ages(1, 1), limits=limits(concurrency=1, **OPEN), window=NIGHT)
    town.skew = day - START
    for world in town.worlds.values():
        world.skew = dict.fromkeys(("", "daemon"), town.skew)
    await town.live(6 * HOUR)
    assert sorted(town.published()) == ["c0", "c1"]
    assert all(NIGHT.is_open(world.entries[-1].created) for world in town.worlds.values())


async def test_an_emergency_that_waits_keeps_its_place_before_everyone_else() -> None:
    """A drain whose old key is still accepted for a while: between two looks its row is as urgent as at the first."""
    town = Town(ages(1, 8, 8), limits=limits(concurrency=1, reserve=1, **OPEN))
    town.trouble("c0").lags["old"] = 60
    async with town.living():
        await asyncio.sleep(1)
        case = await town.leak("c0")
        await asyncio.sleep(20)
        row = town.rows.table["c0"]
        assert row.owner or row.priority == EMERGENCY
        await asyncio.sleep(200)
        assert town.worlds["c0"].ledger.cases[case.id].dead_at
        assert town.rows.table["c0"].priority == CADENCE


async def test_a_clock_that_was_years_ahead_leaves_no_row_behind_in_the_future() -> None:
    town = Town(ages(1, 6.9), limits=limits(**OPEN))
    ahead = timedelta(days=4 * 365)
    for name in town.worlds:
        row = await _row_that_rested(town, name, town.now() + ahead)
        row.looked_at = town.now() + ahead
    async with town.living():
        await recalled(town.fleet, town.rows)
        await asyncio.sleep(3 * HOUR.total_seconds())
    assert town.published() == ["c1"]
    assert all(row.due_at < town.now() + DAY for row in town.rows.table.values())
    assert town.told("recalled") == [{"rows": 2, "because": "due later than a whole look is"}]


async def test_a_rotation_in_its_overlap_is_looked_at_once_a_day() -> None:
    town = Town(ages(61), limits=limits(**OPEN), cryptoperiod=timedelta(days=60), overlap=timedelta(days=3))
    await town.once()
    assert town.published() == ["c0"]
    assert town.rows.table["c0"].due_at <= town.now() + DAY
