"""What is judged without asking: the clock, the end of a secret, readiness, the order of findings, the commands that mend."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from rotator.core.credential import Secret
from rotator.core.policy import Mode
from rotator.doctor import clock, identity, mending
from rotator.doctor.findings import About, Severity, Subject, ordered, worst
from rotator.doctor.readiness import Reading, judged
from rotator.doctor.readiness import ordered as worst_first
from rotator.settings.permissions import KEYS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ABOUT = About(Subject.CLOCK, "this machine")
MS = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("azure_s", "took_ms", "severity"),
    [
        (0, 10, Severity.OK),
        (-1, 10, Severity.OK),  # a Date has whole seconds
        (-5, 4500, Severity.OK),  # a slow answer is old when it comes
        (-20, 10, Severity.WARNING),
        (20, 10, Severity.WARNING),
        (120, 10, Severity.ERROR),
        (-3600, 10, Severity.ERROR),
    ],
)
def test_a_clock_is_wrong_only_beyond_what_a_call_cannot_tell(azure_s: int, took_ms: int, severity: Severity) -> None:
    date = format_datetime(NOW + timedelta(seconds=azure_s), usegmt=True)
    assert clock.judged(ABOUT, date, NOW, took_ms * MS).severity is severity


def test_an_answer_without_a_date_says_nothing_of_the_clock() -> None:
    assert clock.judged(ABOUT, "", NOW, MS).severity is Severity.WARNING


@pytest.mark.parametrize(
    ("ends", "severity"),
    [
        ([], Severity.WARNING),
        ([-1], Severity.ERROR),
        ([-1, 400], None),
        ([10], Severity.WARNING),
        ([31], None),
    ],
)
def test_a_secret_of_our_own_is_minded_before_it_ends(ends: list[int], severity: Severity | None) -> None:
    rows = [{"endDateTime": (NOW + timedelta(days=days)).isoformat()} for days in ends]
    found = identity.judged(About(Subject.IDENTITY, "client secret"), {"passwordCredentials": rows}, "app", NOW)
    assert [one.severity for one in found] == ([severity] if severity else [])
    assert all("az ad app credential reset --id app" in one.mend for one in found if "expire" in one.said)


TOOK = {"account": 100 * MS, "keys": 300 * MS, "look": 200 * MS, "probe": 50 * MS}


def reading(name: str = "chat", mode: Mode = Mode.DRAIN, **about: Any) -> Reading:
    return Reading(name=name, mode=mode, dependents=about.pop("dependents", 0), took=TOOK, **about)


def test_a_cut_is_a_look_and_a_mint() -> None:
    one = judged(reading(), {})
    assert one.cut_in == 600 * MS
    assert "revoke" in one.guessed


def test_what_a_step_took_before_counts_more_than_a_guess() -> None:
    history = {
        step: [timedelta(seconds=4), timedelta(seconds=2), timedelta(seconds=90)]
        for step in ("mint", "prove", "publish", "revoke", "prove_dead")
    }
    one = judged(reading(), history)
    assert one.guessed == ()
    assert one.killed_in == 4 * (300 * MS + timedelta(seconds=4))
    assert one.proven_in == timedelta(seconds=4)


def test_a_drain_that_moves_dependents_takes_longer() -> None:
    alone, together = judged(reading(), {}), judged(reading(dependents=1), {})
    assert alone.killed_in is not None
    assert together.killed_in is not None
    assert together.killed_in > alone.killed_in


def test_what_hinders_a_publish_hinders_no_cut() -> None:
    hindered = judged(reading(hinders=("we may not setSecret",)), {})
    assert (hindered.ready, hindered.killed_in) == (False, None)
    assert hindered.cut_in is not None
    assert judged(reading(mode=Mode.CUT, hinders=("we may not setSecret",)), {}).ready


def test_what_forbids_to_mint_forbids_everything() -> None:
    one = judged(reading(mode=Mode.CUT, forbids=("a lock",)), {})
    assert (one.ready, one.killed_in, one.cut_in, one.proven_in) == (False, None, None, None)


def test_a_key_that_no_gateway_takes_is_dead_already() -> None:
    assert judged(reading(keyless=True), {}).cut_in == timedelta()


def test_where_no_endpoint_can_be_asked_no_proof_is_promised() -> None:
    assert judged(reading(provable=False), {}).proven_in is None


def test_the_worst_comes_first() -> None:
    fine, slow = reading("fine", Mode.CUT), reading("slow")
    hindered, lost = reading("hindered", hinders=("x",)), reading("lost", forbids=("x",))
    assert [one.name for one in worst_first(judged(one, {}) for one in (fine, slow, hindered, lost))] == [
        "lost",
        "hindered",
        "slow",
        "fine",
    ]


def test_findings_stand_by_subject_with_the_worst_first_and_each_once() -> None:
    vault, account = About(Subject.VAULT, "kv"), About(Subject.ACCOUNT, "chat")
    found = ordered([vault.well("w"), vault.bad("b"), account.well("w"), vault.bad("b"), account.warn("!")])
    assert [(one.subject, one.severity) for one in found] == [
        (Subject.ACCOUNT, Severity.WARNING),
        (Subject.ACCOUNT, Severity.OK),
        (Subject.VAULT, Severity.ERROR),
        (Subject.VAULT, Severity.OK),
    ]
    assert worst(found) is Severity.ERROR
    assert worst([]) is Severity.OK


def test_a_command_that_mends_can_be_pasted() -> None:
    scope = "/subscriptions/s/resourceGroups/my group/providers/Microsoft.CognitiveServices/accounts/chat"
    assert mending.grant(KEYS, scope, "oid") == (
        f"az role assignment create --assignee-object-id oid --role '{KEYS.deployed}' --scope '{scope}'"
    )
    assert "--vault-name kv --name chat-key" in mending.recover(Secret(vault="https://kv.vault.azure.net", name="chat-key"))
