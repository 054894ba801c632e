"""The inbox of leak alerts: taken, judged, filed and woken in one transaction, and only then is the sender told that it was taken.

Many deliveries are stored by one transaction, a set at a time, so a flood costs few of them. A report whose value has to be fetched or
looked for, and one that is to be closed at its source, is worked on later, under a worker's lock like any other work.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from rotator.core.desk import BenchOf, Desk, decide
from rotator.core.incident import OPERATOR, State
from rotator.core.judge import Rails
from rotator.core.report import Arrival, Clues, KnownKey, Matter, Receipt, Report, Verdict
from rotator.ledger import rows
from rotator.ledger.audit import say
from rotator.ledger.database import Database
from rotator.ledger.locks import Lock
from rotator.ledger.rows import to_ms
from rotator.ledger.schema import deliveries, incidents, keys, reports, work
from rotator.ledger.work import EMERGENCY, WorkTable
from rotator.ledger.work import OPERATOR as ASKED_FOR

CLOSABLE = ("github", "gitguardian")
"""The sources at which an alert can be closed."""
BATCH_MAX = 200


class Inbox:
    """Reports, from the moment they are taken to the moment they are closed at their source."""

    def __init__(self, database: Database, lock: Lock, workshop: WorkTable) -> None:
        self._database = database
        self._lock = lock
        self._work = workshop
        self._heard = asyncio.Event()

    async def take(self, arrivals: Sequence[Arrival], bench_of: BenchOf, *, per_hour_max: int, accounts_max: int) -> list[Receipt]:
        """Store, judge, file and wake. When this returns, a kill of this process loses none of it."""
        async with self._database.begin() as connection:
            new = await self._unseen(connection, arrivals)
            told = [report for arrival, is_new in zip(arrivals, new, strict=True) if is_new for report in arrival.reports]
            desk = await self._desk(connection, told, bench_of, per_hour_max, accounts_max)
            receipts = [
                Receipt(reports=tuple(decide(arrival.reports, desk))) if is_new else Receipt(seen_before=True)
                for arrival, is_new in zip(arrivals, new, strict=True)
            ]
            stored = [report for receipt in receipts for report in receipt.reports]
            if stored:
                now_ms = to_ms(self._database.now())
                await connection.execute(insert(reports), [{**rows.of_report(one), **_next(one, now_ms)} for one in stored])
            await self._carry_out(connection, desk)
        self._work.hear()
        self._heard.set()
        return receipts

    async def judge_again(
        self, report: Report, clues: Clues, bench_of: BenchOf, *, final: str = "", per_hour_max: int, accounts_max: int
    ) -> Report:
        """The same for a report that waited, now that more is known of its value. `final`: what it is if nothing matches even now."""
        asked = replace(report, clues=clues)
        async with self._database.begin() as connection:
            desk = await self._desk(connection, [asked], bench_of, per_hour_max, accounts_max)
            judged, *more = decide([asked], desk)
            if judged.verdict is Verdict.WAITING and final:
                judged = replace(judged, verdict=Verdict.NOT_OURS, because=final)
            now_ms = to_ms(self._database.now())
            values = {**rows.of_report(judged), **_next(judged, now_ms), "owner": None, "attempts": 0}
            await connection.execute(update(reports).where(reports.c.id == report.id).values(**values))
            if more:
                await connection.execute(insert(reports), [{**rows.of_report(one), **_next(one, now_ms)} for one in more])
            await self._carry_out(connection, desk)
        self._work.hear()
        return judged

    # --- inside the transaction -------------------------------------------------------------------------------------------

    async def _unseen(self, connection: AsyncConnection, arrivals: Sequence[Arrival]) -> list[bool]:
        """Which of them were not taken before, by any of their names. All their names are remembered from now on."""
        named = {(one.source, identity[:200]) for one in arrivals for identity in one.identities}
        if not named:
            return [True] * len(arrivals)
        now = to_ms(self._database.now())
        values = [{"source": source, "identity": identity, "at": now} for source, identity in sorted(named)]
        statement = self._database.upsert(deliveries).values(values).on_conflict_do_nothing()
        fresh = {
            (row.source, row.identity) for row in await connection.execute(statement.returning(deliveries.c.source, deliveries.c.identity))
        }
        new: list[bool] = []
        for one in arrivals:
            mine = {(one.source, identity[:200]) for identity in one.identities}
            new.append(mine <= fresh)
            fresh -= mine
        return new

    async def _desk(
        self, connection: AsyncConnection, told: Sequence[Report], bench_of: BenchOf, per_hour_max: int, accounts_max: int
    ) -> Desk:
        bench = bench_of("", Rails(opened_last_hour=0, per_hour_max=0, accounts_per_delivery_max=0), frozenset())
        known = await self._known(connection, told, bench.by_account)
        about = {key.fingerprint for key in known}
        await self._database.alone(connection, about)
        found = await connection.execute(select(incidents).where(incidents.c.fingerprint.in_(about)).with_for_update()) if about else None
        cases = [rows.incident(row) for row in found.mappings()] if found is not None else []
        hour_ago = to_ms(self._database.now() - timedelta(hours=1))
        by_itself = and_(
            incidents.c.reported_at >= hour_ago, incidents.c.source.not_like(f"{OPERATOR}%"), incidents.c.state != State.HELD.value
        )
        opened = (await connection.execute(select(func.count()).select_from(incidents).where(by_itself))).scalar_one()
        return Desk(
            bench_of=bench_of,
            per_hour_max=per_hour_max,
            accounts_max=accounts_max,
            opened=opened,
            known=known,
            cases={(case.credential, case.fingerprint): case for case in cases},
        )

    async def _known(self, connection: AsyncConnection, told: Sequence[Report], by_account: Mapping[str, str]) -> list[KnownKey]:
        clues = [report.clues for report in told if report.matter is Matter.LEAK]
        names = {by_account.get(report.account.lower(), "") for report in told if report.matter is Matter.SUSPICION} - {""}
        asked: list[tuple[Any, set[Any]]] = [
            (keys.c.fingerprint, {value for one in clues for value in one.fingerprints}),
            (keys.c.sha256, {value for one in clues for value in one.sha256}),
            (keys.c.hmsl_hash, {value for one in clues for value in one.hmsl_hash}),
            (keys.c.credential, names),
        ]
        wanted = [column.in_(values) for column, values in asked if values]
        if not wanted:
            return []
        return [rows.known_key(row) for row in (await connection.execute(select(keys).where(or_(*wanted)))).mappings()]

    async def _carry_out(self, connection: AsyncConnection, desk: Desk) -> None:
        """The cases, the wakes and the orders that were decided; then the audit, which comes last."""
        for credential in sorted(desk.woken | desk.urgent):
            await self._work.wake_in(connection, credential, EMERGENCY if credential in desk.urgent else ASKED_FOR)
        for credential, value in sorted(desk.orders.items()):
            ordered = {"order_value": value, "order_foreign": False}
            await connection.execute(update(work).where(work.c.credential == credential).values(**ordered))
        for case in desk.filed.values():
            values = rows.of_incident(case)
            statement = self._database.upsert(incidents).values(**values)
            await connection.execute(statement.on_conflict_do_update(index_elements=[incidents.c.id], set_=values))
        for case in desk.filed.values():
            fields = {"incident": case.id, "mode": case.mode, "state": case.state, "source": case.source, "note": case.note}
            about = {"fingerprint": case.fingerprint, "deadline": case.deadline.isoformat(), "because": case.held_because}
            await say(self._database, connection, "incident.filed", case.credential, fields | about)
        for credential, value in sorted(desk.orders.items()):
            await say(self._database, connection, "ordered", credential, {"replace": value, "foreign": "False"})

    # --- later work -------------------------------------------------------------------------------------------------------

    async def wait(self, longest: timedelta) -> None:
        """Until something is taken in this process, but no longer than `longest`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest.total_seconds()):
                await self._heard.wait()
        self._heard.clear()

    async def claim_due(self, limit: int) -> list[Report]:
        """Reports that are to be judged again or closed at their source, and are ours to do."""
        due = and_(reports.c.owner.is_(None), reports.c.due_at <= self._database.now_ms())
        first = select(reports.c.id).where(due).order_by(reports.c.due_at).limit(limit).with_for_update(skip_locked=True)
        taken = {"owner": self._lock.owner, "attempts": reports.c.attempts + 1}
        async with self._database.begin() as connection:
            found = await connection.execute(update(reports).where(reports.c.id.in_(first)).values(**taken).returning(reports))
            return [rows.report(row) for row in found.mappings()]

    async def give_back(self, report: Report, *, after: timedelta, told: str) -> None:
        """Not now: again after a while, and why."""
        due = self._database.now_ms() + after // timedelta(milliseconds=1)
        values = {"owner": None, "due_at": due, "closing_told" if report.verdict is not Verdict.WAITING else "because": told}
        async with self._database.begin() as connection:
            await connection.execute(update(reports).where(reports.c.id == report.id).values(**values))

    async def attempts(self, report: Report) -> int:
        async with self._database.connect() as connection:
            return (await connection.execute(select(reports.c.attempts).where(reports.c.id == report.id))).scalar() or 0

    async def make_closable(self) -> int:
        """Reports whose value is dead now, and that can be closed at their source: due for that. How many."""
        done = select(incidents.c.id).where(incidents.c.state.in_([State.DEAD.value, State.CLOSED.value]))
        waiting = and_(reports.c.closing == "", reports.c.source.in_(CLOSABLE), reports.c.incident.in_(done))
        async with self._database.begin() as connection:
            found = await connection.execute(
                update(reports).where(waiting).values(closing="due", due_at=self._database.now_ms(), attempts=0)
            )
        return found.rowcount

    async def closed(self, report: Report, how: str, told: str) -> None:
        """Closed at its source by us (`done`), or found closed in another way (`otherwise`), or given up (`failed`)."""
        values = {"owner": None, "due_at": None, "closing": how, "closing_told": told, "closed_at": to_ms(self._database.now())}
        async with self._database.begin() as connection:
            await connection.execute(update(reports).where(reports.c.id == report.id).values(**values))
            fields = {
                "report": report.id,
                "incident": report.incident,
                "source": report.source,
                "at": report.source_id,
                "how": how,
                "told": told,
            }
            await say(self._database, connection, "report.closed", report.credential, fields)

    async def known(self, source: str, source_ids: Sequence[str]) -> dict[str, str]:
        """Which of a source's alerts were reported before, each with how its closing stands."""
        named = and_(reports.c.source == source, reports.c.source_id.in_(source_ids))
        async with self._database.connect() as connection:
            found = await connection.execute(select(reports.c.source_id, reports.c.closing).where(named).order_by(reports.c.reported_at))
            return {row.source_id: row.closing for row in found}

    async def reap(self) -> None:
        """Give back what workers that are dead had in hand."""
        async with self._database.connect() as connection:
            owners = select(reports.c.owner).where(reports.c.owner.is_not(None)).distinct()
            found = [row.owner for row in await connection.execute(owners)]
            dead = [owner for owner in found if not await self._lock.is_alive(owner, connection)]
        if dead:
            async with self._database.begin() as connection:
                await connection.execute(update(reports).where(reports.c.owner.in_(dead)).values(owner=None))

    async def prune(self, older_than: timedelta) -> int:
        """Forget which deliveries were seen longer ago than any sender sends one again."""
        before = to_ms(self._database.now() - older_than)
        async with self._database.begin() as connection:
            return (await connection.execute(delete(deliveries).where(deliveries.c.at < before))).rowcount

    async def about(self, incident: str) -> list[tuple[Report, str, str]]:
        """Every report that a case stands on, the first one first; with how it was closed at its source, and what that said."""
        query = select(reports).where(reports.c.incident == incident).order_by(reports.c.reported_at, reports.c.id)
        async with self._database.connect() as connection:
            found = (await connection.execute(query)).mappings().all()
        return [(rows.report(row), row["closing"], row["closing_told"]) for row in found]


def _next(report: Report, now_ms: int) -> dict[str, Any]:
    """When it is worked on next: one that waits, at once; one about a dead value is closed at its source, at once."""
    closable = report.verdict is Verdict.ALREADY_DEAD and report.source in CLOSABLE
    return {"due_at": now_ms if report.verdict is Verdict.WAITING or closable else None, "closing": "due" if closable else ""}
