"""The loopback Azure as a whole: start it, furnish it, look behind it, break it.

Promises: what a person with a portal and what a test with a grudge need, as plain methods; all of it is synchronous
except what opens a port. Never: a way for the program under test to reach any of this over the surfaces it is given;
that is the control port's, and the control port is not Azure. Longer than its neighbours because it is the one thing
that a test holds in its hand.
"""

import secrets as entropy
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from rotator.sandbox.account_json import endpoint_names
from rotator.sandbox.accounts import Account
from rotator.sandbox.addresses import Addresses
from rotator.sandbox.apps import App, Apps
from rotator.sandbox.consumers import place
from rotator.sandbox.control import control_application
from rotator.sandbox.corridor import application
from rotator.sandbox.data_plane import Gateway
from rotator.sandbox.elsewhere import SURFACES, build
from rotator.sandbox.entra import Entra
from rotator.sandbox.faults import Fault, parse
from rotator.sandbox.fleet import furnish
from rotator.sandbox.gitguardian import GitGuardianSurface
from rotator.sandbox.github import GitHubSurface
from rotator.sandbox.inhabitants import SORTS, inhabit
from rotator.sandbox.journal import Entry
from rotator.sandbox.keys import SHAPES, SLOTS, Key
from rotator.sandbox.leaks import GuardIncident, HubAlert
from rotator.sandbox.listener import Listener, certified
from rotator.sandbox.office import Office
from rotator.sandbox.outbox import report
from rotator.sandbox.outsiders import SORTS as OUTSIDERS
from rotator.sandbox.outsiders import settle
from rotator.sandbox.resource_manager import ResourceManager
from rotator.sandbox.senders import Senders
from rotator.sandbox.state import State
from rotator.sandbox.vault import VaultSurface
from rotator.sandbox.versions import Vault, Version
from rotator.sandbox.wire import Surface

GATEWAYS = ("a", "b")
_TWO_HOSTS = ("OpenAI", "AIServices")
_KNOBS = frozenset(
    (
        "disable_local_auth",
        "local_auth_delay",
        "local_auth_off_status",
        "regenerate_without_local_auth",
        "provisioning_state",
        "public_network_access",
        "lock",
        "firewall",
        "deleted",
        "activation_delay",
        "death_delay",
        "tags",
    )
)


class Sandbox(Addresses, Office):
    """`ports` may fix entra, resource_manager, data_plane_a, data_plane_b, github, gitguardian, control and vaults, by name."""

    def __init__(self, directory: Path, seed: int | None = None, ports: Mapping[str, int] | None = None, host: str = "127.0.0.1") -> None:
        self.seed = entropy.randbits(32) if seed is None else seed
        if seed is None:
            print(f"sandbox seed {self.seed}", file=sys.stderr)
        self.state = State(self.seed)
        self.state.elsewhere = build(self.seed)
        self.ca_file = Path(directory) / "sandbox-ca.pem"
        self._apps = Apps(state=self.state, ca_file=self.ca_file)
        self._host = host
        self._ports = dict(ports or {})
        self._listeners: dict[str, Listener] = {}
        self._urls: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Every port is taken before the first answer is given: the surfaces name each other in their answers."""
        self._tls = certified(self._host, self.ca_file)
        for name in ("entra", "resource_manager", *(f"data_plane_{gateway}" for gateway in GATEWAYS), "github", "gitguardian", "control"):
            self._bind(name)
        await self._serve("entra", Entra(self.state, self.authority))
        await self._serve("resource_manager", ResourceManager(self.state, self.resource_manager, self.authority))
        for gateway in GATEWAYS:
            await self._serve(f"data_plane_{gateway}", Gateway(self.state, gateway))
        await self._serve("github", GitHubSurface(self.state))
        await self._serve("gitguardian", GitGuardianSurface(self.state))
        for surface in (make(self.state) for make in SURFACES):
            self._bind(surface.name)
            await self._serve(surface.name, surface)
        await self._listeners["control"].serve(control_application(self))

    async def stop(self) -> None:
        self.state.stopping = True
        await self._apps.stop()
        for listener in self._listeners.values():
            await listener.stop()
        self._listeners.clear()

    # What happens outside: somebody leaks, a scanner finds.

    @property
    def senders(self) -> Senders:
        return Senders(self.state, self.authority)

    def leak_on_github(self, repository: str, value: str, *, kind: str = "azure_openai_key", encoded: bool = False) -> HubAlert:
        return self.state.leaks.found_on_github(repository, value, kind, self.state.now(), encoded=encoded)

    def leak_to_gitguardian(self, value: str, *, detector: str = "azure_open_ai_api_key") -> GuardIncident:
        return self.state.leaks.found_by_gitguardian(value, detector, self.state.now())

    async def report(self, sender: str, to: str, account: str, **options: Any) -> dict[str, Any]:
        """Leak a key of `account` and let a scanner tell the receiver at `to` of it, correctly signed."""
        return await report(self, sender, to, account, **options)

    # What a person does, in the portal.

    async def add_vault(self, name: str, path: str = "", says_path: bool = True) -> str:
        """Its base URL, below `path` if one is given; its answers say the path, or not, as behind a proxy. Adding one twice is once."""
        if name not in self.state.vaults:
            url = self._bind(name)
            limits = self.state.limits
            vault = Vault(name=name, url=url + path, says=url + path if says_path else url)
            vault.limit(limits.sets, limits.transactions, limits.span_s)
            self.state.vaults[name] = vault
            await self._serve(name, VaultSurface(self.state, vault, self.authority))
        return self.vault_url(name)

    def add_account(
        self,
        name: str,
        kind: str = "OpenAI",
        key_shape: str = "current",
        endpoints: int | None = None,
        group: str = "rg-ai",
        subscription: str | None = None,
        location: str = "westeurope",
        **knobs: Any,
    ) -> Account:
        """As many endpoints, each on its own gateway, as the kind has in Azure. Two keys, accepted at once."""
        if name.lower() in self.state.accounts:
            raise ValueError(f"account {name!r} is there already")
        if key_shape not in SHAPES:
            raise ValueError(f"key shape {key_shape!r} is none of {SHAPES}")
        count = (2 if kind in _TWO_HOSTS else 1) if endpoints is None else endpoints
        gateways = GATEWAYS[:count]
        urls = [f"{self.gateway_url(gateway)}/{name}/" for gateway in gateways]
        account = Account(
            name=name,
            kind=kind,
            key_shape=key_shape,
            subscription=(subscription or self.subscription).lower(),
            group=group,
            location=location,
            created=self.state.now(),
            endpoint=urls[0],
            endpoints=dict(zip(endpoint_names(kind), urls, strict=False)),
            gateways=gateways,
        )
        for slot in SLOTS:
            account.mint(slot, self.state.key_random, self.state.now(), by="creation")
        self.state.accounts[name.lower()] = account
        return self.change_account(name, **knobs)

    def change_account(self, name: str, **knobs: Any) -> Account:
        """Turn any of the account's knobs; `death_delay` is seconds, or seconds by gateway ("a", "b")."""
        account = self.account(name)
        if set(knobs) - _KNOBS:
            raise ValueError(f"no such knob: {sorted(set(knobs) - _KNOBS)}; there are {sorted(_KNOBS)}")
        if knobs.pop("deleted", False):
            account.delete(self.state.now())
        if "disable_local_auth" in knobs:
            account.local_auth_delay = knobs.pop("local_auth_delay", account.local_auth_delay)
            account.set_local_auth(knobs.pop("disable_local_auth"), self.state.now())
        delay = knobs.get("death_delay")
        if isinstance(delay, Mapping) and not set(delay) <= {*account.hosts, *account.hosts.values()}:
            raise ValueError(f"death_delay names {sorted(delay)}; this account has {account.hosts}")
        for knob, value in knobs.items():
            setattr(account, knob, value)
        return account

    def regenerate(self, name: str, slot: str) -> Key:
        return self.account(name).mint(slot, self.state.key_random, self.state.now(), by="person")

    def set_secret(self, vault: str, name: str, value: str, tags: Mapping[str, str] | None = None) -> Version:
        state = self.state
        return self._vault(vault).put(name, value, random=state.version_random, now=state.now(), by="person", tags=tags)

    def delete_secret(self, vault: str, name: str) -> None:
        """Softly: with all its versions, until somebody recovers it."""
        self._vault(vault).secrets[name.lower()].deleted_at = self.state.now()

    def add_consumer(self, noun: str, name: str, **about: Any) -> Any:
        """Something that runs on a key (`site`, `container_app`, …): what it holds, and its knobs."""
        return place(self.state, noun, name, about)

    def add_app(self, name: str, account: str, consumer: str, path: Sequence[str] = ()) -> App:
        """A small app on a consumer, named by its resource id: it calls the account with the key that its platform gives it."""
        app = App(name=name, account=account, consumer=consumer, path=tuple(path))
        return self._apps.start(app, self.account(account), self.consumer(consumer))

    def inhabit(self, account: str, secret: str, sorts: Sequence[str] = SORTS) -> list[dict[str, Any]]:
        """Consumers of many sorts with a small app on each, all on the account's key1."""
        return inhabit(self, account, secret, sorts)

    async def furnish(self, count: int = 12) -> list[dict[str, str]]:
        return await furnish(self, count)

    def settle_outsiders(self, account: str, secret: str, sorts: Sequence[str] = OUTSIDERS) -> list[dict[str, Any]]:
        """Apps on a cluster, GitHub, Azure DevOps and a machine of one's own, each with what settings say of it."""
        return settle(self, account, secret, sorts)

    # What is true.

    def account(self, name: str) -> Account:
        return self.state.accounts[name.lower()]

    @property
    def accounts(self) -> list[Account]:
        return list(self.state.accounts.values())

    def secret(self, vault: str, name: str) -> list[Version]:
        """Its versions with their values, in the order they were made; none if there is no such secret."""
        secret = self._vault(vault).secrets.get(name.lower())
        return list(secret.versions) if secret else []

    def consumer(self, id_: str) -> Any:
        return self.state.consumers[id_.lower()]

    def holds(self, id_: str, *path: str) -> str | None:
        """The value that a consumer's process has now."""
        found: str | None = self.consumer(id_).process(self.state, *path)
        return found

    @property
    def apps(self) -> list[App]:
        return list(self._apps.running.values())

    @property
    def journal(self) -> list[Entry]:
        return list(self.state.journal.entries)

    @property
    def keys_ever(self) -> list[Key]:
        return self.state.keys_ever()

    def clear_journal(self) -> None:
        self.state.journal.clear()

    # What goes wrong, and what goes by.

    def pass_time(self, seconds: float) -> None:
        """For platforms and keys; tokens go on as they were."""
        self.state.moved += timedelta(seconds=seconds)

    def meanwhile(self, operation: str, act: Callable[[], object], skip: int = 0) -> None:
        """Right after the operation took effect (after `skip` others), somebody does this."""
        self.state.meanwhile.append((operation, skip, act))

    def fault(
        self,
        operation: str,
        fault: str,
        times: int | None = None,
        account: str | None = None,
        probability: float | None = None,
        secret: str | None = None,
        skip: int = 0,
    ) -> Fault:
        """`fault` may carry seconds ("429:2", "latency:0.5"). Once, unless `times` or `probability` is given; after `skip` good ones."""
        return self.state.faults.add(parse(operation, fault, target=account or secret, times=times, probability=probability, skip=skip))

    def hostile(self, probability: float = 0.1) -> None:
        self.state.faults.hostile(probability)

    def clear_faults(self) -> None:
        self.state.faults.clear()

    def throttle(self, **limits: float) -> None:
        """reads, reads_per_s, writes, writes_per_s, sets, transactions, span_s."""
        self.state.throttle(**limits)

    def slow_updates(self, takes_s: float, poll_after_s: int = 0) -> None:
        """From now on a PATCH of an account answers 202 and ends after this long."""
        self.state.update_status, self.state.update_takes_s, self.state.poll_after_s = 202, takes_s, poll_after_s

    def _vault(self, name: str) -> Vault:
        return self.state.vaults[name]

    def _bind(self, name: str) -> str:
        tls = None if name == "control" else self._tls
        listener = Listener(self._host, self._ports.get(name, 0), tls)
        self._listeners[name] = listener
        self._urls[name] = listener.url
        return listener.url

    async def _serve(self, name: str, surface: Surface) -> None:
        await self._listeners[name].serve(application(surface, self.state))
