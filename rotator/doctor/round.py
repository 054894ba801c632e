"""A doctor's round: who we are, what Azure says we may, what is locked. Each is asked once, however many credentials want to know."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from rotator.azure import faults
from rotator.azure.arm import ResourceManager
from rotator.core.faults import Fault
from rotator.core.snapshot import Unseen
from rotator.doctor.allowed import Allowance, allowances_of
from rotator.doctor.denials import Denial, Ourselves, denials_of
from rotator.doctor.policies import Assigned, assigned_of, sets_of
from rotator.doctor.powers import Powers
from rotator.survey.accounts import unseen
from rotator.survey.estate import VaultPlace
from rotator.wiring import House

PERMISSIONS_API, DENIALS_API, LOCKS_API, POLICIES_API, SETS_API = "2022-04-01", "2022-04-01", "2020-05-01", "2022-06-01", "2021-06-01"
SETS_MAX = 50
_POLICIES = "/providers/Microsoft.Authorization/policyAssignments"
_LOCKS = "/providers/Microsoft.Authorization/locks"
_DENIALS = "/providers/Microsoft.Authorization/denyAssignments"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LockFound:
    """A management lock, and the resource, group or subscription that it is on."""

    id: str
    scope: str
    level: str

    def is_over(self, resource: str) -> bool:
        mine, theirs = self.scope.lower().rstrip("/"), resource.lower()
        return theirs == mine or theirs.startswith(f"{mine}/")


@dataclass(slots=True, kw_only=True)
class Round:
    """`us` is who our token says we are. `vaults` are those that could be found, by URL in lower case."""

    house: House
    arm: ResourceManager
    us: Ourselves = field(default_factory=Ourselves)
    vaults: Mapping[str, VaultPlace] = field(default_factory=dict)
    _asked: dict[tuple[str, str], "asyncio.Task[Any]"] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """Our own object id, empty where no token says it."""
        return self.us.id

    async def powers(self, scope: str) -> Powers | Unseen:
        """What our identity may do at a resource, as Azure itself says: its roles there, and what denies them."""
        roles, denials = await asyncio.gather(
            self._once("permissions", scope, self._allowances), self._once("denials", scope, self._denials)
        )
        return roles if isinstance(roles, Unseen) else Powers(roles=roles, denials=denials)

    async def resource(self, id_: str, api_version: str) -> Mapping[str, Any] | Unseen:
        """A resource as Azure shows it."""
        return await self._once("resource", id_, lambda scope: self._resource(scope, api_version))

    async def locks(self, subscription: str) -> tuple[LockFound, ...] | Unseen:
        """Every lock in a subscription."""
        return await self._once("locks", subscription, self._locks)

    async def policies(self, subscription: str) -> tuple[Assigned, ...] | Unseen:
        """Every known policy that is assigned in a subscription, or above it."""
        return await self._once("policies", subscription, self._policies)

    async def _once(self, what: str, scope: str, ask: Callable[[str], Awaitable[T]]) -> T:
        key = (what, scope.lower())
        if key not in self._asked:
            self._asked[key] = asyncio.ensure_future(ask(scope))
        answer: T = await asyncio.shield(self._asked[key])
        return answer

    async def _allowances(self, scope: str) -> tuple[Allowance, ...] | Unseen:
        what = f"our permissions at {scope.rsplit('/', 1)[-1]}"
        try:
            with faults(what, needs="Microsoft.Authorization/permissions/read"):
                return allowances_of(await self.arm.rows(f"{scope}/providers/Microsoft.Authorization/permissions", PERMISSIONS_API))
        except Fault as fault:
            return unseen(what, fault)

    async def _denials(self, scope: str) -> tuple[Denial, ...] | Unseen:
        """At the scope and above. Not those that are assigned to us: which of everybody's are, no filter is documented to say."""
        what = f"the deny assignments over {scope.rsplit('/', 1)[-1]}"
        try:
            with faults(what, needs="Microsoft.Authorization/denyAssignments/read"):
                rows = await self.arm.rows(f"{scope}{_DENIALS}", DENIALS_API, {"$filter": "atScope()"})
                return denials_of(rows, scope, self.us)
        except Fault as fault:
            return unseen(what, fault)

    async def _resource(self, id_: str, api_version: str) -> Mapping[str, Any] | Unseen:
        what = f"what {id_.rsplit('/', 1)[-1]} is linked to"
        try:
            with faults(what):
                return await self.arm.call("GET", id_, api_version)
        except Fault as fault:
            return unseen(what, fault)

    async def _locks(self, subscription: str) -> tuple[LockFound, ...] | Unseen:
        what = f"the locks of subscription {subscription}"
        try:
            with faults(what, needs="Microsoft.Authorization/locks/read"):
                rows = await self.arm.rows(f"/subscriptions/{subscription}{_LOCKS}", LOCKS_API)
        except Fault as fault:
            return unseen(what, fault)
        return tuple(_lock(row) for row in rows)

    async def _policies(self, subscription: str) -> tuple[Assigned, ...] | Unseen:
        """An initiative that cannot be opened is passed over."""
        what = f"the policies of subscription {subscription}"
        try:
            with faults(what, needs="Microsoft.Authorization/policyAssignments/read"):
                rows = await self.arm.rows(f"/subscriptions/{subscription}{_POLICIES}", POLICIES_API)
        except Fault as fault:
            return unseen(what, fault)
        wanted = sorted(sets_of(rows))[:SETS_MAX]
        opened = await asyncio.gather(*(self._set(one) for one in wanted))
        return assigned_of(rows, dict(zip(wanted, opened, strict=True)))

    async def _set(self, definition: str) -> dict[str, Any]:
        try:
            with faults("an initiative", needs="Microsoft.Authorization/policySetDefinitions/read"):
                return await self.arm.call("GET", definition, SETS_API)
        except Fault:
            return {}


def _lock(row: Mapping[str, Any]) -> LockFound:
    id_, inner = str(row.get("id", "")), row.get("properties")
    scope = id_[: id_.lower().rfind(_LOCKS.lower())] if _LOCKS.lower() in id_.lower() else id_
    return LockFound(id=id_, scope=scope, level=str(inner.get("level", "")) if isinstance(inner, Mapping) else "")


class Stopwatch:
    """Any port, with the time that each of its calls took put into `into` by the call's name."""

    def __init__(self, port: Any, into: dict[str, timedelta]) -> None:
        self._port, self._into = port, into

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        async def timed(*arguments: Any, **options: Any) -> Any:
            began = time.monotonic()
            try:
                return await method(*arguments, **options)
            finally:
                took = timedelta(seconds=time.monotonic() - began)
                self._into[name] = max(took, self._into.get(name, took))

        return timed
