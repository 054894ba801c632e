"""The onlooker: what the page shows, read on connections of its own that can write nothing. Each query is named, bounded, and stands here.

A look must hold up nobody: it waits for no lock, its connections are few and apart from the workers', and what is read of a whole fleet
comes in portions, between which the daemon goes on.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from rotator.core.audit import AuditEvent
from rotator.core.credential import Slot
from rotator.core.incident import Incident, State
from rotator.core.report import Told
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import Adoption, Kept, KeyMemory
from rotator.core.standing import RANK_OF_CASE, Remembered
from rotator.core.step import Publish
from rotator.core.wave import Wave
from rotator.core.wave import read as wave_of
from rotator.ledger import rows
from rotator.ledger.database import Database
from rotator.ledger.journal import OUTCOMES_THAT_HEALED
from rotator.ledger.rows import from_ms
from rotator.ledger.schema import adoptions, audit, audit_head, incidents, intents, keys, reports, waves, work

PORTION = 1_000
EVENTS_BACK = 20_000
"""How far back in the chain failures are looked for; and how many events of one credential a case is told from."""
REPORTS_MAX = 500
VALUES_MAX = 24
MOVED = (Adoption.PROVEN.value, Adoption.CLAIMED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A case, and when its value came to each of its ends, as far as the ledger remembers."""

    case: Incident
    reports: int
    published_at: datetime | None
    revoked_at: datetime | None
    first_401_at: datetime | None
    dead_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A step that failed, with the fault as it was written; several in a row of the same are one, with the latest time."""

    at: datetime
    credential: str
    step: str
    slot: str
    result: str
    fault: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """The last step that was decided for a credential, and the planner's sentence about it. `result` is empty where none was written."""

    step: str
    slot: str
    because: str
    at: datetime
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One credential in a list: what its readers get, who runs on it, and what was done last."""

    fingerprint: Fingerprint | None = None
    slot: Slot | None = None
    adoptions: tuple[tuple[Adoption, int], ...] = ()
    last: Intended | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InHand:
    """How the work on a credential stands: when it is due next, and whether a worker has it now."""

    due_at: datetime
    worked_on: bool
    rests_until: datetime | None
    rotation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """One credential, whole. `values` and `events` are the newest of them; `earlier` says whether there are events before them."""

    values: tuple[KeyMemory, ...]
    adoptions: tuple[Kept, ...]
    cases: tuple[Incident, ...]
    work: InHand | None
    last: Intended | None
    events: tuple[AuditEvent, ...]
    earlier: bool

    @property
    def empty(self) -> bool:
        return not (self.values or self.adoptions or self.cases or self.work or self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What a timeline is made from. `reports` are the first of so many that there are in all; `whole`: no event was left out."""

    case: Incident
    told: Sequence[Told]
    reports: int
    events: Sequence[RowMapping]
    memory: KeyMemory | None
    whole: bool


class Onlooker:
    """Looks, and changes nothing. Raises LedgerFault where the database is away or takes too long."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- the fleet --------------------------------------------------------------------------------------------------------

    async def fleet(self) -> Remembered:
        """Of every credential: when what its readers get was published, who lags, which cases are not over. Three walks along an index."""
        published = (
            select(keys.c.credential, func.max(keys.c.published_at)).where(keys.c.published_at.is_not(None)).group_by(keys.c.credential)
        )
        lagging = select(adoptions.c.credential, func.count()).where(adoptions.c.adoption.not_in(MOVED)).group_by(adoptions.c.credential)
        pressing = incidents.c.state.in_([state.value for state in RANK_OF_CASE])
        states = select(incidents.c.credential, incidents.c.state).where(pressing).distinct()
        cases: dict[str, list[State]] = {}
        async with self._database.connect() as connection:
            published_ms = {name: ms async for name, ms in _portions(connection, published)}
            behind = {name: count async for name, count in _portions(connection, lagging)}
            async for name, state in _portions(connection, states):
                cases.setdefault(name, []).append(State(state))
        return Remembered(published_ms=published_ms, lagging=behind, cases=cases)

    async def glances(self, names: Sequence[str]) -> dict[str, Glance]:
        """What the rows of one page show."""
        newest = select(keys.c.credential, func.max(keys.c.published_at).label("at")).where(keys.c.credential.in_(names))
        newest_of = newest.group_by(keys.c.credential).subquery()
        same = and_(keys.c.credential == newest_of.c.credential, keys.c.published_at == newest_of.c.at)
        current = select(keys.c.credential, keys.c.fingerprint, keys.c.slot).join(newest_of, same)
        tally = select(adoptions.c.credential, adoptions.c.adoption, func.count().label("many")).where(adoptions.c.credential.in_(names))
        async with self._database.connect() as connection:
            held = {row["credential"]: row for row in (await connection.execute(current)).mappings()}
            adopted: dict[str, list[tuple[Adoption, int]]] = {}
            for row in (await connection.execute(tally.group_by(adoptions.c.credential, adoptions.c.adoption))).mappings():
                adopted.setdefault(row["credential"], []).append((Adoption(row["adoption"]), row["many"]))
            last = await _last(connection, names)
        return {name: _glance(held.get(name), adopted.get(name, []), last.get(name)) for name in names}

    # --- the cases --------------------------------------------------------------------------------------------------------

    async def count(self) -> dict[State, int]:
        """How many cases stand where."""
        query = select(incidents.c.state, func.count()).group_by(incidents.c.state)
        async with self._database.connect() as connection:
            return {State(state): count for state, count in await connection.execute(query)}

    async def ways(self, states: Collection[State], most: int) -> list[Way]:
        """The newest cases in these states."""
        told = select(func.count()).where(reports.c.incident == incidents.c.id).scalar_subquery()
        since = and_(intents.c.credential == incidents.c.credential, intents.c.at >= incidents.c.reported_at)
        through = and_(since, intents.c.step == Publish.name, intents.c.outcome.in_(OUTCOMES_THAT_HEALED))
        published = select(func.min(intents.c.outcome_at)).where(through).scalar_subquery()
        value = and_(keys.c.credential == incidents.c.credential, keys.c.fingerprint == incidents.c.fingerprint)
        ends = (keys.c.replaced_at, keys.c.first_401_at, keys.c.dead_at.label("proven_at"))
        query = select(incidents, told.label("told"), published.label("published"), *ends).outerjoin(keys, value)
        newest = query.where(incidents.c.state.in_([state.value for state in states])).order_by(
            incidents.c.reported_at.desc(), incidents.c.id
        )
        async with self._database.connect() as connection:
            found = (await connection.execute(newest.limit(most))).mappings().all()
        return [_way(row) for row in found]

    async def story(self, identity: str) -> Story | None:
        """What a case is told from; None where there is none of this id."""
        about = select(reports).where(reports.c.incident == identity).order_by(reports.c.reported_at, reports.c.id)
        async with self._database.connect() as connection:
            row = (await connection.execute(select(incidents).where(incidents.c.id == identity))).mappings().first()
            if row is None:
                return None
            found = rows.incident(row)
            mine = and_(keys.c.credential == found.credential, keys.c.fingerprint == found.fingerprint)
            memory = (await connection.execute(select(keys).where(mine))).mappings().first()
            count = (await connection.execute(select(func.count()).where(reports.c.incident == identity))).scalar_one()
            told = (await connection.execute(about.limit(REPORTS_MAX))).mappings().all()
            newest = select(audit).where(audit.c.credential == found.credential).order_by(audit.c.seq.desc()).limit(EVENTS_BACK + 1)
            events = [row async for row in _portions(connection, newest)]
        return Story(
            case=found,
            told=[rows.told(one) for one in told],
            reports=count,
            events=[one._mapping for one in reversed(events[:EVENTS_BACK])],
            memory=rows.key(memory) if memory else None,
            whole=len(events) <= EVENTS_BACK,
        )

    # --- one credential ---------------------------------------------------------------------------------------------------

    async def portrait(self, name: str, *, before: int | None, events: int) -> Portrait:
        """Everything that is shown of one credential; its events, the newest ones (or those `before` an event)."""
        lives = func.coalesce(keys.c.published_at, keys.c.minted_at, 0)
        values = select(keys).where(keys.c.credential == name).order_by(lives.desc(), keys.c.fingerprint).limit(VALUES_MAX)
        seen = select(adoptions).where(adoptions.c.credential == name).order_by(adoptions.c.dependent)
        cases = select(incidents).where(incidents.c.credential == name).order_by(incidents.c.reported_at.desc()).limit(VALUES_MAX)
        mine = and_(audit.c.credential == name, audit.c.seq < before) if before is not None else audit.c.credential == name
        history = select(audit).where(mine).order_by(audit.c.seq.desc()).limit(events + 1)
        async with self._database.connect() as connection:
            known = (await connection.execute(values)).mappings().all()
            kept = (await connection.execute(seen)).mappings().all()
            filed = (await connection.execute(cases)).mappings().all()
            row = (await connection.execute(select(work).where(work.c.credential == name))).mappings().first()
            written = (await connection.execute(history)).mappings().all()
            last = await _last(connection, [name])
        return Portrait(
            values=tuple(map(rows.key, known)),
            adoptions=tuple(map(rows.kept, kept)),
            cases=tuple(map(rows.incident, filed)),
            work=_in_hand(row) if row else None,
            last=last.get(name),
            events=tuple(rows.event(one) for one in reversed(written[:events])),
            earlier=len(written) > events,
        )

    # --- what went wrong --------------------------------------------------------------------------------------------------

    async def failures(self, since: datetime, most: int) -> list[Failure]:
        """The steps that failed since then, the newest first: from the end of the chain, no further back than `EVENTS_BACK`."""
        head = select(audit_head.c.events).scalar_subquery()
        faulty = and_(audit.c.seq > head - EVENTS_BACK, audit.c.event == "outcome", audit.c.fields.contains('"fault"'))
        query = select(audit).where(faulty).order_by(audit.c.seq.desc()).limit(most * 10)
        async with self._database.connect() as connection:
            events = [event for event in map(rows.event, (await connection.execute(query)).mappings()) if event.at >= since]
            steps = await _steps(connection, [event.fields.get("operation", "") for event in events])
        return _failures(events, steps)[:most]

    async def wave(self) -> Wave | None:
        """The wave that is out now."""
        async with self._database.connect() as connection:
            text = (await connection.execute(select(waves.c.wave))).scalar()
        return wave_of(text) if text else None

    async def chain(self) -> int:
        """How many events the audit has."""
        async with self._database.connect() as connection:
            return (await connection.execute(select(audit_head.c.events))).scalar() or 0


async def _portions(connection: AsyncConnection, query: Select[Any]) -> AsyncIterator[Any]:
    """The rows of a large answer, so many at a time: between two portions the loop is everyone's."""
    async with connection.stream(query.execution_options(yield_per=PORTION)) as result:
        async for portion in result.partitions(PORTION):
            for row in portion:
                yield row


async def _last(connection: AsyncConnection, names: Sequence[str]) -> dict[str, Intended]:
    """The last intent of each: by the index of credentials, never over all of them."""
    newest = select(intents.c.credential, func.max(intents.c.at).label("at")).where(intents.c.credential.in_(names))
    newest_of = newest.group_by(intents.c.credential).subquery()
    same = and_(intents.c.credential == newest_of.c.credential, intents.c.at == newest_of.c.at)
    query = select(intents).join(newest_of, same).order_by(_unsettled_last(), intents.c.operation)
    return {row["credential"]: _intended(row) for row in (await connection.execute(query)).mappings()}


def _unsettled_last() -> ColumnElement[int]:
    """Of steps that were meant at the same moment the one that is still without an outcome is the news."""
    return case((intents.c.outcome.is_(None), 1), else_=0)


async def _steps(connection: AsyncConnection, operations: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Which step each operation was, in which slot; none for what was pruned since."""
    query = select(intents.c.operation, intents.c.step, intents.c.slot).where(intents.c.operation.in_(operations))
    return {row.operation: (row.step, row.slot or "") for row in await connection.execute(query)}


def _failures(events: Sequence[AuditEvent], steps: dict[str, tuple[str, str]]) -> list[Failure]:
    """The same of the same credential is told once, with how often and the last time."""
    found: dict[tuple[str, ...], Failure] = {}
    for event in events:
        step, slot = steps.get(event.fields.get("operation", ""), ("a step", ""))
        about = (event.credential, step, slot, event.fields.get("result", ""))
        known = found.get(about)
        fault, count = (known.fault, known.count + 1) if known else (event.fields.get("fault", ""), 1)
        at = known.at if known else event.at
        found[about] = Failure(at=at, credential=event.credential, step=step, slot=slot, result=about[3], fault=fault, count=count)
    return list(found.values())


def _glance(held: RowMapping | None, adopted: Sequence[tuple[Adoption, int]], last: Intended | None) -> Glance:
    order = list(Adoption)
    return Glance(
        fingerprint=Fingerprint(held["fingerprint"]) if held else None,
        slot=Slot(held["slot"]) if held and held["slot"] else None,
        adoptions=tuple(sorted(adopted, key=lambda one: order.index(one[0]))),
        last=last,
    )


def _way(row: RowMapping) -> Way:
    return Way(
        case=rows.incident(row),
        reports=row["told"],
        published_at=_time(row["published"]),
        revoked_at=_time(row["replaced_at"]) or _time(row["revoked_at"]),
        first_401_at=_time(row["first_401_at"]),
        dead_at=_time(row["proven_at"]) or _time(row["dead_at"]),
    )


def _intended(row: RowMapping) -> Intended:
    return Intended(step=row["step"], slot=row["slot"] or "", because=row["because"], at=from_ms(row["at"]), result=row["outcome"] or "")


def _in_hand(row: RowMapping) -> InHand:
    rests = _time(row["rests_until"])
    return InHand(due_at=from_ms(row["due_at"]), worked_on=row["owner"] is not None, rests_until=rests, rotation=row["rotation"])


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)
