"""`rotator revoke --all` against the loopback Azure: what it takes, that it goes on, who is left, and a second person's word."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.cli.everything import place_for
from rotator.cli.sandbox import write_settings
from rotator.core.batch import Batch, batch_of, is_own
from rotator.core.estimate import Budget, estimate, spread
from rotator.core.forecast import Forecast
from rotator.core.incident import Incident, State, reported_again
from rotator.core.policy import Mode
from rotator.core.sealed import fingerprint
from rotator.ledger.opening import open_ledger
from rotator.sandbox import SandboxThread
from tests.core.situations import NOW, A, B, case
from tests.test_cli import DONE, FAILED, NOTHING_MATCHED, REFUSED, USAGE, Estate

NAMES = ["chat-prod", "agents", "speech", "translate"]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Estate]:
    """Four accounts, two of which are worked on at once."""
    with SandboxThread(tmp_path, seed=41) as azure:
        settings, _ = write_settings(tmp_path, azure, azure.furnish(len(NAMES)), overlap="0s")
        limit(settings, concurrency=2)
        yield Estate(azure, settings)


def limit(settings: Path, **limits: Any) -> None:
    document = yaml.safe_load(settings.read_text(encoding="utf-8"))
    document["limits"] = {**document.get("limits", {}), **limits}
    settings.write_text(yaml.safe_dump(document), encoding="utf-8")


def mints(town: Estate) -> int:
    return town.mutations().count("RegenerateKey")


def test_every_active_key_is_killed_and_the_estimate_comes_first(town: Estate) -> None:
    before = {name: town.key(name) for name in NAMES}
    planned = town.json("revoke", "--all", "--dry-run")
    assert {row["name"]: row["outcome"] for row in planned} == dict.fromkeys(NAMES, "planned")
    takes = planned[0]["estimate"]
    assert takes["accounts"] == 4
    assert town.mutations() == []

    town.azure.clear_journal()
    done = town.run("revoke", "--all", "--yes", "--reason", "the vault was copied")
    assert done.exit_code == DONE, done.output
    assert "4 account(s), about" in done.stderr
    assert "drain: 4 account(s), 0 dependent(s); 4 name none" in done.stderr
    assert "4 of 4 dead" in done.stderr
    assert "last 401 2" in done.stderr
    for name, old in before.items():
        assert old not in town.azure.account(name).keys.values()
        assert town.published(name) in town.azure.account(name).keys.values()
    written = sum(entry.operation in ("RegenerateKey", "ListKeys", "UpdateAccount") for entry in town.azure.journal)
    assert takes["writes"] / 2 <= written <= takes["writes"] * 2, "the estimate is no estimate"


def test_both_slots_of_all_are_killed(town: Estate) -> None:
    before = {key for name in NAMES for key in town.azure.account(name).keys.values()}
    rows = town.json("revoke", "--all", "--slot", "both", "--mode", "cut", "--yes")
    assert {row["outcome"] for row in rows} == {"dead"}
    assert not before & {key for name in NAMES for key in town.azure.account(name).keys.values()}


def test_who_is_left_is_named_and_the_same_command_goes_on_with_these_alone(town: Estate) -> None:
    old = town.key("agents")
    town.azure.fault("RegenerateKey", "403", times=1000, account="agents")
    done = town.run("revoke", "--all", "--mode", "cut", "--yes", "--timeout", "3s")
    assert done.exit_code == FAILED, done.output
    assert "NOT revoked: agents." in done.stderr
    assert "3 of 4 dead, 1 NOT" in done.stderr
    killed = {name: town.published(name) for name in NAMES if name != "agents"}

    town.azure.clear_faults()
    rows = town.json("revoke", "--all", "--yes")
    assert {row["name"]: row["outcome"] for row in rows} == {"agents": "dead", **dict.fromkeys(killed, "already_dead")}
    assert old not in town.azure.account("agents").keys.values()
    assert {name: town.published(name) for name in killed} == killed, "a key that replaced a dead one was killed again"

    anew = town.json("revoke", "--all", "--yes", "--anew", "--dry-run")
    assert {row["outcome"] for row in anew} == {"planned"}


def test_an_account_that_nobody_can_tell_about_holds_up_no_other(town: Estate) -> None:
    town.azure.fault("GetSecret", "403", times=1000, secret="speech-key")
    rows = town.json("revoke", "--all", "--yes", code=FAILED)
    assert {row["name"]: row["outcome"] for row in rows} == {**dict.fromkeys(NAMES, "dead"), "speech": "failed"}
    assert "cannot be seen" in next(row["because"] for row in rows if row["name"] == "speech")


def test_without_a_terminal_it_needs_a_yes_and_takes_no_name_beside_it(town: Estate) -> None:
    done = town.run("revoke", "--all")
    assert done.exit_code == REFUSED
    assert "4 account(s) without a yes" in done.stderr
    assert town.run("revoke", "chat-prod", "--all", "--yes").exit_code == USAGE
    assert town.mutations() == []


# --- a second person ---------------------------------------------------------------------------------------------------------


def ordered_by_another(town: Estate) -> str:
    """The same order, as if another person had given it: nobody here can be two."""

    async def retold() -> str:
        async with open_ledger(f"sqlite:///{town.settings.with_name('rotator.db')}") as ledger:
            found = [one.case for one in await ledger.cases.listed([State.HELD])]
            batch = batch_of(found[0].source)
            assert batch
            return batch.id

    identity = asyncio.run(retold())
    town.ledger(f"UPDATE incidents SET source = 'operator alice@bastion, {identity}' WHERE state = 'held'")
    return identity


def test_with_a_second_approver_nothing_is_revoked_until_another_person_says_so(town: Estate) -> None:
    limit(town.settings, second_approver=True)
    before = {name: town.key(name) for name in NAMES}
    done = town.run("revoke", "--all", "--yes", "--mode", "cut")
    assert done.exit_code == REFUSED, done.output
    assert "Nothing is revoked yet" in done.stderr
    again = town.run("revoke", "--all", "--yes", "--mode", "cut")
    assert again.exit_code == REFUSED, "a repetition is no approval"
    held = town.json("incidents", "list", "--state", "held")
    assert len(held) == 4
    assert mints(town) == 0

    identity = batch_of(held[0]["source"])
    assert identity
    own = town.run("incidents", "approve", "--all-of", identity.id, "--yes")
    assert own.exit_code == REFUSED
    assert "another person has to approve it" in own.stderr
    assert town.run("incidents", "approve", "--all-of", identity.id, "--yes", "--by", "bob").exit_code == REFUSED
    assert town.run("incidents", "approve", held[0]["incident"], "--yes").exit_code == REFUSED
    assert town.run("incidents", "approve", "--all-of", "all-00000000", "--yes").exit_code == NOTHING_MATCHED

    name = ordered_by_another(town)
    assert town.run("incidents", "approve", "--all-of", name, "--yes", "--by", "Alice").exit_code == REFUSED
    approved = town.json("incidents", "approve", "--all-of", name, "--yes")
    assert len(approved["approved"]) == 4
    rows = town.json("revoke", "--all", "--yes")
    assert {row["name"]: row["outcome"] for row in rows} == dict.fromkeys(NAMES, "dead")
    assert not set(before.values()) & {key for name in NAMES for key in town.azure.account(name).keys.values()}


def test_nobody_is_two_people_by_another_host_or_another_spelling() -> None:
    batch = Batch(id="all-00c0ffee", by="Alice@laptop")
    assert batch_of(batch.source) == batch
    assert is_own(batch, ["bob", "alice@bastion"])
    assert not is_own(batch, ["bob@laptop"])
    assert batch_of("operator") is None
    assert batch_of("github, all-00c0ffee") is None


def test_what_a_person_orders_anew_waits_for_another_person_also_where_it_was_dismissed() -> None:
    batch = Batch(id="all-00c0ffee", by="alice@laptop")
    ordered = replace(case(A, state=State.HELD), source=batch.source, held_because=batch.waits, mode=Mode.CUT)
    for state in (State.HELD, State.DISMISSED):
        again = reported_again(case(A, state=state), ordered)
        assert (again.state, again.source, again.mode) == (State.HELD, batch.source, Mode.CUT)


# --- what it takes -----------------------------------------------------------------------------------------------------------


def test_an_estimate_is_held_up_by_the_budget_or_by_the_round_trips() -> None:
    fleet: list[tuple[str, list[Forecast]]] = [("sub", []) for _ in range(1000)]
    by_budget = estimate(fleet, Budget(burst=200, refill_per_s=10), at_once=32, round_trip_s=0.1)
    assert by_budget.held_up_by == "the write budget of Resource Manager"
    assert by_budget.seconds == pytest.approx((2000 - 200) / 10)
    by_trips = estimate(fleet, Budget(burst=10_000, refill_per_s=10), at_once=1, round_trip_s=0.1)
    assert by_trips.held_up_by == "round trips"
    assert by_trips.seconds == pytest.approx(400)
    assert by_budget.turn(500) == timedelta(seconds=by_budget.seconds / 2)
    assert (spread(0), spread(50), spread(150)) == (timedelta(0), timedelta(0), timedelta(seconds=40))
    assert estimate([], Budget(burst=1, refill_per_s=1), at_once=1, round_trip_s=1).seconds == 0


def test_a_drain_that_waits_at_the_gate_has_its_whole_deadline(town: Estate) -> None:
    """The case of the last account is given the time until its turn beside what the policy grants."""
    limit(town.settings, concurrency=1)
    began = datetime.now(UTC)
    town.json("revoke", "--all", "--yes")
    cases = town.json("incidents", "list", "--all")
    spans = {row["credential"]: datetime.fromisoformat(row["deadline"]) - datetime.fromisoformat(row["reported_at"]) for row in cases}
    assert spans["chat-prod"] == timedelta(seconds=30)
    assert spans["translate"] > spans["agents"] > spans["chat-prod"]
    assert all(datetime.fromisoformat(row["reported_at"]) >= began - timedelta(seconds=1) for row in cases)
    assert fingerprint(town.published("translate")) not in {row["fingerprint"] for row in cases}


def test_killed_half_way_the_same_command_goes_on_and_kills_no_key_that_replaced_one(town: Estate) -> None:
    limit(town.settings, concurrency=1)
    before = {name: town.key(name) for name in NAMES}
    arguments = [sys.executable, "-m", "rotator", "revoke", "--all", "--yes", "--config", str(town.settings)]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while mints(town) < 3:  # the first account is through, the second is not
        assert process.poll() is None, "it ended too soon"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait(timeout=30)

    rows = town.json("revoke", "--all", "--yes")
    assert {row["name"] for row in rows} == set(NAMES)
    assert {row["outcome"] for row in rows} <= {"dead", "already_dead"}
    assert not set(before.values()) & {key for name in NAMES for key in town.azure.account(name).keys.values()}
    for name in NAMES:
        assert town.published(name) in town.azure.account(name).keys.values()
    assert mints(town) <= 2 * len(NAMES) + 1, "at most one extra mint, for the call whose answer was lost"
    assert town.run("audit", "verify").exit_code == DONE


# --- the gate -----------------------------------------------------------------------------------------------------------------


class Wall:
    """A clock that a test sets."""

    def now(self) -> datetime:
        return NOW

    async def sleep(self, length: timedelta) -> None:
        raise AssertionError("nobody sleeps here")


@pytest.mark.parametrize(
    "cases",
    [
        [case(A, mode=Mode.DRAIN, deadline=NOW)],
        [case(A, mode=Mode.CUT, deadline=NOW), case(B, mode=Mode.DRAIN, deadline=NOW + timedelta(milliseconds=20))],
    ],
    ids=["its deadline is over", "the first of its deadlines comes while it waits"],
)
def test_a_drain_goes_in_without_a_place_at_its_deadline(cases: list[Incident]) -> None:
    async def scenario() -> None:
        gate = asyncio.Semaphore(1)
        async with gate:
            async with asyncio.timeout(30), place_for(cases, gate, Wall()):
                assert gate.locked(), "whoever has the only place still has it"
            assert gate.locked(), "and no place was given back that was never taken"
        assert not gate.locked()

    asyncio.run(scenario())


def test_a_cut_waits_for_its_place_and_gives_it_back() -> None:
    async def scenario() -> list[str]:
        gate, told = asyncio.Semaphore(1), list[str]()

        async def one(name: str) -> None:
            async with place_for([case(A, mode=Mode.CUT, deadline=NOW)], gate, Wall()):
                told.append(f"{name} in")
                await asyncio.sleep(0)
                told.append(f"{name} out")

        await asyncio.gather(one("first"), one("second"))
        return told

    assert asyncio.run(scenario()) == ["first in", "first out", "second in", "second out"]
