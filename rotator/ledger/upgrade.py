"""The schema: made where there is none, checked at every start, brought up to date by `rotator ledger upgrade`.

A schema may be newer than the program as long as it says that this program may still use it: so workers are upgraded one by one, the
schema first.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from rotator.ledger.database import Database
from rotator.ledger.fault import LedgerFault
from rotator.ledger.schema import OLDEST_PROGRAM, REVISION

ONE_AT_A_TIME = 7_331_904_218_733_551
"""The advisory lock under which a schema of PostgreSQL is changed."""


async def check(database: Database, *, make: bool = False, bring_up_to_date: bool = False) -> None:
    """Whether this program may use the schema. `make`: one that is not there is made.

    Raises:
        LedgerFault: it may not, with the command that mends it.
    """
    async with database.begin() as connection:
        found = await connection.run_sync(_revision)
        if found == REVISION or (found is not None and found > REVISION and await connection.run_sync(_may_use)):
            return
        if found is not None and found > REVISION:
            told = f"written by a newer rotator (schema {found}, this one knows {REVISION})"
            raise LedgerFault(f"{database.name}: {told}; upgrade this one")
        if found is not None and not bring_up_to_date:
            told = f"its schema is {found}, this rotator needs {REVISION}"
            others = "its workers can go on meanwhile" if found >= OLDEST_PROGRAM else "stop its workers first"
            raise LedgerFault(f"{database.name}: {told}. Type: rotator ledger upgrade ({others})")
        if make:
            await connection.run_sync(_upgrade)


async def upgrade(database: Database) -> tuple[str | None, str]:
    """From which revision to which. One at a time: a second one waits and finds nothing to do."""
    async with database.begin() as connection:
        found = await connection.run_sync(_revision)
        if found is not None and found > REVISION:
            raise LedgerFault(
                f"{database.name}: written by a newer rotator (schema {found}, this one knows {REVISION}); nothing to do here"
            )
        await connection.run_sync(_upgrade)
    return found, REVISION


def _revision(connection: Connection) -> str | None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if tables:
        raise LedgerFault("the database is one of something else; name another one")
    return None


def _may_use(connection: Connection) -> bool:
    if "compatibility" not in inspect(connection).get_table_names():
        return False
    oldest = connection.execute(text("SELECT oldest_program FROM compatibility")).scalar()
    return oldest is not None and str(oldest) <= REVISION


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
