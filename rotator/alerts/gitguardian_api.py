"""GitGuardian's API: what an incident's hash is, and resolving it with the secret said to be revoked."""

from enum import StrEnum

import aiohttp

from rotator.alerts.api import Api
from rotator.alerts.delivery import Hash, HeldByGitGuardian
from rotator.alerts.gitguardian import clues_of
from rotator.alerts.reading import mapping, text
from rotator.core.faults import Conflict, Rejected
from rotator.core.sealed import Sealed

API = "https://api.gitguardian.com"
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


def _closed(status: str) -> Outcome:
    return Outcome.ALREADY if status == "resolved" else Outcome.OTHERWISE


def _path(held: HeldByGitGuardian) -> str:
    if not 0 < held.incident < 10**18:
        raise Rejected("an incident without a number")
    return f"/v1/incidents/secrets/{held.incident}"
