"""What is counted, and what is read when somebody asks: events and figures in, numbers out. No call to Azure, no key, no unbounded name.

`KNOWN` is every metric there is, and the table in `infra/prometheus/README.md`; the rules and the dashboard there use these names alone.
What has `credential` for a label has it for so many credentials at most, and one series for all the others.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

CREDENTIALS_MAX = 500
"""Series by credential of one metric; beyond it the rest are one, which shows the worst of them."""
SERIES_MAX = 300
"""Series of one counter; what comes new after that is counted as `other`."""
OTHERS, OTHER = "(others)", "other"
TROUBLES = frozenset(
    {
        "alert_not_closed",
        "give_back_failed",
        "lease_lost",
        "lock_lost",
        "not_beating",
        "poll_failed",
        "pump_failed",
        "reload_refused",
        "run_failed",
        "tick_failed",
        "triage_failed",
        "window_missed",
        "fleet_not_all_seen",
    }
)
"""Events that tell of something that went wrong outside a step."""
BUCKETS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 43200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One name. `kind` is counter, histogram or gauge."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...] = ()


KNOWN: tuple[Metric, ...] = (
    Metric(name="rotator_build_info", kind="gauge", labels=("version",), text="always 1: which version runs"),
    Metric(name="rotator_credentials", kind="gauge", text="credentials in the settings"),
    Metric(name="rotator_key_age_seconds", kind="gauge", labels=("credential",), text="how long the vault gives out the key in use"),
    Metric(name="rotator_key_age_seconds_max", kind="gauge", text="the oldest key in use, over all credentials"),
    Metric(name="rotator_key_overdue_seconds", kind="gauge", labels=("credential",), text="how long past its cryptoperiod; only who is"),
    Metric(name="rotator_overdue", kind="gauge", text="credentials past their cryptoperiod"),
    Metric(
        name="rotator_rotations_total",
        kind="counter",
        labels=("outcome", "reason"),
        text="runs that did a step, by how they ended: done, under_way, failed, refused, unseen",
    ),
    Metric(name="rotator_steps_total", kind="counter", labels=("step", "outcome"), text="steps, by what came of them or which fault"),
    Metric(
        name="rotator_dead_after_seconds",
        kind="histogram",
        text="from the call that replaced a value to its proof of death",
    ),
    Metric(
        name="rotator_incident_dead_after_seconds",
        kind="histogram",
        text="from the report of a leak to the proof of death",
    ),
    Metric(name="rotator_incidents", kind="gauge", labels=("state",), text="cases that are not over, and those that wait for a person"),
    Metric(
        name="rotator_dependents", kind="gauge", labels=("kind", "adoption"), text="dependents, as each credential's last look saw them"
    ),
    Metric(name="rotator_looks_total", kind="counter", labels=("outcome",), text="light looks at credentials that rest; drifted: changed"),
    Metric(name="rotator_alerts_total", kind="counter", labels=("source", "verdict"), text="reports, at each judgement; refused: no right"),
    Metric(name="rotator_notifications_total", kind="counter", labels=("topic", "outcome"), text="messages to people: sent, failed"),
    Metric(name="rotator_troubles_total", kind="counter", labels=("what",), text="what went wrong outside a step, by its event in the log"),
    Metric(name="rotator_azure_calls_total", kind="counter", labels=("operation", "answer"), text="calls, by status; none: no answer"),
    Metric(name="rotator_azure_call_seconds_total", kind="counter", labels=("operation",), text="how long calls took, summed up"),
    Metric(name="rotator_azure_budget_left", kind="gauge", labels=("subscription", "sort"), text="calls left in a bucket"),
    Metric(name="rotator_azure_budget_size", kind="gauge", labels=("subscription", "sort"), text="calls that a full bucket has"),
    Metric(name="rotator_azure_budget_waiting", kind="gauge", labels=("subscription", "sort"), text="calls that wait for a bucket"),
    Metric(name="rotator_azure_budget_blocked_seconds", kind="gauge", labels=("subscription", "sort"), text="closed by a 429 for so long"),
    Metric(name="rotator_work_rows", kind="gauge", text="rows of the work table"),
    Metric(name="rotator_work_due", kind="gauge", text="rows that are due and that nobody has claimed"),
    Metric(name="rotator_work_claimed", kind="gauge", text="rows that a worker acts on"),
    Metric(name="rotator_work_late_seconds", kind="gauge", text="for how long the longest of the due rows has been due"),
    Metric(name="rotator_ledger_up", kind="gauge", text="1 where the ledger answers and can be written"),
    Metric(name="rotator_lock_held", kind="gauge", text="1 while this worker's lock in the ledger stands"),
    Metric(name="rotator_audit_events", kind="gauge", text="height of the audit chain"),
    Metric(name="rotator_beat_age_seconds", kind="gauge", labels=("part",), text="since the pump, or the ledger's lock, last beat"),
)
BY_NAME: Mapping[str, Metric] = {one.name: one for one in KNOWN}

Count = tuple[str, tuple[str, ...], float]
"""A name, the values of its labels, and by how much a counter rises or what a histogram is told."""
Sample = tuple[str, tuple[str, ...], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One of Resource Manager's budgets, as our side keeps it."""

    subscription: str
    sort: str
    left: float
    size: float
    waiting: int
    blocked_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFigures:
    """What the ledger says; without it, nothing is said."""

    rows: int
    due: int
    claimed: int
    late_s: float
    audit_events: int
    incidents: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is read at the moment of a scrape: from memory and the ledger, never from Azure."""

    version: str
    credentials: int
    ages_s: Mapping[str, float]
    overdue_s: Mapping[str, float]
    ledger: LedgerFigures | None
    writable: bool
    lock_held: bool
    beats_s: Mapping[str, float]
    buckets: tuple[Bucket, ...] = field(default=())


def counts_of(event: str, fields: Mapping[str, Any]) -> Iterator[Count]:
    """What an event of the watch counts as; most count as nothing."""
    match event:
        case "done":
            yield "rotator_steps_total", (fields["step"], fields["outcome"]), 1
            if "dead_after_seconds" in fields:
                yield "rotator_dead_after_seconds", (), float(fields["dead_after_seconds"])
        case "failed":
            yield "rotator_steps_total", (fields["step"], fields["fault"]), 1
        case "settled":
            yield "rotator_steps_total", (fields["step"], f"answer lost, {fields['result']}"), 1
        case "run" if fields["steps"]:
            yield "rotator_rotations_total", (fields["outcome"], str(fields["reason"] or "")), 1
        case "incident" if fields["state"] == "dead" and "since_report_seconds" in fields:
            yield "rotator_incident_dead_after_seconds", (), fields["since_report_seconds"]
        case "asked":
            yield "rotator_looks_total", (fields["outcome"],), 1
        case "drifted":
            yield "rotator_looks_total", ("drifted",), 1
        case "alert":
            yield "rotator_alerts_total", (fields["source"], fields["verdict"]), 1
        case "alert_refused" | "alert_not_stored":
            yield "rotator_alerts_total", (fields["source"], event.removeprefix("alert_")), 1
        case "notified" | "not_notified":
            yield "rotator_notifications_total", (fields["topic"], "sent" if event == "notified" else "failed"), 1
        case _ if event in TROUBLES:
            yield "rotator_troubles_total", (event,), 1


def calls_of(operation: str, answer: str, seconds: float) -> Iterator[Count]:
    """One call to Azure."""
    yield "rotator_azure_calls_total", (operation, answer), 1
    yield "rotator_azure_call_seconds_total", (operation,), seconds


class Adoptions:
    """How each credential's dependents were seen last, summed up over all of them."""

    def __init__(self) -> None:
        self._seen: dict[str, Tally[tuple[str, str]]] = {}

    def note(self, event: str, fields: Mapping[str, Any]) -> None:
        if event == "run":
            self._seen[fields["credential"]] = Tally((one["kind"], one["adoption"]) for one in fields["dependents"])
        elif event == "reloaded":
            for name in fields["gone"]:
                self._seen.pop(name, None)

    def samples(self) -> Iterator[Sample]:
        total: Tally[tuple[str, str]] = Tally()
        for seen in self._seen.values():
            total.update(seen)
        return (("rotator_dependents", labels, count) for labels, count in sorted(total.items()))


def samples_of(figures: Figures) -> Iterator[Sample]:
    """The gauges of one moment."""
    yield "rotator_build_info", (figures.version,), 1
    yield "rotator_credentials", (), figures.credentials
    yield from (("rotator_key_age_seconds", (name,), age) for name, age in bounded(figures.ages_s))
    yield "rotator_key_age_seconds_max", (), max(figures.ages_s.values(), default=0.0)
    yield from (("rotator_key_overdue_seconds", (name,), late) for name, late in bounded(figures.overdue_s))
    yield "rotator_overdue", (), len(figures.overdue_s)
    yield "rotator_lock_held", (), float(figures.lock_held)
    yield from (("rotator_beat_age_seconds", (part,), age) for part, age in figures.beats_s.items())
    yield "rotator_ledger_up", (), float(figures.ledger is not None and figures.writable)
    if figures.ledger is not None:
        yield from _samples_of_ledger(figures.ledger)
    for bucket in figures.buckets[:SERIES_MAX]:
        labels = (bucket.subscription, bucket.sort)
        yield "rotator_azure_budget_left", labels, bucket.left
        yield "rotator_azure_budget_size", labels, bucket.size
        yield "rotator_azure_budget_waiting", labels, bucket.waiting
        yield "rotator_azure_budget_blocked_seconds", labels, bucket.blocked_s


def _samples_of_ledger(ledger: LedgerFigures) -> Iterator[Sample]:
    yield "rotator_work_rows", (), ledger.rows
    yield "rotator_work_due", (), ledger.due
    yield "rotator_work_claimed", (), ledger.claimed
    yield "rotator_work_late_seconds", (), ledger.late_s
    yield "rotator_audit_events", (), ledger.audit_events
    yield from (("rotator_incidents", (state,), count) for state, count in sorted(ledger.incidents.items()))


def bounded(values: Mapping[str, float], most: int = CREDENTIALS_MAX) -> list[tuple[str, float]]:
    """By name, so that a series does not come and go; what is beyond `most` is one series, which shows the worst."""
    named = sorted(values.items())
    rest = [value for _, value in named[most:]]
    return named[:most] + ([(OTHERS, max(rest))] if rest else [])


def table(metrics: Iterable[Metric] = KNOWN) -> str:
    """In Markdown, a line each."""
    rows = [("metric", "kind", "labels", "what"), ("---",) * 4]
    rows += [(f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels) or "–", one.text) for one in metrics]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
