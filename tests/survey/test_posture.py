"""What a survey says about safety: gates, ages and the picture of them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.cli.discovered import document, print_survey
from rotator.core.snapshot import Unseen
from rotator.hunt.finding import Copy, Why
from rotator.survey.estate import Exposure, Found
from rotator.survey.posture import Keyless, NoSuchGate, age, bars, failed, gates, histogram, keyless
from tests.survey.finds import NOW, copy, found, survey


def at_least(days: float) -> Found:
    """Nobody saw a rotation of its key, and so long ago it was there already."""
    return replace(found(), since=NOW - timedelta(days=days))


def held(*copies: Copy) -> Found:
    return replace(found(), copies=copies)


@pytest.mark.parametrize(
    ("word", "one", "fails"),
    [
        ("unmanaged", found(), True),
        ("unmanaged", found(managed_as="chat"), False),
        ("unmanaged", found(local_auth=False), False),
        ("public", found(), True),
        ("public", found(exposure=Exposure.RESTRICTED), False),
        ("public", found(exposure=Exposure.CLOSED), False),
        ("public", found(local_auth=False), True),
        ("local-auth", found(), True),
        ("local-auth", found(local_auth=False), False),
        ("no-secret", found(), True),
        ("no-secret", found(holds=("a",)), False),
        ("copied", held(copy()), True),
        ("copied", held(copy(known=True)), False),
        ("copied", held(copy(Why.PINNED), copy(Why.READER)), False),
        ("pinned", held(copy(Why.PINNED)), True),
        ("pinned", held(copy(Why.PINNED, known=True)), True),
        ("pinned", held(copy()), False),
        ("unwatched", held(copy(Why.READER)), True),
        ("unwatched", held(copy(Why.READER, known=True)), False),
        ("older-than=90d", found(days=91), True),
        ("older-than=90d", found(days=90), False),
        ("older-than=90d", found(), False),
        ("older-than=90d", at_least(89), True),
        ("older-than=365d", at_least(89), True),
        ("older-than=90d", at_least(3), True),
        ("older-than=36h", at_least(1), True),
        ("unknown-age", at_least(89), False),
        ("older-than=36h", found(days=2), True),
        ("older-than=90d", found(days=400, local_auth=False), False),
        ("unknown-age", found(), True),
        ("unknown-age", found(days=1), False),
    ],
)
def test_a_gate_fails_for_what_it_names(word: str, one: Found, fails: bool) -> None:
    assert failed(survey(one), gates(word)) == ({word: [one.account.id]} if fails else {})


@pytest.mark.parametrize(
    ("days", "bucket"), [(3, "unknown"), (88, "unknown"), (89, "at least 89d"), (200, "at least 89d"), (366, "≥ 365d")]
)
def test_a_key_whose_rotation_nobody_saw_is_in_no_bucket_of_younger_ones(days: float, bucket: str) -> None:
    assert {name for name, count in histogram(survey(at_least(days))).items() if count} == {bucket}
    assert age(at_least(days), NOW).exact is False


def test_what_could_not_be_looked_at_fails_a_gate_of_its_own() -> None:
    dark = Unseen(what="the vaults of subscription s", because="403")
    assert failed(survey(found(managed_as="x"), unseen=(dark,)), gates("unmanaged,unseen")) == {"unseen": [dark.what]}


@pytest.mark.parametrize("said", ["older", "older-than=", "older-than=90", "older-than=-1d", "public;unmanaged", "Public"])
def test_a_gate_that_nobody_knows_is_refused(said: str) -> None:
    with pytest.raises(NoSuchGate):
        gates(said)


def test_gates_are_said_with_commas_and_each_once() -> None:
    assert [gate.word for gate in gates("public, unmanaged,,public")] == ["public", "unmanaged"]


@pytest.mark.parametrize(
    ("one", "is_"),
    [
        (found(local_auth=False), Keyless.ALREADY),
        (found(), Keyless.CANDIDATE),
        (found(subdomain=False), Keyless.NEEDS_SUBDOMAIN),
        (found(kind="Bing.Search.v7"), Keyless.NOT_POSSIBLE),
    ],
)
def test_how_near_an_account_is_to_no_key(one: Found, is_: Keyless) -> None:
    assert keyless(one) is is_


@given(st.lists(st.one_of(st.none(), st.floats(0, 4000)), max_size=30))
def test_every_account_with_keys_is_in_one_bucket(ages: list[float | None]) -> None:
    counts = histogram(survey(*(found(f"a{number}", days=days) for number, days in enumerate(ages))))
    assert sum(counts.values()) == len(ages)
    assert counts["unknown"] == ages.count(None)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 10**6), min_size=1, max_size=8), st.integers(1, 80))
def test_what_is_there_at_all_is_seen_in_the_picture(counts: dict[str, int], width: int) -> None:
    lines = bars(counts, width)
    assert len(lines) == len(counts)
    for line, count in zip(lines, counts.values(), strict=True):
        assert ("█" in line) is (count > 0)
        assert line.count("█") <= width
    assert any(line.count("█") == width for line in lines) is any(counts.values())


def test_an_account_without_keys_has_no_age_but_who_manages_it(capsys: pytest.CaptureFixture[str]) -> None:
    off = found(local_auth=False, days=500, managed_as="vision")
    assert sum(histogram(survey(off)).values()) == 0
    (row,) = document(survey(off), [], {})["accounts"]
    assert (row["age_seconds"], row["managed_as"]) == (None, "vision")
    print_survey(survey(off))
    assert "vision" in capsys.readouterr().out
