"""Intents before, outcomes after, and what is remembered of each value. Never a value: fingerprints and the hashes that senders use."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from rotator.core.adoption import said
from rotator.core.credential import Slot
from rotator.core.faults import LeaseLost
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.settle import APPLIED, NOT_APPLIED, Intent, last_regenerates
from rotator.core.snapshot import Kept, KeyMemory, Memory, Order
from rotator.core.step import Do, Mint, Publish, Revoke, fingerprint_of, slot_of
from rotator.engine.ports import Lease
from rotator.ledger import rows
from rotator.ledger.audit import say
from rotator.ledger.database import Database
from rotator.ledger.rows import from_ms, to_ms
from rotator.ledger.schema import adoptions, audit, audit_head, incidents, intents, keys, work

OUTCOMES_THAT_HEALED = ("published", APPLIED)
ASKED_AT_ONCE = 500
"""How many values one query names."""


class KeyJournal:
    """Fulfils the engine's `Journal`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recall(self, credential: str) -> tuple[Memory, list[Intent]]:
        """What is remembered of the credential's values, and the intents that have no outcome."""
        hour_ago = to_ms(self._database.now() - timedelta(hours=1))
        mine = intents.c.credential == credential
        healed = and_(mine, intents.c.heals, intents.c.at >= hour_ago, intents.c.outcome.in_(OUTCOMES_THAT_HEALED))
        open_ones = select(intents).where(mine, intents.c.outcome.is_(None)).order_by(intents.c.at)
        regenerates = and_(mine, intents.c.step.in_((Mint.name, Revoke.name)), intents.c.outcome == NOT_APPLIED)
        never_was = select(intents).where(regenerates, intents.c.at >= hour_ago).order_by(intents.c.at)
        async with self._database.connect() as connection:
            known = (await connection.execute(select(keys).where(keys.c.credential == credential))).mappings().all()
            seen = (await connection.execute(select(adoptions).where(adoptions.c.credential == credential))).mappings().all()
            row = (await connection.execute(select(work).where(work.c.credential == credential))).mappings().first()
            heals = (await connection.execute(select(func.count()).select_from(intents).where(healed))).scalar_one()
            unsettled = [rows.intent(one) for one in (await connection.execute(open_ones)).mappings()]
            doubted = [rows.intent(one) for one in (await connection.execute(never_was)).mappings()]
        memory = Memory(
            keys={Fingerprint(one["fingerprint"]): rows.key(one) for one in known},
            adoptions={one["dependent"]: rows.kept(one) for one in seen},
            order=Order(value=row["order_value"], foreign=row["order_foreign"]) if row and row["order_value"] else None,
            back=rows.rollback(row) if row else None,
            heals_last_hour=heals,
            unanswered=last_regenerates(unsettled),
            doubted=last_regenerates(doubted),
        )
        return memory, unsettled

    async def index(self, credential: str, account: str, values: Mapping[Slot, Sealed]) -> None:
        """Know live values by fingerprint and by the hashes that senders of alerts use, so that an alert without a value is matched."""
        async with self._database.begin() as connection:
            for slot, value in values.items():
                hashes = {"sha256": value.sha256(), "hmsl_hash": value.hmsl_hash()}
                row = {"credential": credential, "fingerprint": value.fingerprint, "account": account, "slot": slot.value, **hashes}
                await connection.execute(self._database.upsert(keys).values(**row).on_conflict_do_nothing())

    async def minted(self) -> dict[str, datetime]:
        """When we last minted a key of each account, by its id in lower case."""
        latest = select(func.lower(keys.c.account), func.max(keys.c.minted_at)).where(keys.c.minted_at.is_not(None))
        async with self._database.connect() as connection:
            found = (await connection.execute(latest.group_by(func.lower(keys.c.account)))).all()
        return {account: from_ms(at) for account, at in found}

    async def durations(self, steps_max: int = 2_000) -> dict[str, list[timedelta]]:
        """How long the latest steps took, from the intent to an outcome that was answered; by the step's name."""
        through = select(intents.c.step, intents.c.at, intents.c.outcome_at).where(intents.c.outcome_at.is_not(None))
        async with self._database.connect() as connection:
            rows_ = (await connection.execute(through.order_by(intents.c.at.desc()).limit(steps_max))).all()
        found: dict[str, list[timedelta]] = {}
        for step, at, ended in rows_:
            found.setdefault(step, []).append(timedelta(milliseconds=ended - at))
        return found

    async def intended(self, credential: str, operation: str) -> bool:
        """By the intents; by the audit, which is kept for ever, where they have forgotten it."""
        mine = and_(audit.c.credential == credential, audit.c.event == "intent", audit.c.fields.contains(operation, autoescape=True))
        async with self._database.connect() as connection:
            for query in (select(intents.c.operation).where(intents.c.operation == operation), select(audit.c.seq).where(mine)):
                if (await connection.execute(query.limit(1))).first() is not None:
                    return True
        return False

    async def say_once(self, credential: str, event: str, fields: Mapping[str, str]) -> bool:
        """Into the audit, unless it says so already; whether it is new."""
        same = and_(audit.c.credential == credential, audit.c.event == event, audit.c.fields == rows.written(fields))
        async with self._database.begin() as connection:
            await connection.execute(select(audit_head).with_for_update())
            if (await connection.execute(select(audit.c.seq).where(same).limit(1))).first() is not None:
                return False
            await say(self._database, connection, event, credential, fields)
            return True

    async def intend(self, lease: Lease, operation: str, do: Do) -> None:
        """The intent, before the effect, fenced by the lease's token. Raises LeaseLost where another worker has the row."""
        heals = isinstance(do.step, Publish) and do.step.heals
        row = {
            "operation": operation,
            "credential": lease.credential,
            "step": do.step.name,
            "slot": slot_of(do.step),
            "fingerprint": fingerprint_of(do.step),
            "reason": do.reason.value,
        }
        token = select(work.c.token).where(work.c.credential == lease.credential).with_for_update()
        async with self._database.begin() as connection:
            if (await connection.execute(token)).scalar() != lease.token:
                raise LeaseLost(f"another worker has taken {lease.credential} over")
            at = to_ms(self._database.now())
            await connection.execute(insert(intents).values(**row, because=do.because, heals=heals, at=at))
            said = {name: str(value) for name, value in row.items() if value and name != "credential"}
            fields = {**said, "because": do.because, "worker": lease.owner, **_told(lease)}
            await say(self._database, connection, "intent", lease.credential, fields)

    async def remember(self, lease: Lease, learned: Sequence[KeyMemory]) -> None:
        """What a look showed of values, without any step."""
        async with self._database.begin() as connection:
            for memory in learned:
                await self._remember(connection, lease.credential, memory)

    async def adopted(self, lease: Lease, changed: Sequence[Kept]) -> None:
        """How these dependents are seen to be now. Not fenced: what was seen, was seen."""
        mine = adoptions.c.credential == lease.credential
        async with self._database.begin() as connection:
            known = (await connection.execute(select(adoptions).where(mine).with_for_update())).mappings().all()
            before = {one["dependent"]: rows.kept(one) for one in known}
            for one in changed:
                await self._keep(connection, lease.credential, one)
            for one in changed:
                await say(
                    self._database, connection, "adoption", lease.credential, {**said(one, before.get(one.dependent)), **_told(lease)}
                )

    async def outcome(
        self,
        lease: Lease,
        operation: str,
        result: str,
        *,
        learned: Sequence[KeyMemory] = (),
        handed: Sequence[Kept] = (),
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """The outcome, after the effect, with what is remembered of the values by it. Not fenced: what happened, happened."""
        async with self._database.begin() as connection:
            settled = {"outcome": result, "outcome_at": to_ms(self._database.now())}
            await connection.execute(update(intents).where(intents.c.operation == operation).values(**settled))
            for memory in learned:
                await self._remember(connection, lease.credential, memory)
            for one in handed:
                await self._keep(connection, lease.credential, one)
            fields = {"operation": operation, "result": result, **(detail or {}), **_told(lease)}
            await say(self._database, connection, "outcome", lease.credential, fields)

    async def _keep(self, connection: AsyncConnection, credential: str, one: Kept) -> None:
        facts = rows.of_kept(one)
        statement = self._database.upsert(adoptions).values(credential=credential, **facts)
        same = [adoptions.c.credential, adoptions.c.dependent]
        await connection.execute(statement.on_conflict_do_update(index_elements=same, set_=facts))

    async def _remember(self, connection: AsyncConnection, credential: str, memory: KeyMemory) -> None:
        facts = rows.of_key(memory)
        row = {"credential": credential, "fingerprint": memory.fingerprint, "account": ""}
        statement = self._database.upsert(keys).values(**row, **facts)
        await connection.execute(statement.on_conflict_do_update(index_elements=[keys.c.credential, keys.c.fingerprint], set_=facts))

    async def published(self) -> dict[str, datetime]:
        """When what each credential's readers get was published, whichever worker did it or saw it."""
        query = select(keys.c.credential, func.max(keys.c.published_at)).where(keys.c.published_at.is_not(None)).group_by(keys.c.credential)
        async with self._database.connect() as connection:
            return {name: rows.from_ms(ms) for name, ms in await connection.execute(query)}

    async def known_as(
        self, *, fingerprint: str | None = None, sha256: str | None = None, hmsl_hash: str | None = None, beginning: str | None = None
    ) -> list[tuple[str, Fingerprint]]:
        """The credentials that a value was seen at, told by its fingerprint (or the `beginning` of one) or by a sender's hash; none where
        nothing is asked."""
        columns = [(keys.c.fingerprint, fingerprint), (keys.c.sha256, sha256), (keys.c.hmsl_hash, hmsl_hash)]
        asked = [column == value for column, value in columns if value]
        asked += [keys.c.fingerprint.startswith(beginning, autoescape=True)] if beginning else []
        if not asked:
            return []
        condition = or_(*asked)
        async with self._database.connect() as connection:
            found = await connection.execute(select(keys.c.credential, keys.c.fingerprint).where(condition))
            return [(row.credential, Fingerprint(row.fingerprint)) for row in found]

    async def known_among(self, values: Sequence[Fingerprint]) -> dict[Fingerprint, list[str]]:
        """Each of the values with the credentials that it was seen at: none, mostly. A page of them a query, however many they are."""
        known: dict[Fingerprint, list[str]] = {value: [] for value in values}
        asked = list(known)
        async with self._database.connect() as connection:
            for start in range(0, len(asked), ASKED_AT_ONCE):
                page = keys.c.fingerprint.in_(asked[start : start + ASKED_AT_ONCE])
                for row in await connection.execute(select(keys.c.credential, keys.c.fingerprint).where(page)):
                    known[Fingerprint(row.fingerprint)].append(row.credential)
        return known

    async def prune(self, older_than: timedelta) -> int:
        """Forget settled intents and values proven dead that are older, and no case speaks of. The audit keeps their story. How many."""
        before = to_ms(self._database.now() - older_than)
        spoken_of = select(incidents.c.fingerprint)
        old_intents = delete(intents).where(intents.c.outcome_at < before)
        old_keys = delete(keys).where(keys.c.dead_at < before, keys.c.fingerprint.not_in(spoken_of))
        async with self._database.begin() as connection:
            forgotten = [(await connection.execute(statement)).rowcount for statement in (old_intents, old_keys)]
        return sum(forgotten)

    async def forget_dependents(self, kept: Mapping[str, Collection[str]], older_than: timedelta) -> int:
        """Forget dependents of these credentials that are none of theirs any more, and of which nothing has changed for so long: a worker
        beside us may still have the settings of before. What it writes meanwhile stays, and loses nothing but this memory. How many."""
        before = to_ms(self._database.now() - older_than)
        old = select(adoptions.c.credential, adoptions.c.dependent, adoptions.c.since).where(adoptions.c.since < before)
        async with self._database.connect() as connection:
            found = (await connection.execute(old)).all()
        gone = [row for row in found if row.credential in kept and row.dependent not in kept[row.credential]]
        if not gone:
            return 0
        forgotten = 0
        async with self._database.begin() as connection:
            for row in gone:
                same = and_(
                    adoptions.c.credential == row.credential, adoptions.c.dependent == row.dependent, adoptions.c.since == row.since
                )
                forgotten += (await connection.execute(delete(adoptions).where(same))).rowcount
        return forgotten


def _told(lease: Lease) -> dict[str, Any]:
    return {"rotation": lease.rotation} if lease.rotation else {}
