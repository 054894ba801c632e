"""`rotator work` and `rotator ledger`: the queue and its database, for operators."""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rotator.cli import main
from rotator.core.credential import Slot
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed
from rotator.engine.ports import Lease
from rotator.ledger.fault import LedgerFault
from rotator.ledger.opening import open_ledger
from rotator.ledger.work import EMERGENCY
from tests.contract.ledgers import NAME, case, holder, mint


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "rotator.yaml"
    path.write_text("ledger: sqlite:///rotator.db\n")
    return path


def _run(settings: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", str(settings)])


def _url(settings: Path) -> str:
    return f"sqlite:///{settings.with_name('rotator.db')}"


def test_the_queue_is_listed_with_who_acts_on_what(settings: Path) -> None:
    async def fill() -> None:
        async with open_ledger(_url(settings)) as ledger:
            await ledger.work.enlist(["calm"])
            await ledger.work.wake("leaked", priority=EMERGENCY)

    asyncio.run(fill())
    with holder(_url(settings)) as (_, owner):
        rows = json.loads(_run(settings, "work", "list", "--output", "json").stdout)
        assert [(row["credential"], row["priority"], row["worker"], row["alive"]) for row in rows] == [
            ("leaked", EMERGENCY, None, None),
            ("calm", 0, None, None),
            (NAME, 0, owner, True),
        ]
        table = _run(settings, "work", "list", "--claimed").stdout
        assert owner in table
        assert "leaked" not in table
    assert f"{owner} (dead)" in _run(settings, "work", "list").stdout


def test_a_row_of_a_living_worker_is_stolen_only_with_a_yes(settings: Path) -> None:
    with holder(_url(settings)) as (_, owner):
        refused = _run(settings, "work", "steal", NAME)
        assert refused.exit_code == 3
        assert f"rotator work steal {NAME} --yes" in refused.stderr
        done = _run(settings, "work", "steal", NAME, "--yes", "--output", "json")
        assert json.loads(done.stdout) == {"credential": NAME, "from": owner}
        assert _run(settings, "work", "steal", NAME).stdout == f"{NAME} was free already.\n"
    assert _run(settings, "work", "steal", "unheard-of").exit_code == 4


def test_a_ledger_that_is_up_to_date_says_so(settings: Path) -> None:
    first = json.loads(_run(settings, "ledger", "upgrade", "--output", "json").stdout)
    assert first["from"] is None
    assert "nothing to do" in _run(settings, "ledger", "upgrade").stdout


@pytest.mark.parametrize("arguments", [["audit", "show"], ["work", "list"], ["ledger", "upgrade"], ["incidents", "list"]])
def test_a_command_about_the_ledger_imports_no_sdk_of_azure(settings: Path, arguments: list[str]) -> None:
    program = (
        "import sys\nfrom rotator.cli import main\n"
        f"try:\n    main({[*arguments, '--config', str(settings)]!r}, prog_name='rotator')\nfinally:\n"
        "    print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "sqlalchemy" in loaded
    assert not loaded & {"azure", "msal", "aiohttp"}


COLUMNS = [
    (table, column)
    for table, columns in {
        "work": ("due_at", "priority", "attempts", "rests_until", "looked_at"),
        "keys": ("slot", "minted_at", "probes", "dead_at"),
        "incidents": ("state", "mode", "reason", "deadline", "slot", "contained_at"),
        "intents": ("slot", "at"),
    }.items()
    for column in columns
]


@pytest.mark.parametrize("garbage", ["'nonsense'", "99999999999999999", "x'ff00'"])
def test_rows_that_somebody_changed_by_hand_are_a_sentence_and_never_a_traceback(settings: Path, garbage: str) -> None:
    async def fill() -> None:
        async with open_ledger(_url(settings)) as ledger:
            await ledger.work.enlist([NAME])
            lease = await ledger.work.claim(NAME)
            assert isinstance(lease, Lease)
            await ledger.cases.file(case("one", Mode.CUT))
            await ledger.journal.index(NAME, "account", {Slot.KEY1: Sealed("a value")})
            await ledger.journal.intend(lease, "operation", mint(Sealed("a value")))

    async def ask() -> None:
        async with open_ledger(_url(settings)) as ledger:
            await ledger.work.rows()
            await ledger.work.claim_due(1)
            await ledger.journal.recall(NAME)
            await ledger.cases.of(NAME)

    asyncio.run(fill())
    whole = settings.with_name("rotator.db").read_bytes()
    for table, column in COLUMNS:
        settings.with_name("rotator.db").write_bytes(whole)
        with contextlib.closing(sqlite3.connect(settings.with_name("rotator.db"))) as ledger:
            ledger.execute(f"UPDATE {table} SET {column} = {garbage}")
            ledger.commit()
        with contextlib.suppress(LedgerFault):
            asyncio.run(ask())


def test_a_ledger_that_wants_a_token_says_when_there_is_none(tmp_path: Path) -> None:
    """The identity is asked before anything is sent to the server."""
    path = tmp_path / "rotator.yaml"
    path.write_text(
        "ledger: postgresql://rotator@127.0.0.1:9/rotator?sslmode=verify-full\n"
        "ledger_login: entra\n"
        "identity: {client_secret: {tenant: t, client: c, secret: 'env:PATH'}}\n"
        "cloud: {authority: 'https://127.0.0.1:9', resource_manager: 'https://127.0.0.1:9', audience: 'https://127.0.0.1:9', "
        "database_audience: 'https://127.0.0.1:9'}\n"
    )
    for command in (["work", "list"], ["ledger", "upgrade"]):
        result = CliRunner().invoke(main, [*command, "--config", str(path)])
        assert result.exit_code == 1, result.output
        assert "The ledger cannot be used: no token to log in with" in result.stderr
