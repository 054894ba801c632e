"""Azure Container Apps: one secret of a job.

The write of one secret replaces them all, so all are sent, each as it was read a moment ago. An execution keeps what it began with; the
next one gets what is stored. So a written secret is Claimed, Proven once an execution began after the write, and Stale while an older one
runs.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from azure.mgmt.appcontainers.aio import ContainerAppsAPIClient

from rotator.azure import faults
from rotator.core.credential import Dependent
from rotator.core.faults import Conflict
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.arm import ATTEMPTS, Clients, Resource, Turns, Underway, read, resource, seen
from rotator.dependents.container_secrets import (
    SecretMap,
    is_stored,
    is_under_way,
    judged,
    modified_at,
    own,
    reference_of,
    rewritten,
    secret_map,
)
from rotator.dependents.tools import Tools
from rotator.engine.ports import Kind, Published

EXECUTIONS_MAX = 1000
WRITE_TAKES_S = 120
_ACTIONS = "Microsoft.App/jobs"
_RUNNING = frozenset({"Running", "Processing", "Unknown"})


def kind(tools: Tools) -> Kind:
    return ContainerAppJob(tools)


class ContainerAppJob:
    """Fulfils `Kind`."""

    def __init__(self, tools: Tools, client: Callable[..., ContainerAppsAPIClient] = ContainerAppsAPIClient) -> None:
        self._clients = Clients(tools.azure, client)
        self._begun = Underway(WRITE_TAKES_S)
        self._turns = Turns()

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        return await seen(dependent, self._look(dependent, published))

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Write the secrets where they lag. Never starts or stops an execution."""
        async with self._turns.at(resource(dependent.parameters["job"])):
            await read(dependent, self._move(dependent, published))

    async def _move(self, dependent: Dependent, published: Published) -> None:
        place, name = resource(dependent.parameters["job"]), dependent.parameters["secret"]
        found = await self._job(place)
        if is_under_way(found):
            return
        secrets = await self._secrets(place)
        mine = own(secrets, place, name)
        reference = reference_of(mine)
        if reference is not None:
            reference.refuse_to_move(f"secret {name} of {place.name}", published)
        stored, sign = is_stored(mine, dependent, published), (place.id.lower(), name, published.version)
        if stored is False or (stored is None and not self._begun.is_on(sign)):
            await self._write(place, found, secrets, dependent, published)
            self._begun.begin(sign)

    async def _look(self, dependent: Dependent, published: Published) -> DependentView:
        place, name = resource(dependent.parameters["job"]), dependent.parameters["secret"]
        found = await self._job(place)
        stored = judged(own(await self._secrets(place), place, name), dependent, published, modified_at(found))
        if stored.adoption not in (Adoption.PROVEN, Adoption.CLAIMED):
            return stored
        if is_under_way(found):
            return replace(stored, adoption=Adoption.STALE, because="the write is under way", running=None)
        return _running(stored, await self._executions(place), modified_at(found))

    async def _write(self, place: Resource, found: Any, secrets: SecretMap, dependent: Dependent, published: Published) -> None:
        """`found` and `secrets` as they were read; where they are not any more, they are read again first."""
        name = dependent.parameters["secret"]
        for _ in range(ATTEMPTS):
            rows = rewritten(secrets, name, dependent, published)
            again, others = await self._job(place), await self._secrets(place)
            if modified_at(again) != modified_at(found) or others != secrets:
                found, secrets = again, others
                own(secrets, place, name)
                continue
            await self._patch(place, {"properties": {"configuration": {"secrets": rows}}})
            if is_stored(own(await self._secrets(place), place, name), dependent, published) is False:
                raise Conflict(f"secret {name} of {place.name} was written by somebody else meanwhile")
            return
        raise Conflict(f"{place.name} keeps changing while its secrets are written", remedy="look at who else deploys it")

    async def _patch(self, place: Resource, body: Any) -> None:
        with faults(f"write of the secrets of {place.name}", mutates=True, needs=f"{_ACTIONS}/write"):
            await self._clients.at(place).jobs.begin_update(place.group, place.name, body, polling=False)

    async def _job(self, place: Resource) -> Any:
        with faults(f"job {place.name}", needs=f"{_ACTIONS}/read"):
            return await self._clients.at(place).jobs.get(place.group, place.name)

    async def _secrets(self, place: Resource) -> SecretMap:
        with faults(f"secrets of {place.name}", needs=f"{_ACTIONS}/listSecrets/action"):
            found = await self._clients.at(place).jobs.list_secrets(place.group, place.name)
            return secret_map(found.value or [])

    async def _executions(self, place: Resource) -> list[tuple[str, str, datetime]]:
        """Name, status and begin, as many as are looked at."""
        found: list[tuple[str, str, datetime]] = []
        with faults(f"executions of {place.name}", needs=f"{_ACTIONS}/executions/read"):
            async for one in self._clients.at(place).jobs_executions.list(place.group, place.name):
                if one.properties and one.properties.start_time:
                    status = one.properties.status
                    found.append((str(one.name), str(getattr(status, "value", status)), one.properties.start_time))
                if len(found) == EXECUTIONS_MAX:
                    break
        return found


def _running(stored: DependentView, executions: list[tuple[str, str, datetime]], since: datetime | None) -> DependentView:
    if since is None:
        return replace(stored, adoption=Adoption.CLAIMED, because="Azure does not say when the job was written", running=None)
    older = [name for name, status, began in executions if status in _RUNNING and began <= since]
    newer = [name for name, status, began in executions if status == "Succeeded" and began > since]
    if older:
        because = f"execution {older[0]} still runs with what it began with"
        return replace(stored, adoption=Adoption.STALE, because=because, running=None)
    if newer and stored.adoption is Adoption.PROVEN:
        return replace(stored, seen=f"{stored.seen}, execution {newer[0]} succeeded with it")
    because = "; ".join(filter(None, (stored.because, "no execution has succeeded since the write; the next one reads what is stored")))
    return replace(stored, adoption=Adoption.CLAIMED, because=because)
