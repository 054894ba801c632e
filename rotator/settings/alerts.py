"""Who may report a leak, how each shows that it is who it is, and what a report of each may cause.

A sender without any secret is refused here, before anything listens: a door without a lock is an outage that waits for a stranger.
"""

from typing import Annotated, TypedDict

from pydantic import ConfigDict, Field, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError

from rotator.core.judge import SourcePolicy
from rotator.core.notice import Topic
from rotator.core.policy import Mode, OnSuspicion
from rotator.settings.forms import Reference, Strict, Url, pattern

_GUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_PLACE = r"^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9._-]+)?$"
_HEADER = r"^[A-Za-z][A-Za-z0-9-]{0,99}$"
_TAKEN = frozenset({"authorization", "host", "content-type", "content-length", "content-encoding", "transfer-encoding", "cookie"})

Guid = Annotated[
    str,
    pattern(_GUID, "not an id of Entra's: eight, four, four, four and twelve hex digits in lower case"),
    WithJsonSchema({"type": "string", "pattern": _GUID}),
]
Place = Annotated[
    str,
    pattern(_PLACE, "neither OWNER/NAME of a repository nor OWNER of an organisation"),
    WithJsonSchema({"type": "string", "pattern": _PLACE}),
]
HeaderName = Annotated[str, pattern(_HEADER, "not the name of a header"), WithJsonSchema({"type": "string", "pattern": _HEADER})]


class _Source(Strict):
    """What a report of this source may cause: `proven` where it matches a key of ours, `suspected` where it names an account alone."""

    proven: Mode | None = None
    suspected: OnSuspicion | None = None


def _refuse_without(secret: str | None, what: str) -> None:
    if secret is None:
        raise PydanticCustomError("lock", "has no secret, so anybody could send alerts; write {what}", {"what": what})


class SecretSource(_Source):
    """A sender that signs with a shared secret."""

    model_config = ConfigDict(json_schema_extra={"required": ["secret"]})

    secret: Reference | None = None

    @model_validator(mode="after")
    def _locked(self) -> "SecretSource":
        _refuse_without(self.secret, "secret: env:NAME, the one that was given to the sender")
        return self


class GitHubSource(SecretSource):
    """GitHub's webhook; `token` reads alerts' values and closes them; `repositories` are polled for what a lost delivery told of."""

    token: Reference | None = None
    api: Url = "https://api.github.com"
    repositories: tuple[Place, ...] = ()

    @model_validator(mode="after")
    def _can_poll(self) -> "GitHubSource":
        if self.repositories and self.token is None:
            raise PydanticCustomError("poll", "has repositories to poll and no token; write token: env:NAME")
        return self


class GitHubPartnerSource(_Source):
    """GitHub's partner programme: signed with GitHub's own key, which is fetched from `api`."""

    api: Url = "https://api.github.com"


class GitGuardianSource(SecretSource):
    """GitGuardian's custom webhook; `token` resolves incidents, and its workspace is polled for what a lost delivery told of, unless `poll`
    is false."""

    token: Reference | None = None
    api: Url = "https://api.gitguardian.com"
    poll: Annotated[bool, Field(strict=True)] = True


class EntraSettings(Strict):
    """Whose tokens are taken: of which tenant, for which audience, from which applications, with which role."""

    tenant: Guid
    audience: Annotated[str, Field(min_length=1)]
    callers: tuple[Guid, ...] = ()
    role: str | None = None


class AzureSource(_Source):
    """A sender of Azure's: a secret in a header (or as `?code=` of the URL), an Entra token, or both."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["secret"]}, {"required": ["entra"]}]})

    secret: Reference | None = None
    header: HeaderName = "x-rotator-secret"
    entra: EntraSettings | None = None

    @field_validator("header")
    @classmethod
    def _free(cls, value: str) -> str:
        if value.lower() in _TAKEN:
            raise PydanticCustomError("header", "a header that has a meaning of its own; choose another name")
        return value.lower()

    @model_validator(mode="after")
    def _locked(self) -> "AzureSource":
        if self.entra is None:
            _refuse_without(self.secret, "secret: env:NAME (a header or ?code= carries it), or entra: {tenant: …, audience: …}")
        return self


class DefenderSource(AzureSource):
    """Defender for Cloud and Sentinel, by a logic app or a playbook of one's own: with Entra, say its application id in `callers`."""

    @model_validator(mode="after")
    def _known(self) -> "DefenderSource":
        if self.entra is not None and not self.entra.callers:
            raise PydanticCustomError("callers", "has no entra.callers; write the application id of the logic app that sends the alerts")
        return self


class Polled(TypedDict):
    """Repositories and organisations of GitHub's; whether the workspace of GitGuardian's token."""

    repositories: tuple[str, ...]
    workspace: bool


class AlertSettings(Strict):
    """The senders that are listened to; one that is not named here has no door."""

    github: GitHubSource | None = None
    github_partner: GitHubPartnerSource | None = Field(default=None, alias="github-partner")
    gitguardian: GitGuardianSource | None = None
    vault_radar: SecretSource | None = Field(default=None, alias="vault-radar")
    event_grid: AzureSource | None = Field(default=None, alias="event-grid")
    azure_monitor: AzureSource | None = Field(default=None, alias="azure-monitor")
    defender: DefenderSource | None = None
    signed: SecretSource | None = None

    def senders(self) -> list[str]:
        """The names of the doors that are open."""
        return [field.alias or name for name, field in type(self).model_fields.items() if getattr(self, name) is not None]

    def polled(self) -> Polled:
        """What is asked for lost deliveries."""
        github, guardian = self.github, self.gitguardian
        return {"repositories": github.repositories if github else (), "workspace": bool(guardian and guardian.token and guardian.poll)}

    def policy(self, name: str) -> SourcePolicy:
        """What reports of this source may cause."""
        source = self.source(name)
        return SourcePolicy(proven=source.proven, suspected=source.suspected) if source else SourcePolicy()

    def references(self) -> set[str]:
        """Every secret that is referred to."""
        found = [getattr(self, name) for name in type(self).model_fields]
        return {said for source in found for name in ("secret", "token") if source and (said := getattr(source, name, None))}

    def source(self, name: str) -> _Source | None:
        """The settings of a source by the name that its door has."""
        found = getattr(self, name.replace("-", "_"), None)
        return found if isinstance(found, _Source) else None


class NotifySettings(Strict):
    """Who is told, by Apprise: each URL is a reference, for it holds a token. `topics`: all, where none are named."""

    urls: tuple[Reference, ...] = ()
    topics: tuple[Topic, ...] = tuple(Topic)
    per_hour: Annotated[int, Field(ge=1, strict=True)] = 30
