"""What a revocation breaks, said before it is done; and loudly, where nothing can be published after it."""

from collections.abc import Mapping, Sequence

from rotator.cli.targets import Target
from rotator.core.aim import given_out
from rotator.core.credential import Role
from rotator.core.facts import Needed
from rotator.core.forecast import Forecast
from rotator.core.legible import span
from rotator.core.policy import Mode
from rotator.core.step import Do, Publish, Revoke, Wait

_STANDS: Mapping[str, str] = {
    "unprovable": "",
    "contested": "",
    "foreign": "",
    "proving": "; let this machine ask the data plane, or set `unprovable: accept` before",
}
"""Where a runbook ends before a value is published again, and what to do before it where the reason does not say so."""


def impacts(group: Sequence[Target], mode: Mode | None, forecast: list[Forecast]) -> list[str]:
    """A line for each value of one credential: which of them is gone on with, and which dies beside it."""
    told = [(target, impact(target, mode, forecast)) for target in group]
    some = any(target.resumes for target in group)
    return [f"  No case is about this one yet: {line.strip()}" if some and not target.resumes else line for target, line in told]


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
    if not _is_active(target):
        late = ", and so does what has not read the new value from the vault yet" if _is_retired(target) else ""
        return f"  {what} is not what the vault gives out: what reads it directly loses access{late}."
    if mode is Mode.DRAIN and standstill(forecast):
        killed = _killed_at(target, forecast)
        return f"  {what} is active. {who}: cannot be moved first; killed at its deadline{killed}, and fails from then on."
    if mode is Mode.DRAIN and not users:
        return f"  {what} is active, no dependents are named: killed once the vault gives out the new value; late readers lose access."
    if mode is Mode.DRAIN:
        deadline = span(seen.credential.policy.drain_deadline)
        return f"  {what} is active. {who}: moved first; what has not moved after {deadline} loses access."
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
    return f"NOTHING CAN BE PUBLISHED AFTER THE KILL, so the vault gives out a dead key: {last.because}{_STANDS[last.phase]}"


def _killed_at(target: Target, forecast: list[Forecast]) -> str:
    kills = [one.not_before for one in forecast if isinstance(one.decision, Do) and isinstance(one.decision.step, Revoke)]
    return f" {kills[0]:%H:%M:%S} UTC" if kills else ""


def _is_active(target: Target) -> bool:
    """Whether it is what readers get, as the vault shows or as is remembered."""
    return target.fingerprint == given_out(target.seen.facts)


def _is_retired(target: Target) -> bool:
    try:
        return target.slot is not None and target.seen.facts.role(target.slot) is Role.RETIRED
    except Needed:
        return False


def impact_of_all(groups: Mapping[str, Sequence[Target]], mode: Mode | None, forecasts: Mapping[str, list[Forecast]]) -> list[str]:
    """The same of many, by what is done to them: how many, how many dependents, and who will have no key at all."""
    counted: dict[str, list[str]] = {}
    for name, group in groups.items():
        counted.setdefault(_kind_of(group, mode), []).append(name)
    lines = []
    for what, names in counted.items():
        users = sum(len(groups[name][0].seen.look.snapshot.dependents) for name in names)
        silent = sum(not groups[name][0].seen.look.snapshot.dependents for name in names)
        lines.append(f"{what}: {len(names)} account(s), {users} dependent(s){f'; {silent} name none' if silent else ''}. {_BREAKS[what]}")
    beside = [name for name, group in groups.items() if any(one.resumes for one in group) and not all(one.resumes for one in group)]
    if beside:
        told = f"{', '.join(beside[:NAMES_TOLD_MAX])}{' and more' if len(beside) > NAMES_TOLD_MAX else ''}"
        lines.append(f"Of {len(beside)} of them a case is gone on with, and another live key, which no case is about, dies now: {told}")
    stuck = [name for name in groups if standstill(forecasts[name])]
    if stuck:
        lines.append(f"NOTHING CAN BE PUBLISHED AFTER THE KILL for {len(stuck)} of them: {', '.join(stuck[:NAMES_TOLD_MAX])}")
    return lines


def _kind_of(group: Sequence[Target], mode: Mode | None) -> str:
    """By what dies now that no case was about before."""
    anew = [target for target in group if not target.resumes]
    if not anew:
        return "gone on with"
    if not any(target.slot is not None and _is_active(target) for target in anew):
        return "standby"
    return mode or group[0].seen.credential.policy.on_compromise


_BREAKS: Mapping[str, str] = {
    "gone on with": "Filed before; nothing changes about them.",
    "standby": "What reads a key that the vault does not give out loses access.",
    Mode.DRAIN: "Moved first; what has not moved when its deadline comes loses access.",
    Mode.CUT: "Every one fails from the kill on, until it has read the new value from the vault.",
    Mode.CONTAIN: "Every one fails for good: these accounts accept no key at all any more.",
}
NAMES_TOLD_MAX = 20
