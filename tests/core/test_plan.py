"""The planner's rules as a table: a situation, and the step, the slot, the reason and the sentence that come of it."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.core.credential import Credential, Reason, Slot
from rotator.core.incident import Incident, State
from rotator.core.plan import RULES
from rotator.core.policy import Mode, Unprovable, Window
from rotator.core.rules.containment import KILL_LOOKS_MAX, KILL_TRIES_MAX
from rotator.core.rules.secret import HEALS_PER_HOUR_MAX
from rotator.core.snapshot import Adoption, HeldBack, Memory, Order, SecretView, Snapshot
from rotator.core.step import (
    Adopt,
    Do,
    Mint,
    Propagate,
    Prove,
    ProveDead,
    Publish,
    Quiet,
    Retire,
    Revoke,
    Step,
    SwitchOffLocalAuth,
    Wait,
    fingerprint_of,
    label,
    slot_of,
)
from rotator.core.waiting import LOOK_AGAIN, LOOK_AGAIN_IN_AN_EMERGENCY, RECHECK
from tests.core.situations import (
    ACCOUNT,
    DAY,
    FOREIGN,
    HOUR,
    KEY1,
    KEY2,
    MINUTE,
    NOW,
    OTHER_ACCOUNT,
    SECOND,
    A,
    B,
    C,
    D,
    account,
    at_rest,
    case,
    credential,
    decide,
    dependent,
    due,
    healed,
    hold_back,
    killed,
    known,
    overlap,
    remember,
    revoked,
    unseen,
    untagged,
    value,
    vault,
    version,
)

COMPROMISE, SUPERSEDED = Reason.KEY_COMPROMISE, Reason.SUPERSEDED
DRAIN, CUT, CONTAIN = Mode.DRAIN, Mode.CUT, Mode.CONTAIN
PROVEN, CLAIMED, STALE, UNSEEN = Adoption.PROVEN, Adoption.CLAIMED, Adoption.STALE, Adoption.UNSEEN
FRESH_B = known(B, minted_at=NOW - MINUTE, slot=KEY2)
PROVEN_B = replace(FRESH_B, proven_at=NOW - SECOND)
ACCEPTING = credential(unprovable=Unprovable.ACCEPT)
BLIND = account(kind="CustomVision.Training", provable=False)


def test_the_rules_stand_in_the_order_of_the_design() -> None:
    assert [rule.__name__ for rule in RULES] == [
        "contain",
        "adopt_before_a_cut",
        "revoke_at_any_price",
        "revoke_when_unused",
        "prove_dead_meanwhile",
        "local_auth_off",
        "heal",
        "adopt",
        "roll_back",
        "renew",
        "propagate",
        "supersede",
        "prove_dead",
        "retire",
        "overlap",
        "unfinished",
        "held",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A situation, and the step that comes of it."""

    when: str
    seen: Snapshot
    cases: tuple[Incident, ...] = ()
    of: Credential | None = None
    step: str
    slot: Slot | None = None
    reason: Reason
    says: str


ROWS = [
    # contain
    Row(
        when="contain and the value is killed and not refused everywhere for longer than a kill takes to bite",
        seen=killed(memory=remember(known(A, replaced_at=NOW - 11 * SECOND, probes=5))),
        cases=(revoked(A, CONTAIN),),
        step="switch_off_local_auth",
        reason=COMPROMISE,
        says="contain",
    ),
    Row(
        when="contain and the value is killed and not probed yet",
        seen=killed(),
        cases=(revoked(A, CONTAIN),),
        step="prove_dead",
        slot=KEY1,
        reason=COMPROMISE,
        says="is replaced",
    ),
    Row(
        when="contain and the kind has no probe",
        seen=killed(account=BLIND),
        cases=(revoked(A, CONTAIN),),
        step="switch_off_local_auth",
        reason=COMPROMISE,
        says="accept no key",
    ),
    Row(
        when="contain and the keys cannot be listed until a person acts",
        seen=at_rest(slots=unseen("the slots", hopeless=True)),
        cases=(case(A, CONTAIN),),
        step="switch_off_local_auth",
        reason=COMPROMISE,
        says="contain",
    ),
    Row(
        when="contain and the value still lives: the kill comes first",
        seen=at_rest(),
        cases=(case(A, CONTAIN),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="contain: kill it first",
    ),
    # adopt_before_a_cut
    Row(
        when="a cut of a secret that was never tagged",
        seen=at_rest(secret=vault(untagged("v1"), holds=A)),
        cases=(case(A, CUT),),
        step="adopt",
        slot=KEY1,
        reason=COMPROMISE,
        says="does not say so",
    ),
    Row(
        when="a drain past its deadline of a secret that was never tagged",
        seen=at_rest(secret=vault(untagged("v1"), holds=A)),
        cases=(case(A, left=-SECOND),),
        step="adopt",
        slot=KEY1,
        reason=COMPROMISE,
        says="does not say so",
    ),
    Row(
        when="a leak in a secret whose tags leave no room for ours: nothing is adopted, all else is done",
        seen=at_rest(secret=vault(version("v1", A, account=None, foreign_tags={f"tag-{number}": "x" for number in range(15)}))),
        cases=(case(A, CUT),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="cut",
    ),
    Row(
        when="local auth is off and a drain of a slot that cannot be listed is past its deadline",
        seen=at_rest(account=account(local_auth=False), slots=unseen("the slots")),
        cases=(case(A, left=-SECOND, slot=KEY1),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="local auth is off",
    ),
    Row(
        when="somebody regenerated the slot we minted into, and long enough ago that no list is so old",
        seen=due(slots={KEY1: A, KEY2: C}, memory=remember(known(D, minted_at=NOW - 3 * MINUTE, slot=KEY2))),
        step="mint",
        slot=KEY2,
        reason=SUPERSEDED,
        says="cryptoperiod",
    ),
    Row(
        when="a slot that we minted into shows what is known to have come after it",
        seen=due(
            slots={KEY1: A, KEY2: C},
            memory=remember(
                known(D, minted_at=NOW - MINUTE, slot=KEY2), known(C, minted_at=NOW - SECOND, proven_at=NOW - SECOND, slot=KEY2)
            ),
        ),
        step="publish",
        slot=KEY2,
        reason=SUPERSEDED,
        says="accepted",
    ),
    # revoke_at_any_price
    Row(when="a cut of the active value", seen=at_rest(), cases=(case(A, CUT),), step="revoke", slot=KEY1, reason=COMPROMISE, says="cut"),
    Row(when="a cut of the standby value", seen=at_rest(), cases=(case(B, CUT),), step="revoke", slot=KEY2, reason=COMPROMISE, says="cut"),
    Row(
        when="a drain past its deadline",
        seen=at_rest(),
        cases=(case(A, left=-SECOND),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="waits for nobody",
    ),
    Row(
        when="a drain at its deadline, to the second",
        seen=at_rest(),
        cases=(case(A, left=0 * SECOND),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="deadline",
    ),
    Row(
        when="a cut and the vault cannot be reached",
        seen=at_rest(secret=unseen("the secret")),
        cases=(case(A, CUT),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="cut",
    ),
    Row(
        when="a drain past its deadline and the vault cannot be reached",
        seen=at_rest(secret=unseen("the secret")),
        cases=(case(A, left=-SECOND),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="waits for nobody",
    ),
    Row(
        when="a cut and the account cannot be read",
        seen=at_rest(account=unseen("the account")),
        cases=(case(A, CUT),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="cut",
    ),
    Row(
        when="a drain past its deadline and a dependent runs on the value",
        seen=overlap(dependents=(dependent("api", STALE), dependent("batch", UNSEEN))),
        cases=(case(A, left=-SECOND),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="waits for nobody",
    ),
    Row(
        when="the ledger is lost in a drain, and the vault says that key1 was replaced for a compromise longer ago than a drain lasts",
        seen=at_rest(
            secret=vault(version("v1", A, 9 * DAY), version("v2", B, HOUR, reason=COMPROMISE)), dependents=(dependent("api", STALE),)
        ),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="deadline",
    ),
    Row(
        when="local auth is off, no key can be listed, and a case knows its slot",
        seen=at_rest(account=account(local_auth=False), slots=unseen("the slots")),
        cases=(case(A, CONTAIN, slot=KEY1, contained_at=NOW),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="local auth is off",
    ),
    # revoke_when_unused
    Row(
        when="a drain of the standby value",
        seen=at_rest(),
        cases=(case(B),),
        step="revoke",
        slot=KEY2,
        reason=COMPROMISE,
        says="nothing uses",
    ),
    Row(
        when="a drain of the retired value and everyone has moved",
        seen=overlap(dependents=(dependent("api", PROVEN), dependent("batch", CLAIMED))),
        cases=(case(A),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="nothing uses",
    ),
    Row(
        when="a drain of the standby value in a secret that was never tagged: only a cut is told of before",
        seen=at_rest(secret=vault(untagged("v1"), holds=A)),
        cases=(case(B),),
        step="revoke",
        slot=KEY2,
        reason=COMPROMISE,
        says="nothing uses",
    ),
    Row(
        when="the ledger is lost in a drain, and somebody set the secret by hand between the two versions of ours",
        seen=at_rest(
            secret=vault(version("v1", A, 9 * DAY), untagged("v1b", DAY), version("v2", B, SECOND, reason=COMPROMISE)),
        ),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="nothing uses",
    ),
    Row(
        when="both slots are compromised: the one that nothing uses first",
        seen=at_rest(),
        cases=(case(A), case(B)),
        step="revoke",
        slot=KEY2,
        reason=COMPROMISE,
        says="nothing uses",
    ),
    Row(
        when="a drain of the value in a version that is disabled, so that nobody can read it",
        seen=at_rest(secret=vault(version("v1", A, enabled=False))),
        cases=(case(A),),
        step="revoke",
        slot=KEY1,
        reason=COMPROMISE,
        says="nothing uses",
    ),
    # prove_dead_meanwhile
    Row(
        when="the leaked value is replaced and the vault cannot be reached",
        seen=killed(secret=unseen("the secret")),
        cases=(revoked(A),),
        step="prove_dead",
        slot=KEY1,
        reason=COMPROMISE,
        says="has to refuse it",
    ),
    # heal
    Row(
        when="the secret is soft-deleted",
        seen=at_rest(secret=SecretView(current=None, deleted=True)),
        step="recover",
        reason=SUPERSEDED,
        says="soft-deleted",
    ),
    Row(
        when="the secret is missing",
        seen=at_rest(secret=SecretView(current=None), memory=Memory()),
        step="prove",
        slot=KEY1,
        reason=SUPERSEDED,
        says="has no value yet",
    ),
    Row(
        when="a person regenerated the active slot in the portal: the other slot is asked for proof",
        seen=at_rest(slots={KEY1: C, KEY2: B}, memory=remember(FRESH_B)),
        step="prove",
        slot=KEY2,
        reason=SUPERSEDED,
        says="in no slot",
    ),
    Row(
        when="a person regenerated the active slot in the portal, and the other is proven",
        seen=at_rest(slots={KEY1: C, KEY2: B}, memory=remember(PROVEN_B)),
        step="publish",
        slot=KEY2,
        reason=SUPERSEDED,
        says="accepted by the data plane",
    ),
    Row(
        when="we cut the active value: the next version says why",
        seen=killed(memory=remember(PROVEN_B, known(A, replaced_at=NOW - SECOND))),
        cases=(revoked(A),),
        step="publish",
        slot=KEY2,
        reason=COMPROMISE,
        says="in no slot",
    ),
    Row(
        when="the vault's value was set by hand in a secret of ours: what readers had last is given back",
        seen=at_rest(secret=vault(version("v1", A), untagged("v2", HOUR), holds=FOREIGN), memory=remember(known(A, proven_at=NOW - DAY))),
        step="publish",
        slot=KEY1,
        reason=SUPERSEDED,
        says="in no slot",
    ),
    Row(
        when="the vault's value was set by hand to something that is not of the template's form",
        seen=at_rest(secret=vault(version("v1", A), untagged("v2", HOUR)), memory=remember(known(A, proven_at=NOW - DAY))),
        step="publish",
        slot=KEY1,
        reason=SUPERSEDED,
        says="in no slot",
    ),
    Row(
        when="the current version was disabled by hand",
        seen=at_rest(secret=vault(version("v1", A, enabled=False)), memory=remember(known(A, proven_at=NOW - DAY))),
        step="publish",
        slot=KEY1,
        reason=SUPERSEDED,
        says="disabled",
    ),
    Row(
        when="what readers had last is compromised: never given back",
        seen=at_rest(
            secret=vault(version("v1", A), untagged("v2", HOUR), holds=FOREIGN),
            memory=remember(PROVEN_B, known(A, proven_at=NOW - DAY)),
            dependents=(dependent("api", STALE),),
        ),
        cases=(case(A),),
        step="publish",
        slot=KEY2,
        reason=SUPERSEDED,
        says="in no slot",
    ),
    Row(
        when="both slots are compromised, dependents run on them, and the vault holds neither",
        seen=at_rest(secret=vault(version("v0", D)), dependents=(dependent("api", STALE),)),
        cases=(case(A), case(B)),
        step="mint",
        slot=KEY1,
        reason=COMPROMISE,
        says="no slot holds a value that may be published",
    ),
    Row(
        when="a foreign value, and a person said --replace-foreign",
        seen=at_rest(secret=vault(untagged("v9"), holds=FOREIGN), memory=remember(PROVEN_B, order=Order(value="v9", foreign=True))),
        step="publish",
        slot=KEY2,
        reason=SUPERSEDED,
        says="in no slot",
    ),
    Row(
        when="the secret's only value was once seen in a slot of this account",
        seen=at_rest(secret=vault(untagged("v9"), holds=D), memory=remember(PROVEN_B, known(D))),
        step="publish",
        slot=KEY2,
        reason=SUPERSEDED,
        says="in no slot",
    ),
    # adopt
    Row(
        when="a first, untagged version",
        seen=at_rest(secret=vault(untagged("v1"), holds=A)),
        step="adopt",
        slot=KEY1,
        reason=SUPERSEDED,
        says="does not say so",
    ),
    Row(
        when="a version whose tag tells another value than it holds",
        seen=at_rest(secret=vault(version("v1", C), holds=B)),
        step="adopt",
        slot=KEY2,
        reason=SUPERSEDED,
        says="key2",
    ),
    Row(
        when="a version that says it is of another account",
        seen=at_rest(secret=vault(version("v1", A, account=OTHER_ACCOUNT))),
        step="adopt",
        slot=KEY1,
        reason=SUPERSEDED,
        says="does not say so",
    ),
    # renew
    Row(
        when="the cryptoperiod is over: what reads key2 directly is warned of",
        seen=due(),
        step="mint",
        slot=KEY2,
        reason=SUPERSEDED,
        says="never empty to our knowledge",
    ),
    Row(
        when="the cryptoperiod is over and key2 was minted by us longer ago than a cryptoperiod",
        seen=due(memory=remember(known(B, minted_at=NOW - 31 * DAY))),
        step="mint",
        slot=KEY2,
        reason=SUPERSEDED,
        says="nobody has",
    ),
    Row(
        when="an operator ordered a new value",
        seen=at_rest(memory=remember(order=Order(value=A))),
        step="mint",
        slot=KEY2,
        reason=SUPERSEDED,
        says="operator ordered",
    ),
    Row(
        when="a drain of the active value",
        seen=at_rest(),
        cases=(case(A),),
        step="mint",
        slot=KEY2,
        reason=COMPROMISE,
        says="compromised, to be dead by 12:01:00",
    ),
    Row(
        when="a drain of the active value in an overlap: the overlap ends",
        seen=overlap(),
        cases=(case(B),),
        step="mint",
        slot=KEY1,
        reason=COMPROMISE,
        says="ends the overlap",
    ),
    Row(
        when="both are compromised and a dependent runs on the retired one",
        seen=overlap(dependents=(dependent("api", STALE),)),
        cases=(case(A), case(B)),
        step="mint",
        slot=KEY1,
        reason=COMPROMISE,
        says="compromised",
    ),
    Row(
        when="a fresh mint stands by",
        seen=due(memory=remember(FRESH_B)),
        step="prove",
        slot=KEY2,
        reason=SUPERSEDED,
        says="accepted by the data plane first",
    ),
    Row(
        when="a fresh mint stands by and is proven",
        seen=due(memory=remember(PROVEN_B)),
        step="publish",
        slot=KEY2,
        reason=SUPERSEDED,
        says="cryptoperiod is over",
    ),
    Row(
        when="a drain, and a fresh proven mint stands by",
        seen=at_rest(memory=remember(PROVEN_B)),
        cases=(case(A),),
        step="publish",
        slot=KEY2,
        reason=COMPROMISE,
        says="compromised",
    ),
    Row(
        when="the fresh mint is compromised too: another one",
        seen=at_rest(memory=remember(PROVEN_B), dependents=(dependent("api", STALE),)),
        cases=(case(A), case(B)),
        step="mint",
        slot=KEY2,
        reason=COMPROMISE,
        says="compromised",
    ),
    Row(
        when="due, of a kind that cannot be asked, and the settings accept that",
        seen=due(account=BLIND),
        of=ACCEPTING,
        step="mint",
        slot=KEY2,
        reason=SUPERSEDED,
        says="cryptoperiod",
    ),
    Row(
        when="a fresh mint of a kind that cannot be asked is asked once for the record",
        seen=due(account=BLIND, memory=remember(FRESH_B)),
        of=ACCEPTING,
        step="prove",
        slot=KEY2,
        reason=SUPERSEDED,
        says="first",
    ),
    Row(
        when="a fresh mint that could not be asked is published where the settings accept that",
        seen=due(account=BLIND, memory=remember(replace(FRESH_B, unprovable="no probe"))),
        of=ACCEPTING,
        step="publish",
        slot=KEY2,
        reason=SUPERSEDED,
        says="cryptoperiod",
    ),
    Row(
        when="due, and the data plane never answered to the key in use: asked before anything is minted",
        seen=due(memory=Memory()),
        step="prove",
        slot=KEY1,
        reason=SUPERSEDED,
        says="answered to the key in use",
    ),
    # propagate
    Row(
        when="a dependent lags",
        seen=overlap(dependents=(dependent("batch", PROVEN), dependent("api", STALE, because="runs on v1"))),
        step="propagate",
        slot=KEY2,
        reason=SUPERSEDED,
        says="api lags: runs on v1",
    ),
    Row(
        when="a dependent lags after a compromise",
        seen=healed(dependents=(dependent("api", STALE),)),
        cases=(revoked(A),),
        step="propagate",
        slot=KEY2,
        reason=COMPROMISE,
        says="api lags",
    ),
    Row(
        when="a dependent that cannot be seen does not hold the next one back",
        seen=overlap(dependents=(dependent("batch", UNSEEN), dependent("api", STALE))),
        step="propagate",
        slot=KEY2,
        reason=SUPERSEDED,
        says="api lags",
    ),
    # supersede
    Row(
        when="the overlap is over and every dependent has moved",
        seen=overlap(25 * HOUR, dependents=(dependent("api", PROVEN),)),
        step="revoke",
        slot=KEY1,
        reason=SUPERSEDED,
        says="every dependent has moved",
    ),
    Row(
        when="the overlap is over and no dependent is named",
        seen=overlap(25 * HOUR),
        step="revoke",
        slot=KEY1,
        reason=SUPERSEDED,
        says="time to move",
    ),
    Row(
        when="the overlap is over, to the second",
        seen=overlap(24 * HOUR),
        step="revoke",
        slot=KEY1,
        reason=SUPERSEDED,
        says="overlap is over",
    ),
    Row(
        when="the overlap is over and a dependent claimed to have moved, longer ago than its grace",
        seen=overlap(25 * HOUR, dependents=(dependent("api", CLAIMED),)),
        step="revoke",
        slot=KEY1,
        reason=SUPERSEDED,
        says="every dependent has moved",
    ),
    Row(
        when="only our memory says that key1 was published (its version was purged)",
        seen=at_rest(secret=vault(version("v2", B, 25 * HOUR)), memory=remember(known(A, published_at=NOW - 31 * DAY))),
        step="revoke",
        slot=KEY1,
        reason=SUPERSEDED,
        says="overlap is over",
    ),
    # prove_dead
    Row(
        when="a value was superseded by a mint and a version of ours still holds it",
        seen=overlap(25 * HOUR, slots={KEY1: C, KEY2: B}),
        step="prove_dead",
        slot=None,
        reason=SUPERSEDED,
        says="is replaced",
    ),
    Row(
        when="a leaked value that no version holds is probed for its case",
        seen=at_rest(slots={KEY1: A, KEY2: C}, memory=remember(known(B, slot=KEY2))),
        cases=(revoked(B),),
        step="prove_dead",
        slot=KEY2,
        reason=COMPROMISE,
        says="every endpoint",
    ),
    Row(
        when="the time to probe again has come",
        seen=overlap(25 * HOUR, slots={KEY1: C, KEY2: B}, memory=remember(known(A, probes=3, probe_again_at=NOW))),
        step="prove_dead",
        reason=SUPERSEDED,
        says="is replaced",
    ),
    # retire
    Row(
        when="a dead value's version is still enabled",
        seen=overlap(25 * HOUR, slots={KEY1: C, KEY2: B}, memory=remember(known(A, dead_at=NOW - SECOND))),
        step="retire",
        reason=SUPERSEDED,
        says="proven dead",
    ),
    Row(
        when="a dead leaked value's version is still enabled",
        seen=healed(memory=remember(known(A, dead_at=NOW - SECOND))),
        cases=(case(A, CUT, state=State.DEAD),),
        step="retire",
        reason=COMPROMISE,
        says="nobody runs on it",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.when)
def test_a_situation_leads_to_one_step(row: Row) -> None:
    decision = decide(row.seen, *row.cases, of=row.of)
    assert isinstance(decision, Do), decision
    told = (decision.step.name, slot_of(decision.step), decision.reason)
    assert told == (row.step, row.slot, row.reason), decision
    assert row.says in decision.because


GIVES_WAY = ("propagate",)
"""One dependent that refuses gives way to its neighbours inside its own rule."""


@pytest.mark.parametrize("row", [row for row in ROWS if row.step not in GIVES_WAY], ids=lambda row: row.when)
def test_a_step_that_failed_is_held_back_and_is_tried_again_when_it_may(row: Row) -> None:
    first = decide(row.seen, *row.cases, of=row.of)
    assert isinstance(first, Do)
    held = hold_back(row.seen, first.step)
    second = decide(held, *row.cases, of=row.of)
    if isinstance(second, Do):
        assert second.step != first.step
    else:
        assert second.until <= NOW + SECOND
    third = decide(held, *row.cases, of=row.of, now=NOW + SECOND)
    assert isinstance(third, Do)


# --- waiting ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """A situation in which nothing is done now."""

    when: str
    seen: Snapshot
    cases: tuple[Incident, ...] = ()
    of: Credential | None = None
    phase: str
    until: timedelta
    says: str
    tell: bool = False
    refused: bool = False
    failed: bool = False
    hopeless: bool = False


WAITS = [
    Waits(
        when="the keys cannot be listed",
        seen=at_rest(slots=unseen("the slots", "listKeys is denied", remedy="grant it", hopeless=True)),
        phase="unseen",
        until=LOOK_AGAIN,
        says="the slots cannot be seen: listKeys is denied; grant it",
        tell=True,
        failed=True,
        hopeless=True,
    ),
    Waits(
        when="the vault cannot be reached",
        seen=at_rest(secret=unseen("the secret")),
        phase="unseen",
        until=LOOK_AGAIN,
        says="the secret cannot be seen",
        failed=True,
    ),
    Waits(
        when="a service said when to come back",
        seen=at_rest(slots=unseen("the slots", "throttled", again=NOW + 7 * SECOND)),
        phase="unseen",
        until=7 * SECOND,
        says="throttled",
        failed=True,
    ),
    Waits(
        when="the account is gone",
        seen=at_rest(account=unseen("the account", "404", hopeless=True), slots=unseen("the slots", "404", hopeless=True)),
        phase="unseen",
        until=LOOK_AGAIN,
        says="404",
        failed=True,
        hopeless=True,
    ),
    Waits(
        when="a cut and the keys cannot be listed: looked at again sooner, and told",
        seen=at_rest(slots=unseen("the slots")),
        cases=(case(A, CUT),),
        phase="unseen",
        until=LOOK_AGAIN_IN_AN_EMERGENCY,
        says="the slots cannot be seen",
        tell=True,
        failed=True,
    ),
    Waits(
        when="a drain and the vault cannot be reached",
        seen=at_rest(secret=unseen("the secret")),
        cases=(case(A),),
        phase="unseen",
        until=LOOK_AGAIN_IN_AN_EMERGENCY,
        says="the secret cannot be seen",
        tell=True,
        failed=True,
    ),
    Waits(
        when="listKeys still shows a value that was replaced a moment ago",
        seen=at_rest(memory=remember(known(A, replaced_at=NOW - SECOND))),
        phase="unseen",
        until=LOOK_AGAIN,
        says="still shows the value of key1",
        failed=True,
    ),
    Waits(
        when="the vault does not show the version that was published a moment ago",
        seen=at_rest(memory=remember(known(B, published_at=NOW - SECOND, version="v2"))),
        phase="unseen",
        until=LOOK_AGAIN,
        says="does not show version v2 yet",
        failed=True,
    ),
    Waits(
        when="a cut, and listKeys still shows the value that was killed a moment ago: it is killed once",
        seen=at_rest(memory=remember(known(A, replaced_at=NOW - SECOND))),
        cases=(case(A, CUT),),
        phase="unseen",
        until=LOOK_AGAIN_IN_AN_EMERGENCY,
        says="still shows the value of key1",
        tell=True,
        failed=True,
    ),
    Waits(
        when="the vault lists the version that was published a moment ago, and still gives out the one before",
        seen=at_rest(
            secret=replace(vault(version("v2", B, SECOND), version("v1", A)), versions=(version("v1", A), version("v2", B, SECOND))),
            memory=remember(known(B, published_at=NOW - SECOND, version="v2")),
        ),
        phase="unseen",
        until=LOOK_AGAIN,
        says="does not show version v2 yet",
        failed=True,
    ),
    Waits(
        when="a value that is no key of this account in a secret that was never ours",
        seen=at_rest(secret=vault(untagged("v9"), holds=FOREIGN)),
        phase="foreign",
        until=RECHECK,
        says="rotator rotate chat --replace-foreign",
        tell=True,
        refused=True,
    ),
    Waits(
        when="a foreign value, and --replace-foreign was said of another version",
        seen=at_rest(secret=vault(untagged("v9"), holds=FOREIGN), memory=remember(order=Order(value="v8", foreign=True))),
        phase="foreign",
        until=RECHECK,
        says="never ours",
        tell=True,
        refused=True,
    ),
    Waits(
        when="a foreign value in a secret whose versions are of another account",
        seen=at_rest(secret=vault(version("v9", FOREIGN, account=OTHER_ACCOUNT))),
        phase="foreign",
        until=RECHECK,
        says="never ours",
        tell=True,
        refused=True,
    ),
    Waits(
        when="somebody keeps setting the secret",
        seen=at_rest(
            secret=vault(version("v1", A), untagged("v2"), holds=FOREIGN), memory=remember(PROVEN_B, heals_last_hour=HEALS_PER_HOUR_MAX)
        ),
        phase="contested",
        until=RECHECK,
        says="keeps setting",
        tell=True,
        failed=True,
    ),
    Waits(
        when="due, of a kind that cannot be asked",
        seen=due(account=BLIND),
        phase="unprovable",
        until=RECHECK,
        says="unprovable: accept",
        tell=True,
        refused=True,
    ),
    Waits(
        when="a slot that we minted into a moment ago shows a value that nobody remembers",
        seen=due(slots={KEY1: A, KEY2: C}, memory=remember(known(D, minted_at=NOW - SECOND, slot=KEY2))),
        phase="unseen",
        until=LOOK_AGAIN,
        says="does not show yet what key2 was given",
        failed=True,
    ),
    Waits(
        when="local auth is off and a drain of a slot that cannot be listed has time left",
        seen=at_rest(account=account(local_auth=False), slots=unseen("the slots")),
        cases=(case(A, left=SECOND, slot=KEY1),),
        phase="local_auth_off",
        until=SECOND,
        says="revoked at its deadline",
    ),
    Waits(
        when="due, and the account names no https endpoint",
        seen=due(account=account(endpoints=())),
        phase="unprovable",
        until=RECHECK,
        says="no https endpoint",
        tell=True,
        refused=True,
    ),
    Waits(
        when="due, and there is no room for any tag of ours",
        seen=due(secret=vault(version("v1", A, 31 * DAY, account=None, foreign_tags={f"tag-{number}": "x" for number in range(15)}))),
        phase="tags",
        until=RECHECK,
        says="tags of its own",
        tell=True,
        refused=True,
    ),
    Waits(
        when="due, and the secret has so many tags that there is no room for ours",
        seen=due(secret=vault(version("v1", A, 31 * DAY, foreign_tags={f"tag-{number}": "x" for number in range(11)}))),
        phase="tags",
        until=RECHECK,
        says="tags of its own",
        tell=True,
        refused=True,
    ),
    Waits(
        when="healing, of a kind that cannot be asked",
        seen=at_rest(slots={KEY1: C, KEY2: B}, account=BLIND),
        phase="unprovable",
        until=RECHECK,
        says="CustomVision.Training",
        tell=True,
        refused=True,
    ),
    Waits(
        when="a drain, of a kind that cannot be asked: until the deadline and not longer",
        seen=at_rest(account=BLIND),
        cases=(case(A),),
        phase="unprovable",
        until=MINUTE,
        says="nothing is published without proof",
        tell=True,
        refused=True,
    ),
    Waits(
        when="the fresh mint is not accepted yet",
        seen=due(memory=remember(replace(FRESH_B, probes=2, probe_again_at=NOW + 3 * SECOND))),
        phase="proving",
        until=3 * SECOND,
        says="not accepted by the data plane yet",
    ),
    Waits(
        when="the fresh mint is barred by a firewall",
        seen=due(
            memory=remember(
                replace(
                    FRESH_B, probes=2, probe_again_at=NOW + 3 * SECOND, seen="403 from the firewall", unprovable="403 from the firewall"
                )
            )
        ),
        phase="proving",
        until=3 * SECOND,
        says="403 from the firewall",
        failed=True,
    ),
    Waits(
        when="the overlap is not over",
        seen=overlap(dependents=(dependent("api", PROVEN),)),
        phase="overlap",
        until=23 * HOUR,
        says="both values are valid until 2026-03-03 11:00:00 UTC; then key1 is revoked",
    ),
    Waits(
        when="an order (--now) during the overlap: the overlap is kept",
        seen=overlap(memory=remember(order=Order(value=B))),
        phase="overlap",
        until=23 * HOUR,
        says="then key1 is revoked",
    ),
    Waits(
        when="due during the overlap: the overlap is kept",
        seen=at_rest(secret=vault(version("v1", A, 40 * DAY), version("v2", B, 2 * DAY))),
        of=credential(cryptoperiod=DAY, overlap=3 * DAY),
        phase="overlap",
        until=DAY,
        says="then key1 is revoked",
    ),
    Waits(
        when="the overlap is over and a dependent cannot be seen",
        seen=overlap(25 * HOUR, dependents=(dependent("api", UNSEEN, because="denied"),)),
        phase="overlap",
        until=LOOK_AGAIN,
        says="key1 is not revoked while api is Unseen (denied)",
        tell=True,
    ),
    Waits(
        when="the overlap is over, a dependent cannot be seen, and its grace is not over",
        seen=overlap(2 * HOUR, dependents=(dependent("api", UNSEEN),)),
        of=credential(overlap=HOUR),
        phase="overlap",
        until=LOOK_AGAIN,
        says="api is Unseen",
    ),
    Waits(
        when="the overlap is over and a dependent claims to have moved, within its grace",
        seen=overlap(2 * HOUR, dependents=(dependent("api", CLAIMED),)),
        of=credential(overlap=HOUR),
        phase="overlap",
        until=2 * HOUR,
        says="api is Claimed",
    ),
    Waits(
        when="the retired value is compromised and a dependent cannot be seen: drained until the deadline",
        seen=overlap(dependents=(dependent("api", UNSEEN),)),
        cases=(case(A),),
        phase="draining",
        until=LOOK_AGAIN_IN_AN_EMERGENCY,
        says="api still runs on it; revoked at its deadline",
        tell=True,
    ),
    Waits(
        when="the replaced value is still accepted somewhere",
        seen=overlap(25 * HOUR, slots={KEY1: C, KEY2: B}, memory=remember(known(A, probes=3, probe_again_at=NOW + 5 * SECOND))),
        phase="proving_dead",
        until=5 * SECOND,
        says="not refused everywhere yet",
    ),
    Waits(
        when="the dead value's version is kept while a dependent may run on it",
        seen=overlap(
            25 * HOUR,
            slots={KEY1: C, KEY2: B},
            memory=remember(known(A, dead_at=NOW - SECOND)),
            dependents=(dependent("api", UNSEEN, because="denied"),),
        ),
        phase="propagating",
        until=LOOK_AGAIN,
        says="api is Unseen: denied",
        tell=True,
    ),
]


@pytest.mark.parametrize("row", WAITS, ids=lambda row: row.when)
def test_a_situation_is_waited_out(row: Waits) -> None:
    decision = decide(row.seen, *row.cases, of=row.of)
    assert isinstance(decision, Wait), decision
    assert row.says in decision.because
    told = (decision.phase, decision.until - NOW, decision.tell, decision.refused, decision.failed, decision.hopeless)
    assert told == (row.phase, row.until, row.tell, row.refused, row.failed, row.hopeless)
    assert decision.reason in (None, COMPROMISE if row.cases else SUPERSEDED)
    assert "()" not in decision.because, "what nobody said is not put in brackets"


# --- quiet ------------------------------------------------------------------------------------------------------------------


def test_at_rest_all_is_quiet_until_the_value_is_due() -> None:
    decision = decide(at_rest(memory=remember(FRESH_B)))
    assert decision == Quiet(until=NOW + 29 * DAY, because="key1 is active and due 2026-03-31 12:00:00 UTC")


def test_a_standby_never_seen_empty_is_warned_of_before_the_first_rotation() -> None:
    decision = decide(at_rest())
    assert isinstance(decision, Quiet)
    assert "key2 was never empty to our knowledge" in decision.because


def test_a_fresh_mint_alone_is_no_reason_to_publish() -> None:
    assert isinstance(decide(at_rest(memory=remember(PROVEN_B))), Quiet)


def test_the_last_version_of_the_template_and_the_account_compares_without_case() -> None:
    assert isinstance(decide(at_rest(secret=vault(version("v1", A, account=ACCOUNT.upper())))), Quiet)


def test_two_versions_with_the_same_value_are_one_value() -> None:
    """A person set the live value by hand once more: nothing is retired, nothing is proven dead, the copy is adopted."""
    seen = at_rest(secret=vault(version("v1", A, 2 * DAY), untagged("v2"), holds=A))
    decision = decide(seen)
    assert isinstance(decision, Do)
    assert decision.step == Adopt(version="v2", slot=KEY1, fingerprint=A)
    assert isinstance(decide(at_rest(secret=vault(version("v1", A, 2 * DAY), version("v2", A)))), Quiet)


def test_two_versions_of_one_dead_value_are_both_retired() -> None:
    twice = (version("v1", A, 9 * DAY), version("v1b", A, 8 * DAY))
    seen = at_rest(slots={KEY1: C, KEY2: B}, secret=vault(*twice, version("v2", B)), memory=remember(known(A, dead_at=NOW - DAY)))
    first = decide(seen)
    assert isinstance(first, Do)
    assert isinstance(first.step, Retire)
    rest = tuple(one for one in twice if one.id != first.step.version)
    seen = replace(seen, secret=vault(*rest, version("v2", B)))
    second = decide(seen)
    assert isinstance(second, Do)
    assert {first.step.version, getattr(second.step, "version", None)} == {"v1", "v1b"}


def test_a_value_that_nobody_holds_any_more_is_not_probed_again_and_again() -> None:
    seen = overlap(25 * HOUR, slots={KEY1: C, KEY2: B}, memory=remember(known(A, lost=True, probes=1), known(C, minted_at=NOW - DAY)))
    assert isinstance(decide(seen), Quiet)


def test_a_retired_or_disabled_version_is_left_alone() -> None:
    for done in ({"retired": "2026-03-01"}, {"enabled": False}):
        told = vault(version("v1", A, 31 * DAY, **done), version("v2", B, 25 * HOUR))
        assert isinstance(decide(at_rest(slots={KEY1: C, KEY2: B}, secret=told)), Quiet)


def test_where_local_auth_is_off_there_is_nothing_to_rotate() -> None:
    off = account(local_auth=False)
    decision = decide(due(account=off, slots=unseen("the slots")))
    assert isinstance(decision, Quiet)
    assert (decision.phase, decision.until) == ("local_auth_off", NOW + RECHECK)
    assert "local auth is off" in decision.because


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": CUT, "slot": None},
        {"mode": CUT, "slot": KEY1, "regenerate_refused": True},
        {"mode": CUT, "slot": KEY1, "state": State.REVOKED},
        {"mode": CONTAIN, "slot": KEY1, "contained_at": NOW, "state": State.DISMISSED},
    ],
    ids=["no slot is known", "it was refused once", "it is revoked", "it was dismissed"],
)
def test_the_blind_revocation_under_local_auth_off_is_tried_only_where_it_can_help(changes: dict[str, Any]) -> None:
    off = at_rest(account=account(local_auth=False), slots=unseen("the slots"))
    decision = decide(off, replace(case(A), **changes))
    assert not isinstance(decision, Do) or isinstance(decision.step, ProveDead)


# --- windows, cadence, orders -----------------------------------------------------------------------------------------------

NIGHTS = Window(opens="0 2 * * *", length=2 * HOUR)


def test_an_overdue_value_waits_for_its_window() -> None:
    decision = decide(due(), of=credential(window=NIGHTS))
    assert isinstance(decision, Quiet)
    assert decision.phase == "due"
    assert decision.until == NOW + 14 * HOUR
    assert decision.because.startswith("overdue since")
    assert "the window opens 2026-03-03 02:00:00 UTC" in decision.because


def test_an_overdue_value_is_renewed_in_its_window() -> None:
    decision = decide(due(), of=credential(window=NIGHTS), now=NOW + 15 * HOUR)
    assert isinstance(decision, Do)
    assert isinstance(decision.step, Mint)


def test_neither_a_compromise_nor_an_order_waits_for_a_window() -> None:
    shut = credential(window=NIGHTS)
    for seen, cases in ((at_rest(), (case(A),)), (at_rest(memory=remember(order=Order(value=A))), ())):
        decision = decide(seen, *cases, of=shut)
        assert isinstance(decision, Do)
        assert isinstance(decision.step, Mint)


def test_the_day_of_the_year_is_quiet_until_the_window_after_the_due_date() -> None:
    decision = decide(at_rest(memory=remember(FRESH_B)), of=credential(window=NIGHTS))
    assert isinstance(decision, Quiet)
    assert decision.until == NOW + 29 * DAY + 14 * HOUR


def test_an_order_is_over_once_its_value_is_no_longer_current() -> None:
    assert isinstance(decide(at_rest(memory=remember(FRESH_B, order=Order(value=D)))), Quiet)


def test_an_order_in_an_overlap_goes_on_when_the_overlap_is_over() -> None:
    ordered = remember(order=Order(value=B))
    decision = decide(overlap(25 * HOUR, memory=ordered))
    assert isinstance(decision, Do)
    assert decision.step == Revoke(slot=KEY1, fingerprint=A)
    minted = remember(known(C, minted_at=NOW), order=Order(value=B))
    decision = decide(overlap(25 * HOUR, slots={KEY1: C, KEY2: B}, memory=minted))
    assert isinstance(decision, Do)
    assert isinstance(decision.step, Prove)
    assert "operator ordered" in decision.because


# --- healing ----------------------------------------------------------------------------------------------------------------


def test_a_heal_is_told_from_a_publish() -> None:
    heal = decide(at_rest(slots={KEY1: C, KEY2: B}, memory=remember(PROVEN_B)))
    publish = decide(due(memory=remember(PROVEN_B)))
    assert isinstance(heal, Do)
    assert isinstance(publish, Do)
    assert heal.step == Publish(slot=KEY2, fingerprint=B, heals=True)
    assert publish.step == Publish(slot=KEY2, fingerprint=B, heals=False)


def test_heals_are_bounded_and_every_leak_of_the_hour_adds_one() -> None:
    broken = at_rest(slots={KEY1: C, KEY2: B})
    within = replace(broken, memory=remember(PROVEN_B, heals_last_hour=HEALS_PER_HOUR_MAX - 1))
    beyond = replace(broken, memory=remember(PROVEN_B, heals_last_hour=HEALS_PER_HOUR_MAX))
    assert isinstance(decide(within), Do)
    assert isinstance(decide(beyond), Wait)
    assert isinstance(_step(decide(beyond, revoked(A))), Publish)
    buried = replace(beyond, memory=remember(known(A, dead_at=NOW), PROVEN_B, heals_last_hour=HEALS_PER_HOUR_MAX))
    assert isinstance(decide(buried, revoked(A, reported_at=NOW - 2 * HOUR)), Wait)


def test_of_two_slots_what_readers_had_last_is_healed_first_then_a_fresh_mint_then_the_standby() -> None:
    own = vault(version("v1", A, DAY), untagged("v2", HOUR), holds=FOREIGN)
    decision = decide(at_rest(secret=own, memory=remember(PROVEN_B)))
    assert slot_of(_step(decision)) is KEY1
    gone = vault(version("v1", D, DAY))
    assert slot_of(_step(decide(at_rest(secret=gone, memory=remember(FRESH_B))))) is KEY2
    retired = vault(version("v0", A, 9 * DAY), version("v1", D, DAY))
    assert slot_of(_step(decide(at_rest(secret=retired)))) is KEY2


def test_a_mint_that_was_never_published_survives_a_crash() -> None:
    """Killed between mint and publish, the next run finds the fresh mint and mints no second one."""
    assert isinstance(_step(decide(due(memory=remember(FRESH_B)))), Prove)
    assert isinstance(_step(decide(due())), Mint), "an empty ledger costs one more mint, and no more"


# --- what a neighbour that cannot be seen means for each rule --------------------------------------------------------------


def test_a_scheduled_revocation_waits_for_an_account_that_is_not_needed_for_it_no_longer_than_needed() -> None:
    decision = decide(overlap(25 * HOUR, account=unseen("the account")))
    assert isinstance(_step(decision), Revoke)


@pytest.mark.parametrize("fact", ["slots", "secret"])
def test_a_scheduled_rotation_does_nothing_while_a_fact_it_needs_is_unseen(fact: str) -> None:
    hidden: dict[str, Any] = {fact: unseen(fact)}
    for seen in (due(), overlap(25 * HOUR), at_rest(slots={KEY1: C, KEY2: B})):
        decision = decide(replace(seen, **hidden))
        assert isinstance(decision, Wait)
        assert decision.phase == "unseen"


def test_a_mint_needs_the_account_to_know_whether_its_value_can_be_proven() -> None:
    decision = decide(due(account=unseen("the account")))
    assert isinstance(decision, Wait)
    assert decision.because.startswith("the account cannot be seen")


def test_a_proven_mint_is_published_though_the_account_cannot_be_seen() -> None:
    assert isinstance(_step(decide(due(account=unseen("the account"), memory=remember(PROVEN_B)))), Publish)


def test_a_dependent_is_moved_though_the_account_cannot_be_seen() -> None:
    seen = overlap(account=unseen("the account"), dependents=(dependent("api", STALE),))
    assert isinstance(_step(decide(seen)), Propagate)


def test_a_proof_of_death_needs_the_account_for_its_endpoints() -> None:
    decision = decide(overlap(25 * HOUR, slots={KEY1: C, KEY2: B}, account=unseen("the account")))
    assert isinstance(decision, Wait)
    assert decision.phase == "unseen"


def test_an_unprovable_kind_is_never_said_to_be_dead_and_does_not_wait_for_it() -> None:
    seen = overlap(25 * HOUR, slots={KEY1: C, KEY2: B}, account=BLIND, memory=remember(known(C, minted_at=NOW - MINUTE)))
    assert isinstance(decide(seen), Quiet)


def test_a_look_that_denies_what_we_did_is_believed_after_ten_minutes() -> None:
    late = NOW - timedelta(minutes=10)
    slots = decide(at_rest(memory=remember(FRESH_B, known(A, replaced_at=late))))
    secret = decide(at_rest(memory=remember(known(B, minted_at=NOW - DAY, published_at=late, version="v2"))))
    assert isinstance(slots, Quiet)
    assert not isinstance(secret, Wait) or secret.phase != "unseen"


def test_a_newer_version_than_ours_is_no_stale_look() -> None:
    """A person set the secret after us: the vault shows our version and theirs."""
    told = vault(version("v2", B, MINUTE), untagged("v3", SECOND), holds=FOREIGN)
    memory = remember(known(B, published_at=NOW - MINUTE, version="v2", proven_at=NOW - MINUTE))
    assert isinstance(_step(decide(at_rest(secret=told, memory=memory))), Publish)


# --- compromise -------------------------------------------------------------------------------------------------------------


def test_a_drain_walks_and_never_kills_before_everyone_has_moved() -> None:
    """Mint, prove, publish, propagate; the kill comes when nobody lags."""
    leaked = case(A)
    assert isinstance(_step(decide(at_rest(), leaked)), Mint)
    assert isinstance(_step(decide(at_rest(memory=remember(FRESH_B)), leaked)), Prove)
    assert isinstance(_step(decide(at_rest(memory=remember(PROVEN_B)), leaked)), Publish)
    moving = overlap(SECOND, dependents=(dependent("api", STALE),))
    assert isinstance(_step(decide(moving, leaked)), Propagate)
    moved = overlap(SECOND, dependents=(dependent("api", PROVEN),))
    assert _step(decide(moved, leaked)) == Revoke(slot=KEY1, fingerprint=A)


def test_the_same_drain_goes_on_without_its_case_when_the_vault_says_why() -> None:
    """The ledger is lost after the publish: the current version says that it replaced a compromised value."""
    told = vault(version("v1", A, 9 * DAY), version("v2", B, SECOND, reason=Reason.SUSPECTED_COMPROMISE))
    decision = decide(at_rest(secret=told))
    assert isinstance(decision, Do)
    assert decision.step == Revoke(slot=KEY1, fingerprint=A)
    assert decision.reason is Reason.SUSPECTED_COMPROMISE


def test_a_version_of_another_account_accuses_nobody() -> None:
    told = vault(version("v1", A, 9 * DAY), version("v2", B, SECOND, reason=COMPROMISE, account=OTHER_ACCOUNT))
    assert not isinstance(_step(decide(at_rest(secret=told))), Revoke)


@pytest.mark.parametrize("state", [State.HELD, State.DISMISSED])
def test_a_case_that_waits_for_a_person_or_was_dismissed_asks_for_nothing(state: State) -> None:
    assert isinstance(decide(at_rest(memory=remember(FRESH_B)), case(A, CUT, state=state)), Quiet)


def test_a_value_whose_case_is_closed_stays_compromised_for_ever() -> None:
    closed = case(A, CUT, state=State.CLOSED)
    assert _step(decide(at_rest(), closed)) == Revoke(slot=KEY1, fingerprint=A)


def test_of_two_leaked_values_each_is_cut() -> None:
    first = decide(at_rest(), case(A, CUT), case(B, CUT))
    assert _step(first) == Revoke(slot=KEY1, fingerprint=A)
    second = decide(killed(), revoked(A), case(B, CUT))
    assert _step(second) == Revoke(slot=KEY2, fingerprint=B)


def test_after_both_are_cut_the_secret_gets_a_new_value() -> None:
    dead = remember(known(A, replaced_at=NOW - SECOND), known(B, replaced_at=NOW - SECOND), known(C, minted_at=NOW))
    seen = at_rest(slots={KEY1: C, KEY2: D}, memory=dead)
    assert _step(decide(seen, revoked(A), revoked(B))) == Prove(slot=KEY1, fingerprint=C)


def test_a_revocation_that_fails_in_an_emergency_does_not_hold_up_the_replacement() -> None:
    stuck = hold_back(at_rest(), Revoke(slot=KEY1, fingerprint=A))
    decision = decide(stuck, case(A, left=-SECOND))
    assert isinstance(_step(decision), Mint)


def test_contain_switches_off_once_and_reads_it_back() -> None:
    off = at_rest(account=account(local_auth=False), slots=unseen("the slots"))
    assert not isinstance(_step(decide(off, revoked(A, CONTAIN))), SwitchOffLocalAuth)
    done = killed(memory=remember(known(A, replaced_at=NOW - SECOND, probes=1)))
    assert not isinstance(_step(decide(done, revoked(A, CONTAIN, contained_at=NOW))), SwitchOffLocalAuth)


def _tried(*steps: Step, tries: int = 1, lasts: timedelta = SECOND, hopeless: bool = False, **changes: Any) -> Snapshot:
    """The steps failed a moment ago, `tries` times in a row."""
    held = HeldBack(until=NOW + lasts, because="the service answered 500", failed=True, tries=tries, hopeless=hopeless)
    return at_rest(memory=remember(held_back={label(step): held for step in steps}), **changes)


KILL1, KILL2 = Revoke(slot=KEY1, fingerprint=A), Revoke(slot=KEY2, fingerprint=B)


def test_contain_tries_a_kill_again_before_the_switch_would_make_it_impossible() -> None:
    for tries in range(1, KILL_TRIES_MAX):
        decision = decide(_tried(KILL1, tries=tries), case(A, CONTAIN))
        assert isinstance(decision, Wait)
        assert (decision.until, decision.failed, decision.phase) == (NOW + SECOND, True, "revoking")


@pytest.mark.parametrize(
    "seen",
    [
        _tried(KILL1, tries=KILL_TRIES_MAX),
        _tried(KILL1, tries=KILL_TRIES_MAX, lasts=-SECOND),
        _tried(KILL1, hopeless=True),
        _tried(KILL1, lasts=HOUR),
    ],
    ids=["often enough", "often enough, each look longer than the wait", "a person has to act first", "throttled past the deadline"],
)
def test_contain_does_not_wait_for_a_kill_that_will_not_come(seen: Snapshot) -> None:
    assert isinstance(_step(decide(seen, case(A, CONTAIN))), SwitchOffLocalAuth)


def test_contain_looks_a_few_times_for_the_slots_before_it_switches_without_a_kill() -> None:
    blind = at_rest(slots=unseen("the slots"))
    assert isinstance(decide(blind, case(A, CONTAIN)), Wait)
    often = replace(blind, memory=remember(blind_looks=KILL_LOOKS_MAX))
    assert isinstance(_step(decide(often, case(A, CONTAIN))), SwitchOffLocalAuth)


def test_contain_does_not_look_for_slots_that_will_not_be_seen_before_its_deadline() -> None:
    throttled = at_rest(slots=unseen("the slots", "throttled", again=NOW + HOUR))
    assert isinstance(_step(decide(throttled, case(A, CONTAIN))), SwitchOffLocalAuth)
    shortly = at_rest(slots=unseen("the slots", "throttled", again=NOW + 5 * SECOND))
    assert isinstance(decide(shortly, case(A, CONTAIN)), Wait)


def test_of_two_kills_that_failed_the_sooner_one_is_waited_for_before_the_switch() -> None:
    held = {
        label(KILL1): HeldBack(until=NOW + 5 * SECOND, because="500", failed=True),
        label(KILL2): HeldBack(until=NOW + SECOND, because="500", failed=True),
    }
    decision = decide(at_rest(memory=remember(held_back=held)), case(A, CONTAIN), case(B, CONTAIN))
    assert isinstance(decision, Wait)
    assert "revoke: 500; tried again 2026-03-02 12:00:01 UTC" in decision.because


def test_a_probe_that_failed_a_moment_ago_does_not_hold_up_the_switch() -> None:
    first = _step(decide(killed(), revoked(A, CONTAIN)))
    assert isinstance(first, ProveDead)
    assert isinstance(_step(decide(hold_back(killed(), first), revoked(A, CONTAIN))), SwitchOffLocalAuth)


def test_of_two_values_to_contain_each_is_killed_and_a_kill_that_failed_holds_up_no_other() -> None:
    both = (case(A, CONTAIN), case(B, CONTAIN))
    assert _step(decide(at_rest(), *both)) == KILL1
    assert _step(decide(_tried(KILL1), *both)) == KILL2
    half = at_rest(slots={KEY1: C, KEY2: B}, memory=remember(known(A, replaced_at=NOW - SECOND)))
    assert _step(decide(half, revoked(A, CONTAIN), case(B, CONTAIN))) == KILL2


@pytest.mark.parametrize("mode", [CUT, CONTAIN])
def test_a_kill_that_fails_again_and_again_holds_up_no_other_where_each_look_is_longer_than_the_wait(mode: Mode) -> None:
    both = (case(A, mode), case(B, mode))
    assert _step(decide(_tried(KILL1, lasts=-SECOND), *both)) == KILL2
    assert _step(decide(_tried(KILL2, lasts=-SECOND), *both)) == KILL1


@pytest.mark.parametrize("mode", [CUT, CONTAIN])
def test_a_secret_that_cannot_be_tagged_holds_up_no_kill_where_each_look_is_longer_than_the_wait(mode: Mode) -> None:
    untold = at_rest(secret=vault(untagged("v1"), holds=A))
    first = _step(decide(untold, case(A, mode)))
    assert isinstance(first, Adopt)
    assert _step(decide(hold_back(untold, first, lasts=-SECOND), case(A, mode))) == KILL1


def test_of_two_killed_values_each_is_probed_before_the_switch() -> None:
    dead, gone = known(A, replaced_at=NOW - SECOND, probes=1, dead_at=NOW), known(B, replaced_at=NOW - SECOND)
    seen = at_rest(slots={KEY1: C, KEY2: D}, memory=remember(dead, gone))
    step = _step(decide(seen, case(A, CONTAIN, state=State.DEAD), revoked(B, CONTAIN)))
    assert isinstance(step, ProveDead)
    assert step.fingerprint == B


def test_contain_waits_a_moment_for_a_proof_that_the_switch_would_make_impossible() -> None:
    again = NOW + SECOND
    seen = killed(memory=remember(known(A, replaced_at=NOW - SECOND, probes=1, probe_again_at=again)))
    decision = decide(seen, revoked(A, CONTAIN))
    assert isinstance(decision, Wait)
    assert (decision.until, decision.phase) == (again, "proving_dead")


OFF = at_rest(account=account(local_auth=False), slots=unseen("the slots"))


def test_a_leaked_value_that_was_never_killed_is_not_quiet_behind_the_switch_and_the_remedy_is_said() -> None:
    decision = decide(OFF, case(A, CONTAIN, slot=KEY1, contained_at=NOW, regenerate_refused=True))
    assert isinstance(decision, Wait)
    assert (decision.tell, decision.failed) == (True, True)
    assert "key1 still holds" in decision.because
    assert "rotator revoke chat --slot key1 --mode cut" in decision.because


def test_a_killed_value_is_asked_about_behind_the_switch_and_a_refusal_there_proves_nothing() -> None:
    step = _step(decide(OFF, revoked(A, CONTAIN, contained_at=NOW)))
    assert isinstance(step, ProveDead)
    told = remember(known(A, replaced_at=NOW - SECOND, probes=2, seen="host: 403", probe_again_at=NOW + SECOND))
    decision = decide(replace(OFF, memory=told), revoked(A, CONTAIN, contained_at=NOW))
    assert isinstance(decision, Wait)
    assert decision.tell
    assert "host: 403" in decision.because
    assert f"rotator revoke --fingerprint {A}" in decision.because, "the case is about this value, whatever is active by then"


@pytest.mark.parametrize(("left", "asked"), [(SECOND, False), (timedelta(0), True), (-SECOND, True)], ids=["before", "at", "after"])
def test_behind_the_switch_a_value_is_asked_about_again_when_its_time_has_come(left: timedelta, asked: bool) -> None:
    told = remember(known(A, replaced_at=NOW - MINUTE, probes=1, seen="host: 403", probe_again_at=NOW + left))
    decision = decide(replace(OFF, memory=told), revoked(A, CONTAIN, contained_at=NOW))
    assert (isinstance(decision, Do) and isinstance(decision.step, ProveDead)) is asked


@pytest.mark.parametrize("blind", [{"provable": False}, {"endpoints": ()}], ids=["no probe", "no endpoint"])
def test_behind_the_switch_nobody_is_asked_where_nobody_can_be(blind: dict[str, Any]) -> None:
    seen = replace(OFF, account=account(local_auth=False, **blind))
    decision = decide(seen, revoked(A, CONTAIN, contained_at=NOW))
    assert isinstance(decision, Wait)
    assert "switch local auth on" in decision.because


def test_a_value_that_is_leaked_and_replaced_is_proven_before_it_is_retired() -> None:
    assert isinstance(_step(decide(healed(), revoked(A))), ProveDead)
    proven = healed(memory=remember(known(A, dead_at=NOW)))
    assert isinstance(_step(decide(proven, case(A, CUT, state=State.DEAD))), Retire)


def test_a_case_without_any_proof_to_come_is_not_waited_for() -> None:
    seen = healed(memory=remember(known(A, lost=True, probes=1)))
    assert not isinstance(decide(seen, case(A, CUT, state=State.UNPROVEN)), Wait)


# --- deadlines cap every wait -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", WAITS, ids=lambda row: row.when)
def test_no_wait_outlasts_the_deadline_of_a_case(row: Waits) -> None:
    soon = case(value("z"), left=SECOND / 2)
    decision = decide(row.seen, *row.cases, soon, of=row.of)
    if not isinstance(decision, Do):
        assert decision.until <= soon.deadline


def test_quiet_ends_at_the_deadline_of_a_case_too() -> None:
    decision = decide(at_rest(), case(value("z"), left=7 * SECOND))
    assert not isinstance(decision, Do)
    assert decision.until == NOW + 7 * SECOND


def test_a_step_held_back_wakes_the_run_when_it_may_be_tried_again() -> None:
    mint = Mint(slot=KEY2, replaces=B)
    decision = decide(hold_back(due(), mint, lasts=5 * SECOND))
    assert isinstance(decision, Wait)
    assert decision.until == NOW + 5 * SECOND
    assert (decision.failed, decision.tell) == (True, True)
    assert "mint: the service answered 500; tried again 2026-03-02 12:00:05 UTC" in decision.because


def test_a_step_that_succeeded_a_moment_ago_is_waited_for_without_alarm() -> None:
    decision = decide(hold_back(due(), Mint(slot=KEY2, replaces=B), failed=False))
    assert isinstance(decision, Wait)
    assert (decision.failed, decision.tell) == (False, False)


def test_a_dependent_that_refuses_does_not_hold_the_others_back() -> None:
    seen = overlap(25 * HOUR, dependents=(dependent("api", STALE), dependent("batch", STALE)))
    api = Propagate(dependent="api", slot=KEY2, fingerprint=B, version="v2")
    decision = decide(hold_back(seen, api))
    assert _step(decision) == replace(api, dependent="batch")


def test_a_version_that_cannot_be_retired_does_not_hold_the_others_back() -> None:
    told = vault(version("v0", C, 60 * DAY), version("v1", A, 31 * DAY), version("v2", B, 25 * HOUR))
    seen = at_rest(slots={KEY1: D, KEY2: B}, secret=told, memory=remember(known(A, dead_at=NOW), known(C, dead_at=NOW)))
    first = _step(decide(seen))
    second = _step(decide(hold_back(seen, first)))
    assert {fingerprint_of(first), fingerprint_of(second)} == {A, C}


def _step(decision: object) -> Any:
    assert isinstance(decision, Do), decision
    return decision.step
