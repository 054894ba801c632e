"""Tells people, through Apprise: mail, chat, pagers, by the URLs that the settings refer to. Beside the work, never in its way.

Promises: telling costs a run nothing but a place in a bounded queue; a notifier that is dead, slow or wrong is logged and forgotten; and no
text goes out without passing the scrubber.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from rotator.core.faults import Rejected
from rotator.core.notice import Digest, Message, Notice, Topic, notice_of
from rotator.core.sealed import Sealed
from rotator.engine.ports import Watch
from rotator.telemetry import scrub

GROUPED_FOR = timedelta(seconds=30)
GROUPED_FOR_IF_URGENT = timedelta(seconds=2)
SENT_WITHIN_S = 30
QUEUE_MAX = 10_000


class Notifier:
    """Fulfils `Watch` beside another one: every event is passed on first, and then looked at for news."""

    def __init__(
        self, watch: Watch, *, grouped_for: timedelta = GROUPED_FOR, grouped_for_if_urgent: timedelta = GROUPED_FOR_IF_URGENT
    ) -> None:
        self._watch, self._grouped_for, self._grouped_for_if_urgent = watch, grouped_for, grouped_for_if_urgent
        self._queue: asyncio.Queue[Notice] | None = None

    def __call__(self, event: str, **fields: Any) -> None:
        self._watch(event, **fields)
        notice = notice_of(event, fields) if self._queue is not None else None
        if notice is not None and self._queue is not None and not self._queue.full():
            self._queue.put_nowait(notice)

    async def serve(
        self, send: Callable[[Message], Any], now: Callable[[], datetime], topics: frozenset[Topic] = frozenset(Topic), per_hour: int = 30
    ) -> None:
        """Group what is new and send it, until cancelled. `send` may fail as it likes."""
        self._queue, digest = asyncio.Queue(QUEUE_MAX), Digest(topics=topics, per_hour=per_hour)
        while True:
            digest.add(await self._queue.get(), now())
            await self._gather(digest, now)
            for message in digest.due(now()):
                await self._send(send, message)

    async def _gather(self, digest: Digest, now: Callable[[], datetime]) -> None:
        """What comes within the next moments is told together; an urgent thing shortens them."""
        loop = asyncio.get_running_loop()
        assert self._queue is not None
        began = loop.time()
        while (left := began + (self._grouped_for_if_urgent if digest.urgent else self._grouped_for).total_seconds() - loop.time()) > 0:
            try:
                digest.add(await asyncio.wait_for(self._queue.get(), left), now())
            except TimeoutError:
                return

    async def _send(self, send: Callable[[Message], Any], message: Message) -> None:
        try:
            async with asyncio.timeout(SENT_WITHIN_S):
                told = await send(message)
        except Exception as fault:  # noqa: BLE001  # the one of this loop: whatever a notifier raises, nothing waits for it
            self._watch("not_notified", topic=message.topic.value, error=type(fault).__name__)
            return
        self._watch("notified" if told else "not_notified", topic=message.topic.value, title=message.title)


def apprise_of(urls: Sequence[Sealed]) -> Callable[[Message], Any]:
    """How a message is sent to all of these.

    Raises:
        Rejected: Apprise is not installed, or does not know such a URL.
    """
    try:
        import apprise
    except ModuleNotFoundError as error:
        raise Rejected("notifications need Apprise", remedy="pip install 'rotator[notify]'") from error
    everyone = apprise.Apprise()
    for number, url in enumerate(urls):
        if not everyone.add(url.reveal()):
            raise Rejected(f"notify.urls[{number}]: not an address that Apprise knows", remedy="see Apprise's list of services")

    async def send(message: Message) -> bool:
        return bool(await everyone.async_notify(title=scrub(message.title), body=scrub(message.body)))

    return send
