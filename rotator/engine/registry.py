"""What reports are judged by: the fleet as the settings name it now, what each source may cause, and who we are ourselves.

And the index that they are matched in: brought up to date for the whole fleet where a report speaks of a value that it does not know.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rotator.core.credential import Credential, Secret
from rotator.core.desk import About
from rotator.core.faults import Denied, Fault, Missing, Rejected
from rotator.core.judge import Bench, Rails, SourcePolicy
from rotator.engine.ports import World

FINAL = (Denied, Missing, Rejected)
"""An account that answers so has no key for us to find now, nor the next minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """`by_secret` names each secret as events may spell it; `ourselves` is our own object id, empty where it is not known."""

    credentials: Mapping[str, Credential]
    by_account: Mapping[str, str]
    by_secret: Mapping[str, str]
    policies: Callable[[str], SourcePolicy]
    ourselves: str
    now: Callable[[], datetime]

    def bench(self, source: str, rails: Rails, open_cases: frozenset[About]) -> Bench:
        """Fulfils `BenchOf`."""
        return Bench(
            credentials=self.credentials,
            by_account=self.by_account,
            by_secret=self.by_secret,
            policy=self.policies(source),
            rails=rails,
            open_cases=open_cases,
            ourselves=self.ourselves,
            now=self.now(),
        )


def registry_of(
    credentials: Mapping[str, Credential], policies: Callable[[str], SourcePolicy], ourselves: str, now: Callable[[], datetime]
) -> Registry:
    """Made once a fleet, so that a flood of reports costs no walk along it."""
    return Registry(
        credentials=credentials,
        by_account={one.account.lower(): name for name, one in credentials.items()},
        by_secret={told: name for name, one in credentials.items() for told in _spellings(one.secret)},
        policies=policies,
        ourselves=ourselves,
        now=now,
    )


def _spellings(secret: Secret) -> tuple[str, str]:
    """By its URL, and by the vault's bare name, as some events have it."""
    host = secret.vault.partition("://")[2].partition("/")[0]
    return str(secret).lower(), f"{host.partition('.')[0]}/secrets/{secret.name}".lower()


async def index_fleet(credentials: Iterable[Credential], world: World, *, at_once: int = 8) -> list[str]:
    """List the keys of every account into the index, at cadence's pace; which could not be asked just now, and why."""
    gate, unseen = asyncio.Semaphore(at_once), list[str]()

    async def one(credential: Credential) -> None:
        async with gate:
            try:
                await world.journal.index(credential.name, credential.account, await world.issuer.keys(credential.account))
            except FINAL:
                return
            except Fault as fault:
                unseen.append(f"{credential.name}: {fault.what}")

    await asyncio.gather(*(one(credential) for credential in credentials))
    return unseen
