"""What is overdue, and which windows went by unused: said once each, in the log."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rotator.core.credential import Credential
from rotator.core.policy import due_at, window_missed
from rotator.engine.ports import Watch
from rotator.ledger.work import WorkRow


class Overdue:
    """Knows when each credential was due as a run last saw it; for one that no run of this process saw, as its row says."""

    def __init__(self) -> None:
        self._due: dict[str, datetime] = {}
        self._said: dict[str, datetime] = {}
        self._missed: dict[str, datetime] = {}

    def note(self, name: str, due: datetime) -> None:
        self._due[name] = due

    def learn(self, published: Mapping[str, datetime], credentials: Mapping[str, Credential]) -> None:
        """What the ledger has is news where another worker published since: what that made old is not overdue."""
        for name, at in published.items():
            credential, known = credentials.get(name), self._due.get(name)
            if credential and (known is None or at + credential.policy.cryptoperiod > known):
                self._due[name] = due_at(credential.policy, at)

    def forget(self, name: str) -> None:
        for memory in (self._due, self._said, self._missed):
            memory.pop(name, None)

    def say(self, rows: Sequence[WorkRow], credentials: Mapping[str, Credential], now: datetime, watch: Watch) -> int:
        """Say what is new; how many are overdue."""
        overdue = 0
        for row in rows:
            credential = credentials.get(row.credential)
            due = self._due_of(row, credential) if credential else None
            if credential is None or due is None or due > now:
                continue
            overdue += 1
            self._say_once(credential, due, now, watch)
        return overdue

    def _due_of(self, row: WorkRow, credential: Credential) -> datetime | None:
        if row.credential in self._due:
            return self._due[row.credential]
        if row.rests_until is None:
            return None
        published = row.rests_until + credential.policy.early - credential.policy.cryptoperiod
        return due_at(credential.policy, published)

    def _say_once(self, credential: Credential, due: datetime, now: datetime, watch: Watch) -> None:
        name = credential.name
        if self._said.get(name) != due:
            self._said[name] = due
            watch("overdue", credential=name, due=due.isoformat(), since_seconds=int((now - due).total_seconds()))
        closed = window_missed(credential.policy, due, now)
        if closed and self._missed.get(name) != closed:
            self._missed[name] = closed
            watch("window_missed", credential=name, due=due.isoformat(), closed=closed.isoformat())
