"""The scopes of the settings: can each be looked into, and is anybody in it refused?"""

from rotator.core.snapshot import Unseen
from rotator.doctor import mending
from rotator.doctor.findings import About, Finding, Subject
from rotator.doctor.round import Round
from rotator.settings.permissions import SURVEY
from rotator.survey.memory import remembered
from rotator.survey.scopes import assigned, listed


async def check(round_: Round) -> list[Finding]:
    """As the daemon looks at them every hour."""
    settings = round_.house.settings
    if not settings.discover:
        return []
    found: list[Finding] = []
    lists = await listed(round_.arm, settings.discover)
    for number, (scope, seen) in enumerate(zip(settings.discover, lists, strict=True)):
        about = About(Subject.ACCOUNT, f"discover[{number}]")
        if isinstance(seen, Unseen):
            mend = mending.grant(SURVEY, f"/subscriptions/{scope.subscription}", round_.who)
            found.append(about.bad(f"cannot be looked into, so new accounts are missed: {seen.because}", mend))
        else:
            found.append(about.well(f"is seen: {len(seen)} account(s) are where it looks"))
    memory = await remembered(round_.house.ledger)
    known = {one.name: one.account for one in memory.values() if not one.gone}
    refused = assigned(settings, lists, known).refused
    return [*found, *(About(Subject.ACCOUNT, "discover").warn(f"not taken into care: {sentence}") for sentence in refused)]
