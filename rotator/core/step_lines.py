"""The lines that the steps of a case have to say: the kill, the proof, what was made and moved, what failed, and what nobody answered."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from rotator.core.evidence import Effect, Evidence
from rotator.core.incident import Incident
from rotator.core.legible import legible
from rotator.core.line import Line, What, by, by_many
from rotator.core.snapshot import Adoption, KeyMemory
from rotator.core.step import Adopt, Mint, Propagate, Prove, ProveDead, Publish, Recover, Retire, Revoke, SwitchOffLocalAuth


def kills(case: Incident, evidence: Evidence, memory: KeyMemory | None) -> Iterator[Line]:
    """Each call that was to end the value, and what came of it."""
    for effect in evidence.effects:
        if not effect.kills(case.fingerprint):
            continue
        yield by(effect.intent, What.REVOKE_CALLED, f"{_name(effect)}: {legible(effect.intent.fields.get('because', ''))}")
        if effect.outcome and effect.took_effect:
            answer = "the service answered with a new key" if effect.answered else "the answer was lost, a look shows that it is done"
            at = effect.seen_at(memory.replaced_at if memory else None)
            yield by(effect.outcome, What.REVOKED, answer, at=at, at_latest=not effect.answered)


def probes(evidence: Evidence, memory: KeyMemory | None) -> Iterator[Line]:
    """The rounds with the dead value: the first refusal, how long it was still accepted somewhere, and the proof."""
    rounds = [effect for effect in evidence.effects if effect.step == ProveDead.name and effect.took_effect]
    if memory and memory.first_401_at:
        yield _first_401(rounds, memory)
    for result, some in groupby(rounds, key=lambda effect: effect.result):
        same = list(some)
        outcomes = [effect.outcome for effect in same if effect.outcome]
        seen = legible(outcomes[-1].fields.get("seen", ""))
        if same[0].is_proof:
            yield by(outcomes[0], What.DEAD, seen, at=same[0].seen_at(memory.dead_at if memory else None))
        elif result != "lost":
            yield by_many(outcomes, What.STILL_ACCEPTED if result == "still accepted" else What.INCONCLUSIVE, seen or result)


def _first_401(rounds: Sequence[Effect], memory: KeyMemory) -> Line:
    """The time is remembered; its evidence is the round that was written next."""
    assert memory.first_401_at
    outcomes = [one.outcome for one in rounds if one.outcome]
    event = next((one for one in outcomes if one.at >= memory.first_401_at), outcomes[-1] if outcomes else None)
    line = Line(what=What.FIRST_401, at=memory.first_401_at, told="the first refusal by the data plane", evidence=("the ledger's memory",))
    return replace(line, place=event.seq, rank=-1, written_at=event.at, evidence=(f"#{event.seq}",)) if event else line


def steps(case: Incident, evidence: Evidence) -> Iterator[Line]:
    """What every other step did, and which steps nobody knows the end of."""
    for effect in evidence.effects:
        if effect.outcome is None or not (effect.took_effect or effect.failed):
            told = f"{_name(effect)}: no outcome was written" if effect.outcome is None else f"{_name(effect)}: {effect.result}"
            yield by(effect.intent, What.UNANSWERED, told)
        elif effect.took_effect and not effect.kills(case.fingerprint):
            yield from _done(effect)


def _done(effect: Effect) -> Iterator[Line]:
    assert effect.outcome
    said, value = effect.outcome.fields, f"{effect.value[:8]}…"
    version = f"version {said['version'][:8]}…" if said.get("version") else "a version"
    match effect.step:
        case Mint.name | Revoke.name:
            what, told = What.MINTED, f"a new value in {effect.slot}: {said.get('new_fingerprint', 'as a look shows')[:26]}"
        case Prove.name if effect.result == "accepted":
            what, told = What.ACCEPTED, f"{value} by the data plane: {legible(said.get('seen', ''))}"
        case Publish.name:
            what, told = What.PUBLISHED, f"{value} of {effect.slot} as {version}"
        case Propagate.name:
            what, told = What.DELIVERED, f"{value} to {legible(said.get('dependent', 'a dependent'), 100)}"
        case Adopt.name:
            what, told = What.ADOPTED, f"{version} says now that it holds {value} of {effect.slot}"
        case Retire.name:
            what, told = What.RETIRED, f"{version} is disabled; its tags say: {legible(said.get('proof', ''))}"
        case SwitchOffLocalAuth.name:
            what, told = What.CONTAINED, legible(effect.result)
        case Recover.name:
            what, told = What.NOTED, "the secret was brought back from the vault's bin"
        case _:
            return
    yield by(effect.outcome, what, told, at_latest=not effect.answered)


def adoptions(evidence: Evidence) -> Iterator[Line]:
    """How each dependent took what was published, whenever that changed."""
    for event in evidence.adoptions:
        said = {name: legible(value, 200) for name, value in event.fields.items()}
        moved = said.get("adoption") in (Adoption.PROVEN, Adoption.CLAIMED)
        why = "; ".join(filter(None, (said.get("seen"), said.get("because"))))
        was = f", was {said['was']}" if said.get("was") else ""
        told = f"{said.get('dependent', 'a dependent')} is {said.get('adoption', '?')}{was}" + (f": {why}" if why else "")
        yield by(event, What.MOVED if moved else What.LAGS, told)


def failures(evidence: Evidence) -> Iterator[Line]:
    """Steps that failed, and rounds in which a new value was not accepted: the same in a row is one line."""
    not_accepted = {"not accepted yet", "inconclusive"}
    failed = [one for one in evidence.effects if one.failed or (one.step == Prove.name and one.result in not_accepted)]
    for told, some in groupby(failed, key=_failure):
        yield by_many([effect.outcome for effect in some if effect.outcome], What.FAILED, told)


def _failure(effect: Effect) -> str:
    said = effect.outcome.fields if effect.outcome else {}
    fault = legible(said.get("fault", "") or said.get("seen", ""))
    return f"{_name(effect)}: {effect.result}" + (f", {fault}" if fault else "")


def contained(case: Incident, evidence: Evidence) -> Iterator[Line]:
    """Where no step of ours says it, the case does: a look saw that local auth is off."""
    by_us = any(effect.step == SwitchOffLocalAuth.name and effect.took_effect for effect in evidence.effects)
    if case.contained_at and not by_us:
        yield Line(what=What.CONTAINED, at=case.contained_at, told="local auth is seen to be off", evidence=(case.id,), at_latest=True)


def _name(effect: Effect) -> str:
    return " ".join(part for part in (effect.step, effect.slot) if part)
