"""Bounds that the settings may set, and what they mean in the core's words."""

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from rotator.core.wave import WaveLimits
from rotator.settings.forms import Duration, Strict, fits, positive

_SHARE = r"^\d{1,3}(\.\d+)?%$"


def _share(value: object) -> float:
    if not isinstance(value, str) or not fits(_SHARE, value) or float(value[:-1]) > 100:
        raise PydanticCustomError("share", "not a share; write a percentage, like 5%")
    return float(value[:-1]) / 100


Share = Annotated[float, BeforeValidator(_share), WithJsonSchema({"type": "string", "pattern": _SHARE, "examples": ["5%"]})]


class WaveSettings(Strict):
    """Scheduled rotations of a fleet go out in waves.

    `canary` of the fleet goes first (one at least), and again after an `idle` time; then `share` of it at a time, each when the one before
    it is through. Where more than `stop_at` of a wave fail, all stand still until a person resumes.
    """

    canary: Share = 0.05
    share: Share = 0.25
    stop_at: Share = 0.20
    idle: Duration = timedelta(hours=1)

    def limits(self) -> WaveLimits:
        return WaveLimits(canary=self.canary, share=self.share, stop_at=self.stop_at, idle=self.idle)


class LimitSettings(Strict):
    """Bounds: how much at once, how many compromises an hour and accounts in one alert before a person is asked, how many posts of one
    source in a minute, how long one request may take.

    `reserve` are slots beside `concurrency` that only emergencies use. A quiet credential is looked at whole every `look_every`, and its
    key in use is asked about every `ask_every`. `spread` is the share of a cryptoperiod by which a rotation may start early, so that not
    all start at once. `history` is how long settled work is kept; the audit is kept for ever. With `second_approver`, what
    `revoke --all` orders waits for another person.
    """

    concurrency: Annotated[int, Field(ge=1, le=1000, strict=True)] = 32
    reserve: Annotated[int, Field(ge=1, le=1000, strict=True)] = 8
    compromises_per_hour: Annotated[int, Field(ge=1, strict=True)] = 20
    accounts_per_alert: Annotated[int, Field(ge=1, strict=True)] = 5
    alerts_per_minute: Annotated[int, Field(ge=1, strict=True)] = 60_000
    request_timeout: Duration = timedelta(seconds=15)
    azure_share: Annotated[Share, Field(gt=0, le=1)] = 0.8
    emergency_reserve: Annotated[Share, Field(ge=0, le=0.9)] = 0.2
    wave: WaveSettings = WaveSettings()
    spread: Share = 0.05
    look_every: Duration = timedelta(hours=24)
    ask_every: Duration = timedelta(hours=2)
    stop_within: Duration = timedelta(seconds=25)
    history: Duration = timedelta(days=90)
    second_approver: Annotated[bool, Field(strict=True)] = False

    @field_validator("request_timeout", "look_every", "ask_every", "history")
    @classmethod
    def _some(cls, value: timedelta) -> timedelta:
        return positive(value)
