"""API Management: a named value, or a header or query parameter that a backend is called with.

A named value that refers to the vault moves by Azure's refresh call (left alone it takes four hours); a plain one, and a backend, by a
write under the ETag that was read: a write that comes second has no effect (412), and is prepared anew. A named value's other properties,
and a backend's other credentials, stay.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from azure.mgmt.apimanagement.aio import ApiManagementClient
from azure.mgmt.apimanagement.models import BackendCredentialsContract, BackendUpdateParameters, NamedValueUpdateParameters

from rotator.azure import faults
from rotator.core.credential import Dependent
from rotator.core.faults import Conflict, Missing, Rejected
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.arm import (
    ATTEMPTS,
    Clients,
    Resource,
    Underway,
    by_value,
    changed_meanwhile,
    elsewhere,
    filled,
    pinned,
    read,
    reference_at,
    resource,
    seen,
    view,
)
from rotator.dependents.tools import Tools
from rotator.engine.ports import Kind, Published

REFRESH_TAKES_S = 60
WHOLE_SECONDS = timedelta(seconds=1)
"""The vault tells a version's time in whole seconds: what was fetched within that second may be the version before. So the refresh waits it
out, and what it fetches can be told to be the version.
"""
_ACTIONS = "Microsoft.ApiManagement/service"


def kind(tools: Tools) -> Kind:
    return ApiManagement(tools)


class ApiManagement:
    """Fulfils `Kind`."""

    def __init__(self, tools: Tools, client: Callable[..., ApiManagementClient] = ApiManagementClient) -> None:
        self._clients = Clients(tools.azure, client)
        self._refreshes = Underway(REFRESH_TAKES_S)
        self._pause = tools.pause

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        look = self._look_at_backend if dependent.parameters["backend"] else self._look_at_named
        return await seen(dependent, look(dependent, published))

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Refresh or write, where it lags. Raises Rejected where a reference never moves."""
        await read(dependent, self._move(dependent, published))

    async def _move(self, dependent: Dependent, published: Published) -> None:
        write = self._write_backend if dependent.parameters["backend"] else self._move_named
        for _ in range(ATTEMPTS):
            try:
                return await write(dependent, published)
            except Conflict as conflict:
                if not changed_meanwhile(conflict):
                    raise
        raise Conflict(f"{_what(dependent)} keeps changing while it is written", remedy="look at who else deploys it")

    # --- named values

    async def _look_at_named(self, dependent: Dependent, published: Published) -> DependentView:
        place, name = resource(dependent.parameters["service"]), dependent.parameters["named_value"]
        found, _ = await self._named(place, name)
        if found.key_vault is None:
            return by_value(dependent, published, await self._plain(place, name), _what(dependent))
        reference = reference_at(found.key_vault.secret_identifier or "")
        if not reference.is_to(published):
            return elsewhere(dependent, published, _what(dependent))
        return pinned(reference, _judged(dependent, published, found.key_vault.last_status, reference.version), _what(dependent))

    async def _move_named(self, dependent: Dependent, published: Published) -> None:
        place, name = resource(dependent.parameters["service"]), dependent.parameters["named_value"]
        found, etag = await self._named(place, name)
        if found.key_vault is not None:
            reference_at(found.key_vault.secret_identifier or "").refuse_to_move(_what(dependent), published)
            return await self._refresh(place, name, published)
        current = await self._plain(place, name)
        wish = filled(dependent, published, current)
        if Sealed(current) == wish:
            return None
        with faults(f"write of {_what(dependent)}", mutates=True, needs=f"{_ACTIONS}/namedValues/write"):
            change = NamedValueUpdateParameters(value=wish.reveal())
            await self._clients.at(place).named_value.begin_update(place.group, place.name, name, etag, change, polling=False)
        return None

    async def _refresh(self, place: Resource, name: str, published: Published) -> None:
        sign = (place.id.lower(), name, published.version)
        if self._refreshes.is_on(sign):
            return
        await self._pause(WHOLE_SECONDS.total_seconds())
        with faults(f"refresh of named value {name}", mutates=True, needs=f"{_ACTIONS}/namedValues/refreshSecret/action"):
            await self._clients.at(place).named_value.begin_refresh_secret(place.group, place.name, name, polling=False)
        self._refreshes.begin(sign)

    async def _named(self, place: Resource, name: str) -> tuple[Any, str]:
        with faults(f"named value {name} of {place.name}", needs=f"{_ACTIONS}/namedValues/read"):
            answer: Any = await self._clients.at(place).named_value.get(place.group, place.name, name, cls=_with_etag)
            return answer[0], answer[1]

    async def _plain(self, place: Resource, name: str) -> str:
        with faults(f"value of named value {name}", needs=f"{_ACTIONS}/namedValues/listValue/action"):
            found = await self._clients.at(place).named_value.list_value(place.group, place.name, name)
            return found.value or ""

    # --- backends

    async def _look_at_backend(self, dependent: Dependent, published: Published) -> DependentView:
        found, _ = await self._backend(dependent)
        return by_value(dependent, published, _sent(found, dependent), _what(dependent))

    async def _write_backend(self, dependent: Dependent, published: Published) -> None:
        place, name = resource(dependent.parameters["service"]), dependent.parameters["backend"]
        found, etag = await self._backend(dependent)
        current = _sent(found, dependent)
        wish = filled(dependent, published, current)
        if Sealed(current) == wish:
            return
        credentials = _with(found.credentials, dependent, wish)
        with faults(f"write of {_what(dependent)}", mutates=True, needs=f"{_ACTIONS}/backends/write"):
            change = BackendUpdateParameters(credentials=credentials)
            await self._clients.at(place).backend.update(place.group, place.name, name, etag, change)

    async def _backend(self, dependent: Dependent) -> tuple[Any, str]:
        place, name = resource(dependent.parameters["service"]), dependent.parameters["backend"]
        with faults(f"backend {name} of {place.name}", needs=f"{_ACTIONS}/backends/read"):
            answer: Any = await self._clients.at(place).backend.get(place.group, place.name, name, cls=_with_etag)
            return answer[0], answer[1]


def _with_etag(_: Any, found: Any, headers: dict[str, Any]) -> Any:
    if not headers.get("ETag"):
        raise ValueError("no ETag")
    return found, headers["ETag"]


def _what(dependent: Dependent) -> str:
    said = dependent.parameters
    return f"named value {said['named_value']}" if said["named_value"] else f"backend {said['backend']}"


def _judged(dependent: Dependent, published: Published, status: Any, pinned_to: str) -> DependentView:
    """By the last fetch: what was fetched after the version was made is that version, or a newer one."""
    code, at = (status.code or "unknown", status.time_stamp_utc) if status else ("never fetched", None)
    saw = f"{code}{f' at {at:%Y-%m-%dT%H:%M:%SZ}' if at else ''}"
    if code != "Success" or at is None:
        because = f"API Management cannot read the vault for it ({code}): look at its identity and its access to the secret"
        return view(dependent, Adoption.STALE, saw, because)
    if pinned_to == published.version or (not pinned_to and at >= published.since + WHOLE_SECONDS):
        return view(dependent, Adoption.PROVEN, saw, running=published.fingerprint)
    return view(dependent, Adoption.STALE, saw, "not fetched from the vault since the version was made")


def _place_in(credentials: Any, dependent: Dependent) -> tuple[str, str, dict[str, list[str]]]:
    field, name = ("header", dependent.parameters["header"]) if dependent.parameters["header"] else ("query", dependent.parameters["query"])
    return field, name, dict(getattr(credentials, field, None) or {})


def _sent(found: Any, dependent: Dependent) -> str:
    """What the backend is called with now. Raises Missing or Rejected where that is no value of its own."""
    field, name, values = _place_in(found.credentials, dependent)
    written = next((value for key, value in values.items() if key.lower() == name.lower()), None)
    if not written:
        raise Missing(f"{_what(dependent)} has no {field} {name}", remedy=f"correct `{field}:`, or make it once by hand")
    if len(written) > 1 or written[0].startswith("{{"):
        remedy = "name that named value as the dependent" if written[0].startswith("{{") else "leave one value in it"
        raise Rejected(f"{field} {name} of {_what(dependent)} is not one plain value", remedy=remedy)
    return written[0]


def _with(credentials: Any, dependent: Dependent, wish: Sealed) -> BackendCredentialsContract:
    """All of the credentials, with the one value replaced: the write takes them as a whole."""
    field, name, values = _place_in(credentials, dependent)
    changed = {key: [wish.reveal()] if key.lower() == name.lower() else value for key, value in values.items()}
    setattr(credentials, field, changed)
    kept: BackendCredentialsContract = credentials
    return kept
