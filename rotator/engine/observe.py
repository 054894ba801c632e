"""The ports, looked at once: a Snapshot of fingerprints, and beside it the sealed values for as long as the run lasts.

A port that faults, or that answers later than `patience`, makes its fact Unseen, with the reason and a remedy; it never makes the look
fail.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from rotator.core.credential import Credential, Slot
from rotator.core.faults import Denied, Fault, Missing, Rejected, Throttled
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.settle import Intent
from rotator.core.snapshot import AccountView, Adoption, DependentView, SecretView, Snapshot, Unseen
from rotator.engine.ports import Published, SecretLook, World

PATIENCE = timedelta(seconds=60)
PATIENCE_IN_AN_EMERGENCY = timedelta(seconds=3)
"""A cut needs the slot and not the vault: a vault that hangs does not hold it up longer than this."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at one credential."""

    snapshot: Snapshot
    secret: SecretLook | None
    unsettled: list[Intent] = field(default_factory=list)
    values: Mapping[Fingerprint, Sealed] = field(default_factory=dict)


async def observe(credential: Credential, world: World, *, emergency: bool = False) -> Look:
    """Account, slots, secret and memory at once; then the dependents, who need to know what is published."""
    patience = PATIENCE_IN_AN_EMERGENCY if emergency else PATIENCE
    began = world.clock.now()
    account, keys, secret, (memory, unsettled) = await asyncio.gather(
        _seen("the account", world.issuer.account(credential.account), PATIENCE),
        _seen("the slots", world.issuer.keys(credential.account), PATIENCE),
        _seen("the secret", world.vault.look(credential.secret), patience),
        world.journal.recall(credential.name),
    )
    slots = _slots(account, keys)
    values = {} if isinstance(keys, Unseen) else {value.fingerprint: value for value in keys.values()}
    if not isinstance(keys, Unseen):
        fresh = {slot: value for slot, value in keys.items() if value.fingerprint not in memory.keys}
        if fresh:
            await world.journal.index(credential.name, credential.account, fresh)
            memory, unsettled = await world.journal.recall(credential.name)
    seen, key = (secret, None) if isinstance(secret, Unseen) else _current(credential, secret)
    values |= {key.fingerprint: key} if key else {}
    snapshot = Snapshot(at=began, account=account, slots=slots, secret=seen, memory=memory)
    views = await _dependents(credential, snapshot, key, world, patience)
    look = None if isinstance(secret, Unseen) else secret
    return Look(snapshot=replace(snapshot, dependents=views), secret=look, unsettled=unsettled, values=values)


def _slots(account: AccountView | Unseen, keys: Mapping[Slot, Sealed] | Unseen) -> Mapping[Slot, Fingerprint] | Unseen:
    if isinstance(account, AccountView) and not account.local_auth:
        return Unseen(what="the slots", because="local auth is off, so the keys cannot be listed")
    return keys if isinstance(keys, Unseen) else {slot: value.fingerprint for slot, value in keys.items()}


def _current(credential: Credential, look: SecretLook) -> tuple[SecretView, Sealed | None]:
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
    looks = (_seen(one.name, world.kinds[one.kind].adoption(one, published), patience) for one in credential.dependents)
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
