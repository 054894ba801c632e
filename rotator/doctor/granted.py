"""Findings about what we may do at one place: what a role lacks, what a deny assignment takes away, and what cannot be told. Pure."""

from collections.abc import Iterable, Sequence

from rotator.core.snapshot import Unseen
from rotator.doctor import mending
from rotator.doctor.findings import About, Finding
from rotator.doctor.powers import Powers
from rotator.settings.kinds import Permission
from rotator.settings.permissions import SURVEY


def lacking(needs: Iterable[Permission], powers: Powers) -> list[Permission]:
    """What a role would mend; what is denied is none of it."""
    wanted = list(needs)
    denied = [one for one, _ in powers.denied(wanted)]
    return [one for one in powers.lacks(wanted) if one not in denied]


def denied(needs: Iterable[Permission], powers: Powers, about: About, who: str) -> list[Finding]:
    """By deny assignment: what it takes away that is needed."""
    by_name: dict[str, list[str]] = {}
    for one, name in powers.denied(needs):
        by_name.setdefault(name, []).append(one.action)
    said = "we may not {}: the deny assignment {!r} takes it away, whatever a role gives"
    return [about.bad(said.format(", ".join(actions), name), mending.exclude(name, who)) for name, actions in by_name.items()]


def doubtful(needs: Sequence[Permission], powers: Powers, about: About, scope: str, who: str) -> list[Finding]:
    """A warning and never a guess."""
    by_reason: dict[str, list[str]] = {}
    for one, because in powers.unsure(needs):
        by_reason.setdefault(because, []).append(one.action)
    found = [about.warn(f"whether we may {', '.join(actions)} cannot be told: {because}") for because, actions in by_reason.items()]
    if isinstance(powers.denials, Unseen):
        said = f"whether a deny assignment takes something away cannot be told: {powers.denials.because}"
        found.append(about.warn(said, mending.grant(SURVEY, "/".join(scope.split("/")[:3]), who)))
    return found
