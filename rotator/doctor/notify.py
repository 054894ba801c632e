"""Who is told: is each address there and of a form that Apprise knows, and does its host answer? Nothing is sent."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from rotator.core.faults import Fault
from rotator.core.sealed import Sealed
from rotator.doctor.findings import About, Finding, Subject
from rotator.notifier import apprise_of
from rotator.wiring import House

CONNECT_TIMEOUT_S = 5
PORTS = {"http": 80, "https": 443, "smtp": 25}


async def check(house: House) -> list[Finding]:
    notify = house.settings.notify
    if not notify.urls:
        said = "nobody is told: what waits for a person is in the log, in `status` and in `incidents list` alone"
        return [About(Subject.NOTIFIER, "notify").well(said)]
    return [
        finding for one in await asyncio.gather(*(_one(house, number, url) for number, url in enumerate(notify.urls))) for finding in one
    ]


async def _one(house: House, number: int, reference: str) -> list[Finding]:
    """An address holds a token, so it is called by its number."""
    about = About(Subject.NOTIFIER, f"notify.urls[{number}]")
    try:
        url = await house.tools.secret(reference)
        apprise_of([url])
    except Fault as fault:
        return [about.bad(fault.what, fault.remedy)]
    places = _places(url)
    if not places:
        return [about.well("is an address that Apprise knows; where it leads cannot be told without sending")]
    return [await _reached(about, host, port) for host, port in places]


def _places(url: Sealed) -> list[tuple[str, int]]:
    """Where Apprise would connect to, as far as its plugin says it: the service's own URL, or the address's host."""
    import apprise

    everyone = apprise.Apprise()
    everyone.add(url.reveal())
    return [place for plugin in everyone if (place := _place(plugin))]


def _place(plugin: Any) -> tuple[str, int] | None:
    service = urlsplit(str(getattr(plugin, "notify_url", "") or ""))
    if service.hostname and service.scheme in PORTS and "{" not in service.netloc:
        return service.hostname, service.port or PORTS[service.scheme]
    host = getattr(plugin, "smtp_host", None) or getattr(plugin, "host", None)
    port = getattr(plugin, "port", None) or (443 if getattr(plugin, "secure", False) else 80)
    return (str(host), int(port)) if host and isinstance(host, str) and "." in host else None


async def _reached(about: About, host: str, port: int) -> Finding:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except (OSError, TimeoutError) as error:
        return about.warn(
            f"its host cannot be reached: {host}:{port} ({type(error).__name__})", "let this machine out to it, or name a proxy"
        )
    return about.well(f"its host answers: {host}:{port}")
