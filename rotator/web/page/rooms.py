"""`GET /`, `/credentials/{name}` and `/incidents/{id}`: who may look is let in, what the ledger says is read within a bound, and shown.

A look holds up nobody: few are answered at a time, each within seconds; markup is made beside the loop; the fleet is put in order once for
all who look within a moment. A refusal is made once and sent as often as it is due.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache

from aiohttp import web
from htpy import Renderable

from rotator.alerts.delivery import NotTaken, joined
from rotator.core import standing
from rotator.core.credential import Credential
from rotator.core.incident import State
from rotator.core.legible import legible
from rotator.core.standing import Rank, Roll
from rotator.core.timeline import Timeline, timeline
from rotator.engine.ports import Watch
from rotator.ledger import rows
from rotator.ledger.fault import LedgerFault
from rotator.ledger.onlooker import Onlooker, Story
from rotator.ledger.soundness import Trouble
from rotator.web.page.credential import EVENTS, Room, credential
from rotator.web.page.fleet import LEAF, Listing
from rotator.web.page.frame import EVERY_S, Visit, bare
from rotator.web.page.front import LATELY, SHOWN, Front, front
from rotator.web.page.incident import Telling, incident
from rotator.web.page.style import HEADERS
from rotator.web.page.visitor import InTheClear, Knock, Nobody, Visitors
from rotator.web.page.words import command, sentence
from rotator.web.tries import AGAIN, TOO_OFTEN, Tries
from rotator.web.turn import let_in

AT_ONCE, WAITING_MAX = 2, 30
"""So many pages are made at a time, and so many may wait for it."""
READ_WITHIN_S = 5
KEPT_FOR_S = 5
"""How long the order of the fleet is kept."""
ASKED = ("q", "only", "after", "before", "every")
ASKED_LENGTH_MAX = 300
OVER_SHOWN = 10
REFUSALS_KEPT = 32
NO_MORE: Mapping[str, str] = {}

Clock = Callable[[], datetime]
Credentials = Callable[[], Mapping[str, Credential]]
Troubled = Callable[[], Awaitable[Trouble | None]]
Made = tuple[int, Renderable]
Make = Callable[[web.Request, Visit], Awaitable[Callable[[], Made]]]
"""Reads what a page shows; what it returns makes the page, beside the loop."""


class Page:
    """Fulfils the three routes; none of them is there where nobody may look."""

    def __init__(
        self, visitors: Visitors, onlooker: Onlooker, credentials: Credentials, now: Clock, watch: Watch, tries: Tries, trouble: Troubled
    ) -> None:
        """`trouble` is what keeps the ledger from being worked on, if anything does."""
        self._onlooker, self._credentials, self._now = onlooker, credentials, now
        self.trust(visitors)
        self._watch, self._tries, self._trouble = watch, tries, trouble
        self._places, self._waiting = asyncio.Semaphore(AT_ONCE), 0
        self._ordering = asyncio.Lock()
        self._roll: tuple[float, Roll] | None = None

    def trust(self, visitors: Visitors) -> None:
        """From now on who these let in."""
        self._visitors = visitors

    def routes(self) -> Iterable[web.RouteDef]:
        if not self._visitors.is_open:
            return ()
        return (
            web.get("/", self._at("", self._front)),
            web.get("/credentials/{name}", self._at("../", self._credential)),
            web.get("/incidents/{name}", self._at("../", self._incident)),
        )

    def _at(self, up: str, make: Make) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answered(request: web.Request) -> web.Response:
            return await self._answer(request, up, make)

        return answered

    # --- who, and whether now ---------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request, up: str, make: Make) -> web.Response:
        try:
            knock = Knock(peer=request.remote or "", headers=joined(request.headers.items()))
        except NotTaken as odd:
            return _sent(odd.status, _refusal("Not let in", sentence(odd.sentence)))
        try:
            by = await self._visitors.who(knock)
        except NotTaken as refused:
            return self._refused(refused, knock)
        asked = {name: request.query[name][:ASKED_LENGTH_MAX] for name in ASKED if name in request.query}
        visit = Visit(by=by, now=self._now(), up=up, query=asked, again=asked.get("every") == str(EVERY_S))
        if self._waiting >= WAITING_MAX:
            return _sent(503, _refusal("Too many look at once", "Load it again in a moment."), AGAIN)
        try:
            async with self._place(), asyncio.timeout(READ_WITHIN_S):
                made = await make(request, visit)
                status, page = await asyncio.to_thread(lambda: _text(*made()))
        except (LedgerFault, TimeoutError) as fault:
            why = legible(str(fault)) or "no answer in time"
            shown = bare(
                "The ledger cannot be read", sentence(why), "What is so in Azure is seen without it:", command("rotator", "status")
            )
            return _sent(503, str(shown).encode(), AGAIN)
        return let_in(_sent(status, page))

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        self._waiting += 1
        try:
            async with self._places:
                yield
        finally:
            self._waiting -= 1

    def _refused(self, refused: NotTaken, knock: Knock) -> web.Response:
        asked = {"WWW-Authenticate": self._visitors.challenge(knock)} if refused.status == 401 else {}
        if isinstance(refused, Nobody):
            safe = self._visitors.is_private(knock)
            how = "The password is the operator's token, under any user name." if safe else sentence(InTheClear().sentence)
            return _sent(401, _refusal("Who looks?", "This page is for those who may give rotator orders.", how), asked)
        tried = self._tries.failed()
        if tried.told:
            self._watch("page_refused", status=refused.status, because=refused.sentence, times=tried.told)
        if tried.too_often:
            return _sent(429, _refusal("Too many tries", sentence(TOO_OFTEN)), AGAIN)
        asked |= AGAIN if refused.status == 503 else {}
        return _sent(refused.status, _refusal("Not let in", sentence(refused.sentence)), asked)

    # --- the three --------------------------------------------------------------------------------------------------------

    async def _front(self, _request: web.Request, visit: Visit) -> Callable[[], Made]:
        look, credentials, asked = self._onlooker, self._credentials(), visit.query
        roll = await self._ordered()
        rank = next((one for one in Rank if one.name.lower() == asked.get("only")), None)
        holding = asked.get("q", "").strip()[:100]
        leaf = standing.leaf(roll, after=standing.read(asked.get("after", "")), holding=holding, rank=rank, size=LEAF)
        glances = await look.glances([name for _, _, name in leaf.places])
        seen = Front(
            fleet=Listing(roll=roll, leaf=leaf, credentials=credentials, glances=glances, holding=holding, rank=rank),
            held=await look.ways([State.HELD], SHOWN),
            pressing=await look.ways([State.OPEN, State.REVOKED, State.DEAD], SHOWN),
            ended=await look.ways([State.CLOSED, State.UNPROVEN, State.DISMISSED], OVER_SHOWN),
            counts=await look.count(),
            failures=await look.failures(visit.now - LATELY, SHOWN),
            wave=await look.wave(),
            trouble=await self._trouble(),
        )
        return lambda: (200, front(visit, seen))

    async def _ordered(self) -> Roll:
        """The fleet in order, asked anew only where the last answer is old; who comes meanwhile waits for the same answer."""
        loop = asyncio.get_running_loop()
        async with self._ordering:
            if self._roll is None or loop.time() - self._roll[0] > KEPT_FOR_S:
                known, credentials, now = await self._onlooker.fleet(), dict(self._credentials()), self._now()
                self._roll = loop.time(), await asyncio.to_thread(standing.roll, credentials, known, now)
            return self._roll[1]

    async def _credential(self, request: web.Request, visit: Visit) -> Callable[[], Made]:
        name = _name(request)
        if name is None:
            return _no_credential
        before = visit.query.get("before", "")
        number = int(before) if before.isascii() and before.isdecimal() and len(before) <= 15 else None
        known = self._credentials().get(name)
        portrait = await self._onlooker.portrait(name, before=number, events=EVENTS)
        if known is None and portrait.empty:
            return _no_credential
        return lambda: (200, credential(visit, Room(name=name, credential=known, portrait=portrait)))

    async def _incident(self, request: web.Request, visit: Visit) -> Callable[[], Made]:
        name = _name(request)
        story = await self._onlooker.story(name) if name is not None else None
        if story is None:
            return _no_case
        return lambda: (200, incident(visit, Telling(story=story, told=_timeline(story))))


def _name(request: web.Request) -> str | None:
    """What is asked for, or None: nothing of ours has a name that cannot be printed, or that is longer."""
    name = request.match_info["name"]
    return name if name.isprintable() and len(name) <= ASKED_LENGTH_MAX else None


def _no_credential() -> Made:
    return 404, bare("No such credential", "Neither the settings nor the ledger name it.", command("rotator", "status"))


def _no_case() -> Made:
    return 404, bare("No such case", "No incident of the ledger has this id.", command("rotator", "incidents", "list", "--all"))


def _timeline(story: Story) -> Timeline:
    return timeline(story.case, story.told, [rows.event(row) for row in story.events], story.memory)


def _text(status: int, page: Renderable) -> tuple[int, bytes]:
    return status, str(page).encode()


@lru_cache(REFUSALS_KEPT)
def _refusal(name: str, *sentences: str) -> bytes:
    """A stranger may ask for it as often as they like: its markup is made once."""
    return str(bare(name, *sentences)).encode()


def _sent(status: int, page: bytes, headers: Mapping[str, str] = NO_MORE) -> web.Response:
    return web.Response(body=page, status=status, content_type="text/html", charset="utf-8", headers={**HEADERS, **headers})
