"""The clock: this machine's against Azure's, as the Date of an answer says it. Tokens and proofs live by it."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp

from rotator.azure import Azure
from rotator.core.legible import span
from rotator.doctor.findings import About, Finding, Subject

LATE, WRONG = timedelta(seconds=5), timedelta(minutes=1)
MEND = "timedatectl set-ntp true"


async def check(azure: Azure) -> list[Finding]:
    """One unauthorised GET: its refusal is dated, too."""
    about = About(Subject.CLOCK, "this machine")
    began = time.monotonic()
    try:
        async with azure.probes.get(azure.cloud.resource_manager, allow_redirects=False) as answer:
            date = answer.headers.get("Date", "")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return [about.warn(f"cannot be compared: Resource Manager does not answer ({type(error).__name__})")]
    return [judged(about, date, datetime.now(UTC), timedelta(seconds=time.monotonic() - began))]


def judged(about: About, date: str, now: datetime, took: timedelta) -> Finding:
    """A Date has whole seconds, and was written at some moment of the call: only what is beyond both is our clock's fault."""
    try:
        theirs = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return about.warn("cannot be compared: Azure's answer has no Date")
    ahead = now - theirs
    off = max(ahead - took - timedelta(seconds=1), -ahead, timedelta(0))
    said = f"{'ahead of' if ahead > timedelta(0) else 'behind'} Azure's by {span(off)}"
    if off >= WRONG:
        return about.bad(f"is {said}: tokens are refused, times in the evidence are wrong", MEND)
    return about.warn(f"is {said}", MEND) if off >= LATE else about.well("agrees with Azure's")
