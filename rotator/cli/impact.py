"""What a revocation breaks, said before it is done; and loudly, where nothing can be published after it."""

from rotator.cli.targets import Target
from rotator.core.credential import Role
from rotator.core.facts import Needed
from rotator.core.forecast import Forecast
from rotator.core.policy import Mode
from rotator.core.step import Do, Publish, Revoke, Wait

_STANDS = frozenset({"unprovable", "contested"})
"""Where a runbook ends before a value is published again."""


def impact(target: Target, mode: Mode | None, forecast: list[Forecast]) -> str:
    """Who loses access, when, and for how long."""
    seen, what = target.seen, f"{target.slot or 'a replaced value'} ({target.fingerprint[:8]}…)"
    if target.resumes:
        return f"  Goes on with {target.resumes.id}, filed {target.resumes.reported_at:%H:%M:%S}."
    if target.slot is None:
        return f"  {what} is in no slot any more: nothing breaks, it is only proven dead."
    mode = mode or seen.credential.policy.on_compromise
    users = [view.name for view in seen.look.snapshot.dependents]
    who = ", ".join(users) if users else "whoever reads the vault (no dependents are named in the settings)"
    if target.slot is not seen.active:
        late = ", and so does what has not read the new value from the vault yet" if _is_retired(target) else ""
        return f"  {what} is not what the vault gives out: what reads it directly loses access{late}."
    if mode is Mode.DRAIN and standstill(forecast):
        killed = _killed_at(target, forecast)
        return f"  {what} is active. {who}: cannot be moved first; killed at its deadline{killed}, and fails from then on."
    if mode is Mode.DRAIN and not users:
        return f"  {what} is active, no dependents are named: killed once the vault gives out the new value; late readers lose access."
    if mode is Mode.DRAIN:
        deadline = seen.credential.policy.drain_deadline.total_seconds()
        return f"  {what} is active. {who}: moved first; what has not moved after {deadline:.0f} s loses access."
    after = "until it has read the new value from the vault"
    if mode is Mode.CONTAIN:
        after = "for good: the account accepts no key at all"
    elif standstill(forecast):
        after = "and nothing can be published for it"
    return f"  {what} is active. {who}: fails from the kill on, {after}."


def standstill(forecast: list[Forecast]) -> str:
    """Empty, or why readers of the vault will have a dead key after the kill, and what to set before it."""
    steps = [line.decision.step for line in forecast if isinstance(line.decision, Do)]
    last = forecast[-1].decision
    stuck = isinstance(last, Wait) and last.phase in _STANDS
    if not stuck or any(isinstance(step, Publish) for step in steps) or not any(isinstance(step, Revoke) for step in steps):
        return ""
    return f"NOTHING CAN BE PUBLISHED AFTER THE KILL, so the vault gives out a dead key: {last.because}"


def _killed_at(target: Target, forecast: list[Forecast]) -> str:
    kills = [one.not_before for one in forecast if isinstance(one.decision, Do) and isinstance(one.decision.step, Revoke)]
    return f" {kills[0]:%H:%M:%S} UTC" if kills else ""


def _is_retired(target: Target) -> bool:
    try:
        return target.slot is not None and target.seen.facts.role(target.slot) is Role.RETIRED
    except Needed:
        return False
