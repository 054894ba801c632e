"""An audit chain written by hand, a line at a time, for the tables of timelines. The chain does not care what `clock` is set to."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rotator.core.audit import GENESIS, AuditEvent, seal_event
from rotator.core.incident import Incident, State
from rotator.core.report import Matter, Report, Told, Verdict
from rotator.core.sealed import Fingerprint
from tests.core.situations import NOW, A

SEEN = "https://chat: 3 x 401, a live key 200"


@dataclass(slots=True)
class Chain:
    """Each word moves the clock on by a second, unless it is set."""

    case: Incident
    clock: datetime = NOW
    rotation: str = "chat.1"
    events: list[AuditEvent] = field(default_factory=list)

    def say(self, event: str, **fields: Any) -> AuditEvent:
        previous = self.events[-1].hash if self.events else GENESIS
        plain = {name: str(value) for name, value in fields.items()}
        sealed = seal_event(
            seq=len(self.events) + 1, at=self.clock, event=event, credential=self.case.credential, fields=plain, previous=previous
        )
        self.events.append(sealed)
        self.clock += timedelta(seconds=1)
        return sealed

    def filed(self, **fields: Any) -> AuditEvent:
        said = {"incident": self.case.id, "mode": self.case.mode, "source": self.case.source, "note": self.case.note}
        return self.say("incident.filed", **said, fingerprint=self.case.fingerprint, **fields)

    def moved(self, state: State, because: str = "as a look shows") -> AuditEvent:
        return self.say("incident.moved", incident=self.case.id, fingerprint=self.case.fingerprint, state=state, because=because)

    def step(
        self, step: str, value: Fingerprint = A, *, result: str | None = "done", reason: str = "key_compromise", **detail: Any
    ) -> None:
        """An intent, and its outcome unless `result` is None."""
        operation = f"op-{len(self.events)}"
        slot = {} if step == "switch_off_local_auth" else {"slot": "key1", "fingerprint": value}
        because = f"because of {step}"
        self.say("intent", operation=operation, step=step, reason=reason, because=because, rotation=self.rotation, **slot)
        if result is not None:
            self.say("outcome", operation=operation, result=result, rotation=self.rotation, **detail)

    def killed(self, **detail: Any) -> None:
        self.step("revoke", result="regenerated", new_fingerprint="n" * 26, **detail)

    def proven(self) -> None:
        self.step("prove_dead", result="dead", seen=SEEN)


def report(
    number: int = 1, *, at: datetime = NOW, closing: str = "", answer: str = "", again: datetime | None = None, **changes: Any
) -> Told:
    told: dict[str, Any] = {"source": "github", "source_id": f"o/r#{number}", "because": "matches key1 of chat: drain", **changes}
    one = Report(id=f"rep-{number}", matter=Matter.LEAK, reported_at=at, verdict=Verdict.COMPROMISED, **told)
    return Told(report=one, closing=closing, answer=answer, again_at=again)
