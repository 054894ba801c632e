"""What strangers get of a turn of the loop: one connection of theirs is taken in it, and the others wait in the system, however many."""

import asyncio
import socket
from collections import Counter

from aiohttp import web

from rotator.web.app import NEW_A_TURN, listening, make_app

MANY, FEW = 100, NEW_A_TURN + 3
"""Some versions of asyncio take one more than they are told; and one's bytes may come in the turn of the next."""
REQUEST = b"GET /who HTTP/1.1\r\nHost: rotator\r\n\r\n"


async def test_of_many_who_wait_one_is_taken_a_turn() -> None:
    turn, taken = 0, Counter[int]()
    all_taken = asyncio.Event()

    async def turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def who(_request: web.Request) -> web.Response:
        taken[turn] += 1
        if taken.total() == MANY:
            all_taken.set()
        return web.Response()

    async with listening(make_app([web.get("/who", who)]), "127.0.0.1", 0) as port:
        waiting = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(MANY)]  # while the loop stands still
        for one in waiting:
            one.sendall(REQUEST)
        counting = asyncio.create_task(turns())
        await all_taken.wait()
        counting.cancel()
        for one in waiting:
            one.close()
    assert max(taken.values()) <= FEW


async def test_a_tight_loop_gets_one_answer_a_connection() -> None:
    async def who(_request: web.Request) -> web.Response:
        return web.Response()

    async with listening(make_app([web.get("/who", who)]), "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST * 5)
        assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 1
        writer.close()
