"""Two rotators, each with a ledger of its own, on one credential: they heal what they do to each other, and each says what it sees."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.core.rules.secret import HEALS_PER_HOUR_MAX
from rotator.core.stale import STRANGER_BELIEVED_AFTER
from rotator.sandbox import SandboxThread
from tests.sandbox.conftest import Estate, build_estate

NAME = "chat-prod"
A_ROUND = timedelta(seconds=30)
CALLS_OF_ONE = 2 + HEALS_PER_HOUR_MAX
"""What one rotator may regenerate here: one value for its order, the kill of the old one, and what it heals within the hour."""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Estate, Estate]]:
    with SandboxThread(tmp_path, seed=51) as azure:
        one = build_estate(azure, tmp_path, 1)
        yield one, another_ledger(one, tmp_path / "elsewhere")


def another_ledger(of: Estate, directory: Path) -> Estate:
    directory.mkdir()
    document = yaml.safe_load(of.settings.read_text(encoding="utf-8"))
    document["ledger"] = f"sqlite:///{directory / 'rotator.db'}"
    settings = directory / "rotator.yaml"
    settings.write_text(yaml.safe_dump(document), encoding="utf-8")
    return replace(of, directory=directory, settings=settings)


def status(estate: Estate) -> dict[str, Any]:
    done = estate.run("status", "--output", "json")
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)
    assert isinstance(row, dict)
    return row


def said(estate: Estate) -> int:
    return int(estate.rows("SELECT count(*) FROM audit WHERE event = 'second_writer'")[0][0])


def test_a_second_writer_is_told_by_its_tags_and_said_once(pair: tuple[Estate, Estate]) -> None:
    mine, theirs = pair
    assert mine.run("rotate", NAME, "--now").exit_code == 0
    assert theirs.run("rotate", NAME, "--now").exit_code == 0
    assert "second" not in str(theirs.rows("SELECT event FROM audit")), "what was there before a ledger began is nobody's guilt"
    because = status(mine)["because"]
    assert "this ledger never intended" in because
    assert "restored from an older copy" in because
    for _ in range(2):
        told = mine.run("rotate", NAME)
    assert "another rotator" in told.output or said(mine) == 1
    assert said(mine) == 1
    assert mine.run("rotate", NAME, "--now").exit_code == 0
    assert "never intended" not in status(mine)["because"], "its own version is given out again"
    assert "never intended" in status(theirs)["because"]


def test_a_ledger_that_was_lost_accuses_nobody(pair: tuple[Estate, Estate]) -> None:
    mine, _ = pair
    assert mine.run("rotate", NAME, "--now").exit_code == 0
    (mine.directory / "rotator.db").unlink()
    for _ in range(2):
        assert "never intended" not in status(mine)["because"]
        assert mine.run("rotate", NAME).exit_code == 0
    assert mine.run("rotate", NAME, "--now").exit_code == 0
    assert "never intended" not in status(mine)["because"]
    assert said(mine) == 0


def settled(pair: tuple[Estate, Estate]) -> list[dict[str, Any]]:
    """Each looks again at what the other one did last. A value that came right after one's own and was never published is taken for a list
    that lags, for a while; then it is believed."""
    deadline = time.monotonic() + (STRANGER_BELIEVED_AFTER + A_ROUND).total_seconds()
    rows: list[dict[str, Any]] = []
    for number in count():
        for estate in pair:
            estate.run("rotate", NAME, "--timeout", "30s")
        rows = [status(estate) for estate in pair]
        if number and (not any(row["phase"] == "unseen" for row in rows) or time.monotonic() > deadline):
            break
    return rows


@pytest.mark.parametrize(
    "orders",
    [
        (("rotate", NAME, "--now"), ("rotate", NAME, "--now")),
        (("revoke", NAME, "--mode", "cut", "--yes"), ("revoke", NAME, "--mode", "cut", "--yes")),
        (("revoke", NAME, "--yes"), ("rotate", NAME, "--now")),
    ],
    ids=["both rotate", "both cut", "one drains, one rotates"],
)
def test_a_race_of_two_ledgers_heals(pair: tuple[Estate, Estate], orders: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    old = pair[0].azure.account(NAME).keys["key1"]
    runs = [estate.start(*order, "--timeout", "60s") for estate, order in zip(pair, orders, strict=True)]
    told = [run.communicate(timeout=90) for run in runs]
    assert not any("Traceback" in err for _, err in told), told

    rows = settled(pair)
    assert len({row["active"] for row in rows}) == 1, ([(row["active"], row["phase"], row["because"]) for row in rows], told)
    assert rows[0]["active"], (rows, told)

    azure, account = pair[0].azure, pair[0].azure.account(NAME)
    versions, now = azure.secret(pair[0].fleet[0]["vault"], f"{NAME}-key"), datetime.now(UTC)
    current = versions[-1]
    assert current.enabled
    assert current.value in account.keys.values(), "the vault gives out a dead key"
    assert all(account.accepts(current.value, gateway, now) for gateway in account.gateways)
    assert old not in account.keys.values()
    published = {version.value for version in versions} - {current.value}
    assert not [value for value in published if any(account.accepts(value, gateway, now) for gateway in account.gateways)], told
    assert pair[0].mints(NAME) <= 2 * CALLS_OF_ONE, told
    for estate in pair:
        assert estate.run("audit", "verify").exit_code == 0
