"""Settings and connection strings of App Service, Functions and Logic Apps Standard, each slot by itself."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from rotator.dependents.arm import reference_in
from rotator.hunt.place import Held, Hidden, Scope, place_of, prints
from rotator.hunt.reach import Reach

SITES = "Microsoft.Web/sites"
API_VERSION = "2024-04-01"
STRINGS = "connection strings"


class AppSettings:
    """Fulfils `Place`."""

    name = "app settings"

    async def search(self, scope: Scope, reach: Reach) -> AsyncIterator[Held | Hidden]:
        sites, hidden = await reach.listed(SITES, scope, API_VERSION, needs=f"{SITES}/read")
        slots, more = await reach.parts(sites, "slots", API_VERSION, needs=f"{SITES}/slots/read")
        for each in (*hidden, *more):
            yield each

        async def listed(site: str, what: str) -> dict[str, Any]:
            action = "slots/config/list/action" if "/slots/" in site.lower() else "config/list/action"
            found = await reach.ask(f"{site}/config/{what}/list", API_VERSION, needs=f"{SITES}/{action}")
            return found.get("properties") or {}

        async def settings(site: str) -> list[Held]:
            return [_held(site, name, text) for name, text in (await listed(site, "appsettings")).items()]

        async def strings(site: str) -> list[Held]:
            return [_string(site, name, found) for name, found in (await listed(site, "connectionstrings")).items()]

        for name, look in ((self.name, settings), (STRINGS, strings)):
            async for one in reach.each(name, (*sites, *slots), look):
                yield one


def _string(site: str, name: str, found: object) -> Held:
    """Its text may be a reference, as that of a setting."""
    held = _held(site, name, found.get("value") if isinstance(found, dict) else None)
    settings = {"kind": "app-service", "site": site, "connection_string": name}
    asks = f"an app setting that takes its place: no kind of dependent moves the connection string {name}"
    return replace(held, what=f"connection string {name} of {place_of(site)}", settings=settings, asks=asks)


def _held(site: str, setting: str, text: object) -> Held:
    reference = reference_in(text) if isinstance(text, str) else None
    return Held(
        what=f"setting {setting} of {place_of(site)}",
        resource=site,
        settings={"kind": "app-service", "site": site, "setting": setting},
        fingerprints=() if reference else prints(text),
        reference=reference,
    )
