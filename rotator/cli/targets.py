"""Which values a revocation is about: by name and slot, by the value itself, or by fingerprint. Looks, and changes nothing."""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from rotator.cli import report
from rotator.cli.look import Seen, hidden, see, see_well
from rotator.cli.pasted import Pasted
from rotator.cli.rotate import UNDER_WAY
from rotator.cli.session import Exit, fail
from rotator.core.aim import BOTH, about_the_active, aim, given_out, held_by, is_put_there_by
from rotator.core.credential import Credential, Reason, Slot
from rotator.core.facts import Needed
from rotator.core.incident import Incident, State
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.snapshot import KeyMemory, Unseen
from rotator.engine.intake import Live, NotKnown, NotOurs, Recognised, Replaced, recognise_all, survey, whose
from rotator.engine.observe import NOTHING, Told
from rotator.wiring import House

RESUMED_FOR = timedelta(days=1)
"""How long a case whose value nobody holds any more is gone on with by the credential's name. What has been minted in its place is meant
only after that, or by its own fingerprint."""
_FINGERPRINT = re.compile(r"[a-z2-7]{8,26}")
WHOLE = 26
_UNCLEAR: Mapping[Exit, str] = {Exit.FAILED: "failed", Exit.REFUSED: "refused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One value of one credential that is to die. `resumes` is the case that an earlier run left unfinished; `told` and `note` say how it
    was found, where somebody else than the operator found it."""

    seen: Seen
    fingerprint: Fingerprint
    slot: Slot | None
    resumes: Incident | None = None
    value: Sealed | None = None
    told: str = ""
    note: str = ""


class Unclear(Exception):
    """Which key of a credential is meant cannot be told. Nothing was changed; the text says what to do, `code` how a command ends."""

    def __init__(self, credential: str, code: Exit, sentence: str) -> None:
        super().__init__(sentence)
        self.credential, self.code = credential, code


# --- by name ----------------------------------------------------------------------------------------------------------------


async def named(
    house: House, credentials: Sequence[Credential], slot: str | None, within: timedelta
) -> tuple[list[Target], list[dict[str, Any]]]:
    """The values that the NAMED credentials are to lose; and a row for each that has cases to go on with, but of whose other keys it cannot
    be told. Where nothing of one can be told, nothing is done to any."""
    targets, unclear = await named_each(house, credentials, slot, within)
    known = {target.seen.credential.name for target in targets}
    for one in unclear:
        if one.credential not in known:
            fail(one.code, str(one))
    return targets, [report.nothing_done(one.credential, _UNCLEAR[one.code], str(one)) for one in unclear]


async def named_each(
    house: House, credentials: Sequence[Credential], slot: str | None, within: timedelta
) -> tuple[list[Target], list[Unclear]]:
    """The same, and beside it of which credentials it cannot be told."""
    began, targets, unclear = house.world.clock.now(), list[Target](), list[Unclear]()
    for seen in await see_well(house, credentials, within, secret=slot is None, stale=True):
        resumed = [case for case in seen.incidents if _is_resumed(case, seen, began)]
        try:
            for target in _in_slots(seen, slot, resumed) if slot else _active(seen, resumed):
                targets.append(target)
        except Unclear as why:
            unclear.append(why)
    return targets, unclear


def _resuming(seen: Seen, cases: Iterable[Incident]) -> list[Target]:
    return [Target(seen=seen, fingerprint=case.fingerprint, slot=case.slot, resumes=case) for case in cases]


def _is_resumed(case: Incident, seen: Seen, began: datetime) -> bool:
    """Unfinished; or finished by another process while this one looked; or done for good, because the account accepts no key."""
    if not case.is_acted_on:
        return False
    done = case.dead_at or case.revoked_at or case.reported_at
    lately = case.reported_at >= began or done >= began
    lost = case.state is State.UNPROVEN and seen.at - done < RESUMED_FOR
    return case.is_open or lately or lost or (case.contained_at is not None and seen.facts.local_auth_is_off)


def _left_behind(seen: Seen) -> list[Target]:
    """What an earlier run left unfinished whose ledger is lost: the vault tells which value was replaced for a compromise."""
    try:
        facts = seen.facts
        version, current = facts.secret.current_version, facts.current
        if current is None or current.fingerprint is None or not facts.secret_is_ours:
            return []
        if facts.active is None:
            return [Target(seen=seen, fingerprint=current.fingerprint, slot=None)]
        if version is None or version.reason != Reason.KEY_COMPROMISE or seen.decision.phase not in UNDER_WAY:
            return []
        old = [one for one in facts.versions_of_ours() if one.enabled and not one.retired and one.fingerprint != current.fingerprint]
        values = dict.fromkeys(one.fingerprint for one in old if one.fingerprint)
        return [Target(seen=seen, fingerprint=value, slot=facts.slot_of(value)) for value in values]
    except Needed:
        return []


def _in_slots(seen: Seen, slot: str, resumed: Sequence[Incident]) -> Iterator[Target]:
    """What `--slot` is about: the cases to go on with first, then the live values that none of them covers."""
    aimed = aim(seen.facts, slot, resumed, seen.look.unsettled)
    yield from _resuming(seen, aimed.cases)
    if seen.facts.local_auth_is_off:
        yield from _remembered(seen, list(Slot) if slot == BOTH else [Slot(slot)], slot, resumed)
        return
    slots = seen.look.snapshot.slots
    if isinstance(slots, Unseen) and not _are_about(aimed.cases, slot):
        _cannot_tell(seen, slots)
    yield from (Target(seen=seen, fingerprint=value, slot=each) for value, each in aimed.values)


def _are_about(cases: Sequence[Incident], slot: str) -> bool:
    """Whether the cases speak of every slot that was asked for."""
    return {case.slot for case in cases} >= (set(Slot) if slot == BOTH else {Slot(slot)})


def _active(seen: Seen, resumed: Sequence[Incident]) -> Iterator[Target]:
    """What NAME alone is about: the case about what the vault gives out, or gave out before the case replaced it; else that value."""
    mine = about_the_active(seen.facts, resumed)
    yield from _resuming(seen, mine)
    if not mine:
        yield from _anew(seen)
    elif given_out(seen.facts) is None and (unseen := hidden(seen, stale=True)) is not None:
        _cannot_tell(seen, unseen)  # the cases are gone on with; whether a live key is given out beside them is not known


def _anew(seen: Seen) -> Iterator[Target]:
    if seen.facts.local_auth_is_off:
        current = seen.current
        known = seen.look.snapshot.memory.keys.get(current.fingerprint) if current and current.fingerprint else None
        yield from _remembered(seen, [known.slot] if known and known.slot else [], None, [])
        return
    slots = seen.look.snapshot.slots
    if isinstance(slots, Unseen):
        _cannot_tell(seen, slots)
    left = _left_behind(seen)
    if left:
        yield from left
        return
    current, unseen = seen.current, hidden(seen, stale=True)
    value = current.fingerprint if current and current.enabled and not unseen else None
    slot = next((each for each in Slot if value and value in held_by(seen.facts, each)), None)
    if value and slot:
        yield Target(seen=seen, fingerprint=value, slot=slot)
        return
    if unseen is not None:
        _cannot_tell(seen, unseen)
    raise Unclear(
        seen.credential.name,
        Exit.REFUSED,
        f"{seen.credential.name}: which key is active cannot be told, because the vault's current value is not one of them. "
        f"Nothing was changed. Say which: rotator revoke {seen.credential.name} --slot key1|key2|both",
    )


def _cannot_tell(seen: Seen, unseen: Unseen) -> NoReturn:
    name, remedy = seen.credential.name, f"; {unseen.remedy}" if unseen.remedy else ""
    slots_are_seen = not isinstance(seen.look.snapshot.slots, Unseen)
    other_way = f" Or say which key: rotator revoke {name} --slot key1|key2|both" if slots_are_seen else ""
    what = "which key is active cannot be told, because " if slots_are_seen else ""
    sentence = f"{name}: {what}{unseen.what} cannot be seen: {unseen.because}{remedy}. Nothing was changed.{other_way}"
    raise Unclear(name, Exit.FAILED, sentence)


def _remembered(seen: Seen, wanted: Sequence[Slot], slot: str | None, resumed: Sequence[Incident]) -> Iterator[Target]:
    """Local auth is off, so no key can be listed: what the ledger last knew of the slots, but for what a case is about or put there."""
    keys, name, facts = seen.look.snapshot.memory.keys, seen.credential.name, seen.facts
    covered, unknown = {case.fingerprint for case in resumed}, list[Slot]()
    for each in wanted:
        mine = [case for case in resumed if slot == BOTH or case.slot == slot]
        key = _last_in(each, keys)
        if key is None and not any(case.slot is each for case in mine):
            unknown.append(each)
        elif key and key.fingerprint not in covered and not any(is_put_there_by(case, key.fingerprint, each, facts) for case in mine):
            yield Target(seen=seen, fingerprint=key.fingerprint, slot=each)
    if unknown or not wanted:
        which = " and ".join(unknown) if wanted else "the active key"
        raise Unclear(
            name,
            Exit.FAILED,
            f"{name}: local auth is off, so the keys cannot be listed, and the ledger does not know what {which} holds. "
            f"The account accepts no key. Nothing was changed.",
        )


def _last_in(slot: Slot, keys: Mapping[Fingerprint, KeyMemory]) -> KeyMemory | None:
    """The value that was last seen in a slot, unless two may be it."""
    there = [key for key in keys.values() if key.slot is slot and not key.replaced_at and not key.dead_at]
    dated = [(at, key) for key in there if (at := key.minted_at or key.published_at)]
    if dated:
        return max(dated, key=lambda pair: pair[0])[1]
    return there[0] if len(there) == 1 else None


# --- by value ---------------------------------------------------------------------------------------------------------------


async def recognised(house: House, leaked: Sequence[Pasted]) -> tuple[list[Target], list[dict[str, Any]]]:
    """The pasted values' credentials, looked for over the whole fleet; and a row for each line with none that is ours."""
    held = {value.fingerprint: value for line in leaked for value in line.values}
    found = await whose_are(house, list(held))
    targets: dict[Fingerprint, Target] = {}
    unmatched: list[dict[str, Any]] = []
    for line in leaked:
        names = [value.fingerprint for value in line.values]
        ours = [name for name in names if isinstance(found[name], Live | Replaced)]
        for name in ours:
            targets[name] = targets.get(name) or await target_of(house, found[name], name, held[name])
        if not ours:
            unmatched.append(unmatched_row(line.name, found[line.name]))
    return list(targets.values()), unmatched


async def whose_are(house: House, values: Sequence[Fingerprint]) -> dict[Fingerprint, Recognised]:
    """Whose they are: first where the index knows them, then over the whole fleet, each account asked once for all of them."""
    known = await house.ledger.journal.known_among(values)
    return await recognise_all(known, house.credentials.values(), house.world, at_once=house.settings.limits.concurrency)


async def of_fingerprints(house: House, values: Sequence[Fingerprint]) -> tuple[list[Target], dict[Fingerprint, Recognised]]:
    """The values that these fingerprints name, where they are ours; and what was found of each."""
    found = await whose_are(house, values)
    return await targets_of(house, {name: answer for name, answer in found.items() if live_or_replaced(answer)}, {}), found


def live_or_replaced(answer: Recognised) -> bool:
    """Whether a value is one of ours."""
    return isinstance(answer, Live | Replaced)


async def targets_of(house: House, found: Mapping[Fingerprint, Recognised], held: Mapping[Fingerprint, Sealed]) -> list[Target]:
    """What is to be done about each value of ours, so many looked at at once; `held` are those whose value was handed in."""
    gate = asyncio.Semaphore(house.settings.limits.concurrency)

    async def one(name: Fingerprint) -> Target:
        async with gate:
            return await target_of(house, found[name], name, held.get(name))

    return list(await asyncio.gather(*(one(name) for name in found)))


async def by_fingerprint(house: House, told: str) -> tuple[list[Target], list[dict[str, Any]]]:
    """The value that a fingerprint, or the beginning of one, names; looked for in the index and over the whole fleet."""
    start = told.strip().lower().rstrip("…")
    if not _FINGERPRINT.fullmatch(start):
        fail(Exit.USAGE, "A fingerprint is 26 letters a-z and digits 2-7; its first 8, as `rotator status` shows them, are enough.")
    if len(start) == WHOLE:
        targets, found = await of_fingerprints(house, [Fingerprint(start)])
        return targets, [unmatched_row(name, answer) for name, answer in found.items() if isinstance(answer, NotOurs | NotKnown)]
    names, found = await _beginning_with(house, start)
    targets = [await target_of(house, found[name], name, None) for name in names if isinstance(found[name], Live | Replaced)]
    return targets, [unmatched_row(name, answer) for name, answer in found.items() if isinstance(answer, NotOurs | NotKnown)]


async def _beginning_with(house: House, start: str) -> tuple[list[Fingerprint], dict[Fingerprint, Recognised]]:
    credentials = list(house.credentials.values())
    indexed = await house.ledger.journal.known_as(beginning=start)
    asked = await survey(credentials, house.world, at_once=house.settings.limits.concurrency)
    live = {value for one in asked for value in {*one.slots, *one.secret} if value.startswith(start)}
    names = sorted(live | {value for credential, value in indexed if credential in house.credentials})
    if len(names) > 1:
        fail(Exit.USAGE, f"{start} is the beginning of {len(names)} fingerprints; say more of it:", *(f"  {name}" for name in names))
    names = names or [Fingerprint(start)]
    known = {name: [credential for credential, value in indexed if value == name] for name in names}
    return names, {name: whose(name, asked, known_at=known[name], of=len(credentials)) for name in names}


async def target_of(house: House, found: Recognised, name: Fingerprint, value: Sealed | None) -> Target:
    """What is to be done about a value that was recognised."""
    assert isinstance(found, Live | Replaced)
    slot, told = (found.slot, found.told) if isinstance(found, Live) else (None, NOTHING)
    seen = await _see_one(house, found.credential, told)
    known = seen.look.snapshot.memory.keys.get(name)
    if slot is None and known and not known.replaced_at and not known.dead_at and seen.facts.local_auth_is_off:
        slot = known.slot  # no list can tell whether it is there still; the ledger saw it there last
    case = next((case for case in seen.incidents if case.fingerprint == name and case.is_acted_on), None)
    return Target(seen=seen, fingerprint=name, slot=slot, value=value, resumes=case if case and case.is_open else None)


async def _see_one(house: House, credential: Credential, told: Told) -> Seen:
    return (await see(house, [credential], told))[0]


def unmatched_row(name: Fingerprint, answer: Recognised) -> dict[str, Any]:
    """The row of a value that is none of ours, or of which nobody can tell."""
    if isinstance(answer, NotKnown):
        because = "; ".join([f"not found, but {len(answer.unseen)} of {answer.asked} accounts could not be asked", *answer.unseen])
        return report.unmatched(name, "not_known", because)
    assert isinstance(answer, NotOurs)
    because = f"not ours: none of the {answer.asked} accounts in the settings has this key, nor any secret's history"
    return report.unmatched(name, "not_ours", because)
