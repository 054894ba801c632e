"""Plain calls of Azure Resource Manager, for what no SDK with an asynchronous client has: one transport, one credential."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from azure.core.pipeline.policies import HeadersPolicy, RequestIdPolicy, UserAgentPolicy
from azure.core.rest import HttpRequest
from azure.mgmt.core import AsyncARMPipelineClient
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from rotator.azure.connection import Azure
from rotator.azure.paging import Pages
from rotator.core.faults import Rejected

PAGES_MAX = 1_000
ROWS_MAX = 100_000


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

    async def call(
        self,
        method: str,
        resource: str,
        api_version: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The answer's JSON, which is an object. `resource` is an id, with an action behind it or not."""
        request = HttpRequest(method, self._base + resource, params={"api-version": api_version, **(query or {})}, json=body)
        response = await self._client.send_request(request)
        response.raise_for_status()
        found = response.json() if response.content else {}
        if not isinstance(found, dict):
            raise TypeError("not an object")
        return found

    async def rows(self, resource: str, api_version: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """A list, all its pages. A link that leads elsewhere than to the same list is not followed: our token goes with it.

        Raises:
            Rejected: it repeats itself, or has more than is read of one list.
        """
        found: list[dict[str, Any]] = []
        asked, pages = dict(query or {}), Pages(PAGES_MAX)
        while True:
            page = await self.call("GET", resource, api_version, query=asked)
            value = page.get("value")
            if not isinstance(value, list):
                raise TypeError("not a list")
            found += [row for row in value if isinstance(row, dict)]
            link = page.get("nextLink")
            if not link:
                return found
            if len(found) > ROWS_MAX:
                raise Rejected(f"the list has more than {ROWS_MAX:,} rows")
            pages.turn(str(link))
            asked = self._next(resource, str(link))

    def _next(self, resource: str, link: str) -> dict[str, str]:
        there, here = urlsplit(link), urlsplit(self._base + resource)
        if (there.scheme, there.netloc.lower(), there.path.lower()) != (here.scheme, here.netloc.lower(), here.path.lower()):
            raise ValueError("the next page of a list is elsewhere than the list")
        return {name: value for name, value in parse_qsl(there.query) if name.lower() != "api-version"}
