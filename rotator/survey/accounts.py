"""Accounts and vaults, listed: over all subscriptions by Resource Graph where it may be asked, else subscription by subscription.

Resource Graph follows Resource Manager within a minute or so; a list is as things are. What one subscription refuses hides no other.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rotator.azure import faults
from rotator.azure.arm import PAGES_MAX, ResourceManager
from rotator.azure.paging import Pages
from rotator.azure.patience import patiently
from rotator.core.faults import Fault
from rotator.core.snapshot import Unseen
from rotator.survey.estate import Account, Exposure, Inventory, VaultPlace

ACCOUNTS = "Microsoft.CognitiveServices/accounts"
VAULTS = "Microsoft.KeyVault/vaults"
ACCOUNTS_API, VAULTS_API, GRAPH_API, SUBSCRIPTIONS_API = "2025-09-01", "2023-07-01", "2022-10-01", "2022-12-01"
GRAPH_PAGE = 1_000
LISTS_AT_ONCE = 8
QUERY = (
    f"resources | where type in~ ('{ACCOUNTS.lower()}', '{VAULTS.lower()}')"
    " | project id, name, type, kind, location, resourceGroup, subscriptionId, tags, properties | order by id asc"
)


async def inventory(arm: ResourceManager) -> Inventory:
    """Everything that our identity may read. Raises Fault where not even the subscriptions can be listed."""
    try:
        rows = await patiently(lambda: graph(arm, QUERY))
    except Fault as fault:
        return await _by_lists(arm, fault)
    return Inventory(accounts=accounts_of(rows), vaults=vaults_of(rows), how="Resource Graph", unseen=odd_of(rows))


async def graph(arm: ResourceManager, query: str) -> list[dict[str, Any]]:
    """The rows of a query over all subscriptions, all pages. Raises Fault: it may not be asked, or there is none in this cloud, or it
    repeats itself.
    """
    found: list[dict[str, Any]] = []
    options: dict[str, Any] = {"resultFormat": "objectArray", "$top": GRAPH_PAGE}
    pages = Pages(PAGES_MAX, "Resource Graph: the list")
    while True:
        with faults("Resource Graph", needs="Reader"):
            page = await arm.call("POST", "/providers/Microsoft.ResourceGraph/resources", GRAPH_API, {"query": query, "options": options})
            found += [row for row in page["data"] if isinstance(row, dict)]
            token = page.get("$skipToken")
        if not token:
            return found
        pages.turn(str(token))
        options = {**options, "$skipToken": token}


async def subscriptions(arm: ResourceManager) -> list[str]:
    """Those that can be seen and are in use. Raises Fault."""
    with faults("the list of subscriptions", needs="Microsoft.Resources/subscriptions/read"):
        rows = await arm.rows("/subscriptions", SUBSCRIPTIONS_API)
        return [str(row["subscriptionId"]) for row in rows if row.get("state", "Enabled") in ("Enabled", "Warned", "PastDue")]


async def accounts_in(arm: ResourceManager, subscription: str, group: str = "") -> tuple[Account, ...]:
    """The accounts of a subscription, or of one group in it. Raises Fault."""
    return accounts_of(await _rows_in(arm, subscription, group))


async def _rows_in(arm: ResourceManager, subscription: str, group: str = "") -> list[dict[str, Any]]:
    scope = f"/subscriptions/{subscription}" + (f"/resourceGroups/{group}" if group else "")
    with faults(f"the accounts of {scope}", needs=f"{ACCOUNTS}/read"):
        return await arm.rows(f"{scope}/providers/{ACCOUNTS}", ACCOUNTS_API)


async def vaults_in(arm: ResourceManager, subscription: str) -> tuple[VaultPlace, ...]:
    """The vaults of a subscription. Raises Fault."""
    with faults(f"the vaults of subscription {subscription}", needs=f"{VAULTS}/read"):
        return vaults_of(await arm.rows(f"/subscriptions/{subscription}/providers/{VAULTS}", VAULTS_API))


async def _by_lists(arm: ResourceManager, because: Fault) -> Inventory:
    names = await patiently(lambda: subscriptions(arm))
    gate = asyncio.Semaphore(LISTS_AT_ONCE)

    async def accounts(name: str) -> list[dict[str, Any]] | Unseen:
        try:
            async with gate:
                return await patiently(lambda: _rows_in(arm, name))
        except Fault as fault:
            return unseen(f"accounts of subscription {name}", fault)

    async def vaults(name: str) -> tuple[VaultPlace, ...] | Unseen:
        try:
            async with gate:
                return await patiently(lambda: vaults_in(arm, name))
        except Fault as fault:
            return unseen(f"vaults of subscription {name}", fault)

    listed = await asyncio.gather(*(accounts(name) for name in names))
    shelves = await asyncio.gather(*(vaults(name) for name in names))
    rows = [row for some in listed if not isinstance(some, Unseen) for row in some]
    return Inventory(
        accounts=tuple(sorted(accounts_of(rows), key=lambda one: one.id.lower())),
        vaults=tuple(one for some in shelves if not isinstance(some, Unseen) for one in some),
        how=f"the lists of {len(names)} subscription(s), because {because.what}",
        unseen=(*(some for some in (*listed, *shelves) if isinstance(some, Unseen)), *odd_of(rows)),
    )


def unseen(what: str, fault: Fault) -> Unseen:
    return Unseen(what=what, because=fault.what, remedy=fault.remedy)


# --- rows to nouns ----------------------------------------------------------------------------------------------------------


_ID = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/[^/]+/[^/]+/?", re.IGNORECASE)
ID_SHOWN_MAX = 200


def accounts_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Account, ...]:
    """Those whose ids say where they are; `odd_of` says which do not."""
    return tuple(_account(row) for row in rows if _type(row) == ACCOUNTS.lower() and _is_placed(row))


def vaults_of(rows: Iterable[Mapping[str, Any]]) -> tuple[VaultPlace, ...]:
    return tuple(_vault(row) for row in rows if _type(row) == VAULTS.lower() and _is_placed(row) and _inner(row).get("vaultUri"))


def odd_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Unseen, ...]:
    """Accounts and vaults of which not even the place can be told: named, so that none is passed over."""
    there = [row for row in rows if _type(row) in (ACCOUNTS.lower(), VAULTS.lower()) and not _is_placed(row)]
    because = "its id is not of the documented form"
    return tuple(Unseen(what=f"{_type(row)} {str(row.get('id'))[:ID_SHOWN_MAX]!r}", because=because) for row in there)


def _is_placed(row: Mapping[str, Any]) -> bool:
    return _ID.fullmatch(str(row.get("id"))) is not None


def _account(row: Mapping[str, Any]) -> Account:
    parts, inner = str(row["id"]).split("/"), _inner(row)
    tags = row.get("tags")
    return Account(
        id=str(row["id"]),
        name=parts[8],
        kind=str(row.get("kind") or "unknown"),
        location=str(row.get("location") or ""),
        subscription=parts[2].lower(),
        group=parts[4],
        local_auth=inner.get("disableLocalAuth") is not True,
        exposure=_exposure(inner),
        subdomain=bool(inner.get("customSubDomainName")),
        created=time_of(inner.get("dateCreated")),
        tags={str(name): str(value) for name, value in tags.items()} if isinstance(tags, Mapping) else {},
    )


def _vault(row: Mapping[str, Any]) -> VaultPlace:
    inner = _inner(row)
    return VaultPlace(
        url=str(inner["vaultUri"]).rstrip("/"),
        id=str(row["id"]),
        rbac=inner.get("enableRbacAuthorization") is True,
        recoverable=inner.get("enableSoftDelete") is not False,
    )


def _exposure(inner: Mapping[str, Any]) -> Exposure:
    """What is not said is open: so Azure means it."""
    rules = inner.get("networkAcls")
    if str(inner.get("publicNetworkAccess", "Enabled")).lower() == "disabled":
        return Exposure.CLOSED
    denies = isinstance(rules, Mapping) and str(rules.get("defaultAction", "Allow")).lower() == "deny"
    return Exposure.RESTRICTED if denies else Exposure.OPEN


def _type(row: Mapping[str, Any]) -> str:
    return str(row.get("type") or "/".join(str(row.get("id", "")).split("/")[6:8])).lower()


def _inner(row: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = row.get("properties")
    return inner if isinstance(inner, Mapping) else {}


def time_of(said: object) -> datetime | None:
    """An RFC 3339 time, aware; None for anything else."""
    try:
        at = datetime.fromisoformat(str(said).replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo else None
