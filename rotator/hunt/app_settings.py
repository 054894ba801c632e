"""Settings of App Service, Functions and Logic Apps Standard, each slot by itself."""

from collections.abc import AsyncIterator

from rotator.dependents.arm import reference_in
from rotator.hunt.place import Held, Hidden, Scope, place_of, prints
from rotator.hunt.reach import Reach

SITES = "Microsoft.Web/sites"
API_VERSION = "2024-04-01"


class AppSettings:
    """Fulfils `Place`."""

    name = "app settings"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        sites, hidden = await reach.listed(SITES, scope, API_VERSION, needs=f"{SITES}/read")
        slots, more = await reach.parts(sites, "slots", API_VERSION, needs=f"{SITES}/slots/read")
        for each in (*hidden, *more):
            yield each

        async def look(site: str) -> list[Held]:
            action = "slots/config/list/action" if "/slots/" in site.lower() else "config/list/action"
            found = await reach.ask(f"{site}/config/appsettings/list", API_VERSION, needs=f"{SITES}/{action}")
            return [_held(site, name, text) for name, text in (found.get("properties") or {}).items()]

        async for one in reach.each(self.name, (*sites, *slots), look):
            yield one


def _held(site: str, setting: str, text: object) -> Held:
    reference = reference_in(text) if isinstance(text, str) else None
    return Held(
        what=f"setting {setting} of {place_of(site)}",
        resource=site,
        settings={"kind": "app-service", "site": site, "setting": setting},
        fingerprints=() if reference else prints(text),
        reference=reference,
    )
