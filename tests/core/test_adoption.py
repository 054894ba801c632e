"""What is remembered of a dependent: a change, and nothing else; and the delivery that it took."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.core.adoption import changed, handed, said, taken_at
from rotator.core.snapshot import Adoption, Kept, Snapshot
from rotator.core.step import Propagate
from tests.core.situations import KEY2, MINUTE, NOW, A, B, dependent, overlap, remember, unseen

PROVEN, CLAIMED, STALE, UNSEEN = Adoption.PROVEN, Adoption.CLAIMED, Adoption.STALE, Adoption.UNSEEN
BEFORE = Kept(dependent="api", kind="app-service", adoption=STALE, version="v2", fingerprint=B, since=NOW - MINUTE, running=A)
STEP = Propagate(dependent="api", slot=KEY2, fingerprint=B, version="v2")


def seen(adoption: Adoption, *kept: Kept, **changes: Any) -> Snapshot:
    one = replace(dependent("api", adoption), **{"running": A, **changes})
    return overlap(dependents=(one,), memory=remember(adoptions={each.dependent: each for each in kept}))


def test_what_was_never_seen_is_news() -> None:
    (found,) = changed(seen(STALE, because="runs on v1"), NOW)
    assert (found.adoption, found.since, found.version, found.because) == (STALE, NOW, "v2", "runs on v1")


@pytest.mark.parametrize("again", [{}, {"seen": "200 at another time"}, {"because": "said in other words"}], ids=str)
def test_what_is_as_it_was_is_no_news(again: dict[str, Any]) -> None:
    assert changed(seen(STALE, BEFORE, **again), NOW) == []


@pytest.mark.parametrize(
    ("view", "before"),
    [
        (seen(PROVEN, BEFORE), BEFORE),
        (seen(STALE, BEFORE, running=B), BEFORE),
        (seen(STALE, replace(BEFORE, version="v1")), replace(BEFORE, version="v1")),
    ],
    ids=["another adoption", "another value runs", "another version is published"],
)
def test_a_change_is_news(view: Snapshot, before: Kept) -> None:
    (found,) = changed(view, NOW)
    assert found.since == NOW


def test_a_look_that_had_nothing_to_look_for_says_nothing() -> None:
    assert changed(replace(seen(UNSEEN, BEFORE), secret=unseen("the secret")), NOW) == []


def test_a_delivery_is_remembered_until_another_version_is_published() -> None:
    given = handed(seen(STALE, BEFORE), STEP, NOW)
    assert given == replace(BEFORE, delivered_at=NOW)
    (took,) = changed(seen(CLAIMED, given), NOW + MINUTE)
    assert took.delivered_at == NOW
    (later,) = changed(overlap(dependents=(dependent("api", STALE),), memory=remember(adoptions={"api": replace(took, version="v1")})), NOW)
    assert later.delivered_at is None


def test_a_delivery_to_one_that_nobody_remembers_is_remembered_too() -> None:
    given = handed(seen(STALE), STEP, NOW)
    assert (given.dependent, given.version, given.adoption, given.delivered_at) == ("api", "v2", STALE, NOW)


@pytest.mark.parametrize(
    ("kept", "at"),
    [
        (replace(BEFORE, adoption=CLAIMED, delivered_at=NOW), NOW),
        (replace(BEFORE, adoption=PROVEN, delivered_at=NOW), NOW),
        (replace(BEFORE, adoption=STALE, delivered_at=NOW), None),
        (replace(BEFORE, adoption=CLAIMED, delivered_at=NOW, version="v1"), None),
        (replace(BEFORE, adoption=CLAIMED), None),
    ],
    ids=["claimed", "proven", "not seen to have taken it", "another version", "never delivered by us"],
)
def test_a_delivery_counts_only_for_one_that_was_seen_to_have_taken_it(kept: Kept, at: object) -> None:
    assert taken_at({"api": kept}, "api", "v2") == at


def test_the_audit_says_what_it_was_and_what_it_is() -> None:
    now = replace(BEFORE, adoption=PROVEN, running=B, seen="200", since=NOW + timedelta(seconds=1))
    fields = said(now, BEFORE)
    assert (fields["was"], fields["adoption"], fields["running"], fields["version"]) == ("Stale", "Proven", B, "v2")
    assert "was" not in said(now, replace(BEFORE, version="v1"))
