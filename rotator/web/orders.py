"""`POST /orders/revoke` and `GET /orders/{id}`: a person's order to the running daemon, and how it stands. Never a key.

The door is shut (404) until the settings name an operator's token, or whose Entra tokens are taken. What is asked is bounded, each order is
in the audit with who gave it, and an order that comes twice is one.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from rotator.alerts.authentic import SharedSecret, bearer
from rotator.alerts.delivery import NotTaken, Refused, joined
from rotator.alerts.gate import Expected, Tokens
from rotator.core.faults import Fault
from rotator.core.legible import legible
from rotator.core.policy import Mode
from rotator.core.sealed import Fingerprint
from rotator.engine.ports import Watch
from rotator.ledger.fault import LedgerFault
from rotator.web.tries import AGAIN, TOO_OFTEN, Tries
from rotator.web.turn import let_in

BODY_BYTES_MAX = 64 * 1024
BODY_WITHIN_S = 10
NAMES_MAX, FINGERPRINTS_MAX = 100, 1_000
AT_ONCE = 4
"""How many orders are looked up at a time: each may ask the whole fleet."""
ROLE = "Rotator.Operator"
"""What an Entra token has to carry where the settings name no other role."""
OPERATOR_TOKEN = "operator token"  # noqa: S105  # how its bearer is named in the audit
SLOTS = ("key1", "key2", "both")
_ID = re.compile(r"ord-[0-9a-f]{16}")
_FINGERPRINT = re.compile(r"[a-z2-7]{26}")
_KNOWN = frozenset({"id", "names", "slot", "fingerprints", "mode", "reason", "dry_run", "by"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody asks for. `by` is who the door knows it comes from, and who they say they are."""

    id: str
    by: str
    names: tuple[str, ...] = ()
    slot: str | None = None
    fingerprints: tuple[Fingerprint, ...] = ()
    mode: Mode | None = None
    note: str = ""


class Clerk(Protocol):
    """Who knows how an order is carried out. Rows are those of the command line."""

    async def planned(self, order: Order) -> list[dict[str, Any]]:
        """What would be done, and what breaks. Changes nothing."""

    async def carry_out(self, order: Order) -> None:
        """File its cases, once, however often it comes."""

    async def stands(self, identity: str) -> tuple[list[dict[str, Any]], bool] | None:
        """How it stands, and whether that is the end; None for an order that never came."""


class Doorkeeper:
    """Whose orders are taken. With neither a token nor Entra, nobody's."""

    def __init__(self, secret: SharedSecret | None, tokens: Tokens | None = None, expected: Expected | None = None) -> None:
        self._secret, self._tokens, self._expected = secret, tokens, expected

    @property
    def is_open(self) -> bool:
        return self._secret is not None or (self._tokens is not None and self._expected is not None)

    @property
    def has_token(self) -> bool:
        return self._secret is not None

    def is_token(self, given: str) -> bool:
        """Whether it is the operator's token, however it was handed in."""
        return self._secret is not None and self._secret.equals(given)

    async def who(self, headers: Mapping[str, str]) -> str:
        """Raises Refused or Unverifiable."""
        token = bearer(headers)
        if self.is_token(token):
            return OPERATOR_TOKEN
        if self._tokens is None or self._expected is None:
            raise Refused("the bearer token is not the operator's token in the settings")
        return await self.of_entra(token)

    async def of_entra(self, token: str) -> str:
        """Who an Entra token says it is; nothing else is one, not even the operator's. Raises Refused or Unverifiable."""
        if self._tokens is None or self._expected is None:
            raise Refused("an Entra token was handed on, and the settings name no web.entra")
        claims = await self._tokens.check(token, self._expected)
        said = next((claims[name] for name in ("upn", "preferred_username", "oid", "appid", "azp") if claims.get(name)), "")
        return f"Entra {legible(str(said), 60)}"


class Orders:
    """Fulfils the two routes."""

    def __init__(self, doorkeeper: Doorkeeper, clerk: Clerk, watch: Watch, tries: Tries | None = None) -> None:
        self._clerk, self._watch = clerk, watch
        self.trust(doorkeeper)
        self._tries = tries or Tries()
        self._places = asyncio.Semaphore(AT_ONCE)

    def trust(self, doorkeeper: Doorkeeper) -> None:
        """From now on who this one lets in."""
        self._doorkeeper = doorkeeper

    def routes(self) -> Iterable[web.RouteDef]:
        return (web.post("/orders/revoke", self._revoke), web.get("/orders/{id}", self._stands))

    async def _revoke(self, request: web.Request) -> web.Response:
        who = await self._admitted(request)
        if isinstance(who, web.Response):
            return who
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                body = await request.content.read(BODY_BYTES_MAX + 1)
                while len(body) <= BODY_BYTES_MAX and (more := await request.content.read(BODY_BYTES_MAX + 1 - len(body))):
                    body += more
            order, dry_run = _read(body, who)
        except TimeoutError:
            return _said(408, "the body did not arrive in time")
        except _Odd as odd:
            return _said(413 if len(body) > BODY_BYTES_MAX else 400, str(odd))
        try:
            async with self._places:
                if dry_run:
                    return let_in(web.json_response({"id": order.id, "rows": await self._clerk.planned(order)}))
                await self._clerk.carry_out(order)
                self._watch("order", order=order.id, by=order.by, names=list(order.names), fingerprints=len(order.fingerprints))
                return await self._answer(order.id, 202)
        except (Fault, LedgerFault) as fault:
            return _said(503, f"the order could not be taken: {legible(str(fault))}; send it again")

    async def _stands(self, request: web.Request) -> web.Response:
        who = await self._admitted(request)
        if isinstance(who, web.Response):
            return who
        identity = request.match_info["id"]
        try:
            return await self._answer(identity, 200) if _ID.fullmatch(identity) else _said(404, "no such order")
        except LedgerFault as fault:
            return _said(503, f"the ledger cannot be asked: {legible(str(fault))}")

    async def _answer(self, identity: str, status: int) -> web.Response:
        found = await self._clerk.stands(identity)
        if found is None:
            return _said(404, "no such order")
        rows, done = found
        return let_in(web.json_response({"id": identity, "done": done, "rows": rows}, status=status))

    async def _admitted(self, request: web.Request) -> str | web.Response:
        if not self._doorkeeper.is_open:
            return _said(404, "orders are not taken: the settings name no web.operator_token and no web.entra")
        try:
            return await self._doorkeeper.who(joined(request.headers.items()))
        except NotTaken as refused:
            tried = self._tries.failed()
            if tried.told:
                self._watch("order_refused", status=refused.status, because=refused.sentence, times=tried.told)
            if tried.too_often:
                return _said(429, TOO_OFTEN, AGAIN)
            headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
            return _said(refused.status, refused.sentence, headers)


class _Odd(Exception):
    """Why a body is no order; it repeats nothing of it."""


def _read(body: bytes, who: str) -> tuple[Order, bool]:
    if len(body) > BODY_BYTES_MAX:
        raise _Odd(f"an order has at most {BODY_BYTES_MAX // 1024} KiB")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise _Odd("the body is no JSON") from None
    if not isinstance(said, dict) or not said.keys() <= _KNOWN:
        raise _Odd(f"an order is an object with no other fields than {', '.join(sorted(_KNOWN))}; a key is never one of them")
    identity, slot, mode, dry_run = said.get("id"), said.get("slot"), said.get("mode"), said.get("dry_run", False)
    names, values = _texts(said, "names", NAMES_MAX), _texts(said, "fingerprints", FINGERPRINTS_MAX)
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        raise _Odd("id is ord- and sixteen hex digits, chosen by who orders")
    if bool(names) == bool(values):
        raise _Odd("an order says either names or fingerprints")
    if not all(_FINGERPRINT.fullmatch(value) for value in values):
        raise _Odd("a fingerprint is 26 letters a-z and digits 2-7; a key is never sent")
    if not (slot is None or (slot in SLOTS and names)) or not (mode is None or mode in list(Mode)) or not isinstance(dry_run, bool):
        raise _Odd(f"slot is one of {', '.join(SLOTS)} and goes with names; mode is one of {', '.join(Mode)}; dry_run is true or false")
    order = Order(
        id=identity,
        by=_by(who, said.get("by")),
        names=tuple(names),
        slot=slot,
        fingerprints=tuple(Fingerprint(value) for value in values),
        mode=Mode(mode) if mode else None,
        note=legible(str(said.get("reason") or "")),
    )
    return order, dry_run


def _by(who: str, claimed: object) -> str:
    """Who says so is told apart from who is known."""
    return f"{legible(claimed, 40)} ({who})" if isinstance(claimed, str) and claimed.strip() else who


def _texts(said: Mapping[str, Any], name: str, most: int) -> Sequence[str]:
    values = said.get(name) or []
    if not isinstance(values, list) or len(values) > most or not all(isinstance(one, str) and 0 < len(one) <= 200 for one in values):
        raise _Odd(f"{name} is a list of at most {most} texts")
    return list(dict.fromkeys(values))


def _said(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": sentence}, status=status, headers=headers)
