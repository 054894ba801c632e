"""What `/metrics` says: each event once, with labels that have a bound; and what stands, in memory and ledger."""

from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from rotator.azure import operation_of
from rotator.core.report import Verdict
from rotator.metrics import BY_NAME, CREDENTIALS_MAX, KNOWN, OTHERS, SERIES_MAX, Bucket, Figures, LedgerFigures, bounded
from rotator.web.app import listening, make_app
from rotator.web.metrics import Metrics, Scrapes

FIGURES = Figures(
    version="1.2.3",
    credentials=2,
    ages_s={"chat": 86400.0, "speech": 60.0},
    overdue_s={"chat": 5.0},
    ledger=LedgerFigures(rows=2, due=1, claimed=1, late_s=7.5, audit_events=42, incidents={"open": 1, "held": 0}),
    writable=True,
    lock_held=True,
    beats_s={"pump": 0.5, "ledger": 0.25},
    buckets=(Bucket(subscription="00000000-0000-0000-0000-000000000000", sort="writes", left=150, size=200, waiting=3, blocked_s=0),),
)


def read(page: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(page.decode())
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}


def value(page: bytes, name: str, **labels: str) -> float | None:
    return read(page).get((name, frozenset(labels.items())))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda event, **fields: None)


def test_every_event_is_passed_on_before_it_is_counted() -> None:
    heard: list[tuple[str, dict[str, Any]]] = []
    metrics = Metrics(lambda event, **fields: heard.append((event, fields)))
    metrics("drifted", credential="chat", because="somebody regenerated it")
    metrics("something new", of="no interest")
    assert [event for event, _ in heard] == ["drifted", "something new"]
    assert value(metrics.page(FIGURES), "rotator_looks_total", outcome="drifted") == 1


def test_steps_are_counted_by_what_came_of_them(metrics: Metrics) -> None:
    metrics("done", credential="chat", step="mint", slot="key2", outcome="regenerated", new_fingerprint="f")
    metrics("failed", credential="chat", step="publish", slot="key2", fault="denied", because="403")
    metrics("settled", credential="chat", step="mint", result="not applied")
    page = metrics.page(FIGURES)
    assert value(page, "rotator_steps_total", step="mint", outcome="regenerated") == 1
    assert value(page, "rotator_steps_total", step="publish", outcome="denied") == 1
    assert value(page, "rotator_steps_total", step="mint", outcome="answer lost, not applied") == 1


def test_only_a_run_that_did_something_is_part_of_a_rotation(metrics: Metrics) -> None:
    about = {"credential": "chat", "outcome": "done", "reason": "superseded", "dependents": []}
    metrics("run", steps=4, **about)
    metrics("run", steps=0, **about)
    assert value(metrics.page(FIGURES), "rotator_rotations_total", outcome="done", reason="superseded") == 1


def test_how_long_a_value_lived_on_is_a_histogram(metrics: Metrics) -> None:
    metrics("done", step="prove_dead", outcome="dead", dead_after_seconds="3.25")
    metrics("done", step="prove_dead", outcome="still accepted")
    metrics("incident", credential="chat", incident="inc-1", state="revoked", since_report_seconds=1.0)
    metrics("incident", credential="chat", incident="inc-1", state="dead", since_report_seconds=9.0)
    page = metrics.page(FIGURES)
    assert value(page, "rotator_dead_after_seconds_sum") == 3.25
    assert value(page, "rotator_dead_after_seconds_bucket", le="5.0") == 1
    assert value(page, "rotator_incident_dead_after_seconds_count") == 1


def test_dependents_stand_as_the_last_look_saw_them_and_go_with_their_credential(metrics: Metrics) -> None:
    stale, proven = ({"kind": "app-service", "adoption": adoption} for adoption in ("Stale", "Proven"))
    run = {"outcome": "done", "reason": None, "steps": 0}
    metrics("run", credential="chat", dependents=[stale, proven], **run)
    metrics("run", credential="speech", dependents=[proven], **run)
    assert value(metrics.page(FIGURES), "rotator_dependents", kind="app-service", adoption="Proven") == 2
    metrics("run", credential="chat", dependents=[proven, proven], **run)
    page = metrics.page(FIGURES)
    assert value(page, "rotator_dependents", kind="app-service", adoption="Stale") is None
    assert value(page, "rotator_dependents", kind="app-service", adoption="Proven") == 3
    metrics("reloaded", credentials=1, changed=[], gone=["chat"])
    assert value(metrics.page(FIGURES), "rotator_dependents", kind="app-service", adoption="Proven") == 1


def test_alerts_are_counted_by_sender_and_verdict_and_messages_by_topic(metrics: Metrics) -> None:
    metrics("alert", source="github", verdict=Verdict.COMPROMISED.value, report="r")
    metrics("alert_refused", source="github", status=401, because="the signature is wrong")
    metrics("alert_not_stored", source="signed", because="away")
    metrics("notified", topic="leak", title="…")
    metrics("not_notified", topic="leak", error="TimeoutError")
    page = metrics.page(FIGURES)
    assert value(page, "rotator_alerts_total", source="github", verdict="compromised") == 1
    assert value(page, "rotator_alerts_total", source="github", verdict="refused") == 1
    assert value(page, "rotator_alerts_total", source="signed", verdict="not_stored") == 1
    assert value(page, "rotator_notifications_total", topic="leak", outcome="sent") == 1
    assert value(page, "rotator_notifications_total", topic="leak", outcome="failed") == 1


def test_what_stands_is_shown_and_a_ledger_that_is_away_is_a_figure(metrics: Metrics) -> None:
    page = metrics.page(FIGURES)
    assert value(page, "rotator_key_age_seconds", credential="chat") == 86400
    assert value(page, "rotator_key_age_seconds_max") == 86400
    assert value(page, "rotator_overdue") == 1
    assert value(page, "rotator_work_late_seconds") == 7.5
    assert value(page, "rotator_audit_events") == 42
    assert value(page, "rotator_azure_budget_left", subscription=FIGURES.buckets[0].subscription, sort="writes") == 150
    away = metrics.page(replace(FIGURES, ledger=None, lock_held=False))
    assert value(away, "rotator_ledger_up") == 0
    assert value(away, "rotator_lock_held") == 0
    assert value(metrics.page(replace(FIGURES, writable=False)), "rotator_ledger_up") == 0, "one that can only be read is of no use"
    assert value(away, "rotator_work_rows") is None


def test_a_fleet_has_so_many_series_and_no_more() -> None:
    ages = {f"credential-{number:05}": float(number) for number in range(10_000)}
    shown = bounded(ages)
    assert len(shown) == CREDENTIALS_MAX + 1
    assert shown[-1] == (OTHERS, 9999.0), "the worst of the rest"
    assert bounded({"chat": 1.0}) == [("chat", 1.0)]


def test_a_counter_has_so_many_series_and_no_more(metrics: Metrics) -> None:
    for number in range(SERIES_MAX + 50):
        metrics.heard(f"GET made-up/{number}", "200", 0.1)
    page = read(metrics.page(FIGURES))
    shown = [labels for name, labels in page if name == "rotator_azure_calls_total"]
    assert len(shown) == SERIES_MAX + 1
    assert page["rotator_azure_calls_total", frozenset({("operation", "other"), ("answer", "other")})] == 50


def test_every_metric_that_is_shown_is_in_the_table(metrics: Metrics) -> None:
    shown = {family.name for family in text_string_to_metric_families(metrics.page(FIGURES).decode())}
    assert shown <= {one.name.removesuffix("_total") for one in KNOWN}
    assert len(BY_NAME) == len(KNOWN)


@pytest.mark.parametrize(
    ("method", "url", "operation"),
    [
        (
            "POST",
            "https://arm/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/chat/listKeys?api-version=1",
            "POST Microsoft.CognitiveServices/accounts/listKeys",
        ),
        ("GET", "https://arm/subscriptions/s/providers/Microsoft.Web/sites", "GET Microsoft.Web/sites"),
        ("GET", "https://arm/subscriptions/s/resourceGroups/g", "GET subscriptions/resourceGroups"),
        ("PUT", "https://kv/secrets/chat-key?api-version=1", "PUT secrets"),
        ("GET", "https://kv/deletedsecrets/chat-key", "GET deletedsecrets"),
        ("POST", "https://login/tenant/oauth2/v2.0/token", "POST token"),
        ("GET", "https://elsewhere/a/name/that/is/anything", "GET other"),
    ],
)
def test_an_operation_has_no_name_of_a_resource(method: str, url: str, operation: str) -> None:
    assert operation_of(method, url) == operation


async def test_who_scrapes_often_reads_the_ledger_seldom(metrics: Metrics) -> None:
    asked: list[str] = []

    async def figures() -> Figures:
        asked.append("the ledger")
        return FIGURES

    app = make_app(Scrapes(metrics, figures).routes())
    async with listening(app, "127.0.0.1", 0) as port, ClientSession() as session:
        for _ in range(5):
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                assert answer.status == 200
                assert answer.headers["Content-Type"].startswith("text/plain; version=")
                page = await answer.read()
    assert value(page, "rotator_credentials") == 2
    assert len(asked) < 5
