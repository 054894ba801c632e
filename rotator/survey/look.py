"""One survey: what there is, who holds which key and who copies it, when it was last rotated, and what the settings name already."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rotator.azure import Azure
from rotator.azure.arm import ResourceManager
from rotator.azure.patience import patiently
from rotator.core.credential import Credential
from rotator.core.faults import Fault
from rotator.core.snapshot import Unseen
from rotator.hunt.finding import Copy
from rotator.issuers.cognitive import CognitiveServices
from rotator.key_vault import KeyVault
from rotator.survey.accounts import inventory, unseen
from rotator.survey.copies import Hunting, copies
from rotator.survey.estate import KEPT_FOR, Account, Found, Holding, Inventory, Rotated, Survey, VaultPlace
from rotator.survey.history import regenerated
from rotator.survey.holders import Keys, Told, holdings, keys_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known before Azure is asked: the credentials of the settings, more vaults by URL, and the ledger's mints by account."""

    credentials: Collection[Credential] = ()
    vaults: tuple[str, ...] = ()
    minted: Mapping[str, datetime] = field(default_factory=dict)


async def survey(
    azure: Azure,
    known: Known,
    now: datetime,
    told: Told,
    *,
    ask_keys: bool = True,
    counted: Inventory | None = None,
    hunting: Hunting | None = None,
) -> Survey:
    """Look at everything. Without `ask_keys` no key is listed and no value read. `counted`: an inventory that was taken a moment ago.
    `hunting`: who else holds a key, all over the subscriptions.

    Raises:
        Fault: not even the accounts can be listed.
    """
    arm, vault = ResourceManager(azure), KeyVault(azure)
    there = counted or await inventory(arm)
    vaults = _vaults(there.vaults, known)
    logs, dark = await _logs(arm, there.accounts, now)
    keys = await keys_of(CognitiveServices(azure), there.accounts, told) if ask_keys else {}
    held, hidden = await holdings(vault, [one.url for one in vaults], there.accounts, keys, told)
    by_account: defaultdict[str, list[Holding]] = defaultdict(list)
    for one in held:
        by_account[one.account].append(one)
    wards = {one.account.lower(): one for one in known.credentials}
    sorted_ = {account.id: tuple(sorted(by_account[account.id], key=_best_first)) for account in there.accounts}
    others = await copies(arm, there.accounts, keys, sorted_, wards, hunting)
    found = tuple(
        _found(account, keys.get(account.id, {}), sorted_[account.id], logs, known.minted, wards, others.by_account[account.id], now)
        for account in there.accounts
    )
    closed = [one.keys for one in found if isinstance(one.keys, Unseen)]
    return Survey(
        found=found,
        vaults=vaults,
        how=there.how,
        at=now,
        unseen=(*there.unseen, *dark, *closed, *hidden, *others.unseen),
        keys_asked=ask_keys,
        hunted=hunting is not None,
        write_only=others.write_only,
    )


def _best_first(one: Holding) -> tuple[bool, bool, str]:
    return not one.ours, not one.whole, str(one.secret)


def _vaults(listed: tuple[VaultPlace, ...], known: Known) -> tuple[VaultPlace, ...]:
    """Those that were found, those of the settings, those that were named: each once."""
    named = [*known.vaults, *(one.secret.vault for one in known.credentials)]
    places = {one.url.lower(): one for one in listed}
    return tuple({**{url.lower(): VaultPlace(url=url) for url in named}, **places}.values())


async def _logs(
    arm: ResourceManager, accounts: Collection[Account], now: datetime
) -> tuple[dict[str, Mapping[str, datetime]], list[Unseen]]:
    """The activity log of each subscription that could be read."""
    names = sorted({account.subscription for account in accounts})
    asked = await asyncio.gather(*(_log(arm, name, now) for name in names))
    read = {name: log for name, log in zip(names, asked, strict=True) if not isinstance(log, Unseen)}
    return read, [log for log in asked if isinstance(log, Unseen)]


async def _log(arm: ResourceManager, subscription: str, now: datetime) -> Mapping[str, datetime] | Unseen:
    try:
        return await patiently(lambda: regenerated(arm, subscription, now))
    except Fault as fault:
        return unseen(f"the activity log of subscription {subscription}", fault)


def _found(
    account: Account,
    keys: Keys | Unseen,
    holds: tuple[Holding, ...],
    logs: Mapping[str, Mapping[str, datetime]],
    minted: Mapping[str, datetime],
    wards: Mapping[str, Credential],
    others: tuple[Copy, ...],
    now: datetime,
) -> Found:
    log, ward = logs.get(account.subscription), wards.get(account.id.lower())
    return Found(
        account=account,
        keys=keys,
        holdings=holds,
        rotated=rotated(account, holds, log, minted.get(account.id.lower()), now),
        since=_since(account, holds, log, now),
        managed_as=ward.name if ward else None,
        copies=others,
    )


def rotated(
    account: Account, holds: Collection[Holding], log: Mapping[str, datetime] | None, minted: datetime | None, now: datetime
) -> Rotated | None:
    """The last rotation that is known, by whoever knows the latest. An account younger than the log has keys as old as itself."""
    told = [Rotated(at=one.created, says="vault tags") for one in holds if one.ours]
    told += [Rotated(at=minted, says="ledger")] if minted else []
    logged = log.get(account.id.lower()) if log is not None else None
    told += [Rotated(at=logged, says="activity log")] if logged else []
    newborn = account.created is not None and log is not None and account.created > now - KEPT_FOR
    told += [Rotated(at=account.created, says="its creation")] if newborn and account.created else []
    return max(told, key=lambda one: one.at, default=None)


def _since(account: Account, holds: Collection[Holding], log: Mapping[str, datetime] | None, now: datetime) -> datetime | None:
    """A time at which the key in use was there already: its version in a vault, or the log that knows of no rotation since."""
    times = [one.created for one in holds if not one.by_tag]
    if log is not None and account.id.lower() not in log:
        times.append(max(filter(None, (now - KEPT_FOR, account.created))))
    return min(times, default=None)
