"""The hunt: the fleet's live keys, then every place, and what comes of it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rotator.azure.patience import patiently
from rotator.core.credential import Credential
from rotator.core.faults import Fault
from rotator.core.sealed import Fingerprint
from rotator.engine.ports import Issuer
from rotator.hunt.app_settings import AppSettings
from rotator.hunt.backends import Backends
from rotator.hunt.cluster_secrets import ClusterSecrets
from rotator.hunt.connections import FoundryConnections, WorkspaceConnections
from rotator.hunt.container_groups import ContainerGroups
from rotator.hunt.container_secrets import ContainerSecrets
from rotator.hunt.container_variables import ContainerVariables
from rotator.hunt.finding import Copy, worst_first
from rotator.hunt.judge import Fleet, Live, Owner, fleet, is_known, judged
from rotator.hunt.linked_services import LinkedServices
from rotator.hunt.named_values import NamedValues
from rotator.hunt.place import Held, Hidden, Place, Scope, behind
from rotator.hunt.reach import AT_ONCE, Reach
from rotator.hunt.vault_secrets import VaultSecrets

COPIES_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything that was found, what could not be searched, and how many texts were compared."""

    copies: Sequence[Copy]
    hidden: Sequence[Hidden]
    compared: int


def places() -> Sequence[Place]:
    """Every sort of places that is searched."""
    return (*beside_vaults(), VaultSecrets())


def beside_vaults() -> Sequence[Place]:
    """The same, for who has looked into the vaults already."""
    return (
        AppSettings(),
        ContainerSecrets(),
        ContainerVariables(),
        ContainerGroups(),
        NamedValues(),
        Backends(),
        FoundryConnections(),
        WorkspaceConnections(),
        LinkedServices(),
        ClusterSecrets(),
    )


async def fleet_of(credentials: Sequence[Credential], issuer: Issuer, beside: Iterable[Credential] = ()) -> tuple[Fleet, list[Hidden]]:
    """The live keys of both slots of every account, and the accounts that do not tell theirs. Of those `beside` nobody is hunted for, but
    what is their dependent is known.
    """
    gate, live, hidden = asyncio.Semaphore(AT_ONCE), dict[Fingerprint, Live](), list[Hidden]()

    async def one(credential: Credential) -> None:
        async with gate:
            try:
                keys = await patiently(lambda: issuer.keys(credential.account))
            except Fault as fault:
                hidden.append(behind(f"the keys of {credential.name}", fault))
                return
        live.update({value.fingerprint: Live(owner=credential.name, slot=slot) for slot, value in keys.items()})

    await asyncio.gather(*(one(credential) for credential in credentials))
    owners = [Owner(name=one.name, secret=one.secret, dependents=one.dependents) for one in credentials]
    owners += [Owner(name=one.name, secret=None, dependents=one.dependents) for one in beside]
    return fleet(live, owners), hidden


async def hunt(fleet: Fleet, scope: Scope, reach: Reach, among: Iterable[Place] | None = None) -> Found:
    """Search one sort of places after the other. Who is known to the settings is found, too."""
    copies, hidden, compared = list[Copy](), list[Hidden](), 0
    for place in places() if among is None else among:
        async for one in place.search(scope, reach):
            if isinstance(one, Hidden):
                hidden.append(one)
                continue
            compared += 1
            copies += list(judged(one, fleet))[: COPIES_MAX - len(copies)]
            if one.write_only and not one.fingerprints and not is_known(one, fleet):
                hidden.append(_shut(one))
    if len(copies) >= COPIES_MAX:
        hidden.append(Hidden(what="the rest of the findings", because=f"there are {COPIES_MAX:,} already"))
    ordered = sorted(copies, key=lambda copy: (copy.owner, worst_first(copy)))
    return Found(copies=ordered, hidden=sorted(set(hidden), key=lambda one: one.what), compared=compared)


def _shut(held: Held) -> Hidden:
    said = ", ".join(f"{name}: {value}" for name, value in held.settings.items())
    return Hidden(
        what=held.what,
        because="it is write-only: Azure gives its value back to nobody",
        remedy=f"where it holds a key of yours, name it: {said}",
        write_only=True,
    )
