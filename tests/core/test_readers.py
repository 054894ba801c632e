"""What readers of the vault are left with once a value is dead."""

import pytest

from rotator.core.facts import Facts
from rotator.core.incident import Incident
from rotator.core.policy import Mode
from rotator.core.readers import DEAD_KEY, left_with, remembered
from rotator.core.snapshot import Snapshot
from tests.core.situations import (
    DAY,
    FOREIGN,
    NOW,
    A,
    B,
    account,
    at_rest,
    case,
    credential,
    healed,
    killed,
    known,
    remember,
    unseen,
    untagged,
    vault,
    version,
)

HIDDEN = unseen("the secret")


@pytest.mark.parametrize(
    ("seen", "cases", "told"),
    [
        (at_rest(), (), ""),
        (killed(), (), DEAD_KEY),
        (healed(), (), ""),
        (killed(secret=vault(version("v1", A, enabled=False))), (), ""),
        (killed(account=account(local_auth=False), slots=unseen("the slots")), (), ""),
        (killed(), (case(A, Mode.CONTAIN),), ""),
        (killed(secret=vault(untagged("v9"), holds=FOREIGN)), (), ""),
        (killed(secret=HIDDEN), (), "whether the vault still gives out a dead key cannot be told: the secret cannot be seen"),
        (at_rest(secret=HIDDEN, memory=remember(known(A, replaced_at=NOW, published_at=NOW - DAY))), (), DEAD_KEY),
        (at_rest(secret=HIDDEN, memory=remember(known(B, published_at=NOW - DAY))), (), ""),
    ],
)
def test_dead_is_done_only_where_readers_have_another(seen: Snapshot, cases: tuple[Incident, ...], told: str) -> None:
    assert left_with(Facts(snapshot=seen, credential=credential(), incidents=cases, now=NOW)) == told


def test_what_is_remembered_tells_it_without_a_look() -> None:
    assert remembered(remember()) == ""
    assert remembered(remember(known(A, published_at=NOW - DAY, dead_at=NOW))) == DEAD_KEY
    assert remembered(remember(known(A, published_at=NOW - DAY, dead_at=NOW), known(B, published_at=NOW))) == ""
