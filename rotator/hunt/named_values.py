"""Named values of API Management."""

from collections.abc import AsyncIterator

from rotator.dependents.arm import reference_at
from rotator.hunt.place import Held, Hidden, Scope, place_of, prints
from rotator.hunt.reach import Reach

SERVICE = "Microsoft.ApiManagement/service"
API_VERSION = "2022-08-01"


class NamedValues:
    """Fulfils `Place`."""

    name = "API Management named values"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        services, hidden = await reach.listed(SERVICE, scope, API_VERSION, needs=f"{SERVICE}/read")
        values, more = await reach.parts(services, "namedValues", API_VERSION, needs=f"{SERVICE}/namedValues/read")
        for one in (*hidden, *more):
            yield one

        async def look(value: str) -> list[Held]:
            properties = values[value]
            url = (properties.get("keyVault") or {}).get("secretIdentifier")
            if url:
                return [_held(value, url, None)]
            text = properties.get("value")
            if properties.get("secret"):
                answer = await reach.ask(f"{value}/listValue", API_VERSION, needs=f"{SERVICE}/namedValues/listValue/action")
                text = answer.get("value")
            return [_held(value, "", text)]

        async for each in reach.each(self.name, values, look):
            yield each


def _held(value: str, url: str, text: object) -> Held:
    service, _, name = value.partition("/namedValues/")
    return Held(
        what=f"named value {name} of {place_of(service)}",
        resource=value,
        settings={"kind": "api-management", "service": service, "named_value": name},
        fingerprints=() if url else prints(text),
        reference=reference_at(url) if url else None,
    )
