"""What may be said of every credential alike: its policies, and where its value is kept."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from rotator.core.credential import Secret
from rotator.core.policy import Mode, OnSuspicion, Policy, Unprovable, Window
from rotator.settings.forms import Duration, Strict, fits, positive


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


class Policies(Strict):
    """Each may be said in `defaults`, and again where it differs."""

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


def policy_of(one: Policies, defaults: Policies) -> Policy:
    """In the core's words, with the defaults that it does not override."""
    said = {}
    for name in Policies.model_fields:
        value = getattr(one, name) if name in one.model_fields_set else getattr(defaults, name)
        if isinstance(value, WindowSettings):
            value = Window(opens=value.opens, length=value.for_, zone=value.zone)
        if isinstance(value, StagesSettings):
            name, value = "pause", value.pause
        if value is not None or name == "window":
            said[name] = value
    return Policy(**said)


def secret_of(url: str) -> Secret:
    """The vault's base URL, and the secret's name: the last path part, after `secrets`."""
    base, _, name = url.rpartition("/secrets/")
    if not base or not fits(r"[0-9A-Za-z-]{1,127}", name) or urlsplit(url).query or urlsplit(url).fragment:
        hint = "not a secret's URL without a version: https://VAULT.vault.azure.net/secrets/NAME"
        raise PydanticCustomError("secret", hint)
    return Secret(vault=base, name=name)
