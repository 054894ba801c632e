"""What may stand in the settings, and what it means in the core's words. The JSON schema is made from these types."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import ConfigDict, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from rotator.core.credential import Credential, Dependent, Secret
from rotator.core.policy import Mode, OnSuspicion, Policy, Unprovable, Window
from rotator.core.template import MARK, Template
from rotator.settings.alerts import AlertSettings, NotifySettings
from rotator.settings.forms import AccountId, Duration, Format, Name, Reference, Strict, Url, fits, positive
from rotator.settings.kinds import AnyDependent, DependentSettings
from rotator.settings.limits import LimitSettings


class CustomCloud(Strict):
    """A cloud of your own: a private one, a proxy before Azure, or an emulator."""

    authority: Url
    resource_manager: Url
    audience: Url
    ca_file: str | None = None
    verify_challenge_resource: bool = True


class ClientSecretIdentity(Strict):
    """A service principal with a secret."""

    tenant: str
    client: str
    secret: Reference


class CustomIdentity(Strict):
    client_secret: ClientSecretIdentity


class WindowSettings(Strict):
    """When scheduled rotations may start."""

    opens: str
    for_: Duration = Field(alias="for")
    zone: str = "UTC"

    @field_validator("opens")
    @classmethod
    def _cron(cls, value: str) -> str:
        try:
            if len(value.split()) != 5:
                raise CronSimError("five fields")
            CronSim(value, datetime(2026, 1, 1))  # noqa: DTZ001  # only parsed
        except CronSimError as error:
            raise PydanticCustomError("cron", "not a cron expression of five fields, like '0 9 * * 1-5'") from error
        return value

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise PydanticCustomError("zone", "not a time zone of the IANA database, like Europe/Berlin") from error
        return value


class StagesSettings(Strict):
    """How the stages of the dependents follow each other."""

    pause: Duration = Field(
        default=timedelta(0), description="How long a dependent that only claims to have moved holds the next stage up."
    )


class _Policies(Strict):
    cryptoperiod: Duration | None = None
    overlap: Duration | None = None
    grace: Duration | None = None
    on_compromise: Mode | None = None
    drain_deadline: Duration | None = None
    window: WindowSettings | None = None
    unprovable: Unprovable | None = None
    on_suspicion: OnSuspicion | None = None
    stages: StagesSettings | None = None

    @field_validator("cryptoperiod", "drain_deadline")
    @classmethod
    def _some(cls, value: timedelta | None) -> timedelta | None:
        return value if value is None else positive(value)


class CredentialSettings(_Policies):
    """One account's key as one vault secret."""

    name: Name
    account: AccountId
    secret: Url
    format: Format = MARK
    dependents: list[AnyDependent] = Field(default=[])

    @field_validator("secret")
    @classmethod
    def _secret(cls, value: str) -> str:
        _secret_of(value)
        return value


class WebSettings(Strict):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, strict=True)] = 8080
    operator_token: Reference | None = None


NAMED, OWN = "<a name>", "<of your own>"
"""The two spellings of a cloud or an identity, as they stand in a path of an error; no key is written so."""


def _spelling(value: object) -> str:
    return NAMED if isinstance(value, str) else OWN


CloudSetting = Annotated[
    Annotated[Literal["public", "usgov", "china"], Tag(NAMED)] | Annotated[CustomCloud, Tag(OWN)],
    Discriminator(_spelling),
]
IdentitySetting = Annotated[
    Annotated[Literal["default", "managed-identity", "workload", "azure-cli"], Tag(NAMED)] | Annotated[CustomIdentity, Tag(OWN)],
    Discriminator(_spelling),
]


class Settings(Strict):
    """rotator's settings."""

    model_config = ConfigDict(title="rotator settings")

    cloud: CloudSetting = "public"
    identity: IdentitySetting = "default"
    ledger: str = "sqlite:///rotator.db"
    defaults: _Policies = _Policies()
    credentials: list[CredentialSettings] = Field(default=[])
    alerts: AlertSettings = AlertSettings()
    notify: NotifySettings = NotifySettings()
    web: WebSettings = WebSettings()
    limits: LimitSettings = LimitSettings()

    @field_validator("ledger")
    @classmethod
    def _ledger(cls, value: str) -> str:
        if not fits(r"sqlite:///.+|postgresql://.+", value):
            raise PydanticCustomError("ledger", "not a ledger's address: write sqlite:///path/to/rotator.db or postgresql://HOST/DATABASE")
        if urlsplit(value).password:
            raise PydanticCustomError("ledger", "a password is never written here; use a service file or the environment of libpq")
        return value

    @model_validator(mode="after")
    def _whole(self) -> "Settings":
        problems = list(_contradictions(self))
        if problems:
            raise PydanticCustomError("whole", "{problems}", {"problems": "\n".join(problems)})
        return self

    def ledger_address(self, directory: Path) -> str:
        """The ledger's address; a relative path starts at `directory`, where the settings are, so that every working directory means the
        same ledger."""
        prefix = "sqlite:///"
        path = self.ledger.removeprefix(prefix)
        return self.ledger if path == self.ledger or path.startswith("/") else f"{prefix}{(directory / path).absolute()}"

    def credential_list(self) -> list[Credential]:
        """The credentials in the core's words, each with the defaults that it does not override."""
        return [_credential(one, self.defaults) for one in self.credentials]


# --- to the core's words --------------------------------------------------------------------------------------------------


def _credential(one: CredentialSettings, defaults: _Policies) -> Credential:
    return Credential(
        name=one.name,
        account=one.account,
        secret=_secret_of(one.secret),
        policy=_policy(one, defaults),
        dependents=tuple(_dependent(each, number) for number, each in enumerate(one.dependents, 1)),
        template=Template(text=one.format),
    )


def _policy(one: _Policies, defaults: _Policies) -> Policy:
    said = {}
    for name in _Policies.model_fields:
        value = getattr(one, name) if name in one.model_fields_set else getattr(defaults, name)
        if isinstance(value, WindowSettings):
            value = Window(opens=value.opens, length=value.for_, zone=value.zone)
        if isinstance(value, StagesSettings):
            name, value = "pause", value.pause
        if value is not None or name == "window":
            said[name] = value
    return Policy(**said)


_OF_ALL_KINDS = ("kind", "name", "stage", "canary")


def _dependent(one: DependentSettings, number: int) -> Dependent:
    parameters = {field: _plain(getattr(one, field)) for field in type(one).model_fields if field not in _OF_ALL_KINDS}
    if parameters["health"] is None:
        del parameters["health"]
    name = one.name or f"{one.kind}-{number}"
    return Dependent(name=name, kind=one.kind, parameters=parameters, stage=one.stage, canary=one.canary)


def _plain(value: object) -> object:
    return value.model_dump() if isinstance(value, Strict) else value


def _secret_of(url: str) -> Secret:
    """The vault's base URL, and the secret's name: the last path part, after `secrets`."""
    base, _, name = url.rpartition("/secrets/")
    if not base or not fits(r"[0-9A-Za-z-]{1,127}", name) or urlsplit(url).query or urlsplit(url).fragment:
        hint = "not a secret's URL without a version: https://VAULT.vault.azure.net/secrets/NAME"
        raise PydanticCustomError("secret", hint)
    return Secret(vault=base, name=name)


def _contradictions(settings: Settings) -> Iterator[str]:
    for number, one in enumerate(settings.credentials):
        policy = _policy(one, settings.defaults)
        if policy.overlap >= policy.cryptoperiod:
            yield f"credentials[{number}]: overlap is not shorter than cryptoperiod, so no rotation could end before the next"
        pauses = policy.pause * (len({(each.stage, each.canary) for each in one.dependents}) - 1)
        if policy.pause and pauses >= policy.grace:
            yield f"credentials[{number}].stages: the pauses are together not shorter than grace, after which no stage waits any more"
        names = [_dependent(each, place).name for place, each in enumerate(one.dependents, 1)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"credentials[{number}].dependents: two are named {name!r}; each needs a `name` of its own"
