"""The wave at the corridor's door: asked by each run that would start a scheduled rotation, before its first step.

Two doors: the daemon's cadence goes out in waves (`Paced`), and whatever a person asks for is held by a stopped wave alone (`OnlyStopped`).
Neither is asked for a compromise, nor for the healing of a dead value.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeVar

from rotator.core.credential import Credential
from rotator.core.incident import Incident
from rotator.core.plan import plan
from rotator.core.snapshot import Held, Snapshot
from rotator.core.step import Decision, Do, Start
from rotator.core.wave import Wave, WaveLimits, WaveResult, after_run, enter, held_by, read, written
from rotator.engine.ports import Clock, World

T = TypeVar("T")


class WaveKeeper(Protocol):
    """Where the one wave is kept as text: read, decided about and written in one transaction; a note is for the audit."""

    async def now(self) -> str | None: ...

    async def change(self, change: Callable[[str | None], tuple[str, T, str]]) -> T: ...


async def wave_now(keeper: WaveKeeper) -> Wave | None:
    """The wave that is out."""
    text = await keeper.now()
    return read(text) if text else None


async def change_wave(keeper: WaveKeeper, change: Callable[[Wave | None], tuple[Wave, T]]) -> T:
    """Change it by a pure function, and say in the audit what its note says."""

    def changed(text: str | None) -> tuple[str, T, str]:
        wave, result = change(read(text) if text else None)
        return written(wave), result, wave.note

    return await keeper.change(changed)


async def tell_wave(keeper: WaveKeeper, credential: str, result: WaveResult, now: datetime) -> Wave | None:
    """What a run, whoever's it was, says of a rotation that the wave let out. The wave after it; None where it let no such one out."""
    wave = await wave_now(keeper)
    if wave is None or not (wave.member(credential) or credential in (*wave.failed, *wave.excused)):
        return None

    def told(wave: Wave | None) -> tuple[Wave, Wave]:
        assert wave is not None
        changed = after_run(wave, credential, result, now)
        return changed, changed

    return await change_wave(keeper, told)


class OnlyStopped:
    """Fulfils `Gate` for a person's commands: a stopped wave holds them, and nothing else does."""

    def __init__(self, waves: WaveKeeper) -> None:
        self._waves = waves

    async def enter(self, credential: str, start: Start) -> Held | None:
        return held_by(await wave_now(self._waves))


class Paced:
    """Fulfils `Gate` for the daemon: a cadence rotation takes its place in the wave, or is held; an order is held by a stop alone."""

    def __init__(self, waves: WaveKeeper, limits: Callable[[], WaveLimits], fleet: Callable[[], int], clock: Clock) -> None:
        self._waves, self._limits, self._fleet, self._clock = waves, limits, fleet, clock

    async def enter(self, credential: str, start: Start) -> Held | None:
        if start is Start.ORDER:
            return held_by(await wave_now(self._waves))
        limits, fleet, now = self._limits(), self._fleet(), self._clock.now()
        return await change_wave(self._waves, lambda wave: enter(wave, credential, limits=limits, fleet=fleet, now=now))


async def decide(snapshot: Snapshot, credential: Credential, incidents: Sequence[Incident], world: World) -> Decision:
    """What the planner says; where it would start a scheduled rotation and the wave holds it, what it says then."""
    decision = plan(snapshot, credential, incidents, world.clock.now())
    if not isinstance(decision, Do) or decision.starts is None:
        return decision
    held = await world.gate.enter(credential.name, decision.starts)
    if held is None:
        return decision
    memory = replace(snapshot.memory, held_by_wave=held)
    return plan(replace(snapshot, memory=memory), credential, incidents, world.clock.now())
