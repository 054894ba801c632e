"""Answers that no document knows, through the real SDK clients and over a real connection: a look is Unseen (or Stale), a delivery a fault;
nothing else ever comes out of a kind.
"""

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest
import pytest_asyncio

from rotator.core.credential import Dependent
from rotator.core.faults import Fault
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption
from rotator.dependents import Tools, make
from tests.azure.odd import OddAzure, odd_azure
from tests.azure.test_odd_answers import BODIES
from tests.dependents.conftest import GROUP, OLD, PUBLISHED, dependent

APIM = {"service": f"{GROUP}/Microsoft.ApiManagement/service/apim", "named_value": None, "backend": None, "header": None, "query": None}
ACI = f"{GROUP}/Microsoft.ContainerInstance/containerGroups/batch"
DEPENDENTS = {
    "app-service": dependent("app-service", site=f"{GROUP}/Microsoft.Web/sites/api", setting="KEY"),
    "slot": dependent("app-service", site=f"{GROUP}/Microsoft.Web/sites/api/slots/s", setting="KEY"),
    "container-app": dependent("container-app", app=f"{GROUP}/Microsoft.App/containerApps/worker", secret="key"),
    "container-app-job": dependent("container-app-job", job=f"{GROUP}/Microsoft.App/jobs/nightly", secret="key"),
    "container-instance": dependent("container-instance", group=ACI, variable="KEY", container=None, secure={}),
    "named-value": dependent("api-management", **{**APIM, "named_value": "key"}),
    "backend": dependent("api-management", **{**APIM, "backend": "b", "header": "api-key"}),
    "foundry": dependent("foundry-connection", connection=f"{GROUP}/Microsoft.CognitiveServices/accounts/a/connections/c"),
    "machine-learning": dependent(
        "machine-learning-connection", connection=f"{GROUP}/Microsoft.MachineLearningServices/workspaces/w/connections/c"
    ),
    "data-factory": dependent("data-factory", linked_service=f"{GROUP}/Microsoft.DataFactory/factories/f/linkedservices/l", property="key"),
}
ODD = (
    *BODIES,
    f'{{"properties":{{"KEY":"{OLD}"}}}}',
    '{"properties":{"KEY":5}}',
    '{"properties":{"KEY":"@Microsoft.KeyVault(VaultName=kv-prod;SecretName=chat-key)"}}',
    '{"value":[{"name":"key"}],"properties":{"provisioningState":"InProgress"}}',
    '{"value":[{"name":"key","value":5}],"systemData":{"lastModifiedAt":"soon"}}',
    '{"value":[{"name":"key","value":"old","properties":{"active":true,"createdTime":"x","startTime":"x","status":"Running"}}]}',
    '{"properties":{"containers":[{}]}}',
    '{"properties":{"containers":[{"name":"c","properties":{"environmentVariables":[{"name":"KEY"}]}}]}}',
    '{"properties":{"containers":[{"name":"c","properties":{"environmentVariables":[{"name":"KEY","value":5}]}}]},"tags":[]}',
    '{"properties":{"keyVault":{"secretIdentifier":"x"}}}',
    '{"properties":{"credentials":{"header":{"api-key":5}}}}',
    '{"properties":{"authType":"ApiKey"}}',
    '{"properties":{"authType":"ApiKey","metadata":[],"credentials":5}}',
    '{"etag":"e","properties":{"typeProperties":{"key":{"type":"AzureKeyVaultSecret"}}}}',
    '{"etag":"e","properties":{"typeProperties":{"key":{"type":"SecureString"}},"annotations":5}}',
    '{"etag":5,"properties":{"typeProperties":{"key":{"type":"SecureString"}}}}',
)


@pytest_asyncio.fixture
async def odd() -> AsyncIterator[OddAzure]:
    async with odd_azure() as opened:
        yield opened


@pytest.mark.parametrize("one", DEPENDENTS.values(), ids=list(DEPENDENTS))
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_an_odd_answer_is_never_more_than_unseen_and_a_fault(odd: OddAzure, tmp_path: Path, one: Dependent, status: int) -> None:
    for body in ODD:
        odd.status, odd.body = status, body
        odd.sent.clear()
        made = make(one.kind, Tools(azure=odd.azure, secret=_secret, directory=tmp_path, pause=_pause))
        found = await made.adoption(one, PUBLISHED)
        assert odd.sent, body
        assert found.adoption in (Adoption.UNSEEN, Adoption.STALE), body
        assert found.because, body
        fault = await fault_of(made.deliver(one, PUBLISHED))
        assert fault or status == 200, body


async def fault_of(work: Awaitable[None]) -> Fault | None:
    try:
        await work
    except Fault as fault:
        return fault
    return None


async def _secret(_: str) -> Sealed:
    return Sealed("a secret")


async def _pause(_: float) -> None:
    return None


def test_the_odd_answers_are_many() -> None:
    assert len(ODD) > len(BODIES) > 20
    assert all(isinstance(body, str) for body in ODD)
