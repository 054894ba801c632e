"""The schema, on both databases: what the migrations make, who may use it, and the program of the version before beside this one."""

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from sqlalchemy import create_engine

import rotator.ledger
from rotator.ledger.fault import LedgerFault
from rotator.ledger.opening import open_ledger
from rotator.ledger.schema import REVISION, metadata
from rotator.ledger.store import Ledger
from tests.contract.ledgers import NAME, ask, claimed, row_of, soon

WAKE_OF_0001 = """
INSERT INTO work (credential, due_at, priority) VALUES (:name, :now, 0)
ON CONFLICT (credential) DO UPDATE SET generation = work.generation + 1, due_at = :now, priority = 100
"""
"""As the program of 0001 wakes a credential: it knows none of the later columns."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(rotator.ledger.__file__).with_name("migrations")))
    return config


def _made_by(url: str, revision: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


async def test_what_the_migrations_make_is_what_the_tables_say(ledger: Ledger, url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
    engine.dispose()


def test_the_newest_migration_is_the_one_that_the_program_knows() -> None:
    assert ScriptDirectory.from_config(_config()).get_heads() == [REVISION]


def test_all_who_open_a_new_ledger_at_once_can(url: str) -> None:
    async def opened() -> None:
        async with open_ledger(url) as ledger:
            await ledger.work.wake(NAME)
            await ledger.audit.verify()

    async def all_at_once() -> None:
        await asyncio.gather(*(opened() for _ in range(4)))

    asyncio.run(all_at_once())


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_an_older_file_is_brought_up_to_date_by_who_opens_it(url: str) -> None:
    _made_by(url, "0001")
    asyncio.run(_opened(url))
    assert ask(url, "SELECT version_num FROM alembic_version") == [{"version_num": REVISION}]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_an_older_server_is_brought_up_to_date_by_the_command_alone(url: str, tmp_path: Path) -> None:
    from rotator.cli import main

    _made_by(url, "0001")
    with pytest.raises(LedgerFault, match="rotator ledger upgrade"):
        asyncio.run(_opened(url))
    settings = tmp_path / "rotator.yaml"
    settings.write_text(f"ledger: {url}\n")
    told = [CliRunner().invoke(main, ["ledger", "upgrade", "--config", str(settings)]) for _ in range(2)]
    assert [result.exit_code for result in told] == [0, 0]
    assert told[0].stdout == f"The schema was 0001 and is {REVISION}.\n"
    assert "nothing to do" in told[1].stdout
    asyncio.run(_opened(url))


async def _opened(url: str) -> None:
    async with open_ledger(url):
        pass


async def test_the_rows_of_the_version_before_are_drained(ledger: Ledger, url: str) -> None:
    await ledger.work.finish(await claimed(ledger), again=soon(), rests_until=soon())
    ask(url, WAKE_OF_0001, name=NAME, now=1)
    ask(url, WAKE_OF_0001, name="unheard-of", now=1)
    drained = await ledger.work.claim_due(9)
    assert {one.lease.credential for one in drained} == {NAME, "unheard-of"}
    for one in drained:
        await ledger.work.finish(one.lease, again=soon(), rests_until=soon())
    assert row_of(url)["owner"] is None


async def test_a_newer_schema_that_says_we_may_is_used(ledger: Ledger, url: str) -> None:
    ask(url, "UPDATE alembic_version SET version_num = '9999'")
    async with open_ledger(url) as other:
        await claimed(other)
    ask(url, "UPDATE compatibility SET oldest_program = '9000'")
    with pytest.raises(LedgerFault, match="newer rotator"):
        await _opened(url)
