"""An app that lives on the vault's key: reads it every so often, as apps do, and calls its account with it all the time."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from rotator.core.credential import Secret
from rotator.core.faults import Fault
from rotator.core.sealed import Sealed
from rotator.core.snapshot import AccountView
from rotator.engine.ports import Verdict
from rotator.issuers.probes import Probes
from rotator.wiring import House

READS_THE_VAULT_EVERY_S = 0.4
CALLS_EVERY_S = 0.03


@dataclass(slots=True, kw_only=True)
class Client:
    """Counts its calls; `failed_for_s` is the time from its first refused call to its first good one after that."""

    house: House
    secret: Secret
    kind: str
    endpoint: str
    calls: int = 0
    failed: int = 0
    first_failure: datetime | None = None
    last_failure: datetime | None = None
    first_answer: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False

    @property
    def failed_for_s(self) -> float:
        if self.first_failure is None or self.last_failure is None:
            return 0.0
        return (self.last_failure - self.first_failure).total_seconds()

    async def run(self) -> None:
        """Until it is told to stop. It is not cancelled: a cancellation that arrives together with an answer may be lost on the way."""
        probes, now = Probes(self.house.azure), asyncio.get_running_loop().time
        account = AccountView(kind=self.kind, endpoints=(self.endpoint,))
        key, read_at = await self._read(), now()
        while not self.stopping and key is not None:
            if now() - read_at > READS_THE_VAULT_EVERY_S:
                key, read_at = await self._read() or key, now()
            answer = await probes.probe(account, self.endpoint, key)
            self.calls += 1
            if answer.verdict is not Verdict.ACCEPTED:
                self.failed += 1
                self.first_failure = self.first_failure or answer.at
                self.last_failure = answer.at
            self.first_answer.set()
            await asyncio.sleep(CALLS_EVERY_S)

    async def _read(self) -> Sealed | None:
        """What the vault gives out; None once it is told to stop."""
        while not self.stopping:
            try:
                text = (await self.house.world.vault.look(self.secret)).text
            except Fault:
                text = None
            if text is not None:
                return text
            await asyncio.sleep(CALLS_EVERY_S)
        return None
