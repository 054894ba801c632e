"""Work that is cut off ends for good, and no end of it is anybody's riddle in the log."""

import asyncio
import gc
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rotator.core.credential import Reason, Slot
from rotator.core.sealed import Sealed, fingerprint
from rotator.core.snapshot import AccountView, KeyMemory, Memory
from rotator.core.step import Do, ProveDead
from rotator.engine.beside import beside, over
from rotator.engine.perform import Bench, perform
from rotator.engine.ports import Answer, Verdict
from tests.engine.world import START

pytestmark = pytest.mark.real_time

DEAD, LIVE = Sealed("a dead value"), Sealed("a live value")
MOMENTS = 10


class Restless:
    """A data plane whose every answer takes a few turns of the loop, and whose end does, too; a live key may find it broken."""

    def __init__(self, *, breaks: bool) -> None:
        self._breaks, self.asking = breaks, 0

    async def probe(self, account: AccountView, endpoint: str, value: Sealed) -> Answer:
        self.asking += 1
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            if self._breaks and value == LIVE:
                raise RuntimeError("Session is closed")
        finally:
            try:
                await asyncio.sleep(0)
            finally:
                self.asking -= 1
        return Answer(verdict=Verdict.REFUSED if value == DEAD else Verdict.ACCEPTED, seen="401", at=START)


def proof(data_plane: Restless) -> Coroutine[Any, Any, Any]:
    view = AccountView(kind="OpenAI", endpoints=("https://a", "https://b"), local_auth=True, provable=True)
    memory = Memory(keys={DEAD.fingerprint: KeyMemory(fingerprint=DEAD.fingerprint, replaced_at=START)})
    snapshot = SimpleNamespace(account=view, memory=memory, slots={Slot.KEY1: LIVE.fingerprint})
    world = SimpleNamespace(data_plane=data_plane, clock=SimpleNamespace(now=lambda: START))
    look = SimpleNamespace(snapshot=snapshot, told=None)
    values = {DEAD.fingerprint: DEAD, LIVE.fingerprint: LIVE}
    bench = cast(Bench, SimpleNamespace(world=world, look=look, values=values, account=view, memory=memory, hurried=True))
    step = ProveDead(fingerprint=fingerprint(DEAD.reveal()), slot=Slot.KEY2, version=None)
    return perform(Do(step=step, reason=Reason.KEY_COMPROMISE, because="a test", phase="proving_dead"), "op", bench)


async def turns(many: int) -> None:
    for _ in range(many):
        await asyncio.sleep(0)


@pytest.mark.parametrize("breaks", [False, True], ids=["well", "a session that breaks"])
async def test_a_proof_that_is_cut_off_at_any_moment_and_twice_leaves_nobody_asking_and_nothing_to_tell(breaks: bool) -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    for first in range(MOMENTS):
        for second in range(MOMENTS):
            data_plane = Restless(breaks=breaks)
            run = beside(proof(data_plane))
            await turns(first)
            run.cancel()
            await turns(second)
            run.cancel()
            await asyncio.wait([run])
            await turns(MOMENTS)
            assert data_plane.asking == 0, (first, second)
    gc.collect()
    assert told == []


async def test_what_was_left_to_itself_is_heard_all_the_same() -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))

    async def fails() -> None:
        raise ZeroDivisionError

    beside(fails())
    await turns(3)
    gc.collect()
    assert told == []


async def test_what_is_over_does_not_go_on() -> None:
    went_on: list[int] = []

    async def works() -> None:
        await asyncio.sleep(60)
        went_on.append(1)

    tasks = [beside(works()) for _ in range(3)]
    await over(tasks)
    assert all(task.cancelled() for task in tasks)
    await over([])
