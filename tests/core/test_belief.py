"""Which decisions may stand on what was told a moment ago."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rotator.core.belief import may_stand_on_belief
from rotator.core.credential import Reason
from rotator.core.facts import Facts
from rotator.core.incident import State
from rotator.core.policy import Mode
from rotator.core.step import (
    Adopt,
    Decision,
    Do,
    Mint,
    Propagate,
    Prove,
    ProveDead,
    Publish,
    Quiet,
    Recover,
    Retire,
    Revoke,
    Step,
    SwitchOffLocalAuth,
    Wait,
)
from tests.core.situations import (
    DAY,
    FOREIGN,
    KEY1,
    KEY2,
    MINUTE,
    NOW,
    SECOND,
    A,
    B,
    C,
    at_rest,
    case,
    credential,
    killed,
    known,
    remember,
    revoked,
    unseen,
    vault,
    version,
)

if TYPE_CHECKING:
    from rotator.core.incident import Incident
    from rotator.core.snapshot import Snapshot


def believed(decision: Decision, seen: Snapshot, *cases: Incident) -> bool:
    return may_stand_on_belief(decision, Facts(snapshot=seen, credential=credential(), incidents=cases, now=NOW))


def do(step: Step) -> Do:
    return Do(step=step, reason=Reason.SUPERSEDED, because="a test", phase="a test")


HARMLESS = [
    Prove(slot=KEY1, fingerprint=A),
    ProveDead(fingerprint=A),
    Adopt(version="v1", slot=KEY1, fingerprint=A),
    Retire(version="v1", fingerprint=A),
    Propagate(dependent="app", slot=KEY1, fingerprint=A, version="v1"),
    Publish(slot=KEY2, fingerprint=B, heals=False),
]
NEVER = [
    Mint(slot=KEY2, replaces=B),
    Revoke(slot=KEY1, fingerprint=A),
    Recover(),
    SwitchOffLocalAuth(incident="inc-a"),
    Publish(slot=KEY2, fingerprint=B, heals=True),
]


@pytest.mark.parametrize("step", HARMLESS, ids=lambda step: step.name)
def test_what_ends_no_value_may_be_done_on_a_belief(step: Step) -> None:
    assert believed(do(step), at_rest())


@pytest.mark.parametrize("step", NEVER, ids=lambda step: step.name)
def test_what_ends_a_value_is_looked_at_first(step: Step) -> None:
    assert not believed(do(step), at_rest())


def test_a_kill_that_waits_for_nobody_waits_for_no_look_either() -> None:
    kill = do(Revoke(slot=KEY1, fingerprint=A))
    assert believed(kill, at_rest(), case(A, Mode.CUT))
    assert believed(kill, at_rest(), case(A, Mode.DRAIN, left=-SECOND))
    assert not believed(kill, at_rest(), case(A, Mode.DRAIN, left=MINUTE))
    assert not believed(kill, at_rest(), case(B, Mode.CUT))


def test_a_value_that_is_gone_is_replaced_at_once_only_where_we_ended_it() -> None:
    """Any other may be newer than the belief: a person has just regenerated and set it."""
    heal = do(Publish(slot=KEY1, fingerprint=C, heals=True))
    assert believed(heal, killed(), case(A, Mode.CUT))
    by_a_person = at_rest(secret=vault(version("v1", A), version("v2", FOREIGN, SECOND)))
    assert not believed(heal, by_a_person, case(A, Mode.CUT))
    assert not believed(heal, at_rest(secret=unseen("the secret")), case(A, Mode.CUT))
    older = remember(known(B, published_at=NOW - SECOND, version="v9"))
    assert not believed(heal, at_rest(memory=older), case(A, Mode.CUT))
    disabled = replace(version("v1", A), enabled=False)
    assert not believed(heal, at_rest(secret=vault(disabled, holds=B)))


@pytest.mark.parametrize(
    ("wait", "yes"),
    [
        (Wait(until=NOW, because="", phase="overlap"), True),
        (Wait(until=NOW, because="", phase="proving_dead"), True),
        (Wait(until=NOW, because="", phase="draining", tell=True), True),
        (Wait(until=NOW, because="", phase="unseen", failed=True), False),
        (Wait(until=NOW, because="", phase="proving", failed=True), False),
        (Wait(until=NOW, because="", phase="foreign", refused=True), False),
        (Wait(until=NOW, because="", phase="contested"), False),
    ],
)
def test_a_person_is_asked_for_nothing_that_may_be_there_by_now(wait: Wait, yes: bool) -> None:
    assert believed(wait, at_rest()) is yes


def test_quiet_is_believed_but_a_case_is_closed_by_what_is_seen() -> None:
    quiet = Quiet(until=NOW + DAY, because="at rest")
    assert believed(quiet, at_rest())
    assert believed(quiet, at_rest(), case(C, state=State.CLOSED))
    assert not believed(quiet, at_rest(), case(C, state=State.DEAD))
    assert not believed(quiet, at_rest(), revoked(C))
    assert not believed(replace(quiet, phase="local_auth_off"), at_rest())
