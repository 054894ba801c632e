"""Resource Manager is never asked for more than it grants: the real SDKs against a sandbox that counts, and refuses for whole seconds."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rotator.azure import Size, Sort
from rotator.core.credential import Slot
from rotator.core.incident import Alert, State
from rotator.core.policy import Mode
from rotator.core.sealed import fingerprint
from rotator.engine.intake import intake
from rotator.engine.ports import HeldBy
from rotator.engine.reconcile import Run, reconcile
from rotator.sandbox import SandboxThread
from rotator.settings import load
from rotator.wiring import House, open_house
from tests.sandbox.conftest import build_estate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.conftest import Estate

ACCOUNTS = 10
SMALL = Size(burst=10, refill_per_s=20)
ENOUGH = timedelta(seconds=30)


async def test_a_fleet_that_leaks_at_once_is_killed_without_one_refusal(tmp_path: Path) -> None:
    with SandboxThread(tmp_path, seed=5) as azure:
        estate = build_estate(azure, tmp_path, ACCOUNTS)
        told = {f"{sort}{what}": size for sort in Sort for what, size in (("", SMALL.burst), ("_per_s", SMALL.refill_per_s))}
        azure.throttle(**told)
        leaked = {name: azure.account(name).keys["key1"] for name in estate.names}
        async with open_house(load(estate.settings), tmp_path, _unwatched, sizes=dict.fromkeys(Sort, SMALL)) as house:
            runs = await asyncio.gather(*(_cut(house, name, leaked[name]) for name in estate.names))
            levels = {sort: level for _, sort, level in house.azure.budget.levels()}
        assert all(case.state is State.CLOSED for run in runs for case in run.incidents)
        assert [entry.operation for entry in azure.journal if entry.status == 429] == []
        assert levels[Sort.WRITES].refused == 0
        assert levels[Sort.WRITES].taken == sum(e.operation in ("ListKeys", "RegenerateKey") for e in azure.journal)
        assert levels[Sort.READS].taken == sum(e.operation == "GetAccount" for e in azure.journal)
        for name in estate.names:
            estate.assert_at_rest(name, dead=leaked[name])


async def _cut(house: House, name: str, leaked: str) -> Run:
    credential, until = house.credentials[name], datetime.now(UTC) + ENOUGH
    alert = Alert(source="test", reported_at=datetime.now(UTC), fingerprint=fingerprint(leaked))
    await intake(alert, credential, house.world, slot=Slot.KEY1, mode=Mode.CUT)
    lease = await house.ledger.work.claim(name)
    assert not isinstance(lease, HeldBy)
    return await reconcile(credential, house.world, lease, until=until)


def _unwatched(event: str, **fields: Any) -> None:
    """Nobody looks on."""


def test_what_is_not_due_costs_one_look(estate: Estate) -> None:
    assert estate.run("rotate", "--due").exit_code == 0  # adopts the secret
    estate.azure.clear_journal()
    assert estate.run("rotate", "--due").exit_code == 0
    asked = Counter(entry.operation for entry in estate.azure.journal if entry.authorized and entry.surface != "entra")
    assert asked == {"ListKeys": 1, "GetAccount": 1, "GetSecret": 1, "ListSecretVersions": 1}


def test_a_pasted_key_is_recognised_and_killed_with_one_list_of_keys(estate: Estate) -> None:
    leaked = estate.azure.account("chat-prod").keys["key1"]
    assert estate.run("rotate", "--due").exit_code == 0
    estate.azure.clear_journal()
    result = estate.run("revoke", "--leaked-key", "-", "--mode", "cut", "--yes", stdin=leaked)
    assert result.exit_code == 0, result.output
    asked = [entry.operation for entry in estate.azure.journal if entry.operation in ("ListKeys", "RegenerateKey")]
    assert asked == ["ListKeys", "RegenerateKey", "ListKeys"], "once to know whose it is, the kill, and once before the case is closed"
    estate.assert_at_rest("chat-prod", dead=leaked)
