"""GitGuardian's API: what an incident's hash is, which are open (the backstop for lost deliveries), and resolving one as revoked."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import aiohttp

from rotator.alerts.api import Api
from rotator.alerts.delivery import Hash, HeldByGitGuardian, Leak, Malformed
from rotator.alerts.gitguardian import clues_of, kind_of, number_of, origin_of
from rotator.alerts.reading import mapping, text
from rotator.core.faults import Conflict, Rejected
from rotator.core.sealed import Sealed

API = "https://api.gitguardian.com"
INCIDENTS = "/v1/incidents/secrets"
OPEN = ("TRIGGERED", "ASSIGNED")
"""One that is assigned to somebody is open, too; each state is asked for by itself."""
PAGE_SIZE = 100
PAGES_MAX = 50
_CLOSED = frozenset({"resolved", "ignored"})


class Outcome(StrEnum):
    """How resolving ended: by us now, before, or an incident that somebody ignores, whose word stands."""

    RESOLVED = "resolved"
    ALREADY = "already"
    OTHERWISE = "otherwise"


class GitGuardianApi:
    """One workspace, by its token."""

    def __init__(self, session: aiohttp.ClientSession, token: Sealed, base: str = API) -> None:
        self._api = Api(session, base, {"Authorization": f"Token {token.reveal()}"})

    async def hashes(self, held: HeldByGitGuardian) -> list[Hash]:
        """By what the incident's secret can be recognised: for an alert that came without its hash."""
        body = (await self._api.call(f"GitGuardian's incident {held.incident}", "GET", _path(held))).body
        return [clue for clue in clues_of(mapping(body), held.incident) if isinstance(clue, Hash)]

    async def open_incidents(self, now: datetime) -> AsyncIterator[Leak]:
        """Every incident of the workspace that is open, the newest first; each with its hash, where GitGuardian tells it. Raises Fault."""
        for status in OPEN:
            query = {"status": status, "ordering": "-date", "per_page": str(PAGE_SIZE)}
            cursors: set[str] = set()
            for _ in range(PAGES_MAX):
                answered = await self._api.call("GitGuardian's open incidents", "GET", INCIDENTS, query=query)
                for one in answered.body if isinstance(answered.body, list) else []:
                    leak = _listed(mapping(one), now)
                    if leak is not None:
                        yield leak
                cursor = answered.following.get("cursor", "")
                if not cursor or cursor in cursors:
                    break
                cursors.add(cursor)
                query["cursor"] = cursor

    async def resolve(self, held: HeldByGitGuardian) -> Outcome:
        """Resolve the incident as revoked; looked at first and, if somebody was faster, again. Raises Missing, Rejected."""
        before = await self._status(held)
        if before in _CLOSED:
            return _closed(before)
        try:
            content = {"secret_revoked": True}
            await self._api.call(f"resolving GitGuardian's incident {held.incident}", "POST", f"{_path(held)}/resolve", content=content)
        except (Conflict, Rejected):
            after = await self._status(held)
            if after not in _CLOSED:
                raise
            return _closed(after)
        return Outcome.RESOLVED

    async def _status(self, held: HeldByGitGuardian) -> str:
        body = (await self._api.call(f"GitGuardian's incident {held.incident}", "GET", _path(held))).body
        return text(mapping(body), "status").lower()


def _listed(incident: Mapping[str, Any], now: datetime) -> Leak | None:
    """None for what is closed, and for an odd one, which must not hide the others."""
    try:
        count = number_of(incident)
    except Malformed:
        return None
    if text(incident, "status").lower() in _CLOSED:
        return None
    return Leak(origin=origin_of(incident, count, now), clues=clues_of(incident, count), kind=kind_of(incident))


def _closed(status: str) -> Outcome:
    return Outcome.ALREADY if status == "resolved" else Outcome.OTHERWISE


def _path(held: HeldByGitGuardian) -> str:
    if not 0 < held.incident < 10**18:
        raise Rejected("an incident without a number")
    return f"{INCIDENTS}/{held.incident}"
