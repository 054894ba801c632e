"""A light look at a credential that is quiet: two calls, none of which Azure Resource Manager counts as a write.

The vault gives out its current value (one call), the data plane is asked once whether it accepts it. Whatever is odd is a reason for a
whole look at once; what cannot be seen waits for the next time, and is not odd. Changes nothing outside.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from rotator.core.credential import Credential
from rotator.core.faults import Fault, Missing
from rotator.core.sealed import Sealed
from rotator.core.snapshot import AccountView, Memory
from rotator.engine.ports import Glimpse, Verdict, World

PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """As the ledger remembers it, and accepted where that could be asked."""

    account: AccountView


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """Something is not as we left it."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dim:
    """It could not be seen now."""

    because: str
    account: AccountView | None = None


async def light_look(credential: Credential, world: World, account: AccountView | None) -> Still | Odd | Dim:
    """Whether all is as we left it. `account` is how an earlier look saw it; without one it is asked for (a read)."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            if account is not None and not account.local_auth:
                return await _still_off(credential, world)
            memory, unsettled = await world.journal.recall(credential.name)
            if unsettled:
                return Odd(because="something was begun and is not settled")
            given = await world.vault.glimpse(credential.secret)
            odd, value = _told(credential, memory, given)
            if odd or value is None:
                return Odd(because=odd)
            account = account or await world.issuer.account(credential.account)
            return await _asked(world, account, value)
    except Missing as missing:
        return Odd(because=missing.what)
    except Fault as fault:
        return Dim(because=fault.what, account=account)
    except TimeoutError:
        return Dim(because=f"no answer within {PATIENCE.total_seconds():.0f} s", account=account)


def _told(credential: Credential, memory: Memory, given: Glimpse) -> tuple[str, Sealed | None]:
    """What is odd about the value that readers get now, and the value."""
    known = next((key for key in memory.keys.values() if key.version == given.version), None)
    if known is None:
        return f"the vault gives out version {given.version[:8]}…, which is not the one that is remembered", None
    inside = credential.template.extract(given.text.reveal())
    value = Sealed(inside) if inside else None
    if value is None or value.fingerprint != known.fingerprint:
        return "the value in the vault is not the one that is remembered", None
    if given.fingerprint != known.fingerprint:
        return "the tags of the current version do not tell its value", None
    if memory.back and memory.back.instead_of == known.fingerprint:
        return "an operator asked to go back to the value before", None
    if memory.order and memory.order.value in (known.fingerprint, given.version):
        return "an operator ordered a new value", None
    if known.replaced_at or known.dead_at:
        return "the vault gives out a value that was replaced", None
    return "", value


async def _still_off(credential: Credential, world: World) -> Still | Odd:
    """Where no key is accepted there is none to ask about; that it is so is one read."""
    account = await world.issuer.account(credential.account)
    return Odd(because="local auth is on again") if account.local_auth else Still(account=account)


async def _asked(world: World, account: AccountView, value: Sealed) -> Still | Odd | Dim:
    if not account.local_auth or not account.provable or not account.endpoints:
        return Still(account=account)
    answer = await world.data_plane.probe(account, account.endpoints[0], value)
    match answer.verdict:
        case Verdict.REFUSED:
            return Odd(because=f"the data plane refuses the value in the vault ({answer.seen})")
        case Verdict.ACCEPTED | Verdict.NOT_SERVED:
            return Still(account=account)
        case Verdict.BARRED | Verdict.INCONCLUSIVE:
            return Dim(because=f"the data plane says nothing of the value ({answer.seen})", account=account)
