"""What stands at this moment, for `/metrics`: read from memory and the ledger, within a bound; a ledger that is away is a figure, too."""

import asyncio

from rotator import __version__
from rotator.core.incident import State
from rotator.daemon.fleet import Fleet
from rotator.daemon.overdue import Overdue
from rotator.daemon.pulse import LATE_AFTER, Pulse
from rotator.ledger.database import LedgerFault
from rotator.ledger.store import Ledger
from rotator.metrics import Bucket, Figures, LedgerFigures
from rotator.wiring import House

READ_WITHIN_S = 4
TENANT = "(tenant)"


async def figures_of(house: House, fleet: Fleet, overdue: Overdue, pulse: Pulse) -> Figures:
    """Everything that `/metrics` shows beside what was counted."""
    ledger, now = house.ledger, house.world.clock.now()
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            if not overdue.learned:
                overdue.learn(await ledger.work.rows(), fleet.credentials)
            read = await _ledger(ledger)
    except (LedgerFault, TimeoutError):
        read = None
    return Figures(
        version=__version__,
        credentials=fleet.size,
        ages_s={name: (now - at).total_seconds() for name, at in overdue.published.items() if name in fleet.credentials},
        overdue_s={name: (now - due).total_seconds() for name, due in overdue.due.items() if due <= now and name in fleet.credentials},
        ledger=read,
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
