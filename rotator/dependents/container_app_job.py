"""Azure Container Apps: one secret of a job.

The write of one secret replaces them all, so all are sent, each as it was read a moment ago. An execution keeps what it began with; the
next one gets what is stored. So a written secret is Claimed, Proven once an execution began after the write, and Stale while an older one
runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from azure.mgmt.appcontainers.aio import ContainerAppsAPIClient

from rotator.azure import faults
from rotator.azure.paging import rows_of
from rotator.core.credential import Dependent
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.arm import Clients, Resource, Turns, Underway, read, resource, seen
from rotator.dependents.container_secrets import SecretMap, is_published, look, secret_map, store
from rotator.dependents.tools import Tools
from rotator.engine.ports import Kind, Published

EXECUTIONS_MAX = 1000
PAGES_MAX = 1000
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
        await store(self._job(dependent), self._begun, dependent, published)

    async def _look(self, dependent: Dependent, published: Published) -> DependentView:
        job = self._job(dependent)
        stored, since = await look(job, dependent, published)
        return _running(stored, await self._executions(job.place), since) if is_published(stored) else stored

    def _job(self, dependent: Dependent) -> "_Job":
        place = resource(dependent.parameters["job"])
        return _Job(place, self._clients.at(place))

    async def _executions(self, place: Resource) -> list[tuple[str, str, datetime]]:
        """Name, status and begin, as many as are looked at."""
        found: list[tuple[str, str, datetime]] = []
        with faults(f"executions of {place.name}", needs=f"{_ACTIONS}/executions/read"):
            async for one in rows_of(self._clients.at(place).jobs_executions.list(place.group, place.name), PAGES_MAX):
                if one.properties and one.properties.start_time:
                    status = one.properties.status
                    found.append((str(one.name), str(getattr(status, "value", status)), one.properties.start_time))
                if len(found) == EXECUTIONS_MAX:
                    break
        return found


@dataclass(frozen=True, slots=True)
class _Job:
    """Fulfils `Holder`."""

    place: Resource
    client: ContainerAppsAPIClient

    async def found(self) -> Any:
        with faults(f"job {self.place.name}", needs=f"{_ACTIONS}/read"):
            return await self.client.jobs.get(self.place.group, self.place.name)

    async def secrets(self) -> SecretMap:
        with faults(f"secrets of {self.place.name}", needs=f"{_ACTIONS}/listSecrets/action"):
            found = await self.client.jobs.list_secrets(self.place.group, self.place.name)
            return secret_map(found.value or [])

    async def patch(self, found: Any, rows: Sequence[Mapping[str, str]]) -> None:
        body: Any = {"properties": {"configuration": {"secrets": rows}}}
        with faults(f"write of the secrets of {self.place.name}", mutates=True, needs=f"{_ACTIONS}/write"):
            await self.client.jobs.begin_update(self.place.group, self.place.name, body, polling=False)


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
