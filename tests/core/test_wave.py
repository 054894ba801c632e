"""Waves: a canary first, never more out than a wave holds, stopped when too many fail, resumed by a person and by nobody else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.core.credential import Reason
from rotator.core.policy import Mode
from rotator.core.snapshot import Adoption, Held, Order, Snapshot
from rotator.core.step import Decision, Do, Mint, Quiet, Start, Wait
from rotator.core.wave import (
    TROUBLE_LASTS,
    Wave,
    WaveLimits,
    WaveResult,
    after_run,
    asks_again,
    enter,
    held_by,
    read,
    result_of,
    resume,
    room,
    stop,
    tidy,
    written,
)
from tests.core.situations import (
    DAY,
    HOUR,
    KEY2,
    MINUTE,
    NOW,
    SECOND,
    A,
    B,
    C,
    at_rest,
    case,
    decide,
    dependent,
    due,
    healed,
    killed,
    known,
    overlap,
    remember,
    revoked,
    vault,
    version,
)

LIMITS = WaveLimits()
THROUGH, FAILED, TROUBLED, UNDER_WAY = WaveResult.THROUGH, WaveResult.FAILED, WaveResult.TROUBLED, WaveResult.UNDER_WAY
STOPPED = held_by(stop(None, by="ops@example", because="a bad night", now=NOW))
PACED = Held(because="the canary is ahead of it")


def let_out(wave: Wave | None, *names: str, fleet: int = 100, now: Any = NOW) -> Wave:
    """All of them enter, and are let in."""
    for name in names:
        wave, held = enter(wave, name, limits=LIMITS, fleet=fleet, now=now)
        assert held is None, held
    assert wave is not None
    return wave


def held(wave: Wave | None, name: str, *, fleet: int = 100, now: Any = NOW) -> str:
    found = enter(wave, name, limits=LIMITS, fleet=fleet, now=now)[1]
    return found.because if found else ""


def ends(wave: Wave, result: WaveResult, *names: str, now: Any = NOW) -> Wave:
    for name in names:
        wave = after_run(wave, name, result, now)
    return wave


CANARIES = ("c1", "c2", "c3", "c4", "c5")


def test_a_canary_goes_first_and_is_one_at_least() -> None:
    wave = let_out(None, "a", fleet=3)
    assert (wave.canary, wave.size, wave.number) == (True, 1, 1)
    assert "canary" in held(wave, "b", fleet=3)


def test_a_wave_that_opens_is_told_of_once() -> None:
    opened, _ = enter(None, "a", limits=LIMITS, fleet=100, now=NOW)
    again, _ = enter(opened, "b", limits=LIMITS, fleet=100, now=NOW)
    assert (opened.note, again.note) == ("wave 1 opened: a canary of 5 of 100", "")


def test_before_the_first_wave_there_is_room_for_a_canary() -> None:
    assert room(None, LIMITS, 100, NOW) == 5
    assert room(stop(None, by="ops", because="a bad night", now=NOW), LIMITS, 100, NOW) == 0


def test_the_next_wave_opens_when_the_last_one_is_through() -> None:
    wave = let_out(None, *CANARIES)
    assert held(ends(wave, THROUGH, *CANARIES[:4]), "next") != ""
    wave = let_out(ends(wave, THROUGH, *CANARIES), *(f"n{number}" for number in range(25)))
    assert (wave.canary, wave.size, wave.number) == (False, 25, 2)
    assert "wave 2" in held(wave, "n25")


def test_a_member_is_let_in_again_and_counted_once() -> None:
    wave = let_out(None, "a", "a", "a")
    assert wave.started == 1


def test_a_canary_goes_first_again_after_an_idle_time() -> None:
    wave = ends(let_out(None, "a", fleet=3), THROUGH, "a")
    assert let_out(wave, "b", fleet=3, now=NOW + HOUR).canary is False
    assert let_out(wave, "b", fleet=3, now=NOW + HOUR + SECOND).canary is True


def test_a_slow_member_is_no_idle_time() -> None:
    wave = let_out(None, "a", fleet=3)
    assert held(wave, "b", fleet=3, now=NOW + DAY)


def test_a_wave_stops_when_more_than_the_stated_share_failed() -> None:
    first = ends(let_out(None, *CANARIES), THROUGH, *CANARIES)
    names = [f"n{number}" for number in range(25)]
    wave = ends(let_out(first, *names), FAILED, *names[:5])
    assert wave.stop is None
    wave = ends(wave, FAILED, names[5])
    assert wave.stop
    assert wave.stop.by == "rotator"
    assert "6 of 25 failed, more than 20%" in wave.note
    assert "rotator waves resume" in held(wave, names[6])


def test_trouble_is_failure_only_when_it_lasts() -> None:
    wave = ends(let_out(None, "a"), TROUBLED, "a")
    assert ends(wave, TROUBLED, "a", now=NOW + TROUBLE_LASTS - SECOND).failed == ()
    assert ends(wave, TROUBLED, "a", now=NOW + TROUBLE_LASTS).failed == ("a",)
    recovered = ends(wave, UNDER_WAY, "a", now=NOW + MINUTE)
    assert ends(recovered, TROUBLED, "a", now=NOW + TROUBLE_LASTS).failed == ()


def test_one_that_failed_and_comes_through_after_all_has_not_failed() -> None:
    wave = ends(ends(let_out(None, *CANARIES), FAILED, "c1"), THROUGH, "c1")
    assert (wave.failed, wave.through) == ((), 1)


def test_a_stopped_wave_is_resumed_with_a_canary_and_what_failed_is_not_counted_again() -> None:
    wave = ends(let_out(None, "broken", fleet=10), FAILED, "broken")
    assert wave.stop
    wave = resume(wave, by="ops@example", now=NOW + DAY)
    assert "resumed by ops@example" in wave.note
    wave = let_out(wave, "broken", "sound", fleet=10, now=NOW + DAY)
    assert (wave.canary, wave.started, wave.number) == (True, 1, 2)
    assert ends(wave, FAILED, "broken").stop is None
    assert held(ends(wave, THROUGH, "broken"), "next", fleet=10, now=NOW + DAY)


def test_one_that_was_excused_and_comes_through_has_its_turn_like_the_others_the_next_time() -> None:
    wave = resume(ends(let_out(None, "broken", fleet=10), FAILED, "broken"), by="ops", now=NOW)
    wave = let_out(wave, "broken", "sound", fleet=10)
    assert held(wave, "broken", fleet=10) == ""
    through = ends(wave, THROUGH, "broken")
    assert held(through, "broken", fleet=10) != ""
    assert through.through == 0, "it was counted as failed, once"


def test_a_resumed_wave_waits_for_what_is_still_out() -> None:
    wave = stop(let_out(None, *CANARIES), by="ops", because="why", now=NOW)
    wave = resume(wave, by="ops", now=NOW)
    assert held(wave, "next")
    assert let_out(ends(wave, THROUGH, *CANARIES), "next").canary


def test_a_person_who_stops_says_why_and_the_first_word_stands() -> None:
    wave = stop(None, by="ops", because="why", now=NOW)
    assert "stopped by ops" in held(wave, "a")
    assert stop(wave, by="another", because="too", now=NOW).stop == wave.stop
    assert resume(let_out(None, "a"), by="ops", now=NOW).note == ""


def test_one_that_left_the_fleet_holds_nobody_up() -> None:
    wave = let_out(None, "gone", fleet=3)
    assert let_out(tidy(wave, {"next": 1}, NOW), "next", fleet=3)
    assert tidy(wave, {"gone": 1}, NOW) is wave


def test_one_that_was_excused_and_left_the_fleet_is_forgotten() -> None:
    wave = resume(ends(let_out(None, "gone", fleet=3), FAILED, "gone"), by="ops", now=NOW)
    assert wave.excused == ("gone",)
    assert tidy(wave, {"next": 1}, NOW).excused == ()


def test_one_that_is_held_asks_the_less_often_the_larger_the_fleet() -> None:
    assert asks_again(1) < asks_again(5_000) < asks_again(50_000) == asks_again(500_000)


OPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "stop", "resume", *WaveResult]),
        st.integers(0, 11),
        st.sampled_from([timedelta(0), MINUTE, TROUBLE_LASTS, 2 * HOUR]),
    ),
    max_size=60,
)


@given(OPS, st.integers(1, 30))
@settings(max_examples=150)
def test_whatever_happens_no_wave_is_larger_than_its_size_and_a_stopped_one_lets_nobody_out(ops: Any, fleet: int) -> None:
    wave, now = Wave(opened_at=NOW, moved_at=NOW), NOW
    for what, number, later in ops:
        now, name, before = now + later, f"n{number}", wave
        match what:
            case "enter":
                wave, refused = enter(wave, name, limits=LIMITS, fleet=fleet, now=now)
                assert not (before.stop and refused is None)
                assert wave.number == before.number or not before.members
            case "stop":
                wave = stop(wave, by="ops", because="why", now=now)
            case "resume":
                wave = resume(wave, by="ops", now=now)
            case _:
                wave = after_run(wave, name, what, now)
                assert not (before.stop and wave.stop is None)
        assert len(wave.members) <= wave.started <= max(wave.size, 1)
        assert len({member.credential for member in wave.members}) == len(wave.members)
        assert wave.stop or len(wave.failed) <= max(wave.stop_at * wave.size, 0)
        assert wave.through + len(wave.failed) + len(wave.members) <= wave.started + len(before.failed)
        assert read(written(wave)) == replace(wave, note="")
        assert 0 <= room(wave, LIMITS, fleet, now) <= fleet


@given(st.integers(1, 300), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_every_credential_of_a_sound_fleet_gets_its_turn(fleet: int, broken: int) -> None:
    waiting, wave = [f"n{number}" for number in range(fleet)], Wave(opened_at=NOW, moved_at=NOW)
    for _ in range(30 + 2 * broken):
        out = []
        for name in list(waiting):
            wave, refused = enter(wave, name, limits=LIMITS, fleet=fleet, now=NOW)
            if refused is None:
                out.append(name)
        wave = ends(wave, THROUGH, *out)
        waiting = [name for name in waiting if name not in out]
    assert waiting == []


# --- what a run says of its rotation ----------------------------------------------------------------------------------------

OVERLAP = Wait(until=NOW + DAY, because="both are valid", phase="overlap")


@pytest.mark.parametrize(
    ("decision", "apps", "result"),
    [
        (Quiet(until=NOW, because="q"), (), THROUGH),
        (OVERLAP, (), THROUGH),
        (OVERLAP, (dependent("api", Adoption.PROVEN),), THROUGH),
        (OVERLAP, (dependent("api", Adoption.UNSEEN),), UNDER_WAY),
        (replace(OVERLAP, tell=True), (dependent("api", Adoption.STALE),), TROUBLED),
        (Wait(until=NOW, because="asked again", phase="proving"), (), UNDER_WAY),
        (Wait(until=NOW, because="no answer", phase="unseen", failed=True), (), TROUBLED),
        (Wait(until=NOW, because="denied", phase="unseen", failed=True, hopeless=True), (), FAILED),
        (Wait(until=NOW, because="refused", phase="tags", refused=True), (), FAILED),
        (Wait(until=NOW, because="stopped", phase="wave", refused=True), (), UNDER_WAY),
        (Do(step=Mint(slot=KEY2, replaces=B), reason=Reason.SUPERSEDED, because="b", phase="minting"), (), UNDER_WAY),
    ],
)
def test_a_run_says_how_its_rotation_stands(decision: Decision, apps: Any, result: WaveResult) -> None:
    assert result_of(decision, apps) is result


# --- the planner's side -----------------------------------------------------------------------------------------------------


def under(hold: Held | None, seen: Snapshot) -> Snapshot:
    return replace(seen, memory=replace(seen.memory, held_by_wave=hold))


FRESH = remember(known(B, minted_at=NOW - MINUTE, proven_at=NOW - SECOND, slot=KEY2))
ORDERED = remember(order=Order(value=A))


@pytest.mark.parametrize(
    "seen",
    [due(), due(memory=FRESH), at_rest(memory=ORDERED)],
    ids=["a cadence rotation", "one that has minted and not published", "an operator's order"],
)
@pytest.mark.parametrize("hold", [STOPPED, PACED], ids=["stopped", "paced"])
def test_the_wave_holds(seen: Snapshot, hold: Held) -> None:
    decision = decide(under(hold, seen))
    assert isinstance(decision, Wait)
    assert decision.phase == "wave"
    assert hold.because in decision.because
    assert decision.refused is decision.tell is hold.stopped


@pytest.mark.parametrize(
    ("seen", "cases", "step"),
    [
        (at_rest(), (case(A),), "mint"),
        (at_rest(), (case(A, Mode.CUT),), "revoke"),
        (at_rest(), (case(B),), "revoke"),
        (killed(), (revoked(A),), "prove"),
        (at_rest(slots={KEY2.other: C, KEY2: B}), (), "prove"),
        (overlap(dependents=(dependent("api", Adoption.STALE),)), (), "propagate"),
        (overlap(25 * HOUR), (), "revoke"),
        (healed(), (revoked(A),), "prove_dead"),
    ],
    ids=[
        "a drain",
        "a cut",
        "a leaked standby",
        "a healing after a cut",
        "a healing of a dead value",
        "a laggard",
        "an overlap's end",
        "a proof",
    ],
)
def test_a_stopped_wave_does_not_hold(seen: Snapshot, cases: Any, step: str) -> None:
    decision = decide(under(STOPPED, seen), *cases)
    assert isinstance(decision, Do)
    assert decision.step.name == step
    assert decision.starts is None


def test_a_stopped_wave_does_not_disturb_one_that_is_not_due() -> None:
    assert isinstance(decide(under(STOPPED, at_rest())), Quiet)


@pytest.mark.parametrize(
    ("seen", "start"),
    [(due(), Start.CADENCE), (due(memory=FRESH), Start.CADENCE), (at_rest(memory=ORDERED), Start.ORDER)],
    ids=["cadence", "before it publishes", "order"],
)
def test_what_a_wave_may_hold_says_whose_wish_it_is(seen: Snapshot, start: Start) -> None:
    decision = decide(seen)
    assert isinstance(decision, Do)
    assert decision.starts is start


def test_what_a_compromise_asks_for_starts_nothing_that_a_wave_may_hold() -> None:
    decision = decide(due(secret=vault(version("v1", A, 31 * DAY))), case(A))
    assert isinstance(decision, Do)
    assert decision.starts is None
