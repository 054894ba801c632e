"""The page over both ledgers: who is let in, what is shown, that it is whole whatever somebody wrote into the ledger, and stays fast."""

import asyncio
import base64
import contextlib
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from rotator.alerts.authentic import SharedSecret
from rotator.core.credential import Credential, Slot
from rotator.core.incident import Incident, State
from rotator.core.policy import Mode
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption, Kept, KeyMemory
from rotator.core.wave import stop
from rotator.core.wave import written as wave_written
from rotator.engine.ports import Lease
from rotator.ledger.opening import open_ledger, open_onlooker
from rotator.ledger.soundness import Soundness
from rotator.ledger.store import Ledger
from rotator.web.app import listening, make_app
from rotator.web.orders import Doorkeeper
from rotator.web.page.rooms import Page
from rotator.web.page.style import HEADERS, STYLE
from rotator.web.page.visitor import Visitors
from rotator.web.tries import AT_ONCE, Tries
from tests.contract.ledgers import ask, case, claimed, mint
from tests.web.crowd import ACCOUNTS, fill, fleet_of
from tests.web.parsed import HTML, links, parsed, words

TOKEN = secrets.token_urlsafe(24)
BASIC = {"Authorization": "Basic " + base64.b64encode(f"me:{TOKEN}".encode()).decode()}
NAME = "chat-prod"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;<b>\u202eevil\u202c\x1b\n javascript:alert(1) " + "x" * 10_000

REPORT = """
    INSERT INTO reports (id, source, source_id, matter, reported_at, clues, verdict, incident, url)
    VALUES ('r', 'github', 'o/r', 'leak', 1, :clues, 'compromised', 'inc-1', :address)
"""


@dataclass(kw_only=True)
class Window:
    """A page that is served, the ledger behind it, and a browser before it."""

    ledger: Ledger
    session: aiohttp.ClientSession
    base: str
    said: list[tuple[str, dict[str, Any]]]

    async def get(self, path: str = "/", headers: Mapping[str, str] = BASIC) -> tuple[int, str, Mapping[str, str]]:
        async with self.session.get(self.base + path, headers=dict(headers), allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers

    async def shows(self, path: str = "/") -> str:
        status, text, _ = await self.get(path)
        assert status == 200, text
        return words(parsed(text))


@contextlib.asynccontextmanager
async def opened(url: str, fleet: Mapping[str, Credential], *, token: bool = True) -> AsyncIterator[Window]:
    said: list[tuple[str, dict[str, Any]]] = []
    keeper = Doorkeeper(SharedSecret(TOKEN, "a test") if token else None)
    async with open_ledger(url) as ledger, open_onlooker(url) as onlooker, aiohttp.ClientSession() as session:
        watch = lambda event, **fields: said.append((event, fields))  # noqa: E731
        sound = Soundness(ledger.database, ledger.lock, lambda: timedelta(minutes=3))
        page = Page(Visitors(keeper), onlooker, lambda: fleet, lambda: datetime.now(UTC), watch, Tries(), sound.trouble)
        async with listening(make_app(page.routes()), "127.0.0.1", 0) as port:
            yield Window(ledger=ledger, session=session, base=f"http://127.0.0.1:{port}", said=said)


@pytest_asyncio.fixture
async def window(url: str) -> AsyncIterator[Window]:
    async with opened(url, {"chat-00001": fleet_of(2)["chat-00001"], NAME: replace(fleet_of(2)["chat-00001"], name=NAME)}) as made:
        yield made


async def test_a_lock_that_is_lost_is_the_first_thing_that_the_page_says(window: Window) -> None:
    assert "cannot be written" not in await window.shows()
    window.ledger.lock.lost.set()
    shown = await window.shows()
    assert re.search(r"The lock of this worker in the ledger is lost since 2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d UTC", shown), shown
    assert "Nothing waits for you" not in shown
    assert "kills no leaked key" in shown


async def lived(window: Window, text: str = "as it is", **changes: Any) -> tuple[Lease, Incident]:
    """A credential with a past: `text` stands wherever somebody else's words may stand."""
    ledger, now = window.ledger, window.ledger.database.now()
    lease = await claimed(ledger)
    values = [Sealed(f"value {number}").fingerprint for number in range(3)]
    for number, (outcome, fault) in enumerate((("denied", text), ("published", ""))):
        await ledger.journal.intend(lease, f"op-{number}", replace(mint(Sealed("value 0")), because=text))
        await ledger.journal.outcome(lease, f"op-{number}", outcome, detail={"fault": fault} if fault else {"seen": text})
    known = [
        KeyMemory(fingerprint=values[0], slot=Slot.KEY1, published_at=now - timedelta(days=40), replaced_at=now, dead_at=now, proof=text),
        KeyMemory(fingerprint=values[1], slot=Slot.KEY2, published_at=now - timedelta(days=33), version="2"),
        KeyMemory(fingerprint=values[2], slot=Slot.KEY1, replaced_at=now, seen=text),
    ]
    await ledger.journal.remember(lease, known)
    kept = Kept(
        dependent=text[:150],
        kind=text[:90],
        adoption=Adoption.STALE,
        version="2",
        fingerprint=values[1],
        since=now,
        seen=text,
        because=text,
    )
    others = [replace(kept, dependent=how.value, adoption=how) for how in Adoption]
    await ledger.journal.adopted(lease, [kept, *others])
    filed = replace(case("inc-1", Mode.DRAIN), fingerprint=values[1], note=text, source=text[:100], reported_at=now, **changes)
    return lease, await ledger.cases.file(filed)


async def test_a_stranger_is_asked_who_looks_and_learns_nothing(window: Window) -> None:
    await lived(window)
    for path in ("/", f"/credentials/{NAME}", "/credentials/none", "/incidents/inc-1"):
        status, text, headers = await window.get(path, {})
        assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="rotator", charset="UTF-8"')
        assert NAME not in words(parsed(text))
        assert headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert window.said == [], "a question is no failed try"


async def test_wrong_passwords_are_refused_then_slowed_told_once_and_the_right_one_is_let_in_all_the_same(window: Window) -> None:
    wrong = {"Authorization": "Basic " + base64.b64encode(b"me:wrong").decode()}
    answers = [(await window.get("/", wrong))[0] for _ in range(AT_ONCE + 3)]
    assert answers[:AT_ONCE] == [401] * AT_ONCE
    assert 429 in answers[AT_ONCE:]
    assert [event for event, _ in window.said] == ["page_refused"]
    assert (await window.get())[0] == 200
    assert "wrong" not in str(window.said[0][1]["because"])


async def test_a_password_that_a_proxy_brought_in_the_clear_is_not_taken(window: Window) -> None:
    status, text, _ = await window.get("/", {**BASIC, "X-Forwarded-Proto": "http", "X-Forwarded-For": "203.0.113.9"})
    assert status == 403
    assert "web.proxies" in words(parsed(text))


async def test_a_second_header_does_not_hide_the_first(window: Window) -> None:
    for said in (["http", "https"], ["https", "http"]):
        headers = [*BASIC.items(), *(("X-Forwarded-Proto", proto) for proto in said)]
        async with window.session.get(f"{window.base}/", headers=headers) as answer:
            assert answer.status == 403, said
    for tokens in ((TOKEN, "x"), ("x", TOKEN)):
        async with window.session.get(f"{window.base}/", headers=[("Authorization", f"Bearer {one}") for one in tokens]) as answer:
            assert answer.status == 401


async def test_the_connection_of_who_is_not_let_in_ends_and_of_who_looks_is_kept(window: Window) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    for headers in ({}, wrong, {**BASIC, "X-Forwarded-Proto": "http"}):
        assert (await window.get("/", headers))[2].get("Connection") == "close"
    for path in ("/", f"/credentials/{NAME}", "/credentials/none"):
        assert "Connection" not in (await window.get(path))[2]
    slowed = [await window.get("/", wrong) for _ in range(AT_ONCE + 3)][-1]
    assert (slowed[0], slowed[2].get("Connection")) == (429, "close")


async def test_a_head_is_the_head_of_what_a_get_brings(window: Window) -> None:
    async with window.session.head(f"{window.base}/incidents/none", headers=BASIC) as answer:
        assert (answer.status, await answer.read()) == (404, b"")
        assert answer.content_length == len((await window.get("/incidents/none"))[1].encode())
    for headers, status in ((BASIC, 200), ({}, 401)):
        async with window.session.head(f"{window.base}/", headers=headers) as answer:
            assert answer.status == status


async def test_a_bearer_is_let_in(window: Window) -> None:
    assert (await window.get("/", {"Authorization": f"Bearer {TOKEN}"}))[0] == 200


async def test_without_anyone_who_may_look_there_is_no_page(sqlite: str) -> None:
    async with opened(sqlite, {}, token=False) as window:
        for path in ("/", f"/credentials/{NAME}", "/incidents/inc-1"):
            assert (await window.get(path))[0] == 404


async def test_nothing_but_looking_is_possible(window: Window) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        async with window.session.request(method, f"{window.base}/", headers=BASIC) as answer:
            assert answer.status == 405


async def test_headers_let_a_browser_take_nothing_else_and_keep_nothing(window: Window) -> None:
    _, text, headers = await window.get()
    (sheet,) = ["".join(one.itertext()) for one in parsed(text).iter(f"{HTML}style")]
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    policy = headers["Content-Security-Policy"]
    assert sheet == STYLE
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == (
        "no-store",
        "nosniff",
        "no-referrer",
    )


async def test_an_empty_ledger_and_no_settings_are_a_whole_page(url: str) -> None:
    async with opened(url, {}) as window:
        text = await window.shows()
    assert "Nothing waits for you" in text
    assert "The settings name no credential yet." in text


async def test_a_credential_that_nobody_saw_yet_is_said_to_be_so(window: Window) -> None:
    assert "never seen" in await window.shows()
    assert "The ledger knows of no publish" in await window.shows(f"/credentials/{NAME}")


async def test_what_waits_for_a_person_comes_first_with_what_to_type(window: Window) -> None:
    await lived(window, state=State.HELD, held_because="the account alone is named")
    text = await window.shows()
    assert text.startswith("1 thing waits for you")
    assert "The account alone is named." in text
    assert "rotator incidents approve inc-1" in text
    assert "rotator incidents dismiss inc-1 --reason" in text
    case_ = await window.shows("/incidents/inc-1")
    assert "rotator incidents approve inc-1" in case_


async def test_an_open_case_what_is_overdue_and_what_failed_are_told_with_their_sentences(window: Window) -> None:
    await lived(window, "listKeys is denied")
    text = await window.shows()
    assert text.startswith("1 leaked key is being killed")
    assert "rotator incidents show inc-1" in text
    assert f"Overdue {NAME} due 3 d ago rotator plan {NAME}" in text
    assert "mint key2: denied" in text
    assert f"ListKeys is denied. rotator doctor {NAME}" in text


async def test_a_stopped_wave_waits_for_a_person(window: Window) -> None:
    stopped = stop(None, by="ada", because="too many failed", now=window.ledger.database.now())
    await window.ledger.waves.change(lambda _: (wave_written(stopped), None, ""))
    text = await window.shows()
    assert "The wave of rotations is stopped" in text
    assert "rotator waves resume" in text


async def test_a_credential_shows_its_age_its_dependents_its_values_and_its_rotations(window: Window) -> None:
    await lived(window)
    text = await window.shows(f"/credentials/{NAME}")
    for said in (
        "33 d",
        "of 30 d used, overdue since 3 d",
        "Why as it is",
        ACCOUNTS,
        "Proven",
        "Claimed",
        "Stale",
        "Unseen",
        "dead , proven",
        "superseded",
    ):
        assert said in text, said


async def test_a_fingerprint_is_its_first_letters_everywhere(window: Window) -> None:
    _, filed = await lived(window, f"the value {Sealed('value 1').fingerprint} leaked")
    whole = [Sealed(f"value {number}").fingerprint for number in range(3)]
    for path in ("/", f"/credentials/{NAME}", "/incidents/inc-1"):
        _, text, _ = await window.get(path)
        assert not [value for value in whole if value in text], path
        assert filed.fingerprint[:8] in text


async def test_what_has_the_shape_of_a_key_is_shown_nowhere(window: Window) -> None:
    legacy = secrets.token_hex(16)
    current = f"{'a' * 52}JQQJ99{'BAACAAAAAAAAAAAACOG'[:2]}{'A' * 12}AAABACOG{'b' * 4}"
    await lived(window, f"found {legacy} and {current}")
    for path in ("/", f"/credentials/{NAME}", "/incidents/inc-1"):
        _, text, _ = await window.get(path)
        assert legacy not in text
        assert current not in text


@pytest.mark.parametrize("state", list(State))
async def test_hostile_words_are_words_wherever_they_stand(window: Window, state: State) -> None:
    await lived(window, HOSTILE, state=state, held_because=HOSTILE if state is State.HELD else "")
    for path in ("/", f"/credentials/{NAME}", "/incidents/inc-1"):
        status, text, _ = await window.get(path)
        assert status == 200
        root = parsed(text)  # no script, no image, no handler came to be
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert "x" * 400 not in text
        assert not [link for link in links(root) if link.lower().startswith("javascript")]
    assert "<script>alert(1)" in words(parsed((await window.get("/incidents/inc-1"))[1]))


@pytest.mark.parametrize(
    ("address", "linked"),
    [
        ("https://github.com/o/r/security/secret-scanning/3", True),
        ("http://github.com/o/r", False),
        ("javascript:alert(1)", False),
        ("https://evil\u202egithub.com/", False),
        ("https://ex\u0430mple.com/", False),
        ('https://x/"onmouseover="alert(1)', False),
        ("https://x/<b>", False),
    ],
)
async def test_a_report_is_linked_where_every_sign_of_its_address_is_what_it_seems(
    window: Window, url: str, address: str, linked: bool
) -> None:
    await lived(window)
    clues = '{"fingerprints": [], "sha256": [], "hmsl_hash": [], "held_by": "", "likely": false}'
    ask(url, REPORT, address=address, clues=clues)
    _, text, _ = await window.get("/incidents/inc-1")
    assert (address in links(parsed(text))) is linked


async def test_names_and_addresses_that_are_none_are_told_in_a_small_page(window: Window) -> None:
    for path in ("/credentials/none", "/incidents/none", "/credentials/%3Cscript%3E", "/credentials/" + "a" * 3000, "/incidents/%00"):
        status, text, _ = await window.get(path)
        assert status == 404, path
        parsed(text)
        assert "<script>" not in text


@pytest.mark.parametrize("name", ["%00", f"{NAME}%00", "%0d%0aX:y", "a" * 7000, "%E2%80%AE"])
async def test_what_can_be_no_name_is_not_asked_of_the_ledger(sqlite: str, name: str) -> None:
    async with opened(sqlite, fleet_of(2)) as window:
        for table in ("keys", "incidents", "audit"):
            ask(sqlite, f"ALTER TABLE {table} RENAME TO {table}_elsewhere")
        assert [(await window.get(f"/{what}/{name}"))[0] for what in ("credentials", "incidents")] == [404, 404]


@pytest.mark.parametrize(
    "query",
    [
        "?q=%3Cscript%3E",
        "?q=" + "x" * 5000,
        "?after=3.1.a",
        "?after=%00",
        "?only=overdue",
        "?only=x",
        "?every=10",
        "?every=1e9",
        "?q=%22%3E",
        "?before=x",
    ],
)
async def test_whatever_is_asked_a_whole_page_answers(window: Window, query: str) -> None:
    await lived(window)
    status, text, _ = await window.get("/" + query)
    assert status == 200
    root = parsed(text)
    fresh = [one.get("content") for one in root.iter(f"{HTML}meta") if one.get("http-equiv") == "refresh"]
    assert fresh == (["10"] if query == "?every=10" else [])


async def test_a_history_goes_on_a_page_further(window: Window) -> None:
    lease, _ = await lived(window)
    for number in range(200):
        await window.ledger.journal.intend(lease, f"more-{number}", mint(Sealed("x")))
        await window.ledger.journal.outcome(lease, f"more-{number}", "regenerated")
    _, text, _ = await window.get(f"/credentials/{NAME}")
    (earlier,) = [link for link in links(parsed(text)) if "before=" in link]
    assert "Newest" in await window.shows(f"/credentials/{NAME}{earlier}")


async def test_five_thousand_are_turned_over_a_page_at_a_time_and_each_comes_once(sqlite: str) -> None:
    fleet = fleet_of(5_000)
    async with opened(sqlite, fleet) as window:
        fill(sqlite, fleet, now=datetime.now(UTC))
        seen: list[str] = []
        path = "/?q=chat-00"
        while path:
            status, text, _ = await window.get(path)
            assert status == 200
            root = parsed(text)
            rows = [
                row
                for table in root.iter(f"{HTML}table")
                for row in table.iter(f"{HTML}th")
                if row.get("class") == "who" and row.get("scope") == "row"
            ]
            seen += [next(iter(links(row))).rpartition("/")[2] for row in rows]
            path = next((f"/{one.get('href', '')}" for one in root.iter(f"{HTML}a") if one.get("rel") == "next"), "").partition("#")[0]
        assert len(seen) == len(set(seen)) == 1_000
        first = await window.shows()
        assert "1 to 50 of 5,000, the worst first" in first
        assert "5 leaked keys are being killed" in first
        assert "1 to 10 of 10" in await window.shows("/?only=overdue")
        assert "Stale" in await window.shows("/?only=lags")
        assert "goes on" not in await window.shows("/credentials/chat-00011")


async def test_a_ledger_that_is_away_is_said_and_nothing_breaks(sqlite: str) -> None:
    async with opened(sqlite, fleet_of(2)) as window:
        ask(sqlite, "ALTER TABLE keys RENAME TO elsewhere")
        for path in ("/", "/credentials/chat-00000"):
            status, text, headers = await window.get(path)
            assert (status, headers["Retry-After"], headers.get("Connection")) == (503, "10", "close")
            assert "rotator status" in words(parsed(text))


async def test_many_who_look_at_once_are_answered_or_told_to_come_again(sqlite: str) -> None:
    async with opened(sqlite, fleet_of(50)) as window:
        answers = await asyncio.gather(*(window.get() for _ in range(60)))
        assert {status for status, _, _ in answers} <= {200, 503}
        assert (await window.get())[0] == 200
