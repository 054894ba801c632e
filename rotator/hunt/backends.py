"""Headers and query parameters that the backends of API Management are called with."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from rotator.hunt.named_values import API_VERSION, SERVICE
from rotator.hunt.place import Held, Hidden, Scope, place_of, prints
from rotator.hunt.reach import Reach

FIELDS = ("header", "query")


class Backends:
    """Fulfils `Place`. A value that is a named value's name (`{{…}}`) is searched where named values are."""

    name = "API Management backends"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        services, hidden = await reach.listed(SERVICE, scope, API_VERSION, needs=f"{SERVICE}/read")
        backends, more = await reach.parts(services, "backends", API_VERSION, needs=f"{SERVICE}/backends/read")
        for one in (*hidden, *more):
            yield one

        async def look(backend: str) -> list[Held]:
            return list(_held(backend, backends[backend].get("credentials") or {}))

        async for each in reach.each(self.name, backends, look, writes=False):
            yield each


def _held(backend: str, credentials: dict[str, Any]) -> Iterator[Held]:
    service, _, name = backend.partition("/backends/")
    for field in FIELDS:
        for parameter, values in (credentials.get(field) or {}).items():
            for value in values if isinstance(values, list) else [values]:
                yield Held(
                    what=f"{field} {parameter} of backend {name} of {place_of(service)}",
                    resource=backend,
                    settings={"kind": "api-management", "service": service, "backend": name, field: parameter},
                    fingerprints=prints(value),
                    asks="which of its values is the key: a dependent has one" if isinstance(values, list) and len(values) > 1 else "",
                )
