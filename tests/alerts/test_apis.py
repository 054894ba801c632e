"""GitHub's and GitGuardian's APIs, against the sandbox's: fetch, list, close; and every way in which that goes wrong."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from typing import Any

import aiohttp
import pytest

from rotator.alerts import Hash, HeldByGitGuardian, HeldByGitHub, Leak, Refused
from rotator.alerts.api import Api
from rotator.alerts.gitguardian_api import GitGuardianApi, Outcome
from rotator.alerts.github_api import GitHubApi, Resolution
from rotator.alerts.partner_keys import PATH, PartnerKeys
from rotator.core.faults import Denied, Fault, Missing, Rejected, Throttled, Transient
from rotator.core.sealed import Sealed
from tests.alerts.conftest import Street, current_key, legacy_key
from tests.alerts.postings import GOOD

NOW = datetime.now(UTC)


@pytest.fixture
def github(street: Street) -> GitHubApi:
    assert street.doors.github is not None
    return street.doors.github


@pytest.fixture
def gitguardian(street: Street) -> GitGuardianApi:
    assert street.doors.gitguardian is not None
    return street.doors.gitguardian


def held(number: int = 1, owner: str = "example", repository: str = "chat") -> HeldByGitHub:
    return HeldByGitHub(owner=owner, repository=repository, number=number)


# --- GitHub -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("around", ["{}", "AZURE_OPENAI_KEY={}\n", '{{"key": "{}"}}'])
@pytest.mark.parametrize("make", [current_key, legacy_key])
async def test_an_alerts_value_is_fetched_decoded_and_looked_into(
    street: Street, github: GitHubApi, make: Any, around: str, encoded: bool
) -> None:
    value = make()
    street.azure.leak_on_github("example/chat", around.format(value), encoded=encoded)
    delivery = await street.take(street.azure.senders.github(street.azure.state.leaks.alerts[0]))
    (leak,) = delivery.records
    assert isinstance(leak, Leak)
    (where,) = leak.clues
    assert isinstance(where, HeldByGitHub)
    values = await github.values(where, NOW)
    assert Sealed(value) in values
    assert value not in repr(values) + repr(await github.alert(where, NOW))


async def test_open_alerts_are_listed_page_by_page(street: Street, github: GitHubApi) -> None:
    values = [current_key() for _ in range(230)]
    for value in values:
        street.azure.leak_on_github("example/chat", value)
    street.azure.leak_on_github("example/other", current_key())
    street.azure.state.leaks.alerts[5].state = "resolved"
    found = [leak async for leak in github.open_alerts("example/chat", NOW)]
    assert len(found) == 229
    assert {clue for leak in found for clue in leak.clues if isinstance(clue, Sealed)} == {Sealed(v) for v in values if v != values[5]}
    everywhere = [leak.origin.id async for leak in github.open_alerts("example", NOW)]
    assert (len(everywhere), "example/other#1" in everywhere) == (230, True)
    assert [leak async for leak in github.open_alerts("nobody", NOW)] == []


@pytest.mark.parametrize("place", ["a/b/c", "", "../x", "a/..", "a b", "a/b?x"])
async def test_a_place_that_is_none_is_not_asked_for(street: Street, github: GitHubApi, place: str) -> None:
    with pytest.raises(Rejected):
        _ = [leak async for leak in github.open_alerts(place, NOW)]
    assert not street.azure.journal


async def test_an_alert_is_closed_once_with_its_evidence_and_without_the_key(street: Street, github: GitHubApi) -> None:
    value = current_key()
    alert = street.azure.leak_on_github("example/chat", value)
    comment = f"Dead since 12:00:07 UTC. Fingerprint {Sealed(value).fingerprint}. Not {value}." + "x" * 500
    assert await github.resolve(held(), comment, NOW) is Resolution.RESOLVED
    assert await github.resolve(held(), "again", NOW) is Resolution.ALREADY
    assert (alert.state, alert.resolution) == ("resolved", "revoked")
    assert alert.comment is not None
    assert Sealed(value).fingerprint in alert.comment
    assert value not in alert.comment
    assert len(alert.comment) <= 280
    assert [entry.operation for entry in street.azure.journal].count("UpdateAlert") == 1


async def test_what_a_person_said_of_an_alert_stands(street: Street, github: GitHubApi) -> None:
    alert = street.azure.leak_on_github("example/chat", current_key())
    alert.state, alert.resolution = "resolved", "used_in_tests"
    assert await github.resolve(held(), "dead", NOW) is Resolution.OTHERWISE
    assert alert.resolution == "used_in_tests"


async def test_a_lost_answer_is_settled_by_asking_again(street: Street, github: GitHubApi) -> None:
    street.azure.leak_on_github("example/chat", current_key())
    street.azure.fault("UpdateAlert", "drop-after")
    with pytest.raises(Transient):
        await github.resolve(held(), "dead", NOW)
    assert await github.resolve(held(), "dead", NOW) is Resolution.ALREADY


async def test_faults_are_told_apart_and_carry_nothing(street: Street, session: aiohttp.ClientSession, github: GitHubApi) -> None:
    street.azure.leak_on_github("example/chat", value := current_key())
    with pytest.raises(Missing):
        await github.alert(held(9), NOW)
    with pytest.raises(Rejected):
        await github.alert(held(owner="../.."), NOW)
    stranger = GitHubApi(session, Sealed("ghp_" + legacy_key()), street.azure.github_url)
    with pytest.raises(Denied) as denied:
        await stranger.alert(held(), NOW)
    assert "token" in denied.value.remedy
    for fault, expected in (("429:7", Throttled), ("403", Denied), ("500-before", Transient), ("truncated", Transient)):
        street.azure.fault("GetAlert", fault)
        with pytest.raises(expected) as raised:
            await github.alert(held(), NOW)
        assert value not in str(raised.value) + repr(raised.value.__cause__)
    no_value = Api(session, street.azure.github_url, {"Authorization": f"Bearer {street.azure.scanner_token}"})
    with pytest.raises(Rejected, match="422"):
        await no_value.call("a wrong close", "PATCH", "/repos/example/chat/secret-scanning/alerts/1", content={"state": "resolved"})


async def test_a_github_enterprise_server_has_its_own_base(street: Street, session: aiohttp.ClientSession) -> None:
    street.azure.leak_on_github("example/chat", value := current_key())
    own = GitHubApi(session, Sealed(street.azure.scanner_token), f"{street.azure.github_url}/api/v3")
    assert await own.values(held(), NOW) == [Sealed(value)]


# --- GitGuardian ----------------------------------------------------------------------------------------------------------------


async def test_an_incident_is_resolved_once(street: Street, gitguardian: GitGuardianApi) -> None:
    value = current_key()
    incident = street.azure.leak_to_gitguardian(value)
    where = HeldByGitGuardian(incident=incident.id)
    assert await gitguardian.hashes(where) == [Hash(kind="hmsl_hash", value=Sealed(value).hmsl_hash())]
    assert await gitguardian.resolve(where) is Outcome.RESOLVED
    assert (incident.status, incident.secret_revoked) == ("RESOLVED", True)
    assert await gitguardian.resolve(where) is Outcome.ALREADY
    incident.status = "IGNORED"
    assert await gitguardian.resolve(where) is Outcome.OTHERWISE
    with pytest.raises(Missing):
        await gitguardian.resolve(HeldByGitGuardian(incident=1))


async def test_an_incident_whose_answer_was_lost_is_resolved_all_the_same(street: Street, gitguardian: GitGuardianApi) -> None:
    where = HeldByGitGuardian(incident=street.azure.leak_to_gitguardian(current_key()).id)
    street.azure.fault("ResolveIncident", "503-after")
    with pytest.raises(Transient):
        await gitguardian.resolve(where)
    assert await gitguardian.resolve(where) is Outcome.ALREADY


async def test_two_who_resolve_at_once_both_hear_that_it_is(street: Street, gitguardian: GitGuardianApi) -> None:
    where = HeldByGitGuardian(incident=street.azure.leak_to_gitguardian(current_key()).id)
    street.azure.fault("ResolveIncident", "latency:0.1", times=2)
    outcomes = await asyncio.gather(gitguardian.resolve(where), gitguardian.resolve(where))
    assert sorted(outcomes) == [Outcome.ALREADY, Outcome.RESOLVED]


async def test_open_incidents_are_listed_page_by_page_also_those_that_are_assigned(street: Street, gitguardian: GitGuardianApi) -> None:
    values = [current_key() for _ in range(230)]
    incidents = [street.azure.leak_to_gitguardian(value) for value in values]
    for one, status in zip(incidents, ("RESOLVED", "IGNORED", "ASSIGNED"), strict=False):
        one.status = status
    found = [leak async for leak in gitguardian.open_incidents(NOW)]
    assert [leak.origin.id for leak in found[:227]] == [str(one.id) for one in reversed(incidents[3:])], "the newest first"
    assert [leak.origin.id for leak in found[227:]] == [str(incidents[2].id)]
    first = found[0]
    assert first.clues == (Hash(kind="hmsl_hash", value=Sealed(values[-1]).hmsl_hash()), HeldByGitGuardian(incident=incidents[-1].id))
    assert (first.kind, first.origin.source, first.origin.reported_at) == ("azure_open_ai_api_key", "gitguardian", NOW)
    assert [entry.operation for entry in street.azure.journal] == ["ListIncidents"] * 4


async def test_an_odd_incident_hides_none_of_the_others(street: Street, gitguardian: GitGuardianApi) -> None:
    odd, good = (street.azure.leak_to_gitguardian(current_key()) for _ in range(2))
    odd.id = -1
    odd.detector = ""
    assert [leak.origin.id async for leak in gitguardian.open_incidents(NOW)] == [str(good.id)]


@pytest.mark.parametrize(
    ("fault", "expected"), [("403", Denied), ("429:7", Throttled), ("500-before", Transient), ("truncated", Transient)]
)
async def test_a_list_of_incidents_that_cannot_be_had_is_a_fault(
    street: Street, gitguardian: GitGuardianApi, fault: str, expected: type[Fault]
) -> None:
    street.azure.leak_to_gitguardian(current_key())
    street.azure.fault("ListIncidents", fault)
    with pytest.raises(expected):
        _ = [leak async for leak in gitguardian.open_incidents(NOW)]


# --- the partner programme's keys -------------------------------------------------------------------------------------------------


async def test_githubs_keys_are_cached_and_fetched_again_for_a_new_one(street: Street, session: aiohttp.ClientSession) -> None:
    ticks = count(0.0, 0.001)
    jump = [0.0]
    keys = PartnerKeys(Api(session, street.azure.github_url), lambda: next(ticks) + jump[0])
    leaks = street.azure.state.leaks
    for _ in range(3):
        assert await keys.key(leaks.partner_key_id)
    assert await keys.key("unknown") is None
    assert len(street.azure.journal) == 1
    leaks.change_signing_keys()
    assert await keys.key(leaks.partner_key_id) is None
    jump[0] = 61
    assert await keys.key(leaks.partner_key_id)
    assert [entry.path for entry in street.azure.journal] == [PATH, PATH]


async def test_a_partner_alert_while_github_does_not_answer_is_to_be_sent_again(street: Street) -> None:
    street.azure.fault("GetPublicKeys", "500-before", times=None, probability=1.0)
    with pytest.raises(Exception, match="cannot be had") as raised:
        await street.take(GOOD["github partner"](street.azure))
    assert getattr(raised.value, "status", 0) == 503


async def test_a_partner_signature_that_is_no_signature_is_refused(street: Street) -> None:
    good = GOOD["github partner"](street.azure)
    for odd in ("x", "====", "AAAA", "é", "MEUCIQ" * 100):
        with pytest.raises(Refused):
            await street.take(good.with_headers(Github_Public_Key_Signature=odd))


async def test_the_sandbox_tells_a_whole_story_at_one_word(street: Street) -> None:
    """What `rotator sandbox leak` says to the control port; here nobody listens, and that is said."""
    street.azure.add_account("chat-prod")
    for sender in ("github", "signed", "suspicion"):
        with pytest.raises(ValueError, match="did not answer"):
            await street.azure.report(sender, "http://127.0.0.1:9", "chat-prod")
    with pytest.raises(ValueError, match="on loopback"):
        await street.azure.report("github", "https://example.com", "chat-prod")
    with pytest.raises(ValueError, match="none of"):
        await street.azure.report("carrier pigeon", "http://127.0.0.1:9", "chat-prod")
    assert issubclass(Throttled, Fault)
