"""Small apps that live on a key: each holds what its platform gives its process, calls its account with it all the time,
and counts.

Promises: real calls over TLS at the data plane; an app whose platform has not started it makes none. Never: reads a
vault by itself.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from rotator.sandbox.accounts import Account
from rotator.sandbox.consumers import Consumer
from rotator.sandbox.data_plane import probe_of

if TYPE_CHECKING:
    from rotator.sandbox.state import State

CALLS_EVERY_S = 0.05
_CALL_S_MAX = 5.0


@dataclass(slots=True, kw_only=True)
class App:
    """`path` is what its platform calls the key: a setting, a secret, a field."""

    name: str
    account: str
    consumer: str
    path: tuple[str, ...]
    calls: int = 0
    failed: int = 0
    first_failure: datetime | None = None
    last_failure: datetime | None = None
    last_status: int | None = None

    @property
    def failed_for_s(self) -> float:
        """From the first failed call to the last one."""
        if self.first_failure is None or self.last_failure is None:
            return 0.0
        return (self.last_failure - self.first_failure).total_seconds()


@dataclass(slots=True, kw_only=True)
class Apps:
    """All that run, each as a task that ends with the sandbox."""

    state: "State"
    ca_file: Path
    running: dict[str, App] = field(default_factory=dict)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _session: aiohttp.ClientSession | None = None

    def start(self, app: App, account: Account, consumer: Consumer) -> App:
        if app.name in self.running:
            raise ValueError(f"app {app.name!r} is there already")
        self.running[app.name] = app
        self.tasks.append(asyncio.get_running_loop().create_task(self._live(app, account, consumer)))
        return app

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _live(self, app: App, account: Account, consumer: Consumer) -> None:
        while True:
            key = consumer.process(self.state, *app.path)
            if key:
                await self._call(app, account, key)
            await asyncio.sleep(CALLS_EVERY_S)

    async def _call(self, app: App, account: Account, key: str) -> None:
        method, path = probe_of(account.kind)
        try:
            request = self._open().request(method, account.endpoint + path, headers={"Ocp-Apim-Subscription-Key": key}, data=b"")
            async with request as answer:
                await answer.read()
                app.last_status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            app.last_status = None
        app.calls += 1
        if app.last_status is None or app.last_status in (401, 403) or app.last_status >= 500:
            app.failed += 1
            app.last_failure = self.state.now()
            app.first_failure = app.first_failure or app.last_failure

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            tls = ssl.create_default_context(cafile=str(self.ca_file))
            timeout = aiohttp.ClientTimeout(total=_CALL_S_MAX)
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls), timeout=timeout)
        return self._session
