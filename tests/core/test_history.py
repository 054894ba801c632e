"""The history of a credential: steps of one rotation are one, the newest first, whatever is missing of them."""

from datetime import timedelta

from rotator.core.audit import AuditEvent
from rotator.core.history import rotations
from tests.core.situations import NOW


def event(seq: int, kind: str, operation: str, after_s: float = 0, **fields: str) -> AuditEvent:
    at = NOW + timedelta(seconds=after_s or seq)
    return AuditEvent(seq=seq, at=at, event=kind, credential="chat", fields={"operation": operation, **fields}, previous="", hash="")


def meant(seq: int, operation: str, rotation: str = "r1", **fields: str) -> AuditEvent:
    return event(seq, "intent", operation, 0, step="mint", reason="superseded", rotation=rotation, **fields)


def test_steps_of_one_rotation_are_one_and_the_newest_comes_first() -> None:
    events = [
        meant(1, "a"),
        event(2, "outcome", "a", result="done"),
        meant(3, "b", "r2"),
        meant(4, "c"),
        event(5, "outcome", "b", result="done"),
    ]
    first, second = rotations(events)
    assert (first.identity, [effect.intent.seq for effect in first.effects]) == ("r1", [1, 4])
    assert (second.identity, second.took) == ("r2", timedelta(seconds=2))


def test_one_whose_last_step_has_no_outcome_has_no_end() -> None:
    (one,) = rotations([meant(1, "a"), event(2, "outcome", "a", result="done"), meant(3, "b")])
    assert (one.ended, one.took) == (None, None)


def test_a_fault_is_counted_and_reasons_are_told_once() -> None:
    events = [meant(1, "a"), event(2, "outcome", "a", result="denied", fault="no"), meant(3, "b"), event(4, "outcome", "b", result="done")]
    (one,) = rotations(events)
    assert (one.failed, one.reasons) == (1, ("superseded",))


def test_a_step_of_no_rotation_stands_by_itself_and_an_outcome_without_an_intent_is_not_told() -> None:
    events = [event(1, "outcome", "before", result="done"), meant(2, "a", ""), meant(3, "b", "")]
    assert [one.identity for one in rotations(events)] == ["#3", "#2"]


def test_a_clock_that_was_set_back_makes_no_length() -> None:
    (one,) = rotations([event(1, "intent", "a", 50, step="mint", rotation="r"), event(2, "outcome", "a", 10, result="done")])
    assert one.took is None
