"""Telling people: beside the work and never in its way, whatever the one who is told does; and no key in what goes out."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from rotator.core.faults import Rejected
from rotator.core.notice import Message, Topic
from rotator.core.sealed import Sealed
from rotator.notifier import Notifier, apprise_of

OPENED = {"verdict": "compromised", "incident": "inc-1", "credential": "chat", "source": "github", "because": "matches key1"}


def now() -> datetime:
    return datetime.now(UTC)


async def _told(send: Any, *events: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    seen: list[tuple[str, dict[str, Any]]] = []
    notifier = Notifier(lambda event, **fields: seen.append((event, fields)), grouped_for_if_urgent=timedelta(milliseconds=50))
    serving = asyncio.create_task(notifier.serve(send, now))
    await asyncio.sleep(0)
    for fields in events:
        notifier("alert", **fields)
    while not any(event in ("notified", "not_notified") for event, _ in seen):  # noqa: ASYNC110  # whichever comes
        await asyncio.sleep(0.01)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return seen


async def test_every_event_is_passed_on_and_news_is_sent() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> bool:
        sent.append(message)
        return True

    seen = await _told(send, OPENED, {**OPENED, "incident": "inc-2"})
    assert [event for event, _ in seen] == ["alert", "alert", "notified"]
    (message,) = sent
    assert (message.topic, message.body.count("\n")) == (Topic.INCIDENT_OPENED, 1)


async def test_one_who_is_dead_is_logged_and_nothing_waits_for_it() -> None:
    async def send(_message: Message) -> bool:
        raise OSError("no route")

    seen = await _told(send, OPENED)
    assert seen[-1] == ("not_notified", {"topic": "incident_opened", "error": "OSError"})


async def test_before_anybody_is_told_events_are_only_passed_on() -> None:
    seen: list[str] = []
    Notifier(lambda event, **_: seen.append(event))("alert", **OPENED)
    assert seen == ["alert"]


async def test_a_message_arrives_by_apprise_without_a_key() -> None:
    received: list[dict[str, Any]] = []
    key = "0123456789abcdef" * 2

    async def take(request: web.Request) -> web.Response:
        received.append(await request.json())
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/told", take)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        send = apprise_of([Sealed(f"json://127.0.0.1:{port}/told")])
        assert await send(Message(topic=Topic.REVOKED, title="rotator: revoked", body=f"chat: {key} is dead"))
    finally:
        await runner.cleanup()
    (told,) = received
    assert told["title"] == "rotator: revoked"
    assert key not in str(told)


def test_an_address_that_is_none_is_refused_at_the_start_without_repeating_it() -> None:
    with pytest.raises(Rejected) as refused:
        apprise_of([Sealed("nonsense-with-a-token")])
    assert refused.value.what == "notify.urls[0]: not an address that Apprise knows"
