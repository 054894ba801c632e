"""From an alert at the door to a dead key and a closed alert: the whole way, over real HTTP, on both ledgers."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from rotator.core.incident import Incident, State, decided
from rotator.core.policy import Mode
from rotator.core.report import Verdict
from rotator.core.sealed import Sealed
from rotator.ledger import rows
from rotator.ledger.schema import incidents
from rotator.ledger.work import EMERGENCY
from rotator.sandbox.leaks import HubAlert
from rotator.sandbox.senders import Posting
from tests.alerts.conftest import current_key
from tests.postgres import Server
from tests.web.conftest import Open
from tests.web.street import Street


def dead(street: Street, value: str, name: str = "chat-prod") -> bool:
    account = street.account(name)
    return not any(account.accepts(value, gateway, datetime.now(UTC)) for gateway in account.gateways)


async def buried(street: Street, alert: HubAlert) -> None:
    """The leaked key is dead and its alert closed as revoked, with the evidence."""
    await street.until(lambda: alert.state == "resolved", "closed alert")
    assert dead(street, alert.secret)
    assert alert.resolution == "revoked"
    (case,) = await street.cases()
    assert alert.comment == (
        f"rotator: key of chat-prod revoked {case.revoked_at:%Y-%m-%d %H:%M:%S}, refused by every endpoint since "
        f"{case.dead_at:%H:%M:%S} UTC; incident {case.id}, fingerprint {case.fingerprint}"
    )


@pytest.mark.parametrize(("known", "encoded"), [(True, False), (False, True)], ids=["known to the index", "never seen before, in base64"])
async def test_an_alert_of_github_leads_to_a_dead_key_and_a_closed_alert(open_street: Open, url: str, known: bool, encoded: bool) -> None:
    async with open_street(url, living=False) as before:
        alert = await before.leak(encoded=encoded)
        if known:
            await before.known()
    async with open_street(url) as street:
        await buried(street, alert)
        assert street.key() != alert.secret
        street.assert_no_key_anywhere()
        assert not (await street.ledger.audit.verify()).broken


SAYING: dict[str, Callable[[Street, str], Posting]] = {
    "gitguardian": lambda street, key: street.senders.gitguardian(street.azure.leak_to_gitguardian(key)),
    "gitguardian without a hash": lambda street, key: street.senders.gitguardian(street.azure.leak_to_gitguardian(key), hmsl_hash="xxx"),
    "vault radar": lambda street, key: street.senders.vault_radar(f"settings.py: key = {key}"),
    "partner": lambda street, key: street.senders.github_partner(
        [{"token": key, "type": "azure", "url": "https://x", "source": "content"}]
    ),
    "signed key": lambda street, key: street.senders.signed({"key": key}),
    "signed sha256": lambda street, key: street.senders.signed({"sha256": Sealed(key).sha256()}),
    "signed fingerprint": lambda street, key: street.senders.signed({"fingerprint": Sealed(key).fingerprint}),
}


async def test_whoever_says_it_and_however_the_key_is_told_it_dies(open_street: Open, sqlite: str) -> None:
    """Not even the index has to know it before: the fleet is asked."""
    async with open_street(sqlite, living=False) as street:
        for say in SAYING.values():
            assert (await street.post(say(street, street.key())))[0] == 202
    async with open_street(sqlite) as street:
        await street.until(lambda: {row["verdict"] for row in street.reports()} <= {"compromised", "already_dead"}, "verdict")
        (case,) = await street.cases()
        assert len(await street.sources(case)) == len(SAYING), "one leak is one case, with all who told of it"
        await street.until(lambda: dead(street, street.azure.keys_ever[0].value), "dead key")
        incident = next(iter(street.azure.state.leaks.incidents.values()))
        await street.until(lambda: incident.status == "RESOLVED", "resolved incident")
        assert incident.secret_revoked
        street.assert_no_key_anywhere()


async def test_the_partner_programme_hears_of_what_is_known_alone(doors: Street) -> None:
    await doors.known()
    ours, other = doors.key(), current_key()
    posting = doors.senders.github_partner(
        [{"token": key, "type": "t", "url": "https://x", "source": "c"} for key in (ours, other, "word")]
    )
    status, told = await doors.post(posting)
    assert status == 202
    assert told == [
        {"token_hash": Sealed(ours).sha256(), "token_type": "t", "label": "true_positive"},
        {"token_hash": Sealed("word").sha256(), "token_type": "t", "label": "false_positive"},
    ]
    assert (await doors.post(posting))[1] == [], "of a replay nothing is said, and nothing wrong"


async def test_a_hundred_reports_of_one_leak_are_one_case_with_a_hundred_sources(open_street: Open, url: str) -> None:
    async with open_street(url) as street:
        await street.known()
        key = street.key()
        postings = [street.senders.signed({"key": key, "note": f"report {number}"}) for number in range(100)]
        assert {status for status, _ in await asyncio.gather(*map(street.post, postings))} == {202}
        (case,) = await street.cases()
        assert len(await street.sources(case)) == 100
        await street.until(lambda: street.rows("SELECT 1 FROM incidents WHERE state = 'closed'"), "end of the case")
        assert dead(street, key)
        assert sum(one.minted_by == "RegenerateKey" for one in street.azure.keys_ever) == 1, "killed once"


async def test_what_is_nobodys_is_called_so_only_after_everybody_was_asked(street: Street) -> None:
    victim = list(street.house.credentials)[-1]
    street.azure.fault("ListKeys", "500-before", times=1000, account=victim)
    assert (await street.post(street.senders.signed({"key": current_key()})))[0] == 202
    (waiting,) = street.reports()
    await street.until(lambda: "still to answer" in street.reports()[0]["because"], "a reason to wait")
    assert victim in street.reports()[0]["because"]
    assert street.reports()[0]["verdict"] == waiting["verdict"] == "waiting"


async def test_a_strangers_key_is_nobodys_and_no_account_is_asked_twice_for_it(street: Street) -> None:
    for _ in range(5):
        assert (await street.post(street.senders.signed({"key": current_key()})))[0] == 202
    await street.until(lambda: any(row["verdict"] == "not_ours" for row in street.reports()), "verdict")
    assert {row["because"] for row in street.reports() if row["verdict"] == "not_ours"} == {
        "none of the 3 accounts in the settings has this key"
    }
    assert len(street.told("fleet_asked")) <= 2
    assert await street.cases() == []


# --- guard rails ------------------------------------------------------------------------------------------------------------


async def test_a_stranger_with_one_senders_secret_costs_at_most_the_cap(open_street: Open, url: str) -> None:
    async with open_street(url, limits={"compromises_per_hour": 2}) as street:
        names = list(street.house.credentials)
        await street.known(*names)
        keys = {name: street.key(name) for name in names}
        statuses = await asyncio.gather(*(street.post(street.senders.signed({"key": key})) for key in keys.values()))
        assert {status for status, _ in statuses} == {202}
        verdicts = sorted(row["verdict"] for row in street.reports())
        assert verdicts == ["compromised", "compromised", "held"]
        held = next(row["credential"] for row in street.reports() if row["verdict"] == "held")
        await street.until(lambda: all(dead(street, keys[name], name) for name in names if name != held), "dead keys")
        assert not dead(street, keys[held], held)

        (case,) = await street.cases(held)
        assert case.held_because == "2 cases were opened within the hour, and 2 may be without a person"
        await approve(street, case)
        await street.until(lambda: dead(street, keys[held], held), "dead key after a person said so")


async def approve(street: Street, case: Incident) -> None:
    """A person's word, as the command line files it: the case and its wake in one transaction."""
    ledger = street.ledger
    opened = decided(case, State.OPEN, ledger.database.now(), timedelta(seconds=20))
    async with ledger.database.begin() as connection:
        await connection.execute(update(incidents).where(incidents.c.id == case.id).values(**rows.of_incident(opened)))
        await ledger.work.wake_in(connection, case.credential, EMERGENCY)
    ledger.work.hear()


async def test_a_delivery_about_many_accounts_waits_for_a_person(open_street: Open, sqlite: str) -> None:
    async with open_street(sqlite, limits={"accounts_per_alert": 2}) as street:
        await street.known(*street.house.credentials)
        keys = [street.key(name) for name in street.house.credentials]
        tokens = [{"token": key, "type": "azure", "url": "https://x", "source": "c"} for key in keys]
        assert (await street.post(street.senders.github_partner(tokens)))[0] == 202
        assert {row["verdict"] for row in street.reports()} == {"held"}
        await asyncio.sleep(0.5)
        assert sorted(keys) == sorted(street.key(name) for name in street.house.credentials)


# --- suspicions and what others do -------------------------------------------------------------------------------------------


def suspected(word: str) -> Callable[[dict[str, Any]], None]:
    return lambda alerts: alerts["defender"].update({"suspected": word})


@pytest.mark.parametrize(
    ("word", "verdict", "state"), [("ask", "held", State.HELD), ("inform", "noted", None), ("drain", "suspected", State.OPEN)]
)
async def test_a_suspicion_does_what_the_policy_says_and_never_cuts(
    open_street: Open, sqlite: str, word: str, verdict: str, state: State | None
) -> None:
    async with open_street(sqlite, alerts=suspected(word)) as street:
        key = street.key()
        assert (await street.post(street.senders.suspicion(street.account().id)))[0] == 202
        await street.until(lambda: street.reports()[0]["verdict"] == verdict, f"verdict {verdict}")
        cases = await street.cases()
        assert [case.mode for case in cases] == ([Mode.DRAIN] if state else [])
        if state is State.OPEN:
            await street.until(lambda: dead(street, key), "drained key")
        else:
            assert [case.state for case in cases] == ([state] if state else [])
            await asyncio.sleep(0.3)
            assert street.key() == key


async def test_a_suspicion_may_rotate_once_however_often_its_sender_tells_of_it(open_street: Open, url: str) -> None:
    async with open_street(url, alerts=suspected("rotate")) as street:
        key, account = street.key(), street.account()
        body = json.loads(street.senders.suspicion(account.id).body)
        for status in ("Active", "InProgress", "Active"):
            posting = street.senders.defender({**body, "Status": status, "seen": street.azure.state.guid()})
            assert (await street.post(posting))[0] == 202
        await street.until(lambda: dead(street, key), "rotated key")
        await street.until(lambda: not [row for row in street.reports() if row["verdict"] == "waiting"], "end of waiting")
        assert sorted(row["verdict"] for row in street.reports()) == ["noted", "noted", "suspected"]
        assert sum(one.minted_by == "RegenerateKey" for one in street.azure.keys_ever) == 2


async def test_a_stranger_regenerates_and_we_look_at_once_and_what_we_do_ourselves_is_known(street: Street) -> None:
    account = street.account()
    await street.until(lambda: street.told("decided", credential="chat-prod", decision="quiet"), "first look")
    street.azure.regenerate("chat-prod", "key1")
    assert (await street.post(street.senders.key_touched(account.id)))[0] == 202
    await street.until(lambda: street.told("done", credential="chat-prod", step="publish"), "healing")

    ourselves = await street.house.azure.credential.object_id(street.house.azure.arm_scope)
    assert ourselves
    await street.until(lambda: street.rows("SELECT 1 FROM work WHERE credential = 'chat-prod' AND owner IS NULL"), "rest")
    before = street.rows("SELECT generation FROM work WHERE credential = 'chat-prod'")
    for action in ("regenerateKey", "listKeys"):
        for shape in ("event-grid", "cloud-events", "common", "legacy"):
            assert (await street.post(street.senders.key_touched(account.id, action, ourselves.upper(), shape)))[0] == 202
    assert street.rows("SELECT generation FROM work WHERE credential = 'chat-prod'") == before, "our own doing wakes nobody"
    assert {row["because"] for row in street.reports()[1:]} == {"our own doing"}


async def test_event_grid_puts_an_event_into_another_batch_and_it_is_one_event(doors: Street) -> None:
    senders, account = doors.senders, doors.account()
    one, two = (json.loads(senders.key_touched(account.id).body)[0] for _ in range(2))
    assert (await doors.post(senders.event_grid([one])))[1] == {"taken": 1, "seen_before": False}
    assert (await doors.post(senders.event_grid([one, two])))[1] == {"taken": 1, "seen_before": False}
    assert (await doors.post(senders.event_grid([two, one])))[1] == {"taken": 0, "seen_before": True}
    assert len(doors.reports()) == 2


async def test_a_secret_near_its_expiry_is_looked_at_also_where_its_vault_is_told_by_name(doors: Street) -> None:
    """On loopback all vaults are one host, so a name is told by the settings' own spelling."""
    secret = doors.house.credentials["chat-prod"].secret
    assert (await doors.post(doors.senders.secret_expiry(secret.vault, secret.name)))[0] == 202
    (report,) = doors.reports()
    assert report["credential"] == "chat-prod"
    event = json.loads(doors.senders.secret_expiry(secret.vault, secret.name).body)
    event[0]["data"] = {"VaultName": secret.vault.partition("://")[2].partition(".")[0], "ObjectName ": secret.name}
    event[0]["id"] = "another"
    assert (await doors.post(doors.senders.event_grid(event)))[0] == 202
    assert [row["credential"] for row in doors.reports()] == ["chat-prod", "chat-prod"]


# --- at the source ----------------------------------------------------------------------------------------------------------


async def test_a_source_that_is_away_is_asked_again_until_it_answers(street: Street) -> None:
    street.azure.fault("GetAlert", "500-before", times=2)
    street.azure.fault("UpdateAlert", "500-before", times=2)
    alert = await street.leak()
    await buried(street, alert)
    assert len(street.told("report_put_off")) >= 2


async def test_a_close_whose_answer_was_lost_is_found_done(street: Street) -> None:
    street.azure.fault("UpdateAlert", "drop-after", times=1)
    alert = await street.leak()
    await buried(street, alert)
    await street.until(lambda: street.reports()[0]["closing"] == "done", "closing")
    assert street.reports()[0]["closing_told"] in ("already as revoked", "resolved as revoked")


async def test_a_persons_word_at_the_source_stands(street: Street) -> None:
    street.azure.fault("UpdateAlert", "500-before", times=1)
    alert = await street.leak()
    await street.until(lambda: street.told("report_put_off"), "first try")
    alert.state, alert.resolution, alert.comment = "resolved", "used_in_tests", "a person's"
    await street.until(lambda: street.reports()[0]["closing"] == "otherwise", "closing")
    assert (alert.resolution, alert.comment) == ("used_in_tests", "a person's")
    assert dead(street, alert.secret), "and the key is dead all the same"


async def test_what_cannot_be_closed_is_said_with_the_remedy(street: Street) -> None:
    street.azure.fault("UpdateAlert", "403", times=1000)
    alert = await street.leak()
    failed = await street.until(lambda: [row for row in street.reports() if row["closing"] == "failed"], "failure")
    assert "the token in the settings" in failed[0]["closing_told"]
    await street.until(lambda: street.told("alert_not_closed"), "word that it stays open")  # said once it is written
    assert alert.state == "open"
    assert dead(street, alert.secret)
    (case,) = await street.cases()
    (told,) = await street.ledger.inbox.about(case.id)
    assert (told.closing, told.answer) == ("failed", failed[0]["closing_told"])
    assert told.again_at
    assert told.again_at > datetime.now(UTC) + timedelta(hours=5)


async def not_closed(street: Street) -> HubAlert:
    """The key is dead and its alert still open, because the token may not close it."""
    street.azure.fault("UpdateAlert", "403", times=1000)
    alert: HubAlert = await street.leak()
    await street.until(lambda: street.told("alert_not_closed"), "word that it stays open")
    assert [row["closing"] for row in street.reports()] == ["failed"]
    street.azure.clear_faults()
    return alert


async def test_an_alert_that_could_not_be_closed_is_tried_again_by_itself(street: Street) -> None:
    alert = await not_closed(street)
    await asyncio.to_thread(street.rows, "UPDATE reports SET due_at = 0 WHERE closing = 'failed'")
    await buried(street, alert)
    await street.until(lambda: street.reports()[0]["closing"] == "done", "closing")


async def test_an_alert_that_could_not_be_closed_is_tried_again_when_the_settings_are_read_anew(street: Street) -> None:
    alert = await not_closed(street)
    assert await street.daemon.reload()
    await buried(street, alert)


async def test_an_alert_that_could_not_be_closed_is_tried_again_at_the_next_start(open_street: Open, sqlite: str) -> None:
    async with open_street(sqlite) as street:
        alert = await not_closed(street)
    async with open_street(sqlite) as street:
        await buried(street, alert)


def held(street: Street, what: str = "token") -> Path:
    """The file in which GitHub's token (or secret) stands."""
    said: str = getattr(street.house.settings.alerts.github, what)
    return Path(said.removeprefix("file:"))


async def test_a_mended_token_is_taken_over_at_once_and_wakes_what_waits_for_a_fetch(open_street: Open, sqlite: str) -> None:
    async with open_street(sqlite) as street:
        good = held(street).read_text()
        held(street).write_text("a token that was mistyped")
        assert await street.daemon.reload()
        alert = await street.leak()
        await street.until(lambda: street.told("report_put_off"), "refusal of the token")
        assert street.reports()[0]["verdict"] == "waiting"
        held(street).write_text(good)
        assert await street.daemon.reload()
        assert street.told("reloaded")[-1]["secrets"] == [f"file:{held(street)}"]
        await buried(street, alert)
        assert good not in str(street.said)


async def test_a_secret_that_was_replaced_is_no_longer_taken(open_street: Open, sqlite: str) -> None:
    async with open_street(sqlite, living=False) as street:
        alert = street.azure.leak_on_github("example/chat", street.key())
        held(street, "secret").write_text("another one")
        held(street).unlink()
        assert not await street.daemon.reload()
        assert str(held(street)) in str(street.told("reload_refused")[0]["errors"])
        assert (await street.post(street.senders.github(alert)))[0] == 202, "the old ones stay, all of them"
        held(street).write_text("a token")
        assert await street.daemon.reload()
        assert (await street.post(street.senders.github(alert)))[0] == 401


async def test_a_token_of_people_that_was_replaced_is_no_longer_taken(open_street: Open, sqlite: str, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("operator_token", "viewer_token")}
    old = {name: f"old-{name}" for name in files}
    for name, path in files.items():
        path.write_text(old[name])
    async with open_street(sqlite, living=False, web={name: f"file:{path}" for name, path in files.items()}) as street:

        async def looks(token: str) -> list[int]:
            headers = {"Authorization": f"Bearer {token}"}
            found = []
            for path in ("/", f"/orders/ord-{'0' * 16}"):
                async with street.session.get(f"{street.base}{path}", headers=headers) as answer:
                    found.append(answer.status)
            return found

        assert [await looks(token) for token in old.values()] == [[200, 404], [200, 401]]
        files["viewer_token"].write_text(old["operator_token"])
        assert not await street.daemon.reload(), "who looks could order"
        for name, path in files.items():
            path.write_text(f"new-{name}")
        assert await street.daemon.reload()
        assert [await looks(token) for token in old.values()] == [[401, 401], [401, 401]]
        assert [await looks(f"new-{name}") for name in files] == [[200, 404], [200, 401]]


async def test_a_token_that_may_not_see_the_alert_is_no_verdict_about_the_key(street: Street) -> None:
    alert = street.azure.leak_on_github("example/chat", street.key())
    street.azure.state.leaks.alerts.remove(alert)
    assert (await street.post(street.senders.github(alert)))[0] == 202
    await street.until(lambda: "404" in street.reports()[0]["because"], "first try")
    assert street.reports()[0]["verdict"] == "waiting"
    street.azure.state.leaks.alerts.append(alert)
    await asyncio.to_thread(street.rows, "UPDATE reports SET due_at = 0")
    await buried(street, alert)


async def test_an_alert_that_its_source_does_not_show_waits_for_a_person(street: Street) -> None:
    alert = await street.leak()
    hidden = street.azure.leak_on_github("example/chat", "")
    assert (await street.post(street.senders.github(hidden)))[0] == 202
    await street.until(lambda: [row for row in street.reports() if row["verdict"] == "noted"], "verdict")
    (noted,) = [row for row in street.reports() if row["verdict"] == "noted"]
    assert noted["because"] == "github does not show the value of example/chat#2; a person is to look"
    await buried(street, alert)


async def test_an_alert_that_is_opened_again_opens_the_case_again(street: Street) -> None:
    alert = await street.leak()
    await buried(street, alert)
    (case,) = await street.cases()
    await street.until(lambda: street.rows("SELECT 1 FROM incidents WHERE state = 'closed'"), "end of the case")
    alert.state = "open"
    assert (await street.post(street.senders.github(alert, "reopened")))[0] == 202
    await street.until(lambda: [row for row in street.reports() if row["reopened"] and row["verdict"] == "compromised"], "verdict")
    await street.until(lambda: alert.state == "resolved", "closed alert")
    (again,) = await street.cases()
    assert again.id == case.id
    assert again.reported_at > case.reported_at


async def opened_again(street: Street, alert: HubAlert) -> None:
    before = len(street.reports())
    alert.state, alert.resolved_at = "open", datetime.now(UTC) + timedelta(seconds=before)
    assert (await street.post(street.senders.github(alert, "reopened")))[0] == 202
    await street.until(lambda: len(street.reports()) > before and street.reports()[-1]["closing"] in ("done", "left"), "answer")


async def test_an_alert_that_is_opened_again_and_again_is_answered_once_more_and_then_left_to_a_person(street: Street) -> None:
    alert = await street.leak()
    await buried(street, alert)
    await street.until(lambda: street.reports()[0]["closing"] == "done", "closing")
    key = street.key()
    await opened_again(street, alert)
    assert (alert.state, street.told("alert_not_closed")) == ("resolved", [])
    for _ in range(2):
        await opened_again(street, alert)
        assert alert.state == "open", "who insists is not answered for ever"
    assert [row["closing"] for row in street.reports()] == ["done", "done", "left", "left"]
    assert "opened it again" in street.told("alert_not_closed")[0]["because"]
    assert len([entry for entry in street.azure.journal if entry.operation == "UpdateAlert"]) == 2
    assert street.key() == key, "and nothing is minted for it"
    (case,) = await street.cases()
    await street.until(lambda: street.rows("SELECT 1 FROM incidents WHERE state = 'closed'"), "end of the case")
    assert [told.closing for told in await street.ledger.inbox.about(case.id)] == ["done", "done", "left", "left"]


@pytest.mark.parametrize("action", ["incident_reopened", "incident_regression"])
async def test_an_incident_of_gitguardians_that_is_opened_again_is_resolved_again(street: Street, action: str) -> None:
    incident = street.azure.leak_to_gitguardian(street.key())
    assert (await street.post(street.senders.gitguardian(incident)))[0] == 202
    await street.until(lambda: street.reports() and street.reports()[0]["closing"] == "done", "closing")
    incident.status = "TRIGGERED"
    assert (await street.post(street.senders.gitguardian(incident, action)))[0] == 202
    await street.until(lambda: street.reports()[-1]["closing"] == "done" and street.reports()[-1]["reopened"], "answer")
    assert incident.status == "RESOLVED"
    assert len(await street.cases()) == 1


async def test_one_that_is_opened_again_before_it_could_be_closed_is_looked_at_and_closed_with_it(street: Street) -> None:
    alert = await not_closed(street)
    assert (await street.post(street.senders.github(alert, "reopened")))[0] == 202
    await buried(street, alert)
    await street.until(lambda: [row["closing"] for row in street.reports()] == ["done"] * 2, "closing")
    assert len(street.told("incident", state="dead")) == 2, "it was looked at once more"
    assert len([entry for entry in street.azure.journal if entry.operation == "UpdateAlert" and not entry.fault]) == 1


async def test_one_that_is_opened_again_is_not_answered_while_a_list_shows_its_value(street: Street) -> None:
    alert = await street.leak()
    await buried(street, alert)
    await street.until(lambda: street.rows("SELECT 1 FROM incidents WHERE state = 'closed'"), "end of the case")
    history = street.account().history["key1"]
    (old,) = [key for key in history if key.value == alert.secret]
    history.append(replace(old, deaths={}))  # a thing that Azure does not do, as far as anybody knows
    alert.state = "open"
    assert (await street.post(street.senders.github(alert, "reopened")))[0] == 202
    await street.until(lambda: [one for one in street.told("decided", tell=True) if "listKeys still shows" in one["because"]], "word")
    (again,) = await street.cases()
    assert (again.state, again.dead_at, alert.state) == (State.OPEN, None, "open")
    assert street.reports()[-1]["closing"] == ""
    history.pop()
    await street.ledger.work.wake("chat-prod")
    await buried(street, alert)


async def test_our_own_closing_comes_back_as_an_event_and_means_nothing(street: Street) -> None:
    alert = await street.leak()
    await buried(street, alert)
    assert (await street.post(street.senders.github(alert, "resolved")))[0] == 202
    closing = next(row for row in street.reports() if row["matter"] == "closed")
    assert (closing["verdict"], closing["due_at"], closing["incident"]) == ("noted", None, "")
    assert len(await street.cases()) == 1


async def test_one_alert_told_three_times_is_closed_once(street: Street) -> None:
    alert = await street.leak()
    for action, event in (("created", "secret_scanning_alert_location"), ("publicly_leaked", "secret_scanning_alert")):
        assert (await street.post(street.senders.github(alert, action, event)))[0] == 202
    await buried(street, alert)
    await street.until(lambda: [row["closing"] for row in street.reports()] == ["done"] * 3, "closing")
    assert len([entry for entry in street.azure.journal if entry.operation == "UpdateAlert"]) == 1


# --- what was lost on the way -----------------------------------------------------------------------------------------------


def polled(alerts: dict[str, Any]) -> None:
    alerts["github"]["repositories"] = ["nobody/nothing", "example/chat"]


async def test_the_poll_finds_what_a_lost_delivery_told_of_and_only_that(open_street: Open, url: str) -> None:
    async with open_street(url, living=False) as before:
        lost = before.azure.leak_on_github("example/chat", before.key())
    async with open_street(url, alerts=polled) as street:
        await buried(street, lost)
        assert street.told("poll_found") == [{"source": "github", "reports": ["example/chat#1"]}]
    async with open_street(url, alerts=polled) as street:
        await asyncio.sleep(0.3)
        assert street.told("poll_found") == []
        assert len(street.reports()) == 1


async def test_the_poll_finds_what_a_person_opened_again_and_not_what_was_closed_a_moment_ago(open_street: Open, sqlite: str) -> None:
    async with open_street(sqlite) as street:
        alert = await street.leak()
        await buried(street, alert)
        await street.until(lambda: street.reports()[0]["closing"] == "done", "closing")
        assert (await street.post(street.senders.github(alert, "resolved")))[0] == 202
    alert.state = "open"
    async with open_street(sqlite, alerts=polled) as street:
        await asyncio.sleep(0.3)
        assert street.told("poll_found") == [], "a list may lag behind a close"
        await asyncio.to_thread(street.rows, "UPDATE reports SET closed_at = closed_at - 120000 WHERE closing = 'done'")
    async with open_street(sqlite, alerts=polled) as street:
        await street.until(lambda: street.told("poll_found"), "the alert that is open again")
        assert street.reports()[-1]["reopened"]
        await street.until(lambda: alert.state == "resolved", "closed alert")


async def test_the_poll_finds_an_incident_of_gitguardians_whose_delivery_was_lost(open_street: Open, url: str) -> None:
    async with open_street(url, living=False) as before:
        value, lost = before.key(), before.azure.leak_to_gitguardian(before.key())
        lost.status = "ASSIGNED"
    async with open_street(url) as street:
        await street.until(lambda: lost.status == "RESOLVED", "resolved incident")
        assert lost.secret_revoked
        assert dead(street, value)
        assert street.told("poll_found") == [{"source": "gitguardian", "reports": [str(lost.id)]}]
        street.assert_no_key_anywhere()
    async with open_street(url) as street:
        await asyncio.sleep(0.3)
        assert street.told("poll_found") == []
        assert len(street.reports()) == 1


async def test_a_polled_incident_that_is_listed_without_its_hash_is_fetched(open_street: Open, sqlite: str) -> None:
    async with open_street(sqlite, living=False) as before:
        lost = before.azure.leak_to_gitguardian(before.key())
        whole, lost.hmsl_hash = lost.hmsl_hash, "xxx"
    before.azure.fault("GetIncident", "500-before", times=1000)
    async with open_street(sqlite) as street:
        await street.until(lambda: street.told("report_put_off"), "first try")
        lost.hmsl_hash = whole
        street.azure.clear_faults()
        await street.until(lambda: lost.status == "RESOLVED", "resolved incident")


async def test_what_was_delivered_is_not_found_once_more_and_is_one_case_with_it(open_street: Open, sqlite: str) -> None:
    async with open_street(sqlite, living=False) as before:
        incident = before.azure.leak_to_gitguardian(before.key())
        alert = before.azure.leak_on_github("example/chat", before.key())
        assert (await before.post(before.senders.gitguardian(incident)))[0] == 202
    async with open_street(sqlite, alerts=polled) as street:
        await buried(street, alert)
        await street.until(lambda: incident.status == "RESOLVED", "resolved incident")
        assert [row["source"] for row in street.reports()] == ["gitguardian", "github"]
        assert [told["source"] for told in street.told("poll_found")] == ["github"]
        assert len(await street.cases()) == 1


async def test_a_workspace_that_is_not_to_be_polled_is_not(open_street: Open, sqlite: str) -> None:
    def unpolled(alerts: dict[str, Any]) -> None:
        alerts["gitguardian"]["poll"] = False

    async with open_street(sqlite, alerts=unpolled) as street:
        street.azure.leak_to_gitguardian(street.key())
        await street.until(lambda: street.told("serving"), "service")
        await asyncio.sleep(0.3)
        assert not [entry for entry in street.azure.journal if entry.operation == "ListIncidents"]


async def test_a_poll_that_one_source_refuses_asks_the_others(open_street: Open, sqlite: str) -> None:
    async with open_street(sqlite, living=False) as before:
        alert = before.azure.leak_on_github("example/chat", before.key())
    before.azure.fault("ListIncidents", "403", times=1000)
    async with open_street(sqlite, alerts=polled) as street:
        await buried(street, alert)
        refused = await street.until(lambda: street.told("poll_failed", place="gitguardian: the workspace of the token"), "refusal")
        assert "the token in the settings" in refused[0]["because"]


async def test_a_ledger_that_is_away_is_said_and_what_comes_after_it_goes_on(open_street: Open, postgresql: Server) -> None:
    async with open_street(postgresql.database()) as street:
        key = street.key()
        postgresql.stop()
        answer = await street.post(street.senders.signed({"key": key}))
        postgresql.start()
        assert answer == (503, {"error": "it could not be stored; send it again"})
        for _ in range(100):
            status, _ = await street.post(street.senders.signed({"key": key}))
            if status == 202:
                break
            await asyncio.sleep(0.1)
        await street.until(lambda: dead(street, key), "dead key")


async def test_two_workers_on_one_ledger_open_one_case_and_close_it_once(open_street: Open, postgresql: Server) -> None:
    url = postgresql.database()
    async with open_street(url) as one, open_street(url) as other:
        key = one.key()
        alert = one.azure.leak_on_github("example/chat", key)
        postings = [one.senders.signed({"key": key}) for _ in range(20)]
        deliveries = [(one, other)[number % 2].post(posting) for number, posting in enumerate(postings)]
        answers = await asyncio.gather(*deliveries, one.post(one.senders.github(alert)), other.post(other.senders.github(alert)))
        assert {status for status, _ in answers} == {202}
        await buried(one, alert)
        await one.until(lambda: {row["verdict"] for row in one.reports()} == {Verdict.COMPROMISED.value}, "verdicts")
        assert len(await one.cases()) == 1
        assert not (await one.ledger.audit.verify()).broken
