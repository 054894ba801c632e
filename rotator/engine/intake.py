"""A report becomes one case, once; and before it: whose key is this? Three different answers, and a fourth that is honest.

A value is recognised by its fingerprint: first where the index knows it, then live in every account (listKeys) and in the tags of every
secret. Nothing here changes the outside.
"""

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rotator.core.credential import Credential, Slot
from rotator.core.faults import Fault
from rotator.core.incident import Alert, Incident, open_incident
from rotator.core.policy import Mode
from rotator.core.sealed import Fingerprint
from rotator.engine.observe import NOTHING, Told, Word
from rotator.engine.ports import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The value is a live key: kill it. `told` is what was just seen of its account."""

    credential: Credential
    slot: Slot
    told: Told = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """The value was a key of ours and is in no slot any more: prove it dead."""

    credential: Credential


@dataclass(frozen=True, slots=True, kw_only=True)
class NotOurs:
    """No account and no secret knows it, and all of them could be asked."""

    asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKnown:
    """Not found where we could look; these could not be looked at, and why."""

    asked: int
    unseen: Sequence[str]


Recognised = Live | Replaced | NotOurs | NotKnown


async def recognise(
    value: Fingerprint, credentials: Iterable[Credential], world: World, *, known_at: Sequence[str] = (), at_once: int = 32
) -> Recognised:
    """Whose key it is. `known_at` are the credentials that the index names: asked first, and alone if one of them says yes."""
    every = list(credentials)
    likely = [credential for credential in every if credential.name in known_at]
    found, unseen = await _ask(value, likely, world, at_once)
    if isinstance(found, Live):
        return found
    if not likely or found is None:
        rest = [credential for credential in every if credential not in likely]
        other, more = await _ask(value, rest, world, at_once)
        found, unseen = other or found, [*unseen, *more]
    if isinstance(found, Live):
        return found
    if likely and not unseen:
        return Replaced(credential=likely[0])
    if found is not None:
        return found
    return NotKnown(asked=len(every), unseen=unseen) if unseen else NotOurs(asked=len(every))


async def _ask(
    value: Fingerprint, credentials: Sequence[Credential], world: World, at_once: int
) -> tuple[Live | Replaced | None, list[str]]:
    gate = asyncio.Semaphore(at_once)
    unseen: list[str] = []

    async def one(credential: Credential) -> Live | Replaced | None:
        async with gate:
            return await _is_of(value, credential, world, unseen)

    answers = [answer for answer in await asyncio.gather(*(one(credential) for credential in credentials)) if answer]
    live = next((answer for answer in answers if isinstance(answer, Live)), None)
    return live or next(iter(answers), None), unseen


async def _is_of(value: Fingerprint, credential: Credential, world: World, unseen: list[str]) -> Live | Replaced | None:
    asked = world.clock.now()
    try:
        keys = await world.issuer.keys(credential.account)
        await world.journal.index(credential.name, credential.account, keys)
        for slot, key in keys.items():
            if key.fingerprint == value:
                return Live(credential=credential, slot=slot, told=Told(keys=Word(said=keys, at=asked)))
    except Fault as fault:
        if not await _accepts_no_key(credential, world):
            unseen.append(f"{credential.name}: {fault.what}")
    try:
        secret = await world.vault.look(credential.secret)
    except Fault:
        return None  # the slots decide; a secret can only add that the value was ours once
    tagged = any(version.fingerprint == value and version.is_of(credential.account) for version in secret.view.versions)
    return Replaced(credential=credential) if tagged else None


async def _accepts_no_key(credential: Credential, world: World) -> bool:
    """Where local auth is off the keys cannot be listed, and there is no live one."""
    try:
        return not (await world.issuer.account(credential.account)).local_auth
    except Fault:
        return False


async def intake(alert: Alert, credential: Credential, world: World, *, slot: Slot | None, mode: Mode | None = None) -> Incident:
    """The case about this value: filed, or the one that is there already, made stricter. Its credential is due at once."""
    case = open_incident(f"inc-{uuid.uuid4().hex[:10]}", credential, alert, slot=slot, mode=mode)
    return await world.cases.file(case)
