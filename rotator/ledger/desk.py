"""A desk, laid out with what the ledger knows of a pile of reports: their keys, the cases about these, and how many the hour has opened."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from rotator.core.desk import ACTED, BenchOf, Desk, Named, named
from rotator.core.incident import OPERATOR, Incident, State
from rotator.core.judge import Rails
from rotator.core.report import KnownKey, Matter, Report, Verdict
from rotator.core.sealed import Fingerprint
from rotator.ledger import rows
from rotator.ledger.database import Database
from rotator.ledger.rows import to_ms
from rotator.ledger.schema import incidents, keys, reports

CHUNK = 1_000
Item = TypeVar("Item")


async def desk_of(
    database: Database, connection: AsyncConnection, told: Sequence[Report], bench_of: BenchOf, *, per_hour_max: int, accounts_max: int
) -> Desk:
    """The cases on it are locked until the transaction ends."""
    bench = bench_of("", Rails(opened_last_hour=0, per_hour_max=0, accounts_per_delivery_max=0), frozenset())
    known = await _known(database, connection, told, bench.by_account)
    cases = await _cases(database, connection, sorted({key.fingerprint for key in known}))
    suspicions = [report for report in told if report.matter is Matter.SUSPICION]
    return Desk(
        bench_of=bench_of,
        per_hour_max=per_hour_max,
        accounts_max=accounts_max,
        opened=await _opened(database, connection, rotations=bool(suspicions)) if known else 0,
        known=known,
        cases={(case.credential, case.fingerprint): case for case in cases},
        acted_on=await _acted_on(database, connection, suspicions),
    )


async def _cases(database: Database, connection: AsyncConnection, about: Sequence[Fingerprint]) -> list[Incident]:
    await database.alone(connection, about)
    found: list[Incident] = []
    for some in chunks(about):
        query = select(incidents).where(incidents.c.fingerprint.in_(some)).with_for_update()
        found += [rows.incident(row) for row in (await connection.execute(query)).mappings()]
    return found


async def _opened(database: Database, connection: AsyncConnection, *, rotations: bool) -> int:
    """How many cases the last hour has opened without a person; with the rotations that suspicions ordered, where one is at hand."""
    hour_ago = to_ms(database.now() - timedelta(hours=1))
    by_itself = and_(
        incidents.c.reported_at >= hour_ago, incidents.c.source.not_like(f"{OPERATOR}%"), incidents.c.state != State.HELD.value
    )
    opened: int = (await connection.execute(select(func.count()).select_from(incidents).where(by_itself))).scalar_one()
    if rotations:
        ordered = and_(reports.c.verdict == Verdict.SUSPECTED.value, reports.c.incident == "", reports.c.reported_at >= hour_ago)
        values = select(reports.c.credential, reports.c.fingerprint).where(ordered).distinct().subquery()
        opened += (await connection.execute(select(func.count()).select_from(values))).scalar_one()
    return opened


async def _acted_on(database: Database, connection: AsyncConnection, suspicions: Sequence[Report]) -> set[Named]:
    """Those of the suspicions that something was done about before."""
    found: set[Named] = set()
    for some in chunks(sorted({(report.source, report.source_id) for report in suspicions})):
        same = tuple_(reports.c.source, reports.c.source_id).in_(some)
        query = select(reports).where(same, reports.c.verdict.in_([verdict.value for verdict in ACTED]))
        found |= {named(rows.report(row)) for row in (await connection.execute(query)).mappings()}
    return found


async def _known(database: Database, connection: AsyncConnection, told: Sequence[Report], by_account: Mapping[str, str]) -> list[KnownKey]:
    clues = [report.clues for report in told if report.matter is Matter.LEAK]
    names = {by_account.get(report.account.lower(), "") for report in told if report.matter is Matter.SUSPICION} - {""}
    asked: list[tuple[Any, set[Any]]] = [
        (keys.c.fingerprint, {value for one in clues for value in one.fingerprints}),
        (keys.c.sha256, {value for one in clues for value in one.sha256}),
        (keys.c.hmsl_hash, {value for one in clues for value in one.hmsl_hash}),
        (keys.c.credential, names),
    ]
    found: dict[KnownKey, None] = {}
    for column, values in asked:
        for some in chunks(sorted(values)):
            query = select(keys).where(column.in_(some))
            found |= {rows.known_key(row): None for row in (await connection.execute(query)).mappings()}
    return list(found)


def chunks(some: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """As many at a time as a statement has room for."""
    return (some[start : start + CHUNK] for start in range(0, len(some), CHUNK))
