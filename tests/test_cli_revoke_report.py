"""`rotator revoke --report` against the loopback Azure: each tool's report, what is ours in it, and what cannot be used."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rotator.cli.sandbox import write_settings
from rotator.core.sealed import fingerprint
from rotator.sandbox import SandboxThread
from tests.test_cli import DONE, FAILED, NOTHING_MATCHED, REFUSED, USAGE, Estate


@pytest.fixture
def hamlet(tmp_path: Path) -> Iterator[Estate]:
    with SandboxThread(tmp_path, seed=31) as azure:
        settings, _ = write_settings(tmp_path, azure, azure.furnish(3), overlap="0s")
        yield Estate(azure, settings)


DATE = "2026-01-02T03:04:05Z"


def gitleaks(*found: tuple[str, str, int]) -> str:
    """`found`: (value, file, line) each."""
    return json.dumps(
        [
            {"RuleID": "generic-api-key", "Secret": value, "Match": f'key = "{value}"', "File": file, "StartLine": line, "Date": DATE}
            for value, file, line in found
        ]
    )


def trufflehog(value: str, file: str) -> str:
    found = {"SourceMetadata": {"Data": {"Filesystem": {"file": file}}}, "DetectorName": "AzureOpenAI", "Raw": value}
    return f'{{"level":"info","msg":"running"}}\n{json.dumps(found)}\n'


def ggshield(value: str, file: str) -> str:
    occurrence = {"match": value, "line_start": 7}
    incident = {"type": "Azure OpenAI Key", "occurrences": [occurrence]}
    return json.dumps({"scans": [{"entities_with_incidents": [{"filename": file, "incidents": [incident]}]}]})


def sarif(value: str, file: str) -> str:
    region = {"startLine": 3, "snippet": {"text": f"KEY={value}"}}
    place = {"physicalLocation": {"artifactLocation": {"uri": file}, "region": region}}
    run = {
        "tool": {"driver": {"name": "scanner"}},
        "results": [{"ruleId": "azure-key", "message": {"text": "a key"}, "locations": [place]}],
    }
    return json.dumps({"version": "2.1.0", "runs": [run]})


def test_a_hundred_findings_of_one_key_are_one_case_that_names_the_places(hamlet: Estate) -> None:
    key, other = hamlet.key("chat-prod"), hamlet.key("agents", "key2")
    found = [(key, f"src/part{number}.py", number) for number in range(100)]
    foreign = [(secrets.token_hex(16), "elsewhere.py", 1), (secrets.token_hex(16), "elsewhere.py", 2)]
    report = gitleaks(*found, (other, "agents.env", 5), *foreign)

    rows = hamlet.json("revoke", "--report", "-", "--yes", given=report)
    outcomes = {row["name"]: row["outcome"] for row in rows}
    assert outcomes == {"chat-prod": "dead", "agents": "dead", None: "not_ours"}
    ours = next(row for row in rows if row["name"] == "chat-prod")
    assert ours["findings_total"] == 100
    assert ours["findings"][0] == {
        "place": "src/part0.py:0",
        "rule": "generic-api-key",
        "slot": "key1",
        "fingerprint": fingerprint(key),
        "state": "live",
    }
    assert next(row for row in rows if row["name"] is None)["findings_total"] == 2
    assert key not in hamlet.azure.account("chat-prod").keys.values()
    assert other not in hamlet.azure.account("agents").keys.values()

    cases = hamlet.json("incidents", "list", "--all")
    (case,) = [case for case in cases if case["credential"] == "chat-prod"]
    assert "found 100 time(s) by gitleaks: src/part0.py:0" in case["note"]
    assert "committed 2026-01-02 03:04 UTC at the earliest, by its unverified word" in case["note"]
    assert "and 95 more places" in case["note"]
    assert case["source"] == "operator, with a report of gitleaks"


@pytest.mark.parametrize("form", [trufflehog, ggshield, sarif])
def test_every_tools_report_leads_to_the_key(hamlet: Estate, tmp_path: Path, form: Any) -> None:
    file = tmp_path / "report"
    file.write_text(form(hamlet.key("agents"), "deploy/values.yaml"), encoding="utf-8")
    (row,) = hamlet.json("revoke", "--report", str(file), "--dry-run")
    assert (row["name"], row["outcome"]) == ("agents", "planned")
    assert row["findings"][0]["place"].startswith("deploy/values.yaml")
    assert hamlet.mutations() == []


def test_a_person_sees_what_was_found_where_and_a_repetition_finds_it_dead(hamlet: Estate, tmp_path: Path) -> None:
    key, file = hamlet.key("chat-prod"), tmp_path / "notes.txt"
    file.write_text(f"hello\nOPENAI_API_KEY={key}\n", encoding="utf-8")
    done = hamlet.run("revoke", "--report", str(file), "--mode", "cut", "--yes")
    assert done.exit_code == DONE, done.output
    assert "line 2" in done.stdout
    assert "live" in done.stdout
    again = hamlet.run("revoke", "--report", str(file), "--yes")
    assert again.exit_code == DONE, again.output
    assert "already dead since" in again.stdout
    assert [entry for entry in hamlet.mutations() if entry == "RegenerateKey"] == ["RegenerateKey"]


def test_a_report_without_a_match_is_4_and_one_that_cannot_be_looked_for_everywhere_is_1(hamlet: Estate) -> None:
    for report, says in ((gitleaks((secrets.token_hex(16), "a.py", 1)), "1 finding(s): not ours"), ("[]", "holds no finding")):
        done = hamlet.run("revoke", "--report", "-", "--yes", given=report)
        assert done.exit_code == NOTHING_MATCHED, done.output
        assert says in done.stderr
    hamlet.azure.fault("ListKeys", "403", times=50, account="agents")
    done = hamlet.run("revoke", "--report", "-", "--yes", given=gitleaks((secrets.token_hex(16), "a.py", 1)))
    assert done.exit_code == FAILED
    assert "could not be asked" in done.stderr


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (gitleaks(("REDACTED", "a.py", 1)), "without --redact"),
        (json.dumps({"SourceMetadata": {}, "DetectorName": "x", "Raw": ""}), "--json"),
        (b"\xff\xff\x00", "not text"),
    ],
    ids=["redacted", "without a value", "no text"],
)
def test_a_report_that_holds_no_values_is_2_and_names_the_switch(hamlet: Estate, tmp_path: Path, report: Any, says: str) -> None:
    file = tmp_path / "report"
    file.write_bytes(report if isinstance(report, bytes) else report.encode())
    done = hamlet.run("revoke", "--report", str(file), "--yes")
    assert done.exit_code == USAGE
    assert says in done.stderr
    assert str(file) in done.stderr


def test_a_report_on_standard_input_needs_a_yes_and_a_file_has_to_be_there(hamlet: Estate, tmp_path: Path) -> None:
    done = hamlet.run("revoke", "--report", "-", given=gitleaks((hamlet.key("agents"), "a.py", 1)))
    assert done.exit_code == REFUSED
    assert "add --yes" in done.stderr
    for missing in (tmp_path / "none", tmp_path):
        assert hamlet.run("revoke", "--report", str(missing), "--yes").exit_code == USAGE
    assert hamlet.mutations() == []
