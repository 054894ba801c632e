"""The state of one run along the corridor: held in memory, and lost without harm."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rotator.core.credential import Credential, Reason
from rotator.core.incident import Incident
from rotator.core.retry import EMERGENCY_WAIT, LISTS_LAG, LISTS_LAG_IN_AN_EMERGENCY
from rotator.core.sealed import Fingerprint, Sealed
from rotator.core.snapshot import HeldBack, KeyMemory
from rotator.engine.observe import NOTHING, Told
from rotator.engine.ports import Clock, Lease, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One step that was tried in this run, or in one before it that died; `outcome` as a look settled it, where its answer was lost."""

    step: str
    slot: str | None
    outcome: str
    at: datetime
    because: str
    fingerprint: Fingerprint | None = None
    failed: bool = False
    operation: str = ""


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
    """What one run knows beside the ledger. `told` is what its next look may believe, `cases` those that stood at the last one, `until`
    how long somebody waits for it, `retries_for` how long what fails is tried again where nobody does and that was said.

    `closing`: all is done, and the next look only confirms it: it takes no budget from those who still have a key to kill.
    """

    credential: Credential
    world: World
    lease: Lease
    values: dict[Fingerprint, Sealed]
    chance: random.Random
    steps: list[Done] = field(default_factory=list)
    failures: dict[str, Counter[str]] = field(default_factory=dict)
    held_back: dict[str, HeldBack] = field(default_factory=dict)
    reason: Reason | None = None
    emergency: bool = False
    blind_looks: int = 0
    slots_unseen: int = 0
    heard: bool = False
    started: Moment
    looked: Moment
    unanswered: dict[str, Moment] = field(default_factory=dict)
    told: Told = NOTHING
    cases: frozenset[object] | None = None
    stopping: Callable[[], bool] = lambda: False
    closing: bool = False
    until: datetime | None = None
    lingers_since: datetime | None = None
    retries_since: Moment | None = None
    retries_for: timedelta | None = None

    @property
    def hurried(self) -> bool:
        """Whether a case is open, or somebody waits."""
        return self.emergency or self.until is not None

    @property
    def lists_lag(self) -> timedelta:
        """How long after a regenerate without an answer a list of keys is not believed to show that it never was."""
        return LISTS_LAG_IN_AN_EMERGENCY if self.emergency else LISTS_LAG

    def sooner(self, key: KeyMemory) -> KeyMemory:
        """A proof that an unhurried run put off for minutes is not waited for so long."""
        latest, again = self.started.at + EMERGENCY_WAIT, key.probe_again_at
        far = self.hurried and again is not None and again > self.world.clock.now() + EMERGENCY_WAIT
        return replace(key, probe_again_at=latest) if far else key

    def hear(self) -> None:
        """Somebody woke the credential: this run does not end before it has looked."""
        self.heard = True

    def may_believe(self, incidents: Sequence[Incident]) -> Told:
        """What this run was told, unless somebody woke the credential or another case stands since: then nothing. It is said once."""
        told, self.told = self.told, NOTHING
        cases = frozenset((case.id, case.mode, case.reported_at) for case in incidents)
        same, self.cases = self.cases in (None, cases), cases
        return told if same and not self.heard else NOTHING
