"""Defender for Cloud in its four shapes, and Sentinel: they name an account, never a key, so all that comes of them is a suspicion.

workflow automation   AlertType, SystemAlertId, AzureResourceId / ResourceIdentifiers       (PascalCase; also Sentinel's SecurityAlert)
alerts API, export    properties.alertType, properties.resourceIdentifiers[].azureResourceId
activity log          operationName {value, localizedValue}, properties.…, resourceId of the alert
action group          the common schema around an activity log of category Security
Sentinel              object.properties of an incident, with alerts[] and relatedEntities[] inside
"""

from collections.abc import Mapping
from typing import Any

from rotator.alerts.batch import each_of
from rotator.alerts.delivery import Closed, Delivery, Ignored, Malformed, Origin, Post, Record, Suspicion
from rotator.alerts.gate import Gate
from rotator.alerts.reading import account_in, accounts_in, document, field, identity, items, link, mapping, note, text, time, word

SOURCE = "defender"
OF_AI = "ai."
SORTS_OF_AI = ("cognitive", "openai", "ai service")
PROVIDER = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.CognitiveServices/accounts"
PLACES = ("azureResourceId", "resourceIdentifiers", "resourceId", "compromisedEntity", "entities", "relatedEntities", "alerts")
_OVER = frozenset({"dismissed", "resolved", "closed", "dismiss", "resolve"})


class Defender:
    """Fulfils `Sender`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def verify(self, post: Post) -> None:
        await self._gate.check(post)

    def parse(self, post: Post) -> Delivery:
        records = each_of(_alerts(document(post.body)), lambda alert: _records(post, alert))
        return Delivery(source=SOURCE, delivery_id=None, body_sha256=post.body_sha256, records=records)


def _alerts(body: Any) -> list[Mapping[str, Any]]:
    """The alerts in whatever holds them: one, an array, a page of the API, an envelope of a logic app, a Sentinel incident."""
    found: list[Mapping[str, Any]] = []
    for one in items(field(body, "value") if isinstance(field(body, "value"), list) else body):
        inner = mapping(field(one, "body")) if isinstance(field(one, "body"), Mapping | str) else {}
        said = inner or mapping(one)
        data = mapping(field(said, "data"))
        logged = mapping(field(data, "alertContext")) or mapping(field(mapping(field(data, "context")), "activityLog"))
        found.append(mapping(field(said, "object")) or logged or said)
    return found


def _records(post: Post, alert: Mapping[str, Any]) -> list[Record]:
    properties = mapping(field(alert, "properties"))
    nested = [mapping(each) for each in items(field(properties, "alerts")) if isinstance(each, Mapping)]
    kind = next((said for said in map(_kind, (properties, alert, *nested)) if said), "")
    name = text(properties, "systemAlertId", "incidentNumber") or text(alert, "systemAlertId", "eventDataId", "id", "name")
    if not kind and not name:
        raise Malformed("none of the shapes of a Defender alert")
    accounts = _accounts(alert, properties)
    if not accounts:
        if kind.lower().startswith(OF_AI):
            raise Malformed("an alert about AI that names no account")
        return [Ignored(because="an alert about something other than an AI account")]
    origin = _origin(post, alert, properties, name)
    if _status(alert, properties) in _OVER:
        return [Closed(origin=origin, clues=(), how=_status(alert, properties))]
    severity = word(text(properties, "severity") or text(alert, "severity", "alertSeverity", "level"))
    return [
        Suspicion(origin=origin, account=each, alert_type=kind or word(text(properties, "title")) or SOURCE, severity=severity)
        for each in accounts
    ]


def _kind(said: Mapping[str, Any]) -> str:
    return word(text(said, "alertType") or text(mapping(field(said, "properties")), "alertType") or text(said, "eventName"))


def _status(alert: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    """Of the activity log, what the operation's name ends with: `…/alerts/dismiss/action`."""
    said = text(properties, "status") or text(alert, "status")
    operation = text(alert, "operationName").lower().removesuffix("/action").rpartition("/")[2]
    return operation if operation in _OVER else word(said).lower()


def _accounts(alert: Mapping[str, Any], properties: Mapping[str, Any]) -> list[str]:
    """The accounts in the places for it, also where those are JSON texts; only if there are none, any that a text names."""
    placed = [field(said, place) for said in (properties, alert) for place in PLACES]
    return accounts_in(placed) or accounts_in(alert) or _put_together(alert, properties)


def _put_together(alert: Mapping[str, Any], properties: Mapping[str, Any]) -> list[str]:
    """The activity log may name the account by its bare name, beside subscription, group and what sort of thing it is."""
    sort = f"{_kind(properties)} {text(properties, 'resourceType', 'attackedResourceType')}".lower()
    group, subscription = (text(alert, name) or text(properties, name) for name in ("resourceGroupName", "subscriptionId"))
    if not sort.startswith(OF_AI) and not any(word in sort for word in SORTS_OF_AI):
        return []
    account = f"{PROVIDER.format(subscription, group)}/{text(properties, 'compromisedEntity')}"
    return [account] if account_in(account) == account else []


def _origin(post: Post, alert: Mapping[str, Any], properties: Mapping[str, Any], name: str) -> Origin:
    happened = time(properties, "timeGeneratedUtc", "createdTimeUtc", "startTimeUtc") or time(
        alert, "timeGenerated", "timeGeneratedUtc", "startTimeUtc", "eventTimestamp"
    )
    title = text(properties, "alertDisplayName", "title") or text(alert, "alertDisplayName", "displayName", "alertName", "eventName")
    return Origin(
        source=SOURCE,
        id=identity(name) or f"sha256:{post.body_sha256}",
        reported_at=post.at,
        happened_at=happened,
        url=link(text(properties, "alertUri", "incidentUrl") or text(alert, "alertUri", "alertLink")),
        note=note(title),
    )
