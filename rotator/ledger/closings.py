"""Alerts on their way to be closed at their source: due once the value is dead, done once, and never given up without a word.

    closing      what it says                                            worked on
    (empty)      not to be closed yet, or nothing that can be            –
    due          to be closed                                            now, and soon again where that fails
    failed       could not be closed: a person was told                  seldom, for a while; and at each start or reload of the daemon
    done         closed by us, or by us before                           –
    otherwise    somebody closed it in another way, whose word stands    –
    left         open at its source again and again: a person was told   –

All reports of one alert go this way together.
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, case, func, null, select, update

from rotator.core.incident import State
from rotator.core.report import Report
from rotator.ledger.audit import say
from rotator.ledger.database import Database
from rotator.ledger.rows import to_ms
from rotator.ledger.schema import incidents, reports

CLOSABLE = ("github", "gitguardian")
"""The sources at which an alert can be closed."""
UNDER_WAY = ("due", "failed")


class Closings:
    """What of the reports is to be closed at its source. Whoever closes one has claimed it from the inbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make_closable(self) -> int:
        """Reports whose value is dead now, and that can be closed at their source: due for that. How many."""
        done = select(incidents.c.id).where(incidents.c.state.in_([State.DEAD.value, State.CLOSED.value]))
        waiting = and_(reports.c.closing == "", reports.c.source.in_(CLOSABLE), reports.c.incident.in_(done))
        async with self._database.connect() as connection:
            if (await connection.execute(select(reports.c.id).where(waiting).limit(1))).first() is None:
                return 0  # the usual answer costs no writer anything
        async with self._database.begin() as connection:
            found = await connection.execute(
                update(reports).where(waiting).values(closing="due", due_at=self._database.now_ms(), attempts=0)
            )
        return found.rowcount

    async def closed(self, report: Report, how: str, told: str) -> None:
        """Closed at its source by us (`done`), found closed in another way (`otherwise`), or left open for good (`left`)."""
        at = to_ms(self._database.now())
        values = {"owner": None, "due_at": None, "closing": how, "closing_told": told, "closed_at": at}
        async with self._database.begin() as connection:
            if not (await connection.execute(update(reports).where(_same_alert(report, *UNDER_WAY)).values(**values))).rowcount:
                return  # another worker was faster
            await say(self._database, connection, "report.closed", report.credential, _fields(report, how, told))

    async def not_closed(self, report: Report, told: str, *, again: timedelta, for_as_long_as: timedelta) -> bool:
        """It could not be closed, often enough that a person is to know: tried again after a while, until that has gone on for too long.
        Whether this is news."""
        now = to_ms(self._database.now())
        since = func.coalesce(case((reports.c.closing == "failed", reports.c.closed_at)), now)
        later = case((since > now - _ms(for_as_long_as), now + _ms(again)), else_=null())
        values = {"owner": None, "closing": "failed", "closing_told": told, "closed_at": since, "due_at": later}
        async with self._database.begin() as connection:
            fresh = (await connection.execute(select(reports.c.id).where(_same_alert(report, "due")).limit(1))).first() is not None
            await connection.execute(update(reports).where(_same_alert(report, *UNDER_WAY)).values(**values))
            if fresh:
                await say(self._database, connection, "report.closed", report.credential, _fields(report, "failed", told))
        return fresh

    async def not_yet(self, report: Report) -> None:
        """The value is not known to be dead any more: closable once it is."""
        mine = and_(reports.c.id == report.id, reports.c.closing.in_(UNDER_WAY))
        async with self._database.begin() as connection:
            await connection.execute(update(reports).where(mine).values(owner=None, due_at=None, closing="", closed_at=None))

    async def answered_again(self, report: Report) -> int:
        """How often this alert was closed by us for no other reason than that it had been opened again. The first time never was: where
        the word that made the alert was lost, what closed it then was told as opened again, too.
        """
        closed, answered = _same_alert(report, "done"), func.count(reports.c.closed_at.distinct())
        first = select(reports.c.closed_at).where(closed, reports.c.reopened.is_(False))
        later = reports.c.closed_at > select(func.min(reports.c.closed_at)).where(closed).scalar_subquery()
        query = select(answered).where(closed, later, reports.c.reopened.is_(True), reports.c.closed_at.not_in(first))
        async with self._database.connect() as connection:
            return (await connection.execute(query)).scalar_one()

    async def try_again(self) -> int:
        """What waits to be closed is due at once, as if it had never been tried: a person may have mended what stood in the way."""
        failed = and_(reports.c.closing.in_(UNDER_WAY), reports.c.owner.is_(None))
        values = {"closing": "due", "due_at": self._database.now_ms(), "attempts": 0, "closed_at": None}
        async with self._database.begin() as connection:
            return (await connection.execute(update(reports).where(failed).values(**values))).rowcount


def _same_alert(report: Report, *closing: str) -> ColumnElement[bool]:
    return and_(reports.c.source == report.source, reports.c.source_id == report.source_id, reports.c.closing.in_(closing))


def _fields(report: Report, how: str, told: str) -> dict[str, str]:
    about = {"report": report.id, "incident": report.incident, "fingerprint": report.fingerprint or ""}
    return {**about, "source": report.source, "at": report.source_id, "how": how, "told": told}


def _ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)
