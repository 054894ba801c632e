"""A report becomes one case, once; and before it: whose key is this? Three different answers, and a fourth that is honest.

A value is recognised by its fingerprint: first where the index knows it, then live in every account (listKeys), and in every secret: in the
tags of its versions, and in what it holds now. Each account is asked once, for however many values; what is likely to pass is asked again
for a while. Nothing here changes the outside.
"""

import asyncio
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rotator.core.credential import Credential, Slot
from rotator.core.faults import Fault, Missing
from rotator.core.incident import Alert, Incident, open_incident
from rotator.core.policy import Mode
from rotator.core.sealed import Fingerprint
from rotator.engine.observe import NOTHING, Told, Word, current_of
from rotator.engine.patience import once_more
from rotator.engine.ports import World

ASKED_FOR = timedelta(seconds=30)
"""How long one account or one secret is asked again while what is wrong is likely to pass."""
AT_ONCE = 32


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one credential's account and secret were seen to hold. `unseen` and `unread`: why the one, or the other, could not be asked."""

    credential: Credential
    slots: Mapping[Fingerprint, Slot] = field(default_factory=dict)
    told: Told = NOTHING
    secret: frozenset[Fingerprint] = frozenset()
    unseen: str = ""
    unread: str = ""

    def knows(self, value: Fingerprint) -> bool:
        return value in self.slots or value in self.secret


async def recognise_all(
    known_at: Mapping[Fingerprint, Sequence[str]], credentials: Iterable[Credential], world: World, *, at_once: int = AT_ONCE
) -> dict[Fingerprint, Recognised]:
    """Whose key each of them is, with the credentials that the index names for it: these are asked first, and alone if they say yes for
    every value; each account once."""
    every = list(credentials)
    named = {name for names in known_at.values() for name in names}
    asked = await survey([one for one in every if one.name in named], world, at_once=at_once)
    if not all(_is_settled(value, names, asked) for value, names in known_at.items()):
        asked += await survey([one for one in every if one.name not in named], world, at_once=at_once)
    held = {value for one in asked for value in (*one.slots, *one.secret)}
    nobodys = _nobodys(asked, of=len(every))  # the answer about every value that no one holds and no index names, and these may be many
    return {
        value: whose(value, asked, known_at=names, of=len(every)) if names or value in held else nobodys
        for value, names in known_at.items()
    }


def _is_settled(value: Fingerprint, known_at: Sequence[str], asked: Sequence[Asked]) -> bool:
    return any(one.knows(value) for one in asked if one.credential.name in known_at)


def whose(value: Fingerprint, asked: Sequence[Asked], *, known_at: Sequence[str] = (), of: int) -> Recognised:
    """What the answers of the fleet say of one value."""
    live = next((one for one in asked if value in one.slots), None)
    if live is not None:
        return Live(credential=live.credential, slot=live.slots[value], told=live.told)
    unseen = [f"{one.credential.name}: {one.unseen}" for one in asked if one.unseen]
    likely = next((one.credential for one in asked if one.credential.name in known_at), None)
    if likely is not None and not unseen:
        return Replaced(credential=likely)
    held = next((one.credential for one in asked if value in one.secret), None)
    if held is not None:
        return Replaced(credential=held)
    return _nobodys(asked, of=of)


def _nobodys(asked: Sequence[Asked], *, of: int) -> NotOurs | NotKnown:
    unseen = [f"{one.credential.name}: {one.unseen}" for one in asked if one.unseen]
    unseen += [f"{one.credential.name}: {one.unread}" for one in asked if one.unread and not one.unseen]
    return NotKnown(asked=of, unseen=unseen) if unseen else NotOurs(asked=of)


async def survey(credentials: Sequence[Credential], world: World, *, at_once: int = AT_ONCE) -> list[Asked]:
    """Every one of them asked, so many at once."""
    gate = asyncio.Semaphore(at_once)

    async def one(credential: Credential) -> Asked:
        async with gate:
            return await _ask(credential, world)

    return list(await asyncio.gather(*(one(credential) for credential in credentials)))


async def _ask(credential: Credential, world: World) -> Asked:
    (slots, told, unseen), (secret, unread) = await asyncio.gather(_in_slots(credential, world), _in_secret(credential, world))
    return Asked(credential=credential, slots=slots, told=told, secret=secret, unseen=unseen, unread=unread)


async def _in_slots(credential: Credential, world: World) -> tuple[dict[Fingerprint, Slot], Told, str]:
    asked = world.clock.now()
    try:
        keys = await once_more(lambda: world.issuer.keys(credential.account), world.clock, ASKED_FOR)
    except Fault as fault:
        return {}, NOTHING, "" if await _has_no_key(credential, world) else fault.what
    await world.journal.index(credential.name, credential.account, keys)
    return {key.fingerprint: slot for slot, key in keys.items()}, Told(keys=Word(said=keys, at=asked)), ""


async def _has_no_key(credential: Credential, world: World) -> bool:
    """Where local auth is off the keys cannot be listed, and there is no live one; nor is there where the account is gone."""
    try:
        return not (await once_more(lambda: world.issuer.account(credential.account), world.clock, ASKED_FOR)).local_auth
    except Missing:
        return True
    except Fault:
        return False


async def _in_secret(credential: Credential, world: World) -> tuple[frozenset[Fingerprint], str]:
    """What the secret gives out or gave out. The slots decide; it can only add that a value was ours once."""
    try:
        look = await once_more(lambda: world.vault.look(credential.secret), world.clock, ASKED_FOR)
    except Fault as fault:
        return frozenset(), fault.what
    tagged = {version.fingerprint for version in look.view.versions if version.fingerprint and version.is_of(credential.account)}
    _, key = current_of(credential, look)  # what it gives out now, also where that was never adopted and has no tag
    return frozenset(tagged | ({key.fingerprint} if key else set())), ""


async def intake(alert: Alert, credential: Credential, world: World, *, slot: Slot | None, mode: Mode | None = None) -> Incident:
    """The case about this value: filed, or the one that is there already, made stricter. Its credential is due at once."""
    case = open_incident(f"inc-{uuid.uuid4().hex[:10]}", credential, alert, slot=slot, mode=mode)
    return await world.cases.file(case)
