"""What people are told, and how often: a notice for each thing that a person should know, grouped, and never the same one over and over.

Pure: which events of a run are news (`notice_of`), and what of the news goes out now (`Digest`). Never a value: events carry none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from rotator.core import second_writer

AGAIN_AFTER = timedelta(hours=6)
"""How long the same news of the same credential is not told again."""
LINES_MAX = 10
"""How many things one message lists; the rest is a number."""
KNOWN_MAX = 50_000


class Topic(StrEnum):
    """What a notice is about. The settings may choose among these."""

    INCIDENT_OPENED = "incident_opened"
    APPROVAL_NEEDED = "approval_needed"
    REVOKED = "revoked"
    PROVEN_DEAD = "proven_dead"
    DEPENDENT_LAGGING = "dependent_lagging"
    ROTATION_FAILED = "rotation_failed"
    WAVE_STOPPED = "wave_stopped"
    OVERDUE = "overdue"
    SECOND_WRITER = "second_writer"
    ALERT_NOT_CLOSED = "alert_not_closed"


HEADLINES = {
    Topic.INCIDENT_OPENED: "A leaked key is being revoked",
    Topic.APPROVAL_NEEDED: "A person has to decide",
    Topic.REVOKED: "A leaked key is revoked",
    Topic.PROVEN_DEAD: "A leaked key is proven dead",
    Topic.DEPENDENT_LAGGING: "An app still runs on an old key",
    Topic.ROTATION_FAILED: "A rotation cannot go on",
    Topic.WAVE_STOPPED: "The wave of rotations was stopped",
    Topic.OVERDUE: "A key is overdue",
    Topic.SECOND_WRITER: "Another rotator keeps the same key",
    Topic.ALERT_NOT_CLOSED: "An alert stays open at its source",
}
URGENT = frozenset({Topic.INCIDENT_OPENED, Topic.APPROVAL_NEEDED, Topic.WAVE_STOPPED})
LAGGING_PHASES = frozenset({"overlap", "draining", "propagating"})
NO_NEWS_PHASES = frozenset({"wave", "due", "proving_dead"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One piece of news. `about` is the credential or the case, by which it is told from another of its topic."""

    topic: Topic
    about: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one message says: many notices of one topic are one."""

    topic: Topic
    title: str
    body: str


def notice_of(event: str, fields: Mapping[str, Any]) -> Notice | None:
    """The news in an event of a run, if there is any for a person."""
    name, because = str(fields.get("credential") or ""), str(fields.get("because") or "")
    case = str(fields.get("incident") or "")
    match event:
        case "alert" if fields.get("verdict") == "held":
            return Notice(
                topic=Topic.APPROVAL_NEEDED, about=case, text=f"{name}: {because}. Decide: rotator incidents approve|dismiss {case}"
            )
        case "alert" if fields.get("verdict") in ("compromised", "suspected") and case:
            return Notice(
                topic=Topic.INCIDENT_OPENED,
                about=case,
                text=f"{name}: {because} ({fields.get('source')}). See: rotator incidents show {case}",
            )
        case "incident" if fields.get("state") == "revoked":
            return Notice(
                topic=Topic.REVOKED,
                about=case,
                text=f"{name}: revoked; asked until it is refused everywhere. rotator incidents show {case}",
            )
        case "incident" if fields.get("state") == "dead":
            return Notice(
                topic=Topic.PROVEN_DEAD,
                about=case,
                text=f"{name}: refused at every endpoint. The evidence: rotator incidents report {case}",
            )
        case "decided" if fields.get("tell") and fields.get("decision") == "wait":
            return _waits(name, because, str(fields.get("phase")))
        case "run_failed":
            return Notice(topic=Topic.ROTATION_FAILED, about=name, text=f"{name}: {fields.get('error')} ({because})")
        case "wave_stopped":
            return Notice(topic=Topic.WAVE_STOPPED, about=because, text=f"{because}. Go on: rotator waves resume")
        case "overdue" | "window_missed":
            return Notice(topic=Topic.OVERDUE, about=name, text=f"{name}: {because or 'past its cryptoperiod'}. See: rotator plan {name}")
        case "alert_not_closed":
            about = f"{fields.get('source')} {fields.get('at')}"
            more = f". See: rotator incidents show {case}" if case else ""
            return Notice(topic=Topic.ALERT_NOT_CLOSED, about=about, text=f"{name}: {about} stays open, because {because}{more}")
        case second_writer.EVENT:
            return Notice(topic=Topic.SECOND_WRITER, about=name, text=f"{name}: {because}. See: rotator status {name}")
        case _:
            return None


def _waits(name: str, because: str, phase: str) -> Notice | None:
    if phase in NO_NEWS_PHASES:
        return None
    topic = Topic.DEPENDENT_LAGGING if phase in LAGGING_PHASES else Topic.ROTATION_FAILED
    return Notice(topic=topic, about=name, text=f"{name}: {because}. See: rotator plan {name}")


@dataclass(slots=True, kw_only=True)
class Digest:
    """News that waits to go out. `per_hour` messages at most; what does not fit is counted in the next that does."""

    topics: frozenset[Topic] = frozenset(Topic)
    per_hour: int = 30
    _waiting: dict[tuple[Topic, str], Notice] = field(default_factory=dict)
    _told: dict[tuple[Topic, str], datetime] = field(default_factory=dict)
    _sent: list[datetime] = field(default_factory=list)

    def add(self, notice: Notice, now: datetime) -> bool:
        """Whether it is news: of a topic that is wanted, and not told lately."""
        key = (notice.topic, notice.about)
        told = self._told.get(key)
        if notice.topic not in self.topics or (told is not None and now - told < AGAIN_AFTER) or len(self._waiting) >= KNOWN_MAX:
            return False
        self._waiting[key] = notice
        return True

    @property
    def urgent(self) -> bool:
        return any(topic in URGENT for topic, _ in self._waiting)

    def due(self, now: datetime) -> list[Message]:
        """What goes out now, the urgent first; what the hour has no room for stays."""
        self._sent = [at for at in self._sent if now - at < timedelta(hours=1)]
        messages: list[Message] = []
        for topic in sorted({topic for topic, _ in self._waiting}, key=lambda topic: (topic not in URGENT, topic)):
            if len(self._sent) >= self.per_hour:
                break
            some = {key: notice for key, notice in self._waiting.items() if key[0] is topic}
            messages.append(_message(topic, some.values()))
            self._sent.append(now)
            for key in some:
                del self._waiting[key]
                self._told[key] = now
        self._forget(now)
        return messages

    def _forget(self, now: datetime) -> None:
        if len(self._told) > KNOWN_MAX:
            self._told = {key: at for key, at in self._told.items() if now - at < AGAIN_AFTER}


def _message(topic: Topic, notices: Iterable[Notice]) -> Message:
    lines = [notice.text for notice in notices]
    more = [f"… and {len(lines) - LINES_MAX} more"] if len(lines) > LINES_MAX else []
    title = HEADLINES[topic] if len(lines) == 1 else f"{HEADLINES[topic]} ({len(lines)})"
    return Message(topic=topic, title=f"rotator: {title}", body="\n".join([*lines[:LINES_MAX], *more]))
