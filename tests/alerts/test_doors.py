"""Who gets in: every sender with its secret, nobody without it; and what the vectors of the senders' documents say."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from rotator.alerts import Ignored, Malformed, Post, Refused
from rotator.alerts.authentic import SharedSecret, moment
from rotator.alerts.delivery import post_of
from rotator.alerts.gate import Expected, Gate
from rotator.alerts.gitguardian import GitGuardian
from rotator.alerts.github import GitHub
from rotator.alerts.signed import Signed
from rotator.alerts.table import alerting
from rotator.core.faults import Rejected
from rotator.sandbox import Sandbox
from rotator.settings import Settings
from tests.alerts.conftest import DOORS, Street, legacy_key, post, resolver, settings_for, silent
from tests.alerts.postings import GOOD

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENT_AT = 1614265330


def secret(value: str) -> SharedSecret:
    return SharedSecret(value, "a test")


def plain_post(body: bytes, headers: Mapping[str, str], at: datetime = NOW) -> Post:
    return post_of(headers.items(), body, at)


# --- the vectors ------------------------------------------------------------------------------------------------------------


async def test_githubs_own_vector() -> None:
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    door = GitHub(secret("It's a Secret to Everybody"))
    await door.verify(plain_post(b"Hello, World!", {"X-Hub-Signature-256": f"sha256={digest}"}))
    for wrong in (digest, f"sha1={digest}", f"sha256={digest[:-1]}8", f"sha256={digest.upper()}", "sha256=", f"sha256={digest}, sha256=x"):
        with pytest.raises(Refused):
            await door.verify(plain_post(b"Hello, World!", {"X-Hub-Signature-256": wrong}))
    with pytest.raises(Refused):
        await door.verify(plain_post(b"Hello, World!\n", {"X-Hub-Signature-256": f"sha256={digest}"}))


async def test_the_vector_of_standard_webhooks() -> None:
    door = Signed(secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": str(SENT_AT),
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body, at = b'{"test": 2432232314}', datetime.fromtimestamp(SENT_AT, UTC)
    await door.verify(plain_post(body, headers, at))
    await door.verify(plain_post(body, {**headers, "webhook-signature": f"v1a,x v1,bm9w {headers['webhook-signature']}"}, at))
    with pytest.raises(Malformed, match="no type"):
        door.parse(plain_post(body, headers, at))  # it is signed well, and says nothing
    for name, value in (
        ("webhook-id", "msg_other"),
        ("webhook-timestamp", str(SENT_AT + 1)),
        ("webhook-timestamp", f"{SENT_AT}.0"),
        ("webhook-timestamp", "soon"),
        ("webhook-signature", headers["webhook-signature"].removeprefix("v1,")),
        ("webhook-signature", ""),
        ("webhook-id", ""),
    ):
        with pytest.raises(Refused):
            await door.verify(plain_post(body, {**headers, name: value}, at))


@pytest.mark.parametrize("drift", [timedelta(minutes=5, seconds=1), timedelta(minutes=-5, seconds=-1), timedelta(days=400)])
async def test_a_replayed_post_of_a_sender_that_signs_its_time_is_refused(street: Street, drift: timedelta) -> None:
    for name in ("signed key", "gitguardian"):
        posting = GOOD[name](street.azure)
        with pytest.raises(Refused, match="from our clock"):
            await street.take(posting, at=datetime.now(UTC) + drift)


WRITTEN = [str(SENT_AT), f"{SENT_AT}.5", str(SENT_AT * 1000), "2021-02-25T15:02:10Z", "2021-02-25T15:02:10.1234567+00:00"]


@pytest.mark.parametrize("written", WRITTEN)
async def test_gitguardians_time_is_a_number_or_iso(written: str) -> None:
    token, body = "tok-" + legacy_key(), b'{"action":"incident_note_created"}'
    signature = hmac.new((written + token).encode(), body, hashlib.sha256).hexdigest()
    headers = {"timestamp": written, "gitguardian-signature": f"sha256={signature}"}
    door = GitGuardian(secret(token))
    at = datetime.fromtimestamp(SENT_AT, UTC)
    await door.verify(plain_post(body, headers, at))
    for spoilt in ({**headers, "timestamp": str(SENT_AT + 1)}, {**headers, "timestamp": ""}, {"timestamp": written}):
        with pytest.raises(Refused):
            await door.verify(plain_post(body, spoilt, at))


def test_a_time_that_is_none_is_no_time() -> None:
    odds: list[object] = ["", "never", "nan", "inf", "9" * 40, "1e400", None, True, [], "2021-13-01", "0x10"]
    assert [odd for odd in odds if moment(odd) is not None] == []


# --- with the secret, and without ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
async def test_every_sender_gets_in_with_its_secret(street: Street, name: str) -> None:
    delivery = await street.take(GOOD[name](street.azure))
    assert delivery.records
    assert not any(isinstance(record, Ignored) for record in delivery.records)
    assert len(delivery.body_sha256) == 64


@pytest.mark.parametrize("name", GOOD)
async def test_a_stranger_with_the_format_and_another_secret_achieves_nothing(street: Street, tmp_path: Path, name: str) -> None:
    other = silent(tmp_path / "other", seed=6)
    with pytest.raises(Refused):
        await street.take(GOOD[name](other))


@pytest.mark.parametrize("name", GOOD)
async def test_a_spoilt_body_or_a_missing_header_is_refused(street: Street, name: str) -> None:
    good = GOOD[name](street.azure)
    proof = [header for header in good.headers if any(word in header.lower() for word in ("signature", "secret", "authorization"))]
    for header in proof:
        bare = {each: value for each, value in good.headers.items() if each != header}
        for headers in (bare, {**bare, header: ""}, {**bare, header: good.headers[header][:-1]}, {**bare, header: "\udcff"}):
            with pytest.raises(Refused):
                await street.doors.senders[good.door].verify(post_of(headers.items(), good.body, datetime.now(UTC)))
    if good.door not in ("event-grid", "azure-monitor", "defender"):
        with pytest.raises(Refused):
            await street.doors.senders[good.door].verify(post_of(good.headers.items(), good.body + b" ", datetime.now(UTC)))


async def test_a_header_that_is_given_twice_spoils_itself(street: Street) -> None:
    good = GOOD["github"](street.azure)
    twice = [*good.headers.items(), ("x-hub-signature-256", good.headers["X-Hub-Signature-256"])]
    with pytest.raises(Refused):
        await street.doors.senders["github"].verify(post_of(twice, good.body, datetime.now(UTC)))


async def test_azures_secret_may_stand_in_the_url(street: Street) -> None:
    good = GOOD["azure monitor common"](street.azure)
    bare = post_of(
        [("content-type", "application/json")], good.body, datetime.now(UTC), {"code": street.azure.webhook_secret("azure-monitor")}
    )
    await street.doors.senders["azure-monitor"].verify(bare)
    with pytest.raises(Refused):
        await street.doors.senders["azure-monitor"].verify(post_of([], good.body, datetime.now(UTC), {"code": "wrong"}))
    with pytest.raises(Refused):
        await street.doors.senders["azure-monitor"].verify(post_of([], good.body, datetime.now(UTC), {"code": ""}))


async def test_one_senders_secret_does_not_open_anothers_door(street: Street) -> None:
    posting = street.azure.senders.suspicion("/subscriptions/s/x")
    with pytest.raises(Refused):
        await street.doors.senders["event-grid"].verify(post(posting))


# --- closed at the start ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_secret_stops_the_program(azure: Sandbox, session: aiohttp.ClientSession, empty: str) -> None:
    for door in (name for name in DOORS if name != "github-partner"):
        settings = Settings.model_validate({"alerts": {door: {"secret": "env:EMPTY"}}})
        with pytest.raises(Rejected, match="is empty"):
            alerting(settings.alerts, lambda _: empty, session, authority=azure.authority)


@pytest.mark.parametrize("odd", ["whsec_", "whsec_!!!", "whsec_" + "é"])
def test_a_signing_secret_that_is_not_base64_stops_the_program(odd: str) -> None:
    with pytest.raises(Rejected, match="base64"):
        Signed(secret(odd))


def test_a_gate_without_a_lock_is_not_built() -> None:
    with pytest.raises(Rejected, match="neither"):
        Gate("event-grid")
    for tenant, audience, callers in (("", "a", {"c"}), ("t", "", {"c"}), ("t", "a", set[str]())):
        with pytest.raises(Rejected, match="without tenant"):
            Gate("x", secret=secret("s"), expected=Expected(tenant=tenant, audience=audience, callers=frozenset(callers)))


def test_only_the_doors_of_the_settings_stand_open(azure: Sandbox, session: aiohttp.ClientSession) -> None:
    assert set(alerting(settings_for(azure).alerts, resolver(azure), session, authority=azure.authority).senders) == set(DOORS)
    nobody = alerting(Settings().alerts, resolver(azure), session, authority=azure.authority)
    assert (dict(nobody.senders), nobody.github, nobody.gitguardian) == ({}, None, None)


def test_a_post_never_shows_its_body_or_headers(street: Street) -> None:
    shown = repr(post(GOOD["signed key"](street.azure)))
    assert "webhook" not in shown
    assert "key" not in shown


def test_headers_without_end_are_refused() -> None:
    with pytest.raises(Malformed):
        post_of([(f"x-{number}", "") for number in range(201)], b"", NOW)


def test_a_key_as_an_id_is_not_kept() -> None:
    door = GitHub(secret("s"))
    key = legacy_key()
    kept = door.parse(plain_post(b'{"zen": "x"}', {"X-GitHub-Event": "ping", "X-GitHub-Delivery": key})).delivery_id
    assert kept == "sha256:" + hashlib.sha256(key.encode()).hexdigest()
