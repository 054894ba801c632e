"""The audit chain in its table: said in the same transaction as what it is about, walked from its first event.

On PostgreSQL the head's row is locked while an event is added, so the chain has one order; `say` comes last in a transaction, so that
nobody waits for a row while holding the head.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from sqlalchemy import and_, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from rotator.core.audit import GENESIS, AuditEvent, ChainWalk, Verdict, seal_event
from rotator.ledger import rows
from rotator.ledger.database import Database
from rotator.ledger.schema import audit, audit_head

AUDIT_PAGE = 1_000


async def say(database: Database, connection: AsyncConnection, event: str, credential: str, fields: Mapping[str, str]) -> AuditEvent:
    """Add one event to the chain, in the transaction of `connection`."""
    last = (await connection.execute(select(audit_head).with_for_update())).mappings().first()
    now = database.now()
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
    statement = database.upsert(audit_head).values(id=1, **tip)
    await connection.execute(statement.on_conflict_do_update(index_elements=[audit_head.c.id], set_=tip))
    return sealed


class AuditChain:
    """What the command line asks of the evidence."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(self, credential: str | None = None, *, after: int = 0) -> AsyncIterator[AuditEvent]:
        """The chain from its first event (or the one `after`), read in pages."""
        while True:
            query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(AUDIT_PAGE)
            query = query if credential is None else query.where(audit.c.credential == credential)
            async with self._database.connect() as connection:
                page = (await connection.execute(query)).mappings().all()
            for row in page:
                yield rows.event(row)
            if len(page) < AUDIT_PAGE:
                return
            after = page[-1]["seq"]

    async def verify(self, *, head: str | None = None) -> Verdict:
        """Walk the whole chain, and hold its end against the head that is noted beside it (and against `head`, noted elsewhere).

        Workers may add to it meanwhile: what was noted before the walk has to be in it, and it ends no later than what is noted after it.
        """
        count, noted = await self._noted()
        walk, there = ChainWalk(head=head), GENESIS
        async for event in self.events():
            walk.add(event)
            if walk.broken:
                return walk.verdict()
            there = event.hash if event.seq == count else there
        latest, _ = await self._noted()
        verdict = walk.verdict()
        if verdict.broken:
            return verdict
        if not count <= verdict.events <= latest:
            return replace(verdict, broken=f"{latest} events were noted, {verdict.events} are here")
        if there != noted:
            return replace(verdict, broken=f"the head noted is {noted}, event {count} of the chain is {there}")
        return verdict

    async def _noted(self) -> tuple[int, str]:
        async with self._database.connect() as connection:
            noted = (await connection.execute(select(audit_head))).mappings().first()
        return (noted["events"], noted["head"]) if noted else (0, GENESIS)

    async def latest(self, event: str, saying: str) -> AuditEvent | None:
        """The last event of this kind about no credential whose fields hold this word."""
        same = and_(audit.c.credential == "", audit.c.event == event, audit.c.fields.contains(saying, autoescape=True))
        async with self._database.connect() as connection:
            found = (await connection.execute(select(audit).where(same).order_by(audit.c.seq.desc()).limit(1))).mappings().first()
        return rows.event(found) if found else None

    async def height(self) -> int:
        """How many events the chain has."""
        return (await self._noted())[0]

    async def record(self, event: str, credential: str, fields: Mapping[str, str]) -> None:
        """One event that is not part of any other change: a person's act, a fact to be anchored."""
        async with self._database.begin() as connection:
            await say(self._database, connection, event, credential, fields)

    async def record_once(self, event: str, credential: str, fields: Mapping[str, str]) -> tuple[AuditEvent, bool]:
        """The same, unless the chain says exactly this already: the event, and whether it is new."""
        written = rows.written({name: str(value) for name, value in fields.items()})
        same = and_(audit.c.credential == credential, audit.c.event == event, audit.c.fields == written)
        async with self._database.begin() as connection:
            await connection.execute(select(audit_head).with_for_update())
            found = (await connection.execute(select(audit).where(same).order_by(audit.c.seq).limit(1))).mappings().first()
            if found is not None:
                return rows.event(found), False
            return await say(self._database, connection, event, credential, fields), True
