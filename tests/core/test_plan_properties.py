"""What holds for every snapshot, however it came about: the planner is total, deterministic, and never does the unforgivable."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.core.credential import Credential, Reason, Secret, Slot, Version
from rotator.core.forecast import STEPS_MAX, runbook
from rotator.core.incident import Incident, State
from rotator.core.plan import plan
from rotator.core.policy import Mode, Policy, Unprovable, Window
from rotator.core.sealed import Fingerprint
from rotator.core.snapshot import AccountView, Adoption, Current, DependentView, KeyMemory, Memory, Order, SecretView, Snapshot, Unseen
from rotator.core.step import Do, Mint, Publish, Quiet, Revoke
from tests.core.situations import ACCOUNT, KEY1, KEY2, NOW, OTHER_ACCOUNT, account, case, hold_back, unseen, value

VALUES = [value(letter) for letter in "abcdef"]
AGES = [timedelta(seconds=s) for s in (0, 1, 30, 119, 121, 3600, 5 * 3600, 25 * 3600, 8 * 86400, 31 * 86400)]
LEFT = [timedelta(seconds=s) for s in (-3600, -1, 0, 1, 60, 7200)]
NIGHTS = Window(opens="0 2 * * *", length=timedelta(hours=2))

YES_OR_NO = st.booleans()
VALUE = st.sampled_from(VALUES)
MAYBE_VALUE = st.sampled_from([None, *VALUES])
PAST = st.sampled_from([NOW - age for age in AGES])
MAYBE_PAST = st.sampled_from([None, *(NOW - age for age in AGES)])
MAYBE_SLOT = st.sampled_from([None, *Slot])
ACCOUNTS = st.sampled_from([ACCOUNT, ACCOUNT.upper(), OTHER_ACCOUNT, None])
REASONS = st.sampled_from([None, *Reason, "because"])
PROBED_AGAIN = st.sampled_from([None, *(NOW + left for left in LEFT)])
ORDERS = st.sampled_from([None, None, Order(value="v0", foreign=True), *(Order(value=one) for one in VALUES)])
POLICIES = st.builds(
    Policy,
    cryptoperiod=st.sampled_from([timedelta(days=7), timedelta(days=30)]),
    overlap=st.sampled_from([timedelta(0), timedelta(hours=24)]),
    grace=st.sampled_from([timedelta(0), timedelta(hours=4)]),
    window=st.sampled_from([None, NIGHTS]),
    unprovable=st.sampled_from(Unprovable),
)
UNSEEN = [
    unseen("it", again=again, hopeless=hopeless)
    for again in (None, NOW + timedelta(seconds=1), NOW + timedelta(hours=1))
    for hopeless in (False, True)
]
SEEN_ACCOUNTS: list[AccountView | Unseen] = [
    account(local_auth=on, provable=provable) for on in (True, True, True, False) for provable in (True, False)
]
SEEN_SLOTS: list[Mapping[Slot, Fingerprint] | Unseen] = [
    {KEY1: one, KEY2: other} for one in VALUES[:4] for other in VALUES[:4] if one != other
]
ACCOUNT_VIEWS = st.sampled_from([*SEEN_ACCOUNTS, *UNSEEN])
SLOTS = st.sampled_from([*SEEN_SLOTS, *UNSEEN])


@st.composite
def secrets(draw: st.DrawFn) -> SecretView:
    """Versions in any order and with any tags; the current one holds what it says, or something else."""
    versions = tuple(
        Version(
            id=f"v{number}",
            created=draw(PAST),
            enabled=draw(YES_OR_NO),
            fingerprint=draw(MAYBE_VALUE),
            account=draw(ACCOUNTS),
            reason=draw(REASONS),
            retired=draw(st.sampled_from([None, "2026-03-01"])),
        )
        for number in range(draw(st.integers(0, 4)))
    )
    if not versions:
        return SecretView(current=None, deleted=draw(YES_OR_NO))
    last = draw(st.sampled_from(versions))
    holds = draw(st.sampled_from([last.fingerprint, None, *VALUES]))
    current = Current(version=last.id, created=last.created, fingerprint=holds, enabled=last.enabled)
    listed = versions if draw(YES_OR_NO) else tuple(version for version in versions if version is not last)
    return SecretView(current=current, versions=listed)


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    keys = {}
    for one in draw(st.lists(VALUE, unique=True, max_size=4)):
        keys[one] = KeyMemory(
            fingerprint=one,
            slot=draw(MAYBE_SLOT),
            minted_at=draw(MAYBE_PAST),
            proven_at=draw(MAYBE_PAST),
            published_at=draw(MAYBE_PAST),
            version=draw(st.sampled_from([None, "v0", "v1", "v9"])),
            replaced_at=draw(MAYBE_PAST),
            dead_at=draw(MAYBE_PAST),
            unprovable=draw(st.sampled_from(["", "403"])),
            lost=draw(YES_OR_NO),
            probes=draw(st.integers(0, 3)),
            probe_again_at=draw(PROBED_AGAIN),
        )
    return Memory(keys=keys, order=draw(ORDERS), heals_last_hour=draw(st.integers(0, 5)))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    secret = draw(secrets())
    dependents = tuple(
        DependentView(name=f"app-{number}", kind="app", adoption=draw(st.sampled_from(Adoption)), running=draw(MAYBE_VALUE))
        for number in range(draw(st.integers(0, 3)))
    )
    return Snapshot(
        at=NOW,
        account=draw(ACCOUNT_VIEWS),
        slots=draw(SLOTS),
        secret=secret if draw(st.integers(0, 3)) else draw(st.sampled_from(UNSEEN)),
        dependents=dependents,
        memory=draw(memories()),
    )


@st.composite
def cases(draw: st.DrawFn) -> list[Incident]:
    return [
        replace(
            case(one, draw(st.sampled_from(Mode)), left=draw(st.sampled_from(LEFT))),
            state=draw(st.sampled_from([State.OPEN, *State])),
            slot=draw(MAYBE_SLOT),
            reported_at=draw(PAST),
            contained_at=draw(MAYBE_PAST),
            regenerate_refused=draw(YES_OR_NO),
        )
        for one in draw(st.lists(VALUE, unique=True, max_size=3))
    ]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Snapshot, Credential, list[Incident]]:
    """A snapshot in which some of the next steps were tried a moment ago already."""
    secret = Secret(vault="https://kv.vault.azure.net", name="chat-key")
    of = Credential(name="chat", account=ACCOUNT, secret=secret, policy=draw(POLICIES))
    seen, told = draw(snapshots()), draw(cases())
    for failed in draw(st.lists(YES_OR_NO, max_size=3)):
        decision = plan(seen, of, told, NOW)
        if isinstance(decision, Do):
            seen = hold_back(seen, decision.step, failed=failed)
    return seen, of, told


MANY = settings(max_examples=200, deadline=None)


@MANY
@given(worlds())
def test_the_planner_answers_every_world_in_the_same_way_twice(world: tuple[Snapshot, Credential, list[Incident]]) -> None:
    seen, of, told = world
    decision = plan(seen, of, told, NOW)
    assert plan(seen, of, told, NOW) == decision
    assert decision.because
    assert decision.phase


@MANY
@given(worlds())
def test_what_the_vault_gives_out_is_regenerated_only_by_a_cut_or_an_expired_drain(
    world: tuple[Snapshot, Credential, list[Incident]],
) -> None:
    seen, of, told = world
    decision = plan(seen, of, told, NOW)
    killed = decision.step if isinstance(decision, Do) and isinstance(decision.step, Mint | Revoke) else None
    given_out = _given_out(seen)
    if killed and given_out and not isinstance(seen.slots, Unseen) and seen.slots[killed.slot] == given_out:
        assert any(one.cuts or one.deadline <= NOW for one in _standing(told) if one.fingerprint == given_out), decision


@MANY
@given(worlds())
def test_only_a_proven_and_uncompromised_value_is_published(world: tuple[Snapshot, Credential, list[Incident]]) -> None:
    seen, of, told = world
    decision = plan(seen, of, told, NOW)
    if isinstance(decision, Do) and isinstance(decision.step, Publish):
        memory = seen.memory.of(decision.step.fingerprint)
        accepted = of.policy.unprovable is Unprovable.ACCEPT and memory.unprovable
        assert memory.proven_at or accepted, decision
        assert decision.step.fingerprint not in {one.fingerprint for one in _standing(told)}
        assert not isinstance(seen.slots, Unseen)
        assert seen.slots[decision.step.slot] == decision.step.fingerprint


@MANY
@given(worlds())
def test_a_scheduled_revocation_waits_for_every_dependent_and_for_the_overlap(world: tuple[Snapshot, Credential, list[Incident]]) -> None:
    seen, of, told = world
    decision = plan(seen, of, told, NOW)
    if isinstance(decision, Do) and isinstance(decision.step, Revoke) and decision.reason is Reason.SUPERSEDED:
        assert all(view.adoption in (Adoption.PROVEN, Adoption.CLAIMED) for view in seen.dependents)
        assert isinstance(seen.secret, SecretView)
        assert seen.secret.current is not None
        assert seen.secret.current.created + of.policy.overlap <= NOW


@MANY
@given(worlds())
def test_nothing_sleeps_past_the_deadline_of_an_open_case(world: tuple[Snapshot, Credential, list[Incident]]) -> None:
    seen, of, told = world
    decision = plan(seen, of, told, NOW)
    if not isinstance(decision, Do):
        assert decision.until > NOW
        for one in told:
            if one.state is State.OPEN and one.deadline > NOW:
                assert decision.until <= one.deadline


@MANY
@given(worlds())
def test_where_a_cut_is_ordered_and_the_keys_are_seen_the_kill_needs_nothing_else(
    world: tuple[Snapshot, Credential, list[Incident]],
) -> None:
    """Whatever the vault, the account and the dependents hide: with fresh slots and a fresh secret nothing but adoption comes first."""
    seen, of, told = world
    blind = replace(
        seen,
        secret=unseen("the secret"),
        account=unseen("the account"),
        memory=Memory(),
        dependents=tuple(replace(view, adoption=Adoption.UNSEEN) for view in seen.dependents),
    )
    slots = seen.slots
    if isinstance(slots, Unseen):
        return
    urgent = {one.fingerprint for one in _standing(told) if one.cuts or one.deadline <= NOW} & set(slots.values())
    orders = [one for one in told if one.mode is Mode.CONTAIN and one.is_open and one.contained_at is None]
    if urgent and all(one.fingerprint in slots.values() for one in orders):
        decision = plan(blind, of, told, NOW)
        assert isinstance(decision, Do)
        assert isinstance(decision.step, Revoke)
        assert decision.step.fingerprint in urgent


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_a_runbook_ends_and_never_says_the_same_step_twice_in_a_row(world: tuple[Snapshot, Credential, list[Incident]]) -> None:
    seen, of, told = world
    told = [one for one in told if one.state is State.OPEN]
    if isinstance(seen.slots, Unseen):
        told = [replace(one, slot=None) for one in told]
    lines = runbook(replace(seen, memory=replace(seen.memory, held_back={})), of, told, NOW)
    assert 1 <= len(lines) <= STEPS_MAX
    steps = [line.decision.step if isinstance(line.decision, Do) else line.not_before for line in lines]
    assert all(one != other for one, other in pairwise(steps)), steps
    assert all(one.not_before <= other.not_before for one, other in pairwise(lines))
    assert not any(isinstance(line.decision, Quiet) for line in lines[:-1])


def _standing(told: Sequence[Incident]) -> list[Incident]:
    return [one for one in told if one.is_acted_on]


def _given_out(seen: Snapshot) -> Fingerprint | None:
    """What a reader of the vault gets now, if that can be seen."""
    secret = seen.secret
    if isinstance(secret, Unseen) or secret.current is None or not secret.current.enabled:
        return None
    return secret.current.fingerprint
