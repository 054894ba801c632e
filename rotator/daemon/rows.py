"""What the daemon asks of the ledger: the work table's verbs, and the lock that says we live."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from rotator.engine.ports import Lease
from rotator.ledger.work import CADENCE, Claimed, WorkRow


class Rows(Protocol):
    """One row a credential, and all the queue there is."""

    async def enlist(self, credentials: Sequence[str]) -> None: ...

    async def claim_due(self, limit: int, *, least_priority: int = CADENCE) -> Sequence[Claimed]: ...

    async def next_due(self, *, least_priority: int = CADENCE) -> timedelta | None: ...

    async def wake(self, credential: str, *, priority: int = CADENCE) -> None: ...

    async def finish(self, lease: Lease, *, again: datetime, rests_until: datetime | None = None, looked: bool = True) -> None: ...

    async def hand_back(self, lease: Lease, *, after: timedelta = timedelta(0)) -> None: ...

    async def reap(self) -> list[str]: ...

    async def wait_for_wake(self, longest: timedelta) -> None: ...

    async def rows(self) -> Sequence[WorkRow]: ...


class Lock(Protocol):
    """Our own lock in the ledger: while it stands, our rows are ours. `lost` is another event after each new lock."""

    lost: asyncio.Event

    async def beat(self) -> None: ...

    async def lock_again(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """How a run ends: due at `again`, resting until `rests_until` where nothing is under way; `looked` where everything was asked for."""

    again: datetime
    rests_until: datetime | None = None
    looked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HandBack:
    """The run stopped between two steps: whoever comes next goes on, at once or `after` a while."""

    after: timedelta = timedelta(0)


Ending = GiveBack | HandBack
