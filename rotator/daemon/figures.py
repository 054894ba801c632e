"""What stands at this moment, for `/metrics`: read from memory and the ledger, within a bound; a ledger that is away is a figure, too."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from rotator import __version__
from rotator.core.incident import State
from rotator.core.policy import due_at
from rotator.daemon.fleet import Fleet
from rotator.daemon.pulse import LATE_AFTER, Pulse
from rotator.ledger.fault import LedgerFault
from rotator.ledger.soundness import Soundness
from rotator.ledger.store import Ledger
from rotator.metrics import Bucket, Figures, LedgerFigures
from rotator.wiring import House

READ_WITHIN_S = 4
TENANT = "(tenant)"


async def figures_of(house: House, fleet: Fleet, pulse: Pulse, soundness: Soundness) -> Figures:
    """Everything that `/metrics` shows beside what was counted."""
    ledger, now = house.ledger, house.world.clock.now()
    published: Mapping[str, datetime] = {}
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            read, published = await _ledger(ledger), await ledger.journal.published()
    except (LedgerFault, TimeoutError):
        read = None
    kept = {name: at for name, at in published.items() if name in fleet.credentials}
    policies = {name: fleet.credentials[name].policy for name in kept}
    due = {name: due_at(policies[name], at) for name, at in kept.items() if at + policies[name].cryptoperiod <= now}  # windows cost time
    return Figures(
        version=__version__,
        credentials=fleet.size,
        ages_s={name: (now - at).total_seconds() for name, at in kept.items()},
        overdue_s={name: (now - at).total_seconds() for name, at in due.items() if at <= now},
        ledger=read,
        writable=await soundness.unwritable() is None,
        lock_held=not ledger.lock.lost.is_set(),
        beats_s={part: pulse.age(part).total_seconds() for part in LATE_AFTER},
        buckets=tuple(
            Bucket(
                subscription=subscription or TENANT,
                sort=sort,
                left=level.left,
                size=level.burst,
                waiting=level.waiting,
                blocked_s=level.blocked_s,
            )
            for subscription, sort, level in house.azure.budget.levels()
        ),
    )


async def _ledger(ledger: Ledger) -> LedgerFigures:
    depth, height = await ledger.work.depth(), await ledger.audit.height()
    states = await ledger.cases.by_state()
    return LedgerFigures(
        rows=depth.rows,
        due=depth.due,
        claimed=depth.claimed,
        late_s=depth.late.total_seconds(),
        audit_events=height,
        incidents={state.value: states.get(state, 0) for state in (*State,) if state not in (State.CLOSED, State.DISMISSED)},
    )
