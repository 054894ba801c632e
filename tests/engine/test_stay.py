"""How long a run stays, and what it looks for sooner than the one before it meant to."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.credential import Slot
from rotator.core.incident import Incident, State
from rotator.core.policy import Mode
from rotator.core.retry import EMERGENCY_WAIT
from rotator.core.sealed import fingerprint
from rotator.core.snapshot import KeyMemory
from rotator.core.step import Wait
from rotator.engine.observe import observe
from rotator.engine.ports import HeldBy
from rotator.engine.stay import LAGGARDS_ARE_GIVEN, Stay, ends, leaves
from rotator.engine.walk import Moment, Walk
from tests.engine.corridor import Corridor
from tests.engine.world import START

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


async def walk_of(corridor: Corridor, *, until: timedelta | None = None) -> Walk:
    """A run that begins now; somebody waits for it `until` then."""
    ports = corridor.world.ports("w0")
    lease = await ports.work.claim(corridor.world.credential.name)
    assert not isinstance(lease, HeldBy)
    now = Moment.now(ports.clock)
    limit = now.at + until if until else None
    return Walk(
        credential=corridor.world.credential,
        world=ports,
        lease=lease,
        values={},
        chance=random.Random(0),
        started=now,
        looked=now,
        until=limit,
    )


def waits_for_dependents() -> Wait:
    return Wait(until=START + HOUR, because="app-1 lags", phase="overlap", for_dependents=True)


async def test_a_run_that_is_about_the_death_stays_for_laggards_for_a_while() -> None:
    corridor = Corridor(apps=1)
    walk = await walk_of(corridor, until=HOUR)
    look = await observe(walk.credential, walk.world)
    began = corridor.seconds()
    while not leaves(waits_for_dependents(), look, [], Stay.DEAD, walk):
        await asyncio.sleep(1)
        assert corridor.seconds() < began + MINUTE.total_seconds()
    assert corridor.seconds() - began >= LAGGARDS_ARE_GIVEN.total_seconds()


async def leaked(corridor: Corridor, state: State) -> Incident:
    """A case whose deadline comes before the run has to end."""
    opened = await corridor.leak(corridor.world.slots[Slot.KEY1], Mode.DRAIN)
    return replace(opened, state=state, deadline=corridor.world.now() + MINUTE)


@pytest.mark.parametrize(("state", "ended"), [(State.OPEN, False), (State.REVOKED, True), (State.UNPROVEN, True)])
async def test_a_run_that_is_refused_stays_for_the_deadline_of_a_value_that_lives_and_of_no_other(state: State, ended: bool) -> None:
    corridor = Corridor()
    walk = await walk_of(corridor, until=HOUR)
    refused = Wait(until=START + HOUR, because="refused", phase="tags", refused=True)
    assert ends(refused, [await leaked(corridor, state)], walk) is ended


async def test_a_proof_that_was_put_off_for_long_is_asked_for_soon_where_somebody_waits_and_not_at_once() -> None:
    corridor = Corridor()
    value = fingerprint(corridor.world.slots[Slot.KEY1])
    put_off = KeyMemory(fingerprint=value, probe_again_at=corridor.world.now() + HOUR)
    walk = await walk_of(corridor, until=HOUR)
    assert walk.sooner(put_off).probe_again_at == walk.started.at + EMERGENCY_WAIT
    walk.until = None
    assert walk.sooner(put_off) == put_off
