"""`POST /alerts/SENDER`: bounded, verified over the bytes that came, parsed, stored, and only then answered 202.

A stranger gets no further than `verify`, and costs neither a place at the turnstile nor a line of the log for each try. A sender that is
too fast is slowed at its own door, so it starves no other. Nothing of a payload is ever logged, nor the query (`?code=` is a secret there).
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from rotator.alerts import event_grid, github_partner
from rotator.alerts.delivery import Delivery, Handshake, NotTaken, Sender, joined, post_of
from rotator.alerts.said import arrival_of, ignored
from rotator.core.report import Receipt, Report, Verdict
from rotator.core.sealed import Fingerprint
from rotator.engine.ports import Watch
from rotator.web.taking import Taking, Unstored
from rotator.web.turn import let_in

BODY_WITHIN_S = 10
"""How long a body may take to arrive: a sender that drips holds a connection, and nothing else."""
TOLD_EVERY_S = 60
AGAIN = {"Retry-After": "10"}
OURS = frozenset({Verdict.COMPROMISED, Verdict.HELD, Verdict.ALREADY_DEAD})


@dataclass(slots=True)
class _Turnstile:
    """A token bucket a door: `per_minute` posts, and a tenth of that at once."""

    per_minute: int
    left: float = field(init=False)
    at: float = field(init=False, default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.left = self._burst

    @property
    def _burst(self) -> float:
        return max(self.per_minute / 10, 1)

    def passes(self) -> bool:
        now = time.monotonic()
        self.left = min(self.left + (now - self.at) * self.per_minute / 60, self._burst)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass(slots=True)
class _Untold:
    """What a door refuses, or takes and does nothing about, is told once a minute, with how often it happened: whoever tries all the time
    fills no log."""

    untold: int = 0
    at: float = float("-inf")

    def tells(self) -> int:
        """How many have come since the last that was told, if it is time to tell again; else nothing."""
        self.untold += 1
        now = time.monotonic()
        if now - self.at < TOLD_EVERY_S:
            return 0
        told, self.untold, self.at = self.untold, 0, now
        return told


class Doors:
    """The doors of the senders that the settings name; another one is 404."""

    def __init__(
        self, senders: Mapping[str, Sender], taking: Taking, now: Callable[[], datetime], watch: Watch, *, per_minute: int
    ) -> None:
        self._taking, self._now, self._watch = taking, now, watch
        self.trust(senders)
        self._turnstiles = {name: _Turnstile(per_minute) for name in senders}
        self._refusals, self._ignored = ({name: _Untold() for name in senders} for _ in range(2))

    def trust(self, senders: Mapping[str, Sender]) -> None:
        """From now on by these secrets; the doors are the same."""
        self._senders = senders

    def routes(self) -> Iterable[web.RouteDef]:
        return (web.post("/alerts/{sender}", self._post), web.options("/alerts/{sender}", self._preflight))

    async def _preflight(self, request: web.Request) -> web.Response:
        name = request.match_info["sender"]
        if name not in self._senders:
            return _said(404, "no such sender in the settings")
        if name != event_grid.SOURCE:
            return _said(405, "this sender does not ask first", {"Allow": "POST"})
        try:
            return _shaken(event_grid.preflight(joined(request.headers.items())))
        except NotTaken as refused:
            return _said(403, refused.sentence)

    async def _post(self, request: web.Request) -> web.Response:
        name = request.match_info["sender"]
        sender = self._senders.get(name)
        if sender is None:
            return _said(404, "no such sender in the settings")
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                body = await request.read()
        except TimeoutError:
            return _said(408, "the body did not arrive in time")
        except (ConnectionError, web.RequestPayloadError):
            return _said(400, "the body broke off")
        return await self._answer(name, sender, request, body)

    async def _answer(self, name: str, sender: Sender, request: web.Request, body: bytes) -> web.Response:
        try:
            post = post_of(request.headers.items(), body, self._now(), dict(request.query))
            await sender.verify(post)
            if not self._turnstiles[name].passes():
                raise _TooFast
            delivery = sender.parse(post)
            receipt = await self._taking.take(arrival_of(delivery))
        except NotTaken as refused:
            self._refuse(name, refused)
            return _said(refused.status, refused.sentence, AGAIN if refused.status in (429, 503) else None)
        except Unstored as fault:
            self._watch("alert_not_stored", source=name, because=str(fault))
            return _said(503, "it could not be stored; send it again", AGAIN)
        for report in receipt.reports:
            self._watch("alert", **_told(report))
        self._ignore(name, delivery)
        return let_in(_shaken(delivery.handshake) if delivery.handshake else _taken(name, delivery, receipt))

    def _refuse(self, name: str, refused: NotTaken) -> None:
        times = self._refusals[name].tells()
        if times:
            self._watch("alert_refused", source=name, status=refused.status, because=refused.sentence, times=times)

    def _ignore(self, name: str, delivery: Delivery) -> None:
        because = ignored(delivery)
        times = self._ignored[name].tells() if because else 0
        if times:
            self._watch("alert_ignored", source=name, because="; ".join(because), times=times)


class _TooFast(NotTaken):
    status = 429

    def __init__(self) -> None:
        super().__init__("too many posts of this sender in a minute")


def _told(report: Report) -> dict[str, str]:
    facts = {"source": report.source, "report": report.id, "verdict": report.verdict.value, "because": report.because}
    more = {"credential": report.credential, "incident": report.incident, "fingerprint": report.fingerprint or ""}
    return {**facts, **{name: value for name, value in more.items() if value}}


def _taken(name: str, delivery: Delivery, receipt: Receipt) -> web.Response:
    """Stored. The partner programme hears which of its tokens were ours; everyone else gets a word that says nothing of our keys, and why
    nothing is done about what is ignored: a sender with a typo is not to believe that it was heard."""
    if name == github_partner.SOURCE:
        return web.json_response(github_partner.answer(delivery, _ours(receipt.reports)), status=202)
    why = ignored(delivery)
    told = {"taken": len(receipt.reports), "seen_before": receipt.seen_before} | ({"ignored": why} if why else {})
    return web.json_response(told, status=202)


def _ours(reports: Iterable[Report]) -> dict[Fingerprint, bool]:
    """Of which values it is known whether they are or were ours; nothing is said of one that is still looked for."""
    told: dict[Fingerprint, bool] = {}
    for report in reports:
        if report.verdict in (*OURS, Verdict.NOT_OURS):
            for value in report.clues.fingerprints:
                told[value] = told.get(value, False) or report.verdict in OURS
    return told


def _shaken(handshake: Handshake) -> web.Response:
    headers = dict(handshake.headers)
    if handshake.body is None:
        return web.Response(status=handshake.status, headers=headers)
    return web.json_response(dict(handshake.body), status=handshake.status, headers=headers)


def _said(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": sentence}, status=status, headers=headers)
