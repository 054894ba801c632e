"""Failed tries: told once a minute, too many are answered so, and both pass with time."""

from rotator.web.tries import AT_ONCE, PER_MINUTE, TOLD_EVERY_S, Tries


class Hands:
    """A clock whose hands are moved."""

    at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_many_at_once_are_too_many_and_one_is_told() -> None:
    tries = Tries(Hands())
    tried = [tries.failed() for _ in range(AT_ONCE + 5)]
    assert [one.too_often for one in tried] == [False] * AT_ONCE + [True] * 5
    assert [one.told for one in tried] == [1] + [0] * (AT_ONCE + 4)


def test_after_a_minute_it_is_told_how_many_there_were() -> None:
    hands = Hands()
    tries = Tries(hands)
    for _ in range(AT_ONCE + 5):
        tries.failed()
    hands.at += TOLD_EVERY_S
    tried = tries.failed()
    assert (tried.too_often, tried.told) == (False, AT_ONCE + 5)


def test_they_come_back_no_faster_than_the_rate() -> None:
    hands = Hands()
    tries = Tries(hands)
    for _ in range(AT_ONCE):
        tries.failed()
    hands.at += 2 * 60 / PER_MINUTE
    assert [tries.failed().too_often for _ in range(3)] == [False, False, True]


def test_who_goes_on_trying_too_often_makes_nobody_wait_longer() -> None:
    hands = Hands()
    tries = Tries(hands)
    for _ in range(10 * AT_ONCE):
        tries.failed()
    hands.at += 60 / PER_MINUTE
    assert [tries.failed().too_often for _ in range(2)] == [False, True]
