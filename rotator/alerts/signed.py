"""The `signed` door for anything else: Standard Webhooks (`id.timestamp.body`, HMAC-SHA256), and one body of our own.

A few lines of our own, because the reference package decodes the body as text before it verifies, reads the machine's clock, and answers
an odd header with exceptions of other classes.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

from rotator.alerts.authentic import SharedSecret, check_fresh, moment
from rotator.alerts.delivery import Delivery, Hash, Ignored, Leak, Malformed, Origin, Post, Record, Refused, Suspicion
from rotator.alerts.reading import account_in, identity, link, mapping, note, object_in, text, time, values_of
from rotator.core.faults import Rejected

SOURCE = "signed"
TYPE = "key.leaked"
PREFIX = "whsec_"
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SIGNATURES_MAX = 10
ID_LENGTH_MAX = 256
CLUES = ("key", "sha256", "fingerprint", "account")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_FINGERPRINT = re.compile(r"[a-z2-7]{26}")


class Signed:
    """Fulfils `Sender`. A retry keeps its `webhook-id`, which is signed here."""

    def __init__(self, secret: SharedSecret) -> None:
        self._key = secret.key(key_bytes)

    async def verify(self, post: Post) -> None:
        identifier, said = post.header(ID), post.header(TIMESTAMP)
        if not identifier or len(identifier) > ID_LENGTH_MAX or not re.fullmatch(r"[0-9]{1,12}", said, re.ASCII):
            raise Refused(f"no {ID}, or no {TIMESTAMP} in seconds")
        message = f"{identifier}.{said}.".encode("utf-8", "surrogatepass") + post.body
        expected = base64.b64encode(hmac.new(self._key, message, hashlib.sha256).digest())
        given = post.header(SIGNATURE).split(" ")[:SIGNATURES_MAX]
        if not any(hmac.compare_digest(b"v1," + expected, each.encode("utf-8", "surrogatepass")) for each in given):
            raise Refused(f"{SIGNATURE} does not match the body under the secret in the settings")
        check_fresh(moment(said), post, TIMESTAMP)

    def parse(self, post: Post) -> Delivery:
        identifier = post.header(ID)
        record = _record(post, identifier, object_in(post.body))
        return Delivery(source=SOURCE, delivery_id=identity(identifier) or None, body_sha256=post.body_sha256, records=(record,))


def key_bytes(secret: str) -> bytes:
    """The key that a secret stands for. Raises Rejected where it is not of its form."""
    written = secret.strip().removeprefix(PREFIX)
    try:
        key = base64.b64decode(written + "=" * (-len(written) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise Rejected(f"the secret of {SOURCE} is not {PREFIX} and base64", remedy="make one: echo whsec_$(openssl rand -base64 32)")
    return key


def _record(post: Post, identifier: str, body: Mapping[str, Any]) -> Record:
    if not text(body, "type"):
        raise Malformed(f"no type; a leak is {TYPE}")
    if text(body, "type") != TYPE:
        return Ignored(because=f"a type other than {TYPE}")
    data = mapping(body.get("data"))
    said = [name for name in CLUES if data.get(name) is not None]
    if len(said) != 1:
        raise Malformed(f"data says exactly one of {', '.join(CLUES)}")
    (name,) = said
    value = data[name]
    if not isinstance(value, str):
        raise Malformed(f"data.{name} is not a text")
    values = values_of(value) if name == "key" else []
    origin = Origin(
        source=SOURCE,
        id=identity(identifier),
        reported_at=post.at,
        happened_at=time(body, "timestamp"),
        url=link(text(data, "url"), *values),
        note=note(" · ".join(filter(None, (text(data, "source"), text(data, "note")))), *values),
    )
    match name:
        case "key" if values:
            return Leak(origin=origin, clues=tuple(values), kind=TYPE)
        case "sha256" if _SHA256.fullmatch(value.strip()):
            return Leak(origin=origin, clues=(Hash(kind="sha256", value=value.strip().lower()),), kind=TYPE)
        case "fingerprint" if _FINGERPRINT.fullmatch(value.strip().lower()):
            return Leak(origin=origin, clues=(Hash(kind="fingerprint", value=value.strip().lower()),), kind=TYPE)
        case "account" if account_in(value):
            return Suspicion(origin=origin, account=account_in(value), alert_type=TYPE)
        case _:
            raise Malformed(f"data.{name} is not of its form")
