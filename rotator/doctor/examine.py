"""The whole examination: every subject at once, each within a bound, so many credentials at a time as the settings allow."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rotator.azure.arm import ResourceManager
from rotator.core.credential import Credential, Slot
from rotator.core.faults import Fault
from rotator.core.sealed import Sealed
from rotator.core.snapshot import SecretView, Snapshot, Unseen
from rotator.doctor import accounts, alerts, clock, dependents, identity, ledger, notify, policies, scopes, vaults
from rotator.doctor.denials import Ourselves, ourselves
from rotator.doctor.findings import About, Finding, Severity, Subject, ordered, worst
from rotator.doctor.round import Round, Stopwatch
from rotator.doctor.supposed import Reading
from rotator.engine.observe import Look, observe
from rotator.survey.accounts import inventory
from rotator.survey.estate import VaultPlace
from rotator.wiring import House

EACH_WITHIN_S = 120
LISTING_WITHIN_S = 60

Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was found, the worst of each subject first; and a reading of each credential."""

    findings: list[Finding] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)


async def examine(house: House, credentials: Sequence[Credential], directory: Path, told: Told) -> Examined:
    """Everything that the settings ask for, as far as these credentials need it."""
    about_us, claims = await identity.check(house.azure, house.settings)
    others, (of_each, readings) = await asyncio.gather(
        _others(house, directory),
        _strangers(credentials) if worst(about_us) is Severity.ERROR else _each(house, credentials, ourselves(claims), told),
    )
    return Examined(findings=ordered([*about_us, *others, *of_each]), readings=readings)


async def _others(house: House, directory: Path) -> list[Finding]:
    asked = await asyncio.gather(
        _within(Subject.CLOCK, clock.check(house.azure)),
        _within(Subject.LEDGER, ledger.check(house.ledger, house.settings.ledger_address(directory))),
        _within(Subject.ALERTS, alerts.check(house, directory)),
        _within(Subject.NOTIFIER, notify.check(house)),
    )
    return [finding for some in asked for finding in some]


async def _strangers(credentials: Sequence[Credential]) -> tuple[list[Finding], list[Reading]]:
    """Without an identity nothing of a credential can be seen: saying so of each would hide the one thing to mend."""
    because = ("our identity is not accepted",)
    of = {one.name: one for one in credentials}
    hidden, now = Unseen(what="everything", because=because[0]), datetime.now(UTC)
    nothing = Snapshot(at=now, account=hidden, slots=hidden, secret=hidden)
    return [], [Reading(credential=one, snapshot=nothing, now=now, forbids=because) for one in of.values()]


async def _each(house: House, credentials: Sequence[Credential], us: Ourselves, told: Told) -> tuple[list[Finding], list[Reading]]:
    arm = ResourceManager(house.azure)
    round_ = Round(house=house, arm=arm, us=us, vaults=await _vaults(arm))
    gate, done = asyncio.Semaphore(house.settings.limits.concurrency), 0

    async def one(credential: Credential) -> tuple[list[Finding], Reading]:
        nonlocal done
        async with gate:
            try:
                return await _credential(credential, round_)
            finally:
                done += 1
                told("credentials", done, len(credentials))

    of_scopes = await _within(Subject.ACCOUNT, scopes.check(round_))
    each = await asyncio.gather(*(one(credential) for credential in credentials))
    return [*of_scopes, *(finding for some, _ in each for finding in some)], [reading for _, reading in each]


async def _within(subject: Subject, check: Awaitable[list[Finding]]) -> list[Finding]:
    """A check that hangs or meets what it did not expect says so, and holds up no other."""
    try:
        return await asyncio.wait_for(check, EACH_WITHIN_S)
    except TimeoutError:
        return [About(subject, str(subject)).warn(f"no answer within {EACH_WITHIN_S} s")]
    except Fault as fault:
        return [About(subject, str(subject)).bad(fault.what, fault.remedy)]


async def _vaults(arm: ResourceManager) -> dict[str, VaultPlace]:
    """The vaults that we can see, by their URLs. Where none can be, each secret's check says what that means for it."""
    try:
        found = await asyncio.wait_for(inventory(arm), LISTING_WITHIN_S)
    except (Fault, TimeoutError):
        return {}
    return {one.url.lower(): one for one in found.vaults}


async def _credential(credential: Credential, round_: Round) -> tuple[list[Finding], Reading]:
    took: dict[str, timedelta] = {}
    world = round_.house.world
    timed = replace(world, issuer=Stopwatch(world.issuer, took), vault=Stopwatch(world.vault, took))
    look = await observe(credential, timed)
    snapshot, incidents = look.snapshot, await world.cases.of(credential.name)
    of_account = await accounts.check(credential, snapshot, incidents, round_)
    of_vault, hinders = await vaults.check(credential, snapshot, round_)
    of_dependents = await dependents.check(credential, snapshot, round_)
    vault = round_.vaults.get(credential.secret.vault.lower())
    ruled = policies.check(credential, vault.id if vault else "", await round_.policies(credential.account.split("/")[2]))
    probed = await accounts.probe(credential, snapshot.account, _live(look), Stopwatch(world.data_plane, took))
    reading = Reading(
        credential=credential,
        snapshot=snapshot,
        incidents=incidents,
        now=world.clock.now(),
        forbids=of_account.forbids,
        hinders=tuple(hinders),
        lacks=of_account.lacks,
        took=took,
        barred=probed.barred,
        refuses=bool(probed.barred) and not probed.keeps_out,
        provable=not probed.found,
    )
    return [*_joined(of_account.found, probed.found), *of_vault, *of_dependents, *ruled], reading


def _joined(found: list[Finding], probed: list[Finding]) -> list[Finding]:
    """All is well with an account only where its endpoints agree."""
    return [one for one in found if one.severity != "ok"] + probed if probed else found


def _live(look: Look) -> Sealed | None:
    """The key in use, or whichever there is."""
    snapshot: Snapshot = look.snapshot
    if isinstance(snapshot.slots, Unseen):
        return None
    current = snapshot.secret.current if isinstance(snapshot.secret, SecretView) else None
    wanted = current.fingerprint if current and current.fingerprint in snapshot.slots.values() else snapshot.slots.get(Slot.KEY1)
    return look.values.get(wanted) if wanted else None
