"""The surfaces outside Azure, asked with bare HTTP: strict about who asks and how, with the truth at the control port alone."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from rotator.sandbox import Sandbox


@pytest_asyncio.fixture
async def session(azure: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    tls = ssl.create_default_context(cafile=str(azure.ca_file))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as opened:
        yield opened


async def asked(session: aiohttp.ClientSession, method: str, url: str, **options: Any) -> tuple[int, Any]:
    async with session.request(method, url, **options) as answer:
        return answer.status, await answer.json(content_type=None) if answer.content_type.endswith("json") else await answer.text()


@pytest.mark.parametrize(
    ("surface", "path", "status"),
    [
        ("kubernetes", "/api/v1/namespaces/prod/secrets/chat", 401),
        ("github_secrets", "/repos/contoso/chat/actions/secrets/public-key", 401),
        ("app_configuration", "/kv/key?api-version=2023-11-01", 401),
        ("azure_devops", "/contoso/Chat/_apis/distributedtask/variablegroups/7?api-version=7.1", 203),
        ("receiver", "/hooks/nobody", 404),
    ],
)
async def test_nobody_gets_in_without_a_token(azure: Sandbox, session: aiohttp.ClientSession, surface: str, path: str, status: int) -> None:
    assert (await asked(session, "GET", azure.url(surface) + path, headers={"User-Agent": "x"}))[0] == status


async def test_the_cluster_answers_with_a_status_object(azure: Sandbox, session: aiohttp.ClientSession) -> None:
    azure.add_consumer("cluster_secret", "prod/chat", data={"key": "a value"})
    url, headers = (
        f"{azure.url('kubernetes')}/api/v1/namespaces/prod/secrets/chat",
        {"Authorization": f"Bearer {azure.elsewhere.cluster.token}"},
    )
    status, found = await asked(session, "GET", url, headers=headers)
    assert (status, base64.b64decode(found["data"]["key"])) == (200, b"a value")
    azure.elsewhere.cluster.denied.add("secrets/get")
    status, refused = await asked(session, "GET", url, headers=headers)
    assert (status, refused["kind"], refused["reason"], refused["code"]) == (403, "Status", "Forbidden", 403)


@pytest.mark.parametrize(
    ("change", "content_type", "status"),
    [
        ({"metadata": {"resourceVersion": "1"}, "data": {}}, "application/merge-patch+json", 409),
        ({"data": {"key": "no base64!"}}, "application/merge-patch+json", 400),
        ({"data": {}}, "application/json", 415),
        ({"data": {"key": None}}, "application/merge-patch+json", 200),
    ],
)
async def test_a_patch_is_checked(
    azure: Sandbox, session: aiohttp.ClientSession, change: dict[str, Any], content_type: str, status: int
) -> None:
    azure.add_consumer("cluster_secret", "prod/chat", data={"key": "a value", "other": "another"})
    headers = {"Authorization": f"Bearer {azure.elsewhere.cluster.token}", "Content-Type": content_type}
    url = f"{azure.url('kubernetes')}/api/v1/namespaces/prod/secrets/chat"
    found, body = await asked(session, "PATCH", url, headers=headers, json=change)
    assert found == status
    assert status != 200 or set(body["data"]) == {"other"}


async def test_a_signature_of_the_store_is_checked(azure: Sandbox, session: aiohttp.ClientSession) -> None:
    headers = {"Authorization": f"HMAC-SHA256 Credential={azure.elsewhere.store.id}&SignedHeaders=x-ms-date&Signature=AAAA"}
    status, found = await asked(session, "GET", f"{azure.url('app_configuration')}/kv/key?api-version=1", headers=headers)
    assert (status, "digest" in found["title"]) == (401, True)


async def test_github_opens_only_what_was_sealed_for_it(azure: Sandbox, session: aiohttp.ClientSession) -> None:
    headers = {"Authorization": f"Bearer {azure.elsewhere.github.token}", "User-Agent": "x"}
    place = f"{azure.url('github_secrets')}/repos/contoso/chat/actions/secrets"
    _, key = await asked(session, "GET", f"{place}/public-key", headers=headers)
    for sealed in ("a value", base64.b64encode(b"a value").decode()):
        body = {"encrypted_value": sealed, "key_id": key["key_id"]}
        assert (await asked(session, "PUT", f"{place}/KEY", headers=headers, json=body))[0] == 422
    assert (await asked(session, "GET", f"{place}/KEY", headers=headers))[0] == 404


async def test_another_process_can_furnish_and_connect(azure: Sandbox, session: aiohttp.ClientSession) -> None:
    control = azure.control_url
    template = {"metadata": {}, "spec": {"containers": [{"name": "chat"}]}}
    furnish = {"noun": "workload", "name": "prod/deployment/chat", "spec": {"template": template}}
    status, made = await asked(session, "POST", f"{control}/consumers", json=furnish)
    assert (status, made) == (201, {"id": "kubernetes:prod/deployments/chat"})
    _, settings = await asked(session, "GET", f"{control}/settings")
    there = settings["elsewhere"]
    assert there["kubeconfig"]["clusters"][0]["cluster"]["server"] == azure.url("kubernetes")
    assert set(there) == {"kubeconfig", "github", "azure_devops", "app_configuration", "receiver"}


async def test_a_volume_follows_and_a_variable_does_not(azure: Sandbox) -> None:
    """The kubelet's lag, on a clock that can be moved."""
    azure.add_consumer("cluster_secret", "prod/chat", data={"key": "old"})
    container = {
        "name": "chat",
        "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "chat", "key": "key"}}}],
        "volumeMounts": [{"name": "v", "mountPath": "/key"}],
    }
    spec = {"template": {"spec": {"containers": [container], "volumes": [{"name": "v", "secret": {"secretName": "chat"}}]}}}
    made = azure.add_consumer("workload", "prod/deployment/chat", spec=spec)
    new = {"data": {"key": base64.b64encode(b"new").decode()}}
    azure.elsewhere.cluster.patch(("secrets", "prod", "chat"), new, azure.state)
    held = [azure.holds(made.id, how, "chat", "key") for how in ("env", "volume")]
    azure.pass_time(91)
    assert (held, [azure.holds(made.id, how, "chat", "key") for how in ("env", "volume")]) == (["old", "old"], ["old", "new"])
