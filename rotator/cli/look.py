"""Looking without acting: what `status`, `plan` and every dry run stand on. Takes no lease and changes nothing outside."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

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


async def see(house: House, credentials: Sequence[Credential], told: Told = NOTHING) -> list[Seen]:
    """Every credential, so many at once as the settings allow. What was just `told` (of the one credential) is not asked for again."""
    gate = asyncio.Semaphore(house.settings.limits.concurrency)
    held = held_by(await wave_now(house.ledger.waves))

    async def one(credential: Credential) -> Seen:
        async with gate:
            look = _under(held, await observe(credential, house.world, told=told))
        incidents = await house.world.cases.of(credential.name)
        now = house.world.clock.now()
        decision = plan(look.snapshot, credential, incidents, now)
        return Seen(credential=credential, look=look, incidents=incidents, decision=decision, at=now)

    return list(await asyncio.gather(*(one(credential) for credential in credentials)))


def _under(held: Held | None, look: Look) -> Look:
    """A stopped wave is part of how things are: what it holds would not be done."""
    return replace(look, snapshot=replace(look.snapshot, memory=replace(look.snapshot.memory, held_by_wave=held)))
