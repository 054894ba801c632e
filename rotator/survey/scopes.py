"""The scopes of the settings, resolved: which accounts they take into care now, and as which credentials. Pure but for the listing.

What the settings name one by one goes before. Two that would have one name or one secret are refused, both of them, unless one of the two
is in our care already: a stranger who makes an account must not be able to stop, or to take over, the rotation of another.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

from rotator.azure.arm import ResourceManager
from rotator.core.credential import Credential
from rotator.core.faults import Fault
from rotator.core.snapshot import Unseen
from rotator.settings import Settings
from rotator.settings.scopes import Place, ScopeSettings
from rotator.survey.accounts import accounts_in, unseen
from rotator.survey.estate import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """The credentials that scopes make, by name, and a sentence for each that is refused."""

    credentials: Mapping[str, Credential]
    refused: tuple[str, ...] = ()


async def listed(arm: ResourceManager, scopes: Sequence[ScopeSettings]) -> list[tuple[Account, ...] | Unseen]:
    """What is in each scope's subscription or group now, asked once where several scopes look at one."""
    places = dict.fromkeys((scope.subscription.lower(), (scope.resource_group or "").lower()) for scope in scopes)
    asked = dict(zip(places, await asyncio.gather(*(_listed(arm, *place) for place in places)), strict=True))
    return [asked[scope.subscription.lower(), (scope.resource_group or "").lower()] for scope in scopes]


async def _listed(arm: ResourceManager, subscription: str, group: str) -> tuple[Account, ...] | Unseen:
    try:
        return await accounts_in(arm, subscription, group)
    except Fault as fault:
        return unseen(f"the accounts of {group or subscription}", fault)


def assigned(settings: Settings, lists: Sequence[Collection[Account] | Unseen], known: Mapping[str, str]) -> Assigned:
    """Who is taken into care. `known`: the accounts that are already, by their credential's name. An account without keys is not taken."""
    explicit = settings.credential_list()
    named = {one.account.lower() for one in explicit}
    made: dict[str, Credential] = {}
    refused: list[str] = []
    for scope, accounts in zip(settings.discover, lists, strict=True):
        for account in () if isinstance(accounts, Unseen) else accounts:
            id_ = account.id.lower()
            if id_ in named or id_ in made or not _is_wanted(scope, account, known):
                continue
            try:
                made[id_] = scope.credential(account.id, place_of(account), settings.defaults)
            except (PydanticCustomError, ValueError) as error:
                refused.append(f"{account.id}: {error}")
    kept = list(_alone(made, explicit, known, refused))
    return Assigned(credentials={one.name: one for one in kept}, refused=tuple(refused))


def place_of(account: Account) -> Place:
    return Place(account=account.name, group=account.group, location=account.location)


def _is_wanted(scope: ScopeSettings, account: Account, known: Mapping[str, str]) -> bool:
    there = scope.fits(subscription=account.subscription, group=account.group, kind=account.kind, tags=account.tags.items())
    return there and (account.local_auth or account.id.lower() in {one.lower() for one in known.values()})


def _alone(
    made: Mapping[str, Credential], explicit: Collection[Credential], known: Mapping[str, str], refused: list[str]
) -> Iterator[Credential]:
    for what, of in (("name", _name), ("secret", _secret)):
        taken = {of(one) for one in explicit}
        old = Counter(of(one) for one in made.values() if _is_known(one, known))
        counts = Counter(of(one) for one in made.values())
        kept = {}
        for id_, one in made.items():
            if of(one) in taken:
                refused.append(f"{one.account}: a credential of the settings has the {what} {of(one)} already")
            elif counts[of(one)] > 1 and not (_is_known(one, known) and old[of(one)] == 1):
                refused.append(f"{one.account}: another account would have the {what} {of(one)}, too; give its scope another template")
            else:
                kept[id_] = one
        made = kept
    yield from made.values()


def _is_known(one: Credential, known: Mapping[str, str]) -> bool:
    return known.get(one.name, "").lower() == one.account.lower()


def _name(one: Credential) -> str:
    return one.name


def _secret(one: Credential) -> str:
    return str(one.secret).lower()
