"""What an answer over plain HTTPS becomes, and how long a limit is waited for."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from rotator.core.faults import Ambiguous, Conflict, Denied, Fault, Missing, Rejected, Throttled, Transient
from rotator.dependents.https import Reply, Request, mapping, pause, refused

LOOK = Request(what="look at it", url="https://x", headers={}, needs="Secrets: write")
WRITE = Request(what="write of it", url="https://x", method="PUT", headers={}, needs="Secrets: write", mutates=True)


def reply(status: int, content: object = None, **headers: str) -> Reply:
    return Reply(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, content=content)


@pytest.mark.parametrize(
    ("answer", "reading", "writing"),
    [
        (reply(203), Denied, Denied),
        (reply(302), Denied, Denied),
        (reply(400), Rejected, Rejected),
        (reply(401), Denied, Denied),
        (reply(403), Denied, Denied),
        (reply(403, X_RateLimit_Remaining="0", X_RateLimit_Reset="1"), Throttled, Throttled),
        (reply(403, Retry_After="60"), Throttled, Throttled),
        (reply(404), Missing, Missing),
        (reply(408), Transient, Ambiguous),
        (reply(409), Conflict, Conflict),
        (reply(412), Conflict, Conflict),
        (reply(422), Rejected, Rejected),
        (reply(429), Throttled, Throttled),
        (reply(502), Transient, Ambiguous),
    ],
)
def test_what_an_answer_becomes(answer: Reply, reading: type[Fault], writing: type[Fault]) -> None:
    assert type(refused(LOOK, answer)) is reading
    assert type(refused(WRITE, answer)) is writing


def test_a_refused_right_is_named_and_a_refused_token_too() -> None:
    assert refused(LOOK, reply(403)).remedy == "grant Secrets: write"
    assert "Secrets: write" in refused(LOOK, reply(401)).remedy


@pytest.mark.parametrize("content", [None, [], "text", 7])
def test_an_answer_of_another_form_settles_nothing(content: object) -> None:
    with pytest.raises(Transient):
        mapping(LOOK, reply(200, content))
    with pytest.raises(Ambiguous):
        mapping(WRITE, reply(200, content))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "999999"}, 3600),
        ({"Retry-After": "-1"}, 5),
        ({"Retry-After": "²"}, 5),
        ({}, 5),
        ({"X-RateLimit-Reset": "1"}, 0),
        ({"X-RateLimit-Reset": "9" * 30}, 5),
    ],
)
def test_a_limit_is_waited_for_within_bounds(headers: dict[str, str], seconds: int) -> None:
    assert pause(headers) == timedelta(seconds=seconds)


def test_a_reset_is_a_time() -> None:
    left = pause({"X-RateLimit-Reset": str(int(time.time()) + 600)})
    assert timedelta(seconds=590) < left <= timedelta(seconds=600)
