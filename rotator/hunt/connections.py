"""Connections with an API key: of Azure Machine Learning, which gives it back, and of AI Foundry, which does not."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from rotator.core.sealed import Fingerprint
from rotator.dependents.arm import MARK
from rotator.hunt.place import Held, Hidden, Scope, place_of, prints
from rotator.hunt.reach import Reach

WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
WORKSPACES_API = "2024-10-01"
ACCOUNTS = "Microsoft.CognitiveServices/accounts"
ACCOUNTS_API = "2025-06-01"


class WorkspaceConnections:
    """Fulfils `Place`."""

    name = "Azure ML connections"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        workspaces, hidden = await reach.listed(WORKSPACES, scope, WORKSPACES_API, needs=f"{WORKSPACES}/read")
        found, more = await reach.parts(workspaces, "connections", WORKSPACES_API, needs=f"{WORKSPACES}/connections/read")
        for each in (*hidden, *more):
            yield each

        async def look(connection: str) -> list[Held]:
            needs = f"{WORKSPACES}/connections/listsecrets/action"
            answer = await reach.ask(f"{connection}/listsecrets", WORKSPACES_API, needs=needs)
            key = ((answer.get("properties") or {}).get("credentials") or {}).get("key")
            settings = {"kind": "machine-learning-connection", "connection": connection}
            what = f"connection {place_of(connection)}"
            return [Held(what=what, resource=connection, settings=settings, fingerprints=prints(key))]

        async for one in reach.each(self.name, _with_keys(found), look):
            yield one


class FoundryConnections:
    """Fulfils `Place`. The key is write-only, but where rotator wrote it its fingerprint stands beside it."""

    name = "AI Foundry connections"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        accounts, hidden = await reach.listed(ACCOUNTS, scope, ACCOUNTS_API, needs=f"{ACCOUNTS}/read", kinds=("AIServices",))
        projects, no_projects = await reach.parts(accounts, "projects", ACCOUNTS_API, needs=f"{ACCOUNTS}/projects/read")
        found, more = await reach.parts(accounts, "connections", ACCOUNTS_API, needs=f"{ACCOUNTS}/connections/read")
        needs = f"{ACCOUNTS}/projects/connections/read"
        inner, no_inner = await reach.parts(projects, "connections", ACCOUNTS_API, needs=needs)
        for each in (*hidden, *no_projects, *more, *no_inner):
            yield each
        keyed = _with_keys({**found, **inner})

        async def look(connection: str) -> list[Held]:
            return [_marked(connection, keyed[connection].get("metadata") or {})]

        async for one in reach.each(self.name, keyed, look, writes=False):
            yield one


def _marked(connection: str, metadata: Mapping[str, Any]) -> Held:
    mark = metadata.get(MARK)
    return Held(
        what=f"connection {place_of(connection)}",
        resource=connection,
        settings={"kind": "foundry-connection", "connection": connection},
        fingerprints=(Fingerprint(mark),) if isinstance(mark, str) and mark else (),
        write_only=True,
    )


def _with_keys(connections: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Each once, also where a project lists its hub's."""
    once = {id_.lower(): (id_, properties) for id_, properties in connections.items()}
    return {id_: properties for id_, properties in once.values() if properties.get("authType") == "ApiKey"}
