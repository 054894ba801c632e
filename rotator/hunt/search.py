"""The hunt: the fleet's live keys, then every place, and what comes of it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rotator.core.credential import Credential
from rotator.core.faults import Fault
from rotator.core.sealed import Fingerprint
from rotator.engine.ports import Issuer
from rotator.hunt.app_settings import AppSettings
from rotator.hunt.cluster_secrets import ClusterSecrets
from rotator.hunt.container_secrets import ContainerSecrets
from rotator.hunt.judge import Copy, Fleet, Live, judged
from rotator.hunt.named_values import NamedValues
from rotator.hunt.place import AT_ONCE, Hidden, Place, Reach, Scope, behind
from rotator.hunt.vault_secrets import VaultSecrets

COPIES_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything that was found, what could not be searched, and how many texts were compared."""

    copies: Sequence[Copy]
    hidden: Sequence[Hidden]
    compared: int


def places() -> Sequence[Place]:
    """Every sort of places that is searched."""
    return (AppSettings(), ContainerSecrets(), NamedValues(), VaultSecrets(), ClusterSecrets())


async def fleet_of(credentials: Sequence[Credential], issuer: Issuer) -> tuple[Fleet, list[Hidden]]:
    """The live keys of both slots of every account, and the accounts that do not tell theirs."""
    gate, live, hidden = asyncio.Semaphore(AT_ONCE), dict[Fingerprint, Live](), list[Hidden]()

    async def one(credential: Credential) -> None:
        async with gate:
            try:
                keys = await issuer.keys(credential.account)
            except Fault as fault:
                hidden.append(behind(f"the keys of {credential.name}", fault))
                return
        live.update({value.fingerprint: Live(credential=credential.name, slot=slot) for slot, value in keys.items()})

    await asyncio.gather(*(one(credential) for credential in credentials))
    return Fleet(live=live, credentials=credentials), hidden


async def hunt(fleet: Fleet, scope: Scope, reach: Reach, among: Iterable[Place] | None = None) -> Found:
    """Search one sort of places after the other."""
    copies, hidden, compared = list[Copy](), list[Hidden](), 0
    for place in places() if among is None else among:
        async for one in place.search(scope, reach):
            if isinstance(one, Hidden):
                hidden.append(one)
                continue
            compared += 1
            copies += list(judged(one, fleet))[: COPIES_MAX - len(copies)]
    ordered = sorted(copies, key=lambda copy: (copy.credential, copy.why, copy.what))
    return Found(copies=ordered, hidden=hidden, compared=compared)
