"""GitHub's webhook of a repository, an organisation or an app: HMAC-SHA256 over the body. It carries no value, only where to fetch it."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from rotator.alerts.authentic import SharedSecret, check_hex
from rotator.alerts.delivery import Closed, Delivery, HeldByGitHub, Ignored, Leak, Malformed, Origin, Post, Record, Reopened
from rotator.alerts.reading import identity, link, mapping, number, object_in, text, time, word
from rotator.core.exposure import Bound, Word, words

SOURCE = "github"
SIGNATURE = "x-hub-signature-256"
OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9_])?")
REPOSITORY = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
LEAKS = frozenset({"created", "publicly_leaked", "validated"})
CLOSES = frozenset({"resolved", "revoked"})
FORM = "application/x-www-form-urlencoded"


class GitHub:
    """Fulfils `Sender`."""

    def __init__(self, secret: SharedSecret) -> None:
        self._secret = secret

    async def verify(self, post: Post) -> None:
        check_hex(self._secret, post, SIGNATURE, "sha256")

    def parse(self, post: Post) -> Delivery:
        """The event's name stands in an unsigned header: it only chooses how the signed body is read."""
        return Delivery(
            source=SOURCE,
            delivery_id=identity(post.header("x-github-delivery")) or None,
            body_sha256=post.body_sha256,
            records=(_record(post, _payload(post)),),
        )


def _payload(post: Post) -> Mapping[str, Any]:
    """The JSON, or the form with the JSON inside that a webhook sends where nobody chose a content type."""
    if not post.header("content-type").lower().startswith(FORM):
        return object_in(post.body)
    try:
        (payload,) = parse_qs(post.body.decode("ascii"), max_num_fields=10)["payload"]
    except (ValueError, KeyError):
        raise Malformed("a form without one payload") from None
    return object_in(payload.encode("utf-8", "replace"))


def _record(post: Post, body: Mapping[str, Any]) -> Record:
    event = post.header("x-github-event")
    action = text(body, "action").lower()
    match event:
        case "secret_scanning_alert":
            return _alert(post, body, action)
        case "secret_scanning_alert_location":
            return _alert(post, body, "created") if action == "created" else Ignored(because="nothing to do for this action")
        case "":
            raise Malformed("no x-github-event")
        case _:
            return Ignored(because="an event that tells of no leaked key")


def _alert(post: Post, body: Mapping[str, Any], action: str) -> Record:
    if action not in {*LEAKS, *CLOSES, "reopened"}:
        return Ignored(because="nothing to do for this action")
    alert = mapping(body.get("alert"))
    held = held_by(body.get("repository"), alert)
    kind = word(text(alert, "secret_type"))
    origin = Origin(
        source=SOURCE,
        id=str(held),
        reported_at=post.at,
        happened_at=time(alert, "updated_at", "created_at"),
        exposed=exposed(alert, post.at),
        url=link(text(alert, "html_url")),
        note=word(text(alert, "secret_type_display_name")) or kind,
    )
    if action in CLOSES:
        by = word(text(mapping(alert.get("resolved_by")), "login"))
        return Closed(origin=origin, clues=(held,), how=word(text(alert, "resolution")) or action, by=by)
    if action == "reopened":
        return Reopened(origin=origin, clues=(held,), kind=kind)
    if text(alert, "state").lower() == "resolved":
        return Ignored(because="the alert is resolved already")
    return Leak(origin=origin, clues=(held,), kind=kind)


def exposed(alert: object, now: datetime) -> tuple[Word, ...]:
    """GitHub tells where it found the secret first, but not when that was committed."""
    return words(now, (Bound.LATEST, "the alert was created", time(alert, "created_at")))


def held_by(repository: object, alert: object) -> HeldByGitHub:
    """Where an alert's value is. Raises Malformed: what is not a plain name or number never comes near a URL."""
    named = mapping(repository)
    owner, _, name = text(named, "full_name").partition("/")
    owner = owner or text(mapping(named.get("owner")), "login")
    name = name or text(named, "name")
    count = number(alert, "number")
    if not OWNER.fullmatch(owner) or not REPOSITORY.fullmatch(name) or count is None:
        raise Malformed("the alert does not say its repository and number")
    return HeldByGitHub(owner=owner, repository=name, number=count)
