"""Where credentials stand: what a person should look at first stands first, a page goes on where the one before ended."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.credential import Credential, Secret
from rotator.core.incident import State
from rotator.core.policy import Policy, Window
from rotator.core.standing import EDGES, EPOCH, MILLISECOND, Place, Rank, Remembered, Roll, column, leaf, read, roll, share, written
from tests.core.situations import DAY, HOUR, NOW

MONDAY_MORNINGS = Window(opens="0 9 * * 1", length=timedelta(hours=1))


def of(name: str, **policy: object) -> Credential:
    return Credential(name=name, account=name, secret=Secret(vault="https://kv", name=name), policy=Policy(**policy))  # type: ignore[arg-type]


def known(ages: dict[str, timedelta], **more: object) -> Remembered:
    published = {name: (NOW - age - EPOCH) // MILLISECOND for name, age in ages.items()}
    return Remembered(published_ms=published, **{"lagging": {}, "cases": {}, **more})  # type: ignore[arg-type]


def names(of_: Roll) -> list[str]:
    return [name for _, _, name in of_.places]


def rank(of_: Roll, name: str) -> Rank:
    return next(Rank(place[0]) for place in of_.places if place[2] == name)


def test_what_waits_for_a_person_stands_first_and_what_rests_last() -> None:
    every = ("rests", "lags", "unknown", "overdue", "very-overdue", "revoked", "leaked", "held")
    ages = {name: DAY for name in every if name != "unknown"} | {"overdue": 31 * DAY, "very-overdue": 60 * DAY}
    cases = {"revoked": [State.REVOKED], "leaked": [State.OPEN], "held": [State.CLOSED, State.HELD], "rests": [State.DEAD, State.UNPROVEN]}
    made = roll({name: of(name) for name in every}, known(ages, lagging={"lags": 1}, cases=cases), NOW)
    assert names(made) == ["held", "leaked", "revoked", "very-overdue", "overdue", "unknown", "lags", "rests"]


def test_everything_that_is_so_is_counted_though_only_the_worst_gives_the_place() -> None:
    made = roll({"a": of("a")}, known({"a": 40 * DAY}, lagging={"a": 2}, cases={"a": [State.OPEN]}), NOW)
    assert rank(made, "a") is Rank.LEAKED
    assert {rank for rank, those in made.so.items() if those} == {Rank.LEAKED, Rank.OVERDUE, Rank.LAGS}


@pytest.mark.parametrize(
    ("age", "window", "overdue"),
    [
        (30 * DAY - HOUR, None, False),
        (30 * DAY, None, True),
        (30 * DAY + HOUR, MONDAY_MORNINGS, False),  # NOW is Monday, noon: it was over at eleven, and the window had closed at ten
        (30 * DAY + 2 * HOUR, MONDAY_MORNINGS, False),  # over at ten, as the window closed
        (30 * DAY + 2 * HOUR + MILLISECOND, MONDAY_MORNINGS, True),
        (30 * DAY + 5 * HOUR, MONDAY_MORNINGS, True),
    ],
)
def test_overdue_is_past_its_cryptoperiod_with_a_window_in_between(age: timedelta, window: Window | None, overdue: bool) -> None:
    made = roll({"a": of("a", window=window)}, known({"a": age}), NOW)
    assert (rank(made, "a") is Rank.OVERDUE) is overdue


def test_one_that_is_in_the_settings_and_not_in_the_ledger_is_never_seen() -> None:
    assert rank(roll({"a": of("a")}, known({}), NOW), "a") is Rank.UNKNOWN


def test_one_that_left_the_settings_has_no_place() -> None:
    assert names(roll({}, known({"gone": DAY}), NOW)) == []


@pytest.mark.parametrize(("used", "where"), [(-1, 0), (0, 0), (0.05, 0), (0.1, 1), (0.95, 9), (1.0, 10), (1.49, 10), (1.5, 11), (99, 11)])
def test_a_column_has_what_used_up_so_much(used: float, where: int) -> None:
    assert column(used) == where


def test_the_columns_count_everyone_of_whom_a_publish_is_known() -> None:
    ages = {"young": DAY, "old": 29 * DAY, "late": 31 * DAY, "lost": 400 * DAY}
    made = roll({name: of(name) for name in (*ages, "never")}, known(ages), NOW)
    assert sum(made.ages) == 4
    assert (made.ages[0], made.ages[9], made.ages[10], made.ages[11]) == (1, 1, 1, 1)
    assert len(made.ages) == len(EDGES)


@given(st.integers(1, 120), st.integers(1, 50), st.sampled_from(["", "1", "z"]))
def test_pages_together_are_everyone_once_in_order(fleet: int, size: int, holding: str) -> None:
    ages = {f"c{number}": (number * 7 % 45) * DAY for number in range(fleet)}
    made = roll({name: of(name) for name in ages}, known(ages), NOW)
    seen: list[Place] = []
    after = None
    for _ in range(fleet + 2):
        page = leaf(made, after=after, holding=holding, rank=None, size=size)
        assert page.before == len(seen)
        seen += page.places
        if page.after is None:
            break
        after = read(written(page.after))
    assert seen == [place for place in made.places if holding in place[2]]


def test_a_page_goes_on_though_the_one_it_ended_with_was_rotated_meanwhile() -> None:
    ages = {"a": 40 * DAY, "b": 39 * DAY, "c": 38 * DAY}
    fleet = {name: of(name) for name in ages}
    first = leaf(roll(fleet, known(ages), NOW), after=None, holding="", rank=None, size=2)
    later = roll(fleet, known({**ages, "b": timedelta(0)}), NOW)
    assert [name for _, _, name in leaf(later, after=first.after, holding="", rank=None, size=2).places] == ["c", "b"]


@pytest.mark.parametrize(
    "text", ["", "3", "3.1", "3.1.", "9.1.a", "-1.1.a", "3.x.a", "3.-1.a", "٣.1.a", f"3.{'1' * 16}.a", f"3.1.{'a' * 201}"]
)
def test_what_is_no_place_is_none(text: str) -> None:
    assert read(text) is None


def test_a_name_with_dots_is_a_place() -> None:
    assert read("3.17.chat.prod.eu") == (3, 17, "chat.prod.eu")


def test_a_place_may_be_as_long_as_any_name_and_as_late_as_any_time() -> None:
    assert read(f"3.{'9' * 15}.{'a' * 200}") == (3, 10**15 - 1, "a" * 200)


@pytest.mark.parametrize(("age", "used"), [(DAY, 0.5), (3 * DAY, 1.5), (-HOUR, 0.0)], ids=["half", "over", "by a clock that is ahead"])
def test_how_much_of_its_cryptoperiod_a_value_has_used_up(age: timedelta, used: float) -> None:
    assert share(Policy(cryptoperiod=2 * DAY), NOW - age, NOW) == used
