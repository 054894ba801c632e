"""What is remembered of the dependents: how each was last seen, and when it was handed what is published.

A change is remembered and becomes an audit event; that nothing changed is neither. What the times in `seen` say differs at every look, so
it alone is no change. A dependent whose look had nothing to look for (the vault cannot be seen) is not judged.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from rotator.core.snapshot import Adoption, Kept, SecretView, Snapshot
from rotator.core.step import Propagate


def changed(snapshot: Snapshot, now: datetime) -> list[Kept]:
    """The dependents that are not as they are remembered."""
    current = snapshot.secret.current if isinstance(snapshot.secret, SecretView) else None
    if current is None or current.fingerprint is None or not current.enabled:
        return []
    found = []
    for view in snapshot.dependents:
        before = snapshot.memory.adoptions.get(view.name)
        same_version = before is not None and before.version == current.version
        if before and same_version and (before.adoption, before.running) == (view.adoption, view.running):
            continue
        kept = Kept(
            dependent=view.name,
            kind=view.kind,
            adoption=view.adoption,
            version=current.version,
            fingerprint=current.fingerprint,
            running=view.running,
            seen=view.seen,
            because=view.because,
            since=now,
            delivered_at=before.delivered_at if before and same_version else None,
        )
        found.append(kept)
    return found


def handed(snapshot: Snapshot, step: Propagate, now: datetime) -> Kept:
    """The same dependent, handed what is published just now. What it makes of it, the next look sees."""
    before = snapshot.memory.adoptions.get(step.dependent)
    if before is not None and before.version == step.version:
        return replace(before, delivered_at=now)
    view = next((view for view in snapshot.dependents if view.name == step.dependent), None)
    return Kept(
        dependent=step.dependent,
        kind=view.kind if view else "",
        adoption=view.adoption if view else Adoption.STALE,
        version=step.version,
        fingerprint=step.fingerprint,
        running=view.running if view else None,
        since=now,
        delivered_at=now,
    )


def taken_at(kept: Mapping[str, Kept], view: str, version: str) -> datetime | None:
    """When `version` was handed to a dependent that was then seen to have taken it; None where nobody saw that."""
    one = kept.get(view)
    took = one is not None and one.version == version and one.adoption in (Adoption.PROVEN, Adoption.CLAIMED)
    return one.delivered_at if one and took else None


def said(one: Kept, before: Kept | None) -> dict[str, str]:
    """What the audit says of a change."""
    fields = {
        "dependent": one.dependent,
        "kind": one.kind,
        "adoption": one.adoption.value,
        "was": before.adoption.value if before and before.version == one.version else "",
        "version": one.version,
        "fingerprint": one.fingerprint,
        "running": one.running or "",
        "seen": one.seen,
        "because": one.because,
    }
    return {name: value for name, value in fields.items() if value}
