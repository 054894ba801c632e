"""Data Factory: one secret property of a linked service.

A Key Vault reference without a version is read at each activity: there is nothing to do. A SecureString is written under the ETag that
was read, and never shown again: Claimed, by a mark among the linked service's annotations. Azure shows secure strings masked, and takes a
masked one for the value: where another stands beside ours, nothing is written.
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from azure.core import MatchConditions
from azure.mgmt.datafactory.aio import DataFactoryManagementClient

from rotator.azure import faults
from rotator.core.credential import Dependent
from rotator.core.faults import Conflict, Missing, Rejected
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.arm import (
    ATTEMPTS,
    MARK,
    SHOWN,
    Clients,
    Reference,
    Resource,
    as_sent,
    changed_meanwhile,
    elsewhere,
    filled,
    pinned,
    read,
    resource,
    seen,
    view,
)
from rotator.dependents.tools import Tools
from rotator.engine.ports import Kind, Published

_ACTIONS = "Microsoft.DataFactory/factories/linkedservices"
_SECURE, _BY_VAULT = "SecureString", "AzureKeyVaultSecret"
Json = dict[str, Any]


def kind(tools: Tools) -> Kind:
    return DataFactory(tools)


class DataFactory:
    """Fulfils `Kind`."""

    def __init__(self, tools: Tools, client: Callable[..., DataFactoryManagementClient] = DataFactoryManagementClient) -> None:
        self._clients = Clients(tools.azure, client)

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        return await seen(dependent, self._look(dependent, published))

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Write a SecureString whose mark is not of the value. Raises Rejected where a reference never moves."""
        await read(dependent, self._move(dependent, published))

    async def _move(self, dependent: Dependent, published: Published) -> None:
        place = resource(dependent.parameters["linked_service"])
        for _ in range(ATTEMPTS):
            found = await self._service(place, place.name)
            mine = _own(found, dependent, place)
            if mine.get("type") == _BY_VAULT:
                (await self._reference(place, mine)).refuse_to_move(_what(dependent), published)
                return
            if _marked(found, dependent) == published.fingerprint:
                return
            try:
                await self._put(place, found["etag"], _wish(found, dependent, published, place))
            except Conflict as conflict:
                if not changed_meanwhile(conflict):
                    raise
                continue
            return
        raise Conflict(f"linked service {place.name} keeps changing while it is written", remedy="look at who else deploys it")

    async def _look(self, dependent: Dependent, published: Published) -> DependentView:
        place = resource(dependent.parameters["linked_service"])
        found = await self._service(place, place.name)
        mine = _own(found, dependent, place)
        if mine.get("type") == _BY_VAULT:
            return self._by_reference(dependent, published, await self._reference(place, mine))
        written = _marked(found, dependent)
        saw = f"mark {written[:SHOWN]}" if written else ""
        if written == published.fingerprint:
            return view(dependent, Adoption.CLAIMED, saw, "a secure string is write-only", running=published.fingerprint)
        return view(dependent, Adoption.STALE, saw, "rotator's mark on the linked service is not of the published value")

    def _by_reference(self, dependent: Dependent, published: Published, reference: Reference) -> DependentView:
        if not reference.is_to(published):
            return elsewhere(dependent, published, _what(dependent))
        if reference.version in ("", published.version):
            saw = "a Key Vault reference, read at each activity"
            return pinned(reference, view(dependent, Adoption.PROVEN, saw, running=published.fingerprint), _what(dependent))
        return pinned(reference, view(dependent, Adoption.STALE, f"version {reference.version[:SHOWN]}"), _what(dependent))

    async def _reference(self, place: Resource, mine: Json) -> Reference:
        """The store of a reference is a linked service of its own, which says the vault's URL."""
        store = await self._service(place, str(mine["store"]["referenceName"]))
        base = str((store["properties"].get("typeProperties") or {}).get("baseUrl") or "")
        return Reference(vault=base, name=str(mine["secretName"]), version=str(mine.get("secretVersion") or ""))

    async def _service(self, place: Resource, name: str) -> Json:
        services: Any = self._clients.at(place).linked_services
        with faults(f"linked service {name}", needs=f"{_ACTIONS}/read"):
            found: Json = await services.get(place.group, place.names["factories"], name, cls=as_sent)
            if not isinstance(found["properties"], dict) or not found["etag"]:
                raise TypeError("no properties, or no ETag")
            return found

    async def _put(self, place: Resource, etag: str, wish: Json) -> None:
        services: Any = self._clients.at(place).linked_services
        body, if_unchanged = json.dumps({"properties": wish}).encode(), {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        with faults(f"write of linked service {place.name}", mutates=True, needs=f"{_ACTIONS}/write"):
            await services.create_or_update(place.group, place.names["factories"], place.name, body, **if_unchanged)


def _what(dependent: Dependent) -> str:
    return f"property {dependent.parameters['property']}"


def _own(found: Json, dependent: Dependent, place: Resource) -> Json:
    value: Any = found["properties"].get("typeProperties") or {}
    for part in dependent.parameters["property"].split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if not isinstance(value, dict) or value.get("type") not in (_SECURE, _BY_VAULT):
        remedy = "correct `property:`, or make it a Key Vault reference (or a SecureString that Azure shows masked)"
        raise Missing(f"linked service {place.name} has no secret at {dependent.parameters['property']}", remedy=remedy)
    return value


def _sign(dependent: Dependent) -> str:
    return f"{MARK}:{dependent.parameters['property']}:"


def _marked(found: Json, dependent: Dependent) -> str:
    notes = [note for note in found["properties"].get("annotations") or [] if isinstance(note, str)]
    return next((note.removeprefix(_sign(dependent)) for note in notes if note.startswith(_sign(dependent))), "")


def _wish(found: Json, dependent: Dependent, published: Published, place: Resource) -> Json:
    """The whole of it with the one value and its mark replaced. Raises Rejected where a neighbour's value would be lost."""
    wish: Json = copy.deepcopy(found["properties"])
    others = [path for path in _secure(wish.get("typeProperties") or {}, "") if path != dependent.parameters["property"]]
    if wish["typeProperties"].get("encryptedCredential"):
        others.append("encryptedCredential")
    if others:
        told = f"linked service {place.name} has other secure strings, which Azure does not give back: {', '.join(others)}"
        raise Rejected(told, remedy="let those be Key Vault references, then they are not lost by a write")
    _own({"properties": wish}, dependent, place)["value"] = filled(dependent, published, None).reveal()
    notes = [note for note in wish.get("annotations") or [] if not (isinstance(note, str) and note.startswith(_sign(dependent)))]
    return {**wish, "annotations": [*notes, _sign(dependent) + published.fingerprint]}


def _secure(found: Any, path: str) -> Iterator[str]:
    if isinstance(found, dict) and found.get("type") == _SECURE:
        yield path
    elif isinstance(found, dict):
        for name, value in found.items():
            yield from _secure(value, f"{path}.{name}" if path else name)
    elif isinstance(found, list):
        for number, value in enumerate(found):
            yield from _secure(value, f"{path}[{number}]")
