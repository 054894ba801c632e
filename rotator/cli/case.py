"""One case for the command line: found by its id, told as a whole, and as a row."""

from typing import TYPE_CHECKING, Any

from rotator.cli.session import Exit, fail
from rotator.cli.show import rfc3339
from rotator.core.incident import Incident
from rotator.core.legible import legible

if TYPE_CHECKING:
    from rotator.core.timeline import Timeline
    from rotator.ledger.cases import Listed
    from rotator.ledger.store import Ledger


async def found(ledger: "Ledger", identity: str) -> Incident:
    """The case of this id, or of the one id that begins so; exit code 4 for none, 2 for several."""
    cases = await ledger.cases.find(identity.strip().lower()) if identity.strip() else []
    if not cases:
        fail(Exit.NOTHING_MATCHED, f"No incident is {legible(identity, 64)!r}. `rotator incidents list --all` lists them.")
    if len(cases) > 1:
        fail(Exit.USAGE, f"{legible(identity, 64)!r} begins several: {', '.join(case.id for case in cases)}. Say more of the id.")
    return cases[0]


async def told(ledger: "Ledger", case: Incident) -> "Timeline":
    """Its whole timeline, from what the ledger knows."""
    from rotator.core.timeline import timeline

    reports = await ledger.inbox.about(case.id)
    events = [event async for event in ledger.audit.events(case.credential)]
    memory, _ = await ledger.journal.recall(case.credential)
    return timeline(case, reports, events, memory.keys.get(case.fingerprint))


def row(one: "Listed") -> dict[str, Any]:
    """A case in a list, for programs."""
    case = one.case
    lived = None if one.dead_at is None or not case.is_acted_on else max((one.dead_at - one.first_reported_at).total_seconds(), 0.0)
    return {
        "incident": case.id,
        "credential": case.credential,
        "fingerprint": case.fingerprint,
        "slot": case.slot,
        "state": case.state,
        "mode": case.mode,
        "reason": case.reason,
        "source": legible(case.source, 100),
        "reports": one.reports,
        "reported_at": rfc3339(one.first_reported_at),
        "deadline": rfc3339(case.deadline),
        "revoked_at": rfc3339(case.revoked_at),
        "dead_at": rfc3339(one.dead_at if case.is_acted_on else None),
        "time_to_dead_seconds": lived,
        "held_because": legible(case.held_because) or None,
        "reports_not_closed": one.not_closed,
        "note": legible(case.note),
    }
