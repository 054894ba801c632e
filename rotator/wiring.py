"""Settings to live objects: the one room that names every adapter.

Each is imported when a house is opened, and not before: a command whose settings are missing or wrong says so without waiting for an SDK.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.credential import Credential, Secret
from rotator.core.faults import Fault, Misconfigured, Missing
from rotator.core.sealed import Sealed
from rotator.engine.gate import OnlyStopped
from rotator.engine.ports import Watch, World
from rotator.engine.urgency import gives_way, is_urgent
from rotator.ledger.fault import LedgerFault
from rotator.settings import CustomCloud, CustomIdentity, Settings

if TYPE_CHECKING:
    from rotator.alerts.authentic import SharedSecret
    from rotator.alerts.entra import Entra
    from rotator.alerts.table import Alerting
    from rotator.azure import Azure, Cloud, Heard, Identity, Size, Sort
    from rotator.dependents import Tools
    from rotator.ledger.login import Password
    from rotator.ledger.onlooker import Onlooker
    from rotator.ledger.store import Ledger


class LedgerClock:
    """Fulfils `Clock` with the ledger's time, so that workers on machines whose clocks differ decide alike."""

    def __init__(self, ledger: "Ledger") -> None:
        self._database = ledger.database

    def now(self) -> datetime:
        return self._database.now()

    async def sleep(self, length: timedelta) -> None:
        await asyncio.sleep(max(length.total_seconds(), 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything a door needs: the world, the ledger, and the credentials by name. `stopgap`: why its ledger is not the settings' own."""

    world: World
    ledger: "Ledger"
    credentials: dict[str, Credential]
    settings: Settings
    azure: "Azure"
    tools: "Tools"
    stopgap: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorkeeping:
    """The operator's token and the viewer's, and who can tell Entra's: what the settings name of them."""

    secret: "SharedSecret | None"
    viewer: "SharedSecret | None"
    tokens: "Entra | None"


@contextlib.asynccontextmanager
async def open_house(
    settings: Settings,
    directory: Path,
    watch: Watch,
    *,
    sizes: "Mapping[Sort, Size] | None" = None,
    ledger: "Ledger | None" = None,
    heard: "Heard | None" = None,
) -> AsyncIterator[House]:
    """The live objects, closed at the end. `directory` is what a relative ledger path starts from; `sizes` are Resource Manager's buckets,
    if they are not Azure's; `ledger` is one that is open already; `heard` is told of each call to Azure.

    Raises:
        LedgerFault, Misconfigured: with what stands in the way.
    """
    from rotator.dependents import kinds_for
    from rotator.issuers.cognitive import CognitiveServices
    from rotator.issuers.probes import Probes
    from rotator.key_vault import KeyVault
    from rotator.ledger.opening import open_ledger
    from rotator.survey.roster import roster

    async with (
        azure_of(settings, directory, sizes=sizes, heard=heard) as azure,
        contextlib.nullcontext(ledger) if ledger else open_ledger(settings.ledger_address(directory), login_of(settings, azure)) as ledger,
    ):
        credentials = await roster(settings, azure, ledger, watch)
        vault = KeyVault(azure)
        tools = tools_of(azure, directory)
        world = World(
            clock=LedgerClock(ledger),
            issuer=CognitiveServices(azure),
            data_plane=Probes(azure),
            vault=vault,
            recovery=vault,
            kinds=kinds_for(credentials.values(), tools),
            work=ledger.work,
            cases=ledger.cases,
            journal=ledger.journal,
            watch=watch,
            gate=OnlyStopped(ledger.waves),
        )
        yield House(world=world, ledger=ledger, credentials=credentials, settings=settings, azure=azure, tools=tools)


def azure_of(
    settings: Settings, directory: Path, *, sizes: "Mapping[Sort, Size] | None" = None, heard: "Heard | None" = None
) -> "contextlib.AbstractAsyncContextManager[Azure]":
    """The connection to Azure alone. Raises Rejected when it is opened."""
    from rotator.azure import SIZES, Shares, open_azure, unheard

    limits = settings.limits
    return open_azure(
        cloud_of(settings, directory),
        identity_of(settings),
        request_timeout_s=limits.request_timeout.total_seconds(),
        shares=Shares(cadence=limits.azure_share, reserve=limits.emergency_reserve),
        sizes=sizes or SIZES,
        is_urgent=is_urgent,
        gives_way=gives_way,
        heard=heard or unheard,
    )


@contextlib.asynccontextmanager
async def ledger_login(settings: Settings, directory: Path) -> AsyncIterator["Password | None"]:
    """For who needs the ledger alone: its password with `ledger_login: entra`, and the connection to Entra for as long as this lasts."""
    async with azure_of(settings, directory) as azure:
        yield login_of(settings, azure)


def login_of(settings: Settings, azure: "Azure") -> "Password | None":
    """What the ledger is logged in to with: a token of `azure` with `ledger_login: entra`, else nothing of ours."""
    if settings.ledger_login == "libpq":
        return None

    async def token() -> Sealed:
        try:
            return Sealed((await azure.credential.get_token(f"{azure.cloud.database_audience.rstrip('/')}/.default")).token)
        except Fault as fault:
            raise LedgerFault(f"no token to log in with: {fault.what}; {fault.remedy}") from fault

    return token


async def refurnished(house: House, settings: Settings) -> House:
    """The same house with other credentials and limits, its scopes looked at anew: what is open stays open. Raises LedgerFault."""
    from rotator.dependents import kinds_for
    from rotator.survey.roster import roster

    credentials = await roster(settings, house.azure, house.ledger, house.world.watch)
    world = replace(house.world, kinds=kinds_for(credentials.values(), house.tools))
    return replace(house, credentials=credentials, settings=settings, world=world)


def on_ledger(house: House, ledger: "Ledger", *, stopgap: str) -> House:
    """The same house over another ledger."""
    world = replace(
        house.world,
        clock=LedgerClock(ledger),
        work=ledger.work,
        cases=ledger.cases,
        journal=ledger.journal,
        gate=OnlyStopped(ledger.waves),
    )
    return replace(house, ledger=ledger, world=world, stopgap=stopgap)


def tools_of(azure: "Azure", directory: Path) -> "Tools":
    """What kinds of dependents, and a hunt for them, are made with."""
    from rotator.dependents import Tools
    from rotator.key_vault import KeyVault

    vault = KeyVault(azure)

    async def secret(reference: str) -> Sealed:
        """Raises Rejected or Missing where it is not there, and whatever a vault's read raises."""
        if not reference.startswith("vault:"):
            return Sealed(await asyncio.to_thread(resolve, reference))
        base, _, name = reference.removeprefix("vault:").rpartition("/secrets/")
        text = (await vault.look(Secret(vault=base, name=name))).text
        if text is None:
            raise Missing(f"secret {name}: has no value that can be read", remedy=f"{reference} is referred to in the settings")
        return text

    return Tools(azure=azure, secret=secret, directory=directory)


@contextlib.asynccontextmanager
async def open_alerting(house: House, directory: Path) -> AsyncIterator[Callable[[Mapping[str, Sealed]], "Alerting"]]:
    """How the senders that the settings name, and the APIs behind them, are made of what the references hold. Made so, they raise Rejected
    where a secret is not of its form."""
    from rotator.alerts.api import open_session
    from rotator.alerts.table import alerting

    settings, cloud = house.settings, house.settings.cloud
    async with open_session(cloud_of(settings, directory).ca_file) as session:
        yield lambda secrets: alerting(
            settings.alerts,
            lambda reference: secrets[reference].reveal(),
            session,
            authority=house.azure.cloud.authority,
            cloud=cloud if isinstance(cloud, str) else "public",
        )


@contextlib.asynccontextmanager
async def open_doorkeeper(house: House, directory: Path) -> AsyncIterator[Callable[[Mapping[str, Sealed]], "Doorkeeping"]]:
    """By what operators' orders are told from a stranger's, as the settings say, made of what the references hold. Raises Misconfigured
    then, where the two tokens are one."""
    from rotator.alerts.api import Api, open_session
    from rotator.alerts.authentic import SharedSecret
    from rotator.alerts.entra import Entra

    said, authority = house.settings.web, house.azure.cloud.authority
    async with open_session(cloud_of(house.settings, directory).ca_file) as session:
        tokens = Entra(authority, Api(session, authority)) if said.entra else None

        def kept(secrets: Mapping[str, Sealed]) -> Doorkeeping:
            token = secrets[said.operator_token] if said.operator_token else None
            looks = secrets[said.viewer_token] if said.viewer_token else None
            if token is not None and looks == token:
                raise Misconfigured("web.viewer_token is the operator's token: who looks could order", remedy="make one of its own")
            return Doorkeeping(
                secret=SharedSecret(token.reveal(), "web.operator_token") if token else None,
                viewer=SharedSecret(looks.reveal(), "web.viewer_token") if looks else None,
                tokens=tokens,
            )

        yield kept


def open_looks(house: House, directory: Path) -> contextlib.AbstractAsyncContextManager["Onlooker"]:
    """Who looks at the ledger of this house, apart from those who work on it."""
    from rotator.ledger.opening import open_onlooker

    return open_onlooker(house.settings.ledger_address(directory), login_of(house.settings, house.azure))


def cloud_of(settings: Settings, directory: Path) -> "Cloud":
    from rotator.azure import CLOUDS, Cloud

    cloud = settings.cloud
    if not isinstance(cloud, CustomCloud):
        return CLOUDS[cloud]
    return Cloud(
        authority=cloud.authority,
        resource_manager=cloud.resource_manager,
        audience=cloud.audience,
        ca_file=str(directory / cloud.ca_file) if cloud.ca_file else None,
        verify_challenge_resource=cloud.verify_challenge_resource,
        private=True,
        database_audience=cloud.database_audience or "",
    )


def identity_of(settings: Settings) -> "Identity":
    from rotator.azure import ClientSecret

    identity = settings.identity
    if not isinstance(identity, CustomIdentity):
        return identity
    said = identity.client_secret
    return ClientSecret(tenant=said.tenant, client=said.client, secret=lambda: resolve(said.secret))


def resolve(reference: str) -> str:
    """The secret behind `env:` or `file:`. An empty one fails here, at the start, and not as a strange refusal later.

    Raises:
        Misconfigured: it is not there.
    """
    kind, _, place = reference.partition(":")
    if kind == "env":
        value = os.environ.get(place, "")
    elif kind == "file":
        try:
            value = Path(place).read_text(encoding="utf-8")
        except OSError as error:
            raise Misconfigured(f"{reference}: {error.strerror}", remedy="the settings refer to a file that cannot be read") from error
        except UnicodeDecodeError:
            raise Misconfigured(
                f"{reference} is not text", remedy="the file has to hold the secret as text (UTF-8) and nothing else"
            ) from None
    else:
        raise Misconfigured(f"{reference}: rotator's own identity cannot come from a vault that it opens", remedy="use env: or file: here")
    if not value.strip():
        raise Misconfigured(f"{reference} is empty", remedy="set it before rotator starts")
    return value.strip()
