"""Cryptoperiods and windows; over the changes of daylight saving, too."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rotator.core.policy import SPREAD_MAX, Mode, Policy, Unprovable, Window, due_at, early_by, is_due, starts_at, window_missed

BERLIN = "Europe/Berlin"
OFFICE = Window(opens="0 9 * * 1-5", length=timedelta(hours=7), zone=BERLIN)
SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def berlin(year: int, month: int, day: int, hour: int, minute: int = 0, *, fold: int = 0) -> datetime:
    """A wall-clock time in Berlin, in UTC."""
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(BERLIN), fold=fold).astimezone(UTC)


def test_the_defaults_are_those_of_the_design() -> None:
    policy = Policy()
    assert (policy.cryptoperiod, policy.overlap, policy.grace) == (timedelta(days=30), timedelta(hours=24), timedelta(hours=4))
    assert (policy.on_compromise, policy.drain_deadline) == (Mode.DRAIN, timedelta(minutes=2))
    assert (policy.window, policy.unprovable) == (None, Unprovable.REFUSE)


def test_the_modes_stand_in_the_order_of_their_strictness() -> None:
    assert list(Mode) == [Mode.DRAIN, Mode.CUT, Mode.CONTAIN]


def test_a_value_is_due_when_its_cryptoperiod_is_over_and_not_a_second_before() -> None:
    published = datetime(2026, 1, 1, tzinfo=UTC)
    due = due_at(Policy(), published)
    assert due == datetime(2026, 1, 31, tzinfo=UTC)
    assert is_due(Policy(), published, due)
    assert not is_due(Policy(), published, due - SECOND)


def test_a_value_that_falls_due_outside_the_window_is_due_when_the_window_opens() -> None:
    policy = Policy(window=OFFICE)
    published = berlin(2026, 1, 31, 12)  # thirty days later is a Monday at noon
    assert due_at(policy, published) == published + timedelta(days=30)
    saturday = berlin(2026, 2, 5, 12)
    assert due_at(policy, saturday) == berlin(2026, 3, 9, 9)
    assert not is_due(policy, saturday, berlin(2026, 3, 8, 12))
    assert is_due(policy, saturday, berlin(2026, 3, 9, 9))


def test_an_overdue_value_waits_for_the_next_opening_too() -> None:
    policy, published = Policy(window=OFFICE), berlin(2026, 1, 1, 12)
    assert not is_due(policy, published, berlin(2026, 6, 6, 12))
    assert is_due(policy, published, berlin(2026, 6, 8, 15, 59))


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        (berlin(2026, 3, 2, 9), True),
        (berlin(2026, 3, 2, 9) - SECOND, False),
        (berlin(2026, 3, 2, 16) - SECOND, True),
        (berlin(2026, 3, 2, 16), False),
        (berlin(2026, 3, 1, 12), False),
        (berlin(2026, 3, 27, 15, 59), True),  # the Friday before the change
        (berlin(2026, 3, 30, 9), True),  # the Monday after it: 07:00 UTC, no longer 08:00
        (datetime(2026, 3, 30, 7, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 27, 7, 30, tzinfo=UTC), False),
        (datetime(2026, 10, 26, 8, 0, tzinfo=UTC), True),
        (datetime(2026, 10, 26, 7, 30, tzinfo=UTC), False),
    ],
)
def test_a_window_is_open_from_its_opening_for_its_length(at: datetime, is_open: bool) -> None:
    assert OFFICE.is_open(at) is is_open


def test_the_next_opening_is_now_where_it_is_open_and_in_utc_always() -> None:
    inside = berlin(2026, 3, 2, 10)
    assert OFFICE.next_open(inside) == inside
    opening = OFFICE.next_open(berlin(2026, 3, 27, 16))
    assert opening == berlin(2026, 3, 30, 9)
    assert opening.utcoffset() == timedelta(0)


def test_an_opening_in_the_hour_that_spring_skips_comes_right_after_it() -> None:
    """As Debian's cron does it: 02:30 does not exist on that day, so the window opens at 03:00 summer time."""
    night = Window(opens="30 2 * * *", length=HOUR, zone=BERLIN)
    assert night.next_open(berlin(2026, 3, 28, 12)) == berlin(2026, 3, 29, 3)
    assert night.is_open(berlin(2026, 3, 29, 3, 59))
    assert not night.is_open(berlin(2026, 3, 29, 4))


def test_an_opening_in_the_hour_that_autumn_repeats_comes_once() -> None:
    night = Window(opens="30 2 * * *", length=timedelta(minutes=20), zone=BERLIN)
    opened = night.next_open(berlin(2026, 10, 24, 12))
    assert opened == berlin(2026, 10, 25, 2, 30, fold=0)
    assert night.next_open(opened + timedelta(minutes=20)) == berlin(2026, 10, 26, 2, 30)


@pytest.mark.parametrize("change", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_a_window_across_the_change_is_as_long_as_it_says(change: datetime) -> None:
    night = Window(opens="0 22 * * *", length=timedelta(hours=8), zone=BERLIN)
    opened = night.next_open(change - 8 * HOUR)
    assert opened < change + HOUR < opened + 8 * HOUR
    assert night.is_open(opened + 8 * HOUR - SECOND)
    assert not night.is_open(opened + 8 * HOUR)


@settings(max_examples=150, deadline=None)
@given(
    change=st.sampled_from([SPRING, AUTUMN]),
    minutes=st.integers(-36 * 60, 36 * 60),
    opens=st.sampled_from(["0 9 * * 1-5", "30 2 * * *", "0 3 * * *", "15 */6 * * *", "0 22 * * 6,0"]),
    length=st.sampled_from([timedelta(minutes=20), HOUR, timedelta(hours=5)]),
)
def test_a_window_is_open_exactly_after_its_openings(change: datetime, minutes: int, opens: str, length: timedelta) -> None:
    """Against the openings listed forwards, from days before."""
    now, window = change + timedelta(minutes=minutes), Window(opens=opens, length=length, zone=BERLIN)
    assume(not AUTUMN + HOUR <= now < AUTUMN + 2 * HOUR)  # the second time of the hour that autumn repeats
    openings = [at.astimezone(UTC) for at, _ in zip(CronSim(opens, (change - timedelta(days=9)).astimezone(ZoneInfo(BERLIN))), range(80))]  # noqa: B905
    assert window.is_open(now) is any(at <= now < at + length for at in openings)
    assert window.next_open(now) == (now if window.is_open(now) else next(at for at in openings if at > now))


def test_a_window_longer_than_its_period_is_always_open() -> None:
    window = Window(opens="0 0 * * *", length=timedelta(days=2))
    assert all(window.is_open(SPRING + timedelta(minutes=37 * step)) for step in range(100))


def test_an_early_start_comes_before_the_due_date_and_moves_it_not() -> None:
    policy, published = Policy(early=HOUR), datetime(2026, 1, 1, tzinfo=UTC)
    assert starts_at(policy, published) == due_at(policy, published) - HOUR
    assert is_due(policy, published, due_at(policy, published) - HOUR)
    assert not is_due(policy, published, due_at(policy, published) - HOUR - SECOND)


@given(st.text(min_size=1, max_size=20), st.integers(1, 400), st.floats(0, 1))
def test_a_spread_is_the_credentials_own_and_within_its_bounds(name: str, days: int, spread: float) -> None:
    policy = Policy(cryptoperiod=timedelta(days=days))
    early = early_by(name, policy, spread)
    assert timedelta(0) <= early <= min(policy.cryptoperiod * spread, SPREAD_MAX)
    assert early == early_by(name, policy, spread)


def test_ten_thousand_of_one_birthday_do_not_start_in_one_hour() -> None:
    starts = [early_by(f"chat-{number}", Policy(), 0.05) for number in range(10_000)]
    busiest = max(sum(hour * HOUR <= start < (hour + 1) * HOUR for start in starts) for hour in range(12))
    assert busiest < 1_100


@given(st.integers(0, 730 * 86_400), st.integers(0, 86_400))
@settings(max_examples=60)
def test_an_early_start_is_inside_the_window_and_never_after_the_due_date(at: int, seconds: int) -> None:
    policy, published = Policy(window=OFFICE, early=timedelta(seconds=seconds)), datetime(2026, 1, 1, tzinfo=UTC) + at * SECOND
    start = starts_at(policy, published)
    assert start <= due_at(policy, published)
    assert OFFICE.is_open(start)


def test_a_window_is_missed_when_it_has_closed_and_not_before() -> None:
    policy, due = Policy(window=OFFICE), berlin(2026, 3, 9, 9)
    assert window_missed(policy, due, berlin(2026, 3, 9, 15, 59)) is None
    assert window_missed(policy, due, berlin(2026, 3, 9, 16)) == berlin(2026, 3, 9, 16)
    assert window_missed(policy, due, berlin(2026, 3, 12, 8)) == berlin(2026, 3, 11, 16)
    assert window_missed(Policy(), due, berlin(2026, 3, 12, 8)) is None


def test_windows_missed_over_a_change_of_daylight_saving_close_at_the_same_hour_of_the_wall() -> None:
    night = Window(opens="30 1 * * *", length=timedelta(hours=2), zone=BERLIN)
    for day in (SPRING, AUTUMN):
        due = day - timedelta(days=1)
        closed = window_missed(Policy(window=night), due, day + timedelta(hours=12))
        assert closed is not None
        assert closed == night.last_closed(closed - 2 * HOUR, closed)
        assert not night.is_open(closed)
