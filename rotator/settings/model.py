"""What may stand in the settings, and what it means in the core's words. The JSON schema is made from these types."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from rotator.core.credential import Credential, Dependent
from rotator.core.template import MARK, Template
from rotator.settings.alerts import AlertSettings, EntraSettings, NotifySettings
from rotator.settings.forms import AccountId, Format, Name, NetworkAddress, Reference, Strict, Url, fits, printable
from rotator.settings.kinds import AnyDependent, DependentSettings
from rotator.settings.limits import LimitSettings
from rotator.settings.policies import Policies, policy_of, secret_of
from rotator.settings.scopes import ScopeSettings

SQLITE = "sqlite:///"


class CustomCloud(Strict):
    """A cloud of your own: a private one, a proxy before Azure, or an emulator."""

    authority: Url
    resource_manager: Url
    audience: Url
    ca_file: Annotated[str, AfterValidator(printable)] | None = None
    verify_challenge_resource: bool = True
    database_audience: Url | None = Field(default=None, description="What a token for PostgreSQL is asked for, with ledger_login: entra.")


class ClientSecretIdentity(Strict):
    """A service principal with a secret."""

    tenant: str
    client: str
    secret: Reference


class CustomIdentity(Strict):
    client_secret: ClientSecretIdentity


class CredentialSettings(Policies):
    """One account's key as one vault secret. A `decoy` is one that nobody uses: `rotator drill` may leak its key."""

    name: Name
    account: AccountId
    secret: Url
    decoy: Annotated[bool, Field(strict=True)] = False
    format: Format = MARK
    dependents: list[AnyDependent] = Field(default=[])

    @field_validator("secret")
    @classmethod
    def _secret(cls, value: str) -> str:
        secret_of(value)
        return value


class WebSettings(Strict):
    """Where the daemon listens. Orders (`rotator revoke --server`) are taken from who has the `operator_token`, or an Entra token as
    `entra` says: of one of its `callers`, with its `role` (Rotator.Operator). With neither, nobody's are taken.
    Who may order may look at the page; the `viewer_token` is for who may look and no more. With none of the three there is no page."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, strict=True)] = 8080
    metrics_port: Annotated[int, Field(ge=0, le=65535, strict=True)] | None = Field(
        default=None, description="/metrics and the page at a port of their own, where `port` is open to senders: they name credentials."
    )
    operator_token: Reference | None = None
    viewer_token: Reference | None = None
    entra: EntraSettings | None = None
    proxies: tuple[NetworkAddress, ...] = Field(
        default=(), description="Who ends TLS before rotator: only their X-Forwarded-Proto is believed, where the page asks for a password."
    )

    @field_validator("entra")
    @classmethod
    def _known(cls, value: EntraSettings | None) -> EntraSettings | None:
        if value is not None and not value.callers:
            hint = "has no callers; write the application id by which people sign in, as 04b07795-8ddb-461a-bbee-02f9e1bf7b46 for Azure CLI"
            raise PydanticCustomError("callers", hint)
        if value is not None and value.role == "":
            raise PydanticCustomError("role", "has an empty role; leave it out for Rotator.Operator, or name another")
        return value


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
    ledger_login: Literal["libpq", "entra"] = Field(
        default="libpq", description="How PostgreSQL is logged in to: as libpq finds by itself, or with a token of rotator's identity."
    )
    defaults: Policies = Policies()
    credentials: list[CredentialSettings] = Field(default=[])
    discover: list[ScopeSettings] = Field(default=[])
    alerts: AlertSettings = AlertSettings()
    notify: NotifySettings = NotifySettings()
    web: WebSettings = WebSettings()
    limits: LimitSettings = LimitSettings()

    @field_validator("ledger")
    @classmethod
    def _ledger(cls, value: str) -> str:
        if not fits(r"sqlite:///.+|postgresql://.+", value):
            raise PydanticCustomError("ledger", "not a ledger's address: write sqlite:///path/to/rotator.db or postgresql://HOST/DATABASE")
        printable(value)
        if value.startswith(SQLITE):
            if "?" in value or "#" in value:
                raise PydanticCustomError("ledger", "not a path: '?' and '#' cannot stand in sqlite:///path/to/rotator.db")
            return value
        try:
            url = urlsplit(value)
            secret = url.password is not None or "password" in {name.lower() for name, _ in parse_qsl(url.query, keep_blank_values=True)}
            _ = url.port
        except ValueError as error:
            raise PydanticCustomError("ledger", "not an address: write postgresql://HOST/DATABASE") from error
        if secret:
            raise PydanticCustomError("ledger", "a password is never written here; use a service file or the environment of libpq")
        return value

    @model_validator(mode="after")
    def _whole(self) -> "Settings":
        problems = [*_contradictions(self), *_login_troubles(self)]
        if problems:
            raise PydanticCustomError("whole", "{problems}", {"problems": "\n".join(problems)})
        return self

    def ledger_address(self, directory: Path) -> str:
        """The ledger's address; a relative path starts at `directory`, where the settings are, so that every working directory means the
        same ledger."""
        if not self.ledger.startswith(SQLITE):
            return self.ledger
        path = Path(self.ledger.removeprefix(SQLITE))
        with contextlib.suppress(RuntimeError):  # of a user whom nobody knows: then it is a name like any other
            path = path.expanduser()
        return f"{SQLITE}{(directory / path).absolute()}"

    def credential_list(self) -> list[Credential]:
        """The credentials in the core's words, each with the defaults that it does not override."""
        return [_credential(one, self.defaults) for one in self.credentials]


# --- to the core's words --------------------------------------------------------------------------------------------------


def _credential(one: CredentialSettings, defaults: Policies) -> Credential:
    return Credential(
        name=one.name,
        account=one.account,
        secret=secret_of(one.secret),
        policy=policy_of(one, defaults),
        dependents=tuple(_dependent(each, number) for number, each in enumerate(one.dependents, 1)),
        template=Template(text=one.format),
    )


_OF_ALL_KINDS = ("kind", "name", "stage", "canary")


def _dependent(one: DependentSettings, number: int) -> Dependent:
    parameters = {field: _plain(getattr(one, field)) for field in type(one).model_fields if field not in _OF_ALL_KINDS}
    if parameters["health"] is None:
        del parameters["health"]
    name = one.name or f"{one.kind}-{number}"
    return Dependent(name=name, kind=one.kind, parameters=parameters, stage=one.stage, canary=one.canary)


def _plain(value: object) -> object:
    return value.model_dump() if isinstance(value, Strict) else value


def _login_troubles(settings: Settings) -> Iterator[str]:
    """A token is a password: it goes to nobody who has not shown that he is the server."""
    if settings.ledger_login != "entra":
        return
    said = urlsplit(settings.ledger)
    if said.scheme != "postgresql":
        yield "ledger_login: entra is for a ledger at postgresql://USER@HOST/DATABASE"
    elif not said.username or dict(parse_qsl(said.query)).get("sslmode") != "verify-full":
        form = "postgresql://USER@HOST/DATABASE?sslmode=verify-full&sslrootcert=system"
        yield f"ledger_login: entra sends a token as the password; write ledger: {form}"
    if isinstance(settings.cloud, CustomCloud) and settings.cloud.database_audience is None:
        yield "ledger_login: entra in a cloud of your own needs cloud.database_audience"


def _contradictions(settings: Settings) -> Iterator[str]:
    for number, one in enumerate(settings.credentials):
        policy = policy_of(one, settings.defaults)
        if policy.overlap >= policy.cryptoperiod:
            yield f"credentials[{number}]: overlap is not shorter than cryptoperiod, so no rotation could end before the next"
        pauses = policy.pause * (len({(each.stage, each.canary) for each in one.dependents}) - 1)
        if policy.pause and pauses >= policy.grace:
            yield f"credentials[{number}].stages: the pauses are together not shorter than grace, after which no stage waits any more"
        names = [_dependent(each, place).name for place, each in enumerate(one.dependents, 1)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"credentials[{number}].dependents: two are named {name!r}; each needs a `name` of its own"
    for number, scope in enumerate(settings.discover):
        policy = policy_of(scope, settings.defaults)
        if policy.overlap >= policy.cryptoperiod:
            yield f"discover[{number}]: overlap is not shorter than cryptoperiod, so no rotation could end before the next"
