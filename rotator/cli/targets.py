"""Which values a revocation is about: by name and slot, by the value itself, or by fingerprint. Looks, and changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rotator.cli import report
from rotator.cli.look import Seen, see
from rotator.cli.rotate import UNDER_WAY
from rotator.cli.session import Exit, fail
from rotator.core.credential import Credential, Reason, Slot
from rotator.core.facts import Needed
from rotator.core.incident import Incident
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.snapshot import Unseen
from rotator.engine.intake import Live, NotKnown, NotOurs, Replaced, recognise
from rotator.engine.observe import NOTHING, Told
from rotator.wiring import House


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


async def named(house: House, credentials: Sequence[Credential], slot: str | None) -> list[Target]:
    """The values that the NAMED credentials are to lose: of the cases an earlier run left, else of the slots."""
    targets: list[Target] = []
    for seen in await see(house, credentials):
        unfinished = [case for case in seen.incidents if case.is_open and _is_about(case, slot)]
        if unfinished:
            targets += [Target(seen=seen, fingerprint=case.fingerprint, slot=case.slot, resumes=case) for case in unfinished]
        else:
            targets += _in_slots(seen, slot)
    return targets


def _is_about(case: Incident, slot: str | None) -> bool:
    """The same command again goes on with the case it left: it would else kill the key that has just replaced the leaked one."""
    return slot in (None, "both") or case.slot == slot


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


def _in_slots(seen: Seen, slot: str | None) -> list[Target]:
    slots = seen.look.snapshot.slots
    if isinstance(slots, Unseen):
        fail(Exit.FAILED, f"{seen.credential.name}: {slots.because}; {slots.remedy or 'nothing was changed'}")
    left = [] if slot else _left_behind(seen)
    if left:
        return left
    wanted = list(Slot) if slot == "both" else [Slot(slot)] if slot else [seen.active] if seen.active else []
    if not wanted:
        raise Unclear(
            seen.credential.name,
            Exit.REFUSED,
            f"{seen.credential.name}: which key is active cannot be told, because the vault's current value is not one of them. "
            f"Nothing was changed. Say which: rotator revoke {seen.credential.name} --slot key1|key2|both",
        )
    return [Target(seen=seen, fingerprint=slots[each], slot=each) for each in wanted]


async def recognised(house: House, leaked: Sequence[Sealed], fingerprint: str | None) -> tuple[list[Target], list[dict[str, Any]]]:
    """The values' credentials, looked for over the whole fleet; and a row for each that is not ours or could not be looked for."""
    targets: list[Target] = []
    unmatched: list[dict[str, Any]] = []
    held = {value.fingerprint: value for value in leaked}
    for name in held or [Fingerprint((fingerprint or "").strip().lower())]:
        known = await house.ledger.journal.known_as(fingerprint=name)
        found = await recognise(
            name,
            house.credentials.values(),
            house.world,
            known_at=[credential for credential, _ in known],
            at_once=house.settings.limits.concurrency,
        )
        match found:
            case Live(credential=credential, slot=slot, told=told):
                targets.append(await target_of(house, credential, name, slot, held.get(name), told))
            case Replaced(credential=credential):
                targets.append(await target_of(house, credential, name, None, held.get(name), NOTHING))
            case NotOurs() | NotKnown():
                unmatched.append(_unmatched(name, found))
    return targets, unmatched


async def target_of(house: House, credential: Credential, name: Fingerprint, slot: Slot | None, value: Sealed | None, told: Told) -> Target:
    seen = (await see(house, [credential], told))[0]
    case = next((case for case in seen.incidents if case.fingerprint == name and case.is_acted_on), None)
    return Target(seen=seen, fingerprint=name, slot=slot, value=value, resumes=case if case and case.is_open else None)


def _unmatched(name: Fingerprint, answer: NotOurs | NotKnown) -> dict[str, Any]:
    if isinstance(answer, NotOurs):
        because = f"not ours: none of the {answer.asked} accounts in the settings has this key, nor any secret's history"
        return report.unmatched(name, "not_ours", because)
    because = "; ".join([f"not found, but {len(answer.unseen)} of {answer.asked} accounts could not be asked", *answer.unseen])
    return report.unmatched(name, "not_known", because)
