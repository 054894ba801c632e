"""GitHub's secret-scanning partner format: ECDSA over the body with a key that GitHub publishes. It carries the values themselves."""

from collections.abc import Mapping
from typing import Any, Protocol

from rotator.alerts.authentic import HEADER_LENGTH_MAX
from rotator.alerts.batch import each_of
from rotator.alerts.delivery import Delivery, Leak, Malformed, Origin, Post, Record, Refused
from rotator.alerts.ecdsa import PublicKey, signed_by
from rotator.alerts.reading import document, field, items, link, mapping, note, text, values_of, word
from rotator.core.sealed import Fingerprint, Sealed

SOURCE = "github-partner"
KEY_HEADER = "github-public-key-identifier"
SIGNATURE = "github-public-key-signature"
ID_LENGTH_MAX = 200


class PublicKeys(Protocol):
    """Where GitHub's keys come from."""

    async def key(self, identifier: str) -> PublicKey | None:
        """The key of this name, or None where GitHub has none. Raises Unverifiable."""


class GitHubPartner:
    """Fulfils `Sender`."""

    def __init__(self, keys: PublicKeys) -> None:
        self._keys = keys

    async def verify(self, post: Post) -> None:
        identifier, signature = post.header(KEY_HEADER), post.header(SIGNATURE)
        if not identifier or not signature or len(identifier) > ID_LENGTH_MAX or len(signature) > HEADER_LENGTH_MAX:
            raise Refused(f"no {KEY_HEADER} with {SIGNATURE}")
        key = await self._keys.key(identifier)
        if key is None or not signed_by(key, signature, post.body):
            raise Refused(f"{SIGNATURE} is not GitHub's over this body")

    def parse(self, post: Post) -> Delivery:
        records = each_of(items(document(post.body)), lambda one: [_leak(post, one)])
        return Delivery(source=SOURCE, delivery_id=None, body_sha256=post.body_sha256, records=records)


def _leak(post: Post, one: object) -> Record:
    said = mapping(one)
    written = field(said, "token")
    values = values_of(written) if isinstance(written, str) else []
    if not values:
        raise Malformed("an entry without its token")
    origin = Origin(
        source=SOURCE,
        id=f"{values[0].fingerprint}",
        reported_at=post.at,
        url=link(text(said, "url"), *values),
        note=note(text(said, "source"), *values),
    )
    return Leak(origin=origin, clues=tuple(values), kind=word(note(text(said, "type"), *values)))


def answer(delivery: Delivery, ours: Mapping[Fingerprint, bool]) -> list[dict[str, Any]]:
    """What GitHub wants to hear of each token, by its hash: whether it is or was a key of ours; nothing where `ours` does not know."""
    told = []
    for leak in (record for record in delivery.records if isinstance(record, Leak)):
        values = [clue for clue in leak.clues if isinstance(clue, Sealed)]
        known = [ours[value.fingerprint] for value in values if value.fingerprint in ours]
        if known:
            label = "true_positive" if any(known) else "false_positive"
            told.append({"token_hash": values[0].sha256(), "token_type": leak.kind, "label": label})
    return told
