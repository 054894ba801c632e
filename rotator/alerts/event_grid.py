"""Azure Event Grid, in its own schema and as CloudEvents: what a key vault says of our secrets, and ARM of our accounts' keys.

Each event is a record of its own, known by (topic or source, id): Event Grid delivers at least once and in batches. A handshake is
answered from its code; its URL is never fetched.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from rotator.alerts.activity_log import keys_touched
from rotator.alerts.batch import each_of
from rotator.alerts.delivery import Delivery, Due, Handshake, Ignored, Malformed, Origin, Post, Record, Refused
from rotator.alerts.gate import Gate
from rotator.alerts.reading import document, identity, items, mapping, text, time

SOURCE = "event-grid"
CALLERS = {"public": "4962773b-9cdb-44cf-a8bf-237846a00ab7", "usgov": "54316b56-3481-47f9-8f30-0300f5542a7b"}
ROLE = "AzureEventGridSecureWebhookSubscriber"
ORIGINS = frozenset({"eventgrid.azure.net"})
"""Who may ask by OPTIONS whether we want CloudEvents. An exact list, and no authentication: each event is verified all the same."""
RATE_PER_MINUTE = 1000
VALIDATION = "microsoft.eventgrid.subscriptionvalidationevent"
EXPIRIES = {"microsoft.keyvault.secretnearexpiry": False, "microsoft.keyvault.secretexpired": True}
_CODE = re.compile(r"[A-Za-z0-9-]{1,200}")
_SECRET_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")


class EventGrid:
    """Fulfils `Sender`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def verify(self, post: Post) -> None:
        await self._gate.check(post)

    def parse(self, post: Post) -> Delivery:
        records = each_of(_once(items(document(post.body))), lambda event: [_record(post, mapping(event))])
        return Delivery(source=SOURCE, delivery_id=None, body_sha256=post.body_sha256, records=records)


def preflight(headers: Mapping[str, str], origins: frozenset[str] = ORIGINS) -> Handshake:
    """The answer to CloudEvents' OPTIONS. Raises Refused."""
    asked = {name.lower(): value.strip() for name, value in headers.items()}.get("webhook-request-origin", "")
    if asked not in origins:
        raise Refused("webhook-request-origin is not Event Grid")
    allowed = {"WebHook-Allowed-Origin": asked, "WebHook-Allowed-Rate": str(RATE_PER_MINUTE), "Allow": "POST, OPTIONS"}
    return Handshake(headers=allowed)


def _once(events: list[Any]) -> list[Any]:
    """An id that stands twice in one delivery is one event."""
    seen: dict[object, Any] = {}
    for number, event in enumerate(events):
        name = text(event, "id")
        seen.setdefault((_topic(mapping(event)), name) if name else number, event)
    return list(seen.values())


def _topic(event: Mapping[str, Any]) -> str:
    return text(event, "source", "topic")


def _record(post: Post, event: Mapping[str, Any]) -> Record:
    kind = text(event, "type", "eventType").lower()
    data = mapping(event.get("data"))
    if kind == VALIDATION:
        return _handshake(text(data, "validationCode"))
    if not kind:
        raise Malformed("an event without a type")
    if kind not in EXPIRIES and kind != "microsoft.resources.resourceactionsuccess":
        return Ignored(because="a type of event with nothing to do")
    name = text(event, "id")
    if not name:
        raise Malformed("an event without an id")
    origin = Origin(
        source=SOURCE,
        id=identity(f"{_topic(event)}|{name}"),
        reported_at=post.at,
        happened_at=time(event, "time", "eventTime"),
    )
    if kind in EXPIRIES:
        return _due(data, origin, EXPIRIES[kind])
    return keys_touched(data, origin, text(event, "subject"))


def _handshake(code: str) -> Handshake:
    if not _CODE.fullmatch(code):
        raise Malformed("a handshake without its code")
    return Handshake(body={"validationResponse": code})


def _due(data: Mapping[str, Any], origin: Origin, expired: bool) -> Record:
    """A vault is named by the secret's URL, which is compared with the settings and never fetched; without one, by its name alone."""
    if text(data, "ObjectType").lower() not in ("secret", ""):
        return Ignored(because="a certificate or key of a vault")
    vault, secret, version = _place(text(data, "Id"))
    secret = secret or text(data, "ObjectName")
    vault = vault or text(data, "VaultName")
    if not vault or not _SECRET_NAME.fullmatch(secret) or not re.fullmatch(r"[A-Za-z0-9.:/_~\[\]-]{1,300}", vault):
        raise Malformed("an expiry that does not say vault and secret")
    version = identity(version or text(data, "Version"))
    return Due(origin=origin, vault=vault, secret=secret, version=version, expired=expired, expires=time(data, "EXP"))


def _place(url: str) -> tuple[str, str, str]:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "", "", ""
    base, _, rest = url.partition("/secrets/")
    if parts.scheme != "https" or not host or not rest or parts.username:
        return "", "", ""
    secret, _, version = rest.partition("/")
    return base, secret, version.rstrip("/")
