"""Looking without acting: what `status`, `plan` and every dry run stand on. Takes no lease and changes nothing outside."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rotator.cli.counting import counted
from rotator.core.credential import Credential, Slot
from rotator.core.facts import Facts, Needed
from rotator.core.incident import Incident
from rotator.core.plan import plan
from rotator.core.snapshot import Current, Held, SecretView, Unseen
from rotator.core.step import Decision
from rotator.core.wave import held_by
from rotator.engine.gate import wave_now
from rotator.engine.observe import NOTHING, Look, Told, observe
from rotator.wiring import House


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One credential as it is now, and what would be decided."""

    credential: Credential
    look: Look
    incidents: Sequence[Incident]
    decision: Decision
    at: datetime

    @property
    def facts(self) -> Facts:
        return Facts(snapshot=self.look.snapshot, credential=self.credential, incidents=self.incidents, now=self.at)

    @property
    def current(self) -> Current | None:
        secret = self.look.snapshot.secret
        return secret.current if isinstance(secret, SecretView) else None

    @property
    def active_since(self) -> datetime | None:
        """Since when the current value is given out."""
        secret = self.look.snapshot.secret
        return secret.active_since(self.credential.account) if isinstance(secret, SecretView) else None

    @property
    def active(self) -> Slot | None:
        """The slot that the vault's current value is in, if both can be seen."""
        slots, current = self.look.snapshot.slots, self.current
        if isinstance(slots, Unseen) or current is None or not current.enabled:
            return None
        try:
            return self.facts.active
        except Needed:
            return None


LOOKED_FOR = timedelta(seconds=30)
"""How long what is likely to pass is looked at again, where nobody says how long to stay."""
LOOKED_FOR_IN_PASSING = timedelta(seconds=10)
"""The same for a command that does not wait."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.5), timedelta(seconds=10)


def looked_for(limit: timedelta | None) -> timedelta:
    """How long is looked again, by a command that stays so long; None: that does not wait."""
    return LOOKED_FOR_IN_PASSING if limit is None else min(limit, LOOKED_FOR)


def hidden(seen: Seen, *, secret: bool = True, stale: bool = False) -> Unseen | None:
    """What cannot be seen of the account, its slots, or the `secret`. Slots that are not to be listed (local auth is off) hide nothing;
    where `stale` will do, nor does a list that denies what we did a moment ago."""
    account, facts = seen.look.snapshot.account, seen.facts
    if isinstance(account, Unseen):
        return account
    try:
        slots = seen.look.snapshot.slots
        if not facts.local_auth_is_off and (isinstance(slots, Unseen) or not stale):
            _ = facts.slots
        if secret:
            _ = facts.secret
    except Needed as needed:
        return needed.unseen
    return None


async def see_well(
    house: House, credentials: Sequence[Credential], within: timedelta, *, secret: bool = True, stale: bool = False
) -> list[Seen]:
    """The same, each one looked at again while what hides something is likely to pass, `within` this time."""

    gate = asyncio.Semaphore(house.settings.limits.concurrency)

    async def one(credential: Credential) -> Seen:
        clock, pause = house.world.clock, FIRST_PAUSE
        end = clock.now() + within
        while True:
            async with gate:
                seen = (await see(house, [credential]))[0]
            unseen, now = hidden(seen, secret=secret, stale=stale), clock.now()
            if unseen is None or unseen.hopeless:
                return seen
            again = max(unseen.again or now, now + pause)
            if again > end:
                return seen
            house.world.watch("held", credential=credential.name, because=f"{unseen.what} cannot be seen: {unseen.because}; looking again")
            await clock.sleep(again - now)
            pause = min(pause * 2, LONGEST_PAUSE)

    return list(await asyncio.gather(*(one(credential) for credential in credentials)))


async def see(house: House, credentials: Sequence[Credential], told: Told = NOTHING) -> list[Seen]:
    """Every credential, so many at once as the settings allow. What was just `told` (of the one credential) is not asked for again."""
    gate = asyncio.Semaphore(house.settings.limits.concurrency)
    held = held_by(await wave_now(house.ledger.waves))

    async def one(credential: Credential, one_more: Callable[[], None]) -> Seen:
        async with gate:
            look = _under(held, await observe(credential, house.world, told=told))
        one_more()
        incidents = await house.world.cases.of(credential.name)
        now = house.world.clock.now()
        decision = plan(look.snapshot, credential, incidents, now)
        return Seen(credential=credential, look=look, incidents=incidents, decision=decision, at=now)

    with counted(len(credentials)) as one_more:
        return list(await asyncio.gather(*(one(credential, one_more) for credential in credentials)))


def _under(held: Held | None, look: Look) -> Look:
    """A stopped wave is part of how things are: what it holds would not be done."""
    return replace(look, snapshot=replace(look.snapshot, memory=replace(look.snapshot.memory, held_by_wave=held)))
