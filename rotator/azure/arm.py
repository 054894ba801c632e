"""Plain calls of Azure Resource Manager, for what no SDK with an asynchronous client has: one transport, one credential."""

from collections.abc import Mapping
from typing import Any

from azure.core.pipeline.policies import HeadersPolicy, RequestIdPolicy, UserAgentPolicy
from azure.core.rest import HttpRequest
from azure.mgmt.core import AsyncARMPipelineClient
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from rotator.azure.connection import Azure

PAGES_MAX = 1_000


class ResourceManager:
    """One call at a time, never again by itself: no retry, no redirect. Raises what the SDKs raise, so `faults` translates it."""

    def __init__(self, azure: Azure) -> None:
        base = azure.cloud.resource_manager.rstrip("/")
        policies = [
            RequestIdPolicy(),
            HeadersPolicy(),
            UserAgentPolicy(sdk_moniker="rotator"),
            AsyncARMChallengeAuthenticationPolicy(azure.credential, azure.arm_scope),
        ]
        self._base = base
        self._client: Any = AsyncARMPipelineClient(base_url=base, policies=policies, transport=azure.transport)

    async def call(self, method: str, resource: str, api_version: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer's JSON, which is an object. `resource` is an id, with an action behind it or not."""
        return await self._sent(HttpRequest(method, self._base + resource, params={"api-version": api_version}, json=body))

    async def every(self, resource: str, api_version: str) -> list[dict[str, Any]]:
        """All items of a list. A next page is asked for at this Resource Manager or not at all: our token goes nowhere else."""
        found: list[dict[str, Any]] = []
        request = HttpRequest("GET", self._base + resource, params={"api-version": api_version})
        for _ in range(PAGES_MAX):
            page = await self._sent(request)
            found += [one for one in page.get("value") or [] if isinstance(one, dict)]
            after = page.get("nextLink")
            if not after:
                break
            if not isinstance(after, str) or not after.lower().startswith(f"{self._base.lower()}/"):
                raise ValueError("the next page is elsewhere")
            request = HttpRequest("GET", after)
        return found

    async def _sent(self, request: HttpRequest) -> dict[str, Any]:
        response = await self._client.send_request(request)
        response.raise_for_status()
        found = response.json() if response.content else {}
        if not isinstance(found, dict):
            raise TypeError("not an object")
        return found
