"""Rows to core types and back. One function a type and direction; times are milliseconds in a row, aware UTC in the core."""

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import RowMapping

from rotator.core.audit import AuditEvent
from rotator.core.credential import Reason, Slot
from rotator.core.exposure import Bound, Word
from rotator.core.incident import Incident, State
from rotator.core.policy import Mode
from rotator.core.report import Clues, KnownKey, Matter, Report, Told, Verdict
from rotator.core.sealed import Fingerprint
from rotator.core.settle import Intent
from rotator.core.snapshot import Adoption, Kept, KeyMemory, Rollback
from rotator.ledger.fault import LedgerFault

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """Raises LedgerFault for what is no time."""
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except (TypeError, OverflowError, ValueError) as error:
        raise LedgerFault("a time in one of its rows was changed by hand and cannot be read") from error


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)


def _plain(value: Any) -> Any:
    return to_ms(value) if isinstance(value, datetime) else value


def _legible(table: str) -> Callable[[Callable[[RowMapping], T]], Callable[[RowMapping], T]]:
    """A row that somebody changed to what no program of ours writes is the ledger's fault, told as one."""

    def of(read: Callable[[RowMapping], T]) -> Callable[[RowMapping], T]:
        @functools.wraps(read)
        def reads(row: RowMapping) -> T:
            try:
                return read(row)
            except (ValueError, TypeError, OverflowError, KeyError, AttributeError, RecursionError) as error:
                where = next((f" of {row[name]!s:.100}" for name in ("credential", "id") if row.get(name)), "")
                raise LedgerFault(f"a row{where} in its table {table!r} was changed by hand and cannot be read") from error

        return reads

    return of


@_legible("keys")
def key(row: RowMapping) -> KeyMemory:
    return KeyMemory(
        fingerprint=Fingerprint(row["fingerprint"]),
        slot=Slot(row["slot"]) if row["slot"] else None,
        minted_at=_time(row["minted_at"]),
        proven_at=_time(row["proven_at"]),
        published_at=_time(row["published_at"]),
        version=row["version"],
        replaced_at=_time(row["replaced_at"]),
        first_401_at=_time(row["first_401_at"]),
        dead_at=_time(row["dead_at"]),
        seen=str(row["seen"]),
        unprovable=str(row["unprovable"]),
        proof=str(row["proof"]),
        lost=bool(row["lost"]),
        probes=int(row["probes"]),
        probe_again_at=_time(row["probe_again_at"]),
    )


def of_key(memory: KeyMemory) -> dict[str, Any]:
    """The columns of a value that an outcome may change (not its hashes, nor where it was seen)."""
    return {name: _plain(value) for name, value in asdict(memory).items() if name != "fingerprint"}


@_legible("adoptions")
def kept(row: RowMapping) -> Kept:
    return Kept(
        dependent=row["dependent"],
        kind=row["kind"],
        adoption=Adoption(row["adoption"]),
        version=row["version"],
        fingerprint=Fingerprint(row["fingerprint"]),
        running=Fingerprint(row["running"]) if row["running"] else None,
        seen=str(row["seen"]),
        because=str(row["because"]),
        since=from_ms(row["since"]),
        delivered_at=_time(row["delivered_at"]),
    )


@_legible("work")
def rollback(row: RowMapping) -> Rollback | None:
    if not row["back_to"]:
        return None
    return Rollback(value=Fingerprint(row["back_to"]), instead_of=Fingerprint(row["back_from"]), at=from_ms(row["back_at"]))


def of_kept(one: Kept) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(one).items()}


@_legible("incidents")
def incident(row: RowMapping) -> Incident:
    return Incident(
        id=row["id"],
        credential=row["credential"],
        account=row["account"],
        fingerprint=Fingerprint(row["fingerprint"]),
        slot=Slot(row["slot"]) if row["slot"] else None,
        reason=Reason(row["reason"]),
        mode=Mode(row["mode"]),
        source=row["source"],
        note=row["note"],
        reported_at=from_ms(row["reported_at"]),
        deadline=from_ms(row["deadline"]),
        state=State(row["state"]),
        contained_at=_time(row["contained_at"]),
        regenerate_refused=row["regenerate_refused"],
        revoked_at=_time(row["revoked_at"]),
        dead_at=_time(row["dead_at"]),
        held_because=row["held_because"],
    )


def of_incident(case: Incident) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(case).items()}


@_legible("intents")
def intent(row: RowMapping) -> Intent:
    return Intent(
        operation=row["operation"],
        step=row["step"],
        slot=Slot(row["slot"]) if row["slot"] else None,
        fingerprint=Fingerprint(row["fingerprint"]) if row["fingerprint"] else None,
        at=from_ms(row["at"]),
    )


def event(row: RowMapping) -> AuditEvent:
    """One that somebody made unreadable is an event all the same: one that does not fit the chain."""
    texts = {name: row[name] if isinstance(row[name], str) else "" for name in ("event", "credential", "previous", "hash")}
    try:
        at, fields = datetime.fromisoformat(row["at"]), {str(name): str(value) for name, value in json.loads(row["fields"]).items()}
        if at.utcoffset() is None:
            raise ValueError("a time without a zone")
    except (ValueError, TypeError, AttributeError, RecursionError):
        at, fields = _EPOCH, {"unreadable": "this row was changed"}
    return AuditEvent(seq=row["seq"], at=at, fields=fields, **texts)


def of_event(sealed: AuditEvent) -> dict[str, Any]:
    return {**asdict(sealed), "at": sealed.at.isoformat(timespec="milliseconds"), "fields": written(sealed.fields)}


def written(fields: Mapping[str, str]) -> str:
    """An event's fields as the table holds them: the same fields are the same text."""
    return json.dumps(dict(fields), sort_keys=True)


@_legible("reports")
def report(row: RowMapping) -> Report:
    clues = json.loads(row["clues"])
    return Report(
        id=row["id"],
        source=row["source"],
        source_id=row["source_id"],
        matter=Matter(row["matter"]),
        reported_at=from_ms(row["reported_at"]),
        clues=Clues(
            fingerprints=tuple(map(Fingerprint, clues["fingerprints"])),
            sha256=tuple(clues["sha256"]),
            hmsl_hash=tuple(clues["hmsl_hash"]),
            held_by=clues["held_by"],
            likely=clues["likely"],
        ),
        account=row["account"],
        secret=row["secret"],
        caller=row["caller"],
        url=row["url"],
        note=row["note"],
        exposed=tuple(_word(one) for one in json.loads(row["exposed"] or "[]")),
        reopened=row["reopened"],
        verdict=Verdict(row["verdict"]),
        because=row["because"],
        credential=row["credential"],
        fingerprint=Fingerprint(row["fingerprint"]) if row["fingerprint"] else None,
        incident=row["incident"],
    )


def told(row: RowMapping) -> Told:
    again = _time(row["due_at"]) if row["closing"] in ("due", "failed") else None
    return Told(report=report(row), closing=row["closing"], answer=row["closing_told"], again_at=again)


def _word(said: Mapping[str, Any]) -> Word:
    return Word(bound=Bound(said["bound"]), what=said["what"], at=_time(said["at"]), refused=said["refused"])


def _written(exposed: tuple[Word, ...]) -> str:
    plain = [{name: _plain(value) for name, value in asdict(word).items()} for word in exposed]
    return json.dumps(plain) if plain else ""


REPORT_COLUMNS = tuple(field.name for field in fields(Report) if field.name not in ("clues", "exposed"))


def of_report(told: Report) -> dict[str, Any]:
    written = {"clues": json.dumps(asdict(told.clues)), "exposed": _written(told.exposed)}
    return {name: _plain(getattr(told, name)) for name in REPORT_COLUMNS} | written


@_legible("keys")
def known_key(row: RowMapping) -> KnownKey:
    return KnownKey(
        credential=row["credential"],
        fingerprint=Fingerprint(row["fingerprint"]),
        slot=Slot(row["slot"]) if row["slot"] else None,
        published_at=_time(row["published_at"]),
        replaced_at=_time(row["replaced_at"]),
        dead_at=_time(row["dead_at"]),
        sha256=row["sha256"] or "",
        hmsl_hash=row["hmsl_hash"] or "",
    )
