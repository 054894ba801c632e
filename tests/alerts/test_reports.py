"""Scanners' reports as each tool writes them; and what is said where the values were taken out."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.alerts.reports import SIZE_BYTES_MAX, Report, ReportError, read
from rotator.core.sealed import Sealed
from tests.alerts.conftest import current_key, legacy_key

KEYS = {"current": current_key, "legacy": legacy_key}


@pytest.fixture(params=list(KEYS))
def key(request: pytest.FixtureRequest) -> str:
    return KEYS[request.param]()


def written(content: Any) -> Report:
    return read(content if isinstance(content, bytes) else json.dumps(content).encode())


def trufflehog(raw: str, **changes: Any) -> dict[str, Any]:
    where = {"Data": {"Git": {"commit": "0" * 40, "file": "settings.py", "repository": "https://github.com/o/r", "line": 7}}}
    return {
        "SourceMetadata": where,
        "SourceName": "trufflehog - git",
        "DetectorName": "AzureOpenAI",
        "Verified": False,
        "Raw": raw,
        **changes,
    }


def gitleaks(secret: str, match: str | None = None) -> dict[str, Any]:
    told = {"RuleID": "generic-api-key", "StartLine": 3, "File": "settings.py", "Commit": "0" * 40, "Fingerprint": "x"}
    return {**told, "Secret": secret, "Match": f"api_key = '{secret}'" if match is None else match}


def ggshield(match: str) -> dict[str, Any]:
    occurrence = {"match": match, "type": "apikey", "line_start": 3, "line_end": 3}
    entity = {
        "filename": "settings.py",
        "incidents": [{"type": "Azure OpenAI", "occurrences": [occurrence]}],
    }
    return {"id": "cli", "type": "path_scan", "scans": [{"scans": [{"entities_with_incidents": [entity]}]}], "total_incidents": 1}


def sarif(tool: str, snippet: str | None, message: str = "found a secret") -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": 3} | ({"snippet": {"text": snippet}} if snippet is not None else {})
    location = {"physicalLocation": {"artifactLocation": {"uri": "settings.py"}, "region": region}}
    result = {"ruleId": "generic-api-key", "message": {"text": message}, "locations": [location]}
    return {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": tool}}, "results": [result]}]}


def lines(*each: Any) -> bytes:
    return b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in each)


# --- each tool ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("2026-01-03 10:17:40 -0700", datetime(2026, 1, 3, 17, 17, 40, tzinfo=UTC)),
        ("2026-01-03T10:17:40Z", datetime(2026, 1, 3, 10, 17, 40, tzinfo=UTC)),
        ("long ago", None),
        ("", None),
    ],
)
def test_when_a_finding_was_committed_is_read(key: str, said: str, at: datetime | None) -> None:
    where = {"Data": {"Git": {"file": "settings.py", "timestamp": said}}}
    (found,) = written(lines(trufflehog(key, SourceMetadata=where))).findings
    assert found.committed == at
    (other,) = written([{**gitleaks(key), "Date": said}]).findings
    assert other.committed == at


def test_trufflehogs_lines_with_its_log_between_them(key: str) -> None:
    log = {"level": "info-0", "ts": "2026-03-01T12:00:00Z", "logger": "trufflehog", "msg": "running source"}
    report = written(lines(log, trufflehog(key), b"", trufflehog("a secret of another kind"), log))
    assert report.tool == "TruffleHog"
    assert Sealed(key) in report.values
    assert report.findings[0].place == "settings.py:https://github.com/o/r:7"


def test_one_line_alone_a_key_with_its_host_and_an_array(key: str) -> None:
    both = trufflehog("", RawV2=f"{key}:chat.openai.azure.com")
    for content in (lines(trufflehog(key)), lines(both), [both, trufflehog("x" * 20)]):
        assert Sealed(key) in written(content).values


def test_gitleaks_json(key: str) -> None:
    report = written([gitleaks(key), gitleaks("short")])
    assert (report.tool, report.values[0]) == ("gitleaks", Sealed(key))
    assert report.findings[0].place == "settings.py:3:000000000000"
    assert report.findings[0].rule == "generic-api-key"


def test_a_rule_that_cuts_the_key_short_does_not_hide_it(key: str) -> None:
    assert Sealed(key) in written([gitleaks(key[:20], f"AZURE_KEY={key};")]).values


def test_ggshield_json_nested_and_flat(key: str) -> None:
    nested = ggshield(key)
    flat = {"entities_with_incidents": nested["scans"][0]["scans"][0]["entities_with_incidents"]}
    for content in (nested, flat):
        report = written(content)
        assert (report.tool, report.values) == ("ggshield", [Sealed(key)])
        assert report.findings[0].place == "settings.py:3"


def test_sarif_of_any_tool(key: str) -> None:
    for content in (sarif("gitleaks", key), sarif("other", f"api_key = '{key}'"), sarif("other", None, f"found {key}")):
        report = written(content)
        assert Sealed(key) in report.values
        assert report.findings[0].place == "settings.py:3"
        assert report.tool.startswith("SARIF")


@pytest.mark.parametrize(
    "around", ["{}", "{}\r\n", "key={}\n", 'ERROR [x] "{}" leaked', "a\\n{}\\tb", "https://x/?k%3D{}", "1\n2\n3 {} 4\n"]
)
def test_plain_text_of_any_sort(key: str, around: str) -> None:
    report = written(around.format(key).encode())
    assert report.tool == "text"
    assert Sealed(key) in report.values


def test_any_other_json_is_looked_through(key: str) -> None:
    for content in ({"a": {"b": [key]}}, [{"x": f"k={key}"}], {"results": {key: 1}}):
        assert Sealed(key) in written(content).values


def test_what_powershell_writes_is_read(key: str) -> None:
    for encoding in ("utf-16", "utf-8-sig"):
        assert Sealed(key) in read(json.dumps([gitleaks(key)]).encode(encoding)).values


def test_a_hundred_findings_of_one_key_are_one_value(key: str) -> None:
    report = written([gitleaks(key)] * 100)
    assert (len(report.findings), report.values) == (100, [Sealed(key)])


def test_an_empty_report_is_no_error() -> None:
    for content in (b"[]", b"", b"\n\n", b"{}", b'{"scans": []}', b'{"runs": []}'):
        assert read(content).values == []


# --- redacted -------------------------------------------------------------------------------------------------------------------

REDACTED: dict[str, tuple[Any, str]] = {
    "gitleaks": ([gitleaks("REDACTED")], "without --redact"),
    "gitleaks in part": ([gitleaks("abcdefghij...")], "without --redact"),
    "gitleaks sarif": (sarif("gitleaks", "REDACTED"), "without --redact"),
    "ggshield": (ggshield("abc" + "*" * 20 + "xyz"), "--show-secrets"),
    "trufflehog": (lines(trufflehog(""), trufflehog("")), "trufflehog's --json"),
    "trufflehog sarif": (sarif("TruffleHog", None), "--json instead of --sarif"),
    "another sarif": (sarif("other", None), "has a snippet"),
}


@pytest.mark.parametrize(("content", "says"), REDACTED.values(), ids=REDACTED.keys())
def test_a_redacted_report_names_the_switch(content: Any, says: str) -> None:
    with pytest.raises(ReportError, match=says):
        written(content)


def test_a_key_that_escaped_the_redaction_is_used(key: str) -> None:
    assert written([gitleaks("REDACTED", f"k={key}")]).values[-1] == Sealed(key)


# --- bounds, and no value in any text -------------------------------------------------------------------------------------------


def test_a_report_without_end_is_refused() -> None:
    with pytest.raises(ReportError, match="larger than 64 MB"):
        read(b"x" * (SIZE_BYTES_MAX + 1))
    with pytest.raises(ReportError, match="100000 findings"):
        read(b"x\n" * 100_001)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x80\x81", b"\xff\xfe" + b"\x00\xd8"])
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(ReportError, match="not text"):
        read(content)


def test_what_nests_without_end_is_text(key: str) -> None:
    assert Sealed(key) in read(b"[" * 100_000 + key.encode()).values


def test_no_value_stands_in_a_place_or_a_rule(key: str) -> None:
    odd = gitleaks(key) | {"File": f"dump-{key}.txt", "RuleID": key}
    assert key not in repr(written([odd]))


WORDS = st.sampled_from([
    "Raw", "RawV2", "DetectorName", "SourceMetadata", "Data", "RuleID", "Secret", "Match", "File", "runs", "results", "tool", "driver",
    "name", "locations", "physicalLocation", "region", "snippet", "text", "scans", "entities_with_incidents", "incidents", "occurrences",
    "match", "message",
])  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["REDACTED", "gitleaks", "****"])
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=5))


@settings(max_examples=150, deadline=None)
@given(tree=TREES)
def test_a_report_of_any_form_is_read_or_refused_with_a_sentence(tree: Any) -> None:
    try:
        read(json.dumps(tree).encode())
    except ReportError as error:
        if not str(error).endswith("."):
            raise


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        read(content)
    except ReportError as error:
        if "not text" not in str(error):
            raise
