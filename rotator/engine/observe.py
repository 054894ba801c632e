"""The ports, looked at once: a Snapshot of fingerprints, and beside it the sealed values for as long as the run lasts.

A port that faults, or that answers later than `patience`, makes its fact Unseen, with the reason and a remedy; it never makes the look
fail. What was told a moment ago may be believed instead of asked again (`core/belief.py` says what may be decided on it); never while the
outcome of a step is not known.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from rotator.core.adoption import taken_at
from rotator.core.belief import SECRET_BELIEVED_FOR, SLOTS_BELIEVED_FOR
from rotator.core.credential import Credential, Slot
from rotator.core.faults import Denied, Fault, Missing, Rejected, Throttled
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.second_writer import to_be_asked_about
from rotator.core.settle import Intent
from rotator.core.snapshot import AccountView, Adoption, DependentView, SecretView, Snapshot, Unseen
from rotator.engine.ports import Published, SecretLook, World

PATIENCE = timedelta(seconds=60)
PATIENCE_IN_AN_EMERGENCY = timedelta(seconds=3)
"""A cut needs the slot and not the vault: a vault that hangs does not hold it up longer than this."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word(Generic[T_co]):
    """An answer, and when it was asked for: what happened after that is not in it."""

    said: T_co
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was answered lately, for a look that may believe it."""

    account: Word[AccountView] | None = None
    keys: Word[Mapping[Slot, Sealed]] | None = None
    secret: Word[SecretLook] | None = None


NOTHING = Told()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at one credential. `believes`: something in it was not asked for just now; `told`: what the next look may believe."""

    snapshot: Snapshot
    secret: SecretLook | None
    unsettled: list[Intent] = field(default_factory=list)
    values: Mapping[Fingerprint, Sealed] = field(default_factory=dict)
    told: Told = NOTHING
    believes: bool = False


async def observe(credential: Credential, world: World, *, emergency: bool = False, told: Told = NOTHING) -> Look:
    """Account, slots, secret and memory at once; then the dependents, who need to know what is published.

    What is `told` and young enough is not asked for.
    """
    patience = PATIENCE_IN_AN_EMERGENCY if emergency else PATIENCE
    began = world.clock.now()
    believed, remembered = _young_of(told, began, emergency), None
    if believed != NOTHING:
        remembered = await world.journal.recall(credential.name)
        believed = NOTHING if remembered[1] else believed  # only looking settles what is not known
    account, keys, secret, (memory, unsettled) = await asyncio.gather(
        _said(believed.account) if believed.account else _seen("the account", world.issuer.account(credential.account), PATIENCE),
        _said(believed.keys) if believed.keys else _seen("the slots", world.issuer.keys(credential.account), PATIENCE),
        _said(believed.secret) if believed.secret else _seen("the secret", world.vault.look(credential.secret), patience),
        world.journal.recall(credential.name) if remembered is None else _said(Word(said=remembered, at=began)),
    )
    old = [word.at for word in (believed.account, believed.keys, believed.secret) if word]
    slots = _slots(account, keys)
    values = {} if isinstance(keys, Unseen) else {value.fingerprint: value for value in keys.values()}
    if not isinstance(keys, Unseen):
        fresh = {slot: value for slot, value in keys.items() if value.fingerprint not in memory.keys}
        if fresh:
            await world.journal.index(credential.name, credential.account, fresh)
            memory, unsettled = await world.journal.recall(credential.name)
    seen, key = (secret, None) if isinstance(secret, Unseen) else current_of(credential, secret)
    values |= {key.fingerprint: key} if key else {}
    snapshot = Snapshot(at=min([began, *old]), account=account, slots=slots, secret=seen, memory=memory)
    snapshot = await _with_a_second_writer(credential, snapshot, world)
    views = await _dependents(credential, snapshot, key, world, patience)
    return Look(
        snapshot=replace(snapshot, dependents=views),
        secret=None if isinstance(secret, Unseen) else secret,
        unsettled=unsettled,
        values=values,
        told=Told(
            account=believed.account or _word(account, began),
            keys=believed.keys or _word(keys, began),
            secret=believed.secret or _word(secret, began),
        ),
        believes=bool(old),
    )


async def _with_a_second_writer(credential: Credential, snapshot: Snapshot, world: World) -> Snapshot:
    version = to_be_asked_about(snapshot, credential)
    if version is None or version.operation is None or await world.journal.intended(credential.name, version.operation):
        return snapshot
    return replace(snapshot, memory=replace(snapshot.memory, second_writer=version))


def _young_of(told: Told, now: datetime, emergency: bool) -> Told:
    return Told(
        account=_young(told.account, now, SLOTS_BELIEVED_FOR),
        keys=_young(told.keys, now, SLOTS_BELIEVED_FOR),
        secret=_young(told.secret, now, SECRET_BELIEVED_FOR) if emergency else None,
    )


def _young(word: Word[T] | None, now: datetime, believed_for: timedelta) -> Word[T] | None:
    """A word from the future is not young: the clock was set back, and how old it is cannot be told."""
    return word if word and timedelta(0) <= now - word.at <= believed_for else None


def _word(said: T | Unseen, at: datetime) -> Word[T] | None:
    return None if isinstance(said, Unseen) else Word(said=said, at=at)


async def _said(word: Word[T]) -> T:
    return word.said


def _slots(account: AccountView | Unseen, keys: Mapping[Slot, Sealed] | Unseen) -> Mapping[Slot, Fingerprint] | Unseen:
    if isinstance(account, AccountView) and not account.local_auth:
        return Unseen(what="the slots", because="local auth is off, so the keys cannot be listed")
    return keys if isinstance(keys, Unseen) else {slot: value.fingerprint for slot, value in keys.items()}


def current_of(credential: Credential, look: SecretLook) -> tuple[SecretView, Sealed | None]:
    """The secret's view, with its current value told by the value itself: a tag may have been copied by somebody."""
    current = look.view.current
    if current is None or look.text is None:
        return look.view, None
    inside = credential.template.extract(look.text.reveal())
    key = Sealed(inside) if inside else None
    return replace(look.view, current=replace(current, fingerprint=key.fingerprint if key else None)), key


async def _dependents(
    credential: Credential, snapshot: Snapshot, key: Sealed | None, world: World, patience: timedelta
) -> tuple[DependentView, ...]:
    if not credential.dependents:
        return ()
    if isinstance(snapshot.secret, Unseen) or snapshot.secret.current is None or key is None:
        because = "what is published cannot be seen, so neither can who runs on it"
        return tuple(
            DependentView(name=one.name, kind=one.kind, adoption=Adoption.UNSEEN, because=because) for one in credential.dependents
        )
    current = snapshot.secret.current
    published = Published(secret=credential.secret, version=current.version, fingerprint=key.fingerprint, value=key, since=current.created)
    kept = snapshot.memory.adoptions
    looks = (
        _seen(
            one.name,
            world.kinds[one.kind].adoption(one, replace(published, delivered_at=taken_at(kept, one.name, current.version))),
            patience,
        )
        for one in credential.dependents
    )
    seen = await asyncio.gather(*looks)
    return tuple(
        DependentView(name=one.name, kind=one.kind, adoption=Adoption.UNSEEN, because=_told(view)) if isinstance(view, Unseen) else view
        for one, view in zip(credential.dependents, seen, strict=True)
    )


def _told(unseen: Unseen) -> str:
    """With what a person should do: the view of a dependent has no other place for it."""
    return f"{unseen.because}; {unseen.remedy}" if unseen.remedy else unseen.because


async def _seen(what: str, asked: Awaitable[T], patience: timedelta) -> T | Unseen:
    try:
        return await asyncio.wait_for(asked, patience.total_seconds())
    except TimeoutError:
        return Unseen(what=what, because=f"no answer within {patience.total_seconds():.0f} s")
    except Fault as fault:
        again = fault.until if isinstance(fault, Throttled) else None
        hopeless = isinstance(fault, Denied | Missing | Rejected)
        return Unseen(what=what, because=fault.what, remedy=fault.remedy, again=again, hopeless=hopeless)
