"""Entra's bearer tokens at the doors of Azure: every claim is looked at, and the keys are fetched no more often than they must be."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import jwt
import pytest

from rotator.alerts import Refused, Regenerated, Unverifiable
from rotator.alerts.api import Api
from rotator.alerts.entra import Entra, issuers
from rotator.alerts.gate import Expected
from rotator.core.faults import Rejected, Transient
from rotator.sandbox.senders import EVENT_GRID, EVENT_GRID_ROLE, Posting
from rotator.sandbox.signed_tokens import key_id, key_set, signed_token
from tests.alerts.conftest import ACCOUNT, AUDIENCE, Street

TENANT = "00000000-0000-0000-0000-00000000000a"


def event(street: Street, audience: str = AUDIENCE, **claims: Any) -> Posting:
    body = street.azure.senders.key_touched(ACCOUNT).body
    return street.azure.senders.event_grid(body, audience=audience, **claims)


@pytest.mark.parametrize("version", [1, 2])
async def test_a_token_of_either_version_opens_the_door(entra_street: Street, version: int) -> None:
    assert isinstance(await entra_street.only(event(entra_street, version=version)), Regenerated)


async def test_an_action_group_and_a_logic_app_have_tokens_of_their_own(entra_street: Street) -> None:
    senders = entra_street.azure.senders
    body = senders.key_touched(ACCOUNT, schema="common").body
    assert await entra_street.take(senders.azure_monitor(body, audience=AUDIENCE))
    assert await entra_street.take(senders.defender(senders.suspicion(ACCOUNT).body, audience=AUDIENCE))
    with pytest.raises(Refused):
        await entra_street.take(senders.azure_monitor(body, audience=AUDIENCE, azp=EVENT_GRID))


WRONG: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "expired": ({"exp": datetime.now(UTC) - timedelta(hours=2)}, "expired"),
    "not yet": ({"nbf": datetime.now(UTC) + timedelta(hours=2)}, "not valid"),
    "without an end": ({"exp": None}, "not valid"),
    "without a beginning": ({"nbf": None}, "not valid"),
    "of another issuer": ({"iss": "https://sts.windows.net/other/"}, "another tenant or authority"),
    "of another tenant": ({"tid": "00000000-0000-0000-0000-00000000000b"}, "another tenant"),
    "for another audience": ({"aud": "api://other"}, "another audience"),
    "of another application": ({"azp": "00000000-0000-0000-0000-00000000000c"}, "another application"),
    "of no application": ({"azp": None}, "another application"),
    "of two applications": ({"appid": "00000000-0000-0000-0000-00000000000c"}, "another application"),
    "without the role": ({"roles": None}, "role"),
    "with another role": ({"roles": ["Reader"]}, "role"),
    "with the role as a text": ({"roles": EVENT_GRID_ROLE}, "role"),
}


@pytest.mark.parametrize(("claims", "says"), WRONG.values(), ids=WRONG.keys())
async def test_a_token_that_is_wrong_in_one_claim_is_refused(entra_street: Street, claims: Mapping[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        await entra_street.take(event(entra_street, **claims))


def _part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


async def test_another_algorithm_than_rs256_is_refused(entra_street: Street) -> None:
    """None at all, and HMAC with the public key for its secret, which is public."""
    state, good = entra_street.azure.state, event(entra_street)
    claims = good.headers["Authorization"].split(".")[1]
    public = json.dumps(key_set(state)["keys"][0]).encode()
    unsigned = f"{_part({'alg': 'none', 'kid': key_id(state)})}.{claims}."
    message = f"{_part({'alg': 'HS256', 'kid': key_id(state)})}.{claims}"
    mac = base64.urlsafe_b64encode(hmac.digest(public, message.encode(), "sha256")).decode().rstrip("=")
    hmac_signed = f"{message}.{mac}"
    wrong = [unsigned, hmac_signed, "a.b.c", "", ".", "x" * 20_000, good.headers["Authorization"][7:-6], _part([]) + ".x.y"]
    for bearer in wrong:
        with pytest.raises(Refused):
            await entra_street.take(good.with_headers(Authorization=f"Bearer {bearer}"))
    for header in ("", "Basic abc", "Bearer", "Bearer "):
        with pytest.raises(Refused):
            await entra_street.take(good.with_headers(Authorization=header))


async def test_a_token_of_a_key_that_only_bears_the_right_name_is_refused(entra_street: Street) -> None:
    good = event(entra_street)
    assert await entra_street.take(good)
    state = entra_street.azure.state
    named = key_id(state)
    state.leaks.change_signing_keys()
    claims = {"aud": AUDIENCE, "azp": EVENT_GRID, "roles": [EVENT_GRID_ROLE]}
    forged = signed_token(state, entra_street.azure.authority, claims)
    payload = jwt.decode(forged, options={"verify_signature": False})
    renamed = jwt.encode(payload, state.leaks.signing_key, algorithm="RS256", headers={"kid": named})
    with pytest.raises(Refused):
        await entra_street.take(good.with_headers(Authorization=f"Bearer {renamed}"))


def test_issuers_are_those_of_the_cloud() -> None:
    assert issuers("https://login.microsoftonline.com", TENANT) == [
        f"https://sts.windows.net/{TENANT}/",
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
    ]
    assert f"https://login.partner.microsoftonline.cn/{TENANT}/v2.0" in issuers("https://login.chinacloudapi.cn", TENANT)
    assert issuers("https://own.example", TENANT) == [f"https://own.example/{TENANT}/", f"https://own.example/{TENANT}/v2.0"]


# --- the keys -----------------------------------------------------------------------------------------------------------------------


class Authority:
    """Entra's documents, counted, and broken at will."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self.asked: list[str] = []
        self.down = False
        self.place = f"{street.azure.authority}/keys"
        self.now = 0.0

    async def __call__(self, url: str) -> Any:
        self.asked.append(url)
        if self.down:
            raise Transient("Entra: no answer")
        return key_set(self.street.azure.state) if url.endswith("/keys") else {"jwks_uri": self.place}

    def clock(self) -> float:
        return self.now


@pytest.fixture
def authority(street: Street) -> Authority:
    return Authority(street)


Check = Callable[[], Any]


@pytest.fixture
def checked(street: Street, authority: Authority) -> Check:
    entra = Entra(street.azure.authority, authority, authority.clock)
    expected = Expected(tenant=street.azure.tenant, audience=AUDIENCE, callers=frozenset({EVENT_GRID}), role=EVENT_GRID_ROLE)

    def check() -> Any:
        claims = {"aud": AUDIENCE, "azp": EVENT_GRID, "roles": [EVENT_GRID_ROLE]}
        return entra.check(signed_token(street.azure.state, street.azure.authority, claims), expected)

    return check


async def test_keys_are_fetched_once_and_again_when_a_new_one_is_named(street: Street, authority: Authority, checked: Check) -> None:
    for _ in range(5):
        await checked()
    assert len(authority.asked) == 2
    street.azure.state.leaks.change_signing_keys()
    authority.now += 61
    await checked()
    assert len(authority.asked) == 4


async def test_unknown_keys_make_one_fetch_a_minute(street: Street, authority: Authority, checked: Check) -> None:
    await checked()
    street.azure.state.leaks.change_signing_keys()
    for _ in range(20):
        with pytest.raises(Refused):
            await checked()
    assert len(authority.asked) == 2


async def test_keys_that_cannot_be_had_are_the_senders_to_try_again(authority: Authority, checked: Check) -> None:
    authority.down = True
    with pytest.raises(Unverifiable) as raised:
        await checked()
    assert raised.value.status == 503
    authority.down, authority.now = False, 61
    await checked()
    authority.down, authority.now = True, 61 + 25 * 3600
    await checked()
    authority.now = 61 + 8 * 24 * 3600
    with pytest.raises(Unverifiable):
        await checked()


@pytest.mark.parametrize("place", ["https://evil.example/keys", "http://127.0.0.1/keys", None, "https://[", 7])
async def test_keys_come_from_the_configured_authority_alone(authority: Authority, checked: Check, place: Any) -> None:
    authority.place = place
    with pytest.raises(Unverifiable):
        await checked()
    assert all(url.startswith(authority.street.azure.authority) for url in authority.asked)


async def test_the_client_asks_no_other_authority_either(street: Street, session: aiohttp.ClientSession) -> None:
    with pytest.raises(Rejected):
        await Api(session, street.azure.authority)("https://evil.example/keys")
    with pytest.raises(Rejected):
        await Api(session, "https://a.example")("https://a.example.evil.example/keys")
    with pytest.raises(Rejected):
        Api(session, "http://a.example")
