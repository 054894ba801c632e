"""Which events are news, and what of the news goes out: grouped, bounded, and never the same one over and over."""

from datetime import timedelta
from typing import Any

import pytest

from rotator.core.notice import AGAIN_AFTER, LINES_MAX, Digest, Notice, Topic, notice_of
from tests.core.situations import HOUR, NOW, SECOND

WAIT = {"credential": "chat", "decision": "wait", "because": "it waits", "tell": True}


@pytest.mark.parametrize(
    ("event", "fields", "topic"),
    [
        ("alert", {"verdict": "compromised", "incident": "inc-1", "credential": "chat", "source": "github"}, Topic.INCIDENT_OPENED),
        ("alert", {"verdict": "suspected", "incident": "inc-1", "credential": "chat"}, Topic.INCIDENT_OPENED),
        ("alert", {"verdict": "held", "incident": "inc-1", "credential": "chat"}, Topic.APPROVAL_NEEDED),
        ("alert", {"verdict": "not_ours"}, None),
        ("alert", {"verdict": "suspected", "credential": "chat"}, None),
        ("incident", {"state": "revoked", "incident": "inc-1", "credential": "chat"}, Topic.REVOKED),
        ("incident", {"state": "dead", "incident": "inc-1", "credential": "chat"}, Topic.PROVEN_DEAD),
        ("incident", {"state": "open", "incident": "inc-1", "credential": "chat"}, None),
        ("second_writer", {"credential": "chat", "because": "another rotator?", "version": "v2"}, Topic.SECOND_WRITER),
        ("alert_not_closed", {"credential": "chat", "source": "github", "at": "o/r#1", "because": "403"}, Topic.ALERT_NOT_CLOSED),
        ("decided", {**WAIT, "phase": "overlap"}, Topic.DEPENDENT_LAGGING),
        ("decided", {**WAIT, "phase": "draining"}, Topic.DEPENDENT_LAGGING),
        ("decided", {**WAIT, "phase": "foreign"}, Topic.ROTATION_FAILED),
        ("decided", {**WAIT, "phase": "wave"}, None),
        ("decided", {**WAIT, "phase": "foreign", "tell": False}, None),
        ("decided", {**WAIT, "phase": "foreign", "decision": "quiet"}, None),
        ("run_failed", {"credential": "chat", "error": "LedgerFault"}, Topic.ROTATION_FAILED),
        ("wave_stopped", {"because": "3 of 10 failed"}, Topic.WAVE_STOPPED),
        ("window_missed", {"credential": "chat"}, Topic.OVERDUE),
        ("overdue", {"credential": "chat"}, Topic.OVERDUE),
        ("done", {"credential": "chat", "step": "mint"}, None),
    ],
)
def test_what_is_news_and_what_is_not(event: str, fields: dict[str, Any], topic: Topic | None) -> None:
    notice = notice_of(event, fields)
    assert (notice.topic if notice else None) is topic


def test_a_decision_that_is_needed_says_what_to_type() -> None:
    notice = notice_of("alert", {"verdict": "held", "incident": "inc-7", "credential": "chat", "because": "the cap"})
    assert notice is not None
    assert "rotator incidents approve|dismiss inc-7" in notice.text


def news(about: str, topic: Topic = Topic.ROTATION_FAILED) -> Notice:
    return Notice(topic=topic, about=about, text=f"{about}: it failed")


def test_many_of_one_topic_are_one_message() -> None:
    digest = Digest()
    for number in range(100):
        digest.add(news(f"c{number}"), NOW)
    (message,) = digest.due(NOW)
    assert message.title == "rotator: A rotation cannot go on (100)"
    assert message.body.splitlines()[-1] == f"… and {100 - LINES_MAX} more"
    assert digest.due(NOW) == []


def test_the_same_news_is_not_told_again_for_a_while() -> None:
    digest = Digest()
    assert digest.add(news("chat"), NOW)
    digest.due(NOW)
    assert not digest.add(news("chat"), NOW + AGAIN_AFTER - SECOND)
    assert digest.add(news("chat"), NOW + AGAIN_AFTER)
    assert digest.add(news("other"), NOW)


def test_an_hour_has_room_for_so_many_messages_and_the_rest_waits() -> None:
    digest = Digest(per_hour=2)
    for topic in (Topic.OVERDUE, Topic.REVOKED, Topic.APPROVAL_NEEDED):
        digest.add(news("chat", topic), NOW)
    first = [message.topic for message in digest.due(NOW)]
    assert len(first) == 2
    assert first[0] is Topic.APPROVAL_NEEDED, "what is urgent goes first"
    assert digest.due(NOW + timedelta(minutes=59)) == []
    assert len(digest.due(NOW + HOUR)) == 1


def test_a_topic_that_nobody_wants_is_not_told() -> None:
    digest = Digest(topics=frozenset({Topic.REVOKED}))
    assert not digest.add(news("chat"), NOW)
    assert digest.add(news("chat", Topic.REVOKED), NOW)
