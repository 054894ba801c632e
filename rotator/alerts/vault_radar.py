"""HCP Vault Radar's webhook: HMAC-SHA512 over the body (its timestamp is not signed). Clues are the keys that stand in the finding's texts.

Radar sends no value and no hash that could be computed from a key: a finding without a key in its texts is a leak without a clue, for a
person to look at.
"""

from collections.abc import Mapping
from typing import Any

from rotator.alerts.authentic import SharedSecret, check_hex
from rotator.alerts.delivery import Delivery, Ignored, Leak, Malformed, Origin, Post, Record
from rotator.alerts.reading import field, identity, link, note, object_in, sealed_in, text, texts, time, word

SOURCE = "vault-radar"
SIGNATURE = "x-hcp-radar-signature"
MESSAGE_ID = "x-hcp-radar-message-id"


class VaultRadar:
    """Fulfils `Sender`."""

    def __init__(self, secret: SharedSecret) -> None:
        self._secret = secret

    async def verify(self, post: Post) -> None:
        check_hex(self._secret, post, SIGNATURE, "sha512")

    def parse(self, post: Post) -> Delivery:
        return Delivery(
            source=SOURCE,
            delivery_id=identity(post.header(MESSAGE_ID)) or None,
            body_sha256=post.body_sha256,
            records=(_record(post, object_in(post.body)),),
        )


def _record(post: Post, body: Mapping[str, Any]) -> Record:
    """Two spellings are documented, `type` and `event_type`; the connection's test message has neither."""
    kind = text(body, "event_type", "type")
    if not kind or "test" in kind.lower().split("_"):
        return Ignored(because="a message that is no finding")
    event = text(body, "event_id")
    if not event:
        raise Malformed("the finding does not say its event_id")
    values = sealed_in(body)
    shown = next((link(each, *values) for each in texts(field(body, "links")) if link(each, *values)), "")
    origin = Origin(
        source=SOURCE,
        id=identity(event),
        reported_at=post.at,
        happened_at=time(body, "created_at", "created", "timestamp"),
        url=shown,
        note=note(text(body, "summary", "description"), *values),
    )
    return Leak(origin=origin, clues=tuple(values), kind=word(text(body, "event_subtype", "sub_type") or kind))
