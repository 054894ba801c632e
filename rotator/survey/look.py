"""One survey: what there is, who holds which key, when it was last rotated, and what the settings name already."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rotator.azure import Azure
from rotator.azure.arm import ResourceManager
from rotator.core.credential import Credential
from rotator.core.faults import Fault
from rotator.core.snapshot import Unseen
from rotator.issuers.cognitive import CognitiveServices
from rotator.key_vault import KeyVault
from rotator.survey.accounts import inventory, unseen
from rotator.survey.estate import Account, Found, Holding, Inventory, Rotated, Survey, VaultPlace
from rotator.survey.history import KEPT_FOR, regenerated
from rotator.survey.holders import Keys, Told, holdings, keys_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known before Azure is asked: the credentials of the settings, more vaults by URL, and the ledger's mints by account."""

    credentials: Collection[Credential] = ()
    vaults: tuple[str, ...] = ()
    minted: Mapping[str, datetime] = field(default_factory=dict)


async def survey(
    azure: Azure, known: Known, now: datetime, told: Told, *, ask_keys: bool = True, counted: Inventory | None = None
) -> Survey:
    """Look at everything. Without `ask_keys` no key is listed and no value read. `counted`: an inventory that was taken a moment ago.

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
    names = {one.account.lower(): one.name for one in known.credentials}
    found = tuple(
        _found(account, keys.get(account.id, {}), by_account[account.id], logs, known.minted, names, now) for account in there.accounts
    )
    closed = [one.keys for one in found if isinstance(one.keys, Unseen)]
    return Survey(found=found, vaults=vaults, how=there.how, at=now, unseen=(*there.unseen, *dark, *closed, *hidden), keys_asked=ask_keys)


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
        return await regenerated(arm, subscription, now)
    except Fault as fault:
        return unseen(f"the activity log of subscription {subscription}", fault)


def _found(
    account: Account,
    keys: Keys | Unseen,
    holds: list[Holding],
    logs: Mapping[str, Mapping[str, datetime]],
    minted: Mapping[str, datetime],
    names: Mapping[str, str],
    now: datetime,
) -> Found:
    log = logs.get(account.subscription)
    return Found(
        account=account,
        keys=keys,
        holdings=tuple(sorted(holds, key=lambda one: (not one.ours, not one.whole, str(one.secret)))),
        rotated=rotated(account, holds, log, minted.get(account.id.lower()), now),
        since=_since(account, holds, log, now),
        managed_as=names.get(account.id.lower()),
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
