"""What comes through the door and what it says: a post, and the closed union of records that a sender's parser makes.

The union says what was *claimed*. `Leak` and `Reopened` carry clues by which a key can be recognised; only a clue that matches a key of
ours may kill anything. `Suspicion` names an account and no key. Two times stand in each record: when it reached us, which policy may count
from, and when the sender says that it happened, which a sender can set to anything and a deadline must never be counted from.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from rotator.core.exposure import Word
from rotator.core.sealed import Sealed

HEADERS_MAX = 200


class NotTaken(Exception):
    """The door stays shut: `status` for the sender, and a sentence of ours that repeats nothing of the payload."""

    status = 400

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Refused(NotTaken):
    """It cannot be shown to come from its sender."""

    status = 401


class Malformed(NotTaken):
    """It is from its sender and lacks what it is about: no side effect."""

    status = 400


class Unverifiable(NotTaken):
    """The sender's public keys cannot be had at the moment: it may send again."""

    status = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One request as it came: header names in lower case, the body untouched (`repr` never shows it)."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: datetime
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "").strip()

    @property
    def body_sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def post_of(headers: Iterable[tuple[str, str]], body: bytes, at: datetime, query: Mapping[str, str] | None = None) -> Post:
    """A post from a server's headers: a second signature spoils the first. Raises Malformed."""
    return Post(headers=joined(headers), body=body, at=at, query=query or {})


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By their names in lower case; one that is given twice is joined as HTTP joins it, so that none hides another. Raises Malformed."""
    found: dict[str, str] = {}
    for number, (name, value) in enumerate(headers):
        if number >= HEADERS_MAX:
            raise Malformed("more headers than any sender sends")
        known = found.get(name.lower())
        found[name.lower()] = value if known is None else f"{known}, {value}"
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose word it is. `id` is the sender's own name for the thing, the same in every delivery about it; `exposed` what it says of since
    when a value lay open, where that is another time than that of the event."""

    source: str
    id: str
    reported_at: datetime
    happened_at: datetime | None = None
    exposed: tuple[Word, ...] = ()
    url: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hash:
    """A digest by which a key of ours can be recognised without being seen."""

    kind: Literal["sha256", "hmsl_hash", "fingerprint"]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldByGitHub:
    """The value is to be fetched from GitHub's API: validated parts, no URL."""

    owner: str
    repository: str
    number: int

    def __str__(self) -> str:
        return f"{self.owner}/{self.repository}#{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldByGitGuardian:
    """An incident of GitGuardian's, by its number."""

    incident: int


Clue = Sealed | Hash | HeldByGitHub | HeldByGitGuardian


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A key is said to be in wrong hands. Without any clue nobody can match it: a person is to look."""

    origin: Origin
    clues: tuple[Clue, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened:
    """A leak that was closed is open again at its sender."""

    origin: Origin
    clues: tuple[Clue, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Closed at its sender, and how; perhaps by ourselves."""

    origin: Origin
    clues: tuple[Clue, ...]
    how: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """An account is named and no key: never reason enough to cut."""

    origin: Origin
    account: str
    alert_type: str
    severity: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regenerated:
    """Somebody listed or regenerated keys of an account. `caller` is an object id where one was said: compare it with our own."""

    origin: Origin
    account: str
    action: Literal["listed", "regenerated"]
    caller: str = ""
    correlation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A vault secret nears its expiry or is past it: a second trigger beside the cadence."""

    origin: Origin
    vault: str
    secret: str
    version: str
    expired: bool
    expires: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What the sender wants to hear before it sends anything."""

    status: int = 200
    body: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Understood, and nothing to do; answered like everything that is taken."""

    because: str


Record = Leak | Reopened | Closed | Suspicion | Regenerated | Due | Handshake | Ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one post said. It is remembered by both names: an id is not signed everywhere, and a body may come under a new id."""

    source: str
    delivery_id: str | None
    body_sha256: str
    records: tuple[Record, ...]

    @property
    def handshake(self) -> Handshake | None:
        return next((record for record in self.records if isinstance(record, Handshake)), None)


class Sender(Protocol):
    """One room: first `verify`, then `parse`, with the same post."""

    async def verify(self, post: Post) -> None:
        """Raises Refused, or Unverifiable where the sender's public keys cannot be had."""

    def parse(self, post: Post) -> Delivery:
        """Raises Malformed. Asks nothing of the outside."""
