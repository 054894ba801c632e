"""What reports are judged by: the fleet as the settings name it now, what each source may cause, and who we are ourselves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rotator.core.credential import Credential, Secret
from rotator.core.desk import About
from rotator.core.judge import Bench, Rails, SourcePolicy


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
