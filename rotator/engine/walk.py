"""The state of one run along the corridor: held in memory, and lost without harm."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rotator.core.credential import Credential, Reason
from rotator.core.incident import Incident
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.snapshot import HeldBack
from rotator.engine.observe import NOTHING, Told
from rotator.engine.ports import Clock, Lease, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One step that was tried in this run."""

    step: str
    slot: str | None
    outcome: str
    at: datetime
    because: str
    fingerprint: Fingerprint | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time, and the loop's own at it: what has to be over by then is over by both, however the machine's clock is set meanwhile."""

    at: datetime
    loop_s: float

    @classmethod
    def now(cls, clock: Clock) -> "Moment":
        return cls(at=clock.now(), loop_s=asyncio.get_running_loop().time())


@dataclass(slots=True, kw_only=True)
class Walk:
    """What one run knows beside the ledger. `told` is what its next look may believe, `cases` those that stood at the last one.

    `closing`: all is done, and the next look only confirms it: it takes no budget from those who still have a key to kill.
    """

    credential: Credential
    world: World
    lease: Lease
    values: dict[Fingerprint, Sealed]
    chance: random.Random
    steps: list[Done] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    held_back: dict[str, HeldBack] = field(default_factory=dict)
    reason: Reason | None = None
    emergency: bool = False
    blind_looks: int = 0
    heard: bool = False
    started: Moment
    looked: Moment
    unanswered: dict[str, Moment] = field(default_factory=dict)
    told: Told = NOTHING
    cases: frozenset[object] | None = None
    stopping: Callable[[], bool] = lambda: False
    closing: bool = False

    def hear(self) -> None:
        """Somebody woke the credential: this run does not end before it has looked."""
        self.heard = True

    def may_believe(self, incidents: Sequence[Incident]) -> Told:
        """What this run was told, unless somebody woke the credential or another case stands since: then nothing. It is said once."""
        told, self.told = self.told, NOTHING
        cases = frozenset((case.id, case.mode, case.reported_at) for case in incidents)
        same, self.cases = self.cases in (None, cases), cases
        return told if same and not self.heard else NOTHING
