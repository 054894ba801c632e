"""Settings of App Service, Functions and Logic Apps Standard, each slot by itself."""

from collections.abc import AsyncIterator

from rotator.core.faults import Fault
from rotator.dependents.arm import reference_in
from rotator.hunt.place import Held, Hidden, Reach, Scope, behind, place_of, prints

SITES = "Microsoft.Web/sites"
API_VERSION = "2024-04-01"


class AppSettings:
    """Fulfils `Place`."""

    name = "app settings"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        sites, hidden = await reach.listed(SITES, scope, API_VERSION, needs=f"{SITES}/read")
        slots, more = await _slots(sites, reach)
        for each in (*hidden, *more):
            yield each

        async def look(site: str) -> list[Held]:
            found = await reach.ask(f"{site}/config/appsettings/list", API_VERSION, needs=f"{SITES}/config/list/action")
            return [_held(site, name, text) for name, text in (found.get("properties") or {}).items()]

        async for one in reach.each(self.name, (*sites, *slots), look):
            yield one


async def _slots(sites: list[str], reach: Reach) -> tuple[list[str], list[Hidden]]:
    slots, hidden = list[str](), list[Hidden]()
    for site in sites:
        try:
            slots += [
                str(one["id"]) for one in await reach.every(f"{site}/slots", API_VERSION, needs=f"{SITES}/slots/read") if one.get("id")
            ]
        except Fault as fault:
            hidden.append(behind(f"the slots of {place_of(site)}", fault))
    return slots, hidden


def _held(site: str, setting: str, text: object) -> Held:
    reference = reference_in(text) if isinstance(text, str) else None
    return Held(
        what=f"setting {setting} of {place_of(site)}",
        resource=site,
        settings={"kind": "app-service", "site": site, "setting": setting},
        fingerprints=() if reference else prints(text),
        reference=reference,
    )
