"""What an alert says, of every sender, with the odd spellings of the field; and what becomes of one that lacks what it is about."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from rotator.alerts import (
    Closed,
    Delivery,
    Due,
    Handshake,
    Hash,
    HeldByGitGuardian,
    HeldByGitHub,
    Ignored,
    Leak,
    Malformed,
    Record,
    Refused,
    Regenerated,
    Reopened,
    Suspicion,
)
from rotator.alerts.delivery import post_of
from rotator.alerts.event_grid import preflight
from rotator.alerts.github_partner import answer
from rotator.core.sealed import Sealed
from rotator.sandbox import azure_alerts
from tests.alerts.conftest import ACCOUNT, Street, current_key, legacy_key, silent, silent_doors
from tests.alerts.postings import VAULT

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOMEBODY = "99999999-0000-0000-0000-000000000001"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Street:
    azure = silent(tmp_path_factory.mktemp("records"), 8)
    return Street(azure, silent_doors(azure))


def parse(street: Street, door: str, body: Any, **headers: str) -> Delivery:
    """Behind the lock: what the parser makes of a body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return street.doors.senders[door].parse(post_of(named, raw, NOW))


def only(street: Street, door: str, body: Any, **headers: str) -> Record:
    (record,) = parse(street, door, body, **headers).records
    return record


# --- GitHub -----------------------------------------------------------------------------------------------------------------

ALERT = {
    "action": "created",
    "alert": {"number": 7, "secret_type": "azure_openai_key", "html_url": "https://github.com/o/r/security/secret-scanning/7"},
    "repository": {"full_name": "Some-Org/chat.app_1"},
}
EVENT = "secret_scanning_alert"


def github(street: Street, event: str = EVENT, **changes: Any) -> Record:
    return only(street, "github", {**ALERT, **changes}, x_github_event=event)


@pytest.mark.parametrize("action", ["created", "publicly_leaked", "validated"])
def test_a_github_alert_says_where_its_value_is(street: Street, action: str) -> None:
    record = github(street, action=action)
    assert isinstance(record, Leak)
    assert record.clues == (HeldByGitHub(owner="Some-Org", repository="chat.app_1", number=7),)
    assert (record.kind, record.origin.id, record.origin.source) == ("azure_openai_key", "Some-Org/chat.app_1#7", "github")
    assert record.origin.url == "https://github.com/o/r/security/secret-scanning/7"
    assert record.origin.reported_at == NOW


def test_a_github_alert_of_any_secret_type_is_taken(street: Street) -> None:
    alert = {**ALERT["alert"], "secret_type": "my_own_pattern", "validity": "inactive"}  # type: ignore[dict-item]
    assert isinstance(github(street, alert=alert), Leak)


@pytest.mark.parametrize("action", ["resolved", "revoked"])
def test_an_alert_that_github_closes_says_how(street: Street, action: str) -> None:
    record = github(street, action=action, alert={"number": 7, "resolution": "revoked", "resolved_by": {"login": "octocat"}})
    assert isinstance(record, Closed)
    assert (record.how, record.by) == ("revoked", "octocat")


def test_an_alert_that_github_reopens_has_its_clue_again(street: Street) -> None:
    record = github(street, action="reopened")
    assert isinstance(record, Reopened)
    assert record.clues


@pytest.mark.parametrize(
    ("event", "action"),
    [(EVENT, "assigned"), (EVENT, "unassigned"), (EVENT, "new-in-2030"), (EVENT, ""), ("secret_scanning_scan", "completed"), ("push", "")],
)
def test_what_github_says_besides_is_ignored(street: Street, event: str, action: str) -> None:
    assert isinstance(github(street, event, action=action), Ignored)


def test_a_ping_is_ignored_and_a_resolved_alert_is_no_new_leak(street: Street) -> None:
    assert isinstance(only(street, "github", {"zen": "Keep it simple", "hook_id": 1}, x_github_event="ping"), Ignored)
    assert isinstance(github(street, alert={"number": 1, "state": "resolved"}), Ignored)


def test_a_webhook_that_sends_forms_is_understood(street: Street) -> None:
    body = urlencode({"payload": json.dumps(ALERT)}).encode()
    record = only(street, "github", body, x_github_event=EVENT, content_type="application/x-www-form-urlencoded")
    assert isinstance(record, Leak)
    with pytest.raises(Malformed):
        only(street, "github", b"payload=%7B%7D&payload=x", x_github_event=EVENT, content_type="application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    "changes",
    [
        {"alert": {}},
        {"alert": None},
        {"alert": {"number": 0}},
        {"alert": {"number": -3}},
        {"alert": {"number": "7/../../x"}},
        {"alert": {"number": True}},
        {"alert": {"number": 7.5}},
        {"repository": {}},
        {"repository": {"full_name": "no-slash"}},
        {"repository": {"full_name": "a/../b"}},
        {"repository": {"full_name": "a/.."}},
        {"repository": {"full_name": "a/b?x=1"}},
        {"repository": {"full_name": "a/b\nc"}},
        {"repository": {"full_name": "evil.example/x/y"}},
        {"repository": ["a/b"]},
    ],
)
def test_a_github_alert_without_plain_identifiers_is_malformed(street: Street, changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        github(street, **changes)


def test_without_the_events_name_nothing_is_done(street: Street) -> None:
    with pytest.raises(Malformed):
        only(street, "github", ALERT)


# --- GitHub's partner format ----------------------------------------------------------------------------------------------------


def test_partner_tokens_are_sealed_and_answered_by_their_hash(street: Street) -> None:
    ours, other = current_key(), legacy_key()
    body = [
        {"token": ours, "type": "azure_openai_key", "url": f"https://github.com/o/r/blob/x?key={ours}", "source": "content"},
        {"token": f"OPENAI_KEY={other}\n", "type": "azure_openai_key", "url": "", "source": "commit"},
    ]
    delivery = parse(street, "github-partner", body)
    first, second = delivery.records
    assert isinstance(first, Leak)
    assert isinstance(second, Leak)
    assert first.clues == (Sealed(ours),)
    assert Sealed(other) in second.clues
    assert first.origin.url == ""
    assert [each["label"] for each in answer(delivery, {Sealed(ours).fingerprint: True})] == ["true_positive"], (
        "nothing of what is looked for"
    )
    told = answer(delivery, {Sealed(ours).fingerprint: True, Sealed(other).fingerprint: False})
    assert [(each["label"], each["token_type"]) for each in told] == [
        ("true_positive", "azure_openai_key"),
        ("false_positive", "azure_openai_key"),
    ]
    assert told[0]["token_hash"] == Sealed(ours).sha256()
    assert ours not in repr(delivery) + json.dumps(told)


@pytest.mark.parametrize("body", [[{}], [{"token": ""}], [{"token": 7}], [7], "x", {}, 7, [[]]])
def test_a_partner_alert_without_tokens_is_malformed(street: Street, body: Any) -> None:
    with pytest.raises(Malformed):
        parse(street, "github-partner", body)


def test_one_odd_entry_does_not_take_the_others_with_it(street: Street) -> None:
    records = parse(street, "github-partner", [{"token": current_key()}, {"type": "x"}]).records
    assert [type(record) for record in records] == [Leak, Ignored]


# --- GitGuardian ----------------------------------------------------------------------------------------------------------------

INCIDENT = {"id": 31542, "hmsl_hash": "AB" * 32, "detector": {"name": "azure_open_ai_api_key", "display_name": "Azure OpenAI"}}


def gitguardian(street: Street, action: str = "incident_triggered", **changes: Any) -> Record:
    return only(street, "gitguardian", {"action": action, "timestamp": "2026-03-01T11:59:00.5Z", "incident": {**INCIDENT, **changes}})


@pytest.mark.parametrize("action", ["incident_triggered", "new_occurrence", "incident_validity_changed"])
def test_an_incident_is_matched_by_its_hash(street: Street, action: str) -> None:
    record = gitguardian(street, action)
    assert isinstance(record, Leak)
    assert record.clues == (Hash(kind="hmsl_hash", value="ab" * 32), HeldByGitGuardian(incident=31542))
    assert record.origin.happened_at == NOW - timedelta(seconds=59.5)
    assert record.kind == "azure_open_ai_api_key"


def test_since_when_an_occurrence_lay_open_is_gitguardians_word(street: Street) -> None:
    body = {
        "action": "new_occurrence",
        "occurrence": {"date": "2026-01-02T03:04:05Z"},
        "incident": {**INCIDENT, "date": "2026-02-01T00:00:00Z"},
    }
    record = only(street, "gitguardian", body)
    assert isinstance(record, Leak)
    said = {word.what: (word.bound, word.at) for word in record.origin.exposed}
    assert said == {
        "the incident's date": ("latest", datetime(2026, 2, 1, tzinfo=UTC)),
        "the occurrence was committed": ("earliest", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    }


@pytest.mark.parametrize(("said", "at"), [("2026-02-01T00:00:00Z", datetime(2026, 2, 1, tzinfo=UTC)), ("2999-01-01T00:00:00Z", None)])
def test_since_when_an_alert_stands_is_githubs_word(street: Street, said: str, at: datetime | None) -> None:
    record = github(street, alert={"number": 7, "secret_type": "azure_openai_key", "created_at": said})
    assert isinstance(record, Leak)
    (word,) = record.origin.exposed
    assert (word.bound, word.what, word.at, bool(word.refused)) == ("latest", "the alert was created", at, at is None)


@pytest.mark.parametrize("absent", ["xxx", None, "", 7, "ab" * 31, ["ab" * 32]])
def test_an_incident_without_a_real_hash_can_still_be_asked_for(street: Street, absent: Any) -> None:
    record = gitguardian(street, hmsl_hash=absent)
    assert isinstance(record, Leak)
    assert record.clues == (HeldByGitGuardian(incident=31542),)


@pytest.mark.parametrize("action", ["incident_reopened", "incident_regression"])
def test_a_regression_reopens(street: Street, action: str) -> None:
    assert isinstance(gitguardian(street, action), Reopened)


def test_an_incident_that_is_closed_says_how(street: Street) -> None:
    record = gitguardian(street, "incident_ignored", ignore_reason="test_credential", assignee_email="a@example.com")
    assert isinstance(record, Closed)
    assert (record.how, record.by) == ("test_credential", "a@example.com")
    assert isinstance(gitguardian(street, "incident_resolved"), Closed)
    assert isinstance(gitguardian(street, "new_occurrence", status="ignored"), Ignored)


@pytest.mark.parametrize("action", ["incident_note_created", "incident_severity_changed", "", "ping"])
def test_other_actions_are_ignored(street: Street, action: str) -> None:
    assert isinstance(gitguardian(street, action), Ignored)


def test_an_incident_without_an_id_is_malformed(street: Street) -> None:
    for odd in (None, "x", 0, [1]):
        with pytest.raises(Malformed):
            gitguardian(street, id=odd)


# --- Vault Radar, and the signed door -----------------------------------------------------------------------------------------------


async def test_radars_clues_are_the_keys_in_its_texts(street: Street) -> None:
    value = current_key()
    record = await street.only(street.azure.senders.vault_radar(f"AZURE_KEY%3D{value} in settings.py"))
    assert isinstance(record, Leak)
    assert record.clues == (Sealed(value),)
    assert value not in repr(record)
    assert record.origin.url.startswith("https://portal.cloud.hashicorp.com/")
    blind = await street.only(street.azure.senders.vault_radar("a secret"))
    assert isinstance(blind, Leak)
    assert blind.clues == ()


async def test_radars_older_spelling_and_its_test_message(street: Street) -> None:
    older = {"event_id": "e-1", "type": "REPO_SCAN_MATCH", "sub_type": "secret_assignment", "description": legacy_key()}
    record = only(street, "vault-radar", older)
    assert isinstance(record, Leak)
    assert (record.kind, len(record.clues)) == ("secret_assignment", 1)
    assert isinstance(only(street, "vault-radar", {"message": "This is a test"}), Ignored)
    assert isinstance(only(street, "vault-radar", {"type": "webhook_test"}), Ignored)
    with pytest.raises(Malformed):
        only(street, "vault-radar", {"type": "REPO_SCAN_MATCH"})


def signed(street: Street, data: Any, kind: Any = "key.leaked") -> Record:
    return only(street, "signed", {"type": kind, "timestamp": "2026-03-01T11:59:00Z", "data": data}, webhook_id="msg_1")


def test_the_signed_door_takes_one_of_four(street: Street) -> None:
    value = current_key()
    sealed = Sealed(value)
    found = signed(street, {"key": f" {value}\n", "source": "pastebin", "url": "https://p.example/1", "note": f"it is {value}"})
    assert isinstance(found, Leak)
    assert found.clues == (sealed,)
    assert (found.origin.note, found.origin.url) == ("pastebin · it is [scrubbed]", "https://p.example/1")
    by_hash = signed(street, {"sha256": sealed.sha256().upper()})
    assert isinstance(by_hash, Leak)
    assert by_hash.clues == (Hash(kind="sha256", value=sealed.sha256()),)
    by_name = signed(street, {"fingerprint": sealed.fingerprint})
    assert isinstance(by_name, Leak)
    assert by_name.clues == (Hash(kind="fingerprint", value=sealed.fingerprint),)
    about = signed(street, {"account": ACCOUNT + "/"})
    assert isinstance(about, Suspicion)
    assert about.account == ACCOUNT


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"key": "a", "sha256": "b"},
        {"key": ""},
        {"key": ["a"]},
        {"key": {"a": 1}},
        {"sha256": "xyz"},
        {"sha256": "ab" * 32 + "\n\n0"},
        {"fingerprint": "short"},
        {"account": "/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/x"},
        {"account": 7},
        None,
        [],
        "key",
    ],
)
def test_anything_else_at_the_signed_door_is_malformed(street: Street, data: Any) -> None:
    with pytest.raises(Malformed) as refused:
        signed(street, data)
    assert refused.value.status == 400


def test_another_type_at_the_signed_door_is_ignored(street: Street) -> None:
    assert isinstance(signed(street, {"key": current_key()}, "invoice.paid"), Ignored)


def test_a_body_at_the_signed_door_without_a_type_is_malformed(street: Street) -> None:
    for body in ({"data": {"key": current_key()}}, {"type": None, "data": {"key": current_key()}}):
        with pytest.raises(Malformed, match=r"no type; a leak is key\.leaked"):
            only(street, "signed", body)


@pytest.mark.parametrize("door", ["github", "gitguardian", "vault-radar", "azure-monitor", "signed"])
@pytest.mark.parametrize("body", [[{"type": "key.leaked"}], [], "key.leaked", 7, None], ids=repr)
def test_a_body_that_is_no_object_is_malformed_where_a_door_takes_one(street: Street, door: str, body: Any) -> None:
    with pytest.raises(Malformed, match="no object"):
        only(street, door, body)


# --- Event Grid -----------------------------------------------------------------------------------------------------------------

VERSION = legacy_key()  # an id of a version has the shape of a key
ODD_DATA = {
    "Id": f"{VAULT}/secrets/chat-key/{VERSION}",
    "VaultName": "kv-1",
    "ObjectType": "Secret",
    "ObjectName ": "chat-key",
    "Version": f" {VERSION}",
    "NBF": "1559081980",
    "EXP": "1559082102",
}


def cloud_event(data: Any, kind: str = "Microsoft.KeyVault.SecretNearExpiry", **changes: Any) -> dict[str, Any]:
    return {"id": "e-1", "source": "/subscriptions/s/x", "type": kind, "time": "2026-03-01T11:00:00.1234567Z", "data": data, **changes}


@pytest.mark.parametrize("expires", ["1559082102", 1559082102, None, "", "soon", {}])
@pytest.mark.parametrize("without", [(), ("Id",), ("ObjectName ",), ("Id", "Version"), ("ObjectType",)])
def test_an_expiry_is_read_in_every_spelling(street: Street, expires: Any, without: tuple[str, ...]) -> None:
    data = {name: value for name, value in {**ODD_DATA, "EXP": expires}.items() if name not in without}
    record = only(street, "event-grid", [cloud_event(data)])
    assert isinstance(record, Due)
    assert (record.secret, record.expired) == ("chat-key", False)
    assert record.vault == ("kv-1" if "Id" in without else VAULT)
    assert record.expires == (datetime.fromtimestamp(1559082102, UTC) if str(expires) == "1559082102" else None)


def test_camel_case_and_one_object_alone_are_understood(street: Street) -> None:
    data = {"id": ODD_DATA["Id"], "vaultName": "kv-1", "objectType": "Secret", "objectName": "chat-key", "exp": 1559082102}
    record = only(street, "event-grid", cloud_event(data, "microsoft.keyvault.SECRETEXPIRED"))
    assert isinstance(record, Due)
    assert record.expired


@pytest.mark.parametrize(
    "data",
    [{}, None, [], "x", {"Id": "https://kv/secrets/"}, {"VaultName": "kv"}, {"VaultName": "kv", "ObjectName": "a/b"}, {"ObjectName": "a"}],
)
def test_an_expiry_of_nothing_is_malformed(street: Street, data: Any) -> None:
    with pytest.raises(Malformed):
        only(street, "event-grid", [cloud_event(data)])


def test_a_certificate_or_another_event_is_ignored(street: Street) -> None:
    assert isinstance(only(street, "event-grid", [cloud_event({**ODD_DATA, "ObjectType": "Certificate"})]), Ignored)
    for kind in ("Microsoft.KeyVault.SecretNewVersionCreated", "Microsoft.Resources.ResourceWriteSuccess", "Own.Event"):
        assert isinstance(only(street, "event-grid", [cloud_event(ODD_DATA, kind)]), Ignored)
    assert isinstance(only(street, "event-grid", []), Ignored)


def test_the_handshake_is_answered_from_its_code(street: Street) -> None:
    event = azure_alerts.validation_event("512d38b6-c7b8-40c8-89fe-f46f9e9622b6", NOW)
    delivery = parse(street, "event-grid", [event], aeg_event_type="SubscriptionValidation")
    assert delivery.handshake == Handshake(body={"validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"})
    for odd in ("", "<script>", "a" * 300, None):
        with pytest.raises(Malformed):
            parse(street, "event-grid", [{**event, "data": {"validationCode": odd}}])


def test_options_are_answered_to_event_grid_alone() -> None:
    shaken = preflight({"webhook-request-origin": "eventgrid.azure.net"})
    assert shaken.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
    assert (shaken.status, "POST" in shaken.headers["Allow"]) == (200, True)
    for other in ("", "*", "evil.example", "eventgrid.azure.net.evil.example", "EVENTGRID.azure.net "):
        with pytest.raises(Refused):
            preflight({"WebHook-Request-Origin": other})


def test_an_event_that_stands_twice_in_a_batch_is_one_and_has_its_own_name(street: Street) -> None:
    other = cloud_event(ODD_DATA, source="/subscriptions/other")
    records = parse(street, "event-grid", [cloud_event(ODD_DATA), cloud_event(ODD_DATA), other]).records
    assert [record.origin.id for record in records if isinstance(record, Due)] == ["/subscriptions/s/x|e-1", "/subscriptions/other|e-1"]


def test_a_batch_without_end_is_refused(street: Street) -> None:
    with pytest.raises(Malformed, match="more than 1000"):
        parse(street, "event-grid", [cloud_event(ODD_DATA, id=str(number)) for number in range(1001)])


# --- who touched our keys: four envelopes of one log ----------------------------------------------------------------------------------

SCHEMAS = ("event-grid", "cloud-events", "common", "legacy")


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize(("action", "did"), [("regenerateKey", "regenerated"), ("listKeys", "listed"), ("listkeys", "listed")])
async def test_somebody_who_touches_keys_is_named(street: Street, schema: str, action: str, did: str) -> None:
    record = await street.only(street.azure.senders.key_touched(ACCOUNT, action, SOMEBODY, schema))
    assert isinstance(record, Regenerated)
    assert (record.account, record.action, record.caller) == (ACCOUNT, did, SOMEBODY)
    assert record.correlation
    assert record.origin.happened_at is not None


def edited(schema: str, **changes: Any) -> tuple[str, Any]:
    """The body of one envelope with its log entry changed."""
    build = {"common": azure_alerts.common_activity, "legacy": azure_alerts.legacy_activity}.get(schema)
    if build is None:
        event = azure_alerts.action_event(ACCOUNT, "regenerateKey", SOMEBODY, "e-1", NOW, cloud_events=schema == "cloud-events")
        event["data"] |= changes
        return "event-grid", [event]
    body = build(ACCOUNT, "regenerateKey", SOMEBODY, "e-1", NOW)
    log = body["data"]["alertContext"] if schema == "common" else body["data"]["context"]["activityLog"]
    log |= changes
    return "azure-monitor", body


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("claims", ["{...}", None, "", 7, [], "[]", "{" * 50_000, '{"oid": 7}'])
async def test_claims_that_are_not_json_leave_the_caller_open(street: Street, schema: str, claims: Any) -> None:
    record = only(street, *edited(schema, claims=claims))
    assert isinstance(record, Regenerated)
    assert record.caller in ("someone@example.com", SOMEBODY, "")


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("status", ["Started", "Accepted", "Failed", {"value": "Started", "localizedValue": "gestartet"}])
async def test_only_what_ended_well_counts(street: Street, schema: str, status: Any) -> None:
    assert isinstance(only(street, *edited(schema, status=status)), Ignored)


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_operations_compare_without_case_and_may_be_said_twice(street: Street, schema: str) -> None:
    spelt = {"value": "MICROSOFT.COGNITIVESERVICES/ACCOUNTS/REGENERATEKEY/ACTION", "localizedValue": "Schlüssel erneuern"}
    assert isinstance(only(street, *edited(schema, operationName=spelt)), Regenerated)
    assert isinstance(only(street, *edited(schema, operationName="Microsoft.CognitiveServices/accounts/write")), Ignored)


async def test_an_operation_on_keys_that_names_no_account_is_malformed(street: Street) -> None:
    door, body = edited("event-grid", resourceUri="", authorization={})
    body[0]["subject"] = ""
    with pytest.raises(Malformed):
        only(street, door, body)


# --- Azure Monitor ------------------------------------------------------------------------------------------------------------------


def test_the_test_of_an_action_group_does_nothing(street: Street) -> None:
    assert isinstance(only(street, "azure-monitor", azure_alerts.action_group_test(NOW)), Ignored)


def test_a_metric_of_an_account_is_a_suspicion_and_its_end_is_not(street: Street) -> None:
    fired = azure_alerts.common(ACCOUNT, "Metric", "Platform", {"conditionType": "x"}, "e-1", NOW)
    record = only(street, "azure-monitor", fired)
    assert isinstance(record, Suspicion)
    assert (record.account.lower(), record.alert_type, record.severity) == (ACCOUNT.lower(), "rule-of-a-test", "Sev4")
    over = azure_alerts.common(ACCOUNT, "Metric", "Platform", {}, "e-1", NOW, condition="Resolved")
    assert isinstance(only(street, "azure-monitor", over), Ignored)
    health = azure_alerts.common(ACCOUNT, "Activity Log", "ServiceHealth", {}, "e-1", NOW)
    assert isinstance(only(street, "azure-monitor", health), Ignored)


def test_the_legacy_schema_with_a_text_for_claims(street: Street) -> None:
    """As published: `claims` is no JSON, and the operation stands in the authorization alone."""
    log = {
        "authorization": {"action": "Microsoft.Insights/actionGroups/write", "scope": "/subscriptions/x"},
        "claims": "{...}",
        "caller": "m",
    }
    body = {"schemaId": "Microsoft.Insights/activityLogs", "data": {"status": "Activated", "context": {"activityLog": log}}}
    assert isinstance(only(street, "azure-monitor", body), Ignored)
    log["authorization"] = {"action": "Microsoft.CognitiveServices/accounts/regenerateKey/action", "scope": ACCOUNT}
    record = only(street, "azure-monitor", body)
    assert isinstance(record, Regenerated)
    assert record.caller == "m"


@pytest.mark.parametrize(
    "body", [{}, [], {"schemaId": "azureMonitorCommonAlertSchema"}, {"schemaId": "Microsoft.Insights/activityLogs"}, 7]
)
def test_an_alert_of_no_schema_is_malformed(street: Street, body: Any) -> None:
    with pytest.raises(Malformed):
        only(street, "azure-monitor", body)
    assert isinstance(only(street, "azure-monitor", {"schemaId": "AzureMonitorMetricAlert", "data": {}}), Ignored)


# --- Defender and Sentinel ------------------------------------------------------------------------------------------------------------

SHAPES = ("workflow", "api", "activity-log", "action-group", "sentinel")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["AI.Azure_AccessFromSuspiciousIP", "AI.Azure_CredentialTheftAttempt", "AI.Azure_New.In2030"])
def test_defender_names_an_account_in_every_shape(street: Street, shape: str, kind: str) -> None:
    record = only(street, "defender", azure_alerts.defender_alert(shape, ACCOUNT, kind, "sys-1", NOW))
    assert isinstance(record, Suspicion)
    assert (record.account, record.alert_type, record.severity) == (ACCOUNT, kind, "High")
    assert record.origin.happened_at is not None
    assert record.origin.note == "Access from a suspicious IP"


@pytest.mark.parametrize("shape", SHAPES)
def test_an_alert_about_something_else_is_ignored(street: Street, shape: str) -> None:
    place = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"
    assert isinstance(only(street, "defender", azure_alerts.defender_alert(shape, place, "VM_SuspiciousProcess", "sys-1", NOW)), Ignored)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_alert_about_ai_without_an_account_is_malformed(street: Street, shape: str) -> None:
    with pytest.raises(Malformed):
        only(street, "defender", azure_alerts.defender_alert(shape, "", "AI.Azure_AccessAnomaly", "sys-1", NOW))


@pytest.mark.parametrize("shape", ["workflow", "api", "sentinel"])
def test_a_dismissed_alert_is_closed(street: Street, shape: str) -> None:
    record = only(street, "defender", azure_alerts.defender_alert(shape, ACCOUNT, "AI.Azure_AccessAnomaly", "sys-1", NOW, "Dismissed"))
    assert isinstance(record, Closed)


@pytest.mark.parametrize("sort", [{"alertType": "AI.Azure_AccessAnomaly"}, {"resourceType": "Cognitive Services"}])
def test_an_activity_log_that_names_the_account_in_pieces(street: Street, sort: dict[str, str]) -> None:
    alert = azure_alerts.defender_alert("activity-log", ACCOUNT, "", "sys-1", NOW)
    alert |= {"subscriptionId": "0000-1111", "resourceGroupName": "rg-ai", "properties": {"compromisedEntity": "chat-prod", **sort}}
    record = only(street, "defender", alert)
    assert isinstance(record, Suspicion)
    assert record.account == ACCOUNT
    alert["properties"] = {"compromisedEntity": "chat-prod", "resourceType": "Virtual Machine"}
    assert isinstance(only(street, "defender", alert), Ignored)


def test_a_page_of_the_api_is_many_alerts(street: Street) -> None:
    page = {"value": [azure_alerts.defender_alert("api", f"{ACCOUNT}{number}", "AI.Azure_AccessAnomaly", "s", NOW) for number in range(3)]}
    assert len([one for one in parse(street, "defender", page).records if isinstance(one, Suspicion)]) == 3


def test_entities_as_a_text_and_a_logic_apps_envelope(street: Street) -> None:
    """As Sentinel's table has it, inside what a logic app passes on."""
    row = {"AlertType": "AI.Azure_DOWVolumeAnomaly", "SystemAlertId": "s", "Entities": json.dumps([{"ResourceId": ACCOUNT}])}
    record = only(street, "defender", {"headers": {}, "body": row})
    assert isinstance(record, Suspicion)
    assert record.account == ACCOUNT


# --- texts ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [current_key, legacy_key])
def test_a_key_in_any_text_of_an_alert_is_in_no_text_of_ours(street: Street, make: Any) -> None:
    value = make()
    alert = {"number": 7, "secret_type": f"x{value}", "html_url": f"https://x/{value}", "secret_type_display_name": f"{value} \u202e\n"}
    shown = [
        repr(github(street, alert=alert)),
        repr(gitguardian(street, detector={"name": value, "display_name": value}, gitguardian_url=f"https://x/?{quote(value)}")),
        repr(signed(street, {"account": ACCOUNT, "note": f"\\n{value}", "source": value, "url": f"https://x/{value}"})),
        repr(only(street, "defender", {"AlertType": value, "SystemAlertId": value, "AzureResourceId": ACCOUNT, "Severity": value})),
    ]
    assert not any(value in text for text in shown)


def test_a_value_in_base64_is_looked_at_as_it_stands(street: Street) -> None:
    record = signed(street, {"key": base64.b64encode(current_key().encode()).decode()})
    assert isinstance(record, Leak)
    assert len(record.clues) == 1
