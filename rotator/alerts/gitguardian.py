"""GitGuardian's custom webhook: HMAC-SHA256 with the timestamp before the token in its key. It carries a hash, never a value."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rotator.alerts.authentic import SharedSecret, check_fresh, check_hex, moment
from rotator.alerts.delivery import (
    Closed,
    Clue,
    Delivery,
    Hash,
    HeldByGitGuardian,
    Ignored,
    Leak,
    Malformed,
    Origin,
    Post,
    Record,
    Reopened,
)
from rotator.alerts.reading import link, mapping, number, object_in, text, time, word
from rotator.core.exposure import Bound, words

SOURCE = "gitguardian"
SIGNATURE = "gitguardian-signature"
TIMESTAMP = "timestamp"
LEAKS = frozenset({"incident_triggered", "new_occurrence", "incident_validity_changed"})
REOPENS = frozenset({"incident_reopened", "incident_regression"})
CLOSES = {"incident_resolved": "resolved", "incident_ignored": "ignored"}
DETECTED = (("the incident's date", "date"), ("the incident was triggered", "triggered_at"))
_HASH = re.compile(r"[0-9a-fA-F]{64}")


class GitGuardian:
    """Fulfils `Sender`. There is no delivery id: the body's hash is all that tells one delivery from another."""

    def __init__(self, secret: SharedSecret) -> None:
        self._secret = secret

    async def verify(self, post: Post) -> None:
        said = post.header(TIMESTAMP)
        check_hex(self._secret, post, SIGNATURE, "sha256", before=said.encode("utf-8", "surrogatepass"))
        check_fresh(moment(said), post, TIMESTAMP)

    def parse(self, post: Post) -> Delivery:
        record = _record(post, object_in(post.body))
        return Delivery(source=SOURCE, delivery_id=None, body_sha256=post.body_sha256, records=(record,))


def _record(post: Post, body: Mapping[str, Any]) -> Record:
    action = text(body, "action").lower()
    if action not in {*LEAKS, *REOPENS, *CLOSES}:
        return Ignored(because="an action that tells of no leaked key")
    incident = mapping(body.get("incident"))
    count = number_of(incident)
    committed = time(mapping(body.get("occurrence")), "date")
    origin = origin_of(incident, count, post.at, time(body, "timestamp"), committed)
    clues, kind = clues_of(incident, count), kind_of(incident)
    if action in CLOSES:
        how = word(text(incident, "ignore_reason")) or CLOSES[action]
        return Closed(origin=origin, clues=clues, how=how, by=word(text(incident, "assignee_email")))
    if action in REOPENS:
        return Reopened(origin=origin, clues=clues, kind=kind)
    if text(incident, "status").lower() in CLOSES.values():
        return Ignored(because="the incident is closed already")
    return Leak(origin=origin, clues=clues, kind=kind)


def number_of(incident: Mapping[str, Any]) -> int:
    """By what it is named. Raises Malformed."""
    count = number(incident, "id")
    if count is None:
        raise Malformed("the incident does not say its id")
    return count


def origin_of(
    incident: Mapping[str, Any], count: int, at: datetime, happened: datetime | None = None, committed: datetime | None = None
) -> Origin:
    """Whose word it is, whether the webhook or the API tells of it."""
    detected = ((Bound.LATEST, what, time(incident, name)) for what, name in DETECTED)
    return Origin(
        source=SOURCE,
        id=str(count),
        reported_at=at,
        happened_at=happened or time(incident, "date"),
        exposed=words(at, *detected, (Bound.EARLIEST, "the occurrence was committed", committed)),
        url=link(text(incident, "gitguardian_url")),
        note=word(text(mapping(incident.get("detector")), "display_name", "name")),
    )


def kind_of(incident: Mapping[str, Any]) -> str:
    return word(text(mapping(incident.get("detector")), "name"))


def clues_of(incident: object, count: int) -> tuple[Clue, ...]:
    """Its `hmsl_hash` where there is a real one, and the number under which the API may know more."""
    said = text(incident, "hmsl_hash")
    held = HeldByGitGuardian(incident=count)
    return (Hash(kind="hmsl_hash", value=said.lower()), held) if _HASH.fullmatch(said) else (held,)
