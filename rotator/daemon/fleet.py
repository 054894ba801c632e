"""What the daemon is in charge of now: the credentials, their limits, the world. Swapped as one when the settings change.

A run in hand keeps what it began with. The cadence's jitter is put into the policies here, so only the daemon starts early.
"""

from collections.abc import Mapping
from dataclasses import replace

from rotator.core.credential import Credential
from rotator.core.policy import early_by
from rotator.daemon.pump import Slots
from rotator.engine.ports import World
from rotator.settings.limits import LimitSettings


class Fleet:
    """The credentials by name, each under its own jitter."""

    def __init__(self, credentials: Mapping[str, Credential], limits: LimitSettings, world: World) -> None:
        self.swap(credentials, limits, world)

    def swap(self, credentials: Mapping[str, Credential], limits: LimitSettings, world: World) -> None:
        """From now on these."""
        self.credentials = {name: _early(one, limits.spread) for name, one in credentials.items()}
        self.limits, self.world = limits, world

    @property
    def size(self) -> int:
        return len(self.credentials)

    @property
    def slots(self) -> Slots:
        return Slots(concurrency=self.limits.concurrency, reserve=self.limits.reserve)


def _early(credential: Credential, spread: float) -> Credential:
    policy = credential.policy
    return replace(credential, policy=replace(policy, early=early_by(credential.name, policy, spread)))
