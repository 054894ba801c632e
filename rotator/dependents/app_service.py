"""App Service, Functions and Logic Apps Standard: one setting of a site, or of a slot.

A Key Vault reference moves by Azure's refresh call (left alone it takes a day, and a plain restart does not reliably read the vault
again); a plain setting by writing all settings, since the write replaces them. There is no ETag: settings are read again right before the
write, and after it. Nothing else of the site is touched, and no setting is ever made that was not there.
"""

from collections.abc import Callable
from typing import Any

from azure.core.rest import HttpRequest
from azure.mgmt.web.aio import WebSiteManagementClient
from azure.mgmt.web.models import StringDictionary

from rotator.azure import faults
from rotator.core.credential import Dependent
from rotator.core.faults import Conflict, Missing
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents.arm import (
    ATTEMPTS,
    SHOWN,
    Clients,
    Resource,
    Turns,
    Underway,
    by_value,
    elsewhere,
    filled,
    pinned,
    read,
    reference_in,
    resource,
    seen,
    view,
)
from rotator.dependents.tools import Tools
from rotator.engine.ports import Kind, Published

REFRESH_TAKES_S = 60
"""For so long a refresh that was answered is not sent again: each one restarts the site."""
REFRESH_API_VERSION = "2022-03-01"


def kind(tools: Tools) -> Kind:
    return AppService(tools)


class AppService:
    """Fulfils `Kind`."""

    def __init__(self, tools: Tools, client: Callable[..., WebSiteManagementClient] = WebSiteManagementClient) -> None:
        self._clients = Clients(tools.azure, client)
        self._refreshes = Underway(REFRESH_TAKES_S)
        self._turns = Turns()

    async def adoption(self, dependent: Dependent, published: Published) -> DependentView:
        return await seen(dependent, self._look(dependent, published))

    async def deliver(self, dependent: Dependent, published: Published) -> None:
        """Refresh a reference, or write a plain setting. Raises Rejected where a reference never moves."""
        async with self._turns.at(_place(dependent)[0]):
            await read(dependent, self._move(dependent, published))

    async def _move(self, dependent: Dependent, published: Published) -> None:
        site, setting = _place(dependent)
        settings = await self._settings(site)
        reference = reference_in(_text(settings, site, setting))
        if reference is None:
            return await self._write(site, settings, dependent, published)
        reference.refuse_to_move(f"setting {setting} of {_name(site)}", published)
        state = await self._state(site, setting)
        if state.active_version != published.version:
            await self._refresh(site, published)
        return None

    async def _look(self, dependent: Dependent, published: Published) -> DependentView:
        site, setting = _place(dependent)
        what = f"setting {setting}"
        text = _text(await self._settings(site), site, setting)
        reference = reference_in(text)
        if reference is None:
            return by_value(dependent, published, text, what)
        if not reference.is_to(published):
            return elsewhere(dependent, published, what)
        return pinned(reference, _judged(dependent, published, await self._state(site, setting)), what)

    async def _write(self, site: Resource, settings: dict[str, str], dependent: Dependent, published: Published) -> None:
        setting = dependent.parameters["setting"]
        for _ in range(ATTEMPTS):
            current = _text(settings, site, setting)
            if reference_in(current) is not None:
                raise Conflict(f"setting {setting} of {_name(site)} became a reference meanwhile")
            wish = filled(dependent, published, current)
            if Sealed(current) == wish:
                return
            again = await self._settings(site)
            if again != settings:
                settings = again
                continue
            await self._put(site, {**settings, setting: wish.reveal()})
            if Sealed((await self._settings(site)).get(setting, "")) != wish:
                raise Conflict(f"setting {setting} of {_name(site)} was written by somebody else meanwhile")
            return
        raise Conflict(f"the settings of {_name(site)} keep changing while they are written", remedy="look at who else deploys them")

    async def _refresh(self, site: Resource, published: Published) -> None:
        """All references of a site at once: asked once for one version, however many of its settings are dependents."""
        sign = (site.id.lower(), str(published.secret), published.version)
        if self._refreshes.is_on(sign):
            return
        place = f"{site.id}/config/configreferences/appsettings/refresh"
        request = HttpRequest("POST", place, params={"api-version": REFRESH_API_VERSION})
        with faults(f"refresh of the references of {_name(site)}", mutates=True, needs=_action(site, "config/write")):
            response = await self._clients.at(site).send_request(request)
            response.raise_for_status()
        self._refreshes.begin(sign)

    async def _settings(self, site: Resource) -> dict[str, str]:
        apps = self._clients.at(site).web_apps
        with faults(f"settings of {_name(site)}", needs=_action(site, "config/list/action")):
            if "slots" in site.names:
                found = await apps.list_application_settings_slot(site.group, site.names["sites"], site.names["slots"])
            else:
                found = await apps.list_application_settings(site.group, site.names["sites"])
            return dict(found.properties or {})

    async def _put(self, site: Resource, settings: dict[str, str]) -> None:
        apps, wish = self._clients.at(site).web_apps, StringDictionary(properties=settings)
        with faults(f"write of the settings of {_name(site)}", mutates=True, needs=_action(site, "config/write")):
            if "slots" in site.names:
                await apps.update_application_settings_slot(site.group, site.names["sites"], site.names["slots"], wish)
            else:
                await apps.update_application_settings(site.group, site.names["sites"], wish)

    async def _state(self, site: Resource, setting: str) -> Any:
        apps = self._clients.at(site).web_apps
        with faults(f"reference {setting} of {_name(site)}", needs=_action(site, "config/read")):
            if "slots" in site.names:
                at = {"slot": site.names["slots"], "app_setting_key": setting}
                return await apps.get_app_setting_key_vault_reference_slot(site.group, site.names["sites"], **at)
            return await apps.get_app_setting_key_vault_reference(site.group, site.names["sites"], setting)


def _place(dependent: Dependent) -> tuple[Resource, str]:
    return resource(dependent.parameters["site"]), dependent.parameters["setting"]


def _name(site: Resource) -> str:
    return "/".join(filter(None, (site.names["sites"], site.names.get("slots"))))


def _action(site: Resource, action: str) -> str:
    return f"Microsoft.Web/sites/{'slots/' if 'slots' in site.names else ''}{action}"


def _text(settings: dict[str, str], site: Resource, setting: str) -> str:
    if setting not in settings:
        raise Missing(f"{_name(site)} has no setting {setting}", remedy="correct `setting:`, or make the setting once by hand")
    return settings[setting]


def _judged(dependent: Dependent, published: Published, state: Any) -> DependentView:
    status, version = str(getattr(state.status, "value", state.status) or "unknown"), state.active_version or ""
    saw = f"version {version[:SHOWN] or 'none'}, {status}"
    if status != "Resolved":
        because = f"Azure cannot read the vault for it ({status}): look at the site's identity and its access to the secret"
        return view(dependent, Adoption.STALE, saw, because)
    if version == published.version:
        return view(dependent, Adoption.PROVEN, saw, running=published.fingerprint)
    return view(dependent, Adoption.STALE, saw, "the reference still gives out another version")
