"""What `/metrics` reads of a ledger: both give the same figures, whichever worker did what they tell of."""

from datetime import UTC, datetime, timedelta

from rotator.core.incident import State
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed
from rotator.core.snapshot import KeyMemory
from rotator.ledger.store import Ledger
from tests.contract.ledgers import NAME, case, claimed


async def test_an_empty_ledger_has_figures_of_nothing(ledger: Ledger) -> None:
    assert await ledger.audit.height() == 0
    assert await ledger.journal.published() == {}
    assert await ledger.cases.by_state() == {}
    depth = await ledger.work.depth()
    assert (depth.rows, depth.due, depth.late) == (0, 0, timedelta(0))


async def test_what_readers_get_is_as_old_as_its_last_publish(ledger: Ledger) -> None:
    lease = await claimed(ledger)
    at = datetime(2026, 6, 1, tzinfo=UTC)
    old, new, standby = (KeyMemory(fingerprint=Sealed(f"value {one}").fingerprint) for one in range(3))
    for memory, published in ((old, at - timedelta(days=30)), (new, at), (standby, None)):
        known = KeyMemory(fingerprint=memory.fingerprint, published_at=published, version="v" if published else None)
        await ledger.journal.remember(lease, [known])
    assert await ledger.journal.published() == {NAME: at}


async def test_the_chain_grows_and_cases_are_counted_until_they_are_over(ledger: Ledger) -> None:
    filed = await ledger.cases.file(case("inc-1", Mode.CUT))
    assert await ledger.audit.height() == 1
    assert await ledger.cases.by_state() == {State.OPEN: 1}
    await ledger.cases.decide(filed, State.DISMISSED, by="a person", because="a test", drain_deadline=timedelta(minutes=2))
    assert await ledger.cases.by_state() == {}
    assert await ledger.audit.height() == 2
