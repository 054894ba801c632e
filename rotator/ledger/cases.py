"""The incidents: filed once a value, woken in the same transaction, saved only in what a look may say of them."""

from collections.abc import Sequence

from sqlalchemy import and_, insert, select, update

from rotator.core.incident import UNFINISHED, Incident, reported_again
from rotator.ledger import rows
from rotator.ledger.audit import say
from rotator.ledger.database import Database
from rotator.ledger.rows import to_ms
from rotator.ledger.schema import incidents
from rotator.ledger.work import EMERGENCY, WorkTable

LOOKS_SAY = ("slot", "state", "contained_at", "regenerate_refused", "revoked_at", "dead_at")
"""What a look may change of a case. Mode, deadline, source and note are the doors', and may have changed since that look."""


class CaseBook:
    """Fulfils the engine's `Cases`."""

    def __init__(self, database: Database, work: WorkTable) -> None:
        self._database = database
        self._work = work

    async def file(self, incident: Incident) -> Incident:
        """Store the case and wake its credential in one transaction; or the case about this value that is there already, made stricter."""
        async with self._database.begin() as connection:
            await self._work.wake_in(connection, incident.credential, EMERGENCY)
            same = and_(incidents.c.fingerprint == incident.fingerprint, incidents.c.credential == incident.credential)
            found = (await connection.execute(select(incidents).where(same).with_for_update())).mappings().first()
            case = incident if found is None else reported_again(rows.incident(found), incident)
            if found is None:
                await connection.execute(insert(incidents).values(**rows.of_incident(case)))
            else:
                await connection.execute(update(incidents).where(incidents.c.id == case.id).values(**rows.of_incident(case)))
            said = {"incident": case.id, "mode": case.mode, "source": incident.source, "note": incident.note}
            fields = {**said, "again": str(found is not None), "fingerprint": case.fingerprint, "deadline": case.deadline.isoformat()}
            await say(self._database, connection, "incident.filed", case.credential, fields)
        self._work.hear()
        return case

    async def of(self, credential: str) -> list[Incident]:
        """Every case of the credential, the oldest first."""
        query = select(incidents).where(incidents.c.credential == credential).order_by(incidents.c.reported_at)
        async with self._database.connect() as connection:
            return [rows.incident(row) for row in (await connection.execute(query)).mappings()]

    async def save(self, incident: Incident, *, because: str) -> None:
        """Where the case stands, and why, in the audit. One that was reported anew since the look is left as that report made it."""
        values = {name: value for name, value in rows.of_incident(incident).items() if name in LOOKS_SAY}
        same = and_(incidents.c.id == incident.id, incidents.c.reported_at == to_ms(incident.reported_at))
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
