"""What runs on keys, behind Resource Manager and elsewhere: how one is put there, and the rooms that answer for each sort.

Promises: everything is found by its resource id, and has `process(state, …)`: what its process holds now. Never:
HTTP.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from rotator.sandbox import elsewhere
from rotator.sandbox.connections import Connection, Connections
from rotator.sandbox.container_apps import ContainerApp, ContainerApps
from rotator.sandbox.container_groups import ContainerGroup, ContainerGroups
from rotator.sandbox.factories import Factories, LinkedService
from rotator.sandbox.gateways import ApiManagement, Gate
from rotator.sandbox.sites import Site, Sites

if TYPE_CHECKING:
    from rotator.sandbox.state import State

CONSUMERS = (Sites, ContainerApps, ContainerGroups, ApiManagement, Connections, Factories)
NOUNS = {
    "site": "Microsoft.Web/sites",
    "container_app": "Microsoft.App/containerApps",
    "job": "Microsoft.App/jobs",
    "container_group": "Microsoft.ContainerInstance/containerGroups",
    "named_value": "Microsoft.ApiManagement/service/apim/namedValues",
    "backend": "Microsoft.ApiManagement/service/apim/backends",
    "foundry_connection": "Microsoft.CognitiveServices/accounts/foundry/connections",
    "project_connection": "Microsoft.CognitiveServices/accounts/foundry/projects/one/connections",
    "workspace_connection": "Microsoft.MachineLearningServices/workspaces/ml/connections",
    "linked_service": "Microsoft.DataFactory/factories/adf/linkedservices",
}
"""Each sort, and what its resource id says before the name."""


class Consumer(Protocol):
    @property
    def id(self) -> str: ...

    def process(self, state: "State", *path: str) -> str | None: ...


def place(state: "State", noun: str, name: str, about: dict[str, Any]) -> Any:
    """Put one there; a slot of a site is named `SITE/slots/SLOT`. `about` is what it holds, and its knobs."""
    if noun in elsewhere.NOUNS:
        return elsewhere.place(state, noun, name, about)
    if noun not in NOUNS:
        raise ValueError(f"no such consumer: {noun!r}; there are {sorted((*NOUNS, *elsewhere.NOUNS))}")
    id_ = f"/subscriptions/{state.subscription}/resourceGroups/rg-apps/providers/{NOUNS[noun]}/{name}"
    made = _made(noun, id_, state.now(), about)
    state.consumers[id_.lower()] = made
    if isinstance(made, ContainerApp):
        made.write(made.secrets, state)
        if not made.is_job:
            made.restart(state)
    if isinstance(made, Site | Gate):
        made.look(state)
    return made


def _made(noun: str, id_: str, now: datetime, about: dict[str, Any]) -> Any:
    match noun:
        case "site":
            return Site(id=id_, started_at=now, **about)
        case "container_app" | "job":
            return ContainerApp(id=id_, modified_at=now, is_job=noun == "job", **about)
        case "container_group":
            return ContainerGroup(id=id_, started_at=now, **about)
        case "named_value" | "backend":
            return Gate(id=id_, **about)
        case "linked_service":
            return LinkedService(id=id_, **about)
        case _:
            return Connection(id=id_, **about)
