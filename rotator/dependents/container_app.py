"""Azure Container Apps: one secret of an app.

The write of one secret replaces them all, so all are sent, each as it was read a moment ago. A write alone starts nothing, and a restart
alone does not read the vault again: first the secrets are written, then every active revision with a replica from before it is restarted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from azure.mgmt.appcontainers.aio import ContainerAppsAPIClient

from rotator.azure import faults
from rotator.azure.paging import rows_of
from rotator.core.credential import Dependent
from rotator.core.faults import Rejected
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.arm import Clients, Resource, Turns, Underway, read, resource, seen
from rotator.dependents.container_secrets import SecretMap, is_published, look, modified_at, secret_map, store
from rotator.dependents.tools import Tools
from rotator.engine.ports import Kind, Published

RESTART_TAKES_S = 120
"""For so long a restart that was answered is not asked for again, though old replicas are still listed."""
REVISIONS_MAX = 100
PAGES_MAX = 100
_ACTIONS = "Microsoft.App/containerApps"


def kind(tools: Tools) -> Kind:
    return ContainerApp(tools)


@dataclass(frozen=True, slots=True)
class _Revision:
    name: str
    health: str
    replicas: tuple[datetime, ...]


class ContainerApp:
    """Fulfils `Kind`."""

    def __init__(self, tools: Tools, client: Callable[..., ContainerAppsAPIClient] = ContainerAppsAPIClient) -> None:
        self._clients = Clients(tools.azure, client)
        self._begun = Underway(RESTART_TAKES_S)
        self._turns = Turns()

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        return await seen(dependent, self._look(dependent, published))

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Write the secrets where they lag; once that is through, restart what began before it."""
        async with self._turns.at(resource(dependent.parameters["app"])):
            await read(dependent, self._move(dependent, published))

    async def _move(self, dependent: Dependent, published: Published) -> None:
        app = self._app(dependent)
        found = await store(app, self._begun, dependent, published)
        if found is not None:
            await self._restart(app.place, modified_at(found), published)

    async def _look(self, dependent: Dependent, published: Published) -> DependentView:
        app = self._app(dependent)
        stored, since = await look(app, dependent, published)
        return _running(stored, await self._revisions(app.place), since) if is_published(stored) else stored

    def _app(self, dependent: Dependent) -> "_App":
        place = resource(dependent.parameters["app"])
        return _App(place, self._clients.at(place))

    async def _restart(self, place: Resource, since: datetime | None, published: Published) -> None:
        for one in await self._revisions(place):
            sign = (place.id.lower(), one.name, published.version, since)
            if since is None or all(born > since for born in one.replicas) or self._begun.is_on(sign):
                continue
            with faults(f"restart of revision {one.name}", mutates=True, needs=f"{_ACTIONS}/revisions/restart/action"):
                await self._clients.at(place).container_apps_revisions.restart_revision(place.group, place.name, one.name)
            self._begun.begin(sign)

    async def _revisions(self, place: Resource) -> list[_Revision]:
        """The active ones, with the time at which each of their replicas began."""
        client, names = self._clients.at(place), list[tuple[str, str]]()
        with faults(f"revisions of {place.name}", needs=f"{_ACTIONS}/revisions/read"):
            async for one in rows_of(client.container_apps_revisions.list_revisions(place.group, place.name), PAGES_MAX):
                if len(names) == REVISIONS_MAX:
                    raise Rejected(f"{place.name} has more than {REVISIONS_MAX} active revisions")
                if one.properties and one.properties.active:
                    health = one.properties.health_state
                    names.append((str(one.name), str(getattr(health, "value", health))))
        return [_Revision(name, health, await self._replicas(place, name)) for name, health in names]

    async def _replicas(self, place: Resource, revision: str) -> tuple[datetime, ...]:
        with faults(f"replicas of {revision}", needs=f"{_ACTIONS}/revisions/replicas/read"):
            found = await self._clients.at(place).container_apps_revision_replicas.list_replicas(place.group, place.name, revision)
            born = (one.properties.created_time for one in found.value or [] if one.properties)
            return tuple(time for time in born if time is not None)


@dataclass(frozen=True, slots=True)
class _App:
    """Fulfils `Holder`."""

    place: Resource
    client: ContainerAppsAPIClient

    async def found(self) -> Any:
        with faults(f"container app {self.place.name}", needs=f"{_ACTIONS}/read"):
            return await self.client.container_apps.get(self.place.group, self.place.name)

    async def secrets(self) -> SecretMap:
        with faults(f"secrets of {self.place.name}", needs=f"{_ACTIONS}/listSecrets/action"):
            found = await self.client.container_apps.list_secrets(self.place.group, self.place.name)
            return secret_map(found.value or [])

    async def patch(self, found: Any, rows: Sequence[Mapping[str, str]]) -> None:
        body: Any = {"location": found.location, "properties": {"configuration": {"secrets": rows}}}
        with faults(f"write of the secrets of {self.place.name}", mutates=True, needs=f"{_ACTIONS}/write"):
            await self.client.container_apps.begin_update(self.place.group, self.place.name, body, polling=False)


def _running(stored: DependentView, revisions: list[_Revision], since: datetime | None) -> DependentView:
    """What is stored is what runs where every replica began after the last write of the app."""
    replicas = [born for one in revisions for born in one.replicas]
    older = [born for born in replicas if since is None or born <= since]
    ill = [one for one in revisions if one.health not in ("Healthy", "None")]
    saw = f"{stored.seen}, {len(replicas)} replica(s)" + (f" since {min(replicas):%Y-%m-%dT%H:%M:%SZ}" if replicas else "")
    if older:
        because = f"{len(older)} replica(s) began before the secrets were written"
        return replace(stored, adoption=Adoption.STALE, seen=saw, because=because, running=None)
    if ill:
        because = f"revision {ill[0].name} is {ill[0].health} since its restart: look at its logs"
        return replace(stored, adoption=Adoption.STALE, seen=f"{saw}, {ill[0].health}", because=because, running=None)
    return replace(stored, seen=saw)
