"""How an order that comes over HTTP is carried out in the daemon: looked up and forecast like one of the command line, filed, and followed.

The daemon acts on what is filed; this room never does. How an order stands is told by the ledger alone, so a daemon that was started anew
knows it.
"""

import asyncio
import json
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from rotator.alerts.gate import Expected
from rotator.cli import report
from rotator.cli.foreseen import Wish, alert_of, forecasts_of, planned
from rotator.cli.look import LOOKED_FOR
from rotator.cli.session import Exit
from rotator.cli.show import rfc3339
from rotator.cli.targets import Target, Unclear, named_each, of_fingerprints, unmatched_row
from rotator.core.audit import AuditEvent
from rotator.core.incident import OPERATOR, Incident, State
from rotator.core.legible import legible
from rotator.core.readers import DEAD_KEY, remembered
from rotator.core.snapshot import Memory
from rotator.engine.intake import NotKnown, NotOurs, intake
from rotator.engine.urgency import urgent
from rotator.settings.model import WebSettings
from rotator.web.orders import ROLE, Doorkeeper, Order
from rotator.wiring import Doorkeeping, House

EVENT = "order.revoke"
SOURCE_LENGTH_MAX = 100
UNMATCHED_KEPT_MAX = 50
ENDS = frozenset({State.DEAD, State.CLOSED, State.UNPROVEN, State.HELD, State.DISMISSED})
OUTCOMES: Mapping[State, str] = {
    State.OPEN: "failed",
    State.REVOKED: "unproven",
    State.UNPROVEN: "unproven",
    State.DEAD: "dead",
    State.CLOSED: "dead",
    State.HELD: "refused",
    State.DISMISSED: "refused",
}


def doorkeeper_of(kept: Doorkeeping, web: WebSettings) -> Doorkeeper:
    """Who is let in, as the settings say."""
    entra = web.entra
    if entra is None:
        return Doorkeeper(kept.secret)
    expected = Expected(tenant=entra.tenant, audience=entra.audience, callers=frozenset(entra.callers), role=entra.role or ROLE)
    return Doorkeeper(kept.secret, kept.tokens, expected)


class OrderDesk:
    """Fulfils `Clerk`. `house` is the daemon's, with the credentials that it keeps now."""

    def __init__(self, house: Callable[[], House]) -> None:
        self._house = house
        self._under_way: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def planned(self, order: Order) -> list[dict[str, Any]]:
        """What would be done, each row with the fingerprints that it is about: what a person has seen is what they order."""
        house, wish = self._house(), replace(_wish(order), dry_run=True)
        groups, rows = await self._looked_up(house, order)
        forecasts = await forecasts_of(groups, wish, house)
        for name, group in groups.items():
            row = planned(name, group, forecasts[name], wish)
            rows.append({**row, "fingerprints": [target.fingerprint for target in group]})
        return rows

    async def carry_out(self, order: Order) -> None:
        """Filed first, noted after: killed between the two, the same order files the same cases again."""
        lock = self._under_way.setdefault(order.id, asyncio.Lock())
        async with lock:  # sent again while it is looked up, it waits for its own first coming
            if not await self._house().ledger.audit.latest(EVENT, order.id):
                await self._file(order)

    async def _file(self, order: Order) -> None:
        house, wish = self._house(), _wish(order)
        groups, rows = await self._looked_up(house, order)
        filed: dict[str, str] = {}
        for target in (target for group in groups.values() for target in group):
            case = await self._filed(target, order, wish, house)
            filed[case.id] = "already" if target.slot is None and not target.resumes else ""
        fields = {
            "order": order.id,
            "by": order.by,
            "mode": str(order.mode or "as the policies say"),
            "reason": order.note,
            "incidents": json.dumps(filed, sort_keys=True),
            "unmatched": json.dumps(rows[:UNMATCHED_KEPT_MAX]),
        }
        await house.ledger.audit.record(EVENT, "", fields)

    async def stands(self, identity: str) -> tuple[list[dict[str, Any]], bool] | None:
        """From the ledger: the cases, what is remembered of their values, and the steps since."""
        ledger = self._house().ledger
        event = await ledger.audit.latest(EVENT, identity)
        if event is None:
            return None
        filed: dict[str, str] = json.loads(event.fields["incidents"])
        cases: dict[str, list[Incident]] = {}
        for case_id in filed:
            for case in await ledger.cases.find(case_id):
                cases.setdefault(case.credential, []).append(case)
        rows = list(json.loads(event.fields["unmatched"]))
        rows += [await self._row(name, mine, event, filed) for name, mine in cases.items()]
        done = all(case.state in ENDS and not case.awaits_containment for mine in cases.values() for case in mine)
        return rows, done and not any(row.get("unreplaced") for row in rows)

    async def _looked_up(self, house: House, order: Order) -> tuple[dict[str, list[Target]], list[dict[str, Any]]]:
        groups: dict[str, list[Target]] = {}
        with urgent():
            if order.names:
                known = [house.credentials[name] for name in order.names if name in house.credentials]
                targets, unclear = await named_each(house, known, order.slot, LOOKED_FOR)
                rows = [_unknown(name) for name in order.names if name not in house.credentials] + [_unclear(one) for one in unclear]
            else:
                targets, found = await of_fingerprints(house, order.fingerprints)
                rows = [unmatched_row(name, answer) for name, answer in found.items() if isinstance(answer, NotOurs | NotKnown)]
        for target in targets:
            groups.setdefault(target.seen.credential.name, []).append(target)
        return groups, rows

    async def _filed(self, target: Target, order: Order, wish: Wish, house: House) -> Incident:
        source = legible(f"{OPERATOR} {order.by}", SOURCE_LENGTH_MAX)
        mode = order.mode or (target.resumes.mode if target.resumes else None)
        alert = replace(alert_of(target, wish, house), source=source)
        return await intake(alert, target.seen.credential, house.world, slot=target.slot, mode=mode)

    async def _row(self, name: str, cases: Sequence[Incident], event: AuditEvent, filed: Mapping[str, str]) -> dict[str, Any]:
        ledger = self._house().ledger
        memory, _ = await ledger.journal.recall(name)
        events = [one async for one in ledger.audit.events(name, after=max(event.seq - len(filed), 0))]
        dying = [memory.of(case.fingerprint) for case in cases]
        published = [key.published_at for key in memory.keys.values() if key.published_at and key.published_at >= _since(cases)]
        steps = _steps(events)
        outcome = _outcome(cases)
        if outcome == "dead" and all(filed[case.id] for case in cases):
            outcome = "already_dead"
        dead = outcome in ("dead", "already_dead")
        unreplaced = dead and _is_unreplaced(cases, memory)
        return {
            "name": name,
            "outcome": "failed" if unreplaced else outcome,
            "reason": cases[0].reason,
            "because": f"the value is proven dead, but {DEAD_KEY}" if unreplaced else _because(cases, steps, outcome),
            "dead": dead,
            "unreplaced": unreplaced,
            "steps": steps,
            "timings": {
                "reported": rfc3339(min(case.reported_at for case in cases)),
                "published": rfc3339(max(published, default=None)),
                "revoked": rfc3339(max((key.replaced_at for key in dying if key.replaced_at), default=None)),
                "first_401": rfc3339(max((key.first_401_at for key in dying if key.first_401_at), default=None)),
                "stable_401": rfc3339(max((key.dead_at for key in dying if key.dead_at), default=None)),
            },
            "incidents": [case.id for case in cases],
        }


def _since(cases: Sequence[Incident]) -> datetime:
    """The vault's times are whole seconds."""
    return min(case.reported_at for case in cases).replace(microsecond=0)


def _wish(order: Order) -> Wish:
    return Wish(mode=order.mode, note=order.note, limit=None, dry_run=False, yes=True)


def _unknown(name: str) -> dict[str, Any]:
    return {**report.nothing_done(legible(name, 64), "not_ours", "no credential is named so; `rotator status` lists them")}


def _unclear(why: Unclear) -> dict[str, Any]:
    return report.nothing_done(why.credential, "refused" if why.code is Exit.REFUSED else "failed", str(why))


def _outcome(cases: Sequence[Incident]) -> str:
    outcomes = {OUTCOMES[case.state] for case in cases} | {"failed" for case in cases if case.awaits_containment}
    return next(outcome for outcome in ("failed", "refused", "unproven", "dead") if outcome in outcomes)


def _is_unreplaced(cases: Sequence[Incident], memory: Memory) -> bool:
    """Whether the daemon has yet to publish a live key; a case is closed when all is quiet, and a contained account is to have none."""
    return any(case.state is State.DEAD and case.contained_at is None for case in cases) and bool(remembered(memory))


def _because(cases: Sequence[Incident], steps: Sequence[Mapping[str, Any]], outcome: str) -> str:
    if outcome == "refused":
        return "; ".join(legible(case.held_because) or f"{case.id} is {case.state}" for case in cases)
    if outcome == "unproven" and any(case.state is State.UNPROVEN for case in cases):
        return report.LOST
    if outcome in ("dead", "already_dead"):
        return "the value is proven dead"
    last = steps[-1] if steps else None
    return f"the daemon acts on it; last: {last['step']}: {last['outcome'] or 'begun'}" if last else "the daemon has not begun yet"


def _steps(events: Sequence[AuditEvent]) -> list[dict[str, Any]]:
    """Each intent since the order, with how it ended."""
    ends = {one.fields.get("operation"): one for one in events if one.event == "outcome"}
    return [
        {
            "step": one.fields.get("step"),
            "slot": one.fields.get("slot"),
            "outcome": end.fields.get("result") if (end := ends.get(one.fields.get("operation"))) else "",
            "at": rfc3339(end.at if end else one.at),
            "because": one.fields.get("because"),
        }
        for one in events
        if one.event == "intent"
    ]
