"""What came of a run, in the words of the contract: one row a credential, and the exit code of them all."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rotator.cli.session import Exit
from rotator.cli.show import rfc3339
from rotator.core.incident import Incident, State
from rotator.core.snapshot import KeyMemory
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
_WORST = (Exit.FAILED, Exit.REFUSED, Exit.UNPROVEN)


def rotated(run: Run, *, waited: bool) -> dict[str, Any]:
    """The row of a rotation. One that was `waited` for and is not through stands still only for an overlap, or it has failed."""
    return _row(run, _outcome_of_rotation(run, waited), _times(run, ()))


def revoked(run: Run, cases: Sequence[Incident], *, already: bool = False) -> dict[str, Any]:
    """The row of a revocation: how the cases that this command is about stand. `already`: the values were in no slot when it began."""
    mine = {case.id for case in cases}
    now = [case for case in run.incidents if case.id in mine]
    outcome = _outcome_of_revocation(run, now)
    return _row(run, "already_dead" if already and outcome == "dead" else outcome, _times(run, now))


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
    return {"name": name, "outcome": "held", "reason": None, "because": because, "steps": [], "timings": no_times()}


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


def _row(run: Run, outcome: str, timings: dict[str, str | None]) -> dict[str, Any]:
    return {
        "name": run.credential.name,
        "outcome": outcome,
        "reason": run.reason,
        "because": run.decision.because,
        "phase": run.decision.phase,
        "steps": [_step(done) for done in run.steps],
        "timings": timings,
        "goes_on_at": rfc3339(None if isinstance(run.decision, Quiet) else getattr(run.decision, "until", None)),
    }


def _step(done: Done) -> dict[str, Any]:
    return {"step": done.step, "slot": done.slot, "outcome": done.outcome, "at": rfc3339(done.at), "because": done.because}


def _outcome_of_rotation(run: Run, waited: bool) -> str:
    stuck = _stuck(run.decision)
    if stuck:
        return stuck
    published = any(done.step == "publish" for done in run.steps)
    if isinstance(run.decision, Quiet):
        return "rotated" if published else "done" if run.steps else "quiet"
    return "failed" if waited and run.decision.phase != "overlap" else "waiting"


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
    if states & {State.REVOKED, State.UNPROVEN}:
        return "unproven"
    return "failed" if _stuck(run.decision) == "failed" else "dead"


def _times(run: Run, cases: Sequence[Incident]) -> dict[str, str | None]:
    keys = run.look.snapshot.memory.keys
    ended = {done.fingerprint for done in run.steps if done.step in ("revoke", "prove_dead", "retire") and done.fingerprint}
    about = {case.fingerprint for case in cases} or ended
    started = min((case.reported_at for case in cases), default=min((done.at for done in run.steps), default=None))
    dying = [keys[value] for value in about if value in keys]
    return {**no_times(), "reported": rfc3339(started), "published": rfc3339(_step_time(run, "publish")), **_death(dying)}


def _death(dying: Sequence[KeyMemory]) -> dict[str, str | None]:
    return {
        "revoked": rfc3339(_last(key.replaced_at for key in dying)),
        "first_401": rfc3339(_last(key.first_401_at for key in dying)),
        "stable_401": rfc3339(_last(key.dead_at for key in dying)),
    }


def _step_time(run: Run, step: str) -> datetime | None:
    return _last(done.at for done in run.steps if done.step == step and not done.failed)


def _last(times: Iterable[datetime | None]) -> datetime | None:
    return max((at for at in times if at), default=None)


def no_times() -> dict[str, str | None]:
    """The contract's five times, none of them known."""
    return dict.fromkeys(("reported", "published", "revoked", "first_401", "stable_401"))
