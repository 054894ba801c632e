"""A ledger on PostgreSQL that is logged in to with a token: a real server, which asks for it as a password; only Entra is made up."""

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import psycopg
import pytest
from azure.core.credentials import AccessToken
from sqlalchemy.engine import make_url

from rotator.azure import CLOUDS, Azure, Tokens
from rotator.core.faults import Denied
from rotator.core.sealed import Sealed
from rotator.ledger.fault import LedgerFault
from rotator.ledger.opening import open_ledger, upgrade_ledger
from rotator.settings import Settings, SettingsError, parse
from rotator.wiring import login_of
from tests.postgres import Server


@dataclass
class Guarded:
    """A database that lets one role in with the password it has now, and everyone else as before."""

    admin: str
    role: str = field(default_factory=lambda: f"identity_{uuid.uuid4().hex[:8]}")
    token: str = ""
    asked: int = 0

    @property
    def url(self) -> str:
        return make_url(self.admin).set(username=self.role).render_as_string()

    def renew(self) -> None:
        self.token = secrets.token_urlsafe(900)
        self.sql(f"ALTER ROLE {self.role} PASSWORD '{self.token}'")

    async def password(self) -> Sealed:
        self.asked += 1
        return Sealed(self.token)

    def sql(self, statement: str) -> list[Any]:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def guarded(postgresql: Server) -> Iterator[Guarded]:
    made = Guarded(postgresql.database())
    made.sql(f"CREATE ROLE {made.role} LOGIN")
    made.sql(f"GRANT ALL ON SCHEMA public TO {made.role}")
    file = Path(made.sql("SHOW hba_file")[0][0])
    before = file.read_text(encoding="utf-8")
    file.write_text(f"host all {made.role} 127.0.0.1/32 scram-sha-256\n{before}", encoding="utf-8")
    made.sql("SELECT pg_reload_conf()")
    made.renew()
    yield made
    file.write_text(before, encoding="utf-8")
    made.sql("SELECT pg_reload_conf()")


async def test_every_session_of_a_ledger_asks_for_a_token_of_its_own(guarded: Guarded) -> None:
    async with open_ledger(guarded.url, guarded.password) as ledger:
        assert guarded.asked >= 2, "its sessions for work, and the one of its lock"
        await ledger.work.enlist(["chat-prod"])
        assert [row.credential for row in await ledger.work.rows()] == ["chat-prod"]
        guarded.renew()
        before = guarded.asked
        await ledger.lock.lock_again()
        assert guarded.asked > before, "a new session, a new token"
        await ledger.work.wake("chat-prod")
        assert await ledger.work.next_due() <= timedelta(0)  # type: ignore[operator]
    assert await upgrade_ledger(guarded.url, guarded.password)


async def test_a_token_that_the_server_refuses_is_told_without_it(guarded: Guarded) -> None:
    old = guarded.token
    guarded.renew()

    async def stale() -> Sealed:
        return Sealed(old)

    with pytest.raises(LedgerFault) as refused:
        async with open_ledger(guarded.url, stale):
            pass
    assert "authentication failed" in str(refused.value)
    assert old not in repr(refused.value) + repr(refused.value.__cause__)


async def test_without_a_token_the_ledger_says_why(guarded: Guarded) -> None:
    credential = create_autospec(Tokens, instance=True)
    azure = create_autospec(Azure, instance=True, credential=credential, cloud=CLOUDS["usgov"])
    settings = Settings(ledger=f"{guarded.url}?sslmode=verify-full", ledger_login="entra")
    password = login_of(settings, azure)
    assert password is not None
    credential.get_token.return_value = AccessToken(guarded.token, 0)
    assert (await password()).reveal() == guarded.token
    credential.get_token.assert_awaited_once_with("https://ossrdbms-aad.database.usgovcloudapi.net/.default")
    credential.get_token.side_effect = Denied("a token from Entra: our identity is not accepted", remedy="sign in")
    with pytest.raises(LedgerFault, match="no token to log in with: a token from Entra: our identity is not accepted; sign in"):
        async with open_ledger(guarded.url, password):
            pass


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ledger: sqlite:///rotator.db", "is for a ledger at postgresql://"),
        ("ledger: postgresql://rotator@db.example.net/rotator", "sslmode=verify-full"),
        ("ledger: postgresql://rotator@db.example.net/rotator?sslmode=require", "sslmode=verify-full"),
        ("ledger: postgresql://db.example.net/rotator?sslmode=verify-full", "USER@HOST"),
    ],
)
def test_a_token_goes_to_no_server_that_has_not_shown_who_it_is(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        parse(f"{text}\nledger_login: entra\n", "rotator.yaml")
    assert says in str(wrong.value.errors)
