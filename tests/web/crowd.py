"""A ledger of a whole fleet, as years of work leave it: written straight into the tables, for a page to be read from."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, create_engine, insert, update

from rotator.core.credential import Credential, Secret
from rotator.core.policy import Policy, Window
from rotator.ledger.rows import to_ms
from rotator.ledger.schema import adoptions, audit, audit_head, incidents, intents, keys, work

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ACCOUNTS = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts"
WINDOW = Window(opens="0 9 * * 1-5", length=timedelta(hours=7), zone="Europe/Berlin")
AT_ONCE = 2_000


def fleet_of(size: int, **policy: Any) -> dict[str, Credential]:
    """So many credentials; every tenth rotates in a window alone."""
    return {
        (name := f"chat-{number:05}"): Credential(
            name=name,
            account=f"{ACCOUNTS}/{name}",
            secret=Secret(vault="https://kv.vault.azure.net", name=name),
            policy=Policy(**{"window": None if number % 10 else WINDOW, **policy}),
        )
        for number in range(size)
    }


def fill(url: str, fleet: Mapping[str, Credential], *, now: datetime = NOW) -> None:
    """Each with two values, two dependents and three steps; one in a hundred lags, one in 500 is overdue, one in 1,000 leaked."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    made: dict[Table, list[dict[str, Any]]] = {table: [] for table in (work, keys, adoptions, incidents, intents, audit)}
    for number, (name, credential) in enumerate(fleet.items()):
        for table, row in _rows(number, name, credential, now):
            made[table].append(row)
    with engine.begin() as connection:
        for table, some in made.items():
            for start in range(0, len(some), AT_ONCE):
                connection.execute(insert(table), some[start : start + AT_ONCE])
        connection.execute(update(audit_head).values(events=len(made[audit])))
    engine.dispose()


def value_of(number: int, which: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    text, left = "", number * 2 + which + 1
    while left:
        text, left = letters[left % 32] + text, left // 32
    return text.rjust(26, "a")


def _rows(number: int, name: str, credential: Credential, now: datetime) -> Iterator[tuple[Table, dict[str, Any]]]:
    published = now - (40 if number % 500 == 7 else number % 29) * DAY
    ms = to_ms(published)
    yield work, {"credential": name, "due_at": to_ms(now + DAY), "priority": 0, "risk_at": ms}
    old, new = value_of(number, 0), value_of(number, 1)
    yield keys, _key(name, old, "key1", ms - 30 * 86_400_000, replaced_at=ms + 1000, dead_at=ms + 2000, proof="3x401 at 2 of 2 endpoint(s)")
    yield keys, _key(name, new, "key2", ms)
    for which in ("api", "worker"):
        adoption = "Stale" if number % 100 == 3 and which == "api" else "Proven"
        about = {"kind": "webhook", "version": "v", "fingerprint": new, "since": ms, "seen": "", "because": ""}
        yield adoptions, {"credential": name, "dependent": which, "adoption": adoption, **about}
    for place, step in enumerate(("mint", "publish", "revoke")):
        operation, at = f"op-{number}-{place}", ms + place * 100
        meant = {"step": step, "slot": "key2", "fingerprint": new, "reason": "superseded"}
        yield (
            intents,
            {
                "operation": operation,
                "credential": name,
                "because": "its cryptoperiod is over",
                "at": at,
                "outcome": "done",
                "outcome_at": at + 50,
                **meant,
            },
        )
        fields = {"operation": operation, **meant, "because": "its cryptoperiod is over", "rotation": f"{name}.1"}
        yield audit, _event(number * 6 + place * 2 + 1, "intent", name, fields, published)
        yield (
            audit,
            _event(
                number * 6 + place * 2 + 2, "outcome", name, {"operation": operation, "result": "done", "rotation": f"{name}.1"}, published
            ),
        )
    if number % 1000 == 11:
        yield (
            incidents,
            {
                "id": f"inc-{number:06}",
                "credential": name,
                "account": credential.account,
                "fingerprint": new,
                "slot": "key2",
                "reason": "key_compromise",
                "mode": "drain",
                "source": "github",
                "note": "",
                "reported_at": to_ms(now) - 5_000,
                "deadline": to_ms(now) + 115_000,
                "state": "open",
                "held_because": "",
                "regenerate_refused": False,
            },
        )


def _key(name: str, value: str, slot: str, published_at: int, **more: Any) -> dict[str, Any]:
    known = {"replaced_at": None, "dead_at": None, "proof": "", **more}
    return {"credential": name, "fingerprint": value, "account": "", "slot": slot, "published_at": published_at, "version": "v", **known}


def _event(seq: int, event: str, name: str, fields: Mapping[str, str], at: datetime) -> dict[str, Any]:
    told = json.dumps(dict(fields), sort_keys=True)
    return {
        "seq": seq,
        "at": at.isoformat(timespec="milliseconds"),
        "event": event,
        "credential": name,
        "fields": told,
        "previous": "0" * 64,
        "hash": "0" * 64,
    }
