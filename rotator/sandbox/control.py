"""The control port: plain HTTP and JSON on loopback, for a test, a demonstration or a judge in another process.

Promises: the only place where the truth may be asked, keys included; each route is one method of the sandbox. Never:
journalled, throttled or struck by a fault; never reachable under another host name, so that a web page cannot rebind
its way in.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rotator.sandbox.control_json import account_json, app_json, entry_json, fault_json, key_json, settings, version_json, whole

if TYPE_CHECKING:
    from rotator.sandbox.server import Sandbox

_HOSTS = ("127.0.0.1", "localhost", "::1")
_KNOB_NAMES = {
    "disableLocalAuth": "disable_local_auth",
    "provisioningState": "provisioning_state",
    "publicNetworkAccess": "public_network_access",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def control_application(azure: "Sandbox") -> web.Application:
    app = web.Application(middlewares=[_plain_errors])
    control = _Control(azure)
    app.add_routes([
        web.get("/settings", control.settings),
        web.get("/state", control.state),
        web.get("/keys", control.keys),
        web.get("/journal", control.journal),
        web.delete("/journal", control.clear_journal),
        web.post("/accounts", control.add_account),
        web.patch("/accounts/{name}", control.change_account),
        web.post("/accounts/{name}/regenerate", control.regenerate),
        web.get("/faults", control.faults),
        web.post("/faults", control.add_fault),
        web.delete("/faults", control.clear_faults),
        web.post("/throttle", control.throttle),
        web.post("/updates", control.updates),
        web.post("/furnish", control.furnish),
        web.post("/reports", control.report),
        web.post("/vaults/{vault}", control.add_vault),
        web.post("/vaults/{vault}/secrets/{name}", control.set_secret),
        web.get("/vaults/{vault}/secrets/{name}", control.secret),
        web.post("/consumers", control.add_consumer),
        web.post("/apps", control.add_app),
        web.get("/apps", control.apps),
        web.post("/inhabit", control.inhabit),
        web.post("/time", control.time),
        web.post("/grants", control.grants),
        web.post("/locks", control.locks),
    ])  # fmt: skip
    return app


@web.middleware
async def _plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.url.host not in _HOSTS:
        return web.json_response({"error": "loopback only"}, status=403)
    try:
        return await handler(request)
    except KeyError as error:
        return web.json_response({"error": f"there is no {error}"}, status=404)
    except (ValueError, TypeError) as error:
        return web.json_response({"error": str(error)}, status=400)


class _Control:
    def __init__(self, azure: "Sandbox") -> None:
        self._azure = azure

    async def settings(self, request: web.Request) -> web.Response:
        return web.json_response(settings(self._azure))

    async def state(self, request: web.Request) -> web.Response:
        return web.json_response(whole(self._azure))

    async def keys(self, request: web.Request) -> web.Response:
        return web.json_response([key_json(key) for key in self._azure.keys_ever])

    async def journal(self, request: web.Request) -> web.Response:
        return web.json_response([entry_json(entry) for entry in self._azure.journal])

    async def clear_journal(self, request: web.Request) -> web.Response:
        self._azure.clear_journal()
        return web.Response(status=204)

    async def add_account(self, request: web.Request) -> web.Response:
        account = self._azure.add_account(**_knobs(await _content(request)))
        return web.json_response(account_json(account), status=201)

    async def change_account(self, request: web.Request) -> web.Response:
        account = self._azure.change_account(request.match_info["name"], **_knobs(await _content(request)))
        return web.json_response(account_json(account))

    async def regenerate(self, request: web.Request) -> web.Response:
        slot = str((await _content(request)).get("slot", "")).lower()
        return web.json_response(key_json(self._azure.regenerate(request.match_info["name"], slot)))

    async def faults(self, request: web.Request) -> web.Response:
        return web.json_response([fault_json(rule) for rule in self._azure.state.faults.rules])

    async def add_fault(self, request: web.Request) -> web.Response:
        """{"hostile": 0.1}, or {"operation", "fault", and optionally "times", "probability", "account", "secret", "skip"}."""
        content = await _content(request)
        if "hostile" in content:
            self._azure.hostile(float(content["hostile"]))
            return web.json_response([fault_json(rule) for rule in self._azure.state.faults.rules], status=201)
        return web.json_response(fault_json(self._azure.fault(**content)), status=201)

    async def clear_faults(self, request: web.Request) -> web.Response:
        self._azure.clear_faults()
        return web.Response(status=204)

    async def throttle(self, request: web.Request) -> web.Response:
        self._azure.throttle(**await _content(request))
        return web.Response(status=204)

    async def updates(self, request: web.Request) -> web.Response:
        self._azure.slow_updates(**await _content(request))
        return web.Response(status=204)

    async def furnish(self, request: web.Request) -> web.Response:
        return web.json_response(await self._azure.furnish(**await _content(request)), status=201)

    async def report(self, request: web.Request) -> web.Response:
        """{"sender", "to", "account"} and optionally "slot", "repository", "shape", "action", "caller"."""
        return web.json_response(await self._azure.report(**await _content(request)), status=201)

    async def add_vault(self, request: web.Request) -> web.Response:
        return web.json_response({"url": await self._azure.add_vault(request.match_info["vault"])}, status=201)

    async def set_secret(self, request: web.Request) -> web.Response:
        content = await _content(request)
        vault, name = request.match_info["vault"], request.match_info["name"]
        version = self._azure.set_secret(vault, name, str(content["value"]), content.get("tags"))
        return web.json_response(version_json(version), status=201)

    async def secret(self, request: web.Request) -> web.Response:
        versions = self._azure.secret(request.match_info["vault"], request.match_info["name"])
        return web.json_response([version_json(version) for version in versions])

    async def add_consumer(self, request: web.Request) -> web.Response:
        """{"noun": "site", "name": …, and what it holds}. Answers with its resource id."""
        return web.json_response({"id": getattr(self._azure.add_consumer(**await _content(request)), "id", None)}, status=201)

    async def add_app(self, request: web.Request) -> web.Response:
        """{"name", "account", "consumer": resource id, "path": [setting, secret or field]}."""
        return web.json_response(app_json(self._azure.add_app(**await _content(request))), status=201)

    async def inhabit(self, request: web.Request) -> web.Response:
        """{"account": name, "secret": URL, and optionally "sorts"}: consumers of many sorts, with a small app on each."""
        return web.json_response(self._azure.inhabit(**await _content(request)), status=201)

    async def apps(self, request: web.Request) -> web.Response:
        return web.json_response([app_json(app) for app in self._azure.apps])

    async def time(self, request: web.Request) -> web.Response:
        """{"seconds": 86400}: that much later, for platforms and keys."""
        self._azure.pass_time(float((await _content(request))["seconds"]))
        return web.Response(status=204)

    async def grants(self, request: web.Request) -> web.Response:
        """{"grants": [{"scope", "actions", "not_actions", "data_actions", "not_data_actions"}], "graph": true}: all that is granted now."""
        content = await _content(request)
        self._azure.dispossess()
        for grant in content.get("grants", []):
            self._azure.grant(**grant)
        self._azure.deny_graph(not content.get("graph", True))
        return web.Response(status=204)

    async def locks(self, request: web.Request) -> web.Response:
        """{"scope": a group's or a subscription's id, "level": "ReadOnly"}."""
        self._azure.lock(**await _content(request))
        return web.Response(status=204)


async def _content(request: web.Request) -> dict[str, Any]:
    found = await request.json() if request.can_read_body else {}
    if not isinstance(found, dict):
        raise ValueError("the body must be a JSON object")
    return found


def _knobs(content: Mapping[str, Any]) -> dict[str, Any]:
    return {_KNOB_NAMES.get(name, name): value for name, value in content.items()}
