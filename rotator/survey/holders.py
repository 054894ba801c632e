"""Who holds a key: every secret of every vault, matched by fingerprint. Values are read only where no tag of ours tells already.

A value is in memory for as long as its fingerprints are made. A disabled secret, or one that belongs to a certificate, is passed over.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from rotator.azure.patience import patiently
from rotator.core.credential import Secret, Slot, Version, account_tag
from rotator.core.faults import Fault, Missing
from rotator.core.keyshape import keys_in
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.snapshot import Unseen
from rotator.issuers.cognitive import CognitiveServices
from rotator.key_vault import KeyVault
from rotator.survey.accounts import unseen
from rotator.survey.estate import Account, Holding

AT_ONCE = 16
CERTIFICATES = frozenset({"application/x-pkcs12", "application/x-pem-file"})

Told = Callable[[str, int, int], None]
"""Progress: what is being asked for, how many are done, of how many."""
Keys = Mapping[Slot, Fingerprint]


@dataclass(frozen=True, slots=True)
class _Place:
    account: str
    slot: Slot


async def keys_of(issuer: CognitiveServices, accounts: Collection[Account], told: Told) -> dict[str, Keys | Unseen]:
    """The fingerprints of each account's two keys, by its id. Each costs one write of Resource Manager's budget."""
    gate, done = asyncio.Semaphore(AT_ONCE), 0

    async def one(account: Account) -> Keys | Unseen:
        nonlocal done
        try:
            async with gate:
                keys = await patiently(lambda: issuer.keys(account.id))
                return {slot: value.fingerprint for slot, value in keys.items()}
        except Fault as fault:
            return unseen(f"the keys of {account.name}", fault)
        finally:
            done += 1
            told("keys", done, len(accounts))

    wanted = [account for account in accounts if account.local_auth]
    asked = await asyncio.gather(*(one(account) for account in wanted))
    off: dict[str, Keys | Unseen] = {account.id: {} for account in accounts if not account.local_auth}
    return {**off, **{account.id: keys for account, keys in zip(wanted, asked, strict=True)}}


async def holdings(
    vault: KeyVault, urls: Iterable[str], accounts: Collection[Account], keys: Mapping[str, Keys | Unseen], told: Told
) -> tuple[list[Holding], list[Unseen]]:
    """Every secret that holds a key of these accounts; without any key known, those whose tags say so."""
    places = {name: _Place(id_, slot) for id_, some in keys.items() if not isinstance(some, Unseen) for slot, name in some.items()}
    tags = {account_tag(account.id).lower(): account.id for account in accounts}
    shelves, hidden = await _shelves(vault, list(urls))
    found: list[Holding] = []
    ask: list[tuple[Secret, Version]] = []
    for secret, version in shelves:
        tagged = _by_tags(secret, version, places, tags)
        if tagged is not None:
            found.append(tagged)
        elif version.enabled and places and version.content_type not in CERTIFICATES:
            ask.append((secret, version))
    read, closed = await _read(vault, ask, places, told)
    return [*found, *read], [*hidden, *closed]


async def _shelves(vault: KeyVault, urls: list[str]) -> tuple[list[tuple[Secret, Version]], list[Unseen]]:
    async def one(url: str) -> list[tuple[Secret, Version]] | Unseen:
        try:
            return await patiently(lambda: vault.shelf(url))
        except Fault as fault:
            return unseen(f"the secrets of {url}", fault)

    asked = await asyncio.gather(*(one(url) for url in urls))
    return [row for some in asked if not isinstance(some, Unseen) for row in some], [some for some in asked if isinstance(some, Unseen)]


async def _read(
    vault: KeyVault, ask: list[tuple[Secret, Version]], places: Mapping[Fingerprint, _Place], told: Told
) -> tuple[list[Holding], list[Unseen]]:
    gate, done = asyncio.Semaphore(AT_ONCE), 0

    async def one(secret: Secret, version: Version) -> list[Holding] | Unseen:
        nonlocal done
        try:
            async with gate:
                glimpse = await patiently(lambda: vault.glimpse(secret))
                return _inside(secret, version, glimpse.text, places)
        except Missing:
            return []
        except Fault as fault:
            return unseen(f"secret {secret}", fault)
        finally:
            done += 1
            told("secrets", done, len(ask))

    asked = await asyncio.gather(*(one(secret, version) for secret, version in ask))
    return [one for some in asked if not isinstance(some, Unseen) for one in some], [some for some in asked if isinstance(some, Unseen)]


def _inside(secret: Secret, version: Version, text: Sealed, places: Mapping[Fingerprint, _Place]) -> list[Holding]:
    """The keys that the text is, or carries: one for each account."""
    plain = text.reveal()
    whole = Sealed(plain.strip()).fingerprint
    names = [whole, *(value.fingerprint for value in keys_in(plain))]
    found: dict[str, Holding] = {}
    for name in names:
        place = places.get(name)
        if place and place.account not in found:
            found[place.account] = Holding(
                secret=secret,
                account=place.account,
                created=version.created,
                fingerprint=name,
                slot=place.slot,
                whole=name == whole,
                ours=bool(version.operation),
            )
    return list(found.values())


def _by_tags(secret: Secret, version: Version, places: Mapping[Fingerprint, _Place], tags: Mapping[str, str]) -> Holding | None:
    """What the version of ours says of itself; where its key is one that was replaced since, the account's name still tells whose it is."""
    place = places.get(version.fingerprint) if version.fingerprint else None
    account = place.account if place else tags.get((version.account or "").lower())
    if account is None or version.fingerprint is None:
        return None
    return Holding(
        secret=secret,
        account=account,
        created=version.created,
        fingerprint=version.fingerprint,
        slot=place.slot if place else version.slot,
        by_tag=True,
        ours=bool(version.operation),
    )
