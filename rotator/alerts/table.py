"""The senders that the settings name, ready to verify and parse; and the APIs by which their alerts are fetched and closed.

Built once at start-up: a secret that is empty, or not of its form, stops the program there and not at the first alert.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from rotator.alerts import azure_monitor, event_grid
from rotator.alerts.api import Api
from rotator.alerts.authentic import SharedSecret
from rotator.alerts.azure_monitor import AzureMonitor
from rotator.alerts.defender import Defender
from rotator.alerts.delivery import Sender
from rotator.alerts.entra import Entra
from rotator.alerts.event_grid import EventGrid
from rotator.alerts.gate import Expected, Gate, Tokens
from rotator.alerts.gitguardian import GitGuardian
from rotator.alerts.gitguardian_api import GitGuardianApi
from rotator.alerts.github import GitHub
from rotator.alerts.github_api import GitHubApi
from rotator.alerts.github_partner import GitHubPartner
from rotator.alerts.partner_keys import PartnerKeys
from rotator.alerts.signed import Signed
from rotator.alerts.vault_radar import VaultRadar
from rotator.core.sealed import Sealed
from rotator.settings.alerts import AlertSettings, AzureSource, EntraSettings

Resolve = Callable[[str], str]
"""The secret behind a reference of the settings; raises Rejected where it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerting:
    """`senders` by the name of their door (`POST /alerts/NAME`); an API where its token is in the settings."""

    senders: Mapping[str, Sender]
    github: GitHubApi | None
    gitguardian: GitGuardianApi | None


def alerting(
    settings: AlertSettings, resolve: Resolve, session: aiohttp.ClientSession, *, authority: str, cloud: str = "public"
) -> Alerting:
    """`authority` is where Entra's keys come from; `cloud` (public, usgov) which application Event Grid is there. Raises Rejected."""
    tokens = Entra(authority, Api(session, authority))
    return Alerting(
        senders=dict(_signers(settings, resolve, session) | _of_azure(settings, resolve, tokens, cloud)),
        github=_github_api(settings, resolve, session),
        gitguardian=_gitguardian_api(settings, resolve, session),
    )


def _signers(settings: AlertSettings, resolve: Resolve, session: aiohttp.ClientSession) -> dict[str, Sender]:
    found: dict[str, Sender] = {}
    simple = (
        ("github", settings.github, GitHub),
        ("gitguardian", settings.gitguardian, GitGuardian),
        ("vault-radar", settings.vault_radar, VaultRadar),
        ("signed", settings.signed, Signed),
    )
    for name, source, sender in simple:
        if source is not None:
            found[name] = sender(_secret(source.secret, name, resolve))
    if settings.github_partner is not None:
        found["github-partner"] = GitHubPartner(PartnerKeys(Api(session, settings.github_partner.api)))
    return found


def _of_azure(settings: AlertSettings, resolve: Resolve, tokens: Tokens, cloud: str) -> dict[str, Sender]:
    event_grid_caller = event_grid.CALLERS.get(cloud, event_grid.CALLERS["public"])
    found: dict[str, Sender] = {}
    if settings.event_grid is not None:
        gate = _gate("event-grid", settings.event_grid, resolve, tokens, event_grid_caller, event_grid.ROLE)
        found["event-grid"] = EventGrid(gate)
    if settings.azure_monitor is not None:
        gate = _gate("azure-monitor", settings.azure_monitor, resolve, tokens, azure_monitor.CALLER, azure_monitor.ROLE)
        found["azure-monitor"] = AzureMonitor(gate)
    if settings.defender is not None:
        found["defender"] = Defender(_gate("defender", settings.defender, resolve, tokens, "", ""))
    return found


def _gate(name: str, source: AzureSource, resolve: Resolve, tokens: Tokens, caller: str, role: str) -> Gate:
    secret = _secret(source.secret, name, resolve) if source.secret else None
    expected = _expected(source.entra, caller, role) if source.entra else None
    return Gate(name, secret=secret, header=source.header, tokens=tokens if expected else None, expected=expected)


def _expected(entra: EntraSettings, caller: str, role: str) -> Expected:
    """The settings may name another caller or role: a proxy before Azure, a cloud whose application has another id."""
    callers = frozenset(entra.callers or ([caller] if caller else []))
    return Expected(tenant=entra.tenant, audience=entra.audience, callers=callers, role=role if entra.role is None else entra.role)


def _secret(reference: str | None, name: str, resolve: Resolve) -> SharedSecret:
    return SharedSecret(resolve(reference) if reference else "", f"alerts.{name}")


def _github_api(settings: AlertSettings, resolve: Resolve, session: aiohttp.ClientSession) -> GitHubApi | None:
    source = settings.github
    return GitHubApi(session, Sealed(resolve(source.token)), source.api) if source and source.token else None


def _gitguardian_api(settings: AlertSettings, resolve: Resolve, session: aiohttp.ClientSession) -> GitGuardianApi | None:
    source = settings.gitguardian
    return GitGuardianApi(session, Sealed(resolve(source.token)), source.api) if source and source.token else None
