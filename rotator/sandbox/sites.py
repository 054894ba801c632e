"""App Service sites and their slots: settings that are replaced as a whole, Key Vault references with a cache of a day.

Promises: a PUT of settings drops what it does not name and restarts the site; the cache of a reference is asked anew
by the refresh call, after 24 hours, or when its text changes, never by a restart alone; a pinned version never moves;
a swap exchanges what is not sticky. Never: code.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rotator.sandbox.references import Fetched, fetch, place_of
from rotator.sandbox.wire import Answer, Call, Refused, Route

if TYPE_CHECKING:
    from rotator.sandbox.state import State

CACHED_FOR = timedelta(hours=24)
_PROVIDER = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Web"
_SITE = rf"(?P<id>{_PROVIDER}/sites/(?P<target>[^/]+)(/slots/[^/]+)?)"


@dataclass(slots=True, kw_only=True)
class Site:
    """`refresh_takes_s` is how long a refresh goes on answering with the old version; `sticky` are the settings that a swap leaves;
    `strings` are its connection strings, which nobody here lives on.
    """

    id: str
    settings: dict[str, str] = field(repr=False)
    started_at: datetime
    sticky: set[str] = field(default_factory=set)
    strings: dict[str, str] = field(default_factory=dict, repr=False)
    refresh_takes_s: float = 0.0
    restarts: int = 0
    cache: dict[str, Fetched] = field(default_factory=dict, repr=False)
    refreshed_at: datetime | None = None

    def process(self, state: "State", setting: str) -> str | None:
        """What the site's process has in its environment now."""
        self.look(state)
        plain = self.settings.get(setting)
        return self.cache[setting].value if setting in self.cache else plain

    def look(self, state: "State") -> None:
        """What is due is done by whoever looks next."""
        now = state.now()
        due = self.refreshed_at is not None and now >= self.refreshed_at + timedelta(seconds=self.refresh_takes_s)
        for name, text in self.settings.items():
            place = place_of(text)
            if place is not None and (name not in self.cache or due or now >= self.cache[name].at + CACHED_FOR):
                self.cache[name] = fetch(state, place)
        self.refreshed_at = None if due else self.refreshed_at

    def replace(self, settings: dict[str, str], state: "State") -> None:
        self.look(state)
        kept = {name for name, text in settings.items() if self.settings.get(name) == text}
        self.cache = {name: one for name, one in self.cache.items() if name in kept}
        self.settings = settings
        self.restart(state)
        self.look(state)

    def restart(self, state: "State") -> None:
        self.started_at = state.now()
        self.restarts += 1


def swap(one: Site, other: Site, state: "State") -> None:
    """Settings that are not sticky change places, and what was cached of them goes along."""
    here = {name: text for name, text in one.settings.items() if name not in one.sticky}
    there = {name: text for name, text in other.settings.items() if name not in other.sticky}
    stay = {name: text for name, text in one.settings.items() if name in one.sticky}
    rest = {name: text for name, text in other.settings.items() if name in other.sticky}
    one.replace({**there, **stay}, state)
    other.replace({**here, **rest}, state)


class Sites:
    """The part of Resource Manager that sites answer at."""

    def __init__(self, state: "State") -> None:
        self._state = state
        config = rf"{_SITE}/config"
        references = rf"{config}/configreferences/appsettings"
        self.routes: Sequence[Route] = (
            Route("POST", rf"{config}/appsettings/list", "ListAppSettings", self.list_settings),
            Route("POST", rf"{config}/connectionstrings/list", "ListConnectionStrings", self.list_strings),
            Route("PUT", rf"{config}/appsettings", "SetAppSettings", self.set_settings),
            Route("GET", rf"{references}/(?P<setting>[^/]+)", "GetAppSettingReference", self.reference),
            Route("POST", rf"{references}/refresh", "RefreshReferences", self.refresh),
            Route("POST", rf"{_SITE}/restart", "RestartSite", self.restart),
        )

    def list_settings(self, call: Call) -> Answer:
        return Answer(body=_settings(self._find(call)))

    def list_strings(self, call: Call) -> Answer:
        site = self._find(call)
        properties = {name: {"value": text, "type": "Custom"} for name, text in site.strings.items()}
        return Answer(body={"id": f"{site.id}/config/connectionstrings", "name": "connectionstrings", "properties": properties})

    def set_settings(self, call: Call) -> Answer:
        site = self._find(call)
        properties = call.json().get("properties")
        if not isinstance(properties, dict) or not all(isinstance(value, str) for value in properties.values()):
            raise Refused(400, "BadRequest", "The parameter properties has an invalid value.")
        site.replace(dict(properties), self._state)
        return Answer(body=_settings(site))

    def reference(self, call: Call) -> Answer:
        site, setting = self._find(call), call.names["setting"]
        site.look(self._state)
        if setting not in site.cache:
            raise Refused(404, "NotFound", "The setting is not a Key Vault reference.")
        return Answer(body=_reference(site, setting))

    def refresh(self, call: Call) -> Answer:
        site = self._find(call)
        site.look(self._state)
        site.refreshed_at = self._state.now()
        site.restart(self._state)
        site.look(self._state)
        return Answer(body={"value": [_reference(site, setting) for setting in site.cache]})

    def restart(self, call: Call) -> Answer:
        self._find(call).restart(self._state)
        return Answer()

    def _find(self, call: Call) -> Site:
        return self._state.find(call.names["id"], Site)


def _settings(site: Site) -> dict[str, Any]:
    return {"id": f"{site.id}/config/appsettings", "name": "appsettings", "type": "Microsoft.Web/sites/config", "properties": site.settings}


def _reference(site: Site, setting: str) -> dict[str, Any]:
    text, cached = site.settings[setting], site.cache[setting]
    place = place_of(text)
    properties = {
        "reference": text,
        "status": cached.status,
        "vaultName": place.vault if place else "",
        "secretName": place.secret if place else "",
        "secretVersion": place.version if place else "",
        "activeVersion": cached.version,
        "source": "KeyVault",
        "details": "Reference has been successfully resolved." if cached.status == "Resolved" else "Reference could not be resolved.",
    }
    where = f"{site.id}/config/configreferences/appsettings/{setting}"
    return {"id": where, "name": setting, "type": "Microsoft.Web/sites/config/configreferences", "properties": properties}
