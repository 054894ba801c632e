"""A scanner's report, whoever wrote it: told apart by its content, read into sealed candidates with their places.

Scanners know the old shape of our keys at best, so our own patterns run over every finding, its match and its snippet, beside what the
tool itself calls the secret. A report whose values were taken out is an error that names the switch, never a report without a match.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

from rotator.alerts.authentic import moment
from rotator.alerts.reading import field, mapping, note, plain, text, texts
from rotator.core.keyshape import keys_in
from rotator.core.sealed import Sealed

SIZE_BYTES_MAX = 64 << 20
FINDINGS_MAX = 100_000
TEXT_LENGTH_MAX = 1 << 20
WORD = re.compile(r"\S{16,512}")
_ZONE = re.compile(r"\s*([+-])([0-9]{2})([0-9]{2})$")
_REDACTED = re.compile(r"REDACTED|\*{3,}")


class ReportError(Exception):
    """Why a report cannot be used, and what to type instead; never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding: the values that may be a key of ours, where the tool found it, and when that was committed, by its word."""

    values: tuple[Sealed, ...]
    place: str
    rule: str = ""
    committed: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that one report says."""

    tool: str
    findings: tuple[Finding, ...]

    @property
    def values(self) -> list[Sealed]:
        """Each candidate once, in the order of the report."""
        return list(dict.fromkeys(value for finding in self.findings for value in finding.values))


def read(content: bytes) -> Report:
    """The report in `content`.

    Raises:
        ReportError: it is too large, no text, or was written without its values.
    """
    if len(content) > SIZE_BYTES_MAX:
        raise ReportError(f"The report is larger than {SIZE_BYTES_MAX >> 20} MB. Split it, or pass the keys by --leaked-key -.")
    written = _decoded(content)
    whole = _json(written)
    if isinstance(whole, Mapping) and "runs" in whole:
        return _sarif(whole)
    if isinstance(whole, Mapping) and ("scans" in whole or "entities_with_incidents" in whole):
        return _report("ggshield", _ggshield(whole))
    if isinstance(whole, list) and all(isinstance(one, Mapping) for one in whole) and _is_gitleaks(whole):
        return _report("gitleaks", map(_gitleaks, whole))
    lines = (
        whole
        if isinstance(whole, list)
        else [whole]
        if isinstance(whole, Mapping)
        else [_json(line) for line in written.splitlines() if line.lstrip().startswith("{")]
    )
    if any(_is_trufflehog(line) for line in lines):
        return _report("TruffleHog", (_trufflehog(mapping(line)) for line in lines if _is_trufflehog(line)))
    if isinstance(whole, Mapping | list):
        inner = (_finding(f"text {number}", "", [each]) for number, each in enumerate(texts(whole), 1))
        return _report("JSON", chain(inner, _lines(written)))
    return _report("text", _lines(written))


def _lines(written: str) -> Iterator[Finding]:
    for number, line in enumerate(written.splitlines(), 1):
        yield _finding(f"line {number}", "", [line])


def _report(tool: str, findings: Iterable[Finding]) -> Report:
    found: list[Finding] = []
    for number, finding in enumerate(findings, 1):
        if number > FINDINGS_MAX:
            raise ReportError(f"The report holds more than {FINDINGS_MAX} findings. Split it.")
        if finding.values:
            found.append(finding)
    return Report(tool=tool, findings=tuple(found))


def _decoded(content: bytes) -> str:
    """UTF-8, or what PowerShell's `>` writes."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise ReportError("The report is not text: write it as UTF-8.") from None


def _json(written: str) -> Any:
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return None


def _finding(place: str, rule: str, secrets: Sequence[str], around: Iterable[str] = ()) -> Finding:
    """`secrets` are candidates as they stand, once trimmed; what stands `around` is only looked through."""
    whole = [
        Sealed(trimmed) for secret in secrets if (trimmed := secret.strip()) and len(trimmed) <= TEXT_LENGTH_MAX and WORD.fullmatch(trimmed)
    ]
    inside = [key for each in (*secrets, *around) for key in keys_in(plain(each)[:TEXT_LENGTH_MAX])]
    values = tuple(dict.fromkeys([*whole, *inside]))
    return Finding(values=values, place=note(place, *values), rule=note(rule, *values))


def _moment(said: str) -> datetime | None:
    """As git writes it, too: `2026-01-03 10:17:40 -0700`."""
    return moment(_ZONE.sub(r"\1\2:\3", said))


# --- TruffleHog: JSON lines, with lines of its log between them -------------------------------------------------------------


def _is_trufflehog(line: object) -> bool:
    return isinstance(line, Mapping) and ("DetectorName" in line or "SourceMetadata" in line or "DetectorType" in line)


def _trufflehog(line: Mapping[str, Any]) -> Finding:
    raw, both = text(line, "Raw"), text(line, "RawV2")
    if not raw and not both:
        raise ReportError("A finding of TruffleHog holds no Raw value. Write the report with trufflehog's --json.")
    place = ":".join(_first_named(mapping(field(line, "SourceMetadata")), ("file", "link", "repository", "line")))
    found = _finding(place, text(line, "DetectorName"), [raw, both, both.partition(":")[0]])
    return replace(found, committed=_moment(next(iter(_first_named(mapping(field(line, "SourceMetadata")), ("timestamp",))), "")))


def _first_named(value: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The fields of whichever source: `Data.Git.file`, `Data.Github.link`, …"""
    data = mapping(field(value, "Data"))
    inner = next((mapping(one) for one in data.values() if isinstance(one, Mapping)), {})
    return [said for name in names if (said := text(inner, name))]


# --- gitleaks ---------------------------------------------------------------------------------------------------------------


def _is_gitleaks(found: Sequence[Mapping[str, Any]]) -> bool:
    return not found or any("RuleID" in one or "Secret" in one for one in found)


def _gitleaks(one: Mapping[str, Any]) -> Finding:
    secret = text(one, "Secret")
    place = ":".join(filter(None, (text(one, "File"), text(one, "StartLine"), text(one, "Commit")[:12])))
    finding = _finding(place, text(one, "RuleID"), [secret], [text(one, "Match"), text(one, "Line")])
    if secret and not _keys_of(finding, secret) and (_is_redacted(secret) or secret.endswith("...")):
        raise ReportError("The report of gitleaks is redacted: it holds no value. Write it again without --redact.")
    return replace(finding, committed=_moment(text(one, "Date")))


# --- ggshield ---------------------------------------------------------------------------------------------------------------


def _ggshield(whole: Mapping[str, Any]) -> Iterator[Finding]:
    """A scan holds files, and in a scan of a repository further scans."""
    waiting: list[Any] = [whole]
    while waiting:
        scan = mapping(waiting.pop())
        waiting += [one for one in _list(scan, "scans") if isinstance(one, Mapping)]
        for entity in _list(scan, "entities_with_incidents"):
            for incident in _list(entity, "incidents"):
                for occurrence in _list(incident, "occurrences"):
                    yield _occurrence(mapping(entity), mapping(incident), mapping(occurrence))


def _list(value: object, name: str) -> list[Any]:
    found = field(value, name)
    return found if isinstance(found, list) else []


def _occurrence(entity: Mapping[str, Any], incident: Mapping[str, Any], occurrence: Mapping[str, Any]) -> Finding:
    match = text(occurrence, "match")
    place = ":".join(filter(None, (text(entity, "filename"), text(occurrence, "line_start"))))
    finding = _finding(place, text(incident, "type"), [match])
    if not _keys_of(finding, match) and _is_redacted(match):
        raise ReportError("The report of ggshield is censored: it holds no value. Write it again with --show-secrets.")
    return finding


# --- SARIF ------------------------------------------------------------------------------------------------------------------


def _sarif(whole: Mapping[str, Any]) -> Report:
    tools: list[str] = []
    findings: list[Finding] = []
    results = 0
    for run in _list(whole, "runs"):
        tool = text(mapping(field(mapping(field(run, "tool")), "driver")), "name") or "a scanner"
        tools.append(tool)
        for result in _list(run, "results"):
            results += 1
            findings.append(_result(tool, mapping(result)))
    if results and not any(finding.values for finding in findings):
        raise ReportError(_without_values(tools[0] if tools else ""))
    return _report(f"SARIF ({note(', '.join(tools))})", findings)


def _result(tool: str, result: Mapping[str, Any]) -> Finding:
    regions = [region for location in _list(result, "locations") for region in _regions(mapping(location))]
    snippets = [text(mapping(field(region, "snippet")), "text") for region in regions]
    finding = _finding(_place(result), text(result, "ruleId"), snippets, texts([field(result, "message"), field(result, "locations")]))
    if tool.lower() == "gitleaks" and snippets and all(map(_is_redacted, snippets)) and not _keys_of(finding, *snippets):
        raise ReportError("The report of gitleaks is redacted: it holds no value. Write it again without --redact.")
    return finding


def _regions(location: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    physical = mapping(field(location, "physicalLocation"))
    return [mapping(field(physical, name)) for name in ("region", "contextRegion")]


def _place(result: Mapping[str, Any]) -> str:
    first = mapping(next(iter(_list(result, "locations")), {}))
    physical = mapping(field(first, "physicalLocation"))
    line = text(mapping(field(physical, "region")), "startLine")
    return ":".join(filter(None, (text(mapping(field(physical, "artifactLocation")), "uri"), line)))


def _without_values(tool: str) -> str:
    if tool.lower() == "trufflehog":
        return "TruffleHog's SARIF holds no value. Write the report with --json instead of --sarif."
    return f"The SARIF of {note(tool)} holds no value: no result has a snippet. Write the report in the tool's own JSON, with its values."


# --- redaction --------------------------------------------------------------------------------------------------------------


def _is_redacted(value: str) -> bool:
    return not value or bool(_REDACTED.search(value))


def _keys_of(finding: Finding, *secrets: str) -> list[Sealed]:
    """The candidates beside the redacted text itself: a key that stands elsewhere in the finding saves it."""
    written = {Sealed(secret.strip()) for secret in secrets}
    return [value for value in finding.values if value not in written]
