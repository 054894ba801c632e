"""What came of a run, in the words of the contract: one row a credential, and the exit code of them all."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rotator.cli.session import Exit
from rotator.cli.show import rfc3339
from rotator.core.aim import about_the_active
from rotator.core.credential import Reason
from rotator.core.facts import Facts
from rotator.core.incident import Incident, State
from rotator.core.readers import left_with
from rotator.core.snapshot import KeyMemory, SecretView
from rotator.core.step import Decision, Quiet, Wait
from rotator.engine.reconcile import Run
from rotator.engine.walk import Done

_CODES = {
    "failed": Exit.FAILED,
    "held": Exit.FAILED,
    "not_known": Exit.FAILED,
    "refused": Exit.REFUSED,
    "unproven": Exit.UNPROVEN,
}
_TURNS = frozenset({"publish", "revoke", "prove_dead", "retire"})
"""A run that has done one of these, and is through, has finished a rotation, whichever run began it."""
_WORST = (Exit.FAILED, Exit.REFUSED, Exit.UNPROVEN)


def rotated(run: Run, *, waited: bool) -> dict[str, Any]:
    """The row of a rotation. One that was `waited` for and is not through stands still only for an overlap, or it has failed."""
    return _row(run, _outcome_of_rotation(run, waited), run.decision.because, run.reason, _times(run, ()))


def revoked(run: Run, cases: Sequence[Incident], *, already: bool = False) -> dict[str, Any]:
    """The row of a revocation: how the cases that this command is about stand. `already`: the values were in no slot when it began.

    A value that is dead while readers of the vault still get it is not done: that has failed, and the row says which of the two it is.
    """
    mine = {case.id for case in cases}
    now = [case for case in run.incidents if case.id in mine]
    facts = Facts(snapshot=run.look.snapshot, credential=run.credential, incidents=run.incidents, now=run.look.snapshot.at)
    outcome, readers = _outcome_of_revocation(run, now), left_with(facts)
    because = _because_of_revocation(run, now, outcome, readers)
    dead = outcome == "dead"
    if dead:
        outcome = "failed" if readers else "already_dead" if already else "dead"
    reason = next((case.reason for case in now), run.reason)
    row = _row(run, outcome, because, reason, _times(run, now))
    return {**row, "dead": dead, "unreplaced": bool(readers), "go_on": _go_on(now, facts)}


def _go_on(cases: Sequence[Incident], facts: Facts) -> list[str]:
    """What to type to go on with these cases and with nothing else. What nobody holds any more has to be handed in."""
    lost = [LEAKED_KEY] if any(case.state is State.UNPROVEN for case in cases) else []
    left = [case for case in cases if case.state is not State.UNPROVEN]
    if left and {case.id for case in left} <= {case.id for case in about_the_active(facts, cases)}:
        return [f"rotator revoke {facts.credential.name}", *lost]
    return [*(f"rotator revoke --fingerprint {case.fingerprint}" for case in left), *lost]


def unmatched(fingerprint: str, outcome: str, because: str) -> dict[str, Any]:
    """The row of a value that no credential has."""
    return {
        "name": None,
        "fingerprint": fingerprint,
        "outcome": outcome,
        "reason": None,
        "because": because,
        "steps": [],
        "timings": no_times(),
    }


def held(name: str, because: str) -> dict[str, Any]:
    """The row of a credential that another worker acts on."""
    return nothing_done(name, "held", because)


def nothing_done(name: str, outcome: str, because: str) -> dict[str, Any]:
    """The row of a credential for which no run was begun."""
    return {"name": name, "outcome": outcome, "reason": None, "because": because, "steps": [], "timings": no_times()}


def unrecorded(name: str, because: str, *, gone: bool | None) -> dict[str, Any]:
    """The row of a kill under which every ledger failed: what a look says of it."""
    told = {
        True: "the key IS revoked, its death not proven",
        False: "the key is NOT revoked",
        None: "whether the key is revoked is not known",
    }
    row: dict[str, Any] = {"name": name, "outcome": "unproven" if gone else "failed", "reason": None, "steps": [], "timings": no_times()}
    return {**row, "because": f"{told}; no ledger can be used: {because}"}


def exit_code(rows: Iterable[dict[str, Any]]) -> Exit:
    """The worst of the rows' codes; nothing matched only where nothing did."""
    outcomes = {row["outcome"] for row in rows}
    codes = {_CODES.get(outcome, Exit.DONE) for outcome in outcomes}
    return next((code for code in _WORST if code in codes), Exit.NOTHING_MATCHED if outcomes == {"not_ours"} else Exit.DONE)


def _row(run: Run, outcome: str, because: str, reason: Reason | None, timings: dict[str, str | None]) -> dict[str, Any]:
    return {
        "name": run.credential.name,
        "outcome": outcome,
        "reason": reason,
        "because": because,
        "phase": run.decision.phase,
        "steps": [_step(done) for done in run.steps],
        "timings": timings,
        "goes_on_at": rfc3339(None if isinstance(run.decision, Quiet) else getattr(run.decision, "until", run.look.snapshot.at)),
    }


def _step(done: Done) -> dict[str, Any]:
    return {"step": done.step, "slot": done.slot, "outcome": done.outcome, "at": rfc3339(done.at), "because": done.because}


def _outcome_of_rotation(run: Run, waited: bool) -> str:
    stuck = _stuck(run.decision)
    if stuck:
        return stuck
    turned = any(done.step in _TURNS and not done.failed and not _is_the_first(done, run) for done in run.steps)
    if isinstance(run.decision, Quiet):
        return "rotated" if turned else "done" if run.steps else "quiet"
    return "failed" if waited and run.decision.phase != "overlap" else "waiting"


def _is_the_first(done: Done, run: Run) -> bool:
    """A key that was there before, published in an empty secret: nothing was replaced."""
    snapshot = run.look.snapshot
    if done.step != "publish" or done.fingerprint is None or not isinstance(snapshot.secret, SecretView):
        return False
    alone = all(version.fingerprint == done.fingerprint for version in snapshot.secret.versions)
    return alone and snapshot.memory.of(done.fingerprint).minted_at is None


def _stuck(decision: Decision) -> str | None:
    if not isinstance(decision, Wait):
        return None
    if decision.refused:
        return "refused"
    if decision.phase == "proving_dead":
        return "unproven"
    return "failed" if decision.failed or decision.tell else None


def _outcome_of_revocation(run: Run, cases: Sequence[Incident]) -> str:
    states = {case.state for case in cases}
    if State.OPEN in states:
        return "failed"
    if any(case.awaits_containment for case in cases):
        return "failed"
    return "unproven" if states & {State.REVOKED, State.UNPROVEN} else "dead"


def _because_of_revocation(run: Run, cases: Sequence[Incident], outcome: str, readers: str) -> str:
    """Where it stands; and what is left where the value is dead, or why nobody can prove it."""
    because = run.decision.because
    if readers and outcome != "failed":
        dead = "the value is proven dead, but" if outcome == "dead" else f"{LOST};" if _is_lost(cases) else "the value is revoked, but"
        return f"{dead} {readers}. What holds that up: {because}. Once it is mended, the same command goes on, and so does `rotator serve`"
    if outcome == "dead" and isinstance(run.decision, Wait):
        return f"the value is proven dead; {because}"
    return f"{LOST}; {because}" if _is_lost(cases) else because


def _is_lost(cases: Sequence[Incident]) -> bool:
    return any(case.state is State.UNPROVEN for case in cases)


LEAKED_KEY = "rotator revoke --leaked-key -"
LOST = f"the value is in no slot any more, and nobody holds it to prove it dead (with it: {LEAKED_KEY})"


def _times(run: Run, cases: Sequence[Incident]) -> dict[str, str | None]:
    keys = run.look.snapshot.memory.keys
    ended = {done.fingerprint for done in run.steps if done.step in ("revoke", "prove_dead", "retire") and done.fingerprint}
    about = {case.fingerprint for case in cases} or ended
    started = min((case.reported_at for case in cases), default=min((done.at for done in run.steps), default=None))
    dying = [keys[value] for value in about if value in keys]
    return {**no_times(), "reported": rfc3339(started), "published": rfc3339(_published(run, cases)), **_death(dying)}


def _published(run: Run, cases: Sequence[Incident]) -> datetime | None:
    """When the value that replaced it was published: as this run was answered, else as is remembered of what the vault gives out now."""
    answered = _last(done.at for done in run.steps if done.step == "publish" and done.outcome == "published")
    secret = run.look.snapshot.secret
    current = secret.current if isinstance(secret, SecretView) else None
    if answered or current is None or current.fingerprint is None:
        return answered
    remembered = run.look.snapshot.memory.of(current.fingerprint).published_at
    since = min((case.reported_at for case in cases), default=None)
    if remembered is None or (since is None and not any(done.step in _TURNS for done in run.steps)):
        return None
    return remembered if since is None or remembered >= since.replace(microsecond=0) else None


def _death(dying: Sequence[KeyMemory]) -> dict[str, str | None]:
    return {
        "revoked": rfc3339(_last(key.replaced_at for key in dying)),
        "first_401": rfc3339(_last(key.first_401_at for key in dying)),
        "stable_401": rfc3339(_last(key.dead_at for key in dying)),
    }


def _last(times: Iterable[datetime | None]) -> datetime | None:
    return max((at for at in times if at), default=None)


def no_times() -> dict[str, str | None]:
    """The contract's five times, none of them known."""
    return dict.fromkeys(("reported", "published", "revoked", "first_401", "stable_401"))
