"""What an idle fleet may cost: a promise with a number."""

from datetime import timedelta

from tests.bench.idle import at_rest, days, live

CALLS_A_DAY_MAX = 30


async def test_a_quiet_credential_costs_at_most_thirty_calls_a_day() -> None:
    for day in await days(at_rest(8), 4):
        assert max(cost.calls for cost in day) <= CALLS_A_DAY_MAX
        assert max(cost.writes for cost in day) <= 2
        assert min(cost.looks for cost in day) >= 1


async def test_a_daemon_that_starts_anew_every_two_hours_costs_little_more() -> None:
    town = at_rest(2)
    await days(town, 1)
    before = len(town.asked("c0"))
    for _ in range(12):
        town.begin()
        await live(town, timedelta(hours=2))
    assert len(town.asked("c0")) - before <= CALLS_A_DAY_MAX + 12, "an account is asked for once a start"


async def test_an_account_that_accepts_no_key_costs_as_little_and_is_noticed_when_it_does_again() -> None:
    town = at_rest(1)
    town.worlds["c0"].local_auth = False
    for day in await days(town, 2):
        assert day[0].calls <= CALLS_A_DAY_MAX
    town.worlds["c0"].local_auth = True
    await live(town, timedelta(hours=2.1))
    assert [fields["because"] for fields in town.told("drifted")] == ["local auth is on again"]
