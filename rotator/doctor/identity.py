"""Our own identity: does Entra give us a token, who does it say we are, and when does the secret that we show for it expire?"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from rotator.azure import Azure
from rotator.core.faults import Fault
from rotator.doctor.findings import About, Finding, Subject
from rotator.settings import CustomIdentity, Settings
from rotator.survey.accounts import time_of

DIRECTORIES = {
    "public": "https://graph.microsoft.com",
    "usgov": "https://graph.microsoft.us",
    "china": "https://microsoftgraph.chinacloudapi.cn",
}
"""Microsoft Graph, where an application's own secrets are listed with their ends. A cloud of one's own has none that is known here."""
SOON = timedelta(days=30)
_AADSTS = re.compile(r"AADSTS(\d{4,8})")
_SAID = {
    "7000222": "the client secret has expired",
    "7000215": "the client secret is wrong",
    "700016": "no such application in this tenant",
    "90002": "no such tenant",
    "700024": "the assertion has expired: is the clock right?",
    "700213": "no federated credential fits this workload's token",
}


async def check(azure: Azure, settings: Settings) -> tuple[list[Finding], dict[str, Any]]:
    """What is found, and the claims of our token (empty where there is none)."""
    named = settings.identity if isinstance(settings.identity, str) else "client secret"
    about = About(Subject.IDENTITY, named)
    try:
        claims = await azure.credential.claims(azure.arm_scope)
    except Fault as fault:
        code = _AADSTS.search(str(fault.__cause__))
        why = _SAID.get(code[1], f"AADSTS{code[1]}") if code else ""
        return [about.bad(f"{fault.what}{f': {why}' if why else ''}", _mend(settings, why) or fault.remedy)], {}
    who = str(claims.get("oid") or claims.get("appid") or claims.get("azp") or "")
    found = [about.well(f"Entra knows us{f' as {who}' if who else ''}")]
    if isinstance(settings.identity, CustomIdentity) and isinstance(settings.cloud, str):
        found += await _expiry(azure, about, settings.identity.client_secret.client, DIRECTORIES[settings.cloud], datetime.now(UTC))
    return found, claims


def _mend(settings: Settings, why: str) -> str:
    if why and isinstance(settings.identity, CustomIdentity) and "secret" in why:
        return f"az ad app credential reset --id {settings.identity.client_secret.client} --append"
    return ""


async def _expiry(azure: Azure, about: About, client: str, directory: str, now: datetime) -> list[Finding]:
    """An application may read itself in the directory, or may not: then that is said, for it is one thing less that is watched."""
    url = f"{directory}/v1.0/applications(appId='{client}')?$select=passwordCredentials,keyCredentials"
    mend = f"az ad app credential list --id {client}"
    try:
        token = (await azure.credential.get_token(f"{directory}/.default")).token
        async with azure.probes.get(url, headers={"Authorization": f"Bearer {token}"}, allow_redirects=False) as answer:
            said = await answer.json() if answer.status == 200 else None
    except (Fault, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return [about.warn(f"when its secret expires cannot be told ({type(error).__name__})", mend)]
    if not isinstance(said, dict):
        return [about.warn(f"when its secret expires cannot be told: the directory answers {answer.status}", mend)]
    return judged(about, said, client, now)


def judged(about: About, said: dict[str, Any], client: str, now: datetime) -> list[Finding]:
    """Which of several secrets is ours no one tells: the last one to end is the best case."""
    rows = [row for name in ("passwordCredentials", "keyCredentials") for row in said.get(name) or () if isinstance(row, dict)]
    last = max((end for row in rows if (end := time_of(row.get("endDateTime")))), default=None)
    mend = f"az ad app credential reset --id {client} --append"
    if last is None:
        return [about.warn("no secret of the application has an end that could be told")]
    days = (last - now).days
    if last <= now:
        return [about.bad(f"every secret of the application has expired, the last on {last:%Y-%m-%d}", mend)]
    return [about.warn(f"its last secret expires in {days} day(s), on {last:%Y-%m-%d}", mend)] if last - now < SOON else []
