"""What one report is to us: only a clue that matches a value of ours kills by itself; names, numbers and floods wait for a person."""

from dataclasses import replace
from typing import Any

import pytest

from rotator.core.credential import Reason
from rotator.core.desk import Desk, decide
from rotator.core.incident import State, reported_again
from rotator.core.judge import Bench, Judgement, Rails, SourcePolicy, judge
from rotator.core.policy import Mode, OnSuspicion
from rotator.core.report import Clues, KnownKey, Matter, Report, Verdict
from tests.core.situations import ACCOUNT, DAY, HOUR, KEY1, KEY2, NOW, A, B, C, case, credential

LIVE = KnownKey(credential="chat", fingerprint=A, slot=KEY1, published_at=NOW - DAY, sha256="s" * 64, hmsl_hash="h" * 64)
SECRET = "https://kv.vault.azure.net/secrets/chat-key"
OURSELVES = "0e0e0e0e-0000-4000-8000-000000000000"


def report(matter: Matter = Matter.LEAK, **changes: Any) -> Report:
    told = Report(id="rep-1", source="github", source_id="o/r#1", matter=matter, reported_at=NOW)
    return replace(told, **changes)


def bench(*, opened: int = 0, rails: int = 20, accounts: int = 5, policy: SourcePolicy | None = None, **of: Any) -> Bench:
    return Bench(
        credentials={"chat": credential(**of)},
        by_account={ACCOUNT.lower(): "chat"},
        by_secret={SECRET: "chat"},
        policy=policy or SourcePolicy(),
        rails=Rails(opened_last_hour=opened, per_hour_max=rails, accounts_per_delivery_max=accounts),
        open_cases=frozenset(),
        ourselves=OURSELVES,
        now=NOW,
    )


def one(told: Report, *known: KnownKey, on: Bench | None = None, accounts: int = 1) -> Judgement:
    (judged,) = judge(told, known or (LIVE,), on or bench(), new_id="inc-1", accounts=accounts)
    return judged


# --- leaks ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clues", [Clues(fingerprints=(A,)), Clues(sha256=("s" * 64,)), Clues(hmsl_hash=("h" * 64,))])
def test_a_clue_that_matches_a_value_of_ours_opens_a_case(clues: Clues) -> None:
    judged = one(report(clues=clues))
    assert (judged.verdict, judged.credential, judged.fingerprint) == (Verdict.COMPROMISED, "chat", A)
    assert judged.case is not None
    assert (judged.case.state, judged.case.reason, judged.case.slot) == (State.OPEN, Reason.KEY_COMPROMISE, KEY1)
    assert judged.because == "matches key1 of chat: drain"


def test_a_deadline_is_counted_from_when_it_reached_us_whatever_the_sender_says() -> None:
    judged = one(report(clues=Clues(fingerprints=(A,)), reported_at=NOW - 400 * DAY))
    assert judged.case is not None
    assert judged.case.deadline == NOW + credential().policy.drain_deadline


@pytest.mark.parametrize(
    ("of", "source", "mode"),
    [
        (Mode.DRAIN, None, Mode.DRAIN),
        (Mode.DRAIN, Mode.CUT, Mode.CUT),
        (Mode.CUT, Mode.DRAIN, Mode.CUT),
        (Mode.CONTAIN, None, Mode.CONTAIN),
    ],
)
def test_the_stricter_of_what_the_credential_and_the_source_say(of: Mode, source: Mode | None, mode: Mode) -> None:
    judged = one(report(clues=Clues(fingerprints=(A,))), on=bench(policy=SourcePolicy(proven=source), on_compromise=of))
    assert judged.case is not None
    assert judged.case.mode is mode


def test_a_value_that_is_replaced_but_not_proven_dead_is_a_case() -> None:
    judged = one(report(clues=Clues(fingerprints=(A,))), replace(LIVE, replaced_at=NOW - HOUR))
    assert (judged.verdict, judged.case is not None) == (Verdict.COMPROMISED, True)


def test_a_value_that_is_proven_dead_is_said_to_be_so_and_not_killed_again() -> None:
    judged = one(report(clues=Clues(fingerprints=(A,))), replace(LIVE, dead_at=NOW - HOUR))
    assert (judged.verdict, judged.case, judged.fingerprint) == (Verdict.ALREADY_DEAD, None, A)
    assert "proven dead since 2026-03-02 11:00:00 UTC" in judged.because


def test_one_that_its_source_opened_again_is_looked_at_again_even_if_it_was_dead() -> None:
    judged = one(report(clues=Clues(fingerprints=(A,)), reopened=True), replace(LIVE, dead_at=NOW - HOUR))
    assert judged.verdict is Verdict.COMPROMISED


def test_a_value_that_the_index_does_not_know_waits_until_the_fleet_is_asked() -> None:
    judged = one(report(clues=Clues(fingerprints=(C,), likely=True)))
    assert (judged.verdict, judged.case) == (Verdict.WAITING, None)


def test_a_value_that_has_not_the_shape_of_ours_is_looked_for_in_the_index_alone() -> None:
    assert one(report(clues=Clues(fingerprints=(C,)))).verdict is Verdict.NOT_OURS
    assert one(report(clues=Clues(fingerprints=(A,)))).verdict is Verdict.COMPROMISED


def test_a_value_that_its_sender_holds_waits_until_it_is_fetched() -> None:
    judged = one(report(clues=Clues(held_by="github:o/r#1")))
    assert judged.verdict is Verdict.WAITING
    assert "github:o/r#1" in judged.because


def test_a_report_without_any_clue_is_noted_for_a_person() -> None:
    assert one(report()).verdict is Verdict.NOTED


def test_a_match_with_a_credential_that_the_settings_no_longer_name_acts_on_nothing() -> None:
    assert one(report(clues=Clues(fingerprints=(A,))), replace(LIVE, credential="gone")).verdict is Verdict.NOT_OURS


# --- guard rails ------------------------------------------------------------------------------------------------------------


def test_beyond_the_cap_of_an_hour_a_person_is_asked() -> None:
    judged = one(report(clues=Clues(fingerprints=(A,))), on=bench(opened=20))
    assert judged.verdict is Verdict.HELD
    assert judged.case is not None
    assert judged.case.state is State.HELD
    assert judged.case.held_because == "20 cases were opened within the hour, and 20 may be without a person"


def test_a_delivery_that_speaks_of_many_accounts_asks_a_person() -> None:
    judged = one(report(clues=Clues(fingerprints=(A,))), accounts=6)
    assert judged.verdict is Verdict.HELD
    assert "6 accounts" in judged.because


def test_a_value_whose_case_is_open_is_held_up_by_no_rail() -> None:
    on = replace(bench(opened=20), open_cases=frozenset({("chat", A)}))
    assert one(report(clues=Clues(fingerprints=(A,))), on=on).verdict is Verdict.COMPROMISED


# --- suspicions -------------------------------------------------------------------------------------------------------------

SUSPICION = report(Matter.SUSPICION, source="defender", account=ACCOUNT.upper(), note="AI.Azure_AccessAnomaly")


@pytest.mark.parametrize(
    ("word", "verdict", "state"),
    [
        (OnSuspicion.INFORM, Verdict.NOTED, None),
        (OnSuspicion.ASK, Verdict.HELD, State.HELD),
        (OnSuspicion.DRAIN, Verdict.SUSPECTED, State.OPEN),
        (OnSuspicion.ROTATE, Verdict.SUSPECTED, None),
    ],
)
def test_a_suspicion_does_what_its_policy_says(word: OnSuspicion, verdict: Verdict, state: State | None) -> None:
    judged = one(SUSPICION, on=bench(on_suspicion=word))
    assert (judged.verdict, judged.case.state if judged.case else None) == (verdict, state)
    assert judged.orders is (word is OnSuspicion.ROTATE)


@pytest.mark.parametrize("word", list(OnSuspicion))
@pytest.mark.parametrize("of", list(Mode))
def test_a_suspicion_never_cuts(word: OnSuspicion, of: Mode) -> None:
    judged = one(SUSPICION, on=bench(on_suspicion=word, on_compromise=of, policy=SourcePolicy(proven=Mode.CUT)))
    assert judged.case is None or (judged.case.mode, judged.case.reason) == (Mode.DRAIN, Reason.SUSPECTED_COMPROMISE)


def test_without_a_policy_a_person_is_asked() -> None:
    assert one(SUSPICION).verdict is Verdict.HELD


def test_a_suspicion_is_about_the_value_that_readers_got_last() -> None:
    older = replace(LIVE, fingerprint=B, slot=KEY2, published_at=NOW - 9 * DAY)
    judged = one(SUSPICION, older, LIVE, on=bench(on_suspicion=OnSuspicion.DRAIN))
    assert judged.fingerprint == A


def test_a_suspicion_about_an_account_whose_value_is_not_known_waits_for_a_look() -> None:
    assert one(SUSPICION, replace(LIVE, published_at=None), on=bench(on_suspicion=OnSuspicion.DRAIN)).verdict is Verdict.WAITING


def test_suspicions_stand_under_the_cap_too() -> None:
    assert one(SUSPICION, on=bench(opened=20, on_suspicion=OnSuspicion.ROTATE)).verdict is Verdict.HELD


def test_an_account_of_somebody_else_is_not_ours() -> None:
    assert one(replace(SUSPICION, account=ACCOUNT + "-x")).verdict is Verdict.NOT_OURS


# --- what else comes through the doors --------------------------------------------------------------------------------------


def test_our_own_doing_does_not_come_back_as_an_alert() -> None:
    judged = one(report(Matter.REGENERATED, account=ACCOUNT, caller=OURSELVES.upper()))
    assert (judged.verdict, judged.wakes, judged.because) == (Verdict.NOTED, False, "our own doing")


def test_a_key_that_a_stranger_regenerated_is_looked_at_now() -> None:
    judged = one(report(Matter.REGENERATED, account=ACCOUNT, caller="somebody"))
    assert (judged.verdict, judged.wakes, judged.case) == (Verdict.NOTED, True, None)


def test_keys_that_were_listed_are_noted_and_nothing_is_woken() -> None:
    assert not one(report(Matter.LISTED, account=ACCOUNT, caller="somebody")).wakes


def test_a_secret_that_is_about_to_expire_is_looked_at_now() -> None:
    assert one(report(Matter.DUE, secret=SECRET.upper())).wakes
    assert one(report(Matter.DUE, secret=SECRET + "-x")).verdict is Verdict.NOT_OURS


def test_every_matter_has_a_verdict_and_a_sentence() -> None:
    for matter in Matter:
        for judged in judge(report(matter), [LIVE], bench(), new_id="inc-1"):
            assert judged.because


# --- the desk ---------------------------------------------------------------------------------------------------------------


def desk(*known: KnownKey, opened: int = 0, per_hour: int = 20, accounts: int = 5, cases: tuple[Any, ...] = ()) -> Desk:
    def bench_of(source: str, rails: Rails, open_cases: Any) -> Bench:
        names = {key.credential for key in known} | {"chat"}
        every = {name: replace(credential(), name=name) for name in names}
        return replace(bench(), credentials=every, rails=rails, open_cases=open_cases)

    return Desk(
        bench_of=bench_of,
        per_hour_max=per_hour,
        accounts_max=accounts,
        opened=opened,
        known=list(known),
        cases={(one.credential, one.fingerprint): one for one in cases},
    )


def test_a_hundred_reports_of_one_leak_are_one_case() -> None:
    on = desk(LIVE)
    judged = decide([report(id=f"rep-{number}", clues=Clues(fingerprints=(A,))) for number in range(100)], on)
    assert len({each.incident for each in judged}) == len(on.filed) == 1
    assert {each.verdict for each in judged} == {Verdict.COMPROMISED}
    assert on.urgent == {"chat"}


def test_a_pile_stops_at_the_cap_and_the_rest_is_held() -> None:
    fleet = [KnownKey(credential=f"c{number}", fingerprint=C[:-2] + f"{number:02}", slot=KEY1) for number in range(6)]  # type: ignore[arg-type]
    on = desk(*fleet, per_hour=3)
    judged = [each for key in fleet for each in decide([report(clues=Clues(fingerprints=(key.fingerprint,)))], on)]
    assert [each.verdict for each in judged] == [Verdict.COMPROMISED] * 3 + [Verdict.HELD] * 3
    assert on.urgent == {"c0", "c1", "c2"}


def test_a_case_that_a_person_dismissed_is_not_opened_by_more_of_the_same() -> None:
    on = desk(LIVE, cases=(case(A, state=State.DISMISSED),))
    (judged,) = decide([report(clues=Clues(fingerprints=(A,)))], on)
    assert (judged.verdict, on.urgent, on.filed) == (Verdict.NOTED, set(), {})


def test_a_case_that_is_held_holds_each_report_about_it_and_a_suspicion_does_not_open_it() -> None:
    held = case(A, state=State.HELD, source="defender", reason=Reason.SUSPECTED_COMPROMISE, held_because="the policy says: ask")
    on = desk(LIVE, cases=(held,))
    (judged,) = decide([SUSPICION], on)
    assert (judged.verdict, judged.incident, on.urgent) == (Verdict.HELD, held.id, set())


def test_a_proof_opens_what_was_held_as_a_suspicion() -> None:
    held = case(A, state=State.HELD, source="defender", reason=Reason.SUSPECTED_COMPROMISE, held_because="the policy says: ask")
    on = desk(LIVE, cases=(held,))
    (judged,) = decide([report(clues=Clues(fingerprints=(A,)))], on)
    opened = on.filed["chat", A]
    assert (judged.verdict, opened.state, opened.reason, opened.held_because) == (
        Verdict.COMPROMISED,
        State.OPEN,
        Reason.KEY_COMPROMISE,
        "",
    )


@pytest.mark.parametrize("state", [State.CLOSED, State.UNPROVEN, State.DISMISSED])
def test_a_person_opens_any_case_again(state: State) -> None:
    again = reported_again(case(A, state=state, source="github"), case(A, Mode.CUT, source="operator"))
    assert (again.state, again.mode, again.source) == (State.OPEN, Mode.CUT, "operator")
