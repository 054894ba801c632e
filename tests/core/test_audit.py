"""The chain: whoever changes, drops, inserts, swaps or cuts is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.audit import GENESIS, AuditEvent, Verdict, seal_event, verify

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def chain(length: int = 6) -> list[AuditEvent]:
    events: list[AuditEvent] = []
    for seq in range(1, length + 1):
        events.append(
            seal_event(
                seq=seq,
                at=NOW + timedelta(seconds=seq),
                event="intent" if seq % 2 else "outcome",
                credential="chat",
                fields={"step": "mint", "number": str(seq), "note": "ü “quoted”"},
                previous=events[-1].hash if events else GENESIS,
            )
        )
    return events


def test_a_whole_chain_is_whole_and_names_its_head() -> None:
    events = chain()
    assert verify(events) == Verdict(events=6, head=events[-1].hash)
    assert verify(events, count=6, head=events[-1].hash).broken == ""


def test_an_empty_chain_is_whole() -> None:
    assert verify([]) == Verdict(events=0, head=GENESIS)
    assert verify([], count=0, head=GENESIS).broken == ""


def test_the_first_event_stands_on_the_genesis() -> None:
    assert chain()[0].previous == GENESIS
    assert len({event.hash for event in chain(50)}) == 50


FORGED: dict[str, Callable[[AuditEvent], AuditEvent]] = {
    "its time": lambda event: replace(event, at=event.at + timedelta(milliseconds=1)),
    "its name": lambda event: replace(event, event="forged"),
    "its credential": lambda event: replace(event, credential="chat2"),
    "a field": lambda event: replace(event, fields={**event.fields, "step": "revoke"}),
    "one field more": lambda event: replace(event, fields={**event.fields, "more": ""}),
    "one field less": lambda event: replace(event, fields={"step": "mint"}),
    "its number": lambda event: replace(event, seq=event.seq + 1),
    "its predecessor": lambda event: replace(event, previous=GENESIS),
    "its hash": lambda event: replace(event, hash="0" * 64),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
@pytest.mark.parametrize("place", [1, 2, 5])
def test_whoever_changes_an_event_is_found_there(forge: Callable[[AuditEvent], AuditEvent], place: int) -> None:
    events = chain()
    events[place] = forge(events[place])
    verdict = verify(events)
    assert f"event {place + 1} " in verdict.broken
    assert verdict.head == events[place - 1].hash, "what came before is still evidence"


def test_whoever_forges_an_event_and_its_hash_is_found_at_the_next_one() -> None:
    events = chain()
    one = events[2]
    events[2] = seal_event(seq=3, at=one.at, event="forged", credential=one.credential, fields=one.fields, previous=one.previous)
    assert "event 4 " in verify(events).broken


def test_whoever_forges_an_event_and_makes_the_next_one_point_to_it_is_found_there() -> None:
    """The hash of an event covers the hash before it: without that, one forged link would mend the chain."""
    events = chain()
    one = events[2]
    events[2] = seal_event(seq=3, at=one.at, event="forged", credential=one.credential, fields=one.fields, previous=one.previous)
    events[3] = replace(events[3], previous=events[2].hash)
    assert "event 4 " in verify(events).broken


@pytest.mark.parametrize("place", range(5))
def test_whoever_drops_an_event_is_found(place: int) -> None:
    events = chain()
    del events[place]
    assert f"event {place + 1} " in verify(events).broken


@pytest.mark.parametrize("place", range(6))
def test_whoever_inserts_an_event_is_found(place: int) -> None:
    events = chain()
    events.insert(place, events[place])
    assert verify(events).broken


def test_whoever_swaps_two_events_is_found() -> None:
    events = chain()
    events[2], events[3] = events[3], events[2]
    assert "event 3 " in verify(events).broken


def test_whoever_cuts_the_end_off_is_found_by_what_was_noted_elsewhere() -> None:
    events = chain()
    count, head = len(events), events[-1].hash
    cut = events[:-1]
    assert verify(cut).broken == "", "the chain alone cannot tell"
    assert "6 events were noted, 5 are here" in verify(cut, count=count).broken
    assert head in verify(cut, head=head).broken


@pytest.mark.parametrize("place", range(6))
def test_a_head_that_was_noted_earlier_is_found_where_the_chain_had_it_then(place: int) -> None:
    events = chain()
    verdict = verify(events, head=events[place].hash)
    assert (verdict.broken, verdict.noted, verdict.head) == ("", place + 1, events[-1].hash)


def test_whoever_writes_the_whole_chain_anew_is_found_by_the_head() -> None:
    head = chain()[-1].hash
    anew = [seal_event(seq=1, at=NOW, event="forged", credential="chat", fields={}, previous=GENESIS)]
    assert verify(anew).broken == ""
    assert verify(anew, head=head).broken


def test_whoever_empties_the_chain_is_found() -> None:
    assert verify([], count=6).broken
    assert verify([], head=chain()[-1].hash).broken


def test_the_order_in_which_fields_are_written_does_not_matter() -> None:
    one = seal_event(seq=1, at=NOW, event="e", credential="c", fields={"a": "1", "b": "2"}, previous=GENESIS)
    other = seal_event(seq=1, at=NOW, event="e", credential="c", fields={"b": "2", "a": "1"}, previous=GENESIS)
    assert one.hash == other.hash


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_fields_that_differ_have_hashes_that_differ(first: dict[str, str], second: dict[str, str]) -> None:
    hashes = {seal_event(seq=1, at=NOW, event="e", credential="c", fields=each, previous=GENESIS).hash for each in (first, second)}
    assert (len(hashes) == 1) is (first == second)


def test_words_cannot_move_from_one_field_to_the_next() -> None:
    one = seal_event(seq=1, at=NOW, event="ab", credential="c", fields={}, previous=GENESIS)
    other = seal_event(seq=1, at=NOW, event="a", credential="bc", fields={}, previous=GENESIS)
    assert one.hash != other.hash


def test_a_time_of_another_zone_is_another_text() -> None:
    """The ledger gives UTC back; a chain sealed in another zone would not verify, so nobody may seal one unnoticed."""
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    event = seal_event(seq=1, at=berlin, event="e", credential="c", fields={}, previous=GENESIS)
    assert verify([replace(event, at=NOW)]).broken
