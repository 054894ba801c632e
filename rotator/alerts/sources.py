"""The sources that can be asked: fetch a value that one holds, close an alert with the evidence, poll for what a lost delivery told of.

By a source's own name for an alert, which is checked again before it comes near a URL. Every close looks first, so a second try changes
nothing, and a person's word stands.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from rotator.alerts.delivery import Delivery, HeldByGitGuardian, HeldByGitHub, Leak
from rotator.alerts.gitguardian_api import GitGuardianApi, Outcome
from rotator.alerts.github_api import GitHubApi, Resolution
from rotator.alerts.said import arrival_of, clues_of
from rotator.alerts.table import Alerting
from rotator.core.faults import Rejected
from rotator.core.incident import Incident
from rotator.core.report import Arrival, Clues, Report

NOTE = "rotator"
T = TypeVar("T")


class Now(Protocol):
    """Who tells the time."""

    def __call__(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a source is asked what is open: a repository or an organisation, a workspace."""

    source: str
    name: str

    def __str__(self) -> str:
        return f"{self.source}: {self.name}"


WORKSPACE = Place(source="gitguardian", name="the workspace of the token")


class Sources:
    """What `Alerting` offers, by the names that reports carry."""

    def __init__(self, alerting: Alerting, now: Now, *, repositories: Sequence[str] = (), workspace: bool = False) -> None:
        """`repositories` (and organisations) are polled at GitHub, the `workspace` at GitGuardian; either needs its token."""
        self._now = now
        self.trust(alerting)
        places = [Place(source="github", name=name) for name in repositories if self._github is not None]
        self._places = (*places, *((WORKSPACE,) if workspace and self._gitguardian is not None else ()))

    def trust(self, alerting: Alerting) -> None:
        """From now on by these tokens, of the same sources."""
        self._github, self._gitguardian = alerting.github, alerting.gitguardian

    def fetches(self) -> Mapping[str, Callable[[str], Awaitable[Clues]]]:
        """By source: by what a value that it holds can be recognised. Each raises Fault."""
        found: dict[str, Callable[[str], Awaitable[Clues]]] = {}
        if self._github is not None:
            found["github"] = lambda name: self._from_github(_there(self._github), name)
        if self._gitguardian is not None:
            found["gitguardian"] = lambda name: _from_gitguardian(_there(self._gitguardian), name)
        return found

    def closes(self) -> Mapping[str, Callable[[Report, Incident | None], Awaitable[tuple[str, str]]]]:
        """By source: how an alert is closed there: `done` or `otherwise`, and what was said. Each raises Fault."""
        found: dict[str, Callable[[Report, Incident | None], Awaitable[tuple[str, str]]]] = {}
        if self._github is not None:
            found["github"] = lambda report, case: self._at_github(_there(self._github), report, case)
        if self._gitguardian is not None:
            found["gitguardian"] = lambda report, case: _at_gitguardian(_there(self._gitguardian), report)
        return found

    @property
    def places(self) -> Sequence[Place]:
        """What can be polled."""
        return self._places

    async def poll(self, place: Place) -> AsyncIterator[Arrival]:
        """Every alert that is open at `place` now: what was reported already is recognised by its name. Raises Fault."""
        async for leak in self._open_at(place):
            name = f"poll:{leak.origin.id}"
            yield arrival_of(Delivery(source=place.source, delivery_id=name, body_sha256=name, records=(leak,)))

    async def _open_at(self, place: Place) -> AsyncIterator[Leak]:
        if place.source == "github" and self._github is not None:
            async for leak in self._github.open_alerts(place.name, self._now()):
                yield leak
        elif place.source == "gitguardian" and self._gitguardian is not None:
            async for leak in self._gitguardian.open_incidents(self._now()):
                yield leak

    async def _from_github(self, api: GitHubApi, name: str) -> Clues:
        held = await api.alert(github_alert(name), self._now())
        return clues_of(held.leak.clues, held.leak.kind)

    async def _at_github(self, api: GitHubApi, report: Report, case: Incident | None) -> tuple[str, str]:
        ended = await api.resolve(github_alert(report.source_id), comment(report, case), self._now())
        return _how(ended is Resolution.OTHERWISE, ended.value)


def _there(api: T | None) -> T:
    """Which sources have a token is settled at the start; another token is no other answer to that."""
    assert api is not None
    return api


async def _from_gitguardian(api: GitGuardianApi, name: str) -> Clues:
    return clues_of(await api.hashes(gitguardian_incident(name)), "azure")


async def _at_gitguardian(api: GitGuardianApi, report: Report) -> tuple[str, str]:
    ended = await api.resolve(gitguardian_incident(report.clues.held_by or report.source_id))
    return _how(ended is Outcome.OTHERWISE, ended.value)


def _how(otherwise: bool, ended: str) -> tuple[str, str]:
    return ("otherwise", "somebody closed it in another way, whose word stands") if otherwise else ("done", f"{ended} as revoked")


def comment(report: Report, case: Incident | None) -> str:
    """The evidence, for the people at the source: times and the fingerprint, never the key."""
    if case is None:
        return f"{NOTE}: {report.because} (fingerprint {report.fingerprint})"
    revoked = f"revoked {case.revoked_at:%Y-%m-%d %H:%M:%S}" if case.revoked_at else "revoked"
    dead = f", refused by every endpoint since {case.dead_at:%H:%M:%S} UTC" if case.dead_at else ""
    return f"{NOTE}: key of {case.credential} {revoked}{dead}; incident {case.id}, fingerprint {case.fingerprint}"


def github_alert(name: str) -> HeldByGitHub:
    """`owner/repository#7`. Raises Rejected; the parts are checked again where they become a URL."""
    place, _, number = name.rpartition("#")
    owner, _, repository = place.partition("/")
    if not owner or not repository or not number.isascii() or not number.isdigit():
        raise Rejected("an alert of GitHub's that is not named by repository and number")
    return HeldByGitHub(owner=owner, repository=repository, number=int(number))


def gitguardian_incident(name: str) -> HeldByGitGuardian:
    if not name.isascii() or not name.isdigit():
        raise Rejected("an incident of GitGuardian's without its number")
    return HeldByGitGuardian(incident=int(name))
