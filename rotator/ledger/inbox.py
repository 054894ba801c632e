"""The inbox of leak alerts: taken, judged, filed and woken in one transaction, and only then is the sender told that it was taken.

Many deliveries are stored by one transaction, a set at a time, so a flood costs few of them. A report whose value has to be fetched or
looked for, and one that is to be closed at its source (`closings.py`), is worked on later, under a worker's lock like any other work.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, and_, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from rotator.core.desk import BenchOf, Desk, decide
from rotator.core.report import Arrival, Clues, Matter, Receipt, Report, Told, Verdict
from rotator.ledger import rows
from rotator.ledger.audit import say
from rotator.ledger.closings import CLOSABLE
from rotator.ledger.database import Database
from rotator.ledger.desk import chunks, desk_of
from rotator.ledger.locks import Lock
from rotator.ledger.rows import from_ms, to_ms
from rotator.ledger.schema import deliveries, incidents, reports, work
from rotator.ledger.work import EMERGENCY, WorkTable
from rotator.ledger.work import OPERATOR as ASKED_FOR

BATCH_MAX = 200
HEARD_WITHIN = timedelta(minutes=1)
"""What is given back for no longer is heard of when its time has come, and not at the next poll after it."""
FAILED_AGAIN = timedelta(seconds=10)
IDENTITY_LENGTH_MAX = 200
AT_ONCE_MS = 1_000
"""What is due at once is so by a clock that is a moment behind, too."""
JUDGING = "judging"
"""Who judges is alone: two workers that did at once could open a case twice, and twice as many as the rails allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A report in hand that is to be judged again, by these clues. If nothing matches even now: `final` says why it waits no longer, and
    what it is then; or it is given back, to be asked about `again` in a while, for the reason that is told."""

    report: Report
    clues: Clues
    final: str = ""
    verdict: Verdict = Verdict.NOT_OURS
    again: timedelta | None = None
    told: str = ""

    def ended(self, judged: list[Report]) -> list[Report]:
        first, *more = judged
        if first.waits and self.final:
            return [replace(first, verdict=self.verdict, because=self.final)]
        return [replace(first, because=self.told or first.because), *more] if first.waits else judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the closing of an alert stands, and since when."""

    closing: str
    closed_at: datetime | None


class Inbox:
    """Reports, from the moment they are taken to the moment they are closed at their source."""

    def __init__(self, database: Database, lock: Lock, workshop: WorkTable) -> None:
        self._database = database
        self._lock = lock
        self._work = workshop
        self._heard = asyncio.Event()
        workshop.listeners.append(self.hear)  # a run that ends may have proven a value dead, whose alert is to be closed

    async def take(self, arrivals: Sequence[Arrival], bench_of: BenchOf, *, per_hour_max: int, accounts_max: int) -> list[Receipt]:
        """Store, judge, file and wake. When this returns, a kill of this process loses none of it."""
        async with self._database.begin() as connection:
            await self._database.alone(connection, [JUDGING])
            news = await self._news(connection, arrivals)
            told = [report for some in news for report in some or ()]
            desk = await desk_of(self._database, connection, told, bench_of, per_hour_max=per_hour_max, accounts_max=accounts_max)
            receipts = [Receipt(seen_before=True) if some is None else Receipt(reports=tuple(decide(some, desk))) for some in news]
            now_ms = to_ms(self._database.now())
            stored = [{**rows.of_report(report), **_next(report, now_ms)} for receipt in receipts for report in receipt.reports]
            if stored:
                await connection.execute(insert(reports), stored)
            await self._carry_out(connection, desk)
        if desk.woken or desk.urgent:
            self._work.hear()
        if any(row["due_at"] is not None for row in stored):
            self._heard.set()
        return receipts

    async def judge_again(self, asked: Sequence[Asked], bench_of: BenchOf, *, per_hour_max: int, accounts_max: int) -> list[Report]:
        """The same for reports that waited, now that more is known of their values. One that another worker has in hand by now is left to
        that one."""
        by_id = {one.report.id: replace(one.report, clues=one.clues) for one in asked}
        judged: dict[str, list[Report]] = {}
        async with self._database.begin() as connection:
            await self._database.alone(connection, [JUDGING])
            ours = and_(reports.c.id.in_(list(by_id)), reports.c.owner == self._lock.owner)
            mine = set((await connection.execute(select(reports.c.id).where(ours))).scalars())
            told = [report for report in by_id.values() if report.id in mine]
            desk = await desk_of(self._database, connection, told, bench_of, per_hour_max=per_hour_max, accounts_max=accounts_max)
            changed: list[dict[str, Any]] = []
            more: list[dict[str, Any]] = []
            now_ms = to_ms(self._database.now())
            for one in (one for one in asked if one.report.id in mine):
                first, *others = judged[one.report.id] = one.ended(decide([by_id[one.report.id]], desk))
                changed.append({"b_id": first.id, **rows.of_report(first), **_next(first, now_ms), **self._left(one, first, now_ms)})
                more += [{**rows.of_report(other), **_next(other, now_ms)} for other in others]
            if changed:
                await connection.execute(_settling(changed[0]), changed)
            if more:
                await connection.execute(insert(reports), more)
            await self._carry_out(connection, desk)
        if desk.woken or desk.urgent:
            self._work.hear()
        for one in asked:
            if one.again is not None:
                self._hear_after(one.again)
        return [judged[one.report.id][0] if one.report.id in judged else one.report for one in asked]

    def _left(self, one: Asked, judged: Report, now_ms: int) -> dict[str, Any]:
        """In whose hands it is then: still ours, if it waits and was not to be given back."""
        if not judged.waits:
            return {"owner": None, "tries": 0}
        if one.again is None:
            return {"owner": self._lock.owner, "tries": 1}
        return {"owner": None, "tries": 1, "due_at": now_ms + one.again // timedelta(milliseconds=1)}

    # --- inside the transaction -------------------------------------------------------------------------------------------

    async def _news(self, connection: AsyncConnection, arrivals: Sequence[Arrival]) -> list[tuple[Report, ...] | None]:
        """What each of them tells that was not taken before; None for a delivery that was, by any of its names. All are remembered now."""
        named = {name for one in arrivals for name in (*_names(one), *map(_event, one.reports if one.by_event else ()))}
        fresh = await self._remember(connection, sorted(named))
        news: list[tuple[Report, ...] | None] = []
        for one in arrivals:
            mine = set(_names(one))
            new = mine <= fresh
            fresh -= mine
            some = [report for report in one.reports if not one.by_event or _event(report) in fresh] if new else []
            fresh -= {_event(report) for report in some}
            news.append(tuple(some) if new and (some or not one.reports) else None)
        return news

    async def _remember(self, connection: AsyncConnection, named: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of the names were not known."""
        now, fresh = to_ms(self._database.now()), set[tuple[str, str]]()
        for some in chunks(named):
            values = [{"source": source, "identity": identity, "at": now} for source, identity in some]
            statement = self._database.upsert(deliveries).values(values).on_conflict_do_nothing()
            found = await connection.execute(statement.returning(deliveries.c.source, deliveries.c.identity))
            fresh |= {(row.source, row.identity) for row in found}
        return fresh

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

    def hear(self) -> None:
        """There may be something to do."""
        self._heard.set()

    async def wait(self, longest: timedelta) -> None:
        """Until something is heard of in this process, but no longer than `longest`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest.total_seconds()):
                await self._heard.wait()
        self._heard.clear()

    async def claim_due(self, each: int, *, in_hand: Mapping[str, int] | None = None) -> list[Report]:
        """Reports that are to be judged again or closed at their source, and are ours to do: at most `each` of one source, less what of it
        is in hand, so that a loud one keeps no other waiting."""
        due = and_(reports.c.owner.is_(None), reports.c.due_at <= self._database.now_ms())
        async with self._database.connect() as connection:
            sources = (await connection.execute(select(reports.c.source).where(due).distinct())).scalars().all()
        room = {source: each - (in_hand or {}).get(source, 0) for source in sorted(sources)}
        claimed: list[Report] = []
        if not any(left > 0 for left in room.values()):
            return claimed
        async with self._database.begin() as connection:
            for source, left in room.items():
                oldest = select(reports.c.id).where(due, reports.c.source == source).order_by(reports.c.due_at).limit(max(left, 0))
                mine = reports.c.id.in_(oldest.with_for_update(skip_locked=True))
                taken = {"owner": self._lock.owner, "attempts": reports.c.attempts + 1}
                found = await connection.execute(update(reports).where(mine).values(**taken).returning(reports))
                claimed += [rows.report(row) for row in found.mappings()]
        return claimed

    async def let_go(self, some: Sequence[str]) -> None:
        """Give back what we had in hand and failed at: to be tried again by whoever comes next, in a while."""
        due = self._database.now_ms() + FAILED_AGAIN // timedelta(milliseconds=1)
        mine = and_(reports.c.id.in_(some), reports.c.owner == self._lock.owner)
        async with self._database.begin() as connection:
            await connection.execute(update(reports).where(mine).values(owner=None, due_at=due))

    async def give_back(self, report: Report, *, after: timedelta, told: str) -> None:
        """Not now: again after a while, and why."""
        due = self._database.now_ms() + after // timedelta(milliseconds=1)
        values = {"owner": None, "due_at": due, "closing_told" if report.verdict is not Verdict.WAITING else "because": told}
        async with self._database.begin() as connection:
            await connection.execute(update(reports).where(self._in_hand(report)).values(**values))
        self._hear_after(after)

    async def try_again(self) -> int:
        """What waits to be fetched or looked for is due at once, as if it had never been tried: a person may have mended what stood in
        the way. How many."""
        now = self._database.now_ms()
        waits = and_(reports.c.verdict == Verdict.WAITING.value, reports.c.matter == Matter.LEAK.value, reports.c.owner.is_(None))
        async with self._database.begin() as connection:
            found = await connection.execute(update(reports).where(waits, reports.c.due_at > now).values(due_at=now, attempts=0))
        return found.rowcount

    def _hear_after(self, length: timedelta) -> None:
        if length < HEARD_WITHIN:
            asyncio.get_running_loop().call_later(length.total_seconds(), self.hear)

    def _in_hand(self, report: Report) -> ColumnElement[bool]:
        return and_(reports.c.id == report.id, reports.c.owner == self._lock.owner)

    async def attempts(self, report: Report) -> int:
        async with self._database.connect() as connection:
            return (await connection.execute(select(reports.c.attempts).where(reports.c.id == report.id))).scalar() or 0

    async def known(self, source: str, source_ids: Sequence[str]) -> dict[str, Standing]:
        """Which of a source's alerts were reported before, each with how the closing of its last report stands."""
        found: dict[str, Standing] = {}
        async with self._database.connect() as connection:
            for some in chunks(source_ids):
                named = and_(reports.c.source == source, reports.c.source_id.in_(some), reports.c.matter == Matter.LEAK.value)
                query = select(reports.c.source_id, reports.c.closing, reports.c.closed_at).where(named).order_by(reports.c.reported_at)
                for row in await connection.execute(query):
                    found[row.source_id] = Standing(closing=row.closing, closed_at=from_ms(row.closed_at) if row.closed_at else None)
        return found

    async def reap(self) -> None:
        """Give back what workers that are dead had in hand."""
        async with self._database.connect() as connection:
            owners = select(reports.c.owner).where(reports.c.owner.is_not(None)).distinct()
            found = [row.owner for row in await connection.execute(owners)]
            dead = [owner for owner in found if not await self._lock.is_alive(owner, connection)]
        if dead:
            async with self._database.begin() as connection:
                await connection.execute(update(reports).where(reports.c.owner.in_(dead)).values(owner=None))

    async def prune(self, older_than: timedelta, *, history: timedelta | None = None) -> int:
        """Forget which deliveries were seen longer ago than any sender sends one again; and the reports of which nothing came that are
        older than `history`. Those that a case stands on are kept."""
        before = to_ms(self._database.now() - older_than)
        async with self._database.begin() as connection:
            forgotten = (await connection.execute(delete(deliveries).where(deliveries.c.at < before))).rowcount
            if history is not None:
                settled = and_(reports.c.incident == "", reports.c.due_at.is_(None), reports.c.owner.is_(None))
                old = reports.c.reported_at < to_ms(self._database.now() - history)
                forgotten += (await connection.execute(delete(reports).where(settled, old))).rowcount
        return forgotten

    async def about(self, incident: str) -> list[Told]:
        """Every report that a case stands on, the first one first; with how it was closed at its source."""
        query = select(reports).where(reports.c.incident == incident).order_by(reports.c.reported_at, reports.c.id)
        async with self._database.connect() as connection:
            return [rows.told(row) for row in (await connection.execute(query)).mappings()]


def _names(arrival: Arrival) -> list[tuple[str, str]]:
    return [(arrival.source, identity[:IDENTITY_LENGTH_MAX]) for identity in arrival.identities]


def _event(report: Report) -> tuple[str, str]:
    """An event's own name (a digest: topic and id may be long)."""
    return report.source, f"event:{hashlib.sha256(report.source_id.encode()).hexdigest()}"


def _settling(row: Mapping[str, Any]) -> Update:
    """Many reports at once, each by its own row. `tries` is 0 or 1: how often it was tried is forgotten, or kept."""
    values: dict[str, Any] = {name: bindparam(name) for name in row if name not in ("b_id", "id", "tries")}
    return update(reports).where(reports.c.id == bindparam("b_id")).values(**values, attempts=reports.c.attempts * bindparam("tries"))


def _next(report: Report, now_ms: int) -> dict[str, Any]:
    """When it is worked on next: one that waits, at once; one about a dead value is closed at its source, at once."""
    closable = report.verdict is Verdict.ALREADY_DEAD and report.source in CLOSABLE
    return {"due_at": now_ms - AT_ONCE_MS if report.verdict is Verdict.WAITING or closable else None, "closing": "due" if closable else ""}
