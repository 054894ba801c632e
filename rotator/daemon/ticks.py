"""What the daemon does every so often beside its rows: each of these is short, and harmless when it is done twice."""

from collections.abc import Sequence
from datetime import timedelta

from rotator.core.wave import Wave, tidy
from rotator.daemon.cadence import Tick
from rotator.daemon.fleet import Fleet
from rotator.daemon.overdue import Overdue
from rotator.daemon.rows import Rows
from rotator.engine.gate import change_wave, wave_now
from rotator.ledger.store import Ledger

SLACK = timedelta(hours=1)

DELIVERIES_KEPT = timedelta(days=7)
"""Longer than any sender sends a delivery again (GitHub by hand for three days, Event Grid by itself for one)."""

DEPENDENTS_KEPT = timedelta(days=1)
"""How long a dependent that left the settings is remembered: a worker that has not read them anew may still keep it."""


def ticks_of(fleet: Fleet, ledger: Ledger, overdue: Overdue) -> Sequence[Tick]:
    """The daemon's own; other rooms (the polls behind webhooks) bring theirs."""

    async def reap() -> None:
        for owner in await ledger.work.reap():
            fleet.world.watch("reaped", owner=owner)
        await ledger.inbox.reap()

    async def enlist() -> None:
        await enlisted(fleet, ledger)
        await recalled(fleet, ledger.work)

    async def say_overdue() -> None:
        overdue.learn(await ledger.journal.published(), fleet.credentials)
        overdue.say(await ledger.work.rows(), fleet.credentials, fleet.world.clock.now(), fleet.world.watch)

    async def prune() -> None:
        history = fleet.limits.history
        removed = await ledger.journal.prune(history) + await ledger.inbox.prune(DELIVERIES_KEPT, history=history)
        dependents = {name: {dependent.name for dependent in one.dependents} for name, one in fleet.credentials.items()}
        removed += await ledger.journal.forget_dependents(dependents, DEPENDENTS_KEPT)
        fleet.world.watch("pruned", rows=removed)

    return (
        Tick(name="reap", every=timedelta(seconds=1), run=reap),
        Tick(name="enlist", every=timedelta(hours=1), run=enlist, jitter=timedelta(minutes=5)),
        Tick(name="overdue", every=timedelta(minutes=5), run=say_overdue, jitter=timedelta(minutes=1)),
        Tick(name="prune", every=timedelta(hours=24), run=prune, jitter=timedelta(hours=1)),
    )


async def enlisted(fleet: Fleet, ledger: Ledger) -> None:
    """A row for each credential of the settings; the wave waits for none that is in them no more."""
    await ledger.work.enlist(list(fleet.credentials))
    if await wave_now(ledger.waves) is None:
        return

    def tidied(wave: Wave | None) -> tuple[Wave, None]:
        assert wave is not None
        return tidy(wave, fleet.credentials, fleet.world.clock.now()), None

    await change_wave(ledger.waves, tidied)


async def recalled(fleet: Fleet, rows: Rows) -> None:
    """No row is due later than a whole look is: one that is was put there under a wrong clock, or by a command without a daemon."""
    latest = fleet.world.clock.now() + fleet.limits.look_every + SLACK
    far = [row.credential for row in await rows.rows() if row.due_at > latest and row.owner is None and row.credential in fleet.credentials]
    if far:
        fleet.world.watch("recalled", rows=len(far), because="due later than a whole look is")
    for name in far:
        await rows.wake(name)
