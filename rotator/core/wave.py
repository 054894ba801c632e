"""Cadence rotations of a fleet go out in waves: a canary first, then a share at a time; each waits for the one before it to be through.

         nothing yet, or idle ──► canary ──through──► a share ──through──► a share ──► …
                  ▲                 └── more than `stop_at` failed, or a person ──► stopped
                  └───────────────────────── a person resumes ◄────────────────────────┘

A wave that is stopped holds every rotation but those for a compromise and the healing of a dead value, until a person resumes it. It
says who stopped it and why. What failed before a person resumed is let out and not counted again: it was seen.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from rotator.core.snapshot import Adoption, DependentView, Held
from rotator.core.step import Decision, Do, Quiet

TROUBLE_LASTS = timedelta(minutes=30)
"""How long a rotation may be in trouble (a service that is away, a step that fails) before it counts as failed."""
HELD_MIN, HELD_MAX, HELD_EACH = timedelta(seconds=15), timedelta(minutes=5), timedelta(milliseconds=30)
EXCUSED_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveLimits:
    """Shares of the fleet: how many go first, how many at once after that; and the share of a wave that may fail."""

    canary: float = 0.05
    share: float = 0.25
    stop_at: float = 0.20
    idle: timedelta = timedelta(hours=1)


class WaveResult(StrEnum):
    """What a run says of a rotation that a wave let out. Through: the new value is published and everyone runs on it."""

    THROUGH = "through"
    UNDER_WAY = "under_way"
    TROUBLED = "troubled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A rotation that is out and not through."""

    credential: str
    since: datetime
    troubled_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Who stopped the wave, and why."""

    by: str
    at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """The wave that is out now. `note` is what the change that made this value is to be remembered by; empty for everyday ones."""

    number: int = 0
    canary: bool = True
    size: int = 0
    stop_at: float = 0.0
    opened_at: datetime
    moved_at: datetime
    started: int = 0
    through: int = 0
    members: tuple[Member, ...] = ()
    failed: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
    canary_next: bool = True
    stop: Stop | None = None
    note: str = ""

    @property
    def is_through(self) -> bool:
        return self.started >= self.size and not self.members

    def member(self, credential: str) -> Member | None:
        return next((member for member in self.members if member.credential == credential), None)


def enter(wave: Wave | None, credential: str, *, limits: WaveLimits, fleet: int, now: datetime) -> tuple[Wave, Held | None]:
    """Let this credential's cadence rotation out, in the next wave if the last one is through; or say why it is held."""
    wave = replace(wave, note="") if wave else _unopened(now)
    if wave.stop:
        return wave, held_by(wave)
    if wave.member(credential) or credential in (*wave.failed, *wave.excused):
        return wave, None
    if not wave.members and (wave.is_through or now - wave.moved_at > limits.idle):
        wave = _opened(wave, limits, fleet, now)
    if wave.started >= wave.size:
        return wave, Held(because=_ahead(wave))
    member = Member(credential=credential, since=now)
    return replace(wave, started=wave.started + 1, members=(*wave.members, member), moved_at=now), None


def held_by(wave: Wave | None) -> Held | None:
    """Why a stopped wave holds every scheduled rotation, whoever asks for it; None where it is not stopped."""
    if wave is None or wave.stop is None:
        return None
    stop = wave.stop
    because = f"the wave was stopped by {stop.by} at {stop.at:%Y-%m-%d %H:%M} UTC ({stop.because}); to go on: rotator waves resume"
    return Held(because=because, stopped=True)


def after_run(wave: Wave, credential: str, result: WaveResult, now: datetime) -> Wave:
    """The wave once a run of this credential has ended. One that no wave let out changes nothing; what was told twice counts once."""
    wave = replace(wave, note="")
    member = wave.member(credential)
    match result:
        case WaveResult.THROUGH if member or credential in (*wave.failed, *wave.excused):
            counted = 1 if member or credential in wave.failed else 0
            failed, excused = _without(wave.failed, credential), _without(wave.excused, credential)
            return replace(_left(wave, credential, now), through=wave.through + counted, failed=failed, excused=excused)
        case WaveResult.UNDER_WAY if member:
            return _changed(wave, replace(member, troubled_since=None))
        case WaveResult.TROUBLED if member:
            since = member.troubled_since or now
            if now - since < TROUBLE_LASTS:
                return _changed(wave, replace(member, troubled_since=since))
            return _failed(wave, credential, now)
        case WaveResult.FAILED if member:
            return _failed(wave, credential, now)
        case _:
            return wave


def stop(wave: Wave | None, *, by: str, because: str, now: datetime) -> Wave:
    """Stopped by a person, or as it is where it was stopped before."""
    wave = wave or _unopened(now)
    return replace(wave, note="") if wave.stop else _stopped(wave, Stop(by=by, at=now, because=because))


def resume(wave: Wave | None, *, by: str, now: datetime) -> Wave:
    """Go on, with a canary first. What failed is let out and not counted again: a person has seen it."""
    wave = wave or _unopened(now)
    if wave.stop is None:
        return replace(wave, note="")
    note = f"wave {wave.number} resumed by {by}; a canary goes first"
    excused = _excused(wave)
    return replace(wave, stop=None, size=wave.started, failed=(), excused=excused, canary_next=True, moved_at=now, note=note)


def tidy(wave: Wave, fleet: Mapping[str, object], now: datetime) -> Wave:
    """Without those that are in the fleet no more: nothing would ever be heard of them."""
    members = tuple(member for member in wave.members if member.credential in fleet)
    excused = tuple(name for name in wave.excused if name in fleet)
    return replace(wave, members=members, excused=excused, note="") if (members, excused) != (wave.members, wave.excused) else wave


def result_of(decision: Decision, dependents: Sequence[DependentView] = ()) -> WaveResult:
    """What the last decision of a run says of the rotation."""
    if isinstance(decision, Do):
        return WaveResult.UNDER_WAY
    if isinstance(decision, Quiet):
        return WaveResult.THROUGH
    if decision.phase == "wave":
        return WaveResult.UNDER_WAY
    if decision.refused or decision.hopeless:
        return WaveResult.FAILED
    if decision.failed or decision.tell:
        return WaveResult.TROUBLED
    behind = any(view.adoption in (Adoption.STALE, Adoption.UNSEEN) for view in dependents)
    return WaveResult.THROUGH if decision.phase in ("overlap", "proving_dead", "retiring") and not behind else WaveResult.UNDER_WAY


def asks_again(fleet: int) -> timedelta:
    """How long one that is held waits before it asks again: a large fleet asks no more often than a ledger likes to answer."""
    return min(max(HELD_EACH * fleet, HELD_MIN), HELD_MAX)


def room(wave: Wave | None, limits: WaveLimits, fleet: int, now: datetime) -> int:
    """How many more could be let out now."""
    if wave is not None and wave.stop:
        return 0
    if wave is None or (not wave.members and (wave.is_through or now - wave.moved_at > limits.idle)):
        return _opened(wave or _unopened(now), limits, fleet, now).size
    return wave.size - wave.started


def written(wave: Wave) -> str:
    """The wave as text, without its note; `read` is the way back."""
    return json.dumps({name: value for name, value in asdict(wave).items() if name != "note"}, default=datetime.isoformat, sort_keys=True)


def read(text: str) -> Wave:
    """The wave that `written` wrote, by this version of the program or by another: what this one does not know is left out."""
    said = {name: value for name, value in json.loads(text).items() if name in Wave.__dataclass_fields__}
    stopped = said.get("stop")
    times = {name: datetime.fromisoformat(said[name]) for name in ("opened_at", "moved_at")}
    names = {name: tuple(said.get(name, ())) for name in ("failed", "excused")}
    stop = Stop(by=stopped["by"], at=datetime.fromisoformat(stopped["at"]), because=stopped["because"]) if stopped else None
    return Wave(**{**said, **times, **names, "members": tuple(_member(one) for one in said.get("members", ())), "stop": stop})


def _opened(wave: Wave, limits: WaveLimits, fleet: int, now: datetime) -> Wave:
    canary = wave.canary_next or now - wave.moved_at > limits.idle
    size = max(1, math.ceil(fleet * (limits.canary if canary else limits.share)))
    told = f"wave {wave.number + 1} opened: {'a canary of ' if canary else ''}{size} of {fleet}"
    return replace(
        wave,
        number=wave.number + 1,
        canary=canary,
        canary_next=False,
        size=size,
        stop_at=limits.stop_at,
        opened_at=now,
        moved_at=now,
        started=0,
        through=0,
        failed=(),
        excused=_excused(wave),
        note=told,
    )


def _failed(wave: Wave, credential: str, now: datetime) -> Wave:
    wave = replace(_left(wave, credential, now), failed=(*wave.failed, credential))
    if wave.stop or len(wave.failed) <= wave.stop_at * wave.size:
        return wave
    because = f"{len(wave.failed)} of {wave.size} failed, more than {wave.stop_at:.0%}: {', '.join(wave.failed[:5])}"
    return _stopped(wave, Stop(by="rotator", at=now, because=because))


def _stopped(wave: Wave, said: Stop) -> Wave:
    return replace(wave, stop=said, note=f"wave {wave.number} stopped by {said.by}: {said.because}")


def _left(wave: Wave, credential: str, now: datetime) -> Wave:
    return replace(wave, members=tuple(member for member in wave.members if member.credential != credential), moved_at=now)


def _changed(wave: Wave, changed: Member) -> Wave:
    return replace(wave, members=tuple(changed if member.credential == changed.credential else member for member in wave.members))


def _excused(wave: Wave) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*wave.excused, *wave.failed)))[-EXCUSED_MAX:]


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(one for one in names if one != name)


def _ahead(wave: Wave) -> str:
    kind = "the canary" if wave.canary else f"wave {wave.number}"
    return f"{kind} ({wave.size} at once, {len(wave.members)} not through yet) is ahead of it"


def _unopened(now: datetime) -> Wave:
    return Wave(opened_at=now, moved_at=now)


def _member(written: Mapping[str, Any]) -> Member:
    troubled = written.get("troubled_since")
    return Member(
        credential=written["credential"],
        since=datetime.fromisoformat(written["since"]),
        troubled_since=datetime.fromisoformat(troubled) if troubled else None,
    )
