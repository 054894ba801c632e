"""Who is in our care: the credentials of the settings, and those that their scopes make. What a scope made is written into the audit chain.

From there it is remembered: an account that vanishes while a case of it is open, or whose scope cannot be seen just now, stays in care.
"""

from collections.abc import Collection, Mapping

from rotator.azure import Azure
from rotator.azure.arm import ResourceManager
from rotator.core.credential import Credential
from rotator.core.incident import UNFINISHED, State
from rotator.core.snapshot import Unseen
from rotator.engine.ports import Watch
from rotator.ledger.store import Ledger
from rotator.settings import Settings
from rotator.survey.estate import Account
from rotator.survey.memory import CAME, SUBJECT, WENT, Remembered, covers, rebuilt, remembered
from rotator.survey.scopes import assigned, listed


async def roster(settings: Settings, azure: Azure, ledger: Ledger, watch: Watch) -> dict[str, Credential]:
    """Everyone in our care now, by name. What a scope cannot see is said, and hides nobody. Raises LedgerFault."""
    care = {one.name: one for one in settings.credential_list()}
    if not settings.discover:
        return care
    lists = await listed(ResourceManager(azure), settings.discover)
    for scope in (one for one in lists if isinstance(one, Unseen)):
        watch("scope_unseen", what=scope.what, because=scope.because, remedy=scope.remedy)
    memory = await remembered(ledger)
    found = assigned(settings, lists, {one.name: one.account for one in memory.values() if not one.gone})
    for sentence in found.refused:
        watch("account_refused", because=sentence)
    here = dict(care)
    for one in await _undisputed(found.credentials.values(), memory, ledger, watch):
        await _came(one, memory.get(one.name), ledger, watch)
        here[one.name] = one
    places = {place.lower() for one in here.values() for place in (one.account, str(one.secret))}
    missing = [one for one in memory.values() if one.name not in here and not places & {one.account.lower(), one.secret.lower()}]
    return {**here, **await _kept(missing, settings, lists, ledger, watch)}


async def _undisputed(found: Collection[Credential], memory: Mapping[str, Remembered], ledger: Ledger, watch: Watch) -> list[Credential]:
    """All but an account that takes the name of another one, of which a case is open: the case is about that one's key."""
    successors = {one.name for one in found if one.name in memory and memory[one.name].account.lower() != one.account.lower()}
    cases = await _open_cases(ledger) if successors else {}
    for one in found:
        if one.name in successors and one.name in cases:
            watch("account_refused", because=f"{one.account}: {one.name} is another account's name while {cases[one.name]} is open")
    return [one for one in found if one.name not in successors or one.name not in cases]


async def _open_cases(ledger: Ledger) -> dict[str, str]:
    return {one.case.credential: one.case.id for one in await ledger.cases.listed(UNFINISHED | {State.HELD})}


async def _came(one: Credential, before: Remembered | None, ledger: Ledger, watch: Watch) -> None:
    now = Remembered(name=one.name, account=one.account, secret=str(one.secret), gone=False)
    if before == now:
        return
    await ledger.audit.record(CAME, SUBJECT, {"credential": one.name, "account": one.account, "secret": str(one.secret)})
    watch("discovered", credential=one.name, account=one.account)


async def _kept(
    missing: Collection[Remembered],
    settings: Settings,
    lists: Collection[Collection[Account] | Unseen],
    ledger: Ledger,
    watch: Watch,
) -> dict[str, Credential]:
    """Of those that no list shows, the ones that stay: their list could not be read, or a case of them is open."""
    if not missing:
        return {}
    cases = await _open_cases(ledger)
    kept: dict[str, Credential] = {}
    for one in missing:
        scopes = [(scope, seen) for scope, seen in zip(settings.discover, lists, strict=True) if covers(scope, one)]
        dark = any(isinstance(seen, Unseen) for _, seen in scopes) and not one.gone
        if dark or one.name in cases:
            kept[one.name] = rebuilt(one, scopes[0][0] if scopes else None, settings.defaults)
        if not dark and not one.gone:
            await ledger.audit.record(WENT, SUBJECT, {"credential": one.name, "account": one.account, "secret": one.secret})
        if not dark and (one.name in cases or not one.gone):
            watch("account_vanished", credential=one.name, account=one.account, kept_for=cases.get(one.name, ""))
    return kept
