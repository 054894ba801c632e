"""Who may look: the operator's token as a password only where nobody could read it; Entra's in whichever header it comes."""

import base64
import secrets
from collections.abc import Mapping
from ipaddress import ip_network

import pytest

from rotator.alerts.authentic import SharedSecret
from rotator.alerts.delivery import Refused
from rotator.alerts.gate import Expected
from rotator.web.orders import Doorkeeper
from rotator.web.page.visitor import BASIC, InTheClear, Knock, Nobody, Visitors

TOKEN = secrets.token_urlsafe(24)
HERE, THERE, PROXY = "127.0.0.1", "203.0.113.9", "10.1.2.3"
EXPECTED = Expected(tenant="t", audience="a", callers=frozenset({"c"}))


class OnlyOne:
    """Takes one token as Entra's."""

    async def check(self, token: str, expected: Expected) -> Mapping[str, object]:
        if token != "good.entra.token":
            raise Refused("the bearer token is no JWT")
        return {"upn": "alice@example.com"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def visitors(*, token: bool = True, entra: bool = False, viewer: str = "") -> Visitors:
    secret = SharedSecret(TOKEN, "a test") if token else None
    keeper = Doorkeeper(secret, OnlyOne(), EXPECTED) if entra else Doorkeeper(secret)
    return Visitors(keeper, SharedSecret(viewer, "a test") if viewer else None, [ip_network("10.0.0.0/8")])


@pytest.mark.parametrize("user", ["", "me", "änne", "a" * 100])
async def test_any_user_with_the_token_as_the_password_is_let_in(user: str) -> None:
    assert await visitors().who(Knock(peer=HERE, headers=basic(user, TOKEN))) == "operator token"


@pytest.mark.parametrize(
    "given", ["", "Basic", "Basic !!!", "Basic " + base64.b64encode(b"\xff:x").decode(), "Basic bWU=", "Digest x", "x"]
)
async def test_what_is_no_password_lets_nobody_in(given: str) -> None:
    with pytest.raises(Refused):
        await visitors().who(Knock(peer=HERE, headers={"authorization": given}))


async def test_a_password_that_is_not_written_as_http_says_lets_nobody_in_though_it_is_the_right_one() -> None:
    scheme, given = basic("me", TOKEN)["authorization"].split()
    with pytest.raises(Refused):
        await visitors().who(Knock(peer=HERE, headers={"authorization": f"{scheme} !{given}"}))


@pytest.mark.parametrize(
    "password", ["", TOKEN[:-1], TOKEN + "x", TOKEN.swapcase(), TOKEN * 300], ids=["none", "shorter", "longer", "other case", "many times"]
)
async def test_a_wrong_password_lets_nobody_in(password: str) -> None:
    with pytest.raises(Refused):
        await visitors().who(Knock(peer=HERE, headers=basic("me", password)))


@pytest.mark.parametrize(
    ("peer", "headers", "private"),
    [
        (HERE, {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        (THERE, {}, False),
        (PROXY, {}, False),
        ("", {}, False),
        (PROXY, {"x-forwarded-proto": "https"}, True),
        (PROXY, {"x-forwarded-proto": "HTTPS, https"}, True),
        (PROXY, {"x-forwarded-proto": "https, http"}, False),
        (PROXY, {"x-forwarded-proto": "http"}, False),
        (THERE, {"x-forwarded-proto": "https"}, False),
        (HERE, {"x-forwarded-proto": "https"}, True),
        (HERE, {"x-forwarded-proto": "http"}, False),
        (HERE, {"x-forwarded-proto": ""}, False),
        (HERE, {"x-forwarded-for": THERE}, False),
        (HERE, {"x-forwarded-host": "rotator.example"}, False),
        (HERE, {"x-real-ip": THERE}, False),
        (HERE, {"via": "1.1 proxy"}, False),
        (HERE, {"forwarded": f"for={THERE};proto=https"}, False),
        (PROXY, {"forwarded": "proto=https"}, False),
    ],
)
async def test_a_password_is_taken_where_nobody_could_read_it(peer: str, headers: dict[str, str], private: bool) -> None:
    house, knock = visitors(), Knock(peer=peer, headers={**headers, **basic("me", TOKEN)})
    assert house.challenge(knock).startswith("Basic") is private
    if private:
        assert await house.who(knock) == "operator token"
    else:
        with pytest.raises(InTheClear):
            await house.who(knock)


async def test_a_bearer_is_taken_as_orders_take_it() -> None:
    assert await visitors().who(Knock(peer=THERE, headers={"authorization": f"Bearer {TOKEN}"})) == "operator token"
    with pytest.raises(Refused):
        await visitors().who(Knock(peer=THERE, headers={"authorization": "Bearer x"}))


@pytest.mark.parametrize("header", ["x-ms-token-aad-access-token", "x-forwarded-access-token"])
async def test_a_proxy_that_signed_the_person_in_hands_entras_token_on(header: str) -> None:
    house = visitors(token=False, entra=True)
    assert await house.who(Knock(peer=THERE, headers={header: "good.entra.token"})) == "Entra alice@example.com"
    with pytest.raises(Refused):
        await house.who(Knock(peer=HERE, headers={header: "forged"}))


@pytest.mark.parametrize("header", ["x-ms-token-aad-access-token", "x-forwarded-access-token"])
async def test_what_a_proxy_hands_on_is_entras_or_nothing(header: str) -> None:
    for house in (visitors(), visitors(entra=True), visitors(viewer=TOKEN)):
        with pytest.raises(Refused):
            await house.who(Knock(peer=HERE, headers={header: TOKEN}))


@pytest.mark.parametrize(
    "header", ["x-ms-client-principal-name", "x-ms-client-principal", "x-forwarded-user", "x-forwarded-email", "remote-user"]
)
async def test_a_mere_name_in_a_header_is_nobody(header: str) -> None:
    with pytest.raises(Nobody):
        await visitors(entra=True).who(Knock(peer=HERE, headers={header: "alice@example.com"}))


async def test_with_entra_alone_no_password_is_asked_for() -> None:
    house = visitors(token=False, entra=True)
    assert house.challenge(Knock(peer=HERE, headers={})) == "Bearer"
    with pytest.raises(Refused):
        await house.who(Knock(peer=HERE, headers=basic("me", "good.entra.token")))


def test_with_neither_it_is_not_open() -> None:
    assert not visitors(token=False).is_open


async def test_who_has_the_viewers_token_looks_and_no_more() -> None:
    looks = secrets.token_urlsafe(24)
    for house in (visitors(viewer=looks), visitors(token=False, viewer=looks)):
        assert house.is_open
        assert house.challenge(Knock(peer=HERE, headers={})) == BASIC
        assert await house.who(Knock(peer=HERE, headers=basic("me", looks))) == "viewer token"
        assert await house.who(Knock(peer=THERE, headers={"authorization": f"Bearer {looks}"})) == "viewer token"
        with pytest.raises(InTheClear):
            await house.who(Knock(peer=THERE, headers=basic("me", looks)))
    with pytest.raises(Refused):
        await Doorkeeper(SharedSecret(TOKEN, "a test")).who({"authorization": f"Bearer {looks}"})
