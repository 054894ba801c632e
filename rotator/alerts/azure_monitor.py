"""Azure Monitor's action groups: the common alert schema and the legacy one of activity log alerts.

An alert about the activity log tells who listed or regenerated keys. Any other alert that somebody pointed at this door and that targets
an AI account (a spike of tokens, a metric out of its band) is a suspicion; one about anything else, like the test of an action group, is
nothing.
"""

from collections.abc import Mapping
from typing import Any

from rotator.alerts.activity_log import caller_of, keys_touched, operation_of
from rotator.alerts.delivery import Delivery, Ignored, Malformed, Origin, Post, Record, Suspicion
from rotator.alerts.gate import Gate
from rotator.alerts.reading import accounts_in, field, identity, link, mapping, note, object_in, text, texts, time, word

SOURCE = "azure-monitor"
CALLER = "461e8683-5575-4561-ac7f-899cc907d62a"
ROLE = "ActionGroupsSecureWebhook"
_HEALTH = ("servicehealth", "resource health", "resourcehealth", "service health")


class AzureMonitor:
    """Fulfils `Sender`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def verify(self, post: Post) -> None:
        await self._gate.check(post)

    def parse(self, post: Post) -> Delivery:
        records = _records(post, object_in(post.body))
        return Delivery(source=SOURCE, delivery_id=None, body_sha256=post.body_sha256, records=tuple(records))


def _records(post: Post, body: Mapping[str, Any]) -> list[Record]:
    data = mapping(body.get("data"))
    match text(body, "schemaId").lower():
        case "azuremonitorcommonalertschema":
            return _common(post, data)
        case "microsoft.insights/activitylogs":
            return [_legacy(post, data)]
        case "":
            raise Malformed("no schemaId: neither of the two schemas of Azure Monitor")
        case _:
            return [Ignored(because="a schema other than the common one and the activity log's")]


def _common(post: Post, data: Mapping[str, Any]) -> list[Record]:
    essentials, context = mapping(field(data, "essentials")), mapping(field(data, "alertContext"))
    if not essentials:
        raise Malformed("an alert without its essentials")
    if text(essentials, "monitorCondition").lower() == "resolved":
        return [Ignored(because="the alert is over")]
    service = text(essentials, "monitoringService").lower()
    if any(name in service for name in _HEALTH):
        return [Ignored(because="the health of a service")]
    origin = _origin(post, text(essentials, "alertId", "originAlertId"), time(essentials, "firedDateTime"), essentials)
    targets = field(essentials, "alertTargetIDs")
    if operation_of(context) and "security" not in service:
        return [keys_touched(context, origin, *texts(targets))]
    accounts = accounts_in(targets) or accounts_in([field(context, "resourceId"), field(context, "properties")])
    if not accounts:
        return [Ignored(because="an alert that targets no AI account")]
    kind = word(text(mapping(field(context, "properties")), "alertType") or text(essentials, "alertRule")) or SOURCE
    severity, by = word(text(essentials, "severity")), caller_of(context)
    return [Suspicion(origin=origin, account=each, alert_type=kind, severity=severity, by=by) for each in accounts]


def _legacy(post: Post, data: Mapping[str, Any]) -> Record:
    if text(data, "status").lower() in ("resolved", "deactivated"):
        return Ignored(because="the alert is over")
    log = mapping(field(mapping(field(data, "context")), "activityLog"))
    if not log:
        raise Malformed("an activity log alert without its activityLog")
    happened = time(log, "eventTimestamp", "submissionTimestamp")
    return keys_touched(log, _origin(post, text(log, "eventDataId", "correlationId"), happened, log))


def _origin(post: Post, name: str, happened: Any, told: Mapping[str, Any]) -> Origin:
    return Origin(
        source=SOURCE,
        id=identity(name) or f"sha256:{post.body_sha256}",
        reported_at=post.at,
        happened_at=happened,
        url=link(text(told, "investigationLink")),
        note=note(text(told, "alertRule", "description")),
    )
