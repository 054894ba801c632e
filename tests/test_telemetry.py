"""The last net: no key, token or sealed value leaves in a line of the log; what only looks like one, and is an id, survives."""

import base64
import json
import logging
import secrets
import string
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.sealed import Sealed
from rotator.telemetry import MARK, logged, scrub, scrubber, start_logging

BASE62 = string.ascii_letters + string.digits


def base62(length: int) -> str:
    return "".join(secrets.choice(BASE62) for _ in range(length))


def legacy_key() -> str:
    return secrets.token_hex(16)


def current_key(kind: str = "B") -> str:
    """84 characters, as Azure makes them since 2024; made here at run time."""
    return base62(52) + "JQQ" + "J99" + "CC" + base62(12) + "AAA" + kind + "AC" + "OG" + base62(4)


def token() -> str:
    return ".".join(secrets.token_urlsafe(24) for _ in range(3))


KEYS = {"legacy": legacy_key, "current": current_key}


@pytest.fixture(params=list(KEYS))
def key(request: pytest.FixtureRequest) -> str:
    return KEYS[request.param]()


Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def start_log(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], Lines]]:
    """Start the log as the program does; what comes back gives what was written, a dictionary a line."""
    root, azure = logging.getLogger(), logging.getLogger("azure")
    handlers, levels = list(root.handlers), (root.level, azure.level)

    def lines() -> list[dict[str, Any]]:
        written = capsys.readouterr()
        assert written.out == "", "the log never touches standard output"
        return [json.loads(line) for line in written.err.splitlines()]

    def start(level: str) -> Lines:
        start_logging(level)
        return lines

    yield start
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    azure.setLevel(levels[1])


# --- shapes ----------------------------------------------------------------------------------------------------------------

AROUND = [
    "%s",
    "key=%s",
    '{"key1":"%s"}',
    "Ocp-Apim-Subscription-Key: %s\r\n",
    "(%s)",
    "https://x/?k=%s&y=1",
    "\t%s\n",
    "é%s€",
    "Key%%3D %s.",
]


@pytest.mark.parametrize("around", AROUND)
def test_both_shapes_of_a_key_are_taken_out_of_any_text(key: str, around: str) -> None:
    text = scrub(around % key)
    assert key not in text
    assert MARK in text
    assert text == around.replace("%s", MARK).replace("%%", "%")


def test_every_kind_of_service_is_known_by_its_shape() -> None:
    for kind in BASE62[:52]:
        assert scrub(current_key(kind)) == MARK


def test_several_keys_in_one_line_are_all_taken_out() -> None:
    first, second = legacy_key(), current_key()
    assert scrub(f"{first},{second};{first}") == f"{MARK},{MARK};{MARK}"


def test_bearer_tokens_are_taken_out_and_the_word_stays() -> None:
    secret = token()
    for text in (f"Authorization: Bearer {secret}", f"authorization: bearer  {secret}", f"BEARER {secret}=="):
        found = scrub(text)
        assert secret not in found
        assert MARK in found
    assert scrub(f"Authorization: Bearer {secret}") == f"Authorization: Bearer {MARK}"


def test_what_is_no_key_is_left_alone() -> None:
    for text in (
        "",
        "published chat-prod",
        "bearer of bad news",
        "0123456789abcdef",
        legacy_key()[:-1],
        legacy_key() + "0",
        legacy_key().upper() if not legacy_key().isdigit() else "X",
        secrets.token_hex(32),
        "550e8400-e29b-41d4-a716-446655440000",
        f"/subscriptions/{'-'.join(['0' * 8, '0' * 4])}/resourceGroups/rg",
        Sealed("x").fingerprint,
    ):
        assert scrub(text) == text


def test_a_sealed_value_of_any_shape_is_taken_out_while_it_lives() -> None:
    value = "pass " + base62(5)
    assert scrub(f"<{value}>") == f"<{value}>"
    sealed = Sealed(value)
    assert scrub(f"<{value}>") == f"<{MARK}>"
    assert scrub(f"<{value}>", identifier=True) == f"<{MARK}>"
    assert sealed.fingerprint


def test_a_sealed_text_with_a_key_inside_is_taken_out_whole() -> None:
    document = Sealed(json.dumps({"key": legacy_key(), "endpoint": "https://chat.example"}))
    assert scrub(f"value {document.reveal()}") == f"value {MARK}"


@given(st.text(max_size=200))
def test_any_text_is_scrubbed_without_harm_and_once_is_enough(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)


# --- structures ------------------------------------------------------------------------------------------------------------


def carried(value: Any, **more: Any) -> str:
    return json.dumps(scrubber(None, "info", {"event": "x", "carried": value, **more}), default=str)


def test_a_key_is_taken_out_however_deep_it_stands(key: str) -> None:
    for value in (
        key,
        [key],
        (key, [key]),
        {"a": {"b": [{"c": key}]}},
        {key: "as a name"},
        {"set": {key}, "frozen": frozenset({key})},
        ValueError(f"bad key {key}"),
        {"error": KeyError(key)},
        key.encode(),
        bytearray(key.encode()),
        type("Odd", (), {"__repr__": lambda self, text=key: f"Odd({text})"})(),
    ):
        assert key not in carried(value)


def test_a_sealed_value_shows_as_its_fingerprint_however_deep_it_stands() -> None:
    sealed = Sealed("never " + base62(6))
    text = carried({"a": [sealed, {"b": (sealed, sealed.reveal())}], sealed.reveal(): 1})
    assert sealed.reveal() not in text
    assert sealed.fingerprint in text


def test_plain_values_keep_their_types() -> None:
    plain = {"number": 7, "share": 0.5, "yes": True, "none": None, "list": [1, False]}
    assert scrubber(None, "info", {"event": "x", **plain}) == {"event": "x", **plain}


@pytest.mark.parametrize(
    "name", ["version", "operation", "request_id", "incident", "fingerprint", "new_fingerprint", "hash", "previous", "head"]
)
def test_identifiers_survive_though_they_look_like_keys(name: str) -> None:
    identity = legacy_key()
    assert scrubber(None, "info", {name: identity}) == {name: identity}
    assert scrubber(None, "info", {"detail": {name: [identity]}}) == {"detail": {name: [identity]}}
    assert scrubber(None, "info", {"other": identity}) == {"other": MARK}


def test_no_field_is_a_hiding_place_for_a_key_that_we_know() -> None:
    sealed, current = Sealed(legacy_key()), current_key()
    assert scrubber(None, "info", {"version": sealed.reveal(), "operation": current}) == {"version": MARK, "operation": MARK}


# --- the log ---------------------------------------------------------------------------------------------------------------


def test_an_event_is_one_line_of_json_with_a_name_a_level_and_a_time(start_log: Callable[[str], Lines]) -> None:
    log = start_log("debug")
    logged("step", credential="chat", step="mint", note="two\nlines", number=7)
    (line,) = log()
    assert {name: line[name] for name in ("event", "level", "credential", "step", "note", "number")} == {
        "event": "step",
        "level": "info",
        "credential": "chat",
        "step": "mint",
        "note": "two\nlines",
        "number": 7,
    }
    assert line["timestamp"].endswith("Z")


def test_every_event_is_a_line_of_its_own(start_log: Callable[[str], Lines]) -> None:
    log = start_log("debug")
    for number in range(5):
        logged("step", number=number)
    assert [line["number"] for line in log()] == [0, 1, 2, 3, 4]


def test_a_key_in_an_event_never_reaches_the_log(start_log: Callable[[str], Lines], key: str) -> None:
    log = start_log("debug")
    logged(f"odd event {key}", because=f"the key {key} is bad", detail={"keys": [key]})
    (line,) = log()
    assert key not in json.dumps(line)
    assert line["because"] == f"the key {MARK} is bad"


def test_the_text_of_an_exception_goes_through_the_net(start_log: Callable[[str], Lines], key: str) -> None:
    log = start_log("debug")
    try:
        raise RuntimeError(f"listKeys said {key}") from ValueError(f"Bearer {key}")
    except RuntimeError:
        structlog.get_logger().exception("failed", credential="chat")
    (line,) = log()
    assert key not in json.dumps(line)
    assert "RuntimeError" in line["exception"]
    assert MARK in line["exception"]


def test_what_the_standard_library_logs_goes_through_the_same_net(start_log: Callable[[str], Lines], key: str) -> None:
    log = start_log("debug")
    logger = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
    logger.setLevel(logging.DEBUG)
    try:
        logger.warning("Response headers: %r", {"Ocp-Apim-Subscription-Key": key})
        logger.error("body %s", json.dumps({"key1": key, "authorization": f"Bearer {token()}"}))
        logger.debug("body %s", key)
    finally:
        logger.setLevel(logging.NOTSET)
    lines = log()
    assert len(lines) >= 2
    assert all(key not in json.dumps(line) for line in lines)
    assert {line["level"] for line in lines} >= {"warning", "error"}


def test_an_exception_in_the_standard_librarys_log_goes_through_the_net_too(start_log: Callable[[str], Lines], key: str) -> None:
    log = start_log("debug")
    try:
        raise OSError(f"cannot send {key}")
    except OSError:
        logging.getLogger("aiohttp.client").exception("request failed")
    (line,) = log()
    assert key not in json.dumps(line)
    assert "OSError" in line["exception"]


def test_the_sdks_are_not_heard_below_a_warning(start_log: Callable[[str], Lines]) -> None:
    log = start_log("debug")
    logging.getLogger("azure.identity").info("token acquired")
    logging.getLogger("azure.core").debug("headers")
    assert log() == []


def test_a_level_holds_for_events_of_ours(start_log: Callable[[str], Lines]) -> None:
    log = start_log("warning")
    logged("step", credential="chat")
    structlog.get_logger().warning("slow", credential="chat")
    assert [line["event"] for line in log()] == ["slow"]


def test_an_unknown_level_is_a_mistake_that_is_not_swallowed() -> None:
    with pytest.raises(KeyError):
        start_logging("loud")


def test_a_fresh_process_logs_to_standard_error_alone_with_azure_at_debug() -> None:
    """The loggers of the SDKs turned up by somebody's environment: a fake key of each shape, said by them, comes out as a mark."""
    program = textwrap.dedent(
        """
        import logging, secrets
        from rotator.telemetry import logged, start_logging
        key = secrets.token_hex(16)
        start_logging("debug")
        for name in ("azure", "azure.core.pipeline", "msal", "urllib3", "aiohttp"):
            logging.getLogger(name).setLevel(logging.DEBUG)
            logging.getLogger(name).error("it said %s", key)
        logged("said", text=key)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.stdout == ""
    assert [line["event"] for line in lines[:-1]] == [f"it said {MARK}"] * 5
    assert lines[-1]["text"] == MARK


@pytest.mark.parametrize(
    "outer", [lambda raw: base64.b64encode(raw).decode(), lambda raw: base64.urlsafe_b64encode(raw).decode(), bytes.hex]
)
def test_a_key_that_is_written_otherwise_is_scrubbed_too(key: str, outer: Callable[[bytes], str]) -> None:
    """Whoever quotes a Kubernetes Secret quotes base64."""
    written = outer(f"KEY={key}".encode())
    for identifier in (False, True):
        said = scrub(f"the body said {written} and so on", identifier=identifier)
        assert said == f"the body said {MARK} and so on"
