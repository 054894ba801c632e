"""Who else holds the keys: what the vaults told already and, where it is asked for, what a hunt over the subscriptions finds.

A hunt is the one of `rotator.hunt`, over every account and not only those of the settings. It is bounded by nothing but what our identity
sees, so it is never begun unasked; a place that it may not search is Unseen, and hides no other.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from rotator.azure.arm import ResourceManager
from rotator.azure.patience import patiently
from rotator.core.credential import Credential
from rotator.core.faults import Fault
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import Unseen
from rotator.hunt.finding import Copy, worst_first
from rotator.hunt.judge import Fleet, Live, Owner, copied, fleet
from rotator.hunt.place import Held, Hidden, Scope
from rotator.hunt.reach import Reach
from rotator.hunt.search import beside_vaults, hunt
from rotator.survey.accounts import subscriptions, unseen
from rotator.survey.estate import Account, Holding
from rotator.survey.holders import Keys

Holdings = Mapping[str, tuple[Holding, ...]]
"""By the account's id, the best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunting:
    """How far a hunt reaches besides the subscriptions: `clusters` by kubeconfig and context."""

    reach: Reach
    clusters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Every copy by the account's id, what could not be searched, and where nobody can look."""

    by_account: Mapping[str, tuple[Copy, ...]]
    unseen: tuple[Unseen, ...] = ()
    write_only: tuple[Unseen, ...] = ()


async def copies(
    arm: ResourceManager,
    accounts: Collection[Account],
    keys: Mapping[str, Keys | Unseen],
    holds: Holdings,
    wards: Mapping[str, Credential],
    hunting: Hunting | None,
) -> Copies:
    """All who hold a key of these accounts, or refer to a secret that does. `wards`: the credentials, by the account in lower case."""
    there = fleet(_live(keys, holds), [_owner(account, holds[account.id], wards.get(account.id.lower())) for account in accounts])
    found, hidden = [copy for some in holds.values() for one in some for copy in _in_a_vault(one, there)], list[Hidden]()
    unlisted: tuple[Unseen, ...] = ()
    if hunting is not None:
        names, unlisted = await _everywhere(arm, accounts)
        result = await hunt(there, Scope(subscriptions=names, clusters=hunting.clusters), hunting.reach, beside_vaults())
        found, hidden = [*found, *result.copies], list(result.hidden)
    by_account = defaultdict[str, list[Copy]](list)
    for copy in sorted(found, key=worst_first):
        by_account[copy.owner].append(copy)
    return Copies(
        by_account={account.id: tuple(by_account[account.id]) for account in accounts},
        unseen=(*unlisted, *(_unseen(one) for one in hidden if not one.write_only)),
        write_only=tuple(_unseen(one) for one in hidden if one.write_only),
    )


def _live(keys: Mapping[str, Keys | Unseen], holds: Holdings) -> dict[Fingerprint, Live]:
    """The keys as the accounts tell them; of an account that does not, as the tags of its secrets do."""
    live: dict[Fingerprint, Live] = {}
    for account, holdings in holds.items():
        told = keys.get(account)
        if told is None or isinstance(told, Unseen):
            live |= {one.fingerprint: Live(owner=account, slot=one.slot) for one in holdings if one.slot}
        else:
            live |= {name: Live(owner=account, slot=slot) for slot, name in told.items()}
    return live


def _owner(account: Account, holdings: tuple[Holding, ...], ward: Credential | None) -> Owner:
    """Of an account that nobody manages, the best secret is the one that the settings would name."""
    own = ward.secret if ward else next((one.secret for one in holdings if one.whole), None)
    others = tuple(one.secret for one in holdings if str(one.secret).lower() != str(own).lower())
    return Owner(name=account.id, secret=own, others=others, dependents=ward.dependents if ward else ())


def _in_a_vault(one: Holding, there: Fleet) -> Iterator[Copy]:
    place = str(one.secret)
    held = Held(what=f"secret {one.secret.name} of {one.secret.vault}", resource=place, settings={"kind": "key-vault", "secret": place})
    return copied(held, one.fingerprint, there, whole=one.whole)


async def _everywhere(arm: ResourceManager, accounts: Collection[Account]) -> tuple[tuple[str, ...], tuple[Unseen, ...]]:
    """Every subscription in use; where they cannot be listed, those that accounts are in."""
    try:
        return tuple(await patiently(lambda: subscriptions(arm))), ()
    except Fault as fault:
        return tuple(sorted({one.subscription for one in accounts})), (
            unseen("who copies keys in subscriptions without an account", fault),
        )


def _unseen(one: Hidden) -> Unseen:
    return Unseen(what=one.what, because=one.because, remedy=one.remedy)
