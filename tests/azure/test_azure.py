"""Who we are, which cloud, one send at most, and every error of the SDKs as a fault."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock, create_autospec

import aiohttp
import azure.identity.aio as entra
import pytest
from aiohttp import web
from azure.core import AzureClouds
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.identity import CredentialUnavailableError
from azure.mgmt.core.tools import get_arm_endpoints

from rotator.azure import (
    CLOUDS,
    ClientSecret,
    Cloud,
    Identity,
    SendOnceTransport,
    Tokens,
    error_code,
    faults,
    open_azure,
    sent_once,
)
from rotator.azure.answers import RETRY_AFTER_MAX, RETRY_AFTER_UNSAID
from rotator.azure.identity import remedy_for
from rotator.azure.wire import PAUSE_MAX_S
from rotator.core.faults import Ambiguous, Conflict, Denied, Fault, Missing, Rejected, Throttled, Transient
from tests.azure.conftest import answered

# --- clouds and identities --------------------------------------------------------------------------------------------------

OFFICIAL = {"public": AzureClouds.AZURE_PUBLIC_CLOUD, "usgov": AzureClouds.AZURE_US_GOVERNMENT, "china": AzureClouds.AZURE_CHINA_CLOUD}


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cloud_is_as_the_sdk_has_it(name: str) -> None:
    official = get_arm_endpoints(OFFICIAL[name])
    cloud = CLOUDS[name]
    assert cloud.resource_manager == official["resource_manager"].rstrip("/")
    assert [f"{cloud.audience}/.default"] == [scope.replace("//.default", "/.default") for scope in official["credential_scopes"]]
    authorities = {"public": "AZURE_PUBLIC_CLOUD", "usgov": "AZURE_GOVERNMENT", "china": "AZURE_CHINA"}
    assert cloud.authority == f"https://{getattr(entra_authorities(), authorities[name])}"


def entra_authorities() -> Any:
    from azure.identity import AzureAuthorityHosts

    return AzureAuthorityHosts


PRIVATE = Cloud(authority="https://login.invalid", resource_manager="https://arm.invalid", audience="https://arm.invalid", private=True)
SERVICE_PRINCIPAL = ClientSecret(tenant="a-tenant", client="a-client", secret=lambda: "not said")
IDENTITIES: dict[str, tuple[Identity, type[Any]]] = {
    "default": ("default", entra.DefaultAzureCredential),
    "managed-identity": ("managed-identity", entra.ManagedIdentityCredential),
    "azure-cli": ("azure-cli", entra.AzureCliCredential),
    "workload": ("workload", entra.WorkloadIdentityCredential),
    "a client secret": (SERVICE_PRINCIPAL, entra.ClientSecretCredential),
}


@pytest.mark.parametrize("name", IDENTITIES)
@pytest.mark.parametrize("cloud", [*CLOUDS.values(), PRIVATE], ids=[*CLOUDS, "private"])
async def test_each_identity_is_the_credential_of_that_name(
    name: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable, value in (("TENANT_ID", "t"), ("CLIENT_ID", "c"), ("FEDERATED_TOKEN_FILE", str(tmp_path / "token"))):
        monkeypatch.setenv(f"AZURE_{variable}", value)
    identity, kind = IDENTITIES[name]
    async with open_azure(cloud, identity) as azure:
        assert type(azure.credential._source) is kind
        assert azure.arm_scope == f"{cloud.audience}/.default"
        assert "not said" not in repr(azure)


async def test_an_identity_that_lacks_something_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TENANT_ID", "CLIENT_ID", "FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(f"AZURE_{variable}", raising=False)
    for identity in ("workload", ClientSecret(tenant="no tenant!", client="c", secret=lambda: "not said")):
        with pytest.raises(Rejected, match="identity: ") as caught:
            async with open_azure(CLOUDS["public"], identity):
                pass
        assert "not said" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
async def test_a_ca_file_that_holds_none_is_said_in_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    cloud = Cloud(authority="https://a.invalid", resource_manager="https://b.invalid", audience="https://b.invalid", ca_file=str(path))
    with pytest.raises(Rejected, match=r"ca\.pem"):
        async with open_azure(cloud, "azure-cli"):
            pass


# --- errors to faults -------------------------------------------------------------------------------------------------------


def caused(error: AzureError, cause: BaseException) -> AzureError:
    error.__cause__ = cause
    return error


def refused_connection(kind: type[aiohttp.ClientConnectorError] = aiohttp.ClientConnectorError) -> aiohttp.ClientConnectorError:
    key = Mock(host="kv.invalid", port=443, ssl=True)
    return kind(key, OSError(111, "refused"))


def certificate() -> aiohttp.ClientConnectorCertificateError:
    return aiohttp.ClientConnectorCertificateError(Mock(host="kv.invalid", port=443), ssl.SSLCertVerificationError())


# error → (fault of a read, fault of a call that changes something)
TABLE: dict[str, tuple[Callable[[], Exception], type[Fault], type[Fault]]] = {
    "400": (lambda: answered(400, "BadRequest"), Rejected, Rejected),
    "401": (lambda: answered(401, kind=ClientAuthenticationError), Denied, Denied),
    "401 unmapped": (lambda: answered(401), Denied, Denied),
    "403": (lambda: answered(403, "AuthorizationFailed"), Denied, Denied),
    "404": (lambda: answered(404, kind=ResourceNotFoundError), Missing, Missing),
    "405": (lambda: answered(405), Rejected, Rejected),
    "408": (lambda: answered(408), Transient, Ambiguous),
    "409": (lambda: answered(409, kind=ResourceExistsError), Conflict, Conflict),
    "412": (lambda: answered(412, kind=ResourceModifiedError), Conflict, Conflict),
    "415": (lambda: answered(415), Rejected, Rejected),
    "429": (lambda: answered(429), Throttled, Throttled),
    "500": (lambda: answered(500), Transient, Ambiguous),
    "502": (lambda: answered(502), Transient, Ambiguous),
    "503": (lambda: answered(503), Transient, Ambiguous),
    "504": (lambda: answered(504), Transient, Ambiguous),
    "302": (lambda: answered(302), Transient, Ambiguous),
    "200 that is no JSON": (lambda: answered(200, kind=DecodeError), Transient, Ambiguous),
    "200 cut short": (lambda: answered(200, kind=IncompleteReadError), Transient, Ambiguous),
    "cut short": (lambda: IncompleteReadError("cut"), Transient, Ambiguous),
    "refused connection": (lambda: caused(ServiceRequestError("x"), refused_connection()), Transient, Transient),
    "no such name": (lambda: caused(ServiceRequestError("x"), refused_connection(aiohttp.ClientConnectorDNSError)), Transient, Transient),
    "proxy refuses": (
        lambda: caused(ServiceRequestError("x"), refused_connection(aiohttp.ClientProxyConnectionError)),
        Transient,
        Transient,
    ),
    "proxy wants a login": (lambda: caused(ServiceResponseError("x"), aiohttp.ClientHttpProxyError(Mock(), ())), Transient, Transient),
    "certificate": (lambda: caused(ServiceRequestError("x"), certificate()), Transient, Transient),
    "no connection in time": (lambda: caused(ServiceRequestTimeoutError("x"), aiohttp.ConnectionTimeoutError()), Transient, Transient),
    "dropped": (lambda: caused(ServiceRequestError("x"), aiohttp.ClientConnectionError()), Transient, Ambiguous),
    "dropped by the server": (lambda: caused(ServiceRequestError("x"), aiohttp.ServerDisconnectedError()), Transient, Ambiguous),
    "no cause": (lambda: ServiceRequestError("x"), Transient, Ambiguous),
    "no answer in time": (lambda: caused(ServiceResponseTimeoutError("x"), TimeoutError()), Transient, Ambiguous),
    "half an answer": (lambda: caused(ServiceResponseError("x"), aiohttp.ClientPayloadError()), Transient, Ambiguous),
    "aiohttp itself": (lambda: aiohttp.ServerDisconnectedError(), Transient, Ambiguous),
    "a timeout itself": (lambda: TimeoutError(), Transient, Ambiguous),
    "some AzureError": (lambda: AzureError("x"), Transient, Ambiguous),
    "an id that is none": (lambda: ValueError("'x' is not a valid ID"), Transient, Ambiguous),
    "null for an object": (lambda: AttributeError("'NoneType' object has no attribute 'key1'"), Transient, Ambiguous),
    "an answer nested too deep": (lambda: RecursionError(), Transient, Ambiguous),
    "a strange challenge": (lambda: ValueError("The challenge resource 'x' does not match the requested domain"), Rejected, Rejected),
    "a fault already": (lambda: Missing("said"), Missing, Missing),
}


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("mutates", [False, True], ids=["reads", "changes"])
def test_each_error_is_one_fault_that_repeats_nothing(name: str, mutates: bool) -> None:
    make, of_read, of_change = TABLE[name]
    error = make()
    with pytest.raises(Fault) as caught, faults("a call", mutates=mutates, needs="some/action"):
        raise error
    fault = caught.value
    assert type(fault) is (of_change if mutates else of_read)
    assert "nobody may see" not in f"{fault} {fault.remedy}"
    if not isinstance(error, Fault):
        assert fault.what.startswith("a call: ")
        assert fault.__cause__ is error
    if isinstance(fault, Denied):
        assert fault.remedy


@pytest.mark.parametrize("error", [AssertionError(), NameError("x"), asyncio.CancelledError(), KeyboardInterrupt()])
def test_what_is_a_mistake_of_ours_stays_one(error: BaseException) -> None:
    with pytest.raises(type(error)), faults("a call"):
        raise error


@pytest.mark.parametrize("code", ["x" * 100, "a secret\nvalue", 'quo"ted', ""])
def test_a_code_that_is_none_is_not_repeated(code: str) -> None:
    with pytest.raises(Rejected) as caught, faults("a call"):
        raise answered(400, code)
    assert str(caught.value) == "a call: 400"


def test_the_codes_stand_behind_a_fault() -> None:
    with pytest.raises(Denied) as caught, faults("a call"):
        raise answered(403, "Forbidden", "SecretDisabled")
    assert error_code(caught.value) == ("Forbidden", "SecretDisabled")
    assert error_code(Missing("said")) == ("", "")


IN_HALF_AN_HOUR = "in half an hour"
"""Stands for the date that it is when the test runs: the rest of the suite may take long."""
PAST = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "waits_s"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": IN_HALF_AN_HOUR}, 1800),
        ({"Retry-After": PAST}, 0),
        ({"retry-after-ms": "2500"}, 2.5),
        ({"x-ms-retry-after-ms": "2500", "Retry-After": "3"}, 2.5),
        ({"Retry-After": "86400"}, RETRY_AFTER_MAX.total_seconds()),
        ({"Retry-After": "9" * 400}, RETRY_AFTER_UNSAID.total_seconds()),
        ({"Retry-After": "9" * 30}, RETRY_AFTER_MAX.total_seconds()),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, RETRY_AFTER_MAX.total_seconds()),
        ({"Retry-After": "-5"}, RETRY_AFTER_UNSAID.total_seconds()),
        ({"Retry-After": "soon"}, RETRY_AFTER_UNSAID.total_seconds()),
        ({"Retry-After": "nan"}, RETRY_AFTER_UNSAID.total_seconds()),
        ({"Retry-After": "inf"}, RETRY_AFTER_UNSAID.total_seconds()),
        ({"Retry-After": "²"}, RETRY_AFTER_UNSAID.total_seconds()),
        ({"Retry-After": ""}, RETRY_AFTER_UNSAID.total_seconds()),
        ({}, RETRY_AFTER_UNSAID.total_seconds()),
    ],
)
def test_a_wait_that_is_asked_for_is_understood_and_bounded(headers: dict[str, str], waits_s: float) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True)
    with pytest.raises(Throttled) as caught, faults("a call"):
        raise answered(429, headers={name: soon if value == IN_HALF_AN_HOUR else value for name, value in headers.items()})
    assert (caught.value.until - datetime.now(UTC)).total_seconds() == pytest.approx(waits_s, abs=2 if waits_s < 1800 else 120)


# --- at most once -------------------------------------------------------------------------------------------------------------


class Wire(SendOnceTransport):
    """Our transport over a session that answers without a network."""

    def __init__(self, *answers: int | Exception | float, timeout_s: float = 5) -> None:
        self.answers = list(answers)
        self.sent: list[str] = []
        super().__init__(self._session(), timeout_s)

    def _session(self) -> Any:
        session = create_autospec(aiohttp.ClientSession, instance=True)
        session.auto_decompress = False
        session.request = self._request
        return session

    async def _request(self, method: str, url: str, **_: Any) -> Any:
        self.sent.append(method)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = 200
        response = create_autospec(aiohttp.ClientResponse, instance=True)
        response.status, response.headers, response.reason = answer, {}, "because"
        response.read = AsyncMock(return_value=b"")
        response.content = Mock(iter_chunked=Mock(return_value=AsyncMock(__anext__=AsyncMock(side_effect=StopAsyncIteration))))
        return response


def request(method: str = "POST", *, authorised: bool = True) -> HttpRequest:
    return HttpRequest(method, "https://arm.invalid/x", headers={"Authorization": "said"} if authorised else {})


@pytest.mark.parametrize(("status", "fault"), [(401, Denied), (400, Rejected), (429, Rejected), (500, Ambiguous), (503, Ambiguous)])
async def test_a_second_send_is_refused_and_says_why_by_the_first_answer(status: int, fault: type[Fault]) -> None:
    wire = Wire(status, 200)
    with sent_once("a call"):
        await wire.send(request())
        with pytest.raises(fault):
            await wire.send(request())
    assert wire.sent == ["POST"]


async def test_a_second_send_after_no_answer_is_refused() -> None:
    wire = Wire(aiohttp.ServerDisconnectedError(), 200)
    with sent_once("a call"):
        with pytest.raises(ServiceRequestError):
            await wire.send(request())
        with pytest.raises(Ambiguous):
            await wire.send(request())
    assert wire.sent == ["POST"]


async def test_what_carries_no_effect_does_not_use_the_ticket_up() -> None:
    wire = Wire(401, 200, 200, 200)
    with sent_once("a call"):
        await wire.send(request("PUT", authorised=False))
        await wire.send(request("GET"))
        await wire.send(request("PUT"))
        await wire.send(request("GET"))
    assert wire.sent == ["PUT", "GET", "PUT", "GET"]


async def test_outside_and_beside_one_another_tickets_do_not_meet() -> None:
    wire = Wire(*[200] * 12)

    async def call() -> None:
        with sent_once("a call"):
            await asyncio.sleep(0)
            await wire.send(request())

    await asyncio.gather(*(call() for _ in range(10)))
    await wire.send(request())
    await wire.send(request())
    assert len(wire.sent) == 12


async def test_an_exchange_has_a_bound_as_a_whole() -> None:
    wire = Wire(30.0, timeout_s=0.05)
    with pytest.raises(ServiceResponseTimeoutError):
        await wire.send(request("GET"))


async def test_an_answer_that_drips_is_not_waited_for(tmp_path: Path) -> None:
    """A byte now and then keeps every socket timeout quiet."""

    async def drip(asked: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(asked)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)

    async with serving(drip) as url, aiohttp.ClientSession() as session:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ServiceResponseTimeoutError):
            await SendOnceTransport(session, 0.4).send(HttpRequest("GET", url))
        assert asyncio.get_running_loop().time() - began < 2


async def test_a_call_that_is_cancelled_is_over_at_once() -> None:
    wire = Wire(30.0)
    with pytest.raises(TimeoutError), sent_once("a call"):
        async with asyncio.timeout(0.05):
            await wire.send(request())
    await wire_is_free(wire)


async def wire_is_free(wire: Wire) -> None:
    wire.answers.append(200)
    await wire.send(request())
    assert wire.sent == ["POST", "POST"]


async def test_a_pause_between_two_tries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(duration: float) -> None:
        slept.append(duration)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    for asked in (0.5, 100_000, float("inf")):
        await Wire().sleep(asked)
    assert slept == [0.5, PAUSE_MAX_S, PAUSE_MAX_S]


class serving:  # noqa: N801  # reads as what it does
    """A plain loopback server with one handler."""

    def __init__(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()


# --- tokens -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ClientAuthenticationError("refused"), Denied),
        (CredentialUnavailableError("no az"), Denied),
        (answered(400, "invalid_client", kind=ClientAuthenticationError), Denied),
        (answered(401, kind=ClientAuthenticationError), Denied),
        (answered(403, kind=ClientAuthenticationError), Denied),
        (answered(429, headers={"Retry-After": "9"}, kind=ClientAuthenticationError), Throttled),
        (answered(500, kind=ClientAuthenticationError), Transient),
        (answered(503, kind=HttpResponseError), Transient),
        (ServiceResponseTimeoutError("x"), Transient),
        (caused(ServiceRequestError("x"), refused_connection()), Transient),
        (TimeoutError(), Transient),
        (ValueError("Invalid HTTP date"), Transient),
    ],
)
@pytest.mark.parametrize("ask", ["get_token", "get_token_info"])
async def test_a_token_that_is_not_given_is_never_mistaken_for_a_lost_effect(error: Exception, fault: type[Fault], ask: str) -> None:
    source = create_autospec(entra.ClientSecretCredential, instance=True)
    getattr(source, ask).side_effect = error
    with pytest.raises(Fault) as caught, faults("a set", mutates=True, needs="some/action"):
        await getattr(Tokens(source), ask)("scope")
    assert type(caught.value) is fault
    assert "Entra" in str(caught.value)
    assert "some/action" not in caught.value.remedy


async def test_the_tenant_that_a_vault_names_does_not_count_but_our_own() -> None:
    source = create_autospec(entra.ClientSecretCredential, instance=True)
    await Tokens(source).get_token("scope", tenant_id="a-domain.example", enable_cae=True)
    source.get_token.assert_awaited_once_with("scope", enable_cae=True)
    await Tokens(source).get_token_info("scope", options={"tenant_id": "common", "enable_cae": True})
    source.get_token_info.assert_awaited_once_with("scope", options={"enable_cae": True})


async def test_whoever_is_given_no_token_is_told_what_to_correct() -> None:
    source = create_autospec(entra.ClientSecretCredential, instance=True)
    source.get_token_info.side_effect = answered(401, kind=ClientAuthenticationError)
    for identity, says in ((SERVICE_PRINCIPAL, "client_secret"), ("managed-identity", "managed identity"), ("azure-cli", "az login")):
        with pytest.raises(Denied) as caught:
            await Tokens(source, remedy=remedy_for(identity)).get_token_info("scope")
        assert says in caught.value.remedy
        assert ("az login" in caught.value.remedy) is (identity == "azure-cli")


async def test_a_token_is_not_waited_for_without_end() -> None:
    async def never(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    source = create_autospec(entra.ClientSecretCredential, instance=True)
    source.get_token_info.side_effect = never
    with pytest.raises(Transient):
        await Tokens(source, timeout_s=0.05).get_token_info("scope")


def test_the_sdks_see_a_credential() -> None:
    from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential

    tokens = Tokens(create_autospec(entra.ClientSecretCredential, instance=True))
    assert isinstance(tokens, AsyncTokenCredential)
    assert isinstance(tokens, AsyncSupportsTokenInfo)


def test_the_mocked_answer_is_one_of_the_sdk() -> None:
    assert isinstance(answered(500).response, AsyncHttpResponse)
