"""Readiness as the planner would have it: each table is a situation, and what would come of a leak in it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.cli.doctor import _seconds
from rotator.core.policy import Mode, Unprovable
from rotator.core.snapshot import Adoption, SecretView, Snapshot
from rotator.doctor.readiness import Readiness, judged, ordered
from rotator.doctor.supposed import Reading, length_of
from tests.core.situations import FOREIGN, NOW, account, at_rest, case, credential, dependent, unseen, untagged, vault, version

MS = timedelta(milliseconds=1)
TOOK = {"account": 100 * MS, "keys": 300 * MS, "look": 200 * MS, "probe": 50 * MS}
DEADLINE = timedelta(seconds=120)


def reading(
    seen: Snapshot | None = None, mode: Mode = Mode.DRAIN, *, name: str = "chat", policy: dict[str, Any] | None = None, **about: Any
) -> Reading:
    of = replace(credential(on_compromise=mode, drain_deadline=DEADLINE, **(policy or {})), name=name)
    return Reading(credential=of, snapshot=seen or at_rest(), now=NOW, took=TOOK, **about)


def of(seen: Snapshot | None = None, mode: Mode = Mode.DRAIN, **about: Any) -> Readiness:
    return judged(reading(seen, mode, **about), {})


def test_a_cut_is_a_look_and_a_mint() -> None:
    one = of(mode=Mode.CUT)
    assert (one.killed_in, one.cut_in, one.publishes, one.ready) == (600 * MS, 600 * MS, True, True)
    assert "revoke" in one.guessed


def test_a_secret_that_does_not_say_it_is_ours_is_tagged_before_the_cut() -> None:
    assert of(at_rest(secret=vault(untagged("v1"), holds=next(iter(at_rest().slots.values())))), Mode.CUT).cut_in == 1100 * MS  # type: ignore[union-attr]


def test_what_a_step_took_before_counts_more_than_a_guess() -> None:
    history = {
        step: [timedelta(seconds=4), timedelta(seconds=2), timedelta(seconds=90)]
        for step in ("mint", "prove", "publish", "revoke", "prove_dead")
    }
    one = judged(reading(), history)
    assert one.guessed == ()
    assert one.killed_in == 4 * (300 * MS + timedelta(seconds=4))
    assert one.proven_in == timedelta(seconds=4)


def test_what_lasts_longer_than_the_drain_is_not_waited_for() -> None:
    history = {step: [timedelta(seconds=50)] for step in ("mint", "prove", "publish", "revoke")}
    assert judged(reading(), history).killed_in == DEADLINE + 300 * MS + timedelta(seconds=50)


def test_a_drain_that_moves_dependents_takes_longer() -> None:
    alone, together = of(), of(at_rest(dependents=(dependent("api", Adoption.PROVEN),)))
    assert alone.killed_in is not None
    assert together.killed_in is not None
    assert together.killed_in > alone.killed_in


KILL_AT_DEADLINE = DEADLINE + 600 * MS
UNPROVABLE = at_rest(account=account(kind="Quantum.Brain", provable=False))


@pytest.mark.parametrize("mode", [Mode.DRAIN, Mode.CUT])
@pytest.mark.parametrize(
    ("seen", "about", "because"),
    [
        (UNPROVABLE, {"provable": False}, "kind Quantum.Brain cannot be asked"),
        (at_rest(account=account(endpoints=())), {"provable": False}, "names no https endpoint"),
        (at_rest(), {"barred": "https://chat: 403 firewall", "provable": False}, "403 firewall"),
        (at_rest(), {"barred": "https://chat: 503", "refuses": True, "provable": False}, "it would accept no new one"),
        (at_rest(), {"hinders": ("we may not setSecret",)}, "we may not setSecret"),
    ],
    ids=["no probe", "no endpoint", "firewall", "not accepted", "no setSecret"],
)
def test_where_nothing_can_be_published_a_drain_kills_at_its_deadline(
    seen: Snapshot, about: dict[str, Any], because: str, mode: Mode
) -> None:
    one = of(seen, mode, **about)
    assert (one.ready, one.publishes, one.cut_in) == (False, False, 600 * MS)
    assert one.killed_in == (KILL_AT_DEADLINE if mode is Mode.DRAIN else 600 * MS)
    (said,) = one.because
    assert "NOTHING CAN BE PUBLISHED" in said
    assert because in said
    assert ("drain deadline" in said) is (mode is Mode.DRAIN)


def test_a_vault_that_cannot_be_seen_holds_up_a_drain_and_no_cut() -> None:
    one = of(at_rest(secret=unseen("the secret", "403", hopeless=True)))
    assert (one.ready, one.killed_in, one.cut_in) == (False, KILL_AT_DEADLINE, 600 * MS)


def test_a_dependent_that_nobody_sees_holds_a_drain_up_to_its_deadline_and_that_is_said() -> None:
    one = of(at_rest(dependents=(dependent("api", Adoption.UNSEEN, because="403"),)))
    assert (one.ready, one.publishes, one.killed_in) == (False, True, KILL_AT_DEADLINE)
    assert "killed only at the drain deadline" in one.because[0]
    assert of(at_rest(dependents=(dependent("api", Adoption.UNSEEN),)), Mode.CUT).ready


def test_what_the_settings_accept_is_published_without_proof_and_no_death_proven() -> None:
    accepted = {"unprovable": Unprovable.ACCEPT}
    one = of(UNPROVABLE, policy=accepted, provable=False)
    assert (one.ready, one.publishes, one.proven_in) == (True, True, None)
    shut = of(barred="403", policy=accepted, provable=False)
    assert (shut.ready, shut.publishes) == (True, True)
    assert not of(barred="401", refuses=True, policy=accepted, provable=False).ready  # it answers, and does not accept


def test_contain_publishes_nothing_on_purpose_and_says_what_it_lacks() -> None:
    assert (of(UNPROVABLE, Mode.CONTAIN).ready, of(mode=Mode.CONTAIN).killed_in) == (True, 600 * MS)
    one = of(mode=Mode.CONTAIN, lacks=("local auth stays on",))
    assert (one.ready, one.because) == (False, ("local auth stays on",))


@pytest.mark.parametrize("mode", Mode)
def test_a_vault_that_gives_out_a_dead_key_is_not_called_ready(mode: Mode) -> None:
    foreign = at_rest(secret=vault(version("v1", FOREIGN, account=None, reason=None)))
    one = of(foreign, mode)
    assert not one.ready
    assert one.killed_in == 600 * MS
    assert any("gives out no live key" in said for said in one.because)
    assert sum(said.count("--replace-foreign") for said in one.because) == 1
    ours = of(at_rest(secret=vault(version("v1", FOREIGN))), mode)
    assert any("gives out no live key" in said for said in ours.because)


def test_a_secret_that_is_deleted_softly_is_recovered_on_the_way() -> None:
    one = of(at_rest(secret=SecretView(current=None, deleted=True)))
    assert (one.ready, one.publishes) == (True, True)


def test_what_forbids_to_mint_forbids_everything() -> None:
    one = of(mode=Mode.CUT, forbids=("a lock",))
    assert (one.ready, one.because, one.killed_in, one.cut_in, one.proven_in) == (False, ("a lock",), None, None, None)


def test_a_key_that_no_gateway_takes_is_dead_already() -> None:
    off = at_rest(account=account(local_auth=False), slots=unseen("slots", "local auth is off"))
    assert (of(off).ready, of(off).cut_in) == (True, timedelta())


def test_a_case_that_is_open_already_changes_nothing_about_its_own_key() -> None:
    active = next(iter(at_rest().slots.values()))  # type: ignore[union-attr]
    assert of(incidents=[case(active)]) == of()
    assert of(incidents=[case(active, Mode.CUT)]) == of(), "how this one would be killed is not how the next one will be"


def test_the_worst_comes_first() -> None:
    fine, slow = reading(mode=Mode.CUT, name="fine"), reading(name="slow")
    hindered, lost = reading(hinders=("x",), name="hindered"), reading(forbids=("x",), name="lost")
    assert [one.name for one in ordered(judged(one, {}) for one in (fine, slow, hindered, lost))] == ["lost", "hindered", "slow", "fine"]


@pytest.mark.parametrize(
    ("length", "said"), [(0.04, "40 ms"), (0.0004, "1 ms"), (0.1, "0.1 s"), (1.34, "1.3 s"), (120.6, "2m"), (None, "–"), (0.0, "0 ms")]
)
def test_a_short_time_is_not_called_none(length: float | None, said: str) -> None:
    assert _seconds(None if length is None else timedelta(seconds=length)) == said


def test_the_kill_of_another_leaked_key_is_not_taken_for_the_kill_of_this_one() -> None:
    standby = list(at_rest().slots.values())[1]  # type: ignore[union-attr]
    alone, beside = of(), of(incidents=[case(standby, Mode.CUT)])
    assert alone.killed_in is not None
    assert beside.killed_in is not None
    assert beside.killed_in >= alone.killed_in


def test_what_was_not_timed_is_guessed_to_last_as_long_as_the_slowest() -> None:
    blank = replace(reading(), took={"keys": 300 * MS, "probe": 50 * MS})
    assert length_of("publish", blank, {}) == 300 * MS
