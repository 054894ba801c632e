"""The incidents: filed once a value, woken in the same transaction, saved only in what a look may say of them, decided by a person once.

Whoever files about a value is alone with it, here and in the inbox: so a value has one case, whoever reports it at the same moment. Whoever
locks a case and the row of its credential locks the case first.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy import case as case_of

from rotator.core.incident import ASLEEP, UNFINISHED, Incident, State, decided, reported_again
from rotator.ledger import rows
from rotator.ledger.audit import say
from rotator.ledger.database import Database
from rotator.ledger.rows import from_ms, to_ms
from rotator.ledger.schema import incidents, keys, reports
from rotator.ledger.work import EMERGENCY, OPERATOR, WorkTable

LOOKS_SAY = ("slot", "state", "contained_at", "regenerate_refused", "revoked_at", "dead_at")
"""What a look may change of a case. Mode, deadline, source and note are the doors', and may have changed since that look."""
LISTED_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A case in a list: with how many reports it stands on, when the first of them came, when its value was proven dead, and how many of
    its reports could not be closed at their source."""

    case: Incident
    reports: int
    first_reported_at: datetime
    dead_at: datetime | None
    not_closed: int = 0


class Overtaken(Exception):
    """The case does not stand any more as it did when a person looked at it; `case` is how it stands."""

    def __init__(self, case: Incident) -> None:
        super().__init__(f"{case.id} is {case.state} now")
        self.case = case


class CaseBook:
    """Fulfils the engine's `Cases`."""

    def __init__(self, database: Database, work: WorkTable) -> None:
        self._database = database
        self._work = work

    async def file(self, incident: Incident) -> Incident:
        """Store the case and wake its credential in one transaction; or the case about this value that is there already, made stricter."""
        async with self._database.begin() as connection:
            await self._database.alone(connection, [incident.fingerprint])
            same = and_(incidents.c.fingerprint == incident.fingerprint, incidents.c.credential == incident.credential)
            found = (await connection.execute(select(incidents).where(same).with_for_update())).mappings().first()
            await self._work.wake_in(connection, incident.credential, EMERGENCY)
            case = incident if found is None else reported_again(rows.incident(found), incident)
            if found is None:
                await connection.execute(insert(incidents).values(**rows.of_incident(case)))
            else:
                await connection.execute(update(incidents).where(incidents.c.id == case.id).values(**rows.of_incident(case)))
            said = {"incident": case.id, "mode": case.mode, "state": case.state, "source": incident.source, "note": incident.note}
            about = {"fingerprint": case.fingerprint, "deadline": case.deadline.isoformat(), "because": case.held_because}
            fields = {**said, **about, "again": str(found is not None)}
            await say(self._database, connection, "incident.filed", case.credential, fields)
        self._work.hear()
        return case

    async def of(self, credential: str) -> list[Incident]:
        """Every case of the credential, the oldest first."""
        query = select(incidents).where(incidents.c.credential == credential).order_by(incidents.c.reported_at)
        async with self._database.connect() as connection:
            return [rows.incident(row) for row in (await connection.execute(query)).mappings()]

    async def save(self, incident: Incident, *, because: str) -> None:
        """Where the case stands, and why, in the audit. Reported anew, or dismissed, since the look: it is left as it is; nor is one closed
        that was made stricter since."""
        values = {name: value for name, value in rows.of_incident(incident).items() if name in LOOKS_SAY}
        awake = incidents.c.state.not_in([state.value for state in ASLEEP])
        same = and_(incidents.c.id == incident.id, incidents.c.reported_at == to_ms(incident.reported_at), awake)
        if incident.state is State.CLOSED:
            same = and_(same, incidents.c.mode == incident.mode.value)
        async with self._database.begin() as connection:
            if not (await connection.execute(update(incidents).where(same).values(**values))).rowcount:
                return
            fields = {"incident": incident.id, "fingerprint": incident.fingerprint, "state": incident.state, "because": because}
            await say(self._database, connection, "incident.moved", incident.credential, fields)

    async def unfinished(self) -> Sequence[Incident]:
        """Every case that is not done, of every credential."""
        query = select(incidents).where(incidents.c.state.in_([state.value for state in UNFINISHED])).order_by(incidents.c.reported_at)
        async with self._database.connect() as connection:
            return [rows.incident(row) for row in (await connection.execute(query)).mappings()]

    async def by_state(self) -> dict[State, int]:
        """How many cases stand where, of those that are not over."""
        over = [State.CLOSED.value, State.DISMISSED.value]
        query = select(incidents.c.state, func.count()).where(incidents.c.state.not_in(over)).group_by(incidents.c.state)
        async with self._database.connect() as connection:
            return {State(state): count for state, count in await connection.execute(query)}

    # --- for people -------------------------------------------------------------------------------------------------------

    async def decide(self, seen: Incident, to: State, *, by: str, because: str, drain_deadline: timedelta) -> Incident:
        """A person's word about a case as they have seen it: approved (its credential is woken, in the same transaction) or dismissed.

        Raises:
            Overtaken: it stands otherwise by now: another person decided, a worker moved it, or a report made it stricter.
            ForbiddenTransition: the table has no such way.
        """
        async with self._database.begin() as connection:
            found = await connection.execute(select(incidents).where(incidents.c.id == seen.id).with_for_update())
            now = rows.incident(found.mappings().one())
            if (now.state, now.mode) != (seen.state, seen.mode):
                raise Overtaken(now)
            case = decided(now, to, self._database.now(), drain_deadline)
            await self._work.wake_in(connection, case.credential, EMERGENCY if to is State.OPEN else OPERATOR)
            await connection.execute(update(incidents).where(incidents.c.id == case.id).values(**rows.of_incident(case)))
            about = {"incident": case.id, "fingerprint": case.fingerprint, "state": case.state, "was": now.state, "mode": case.mode}
            word = {"by": by, "reason": because, "deadline": case.deadline.isoformat()}
            event = "incident.approved" if to is State.OPEN else "incident.dismissed"
            await say(self._database, connection, event, case.credential, about | word)
        self._work.hear()
        return case

    async def find(self, beginning: str, most: int = 10) -> list[Incident]:
        """The case of this id, or those whose ids begin so (with or without the `inc-`)."""
        exact = incidents.c.id == beginning
        begins = or_(*(incidents.c.id.startswith(one, autoescape=True) for one in (beginning, f"inc-{beginning}")))
        query = select(incidents).where(or_(exact, begins)).order_by(exact.desc(), incidents.c.id).limit(most)
        async with self._database.connect() as connection:
            found = [rows.incident(row) for row in (await connection.execute(query)).mappings()]
        return found[:1] if found and found[0].id == beginning else found

    async def listed(self, states: Collection[State], credential: str | None = None, *, not_closed: bool = False) -> list[Listed]:
        """The cases in these states, the newest first; with `not_closed` also those of which a report is not closed at its source."""
        failed = func.sum(case_of((reports.c.closing == "failed", 1), else_=0)).label("failed")
        counted = select(reports.c.incident, func.count().label("told"), func.min(reports.c.reported_at).label("first"), failed)
        told = counted.group_by(reports.c.incident).subquery()
        value = and_(keys.c.credential == incidents.c.credential, keys.c.fingerprint == incidents.c.fingerprint)
        query = select(incidents, told.c.told, told.c.first, told.c.failed, keys.c.dead_at.label("proven"))
        query = query.outerjoin(told, told.c.incident == incidents.c.id).outerjoin(keys, value)
        wanted = incidents.c.state.in_([state.value for state in states])
        query = query.where(or_(wanted, told.c.failed > 0) if not_closed else wanted)
        query = query if credential is None else query.where(incidents.c.credential == credential)
        newest = query.order_by(incidents.c.reported_at.desc(), incidents.c.id).limit(LISTED_MAX)
        async with self._database.connect() as connection:
            found = (await connection.execute(newest)).mappings().all()
        return [
            Listed(
                case=rows.incident(row),
                reports=row["told"] or 0,
                first_reported_at=from_ms(min(row["reported_at"], row["first"] or row["reported_at"])),
                dead_at=None if row["proven"] is None else from_ms(row["proven"]),
                not_closed=row["failed"] or 0,
            )
            for row in found
        ]
