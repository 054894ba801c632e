"""Roles are derived from what the vault gives out and gave out, and stored nowhere."""

from rotator.core.credential import Role
from rotator.core.facts import Facts
from rotator.core.snapshot import Snapshot
from tests.core.situations import DAY, KEY1, KEY2, NOW, B, at_rest, credential, known, overlap, remember


def roles(seen: Snapshot) -> tuple[Role, Role]:
    facts = Facts(snapshot=seen, credential=credential(), incidents=(), now=NOW)
    return facts.role(KEY1), facts.role(KEY2)


def test_what_is_given_out_is_active_and_what_was_given_out_before_it_is_retired() -> None:
    assert roles(at_rest()) == (Role.ACTIVE, Role.STANDBY)
    assert roles(overlap()) == (Role.RETIRED, Role.ACTIVE)


def test_that_a_value_was_published_may_be_remembered_where_its_version_is_gone() -> None:
    assert roles(at_rest(memory=remember(known(B, published_at=NOW - DAY)))) == (Role.ACTIVE, Role.RETIRED)
