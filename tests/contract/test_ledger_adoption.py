"""How dependents were last seen, and an operator's word to go back: kept by both ledgers, across processes."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rotator.core.credential import Reason, Slot
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption, Kept, Order
from rotator.core.step import Do, Propagate
from rotator.ledger.opening import open_ledger
from rotator.ledger.store import Ledger
from tests.contract.ledgers import NAME, ask, claimed, soon

NEW, OLD = Sealed("the new value").fingerprint, Sealed("the old value").fingerprint
NOW = datetime.now(UTC).replace(microsecond=0)
STALE = Kept(
    dependent="api",
    kind="webhook",
    adoption=Adoption.STALE,
    version="v2",
    fingerprint=NEW,
    since=NOW,
    running=OLD,
    seen="404",
    because="old",
)
CLAIMED = replace(STALE, adoption=Adoption.CLAIMED, running=None, since=NOW + timedelta(seconds=1))


async def test_how_a_dependent_was_last_seen_is_known_to_the_next_process(ledger: Ledger, url: str) -> None:
    lease = await claimed(ledger)
    other = replace(STALE, dependent="batch")
    await ledger.journal.adopted(lease, [STALE, other])
    await ledger.journal.adopted(lease, [CLAIMED])
    async with open_ledger(url) as later:
        memory, _ = await later.journal.recall(NAME)
    assert memory.adoptions == {"api": CLAIMED, "batch": other}


async def test_each_change_is_an_audit_event_of_its_rotation(ledger: Ledger) -> None:
    lease = await claimed(ledger)
    await ledger.journal.adopted(lease, [STALE])
    await ledger.journal.adopted(lease, [CLAIMED])
    first, second = [event.fields async for event in ledger.audit.events(NAME) if event.event == "adoption"]
    assert (first["dependent"], first["adoption"], first["seen"], first["because"]) == ("api", "Stale", "404", "old")
    assert (second["was"], second["adoption"], second["version"], second["rotation"]) == ("Stale", "Claimed", "v2", lease.rotation)
    assert not (await ledger.audit.verify()).broken


async def test_a_delivery_and_its_outcome_are_one_transaction(ledger: Ledger, url: str) -> None:
    lease = await claimed(ledger)
    step = Propagate(dependent="api", slot=Slot.KEY2, fingerprint=NEW, version="v2")
    await ledger.journal.adopted(lease, [STALE])
    await ledger.journal.intend(lease, "op", Do(step=step, reason=Reason.SUPERSEDED, because="a test", phase="propagating"))
    handed = replace(STALE, delivered_at=NOW + timedelta(seconds=2))
    await ledger.journal.outcome(lease, "op", "delivered", handed=[handed], detail={"dependent": "api"})
    memory, unsettled = await ledger.journal.recall(NAME)
    assert (memory.adoptions, unsettled) == ({"api": handed}, [])
    told = [json.loads(row["fields"]) for row in ask(url, "SELECT fields FROM audit WHERE event = 'adoption'")]
    assert len(told) == 1


async def test_what_is_remembered_is_of_one_credential(ledger: Ledger) -> None:
    await ledger.journal.adopted(await claimed(ledger), [STALE])
    memory, _ = await ledger.journal.recall("another")
    assert memory.adoptions == {}


async def test_an_order_to_go_back_is_kept_and_is_no_order_to_rotate(ledger: Ledger, url: str) -> None:
    """A program that knows nothing of it sees no order at all."""
    await ledger.work.order(NAME, NEW, foreign=False)
    await ledger.work.order_back(NAME, OLD, instead_of=NEW)
    async with open_ledger(url) as other:
        memory, _ = await other.journal.recall(NAME)
    assert memory.order is None
    assert memory.back is not None
    assert (memory.back.value, memory.back.instead_of) == (OLD, NEW)
    assert abs(memory.back.at - datetime.now(UTC)) < timedelta(minutes=1)
    row = ask(url, "SELECT order_value, priority FROM work WHERE credential = :name", name=NAME)[0]
    assert (row["order_value"], row["priority"]) == (None, 10)


async def test_the_last_word_of_an_operator_counts(ledger: Ledger) -> None:
    await ledger.work.order_back(NAME, OLD, instead_of=NEW)
    await ledger.work.order(NAME, NEW, foreign=False)
    memory, _ = await ledger.journal.recall(NAME)
    assert (memory.order, memory.back) == (Order(value=NEW), None)


async def test_who_acts_on_it_hears_of_an_order_to_go_back(ledger: Ledger) -> None:
    lease = await claimed(ledger)
    await ledger.work.order_back(NAME, OLD, instead_of=NEW)
    assert await ledger.work.woken(lease)
    await ledger.work.finish(lease, again=soon())


async def test_a_dependent_that_left_the_settings_is_forgotten_and_no_other(ledger: Ledger) -> None:
    lease, week = await claimed(ledger), timedelta(days=7)
    old = replace(STALE, since=NOW - week)
    await ledger.journal.adopted(lease, [old, replace(old, dependent="batch"), replace(STALE, dependent="just seen")])
    assert await ledger.journal.forget_dependents({}, timedelta(days=1)) == 0, "a credential that is not ours is left alone"
    assert await ledger.journal.forget_dependents({NAME: {"batch"}}, timedelta(days=1)) == 1
    memory, _ = await ledger.journal.recall(NAME)
    assert set(memory.adoptions) == {"batch", "just seen"}, "and what another worker saw a moment ago stays"
    assert await ledger.journal.forget_dependents({NAME: {"batch"}}, timedelta(days=1)) == 0


async def test_a_worker_that_still_keeps_a_forgotten_dependent_remembers_it_anew(ledger: Ledger) -> None:
    lease = await claimed(ledger)
    await ledger.journal.adopted(lease, [replace(STALE, since=NOW - timedelta(days=7))])
    await ledger.journal.forget_dependents({NAME: ()}, timedelta(days=1))
    await ledger.journal.adopted(lease, [CLAIMED])
    assert await ledger.journal.forget_dependents({NAME: ()}, timedelta(days=1)) == 0
    memory, _ = await ledger.journal.recall(NAME)
    assert memory.adoptions == {"api": CLAIMED}
