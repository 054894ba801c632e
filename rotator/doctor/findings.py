"""What a doctor says: of which subject, how bad, and what mends it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error is in the way of what the settings ask; a warning will be one day, or could not be told."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Subject(StrEnum):
    """In the order in which a person would look: what stands before stands on nothing behind it."""

    IDENTITY = "identity"
    CLOCK = "clock"
    LEDGER = "ledger"
    ACCOUNT = "account"
    VAULT = "vault"
    DEPENDENT = "dependent"
    ALERTS = "alerts"
    NOTIFIER = "notifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`mend` is a command to type, or a sentence where no command would do."""

    subject: Subject
    name: str
    severity: Severity
    said: str
    mend: str = ""


SUBJECTS = tuple(Subject)
_BADNESS = (Severity.ERROR, Severity.WARNING, Severity.OK)


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """By subject, the worst first, then by name; what was said twice (of a vault that many use) once."""
    return sorted(dict.fromkeys(findings), key=lambda one: (SUBJECTS.index(one.subject), _BADNESS.index(one.severity), one.name, one.said))


def worst(findings: Iterable[Finding]) -> Severity:
    return min((one.severity for one in findings), key=_BADNESS.index, default=Severity.OK)


@dataclass(frozen=True, slots=True)
class About:
    """Findings about one thing, without saying each time of what."""

    subject: Subject
    name: str

    def well(self, said: str) -> Finding:
        return Finding(subject=self.subject, name=self.name, severity=Severity.OK, said=said)

    def warn(self, said: str, mend: str = "") -> Finding:
        return Finding(subject=self.subject, name=self.name, severity=Severity.WARNING, said=said, mend=mend)

    def bad(self, said: str, mend: str = "") -> Finding:
        return Finding(subject=self.subject, name=self.name, severity=Severity.ERROR, said=said, mend=mend)
