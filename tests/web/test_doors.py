"""Every door, over real HTTP: who is let in, who is not, and what a stranger can do with all formats and no secret."""

import asyncio
import base64
import dataclasses
import gzip
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from rotator.sandbox import azure_alerts
from rotator.sandbox.senders import Posting
from rotator.web.app import BODY_BYTES_MAX, CONNECTIONS_MAX
from tests.alerts.conftest import DOORS, current_key
from tests.alerts.postings import GOOD
from tests.web.conftest import Open
from tests.web.street import Street

SECRETS = {
    "github": "x-hub-signature-256",
    "github-partner": "github-public-key-signature",
    "gitguardian": "gitguardian-signature",
    "vault-radar": "x-hcp-radar-signature",
    "event-grid": "x-rotator-secret",
    "azure-monitor": "x-rotator-secret",
    "defender": "x-rotator-secret",
    "signed": "webhook-signature",
}
"""The header by which each shows who it is."""


def without(posting: Posting, header: str) -> Posting:
    return dataclasses.replace(posting, headers={name: value for name, value in posting.headers.items() if name.lower() != header})


def one_of(street: Street, door: str) -> Posting:
    return next(posting for name in GOOD if (posting := GOOD[name](street.azure)).door == door)


async def test_a_good_alert_of_every_kind_is_taken_and_its_replay_is_known(doors: Street) -> None:
    for name, make in GOOD.items():
        posting, before = make(doors.azure), len(doors.reports())
        status, answer = await doors.post(posting)
        if "handshake" in name:
            assert (status, answer) == (200, {"validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"})
            continue
        assert status == 202, (name, answer)
        stored = len(doors.reports())
        assert stored > before, name
        again, told = await doors.post(posting)
        assert again == 202, name
        assert posting.door == "github-partner" or told == {"taken": 0, "seen_before": True}, name
        assert len(doors.reports()) == stored, name
    doors.assert_no_key_anywhere()


async def test_a_stranger_with_every_format_and_no_secret_achieves_nothing(doors: Street) -> None:
    for door in DOORS:
        posting, header = one_of(doors, door), SECRETS[door]
        forged = [
            without(posting, header),
            posting.with_headers(**{header: "sha256=" + "0" * 64}),
            posting.with_headers(**{header: base64.b64encode(b"0" * 64).decode()}),
            dataclasses.replace(posting, body=posting.body + b" ") if "rotator-secret" not in header else without(posting, header),
        ]
        for one in forged:
            status, answer = await doors.post(one)
            assert (status, set(answer)) == (401, {"error"}), (door, answer)
    assert doors.rows("SELECT * FROM deliveries") == doors.reports() == doors.rows("SELECT * FROM work WHERE priority > 0") == []
    assert len(doors.told("alert_refused")) == len(DOORS), "and the log is not his to fill"


async def test_what_is_taken_and_ignored_says_why_to_its_sender_and_to_us(doors: Street) -> None:
    for _ in range(3):
        typo = {"type": "key.leakd", "data": {"key": current_key()}}
        status, answer = await doors.post(doors.senders.signed_raw(typo))
        assert (status, answer) == (202, {"taken": 0, "seen_before": False, "ignored": ["a type other than key.leaked"]})
    (told,) = doors.told("alert_ignored", source="signed")
    assert (told["because"], told["times"]) == ("a type other than key.leaked", 1)
    status, answer = await doors.post(doors.senders.signed_raw([typo]))
    assert (status, answer) == (400, {"error": "the body is JSON and no object"})
    doors.assert_no_key_anywhere()


async def test_a_sender_whose_clock_is_wrong_is_told_so(doors: Street) -> None:
    body: dict[str, Any] = {"type": "key.leaked", "data": {"key": current_key()}}
    for make in (doors.senders.signed_raw, doors.senders.gitguardian_raw):
        for off_s in (-400, 400):
            status, answer = await doors.post(make(body, str(int(time.time()) + off_s)))
            assert status == 401
            assert "from our clock" in answer["error"]


async def test_what_is_no_alert_is_refused_and_has_no_effect(doors: Street) -> None:
    for door in DOORS:
        for body in (b"", b"{", b"[[", b"\xff\xfe", b"7"):
            status, _ = await doors.post(_signed(doors, door, body))
            assert status in (202, 400), (door, body)
    assert doors.reports() == []


def _signed(street: Street, door: str, body: bytes) -> Posting:
    """`body` as that sender would sign it."""
    senders = street.senders
    if door == "github":
        return senders.github_raw("secret_scanning_alert", body)
    if door == "github-partner":
        return senders.github_partner([{"token": "", "type": "x", "url": "", "source": ""}])
    raw = f"{door.replace('-', '_')}{'_raw' if door in ('gitguardian', 'vault-radar', 'signed') else ''}"
    posting: Posting = getattr(senders, raw)(body)
    return posting


async def test_an_unknown_event_and_an_unknown_action_are_taken_and_nothing_comes_of_them(doors: Street) -> None:
    senders = doors.senders
    unknown = [
        senders.github_raw("ping", {"zen": "x"}),
        senders.github_raw("star", {"action": "created"}),
        senders.github(doors.azure.leak_on_github("a/b", current_key()), action="assigned"),
        senders.gitguardian(doors.azure.leak_to_gitguardian(current_key()), action="incident_note_created"),
        senders.signed({"key": current_key()}, kind="key.praised"),
        senders.event_grid([{"id": "1", "eventType": "Contoso.Order", "topic": "t", "data": {}}]),
    ]
    for posting in unknown:
        assert (await doors.post(posting))[0] == 202
    assert doors.reports() == []


async def test_other_paths_and_methods_are_refused(doors: Street) -> None:
    for method, path, status in (
        ("POST", "/alerts/nobody", 404),
        ("GET", "/alerts/github", 405),
        ("PUT", "/alerts/github", 405),
        ("GET", "/", 404),
        ("OPTIONS", "/alerts/github", 405),
    ):
        async with doors.session.request(method, f"{doors.base}{path}", data=b"x") as answer:
            assert answer.status == status, (method, path)
            assert set(await answer.json()) == {"error"}


async def test_a_connection_outlives_its_answer_for_who_was_let_in_alone(doors: Street) -> None:
    good, door = one_of(doors, "github"), f"{doors.base}/alerts/github"
    forged = {**good.headers, "X-Hub-Signature-256": "sha256=" + "0" * 64}
    for method, url, headers in (
        ("POST", door, {}),
        ("POST", door, forged),
        ("GET", door, {}),
        ("OPTIONS", f"{doors.base}/alerts/event-grid", {"WebHook-Request-Origin": "eventgrid.azure.net"}),
        ("POST", f"{doors.base}/alerts/nobody", dict(good.headers)),
        ("GET", f"{doors.base}/orders/ord-0123456789abcdef", {}),
        ("GET", f"{doors.base}/healthz", {}),
        ("GET", f"{doors.base}/nowhere", {}),
        ("POST", door, {**good.headers, "Expect": "wonders"}),
    ):
        async with doors.session.request(method, url, data=good.body if method == "POST" else None, headers=headers) as answer:
            assert answer.headers.get("Connection") == "close", (method, url, answer.status)
    async with doors.session.post(door, data=good.body, headers=dict(good.headers)) as answer:
        assert (answer.status, answer.headers.get("Connection")) == (202, None)


async def test_event_grid_asks_by_options_whether_we_want_its_cloud_events(doors: Street) -> None:
    place = f"{doors.base}/alerts/event-grid"
    async with doors.session.options(place, headers={"WebHook-Request-Origin": "eventgrid.azure.net"}) as answer:
        assert answer.status == 200
        assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
        assert "POST" in answer.headers["Allow"]
    for origin in ("eventgrid.azure.net.evil.example", "", "*"):
        async with doors.session.options(place, headers={"WebHook-Request-Origin": origin}) as answer:
            assert answer.status == 403


async def test_a_handshake_needs_the_secret_too(doors: Street) -> None:
    posting = doors.senders.event_grid([azure_alerts.validation_event("a-code", doors.house.world.clock.now())])
    assert (await doors.post(without(posting, "x-rotator-secret")))[0] == 401


# --- what is too much -------------------------------------------------------------------------------------------------------


async def test_a_body_that_is_too_large_is_refused_while_it_is_read(doors: Street) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * BODY_BYTES_MAX:
            yield b"x" * 65536
            sent += 65536

    try:
        async with doors.session.post(f"{doors.base}/alerts/github", data=endless()) as answer:
            assert answer.status == 413
    except aiohttp.ClientConnectionError:
        pass  # the answer may be lost to a sender that goes on sending
    assert sent < 32 * BODY_BYTES_MAX
    assert doors.reports() == []


async def test_what_is_packed_is_not_unpacked(doors: Street) -> None:
    bomb = gzip.compress(b"0" * (200 << 20))
    posting = dataclasses.replace(doors.senders.github_raw("ping", b"{}"), body=bomb)
    status, _ = await doors.post(posting, Content_Encoding="gzip")
    assert status == 401
    signed = doors.senders.github_raw("secret_scanning_alert", bomb)
    assert (await doors.post(signed, Content_Encoding="gzip"))[0] == 400


async def test_one_loud_sender_is_slowed_at_its_own_door_and_starves_no_other(open_street: Open, sqlite: str) -> None:
    async with open_street(sqlite, living=False, limits={"alerts_per_minute": 30}) as street:
        loud = [await street.post(street.senders.signed({"key": current_key()})) for _ in range(6)]
        assert [status for status, _ in loud].count(202) == 3
        assert {status for status, _ in loud} == {202, 429}
        for _ in range(20):
            assert (await street.post(street.senders.github_raw("ping", b"{}"), X_Hub_Signature_256="sha256=00"))[0] == 401
        assert (await street.post(GOOD["github"](street.azure)))[0] == 202, "a stranger's tries count against nobody"


async def test_connections_that_say_nothing_give_way_to_those_that_do(doors: Street) -> None:
    """More of them than there are places, half of them in the middle of a request that drips."""
    idle = [await asyncio.open_connection("127.0.0.1", doors.port) for _ in range(CONNECTIONS_MAX + 50)]
    for _, writer in idle[::2]:
        writer.write(b"POST /alerts/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    try:
        assert (await doors.post(GOOD["github"](doors.azure)))[0] == 202
        gone = await asyncio.wait_for(idle[0][0].read(), 5)
        assert gone == b""
    finally:
        for _, writer in idle:
            writer.close()


async def test_a_body_that_breaks_off_troubles_nobody(doors: Street) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", doors.port)
    writer.write(b"POST /alerts/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.close()
    assert (await doors.post(GOOD["github"](doors.azure)))[0] == 202
    assert doors.told("request_failed") == []
