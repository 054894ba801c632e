"""GitHub's secret-scanning API: fetch an alert's value, list the open ones (the backstop for lost deliveries), close one as revoked.

A value leaves here sealed, alone or with the keys that stand inside it; never gated on GitHub's own `validity`, which knows nothing of
Azure OpenAI.
"""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import aiohttp

from rotator.alerts.api import Api
from rotator.alerts.delivery import HeldByGitHub, Leak, Malformed, Origin
from rotator.alerts.github import OWNER, REPOSITORY, SOURCE, exposed, held_by
from rotator.alerts.reading import link, mapping, note, text, time, values_of, word
from rotator.core.faults import Missing, Rejected
from rotator.core.sealed import Sealed

API = "https://api.github.com"
VERSION = "2022-11-28"
PAGE_SIZE = 100
PAGES_MAX = 50
COMMENT_LENGTH_MAX = 280
REVOKED = "revoked"


class Resolution(StrEnum):
    """How closing an alert ended: by us now, by us before, or by somebody else in another way, whose word stands."""

    RESOLVED = "resolved"
    ALREADY = "already"
    OTHERWISE = "otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An alert as GitHub has it now."""

    leak: Leak
    state: str
    resolution: str


class GitHubApi:
    """One GitHub (or GitHub Enterprise Server, whose base ends in `/api/v3`), with one token."""

    def __init__(self, session: aiohttp.ClientSession, token: Sealed, base: str = API) -> None:
        headers = {"Authorization": f"Bearer {token.reveal()}", "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION}
        self._api = Api(session, base, headers)

    async def alert(self, held: HeldByGitHub, now: datetime) -> Held:
        """The alert with its value as clues. Raises Missing: the repository, the alert, or the token's right to see it."""
        answered = await self._api.call(f"the alert {held}", "GET", _path(held))
        return _held(mapping(answered.body), held, now)

    async def values(self, held: HeldByGitHub, now: datetime) -> list[Sealed]:
        """The alert's value, and the keys inside it."""
        return [clue for clue in (await self.alert(held, now)).leak.clues if isinstance(clue, Sealed)]

    async def open_alerts(self, place: str, now: datetime) -> AsyncIterator[Leak]:
        """The open alerts of `owner/name`, or of everything that an organisation `owner` has; each with its value.

        Raises:
            Rejected: `place` is neither.
        """
        path, of_one = _listing(place)
        for page in range(1, PAGES_MAX + 1):
            query = {"state": "open", "per_page": str(PAGE_SIZE), "page": str(page)}
            body = (await self._api.call(f"the open alerts of {place}", "GET", path, query=query)).body
            found = body if isinstance(body, list) else []
            for one in found:
                leak = _listed(mapping(one), of_one, now)
                if leak is not None:
                    yield leak
            if len(found) < PAGE_SIZE:
                return

    async def resolve(self, held: HeldByGitHub, comment: str, now: datetime) -> Resolution:
        """Close the alert as revoked. Looked at first, so that a second try changes nothing, and a person's word stands.

        Raises:
            Missing: there is no such alert any more, or the token may not see it.
            Rejected: GitHub will not have it closed so (422).
        """
        state = await self.alert(held, now)
        if state.state == "resolved":
            return Resolution.ALREADY if state.resolution == REVOKED else Resolution.OTHERWISE
        content = {"state": "resolved", "resolution": REVOKED, "resolution_comment": note(comment)[:COMMENT_LENGTH_MAX]}
        await self._api.call(f"closing the alert {held}", "PATCH", _path(held), content=content)
        return Resolution.RESOLVED


def _path(held: HeldByGitHub) -> str:
    """Checked here once more: whoever made `held`, no other path comes of it."""
    if not OWNER.fullmatch(held.owner) or not REPOSITORY.fullmatch(held.repository) or not 0 < held.number < 10**18:
        raise Rejected("an alert that is named by no repository and number")
    return f"/repos/{held.owner}/{held.repository}/secret-scanning/alerts/{held.number}"


def _listing(place: str) -> tuple[str, Mapping[str, str] | None]:
    owner, slash, name = place.partition("/")
    if not OWNER.fullmatch(owner) or (slash and not REPOSITORY.fullmatch(name)):
        raise Rejected("neither OWNER nor OWNER/NAME", remedy="correct `alerts.github.repositories`")
    if slash:
        return f"/repos/{owner}/{name}/secret-scanning/alerts", {"full_name": place}
    return f"/orgs/{owner}/secret-scanning/alerts", None


def _listed(alert: Mapping[str, Any], repository: Mapping[str, str] | None, now: datetime) -> Leak | None:
    try:
        held = held_by(repository or alert.get("repository"), alert)
        return _held(alert, held, now).leak
    except (Malformed, Missing):
        return None  # one odd alert must not hide the others


def _held(alert: Mapping[str, Any], held: HeldByGitHub, now: datetime) -> Held:
    values = _values(alert)
    origin = Origin(
        source=SOURCE,
        id=str(held),
        reported_at=now,
        happened_at=time(alert, "created_at"),
        exposed=exposed(alert, now),
        url=link(text(alert, "html_url"), *values),
        note=note(text(alert, "secret_type_display_name"), *values),
    )
    leak = Leak(origin=origin, clues=(held, *values), kind=word(text(alert, "secret_type")))
    return Held(leak=leak, state=text(alert, "state").lower(), resolution=text(alert, "resolution").lower())


def _values(alert: Mapping[str, Any]) -> list[Sealed]:
    written = alert.get("secret")
    if not isinstance(written, str) or not written.strip():
        return []
    decoded = _decoded(written) if alert.get("is_base64_encoded") is True else ""
    return list(dict.fromkeys([*values_of(decoded), *values_of(written)]))


def _decoded(written: str) -> str:
    try:
        return base64.b64decode("".join(written.split()), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
