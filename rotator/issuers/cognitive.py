"""Azure Cognitive Services through ARM: accounts, their two keys, local auth.

regenerateKey is synchronous, takes no ETag and mints again at each call: it is sent once and its lost answer raised as Ambiguous.
`str(ApiKeys)` prints the keys, so an answer leaves this room only as Sealed values.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

from azure.mgmt.cognitiveservices.aio import CognitiveServicesManagementClient
from azure.mgmt.cognitiveservices.models import Account, AccountProperties, ApiKeys

from rotator.azure import Azure, faults
from rotator.core.credential import Slot
from rotator.core.faults import Ambiguous, Conflict, Fault, Missing, Rejected
from rotator.core.sealed import Sealed
from rotator.core.snapshot import AccountView
from rotator.issuers.probes import probe_of

_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.CognitiveServices/accounts/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_ACTIONS = "Microsoft.CognitiveServices/accounts"
POLL_LOCAL_AUTH_S = 2
"""The SDK polls a PATCH every 30 s unless it is told otherwise."""
LOCAL_AUTH_WITHIN_S = 60
"""How long a PATCH is polled; after that, looking tells what came of it."""


class CognitiveServices:
    """Fulfils `Issuer` for accounts named by their resource id."""

    def __init__(
        self,
        azure: Azure,
        client: Callable[..., CognitiveServicesManagementClient] = CognitiveServicesManagementClient,
        local_auth_within_s: float = LOCAL_AUTH_WITHIN_S,
    ) -> None:
        self._azure = azure
        self._local_auth_within_s = local_auth_within_s
        self._client = client
        self._clients: dict[str, CognitiveServicesManagementClient] = {}

    async def account(self, account: str) -> AccountView:
        """Kind, endpoints and local auth. Raises Missing where the account is gone."""
        client, group, name = self._at(account)
        with faults(f"account {name}", needs=f"{_ACTIONS}/read"):
            return _view(await client.accounts.get(group, name))

    async def keys(self, account: str) -> Mapping[Slot, Sealed]:
        """Both live keys. Counts as a write against ARM's budget."""
        client, group, name = self._at(account)
        with faults(f"listKeys of {name}", needs=f"{_ACTIONS}/listKeys/action"):
            return _sealed(name, await client.accounts.list_keys(group, name))

    async def regenerate(self, account: str, slot: Slot) -> Mapping[Slot, Sealed]:
        """A new value in `slot`; both keys as they are after it."""
        client, group, name = self._at(account)
        with faults(f"regenerateKey of {name}", mutates=True, needs=f"{_ACTIONS}/regenerateKey/action"):
            return _sealed(name, await client.accounts.regenerate_key(group, name, "Key1" if slot is Slot.KEY1 else "Key2"), Ambiguous)

    async def switch_off_local_auth(self, account: str) -> None:
        """The account accepts no key any more. Read back: a policy may revert it. Raises Conflict where it was reverted."""
        client, group, name = self._at(account)
        wish = Account(properties=AccountProperties(disable_local_auth=True))
        with faults(f"PATCH of {name}", mutates=True, needs=f"{_ACTIONS}/write"):
            async with asyncio.timeout(self._local_auth_within_s):
                poller = await client.accounts.begin_update(group, name, wish, polling_interval=POLL_LOCAL_AUTH_S)
                await poller.result()
        if (await self.account(account)).local_auth:
            raise Conflict(f"local auth of {name} is on again", remedy="an Azure Policy may revert it: look at its assignments")

    def _at(self, account: str) -> tuple[CognitiveServicesManagementClient, str, str]:
        found = _ID.fullmatch(account.rstrip("/"))
        if found is None:
            raise Rejected("the account is not named by a resource id of Microsoft.CognitiveServices/accounts")
        subscription = found["subscription"]
        if subscription not in self._clients:
            self._clients[subscription] = self._client(
                self._azure.credential,
                subscription,
                base_url=self._azure.cloud.resource_manager.rstrip("/"),
                credential_scopes=[self._azure.arm_scope],
                **self._azure.client_options,
            )
        return self._clients[subscription], found["group"], found["name"]


def _view(found: Any) -> AccountView:
    properties = found.properties or AccountProperties()
    hosts = [properties.endpoint, *(properties.endpoints or {}).values()]
    return AccountView(
        kind=found.kind or "unknown",
        endpoints=tuple(dict.fromkeys(host.rstrip("/") for host in hosts if host and host.lower().startswith("https://"))),
        local_auth=not properties.disable_local_auth,
        provable=probe_of(found.kind or "") is not None,
    )


def _sealed(name: str, keys: ApiKeys, lacking: type[Fault] = Missing) -> dict[Slot, Sealed]:
    if not keys.key1 or not keys.key2:
        raise lacking(f"the keys of {name} are not both there")
    return {Slot.KEY1: Sealed(keys.key1), Slot.KEY2: Sealed(keys.key2)}
