"""Azure Container Apps: one secret of an app.

The write of one secret replaces them all, so all are sent, each as it was read a moment ago. A write alone starts nothing, and a restart
alone does not read the vault again: first the secrets are written, then every active revision with a replica from before it is restarted.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from azure.mgmt.appcontainers.aio import ContainerAppsAPIClient

from rotator.azure import faults
from rotator.core.credential import Dependent
from rotator.core.faults import Conflict, Rejected
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

RESTART_TAKES_S = 120
"""For so long a restart that was answered is not asked for again, though old replicas are still listed."""
REVISIONS_MAX = 100
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
        place, name = resource(dependent.parameters["app"]), dependent.parameters["secret"]
        found = await self._app(place)
        if is_under_way(found):
            return
        secrets = await self._secrets(place)
        mine = own(secrets, place, name)
        reference = reference_of(mine)
        if reference is not None:
            reference.refuse_to_move(f"secret {name} of {place.name}", published)
        stored = is_stored(mine, dependent, published)
        written = (place.id.lower(), name, published.version)
        if stored is False or (stored is None and not self._begun.is_on(written)):
            await self._write(place, found, secrets, dependent, published)
            self._begun.begin(written)
            found = await self._app(place)
        if not is_under_way(found):
            await self._restart(place, modified_at(found), published)

    async def _look(self, dependent: Dependent, published: Published) -> DependentView:
        place, name = resource(dependent.parameters["app"]), dependent.parameters["secret"]
        found = await self._app(place)
        stored = judged(own(await self._secrets(place), place, name), dependent, published, modified_at(found))
        if stored.adoption not in (Adoption.PROVEN, Adoption.CLAIMED):
            return stored
        if is_under_way(found):
            return replace(stored, adoption=Adoption.STALE, because="the write is under way", running=None)
        return _running(stored, await self._revisions(place), modified_at(found))

    async def _write(self, place: Resource, found: Any, secrets: SecretMap, dependent: Dependent, published: Published) -> None:
        """`found` and `secrets` as they were read; where they are not any more, they are read again first."""
        name = dependent.parameters["secret"]
        for _ in range(ATTEMPTS):
            rows = rewritten(secrets, name, dependent, published)
            again, others = await self._app(place), await self._secrets(place)
            if modified_at(again) != modified_at(found) or others != secrets:
                found, secrets = again, others
                own(secrets, place, name)
                continue
            await self._patch(place, {"location": found.location, "properties": {"configuration": {"secrets": rows}}})
            if is_stored(own(await self._secrets(place), place, name), dependent, published) is False:
                raise Conflict(f"secret {name} of {place.name} was written by somebody else meanwhile")
            return
        raise Conflict(f"{place.name} keeps changing while its secrets are written", remedy="look at who else deploys it")

    async def _patch(self, place: Resource, body: Any) -> None:
        with faults(f"write of the secrets of {place.name}", mutates=True, needs=f"{_ACTIONS}/write"):
            await self._clients.at(place).container_apps.begin_update(place.group, place.name, body, polling=False)

    async def _restart(self, place: Resource, since: datetime | None, published: Published) -> None:
        for one in await self._revisions(place):
            sign = (place.id.lower(), one.name, published.version, since)
            if since is None or all(born > since for born in one.replicas) or self._begun.is_on(sign):
                continue
            with faults(f"restart of revision {one.name}", mutates=True, needs=f"{_ACTIONS}/revisions/restart/action"):
                await self._clients.at(place).container_apps_revisions.restart_revision(place.group, place.name, one.name)
            self._begun.begin(sign)

    async def _app(self, place: Resource) -> Any:
        with faults(f"container app {place.name}", needs=f"{_ACTIONS}/read"):
            return await self._clients.at(place).container_apps.get(place.group, place.name)

    async def _secrets(self, place: Resource) -> SecretMap:
        with faults(f"secrets of {place.name}", needs=f"{_ACTIONS}/listSecrets/action"):
            found = await self._clients.at(place).container_apps.list_secrets(place.group, place.name)
            return secret_map(found.value or [])

    async def _revisions(self, place: Resource) -> list[_Revision]:
        """The active ones, with the time at which each of their replicas began."""
        client, names = self._clients.at(place), list[tuple[str, str]]()
        with faults(f"revisions of {place.name}", needs=f"{_ACTIONS}/revisions/read"):
            async for one in client.container_apps_revisions.list_revisions(place.group, place.name):
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
