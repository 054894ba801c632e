"""A second writer is told by a version that our ledger never intended, after one that it remembers."""

from datetime import timedelta
from typing import Any

import pytest

from rotator.core.second_writer import sentence, to_be_asked_about
from rotator.core.snapshot import Snapshot
from tests.core.situations import DAY, HOUR, NOW, OTHER_ACCOUNT, SECOND, A, B, at_rest, credential, known, remember, unseen, vault, version


def seen(came: timedelta = HOUR, ours: timedelta = DAY, **changes: Any) -> Snapshot:
    """v1 is remembered as ours, and v2 came after it by an operation."""
    told = vault(version("v1", A, ours), version("v2", B, came, **{"operation": "op-2", **changes}))
    return at_rest(secret=told, memory=remember(known(A, version="v1", published_at=NOW - ours)))


@pytest.mark.parametrize("came", [HOUR, DAY], ids=["later", "in the same second"])
def test_a_version_that_came_after_one_of_ours_is_asked_about(came: timedelta) -> None:
    version = to_be_asked_about(seen(came), credential())
    assert version is not None
    assert version.id == "v2"
    assert "another rotator" in sentence(version)


@pytest.mark.parametrize(
    "snapshot",
    [
        seen(DAY + SECOND),
        seen(operation=None),
        seen(account=OTHER_ACCOUNT),
        at_rest(secret=vault(version("v2", B, operation="op-2"))),
        at_rest(secret=vault(version("v2", B, operation="op-2")), memory=remember(known(B, version="v2", published_at=NOW - DAY))),
        at_rest(secret=unseen("the secret")),
    ],
    ids=["it was there before", "set by hand", "another account's", "nothing is remembered", "it is ours", "the secret is not seen"],
)
def test_all_else_accuses_nobody(snapshot: Snapshot) -> None:
    assert to_be_asked_about(snapshot, credential()) is None
