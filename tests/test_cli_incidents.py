"""`rotator incidents`: what a person sees of a case, says about it, and takes to the post-mortem."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from rotator.cli import main
from rotator.cli.sandbox import write_settings
from rotator.core.credential import Reason, Slot
from rotator.core.incident import Incident, State
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed, fingerprint
from rotator.ledger.opening import open_ledger
from rotator.ledger.store import Ledger
from rotator.sandbox import SandboxThread

DONE, FAILED, USAGE, REFUSED, NOTHING_MATCHED = 0, 1, 2, 3, 4
ACCOUNT = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/chat-prod"
SETTINGS = f"""\
ledger: sqlite:///rotator.db
credentials:
  - name: chat-prod
    account: {ACCOUNT}
    secret: https://kv.vault.azure.net/secrets/chat-key
"""


@pytest.fixture(autouse=True)
def quiet_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


class Desk:
    """A person at a terminal without a terminal, and the ledger behind it."""

    def __init__(self, settings: Path) -> None:
        self.settings = settings

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["incidents", *arguments, "--config", str(self.settings)], prog_name="rotator")

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--output", "json")
        assert done.exit_code == DONE, done.output
        return json.loads(done.stdout)

    def ledger(self, work: Callable[[Ledger], Awaitable[Any]]) -> Any:
        async def opened() -> Any:
            async with open_ledger(f"sqlite:///{self.settings.with_name('rotator.db')}") as ledger:
                return await work(ledger)

        return asyncio.run(opened())

    def file(self, identity: str, state: State = State.HELD, **changes: Any) -> Incident:
        told = replace(a_case(identity, state), **changes)
        return self.ledger(lambda ledger: ledger.cases.file(told))  # type: ignore[no-any-return]

    def states(self) -> dict[str, str]:
        rows = self.json("list", "--all")
        return {row["incident"]: row["state"] for row in rows}


def a_case(identity: str, state: State) -> Incident:
    now = datetime.now(UTC)
    return Incident(
        id=identity,
        credential="chat-prod",
        account=ACCOUNT,
        fingerprint=fingerprint(f"the value of {identity}"),
        slot=Slot.KEY1,
        reason=Reason.KEY_COMPROMISE,
        mode=Mode.DRAIN,
        source="github",
        note="in a gist",
        reported_at=now,
        deadline=now + timedelta(minutes=2),
        state=state,
        held_because="21 cases were opened within the hour" if state is State.HELD else "",
    )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    path = tmp_path / "rotator.yaml"
    path.write_text(SETTINGS)
    return Desk(path)


# --- list and show ------------------------------------------------------------------------------------------------------------


def test_a_case_that_is_over_is_listed_for_as_long_as_its_alert_is_not_closed_at_its_source(desk: Desk) -> None:
    desk.file("inc-c", State.CLOSED)
    stored = "INSERT INTO reports (id, source, source_id, matter, reported_at, clues, verdict, incident, closing, closing_told, due_at)"
    clues = '{"fingerprints": [], "sha256": [], "hmsl_hash": [], "held_by": "", "likely": true}'
    with sqlite3.connect(desk.settings.with_name("rotator.db")) as connection:
        values = ("rep-1", "github", "o/r#1", "leak", 1, clues, "compromised", "inc-c", "failed", "403; a new token", 1_893_456_000_000)
        connection.execute(f"{stored} VALUES ({', '.join('?' * len(values))})", values)
    (row,) = desk.json("list")
    assert (row["incident"], row["reports_not_closed"]) == ("inc-c", 1)
    assert desk.json("list", "--state", "open") == []
    assert "not closed at its source" in " ".join(desk.run("list").stdout.split())
    told = desk.json("show", "inc-c")["sources"]["shown"][0]
    assert told["closing_told"] == "not closed at its source, because 403; a new token; tried again at 2030-01-01 00:00:00 UTC"
    assert told["closing_tried_again_at"] == "2030-01-01T00:00:00.000Z"


def test_what_waits_for_a_person_is_listed_first_and_what_is_over_not_at_all(desk: Desk) -> None:
    for name, state in (("inc-c", State.CLOSED), ("inc-o", State.OPEN), ("inc-h", State.HELD), ("inc-r", State.REVOKED)):
        desk.file(name, state)
    assert [row["incident"] for row in desk.json("list")] == ["inc-h", "inc-o", "inc-r"]
    assert [row["incident"] for row in desk.json("list", "--all")] == ["inc-h", "inc-o", "inc-r", "inc-c"]
    assert [row["incident"] for row in desk.json("list", "--state", "closed")] == ["inc-c"]
    assert desk.json("list", "--credential", "another") == []
    table = desk.run("list")
    assert "21 cases were opened" in table.stdout
    assert "rotator incidents show inc-h, then approve or dismiss" in table.stderr


def test_an_empty_list_is_said_in_words_and_is_empty_for_programs(desk: Desk) -> None:
    assert desk.json("list") == []
    assert "0 incident(s)" in desk.run("list").stdout


def test_a_case_is_shown_whole_by_the_beginning_of_its_id(desk: Desk) -> None:
    desk.file("inc-abcdef")
    shown = desk.run("show", "inc-abc")
    assert shown.exit_code == DONE
    for said in ("reported", "stored", "recognised", "held", "21 cases were opened", "#1", "Not proven, not known", "is not revoked"):
        assert said in shown.stdout
    known = desk.json("show", "abc")
    assert known["incident"] == "inc-abcdef"
    assert [line["what"] for line in known["timeline"]] == ["reported", "stored", "recognised", "held"]
    assert known["figures"]["exposure"]["seconds"] is None


def test_an_unknown_id_is_4_and_an_ambiguous_one_2_each_with_what_to_type(desk: Desk) -> None:
    desk.file("inc-a1")
    desk.file("inc-a2")
    for command in (["show"], ["report"], ["approve", "--yes"], ["dismiss", "--yes", "--reason", "x"]):
        unknown = desk.run(command[0], "zzz", *command[1:])
        assert (unknown.exit_code, "`rotator incidents list --all`" in unknown.stderr) == (NOTHING_MATCHED, True), command
        several = desk.run(command[0], "inc-a", *command[1:])
        assert (several.exit_code, "inc-a1, inc-a2" in several.stderr) == (USAGE, True), command
    assert desk.run("show", "  ").exit_code == NOTHING_MATCHED


# --- approve and dismiss --------------------------------------------------------------------------------------------------------


def test_without_a_terminal_and_a_yes_nothing_is_decided(desk: Desk) -> None:
    desk.file("inc-h")
    for command in (["approve", "inc-h"], ["dismiss", "inc-h", "--reason", "a test key"]):
        done = desk.run(*command)
        assert (done.exit_code, done.stdout) == (REFUSED, "")
        assert "add --yes" in done.stderr
    assert desk.states() == {"inc-h": "held"}


def test_approved_it_is_open_and_says_what_comes_next(desk: Desk) -> None:
    case = desk.file("inc-h")
    done = desk.run("approve", "inc-h", "--yes", "--by", "ada", "--reason", "it is real")
    assert done.exit_code == DONE
    assert f"rotator revoke --fingerprint {case.fingerprint}" in done.stdout
    assert desk.states() == {"inc-h": "open"}
    (word,) = [line for line in desk.json("show", "inc-h")["timeline"] if line["what"] == "approved"]
    assert word["told"] == "by ada: it is real"
    again = desk.run("approve", "inc-h", "--yes")
    assert (again.exit_code, "nothing to do" in again.stderr) == (DONE, True)


def test_who_decides_is_the_user_of_the_machine_where_nobody_is_named(desk: Desk) -> None:
    desk.file("inc-h")
    desk.run("approve", "inc-h", "--yes")
    (word,) = [line for line in desk.json("show", "inc-h")["timeline"] if line["what"] == "approved"]
    assert "@" in word["told"]


def test_a_dismissal_needs_a_reason_and_is_not_turned_round_by_an_approval(desk: Desk) -> None:
    case = desk.file("inc-o", State.OPEN)
    assert desk.run("dismiss", "inc-o", "--yes").exit_code == USAGE
    assert desk.run("dismiss", "inc-o", "--yes", "--reason", " ").exit_code == USAGE
    assert desk.json("dismiss", "inc-o", "--yes", "--reason", "a key of the training account")["state"] == "dismissed"
    assert desk.run("dismiss", "inc-o", "--yes", "--reason", "again").exit_code == DONE
    refused = desk.run("approve", "inc-o", "--yes")
    assert (refused.exit_code, f"rotator revoke --fingerprint {case.fingerprint}" in refused.stderr) == (REFUSED, True)


def test_what_is_revoked_cannot_be_dismissed(desk: Desk) -> None:
    desk.file("inc-r", State.REVOKED)
    done = desk.run("dismiss", "inc-r", "--yes", "--reason", "late")
    assert (done.exit_code, "nobody can undo" in done.stderr) == (REFUSED, True)


def test_a_case_that_the_settings_do_not_name_is_not_approved_into_the_void(desk: Desk) -> None:
    desk.file("inc-h", credential="long-gone")
    done = desk.run("approve", "inc-h", "--yes")
    assert (done.exit_code, "nobody would act on it" in done.stderr) == (USAGE, True)
    assert desk.states() == {"inc-h": "held"}


# --- the post-mortem ------------------------------------------------------------------------------------------------------------


def test_a_report_is_written_anchored_once_and_known_again(desk: Desk, tmp_path: Path) -> None:
    desk.file("inc-h")
    page = tmp_path / "inc-h.md"
    first = desk.json("report", "inc-h", "--format", "markdown", "--to", str(page))
    again = desk.json("report", "inc-h", "--format", "markdown", "--to", str(page))
    assert (first["anchored_now"], again["anchored_now"]) == (True, False)
    assert (first["sha256"], first["event"]) == (again["sha256"], again["event"])
    assert page.read_text().startswith("# Incident inc-h: chat-prod")
    known = desk.run("report", "inc-h", "--verify", str(page))
    assert (known.exit_code, "the chain is whole" in known.stdout) == (DONE, True)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".inc-h")] == []


def test_standard_output_is_the_report_byte_for_byte_and_the_hash_is_beside_it(desk: Desk, tmp_path: Path) -> None:
    desk.file("inc-h")
    for form, options in (("markdown", []), ("json", ["--output", "json"]), ("json", ["--format", "json"])):
        done = desk.run("report", "inc-h", *options)
        copy = tmp_path / f"copy.{form}"
        copy.write_bytes(done.stdout_bytes)
        assert "sha256" in done.stderr
        assert desk.run("report", "inc-h", "--verify", str(copy)).exit_code == DONE, form
    assert json.loads((tmp_path / "copy.json").read_text())["incident"] == "inc-h"


def test_a_file_that_somebody_changed_is_no_report_any_more(desk: Desk, tmp_path: Path) -> None:
    desk.file("inc-h")
    desk.file("inc-o", State.OPEN)
    page = tmp_path / "report.md"
    desk.run("report", "inc-h", "--to", str(page))
    assert desk.run("report", "inc-o", "--verify", str(page)).exit_code == FAILED, "nor is it that of another case"
    page.write_text(page.read_text().replace("held", "closed"))
    changed = desk.run("report", "inc-h", "--verify", str(page))
    assert (changed.exit_code, "not a report of inc-h as it was written" in changed.stderr) == (FAILED, True)


def test_an_anchor_in_a_broken_chain_proves_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.file("inc-h")
    page = tmp_path / "report.md"
    desk.run("report", "inc-h", "--to", str(page))
    with sqlite3.connect(desk.settings.with_name("rotator.db")) as connection:
        connection.execute("UPDATE audit SET fields = replace(fields, 'drain', 'cut') WHERE seq = 1")
    broken = desk.run("report", "inc-h", "--verify", str(page))
    assert (broken.exit_code, "the chain is broken" in broken.stderr) == (FAILED, True)


def test_a_report_that_cannot_be_written_is_not_anchored(desk: Desk, tmp_path: Path) -> None:
    desk.file("inc-h")
    done = desk.run("report", "inc-h", "--to", str(tmp_path / "nowhere" / "report.md"))
    assert (done.exit_code, "Nothing was anchored" in done.stderr) == (FAILED, True)
    events = desk.ledger(_events)
    assert "report.anchored" not in events


async def _events(ledger: Ledger) -> list[str]:
    return [event.event async for event in ledger.audit.events()]


def test_verify_writes_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.file("inc-h")
    some = tmp_path / "some.md"
    some.write_text("anything")
    assert desk.run("report", "inc-h", "--verify", str(some), "--to", str(tmp_path / "x")).exit_code == USAGE


# --- along the corridor, with a loopback Azure ----------------------------------------------------------------------------------


def test_a_held_leak_is_left_alone_until_it_is_approved_and_then_told_to_the_proof(tmp_path: Path) -> None:
    with SandboxThread(tmp_path, seed=21) as azure:
        settings, _ = write_settings(tmp_path, azure, azure.furnish(1), overlap="0s")
        desk, key = Desk(settings), str(azure.account("chat-prod").keys["key1"])
        case = desk.file("inc-held", fingerprint=Sealed(key).fingerprint, account=azure.account("chat-prod").id)

        def outside(*arguments: str) -> Any:
            done = CliRunner().invoke(main, [*arguments, "--config", str(settings), "--output", "json"], prog_name="rotator")
            assert key not in done.output
            return json.loads(done.stdout)

        (row,) = outside("status")
        assert (row["incident"], row["held"]) == (None, case.id)
        assert "inc-held" in CliRunner().invoke(main, ["status", "--config", str(settings)]).stdout
        outside("rotate", "chat-prod")
        assert azure.account("chat-prod").keys["key1"] == key, "nothing is done about what waits for a person"

        assert desk.run("approve", "inc-held", "--yes").exit_code == DONE
        (row,) = outside("revoke", "--fingerprint", case.fingerprint, "--yes")
        assert row["outcome"] == "dead"
        (row,) = outside("status")
        assert (row["incident"], row["held"]) == (None, None)

        known = desk.json("show", "inc-held")
        whats = [line["what"] for line in known["timeline"]]
        said = ["reported", "held", "approved", "reported"]
        way = [*said, "published", "revoke_called", "revoked", "first_401", "dead", "retired", "closed"]
        assert [what for what in whats if what in way] == way
        assert (known["state"], known["figures"]["time_to_dead"]["at_most"]) == ("closed", False)
        assert 0 < known["figures"]["exposure"]["seconds"] <= known["figures"]["time_to_dead"]["seconds"]
        assert known["figures"]["waited_for_a_person"]["seconds"] > 0
        assert key not in json.dumps(known)
        assert desk.run("report", "inc-held", "--to", str(tmp_path / "report.md")).exit_code == DONE
        page = (tmp_path / "report.md").read_text()
        assert key not in page
        assert "3x401" in page
