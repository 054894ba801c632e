"""What is overdue, and which windows went by unused: said once each, in the log."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rotator.core.credential import Credential
from rotator.core.policy import due_at, window_missed
from rotator.engine.ports import Watch
from rotator.ledger.work import WorkRow


class Overdue:
    """Knows when each credential was published and is due as a run last saw it; for one no run of this process saw, as its row says."""

    def __init__(self) -> None:
        self.due: dict[str, datetime] = {}
        self.published: dict[str, datetime] = {}
        self.learned = False
        self._said: dict[str, datetime] = {}
        self._missed: dict[str, datetime] = {}

    def note(self, name: str, published: datetime, due: datetime) -> None:
        self.published[name], self.due[name] = published, due

    def forget(self, name: str) -> None:
        for memory in (self.due, self.published, self._said, self._missed):
            memory.pop(name, None)

    def say(self, rows: Sequence[WorkRow], credentials: Mapping[str, Credential], now: datetime, watch: Watch) -> int:
        """Say what is new; how many are overdue."""
        self.learn(rows, credentials)
        overdue = [(one, due) for name, one in credentials.items() if (due := self.due.get(name)) is not None and due <= now]
        for credential, due in overdue:
            self._say_once(credential, due, now, watch)
        return len(overdue)

    def learn(self, rows: Sequence[WorkRow], credentials: Mapping[str, Credential]) -> None:
        """From the rows of those that no run of this process saw: a row that rests does so until it is due."""
        for row in rows:
            credential = credentials.get(row.credential)
            if credential is None or row.rests_until is None or row.credential in self.due:
                continue
            published = row.rests_until + credential.policy.early - credential.policy.cryptoperiod
            self.note(row.credential, published, due_at(credential.policy, published))
        self.learned = True

    def _say_once(self, credential: Credential, due: datetime, now: datetime, watch: Watch) -> None:
        name = credential.name
        if self._said.get(name) != due:
            self._said[name] = due
            watch("overdue", credential=name, due=due.isoformat(), since_seconds=int((now - due).total_seconds()))
        closed = window_missed(credential.policy, due, now)
        if closed and self._missed.get(name) != closed:
            self._missed[name] = closed
            watch("window_missed", credential=name, due=due.isoformat(), closed=closed.isoformat())
