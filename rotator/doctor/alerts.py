"""The senders of alerts: is each one's secret there, are their doors of the right form, are the tokens for their APIs good?"""

from pathlib import Path
from typing import Any

import aiohttp

from rotator.alerts.api import Api, open_session
from rotator.alerts.gitguardian_api import INCIDENTS
from rotator.core.faults import Denied, Fault, Missing
from rotator.core.sealed import Sealed
from rotator.doctor.findings import About, Finding, Severity, Subject, worst
from rotator.settings.alerts import EntraSettings, GitGuardianSource, GitHubSource
from rotator.wiring import House, cloud_of, open_alerting


async def check(house: House, directory: Path) -> list[Finding]:
    """Nothing is sent but reads: a token is tried on what it is for."""
    alerts = house.settings.alerts
    if not alerts.senders():
        return [About(Subject.ALERTS, "senders").well("none are set: a leak is told by `rotator revoke` alone")]
    found: list[Finding] = []
    async with open_session(cloud_of(house.settings, directory).ca_file) as session:
        for name in alerts.senders():
            about = About(Subject.ALERTS, name)
            mine = await _references(house, alerts.source(name), about)
            mine = mine or await _token(house, name, about, session) + await _entra(house, alerts.source(name), about, session)
            found += mine or [about.well("is ready, and its token is good" if _token_of(alerts.source(name)) else "is ready")]
    return found if worst(found) is Severity.ERROR else found + await _built(house, directory)


async def _built(house: House, directory: Path) -> list[Finding]:
    """As the daemon would build them: what is odd about a secret's form is told there."""
    try:
        secrets = {reference: await house.tools.secret(reference) for reference in house.settings.alerts.references()}
        async with open_alerting(house, directory) as made:
            made(secrets)
            return []
    except Fault as fault:
        return [About(Subject.ALERTS, "senders").bad(f"the daemon would not start: {fault.what}", fault.remedy)]


async def _references(house: House, source: Any, about: About) -> list[Finding]:
    found: list[Finding] = []
    for what in ("secret", "token"):
        reference = getattr(source, what, None)
        if not reference:
            continue
        try:
            await house.tools.secret(reference)
        except Fault as fault:
            found.append(about.bad(f"its {what} is not there: {fault.what}", fault.remedy))
    return found


def _token_of(source: Any) -> str | None:
    token: str | None = getattr(source, "token", None)
    return token


async def _token(house: House, name: str, about: About, session: aiohttp.ClientSession) -> list[Finding]:
    source, reference = house.settings.alerts.source(name), _token_of(house.settings.alerts.source(name))
    if reference is None:
        return []
    token = await house.tools.secret(reference)
    match source:
        case GitHubSource():
            return await _github(source, token, about, session)
        case GitGuardianSource():
            api = Api(session, source.api, {"Authorization": f"Token {token.reveal()}"})
            path = f"{INCIDENTS}?per_page=1" if source.poll else "/v1/health"
            return await _tried(api, path, about, "a new token of GitGuardian's, with the scopes incidents:read and incidents:write")
        case _:
            return []


async def _github(source: GitHubSource, token: Sealed, about: About, session: aiohttp.ClientSession) -> list[Finding]:
    """On the alerts that are polled; where none are, on the token's own user (an app's token has none, and is good all the same)."""
    api = Api(session, source.api, {"Authorization": f"Bearer {token.reveal()}", "Accept": "application/vnd.github+json"})
    mend = "a new token of GitHub's, with secret_scanning_alerts: write"
    found: list[Finding] = []
    for place in source.repositories:
        path = f"/repos/{place}" if "/" in place else f"/orgs/{place}"
        found += await _tried(api, f"{path}/secret-scanning/alerts?per_page=1", about, mend)
    return found if source.repositories else await _tried(api, "/user", about, mend, passes=403)


async def _tried(api: Api, path: str, about: About, mend: str, passes: int = 0) -> list[Finding]:
    try:
        await api.call(f"GET {path.partition('?')[0]}", "GET", path)
    except Denied as fault:
        return [] if str(fault).endswith(f": {passes}") else [about.bad(f"its token is refused: {fault.what}", mend)]
    except Missing as fault:
        return [about.bad(f"its token sees nothing there, or nothing is there: {fault.what}", mend)]
    except Fault as fault:
        return [about.warn(f"its API does not answer: {fault.what}", fault.remedy)]
    return []


async def _entra(house: House, source: Any, about: About, session: aiohttp.ClientSession) -> list[Finding]:
    """Where the keys come from that its tokens are signed with."""
    entra = getattr(source, "entra", None)
    if not isinstance(entra, EntraSettings):
        return []
    try:
        await Api(session, house.azure.cloud.authority).call(
            "Entra's configuration of the tenant", "GET", f"/{entra.tenant}/v2.0/.well-known/openid-configuration"
        )
    except Fault as fault:
        return [about.bad(f"its tokens could not be verified: {fault.what}", "correct `entra: {tenant: …}`")]
    return []
