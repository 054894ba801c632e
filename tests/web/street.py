"""A daemon with its doors open on loopback, over a real ledger, and the sandbox's senders in front of them; all in one process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from rotator.cli.sandbox import write_settings
from rotator.cli.serve import open_doors
from rotator.core.incident import Incident
from rotator.core.report import Report
from rotator.daemon.life import Daemon
from rotator.daemon.systemd import Systemd
from rotator.ledger.store import Ledger
from rotator.sandbox import Sandbox, SandboxThread
from rotator.sandbox.accounts import Account
from rotator.sandbox.senders import Posting, Senders
from rotator.settings import load
from rotator.wiring import House, open_house
from tests.contract.ledgers import ask

SOON_S = 60.0


@dataclass(kw_only=True)
class Street:
    """`said` is every event of the daemon; `post` brings a posting to its door."""

    azure: Sandbox
    house: House
    daemon: Daemon
    url: str
    port: int
    session: aiohttp.ClientSession
    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return self.house.ledger

    @property
    def senders(self) -> Senders:
        return self.azure.senders

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def account(self, name: str = "chat-prod") -> Account:
        return self.azure.account(name)

    def key(self, name: str = "chat-prod", slot: str = "key1") -> str:
        return self.account(name).keys[slot]

    async def post(self, posting: Posting, **headers: str) -> tuple[int, Any]:
        sent = posting.with_headers(**headers)
        async with self.session.post(f"{self.base}/alerts/{sent.door}", data=sent.body, headers=dict(sent.headers)) as answer:
            return answer.status, await answer.json()

    async def leak(self, name: str = "chat-prod", **alert: Any) -> Any:
        """Found on GitHub, and the alert delivered."""
        found = self.azure.leak_on_github("example/chat", self.key(name), **alert)
        assert (await self.post(self.senders.github(found)))[0] == 202
        return found

    def told(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        return [said for name, said in self.said if name == event and fields.items() <= said.items()]

    async def until(self, happened: Callable[[], Any], what: str) -> Any:
        deadline = asyncio.get_running_loop().time() + SOON_S
        while not (found := happened()):
            assert asyncio.get_running_loop().time() < deadline, f"no {what}: {self.said[-6:]}"
            await asyncio.sleep(0.02)
        return found

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """What the tables say, behind the ledger's back."""
        return ask(self.url, sql, **values)

    def reports(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM reports ORDER BY reported_at, id")

    async def cases(self, name: str = "chat-prod") -> list[Incident]:
        return await self.ledger.cases.of(name)

    async def sources(self, case: Incident) -> list[Report]:
        return [one.report for one in await self.ledger.inbox.about(case.id)]

    async def known(self, *names: str) -> None:
        """The index knows the keys of these accounts."""
        for name in names or ("chat-prod",):
            credential = self.house.credentials[name]
            await self.ledger.journal.index(name, credential.account, await self.house.world.issuer.keys(credential.account))

    def assert_no_key_anywhere(self) -> None:
        """In nothing that was said, and in no table."""
        tables = ("reports", "deliveries", "incidents", "audit", "keys", "work", "intents")
        seen = str(self.said) + "".join(str(self.rows(f"SELECT * FROM {table}")) for table in tables)
        assert not [key for key in self.azure.keys_ever if key.value in seen]


@contextlib.asynccontextmanager
async def opened(
    azure: Sandbox,
    fleet: Sequence[Mapping[str, str]],
    place: Path,
    url: str,
    *,
    living: bool = True,
    limits: Mapping[str, Any] | None = None,
    alerts: Callable[[dict[str, Any]], None] = lambda _: None,
    web: Mapping[str, Any] | None = None,
    **defaults: str,
) -> AsyncIterator[Street]:
    """One life of a daemon. `living` or not: without the pump and the triage, what came is only stored."""
    said: list[tuple[str, dict[str, Any]]] = []
    path = settings_for(azure, fleet, place, url, limits=limits, alerts=alerts, web=web, **defaults)
    async with (
        open_house(load(path), place, lambda event, **fields: said.append((event, fields))) as house,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
    ):
        daemon = Daemon(house, lambda: load(path), Systemd())
        await daemon.begin()
        async with open_doors(daemon, house, place) as port:
            alive = asyncio.create_task(daemon.live()) if living else None
            try:
                yield Street(azure=azure, house=house, daemon=daemon, url=url, port=port, session=session, said=said)
            finally:
                if alive is not None:
                    daemon.stop()
                    await alive


def settings_for(
    azure: Sandbox | SandboxThread,
    fleet: Sequence[Mapping[str, str]],
    place: Path,
    url: str,
    *,
    limits: Mapping[str, Any] | None = None,
    alerts: Callable[[dict[str, Any]], None] = lambda _: None,
    web: Mapping[str, Any] | None = None,
    **defaults: str,
) -> Path:
    """As `rotator sandbox` writes them, with the ledger of the test and any free port."""
    policy: dict[str, Any] = {"overlap": "0s", "on_compromise": "cut", **defaults}
    path, _ = write_settings(place, azure, fleet, **policy)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document |= {"ledger": url, "web": {"port": 0, **(web or {})}, "limits": {"stop_within": "2s", **(limits or {})}}
    alerts(document["alerts"])
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path
