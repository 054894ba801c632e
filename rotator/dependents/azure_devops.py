"""Azure DevOps: a secret variable of a variable group, or the secret of a service connection.

Both are written whole: what is there is read, one value changed, everything else sent as it came (a secret that comes as null stays as it
is in the service), and read back. There is no ETag, so the object is compared once more right before the write, and after it. A group
that is linked to a Key Vault holds nothing: each run reads the vault.

Neither gives its secret back. Which value was written last is said beside it in plain sight: for a variable, by another one
(`ROTATOR_FINGERPRINT_NAME`), for a connection, in its description. Plain REST over our own session, because the one client for Python
(azure-devops) is synchronous, brings every service of Azure DevOps, and has been a beta since 2023.
"""

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

from rotator.core.credential import Dependent
from rotator.core.faults import Conflict, Missing, Rejected, Transient
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.snapshot import DependentView
from rotator.dependents.https import Request, call, mapping
from rotator.dependents.tools import Tools
from rotator.dependents.views import claimed, filled, short, stale
from rotator.engine.ports import Published

API = "7.1"
SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
"""Azure DevOps's own application in Entra, the same in every tenant."""
TRIES = 3
BESIDE = "ROTATOR_FINGERPRINT_"
_NOTE = re.compile(r"\s*\[rotator-fingerprint: ([a-z2-7]{26})\]")
NEEDS_GROUP = "Library: Administrator of the variable group"
NEEDS_CONNECTION = "Service connections: Administrator of the connection"
_CHANGING = frozenset({"modifiedBy", "modifiedOn"})


def kind(tools: Tools) -> "AzureDevOps":
    return AzureDevOps(tools)


class AzureDevOps:
    """Fulfils `Kind` for a variable group or a service connection."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        said = dependent.parameters
        found = await self._read(said)
        if _is_linked(found) and published.secret.name not in (found.get("variables") or {}):
            return stale(dependent, "linked", f"the group is linked to a Key Vault, but not to its secret {published.secret.name}")
        if _is_linked(found):
            vault = str((found.get("providerData") or {}).get("vault") or "a Key Vault")
            return claimed(
                dependent, f"linked to {vault}", "the group is linked: each run reads the vault, and a run under way does not again"
            )
        written = _written(found, said)
        seen = f"written: {short(written) if written else 'nothing by rotator'}"
        if written != published.fingerprint:
            return stale(dependent, seen, "this value has not been written to it", running=written)
        return claimed(dependent, seen, "it was written; Azure DevOps gives no value back, and each run reads it anew", running=written)

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """One write at a time to one object: two credentials of ours in one group do not undo each other."""
        said = dependent.parameters
        whole = f"{said['organisation']}/{said['project']}/{_what(said)}".lower()
        async with self._turns.setdefault(whole, asyncio.Lock()):
            await self._deliver(said, published)

    async def _deliver(self, said: Mapping[str, Any], published: Published) -> None:
        value = published.value
        for _ in range(TRIES):
            before = await self._read(said)
            if _is_linked(before) or _written(before, said) == published.fingerprint:
                return
            wanted = _with(before, said, filled(value, said["format"], None), published.fingerprint)
            if await self._read(said) != before:
                continue  # somebody writes at this moment: begin again with what they wrote
            await self._write(said, wanted)
            if _comparable(await self._read(said), said) != _comparable(wanted, said):
                raise Conflict(f"{_what(said)}: somebody else wrote it in the same moment")
            return
        raise Conflict(f"{_what(said)}: somebody else keeps writing it")

    async def _read(self, said: Mapping[str, Any]) -> dict[str, Any]:
        if said["connection"] is None and not str(said["variable_group"]).isdecimal():
            return await self._named(said)
        request = await self._request(said, _path(said))
        reply = await call(self._tools.azure.probes, request)
        if reply.content is None:  # Azure DevOps's way to say 404
            raise Missing(f"{_what(said)}: not there", remedy=request.missing)
        return _formed(mapping(request, reply), said)

    async def _named(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """A group by its name. The list shows no more than one of exactly this name in a project."""
        name = str(said["variable_group"])
        request = await self._request(said, f"/_apis/distributedtask/variablegroups?groupName={quote(name, safe='')}")
        found = mapping(request, await call(self._tools.azure.probes, request)).get("value") or []
        groups = [one for one in found if isinstance(one, dict) and str(one.get("name")).lower() == name.lower()]
        if len(groups) != 1:
            raise Missing(f"variable group {name}: not there", remedy=f"correct its name, or grant {NEEDS_GROUP}")
        return _formed(groups[0], said)

    async def _write(self, said: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        area = "distributedtask/variablegroups" if said["connection"] is None else "serviceendpoint/endpoints"
        request = await self._request(said, f"/_apis/{area}/{wanted['id']}", body=wanted)
        await call(self._tools.azure.probes, request)

    async def _request(self, said: Mapping[str, Any], path: str, *, body: Mapping[str, Any] | None = None) -> Request:
        project = "" if body is not None else f"/{quote(said['project'], safe='')}"  # a write names the projects in its body
        url = f"{said['organisation']}{project}{path}{'&' if '?' in path else '?'}api-version={API}"
        needs = NEEDS_GROUP if said["connection"] is None else NEEDS_CONNECTION
        return Request(
            what=f"{'write of' if body is not None else 'look at'} {_what(said)}",
            url=url,
            method="GET" if body is None else "PUT",
            headers={"Authorization": await self._authorization(said), "Accept": "application/json", "Content-Type": "application/json"},
            body=None if body is None else json.dumps(body).encode(),
            needs=needs,
            missing=f"it is not there, or rotator may not see it: grant {needs}",
            mutates=body is not None,
        )

    async def _authorization(self, said: Mapping[str, Any]) -> str:
        """A personal access token where one is named, else rotator's own identity, as a user of the organisation."""
        if said["token"] is not None:
            token = (await self._tools.secret(said["token"])).reveal()
            return f"Basic {base64.b64encode(f':{token}'.encode()).decode()}"
        return f"Bearer {(await self._tools.azure.credential.get_token(SCOPE)).token}"


def _what(said: Mapping[str, Any]) -> str:
    return f"variable group {said['variable_group']}" if said["connection"] is None else f"service connection {said['connection']}"


def _formed(found: dict[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The object, where it is of the form that is written back: an odd one is not built upon."""
    authorization = found.get("authorization")
    parameters = authorization.get("parameters") if isinstance(authorization, dict) else None
    inner = found.get("variables") if said["connection"] is None else parameters
    whole = isinstance(inner, dict) and (said["connection"] is not None or all(isinstance(one, dict) for one in inner.values()))
    if not whole or "id" not in found or not isinstance(found.get("description") or "", str):
        raise Transient(f"look at {_what(said)}: the answer is not of the documented form")
    return found


def _path(said: Mapping[str, Any]) -> str:
    if said["connection"] is None:
        return f"/_apis/distributedtask/variablegroups/{said['variable_group']}"
    return f"/_apis/serviceendpoint/endpoints/{quote(said['connection'], safe='')}"


def _is_linked(found: Mapping[str, Any]) -> bool:
    return found.get("type") == "AzureKeyVault" and "variables" in found


def _written(found: Mapping[str, Any], said: Mapping[str, Any]) -> Fingerprint | None:
    """The fingerprint that stands beside the secret."""
    if said["connection"] is None:
        beside = (found.get("variables") or {}).get(BESIDE + said["variable"]) or {}
        return Fingerprint(beside["value"]) if isinstance(beside.get("value"), str) else None
    noted = _NOTE.search(found.get("description") or "")
    return Fingerprint(noted[1]) if noted else None


def _with(before: Mapping[str, Any], said: Mapping[str, Any], text: Sealed, value: Fingerprint) -> dict[str, Any]:
    """The whole object as it came, with the value in its place and its fingerprint beside it."""
    if said["connection"] is None:
        variables = dict(before.get("variables") or {})
        place = variables.get(said["variable"])
        if place is None:
            raise Missing(f"{_what(said)} has no variable {said['variable']}", remedy="add it once, as a secret one")
        if not place.get("isSecret"):
            raise Rejected(f"variable {said['variable']} is not secret: everybody would see the key", remedy="lock it in the library")
        variables[said["variable"]] = {**place, "value": text.reveal()}
        variables[BESIDE + said["variable"]] = {"value": value, "isSecret": False}
        return {**before, "variables": variables}
    authorization = before.get("authorization") or {}
    parameters = authorization.get("parameters") or {}
    if said["parameter"] not in parameters:
        known = ", ".join(sorted(parameters)) or "none"
        raise Missing(f"{_what(said)} has no parameter {said['parameter']}", remedy=f"correct `parameter:`; it has {known}")
    parameters = {**parameters, said["parameter"]: text.reveal()}
    note = f"{_NOTE.sub('', before.get('description') or '')} [rotator-fingerprint: {value}]".strip()
    return {**before, "description": note, "authorization": {**authorization, "parameters": parameters}}


def _comparable(found: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that is given back: not the secrets, and not who wrote last."""
    plain = {name: value for name, value in found.items() if name not in _CHANGING}
    if said["connection"] is None:
        variables = (found.get("variables") or {}).items()
        return {**plain, "variables": {name: {**one, "value": None} if one.get("isSecret") else one for name, one in variables}}
    authorization = dict(found.get("authorization") or {})
    return {**plain, "authorization": {**authorization, "parameters": sorted(authorization.get("parameters") or {})}}
