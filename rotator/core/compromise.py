"""Which values must die: those of a case, and the one that the vault's current version says it superseded for a compromise.

The second source needs no ledger: a drain whose ledger is lost half-way goes on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rotator.core.credential import Credential, Reason
from rotator.core.incident import Incident
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import Snapshot, Unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Compromise:
    """A value that must die; `incident` is the case that says so, where it is not the vault."""

    fingerprint: Fingerprint
    deadline: datetime
    reason: Reason
    cuts: bool = False
    incident: Incident | None = None

    def waits_for_nobody(self, now: datetime) -> bool:
        """A cut is ordered, or the deadline is over: the kill goes before everything else."""
        return self.cuts or now >= self.deadline


def compromises(snapshot: Snapshot, credential: Credential, incidents: Sequence[Incident]) -> Iterator[Compromise]:
    """Every value that must die, cases first."""
    for incident in incidents:
        if incident.is_acted_on:
            yield Compromise(
                fingerprint=incident.fingerprint,
                deadline=incident.deadline,
                reason=incident.reason,
                cuts=incident.cuts,
                incident=incident,
            )
    yield from _said_by_the_vault(snapshot, credential)


def _said_by_the_vault(snapshot: Snapshot, credential: Credential) -> Iterator[Compromise]:
    secret, slots = snapshot.secret, snapshot.slots
    if isinstance(secret, Unseen) or isinstance(slots, Unseen) or secret.current is None or secret.current_version is None:
        return
    current = secret.current_version
    if current.reason not in (Reason.KEY_COMPROMISE, Reason.SUSPECTED_COMPROMISE) or not current.is_of(credential.account):
        return
    deadline = current.created + credential.policy.drain_deadline
    older = [one for one in secret.versions if one.created <= current.created and one.fingerprint not in (None, current.fingerprint)]
    last = max((one.created for one in older), default=current.created)
    for version in older:
        if version.created == last and version.fingerprint in slots.values() and version.fingerprint is not None:
            yield Compromise(fingerprint=version.fingerprint, deadline=deadline, reason=Reason(current.reason))
