"""The ledger's verbs: work, cases, journal and audit over one set of tables. Every statement of SQL stands in this room.

Each method is one transaction. What is told to the outside (an intent, an outcome, a case) goes into the audit chain in the same
transaction.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rotator.core.audit import GENESIS, AuditEvent, Verdict, seal_event, verify
from rotator.core.credential import Slot
from rotator.core.faults import LeaseLost
from rotator.core.incident import UNFINISHED, Incident, State, escalate, move
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.settle import APPLIED, Intent
from rotator.core.snapshot import KeyMemory, Memory, Order
from rotator.core.step import Do, Publish, fingerprint_of, slot_of
from rotator.engine.ports import HeldBy, Lease
from rotator.ledger import rows
from rotator.ledger.rows import to_ms
from rotator.ledger.schema import audit, audit_head, incidents, intents, keys, work
from rotator.ledger.workers import Workers

EMERGENCY = 100
"""The priority of work that an incident woke: before any cadence."""

OUTCOMES_THAT_HEALED = ("published", APPLIED)
AUDIT_PAGE = 1_000


class Ledger:
    """Fulfils the engine's `Work`, `Cases` and `Journal`; and what the command line asks of the audit."""

    def __init__(self, engine: AsyncEngine, workers: Workers, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._workers = workers
        self._path = path
        self._inode = path.stat().st_ino
        self._now = now

    # --- work -------------------------------------------------------------------------------------------------------------

    async def wake(self, credential: str, *, priority: int = 0) -> None:
        """Due now: a hundred triggers are one row, and none is dropped (its generation moves on)."""
        async with self._engine.begin() as connection:
            await self._wake(connection, credential, priority)

    async def order(self, credential: str, value: str, *, foreign: bool) -> None:
        """An operator's word: replace `value` (a fingerprint, or the version of a foreign value). It is over when that value is."""
        async with self._engine.begin() as connection:
            await self._wake(connection, credential, 0)
            ordered = {"order_value": value, "order_foreign": foreign}
            await connection.execute(update(work).where(work.c.credential == credential).values(**ordered))
            await self._say(connection, "ordered", credential, {"replace": value, "foreign": str(foreign)})

    async def _wake(self, connection: AsyncConnection, credential: str, priority: int) -> None:
        now = to_ms(self._now())
        fresh = upsert(work).values(credential=credential, due_at=now, priority=priority)
        moved: dict[str, Any] = {
            "due_at": func.min(work.c.due_at, now),
            "priority": func.max(work.c.priority, priority),
            "generation": work.c.generation + 1,
        }
        await connection.execute(fresh.on_conflict_do_update(index_elements=[work.c.credential], set_=moved))

    async def claim(self, credential: str) -> Lease | HeldBy:
        """The right to act, or who has it. A row whose owner's lock is gone is taken over."""
        token = uuid.uuid4().hex
        async with self._engine.begin() as connection:
            found = (await connection.execute(select(work.c.owner).where(work.c.credential == credential))).first()
            if found is None:
                await self._wake(connection, credential, 0)
            elif found.owner is not None and self._workers.is_alive(found.owner):
                return HeldBy(owner=found.owner)
            mine = {"owner": self._workers.me, "token": token, "claimed_generation": work.c.generation}
            await connection.execute(update(work).where(work.c.credential == credential).values(**mine))
        return Lease(credential=credential, owner=self._workers.me, token=token)

    async def hold(self, lease: Lease) -> None:
        """Raises LeaseLost where the row carries another token, or the ledger's file is not the one that was opened."""
        if not self._is_the_same_file():
            raise LeaseLost(f"{self._path} was removed or replaced while this run was using it")
        async with self._engine.connect() as connection:
            held = (await connection.execute(select(work.c.token).where(work.c.credential == lease.credential))).scalar()
        if held != lease.token:
            raise LeaseLost(f"another worker has taken {lease.credential} over")

    async def woken(self, lease: Lease) -> bool:
        """Whether a trigger came since the claim, or since this was last asked; it is then taken note of."""
        moved = and_(_is_held(lease), work.c.generation != work.c.claimed_generation)
        async with self._engine.begin() as connection:
            found = await connection.execute(update(work).where(moved).values(claimed_generation=work.c.generation))
        return bool(found.rowcount)

    async def finish(self, lease: Lease, *, again: datetime) -> None:
        """Give the credential back, due at `again`, or at once if it was woken meanwhile. A stale token finishes nothing."""
        async with self._engine.begin() as connection:
            woken = work.c.generation != work.c.claimed_generation
            row = (await connection.execute(select(woken.label("woken")).where(_is_held(lease)))).first()
            if row is None:
                return
            due = to_ms(self._now()) if row.woken else to_ms(again)
            freed = {"owner": None, "token": None, "due_at": due, **({} if row.woken else {"priority": 0})}
            await connection.execute(update(work).where(_is_held(lease)).values(**freed))

    def _is_the_same_file(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    # --- cases ------------------------------------------------------------------------------------------------------------

    async def file(self, incident: Incident) -> Incident:
        """Store the case and wake its credential in one transaction; or the case about this value that is there already, made stricter."""
        async with self._engine.begin() as connection:
            same = and_(incidents.c.fingerprint == incident.fingerprint, incidents.c.credential == incident.credential)
            found = (await connection.execute(select(incidents).where(same))).mappings().first()
            case = incident if found is None else _reported_again(rows.incident(found), incident)
            if found is None:
                await connection.execute(insert(incidents).values(**rows.of_incident(case)))
            else:
                await self._save(connection, case)
            said = {
                "incident": case.id,
                "mode": case.mode,
                "source": incident.source,
                "note": incident.note,
                "again": str(found is not None),
            }
            fields = {**said, "fingerprint": case.fingerprint, "deadline": case.deadline.isoformat()}
            await self._say(connection, "incident.filed", case.credential, fields)
            await self._wake(connection, case.credential, EMERGENCY)
        return case

    async def of(self, credential: str) -> list[Incident]:
        """Every case of the credential, the oldest first."""
        query = select(incidents).where(incidents.c.credential == credential).order_by(incidents.c.reported_at)
        async with self._engine.connect() as connection:
            return [rows.incident(row) for row in (await connection.execute(query)).mappings()]

    async def save(self, incident: Incident, *, because: str) -> None:
        """The case's new state, and why, in the audit."""
        async with self._engine.begin() as connection:
            await self._save(connection, incident)
            fields = {"incident": incident.id, "fingerprint": incident.fingerprint, "state": incident.state, "because": because}
            await self._say(connection, "incident.moved", incident.credential, fields)

    async def _save(self, connection: AsyncConnection, incident: Incident) -> None:
        await connection.execute(update(incidents).where(incidents.c.id == incident.id).values(**rows.of_incident(incident)))

    # --- journal ----------------------------------------------------------------------------------------------------------

    async def recall(self, credential: str) -> tuple[Memory, list[Intent]]:
        """What is remembered of the credential's values, and the intents that have no outcome."""
        hour_ago = to_ms(self._now() - timedelta(hours=1))
        mine = intents.c.credential == credential
        healed = and_(mine, intents.c.heals, intents.c.at >= hour_ago, intents.c.outcome.in_(OUTCOMES_THAT_HEALED))
        async with self._engine.connect() as connection:
            known = (await connection.execute(select(keys).where(keys.c.credential == credential))).mappings().all()
            row = (await connection.execute(select(work).where(work.c.credential == credential))).mappings().first()
            heals = (await connection.execute(select(func.count()).select_from(intents).where(healed))).scalar_one()
            unsettled = (
                (await connection.execute(select(intents).where(mine, intents.c.outcome.is_(None)).order_by(intents.c.at))).mappings().all()
            )
        order = Order(value=row["order_value"], foreign=row["order_foreign"]) if row and row["order_value"] else None
        memory = Memory(keys={Fingerprint(one["fingerprint"]): rows.key(one) for one in known}, order=order, heals_last_hour=heals)
        return memory, [rows.intent(one) for one in unsettled]

    async def index(self, credential: str, account: str, values: Mapping[Slot, Sealed]) -> None:
        """Know live values by fingerprint and by the hashes that senders of alerts use, so that an alert without a value is matched."""
        async with self._engine.begin() as connection:
            for slot, value in values.items():
                hashes = {"sha256": value.sha256(), "hmsl_hash": value.hmsl_hash()}
                row = {"credential": credential, "fingerprint": value.fingerprint, "account": account, "slot": slot.value, **hashes}
                await connection.execute(upsert(keys).values(**row).on_conflict_do_nothing())

    async def intend(self, lease: Lease, operation: str, do: Do) -> None:
        """The intent, before the effect."""
        heals = isinstance(do.step, Publish) and do.step.heals
        row = {
            "operation": operation,
            "credential": lease.credential,
            "step": do.step.name,
            "slot": slot_of(do.step),
            "fingerprint": fingerprint_of(do.step),
            "reason": do.reason.value,
        }
        async with self._engine.begin() as connection:
            await connection.execute(insert(intents).values(**row, because=do.because, heals=heals, at=to_ms(self._now())))
            said = {name: str(value) for name, value in row.items() if value and name != "credential"}
            await self._say(connection, "intent", lease.credential, {**said, "because": do.because, "worker": lease.owner})

    async def remember(self, lease: Lease, learned: Sequence[KeyMemory]) -> None:
        """What a look showed of values, without any step."""
        async with self._engine.begin() as connection:
            for memory in learned:
                await self._remember(connection, lease.credential, memory)

    async def outcome(
        self, lease: Lease, operation: str, result: str, *, learned: Sequence[KeyMemory] = (), detail: Mapping[str, str] | None = None
    ) -> None:
        """The outcome, after the effect, with what is remembered of the values by it."""
        async with self._engine.begin() as connection:
            settled = {"outcome": result, "outcome_at": to_ms(self._now())}
            await connection.execute(update(intents).where(intents.c.operation == operation).values(**settled))
            for memory in learned:
                await self._remember(connection, lease.credential, memory)
            await self._say(connection, "outcome", lease.credential, {"operation": operation, "result": result, **(detail or {})})

    async def _remember(self, connection: AsyncConnection, credential: str, memory: KeyMemory) -> None:
        facts = rows.of_key(memory)
        row = {"credential": credential, "fingerprint": memory.fingerprint, "account": ""}
        statement = upsert(keys).values(**row, **facts)
        await connection.execute(statement.on_conflict_do_update(index_elements=[keys.c.credential, keys.c.fingerprint], set_=facts))

    # --- what the command line asks ---------------------------------------------------------------------------------------

    async def known_as(
        self, *, fingerprint: str | None = None, sha256: str | None = None, hmsl_hash: str | None = None
    ) -> list[tuple[str, Fingerprint]]:
        """The credentials that a value was seen at, told by its fingerprint or by a sender's hash."""
        asked = [(keys.c.fingerprint, fingerprint), (keys.c.sha256, sha256), (keys.c.hmsl_hash, hmsl_hash)]
        condition = or_(*(column == value for column, value in asked if value))
        async with self._engine.connect() as connection:
            found = await connection.execute(select(keys.c.credential, keys.c.fingerprint).where(condition))
            return [(row.credential, Fingerprint(row.fingerprint)) for row in found]

    async def audit_events(self, credential: str | None = None) -> AsyncIterator[AuditEvent]:
        """The chain from its first event, read in pages."""
        after = 0
        while True:
            query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(AUDIT_PAGE)
            query = query if credential is None else query.where(audit.c.credential == credential)
            async with self._engine.connect() as connection:
                page = (await connection.execute(query)).mappings().all()
            for row in page:
                yield rows.event(row)
            if len(page) < AUDIT_PAGE:
                return
            after = page[-1]["seq"]

    async def verify_audit(self, *, head: str | None = None) -> Verdict:
        """Walk the whole chain, and hold its end against the head that is noted beside it (and against `head`, noted elsewhere)."""
        events = [event async for event in self.audit_events()]
        async with self._engine.connect() as connection:
            noted = (await connection.execute(select(audit_head))).mappings().first()
        verdict = verify(events, count=noted["events"] if noted else 0, head=noted["head"] if noted else GENESIS)
        return verdict if verdict.broken or head is None else verify(events, head=head)

    # --- audit ------------------------------------------------------------------------------------------------------------

    async def _say(self, connection: AsyncConnection, event: str, credential: str, fields: Mapping[str, str]) -> None:
        last = (await connection.execute(select(audit_head))).mappings().first()
        now = self._now()
        sealed = seal_event(
            seq=(last["events"] if last else 0) + 1,
            at=now.replace(microsecond=now.microsecond // 1000 * 1000),
            event=event,
            credential=credential,
            fields={name: str(value) for name, value in fields.items()},
            previous=last["head"] if last else GENESIS,
        )
        await connection.execute(insert(audit).values(**rows.of_event(sealed)))
        tip = {"events": sealed.seq, "head": sealed.hash}
        await connection.execute(upsert(audit_head).values(id=1, **tip).on_conflict_do_update(index_elements=[audit_head.c.id], set_=tip))


def _is_held(lease: Lease) -> Any:
    return and_(work.c.credential == lease.credential, work.c.token == lease.token)


def _reported_again(known: Incident, reported: Incident) -> Incident:
    """A case about this value is there: made stricter if the new word is; opened again if the value is seen alive after all (by a look)."""
    return escalate(known, reported.mode) if known.state in UNFINISHED else escalate(_reopened(known, reported), reported.mode)


def _reopened(known: Incident, reported: Incident) -> Incident:
    opened = move(known, State.OPEN, reported.reported_at)
    return replace(opened, reported_at=reported.reported_at, deadline=reported.deadline, source=reported.source, note=reported.note)
