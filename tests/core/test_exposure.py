"""Since when a value lay open, by the word of those who found it: bounds, whose word it is, and times that cannot be."""

from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.exposure import Bound, Said, Word, tightest, words
from tests.core.situations import DAY, HOUR, NOW


@pytest.mark.parametrize(
    ("at", "kept", "refused"),
    [
        (NOW - DAY, NOW - DAY, ""),
        (NOW + timedelta(minutes=4), NOW, ""),
        (NOW + timedelta(minutes=5), NOW, ""),
        (NOW + timedelta(minutes=5, microseconds=1), None, "it lies in the future"),
        (NOW + HOUR, None, "it lies in the future"),
        (datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC), ""),
        (datetime(1970, 1, 1, tzinfo=UTC), None, "it lies before the year 2000"),
        (datetime(9999, 12, 31, tzinfo=UTC), None, "it lies in the future"),
    ],
    ids=[
        "yesterday",
        "a clock that is a little ahead",
        "as far as clocks differ",
        "and no farther",
        "an hour to come",
        "y2k",
        "a clock never set",
        "the end of time",
    ],
)
def test_a_time_that_cannot_be_is_left_out_and_that_is_said(at: datetime, kept: datetime | None, refused: str) -> None:
    assert words(NOW, (Bound.LATEST, "created", at)) == (Word(bound=Bound.LATEST, what="created", at=kept, refused=refused),)


def test_who_says_no_time_says_nothing() -> None:
    assert words(NOW, (Bound.LATEST, "created", None)) == ()


def test_of_several_the_first_commit_and_the_first_alert_say_the_most() -> None:
    said = [
        Said(word=word, source="s", report=str(number))
        for number, word in enumerate(
            words(
                NOW,
                (Bound.LATEST, "b", NOW - HOUR),
                (Bound.LATEST, "a", NOW - 2 * HOUR),
                (Bound.EARLIEST, "c", NOW - DAY),
                (Bound.EARLIEST, "d", NOW + DAY),
            )
        )
    ]
    latest, earliest = tightest(said, Bound.LATEST), tightest(said, Bound.EARLIEST)
    assert latest
    assert earliest
    assert (latest.word.what, latest.at, earliest.word.what) == ("a", NOW - 2 * HOUR, "c")
    assert tightest([], Bound.LATEST) is None
