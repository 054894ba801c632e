"""One suite over all kinds of dependents, each below its real SDK or client and against the sandbox: it delivers, proves, is idempotent,
converges whatever happens on the wire, says what it lacks, shows no key, and leaves its neighbours alone.
"""

import logging
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import pytest_asyncio

from rotator.core.faults import Denied, Fault
from rotator.core.snapshot import Adoption, DependentView
from rotator.dependents import KINDS, Tools, make
from rotator.engine.ports import Kind, Published
from rotator.sandbox import Sandbox
from tests.contract import rigs_elsewhere, rigs_on_arm
from tests.contract.rigs import Rig, Situation

RIGS = (*rigs_on_arm.RIGS, *rigs_elsewhere.RIGS)
FAULTS = ("500-before", "503-after", "drop-before", "drop-after", "hang:0.1", "truncated", "429:1", "401", "403", "409")
NO_EFFECT = ("500-before", "drop-before", "429:1", "401", "403", "409")
ASKED_MAX = 4


@dataclass(kw_only=True)
class Bench:
    """One kind before one consumer; every text that came of it is kept, to be searched for keys."""

    azure: Sandbox
    rig: Rig
    kind: Kind
    situation: Situation
    texts: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def publish(self) -> Published:
        self.values.append(secrets.token_hex(16))
        return self.situation.published(self.values[-1])

    async def look(self, published: Published) -> DependentView:
        found = await self.kind.adoption(self.situation.dependent, published)
        self.texts += [found.seen, found.because, repr(found)]
        assert (found.name, found.kind) == (self.situation.dependent.name, self.rig.kind)
        return found

    async def deliver(self, published: Published) -> Fault | None:
        """One delivery: each call that changes something is sent once at most."""
        before = {operation: self.arrived(operation) for operation in self.rig.writes}
        try:
            await self.kind.deliver(self.situation.dependent, published)
        except Fault as fault:
            self.texts += [str(fault), fault.remedy, repr(fault)]
            return fault
        finally:
            for operation, count in before.items():
                assert self.arrived(operation) - count <= 1, f"{operation} was sent more than once in one delivery"
        return None

    async def converge(self, published: Published) -> DependentView:
        """As the engine does: deliver until adoption is seen, at most so often."""
        for _ in range(ASKED_MAX):
            await self.situation.settle()
            if (await self.look(published)).adoption is self.done:
                break
            await self.deliver(published)
        await self.situation.settle()
        return await self.look(published)

    @property
    def done(self) -> Adoption:
        return Adoption.PROVEN if self.rig.proven else Adoption.CLAIMED

    def arrived(self, operation: str) -> int:
        return sum(entry.operation == operation and entry.authorized for entry in self.azure.journal)

    def writes(self) -> int:
        return sum(self.arrived(operation) for operation in self.rig.writes)


@pytest_asyncio.fixture
async def bench(request: pytest.FixtureRequest, sandbox: Sandbox, tools: Tools) -> AsyncIterator[Bench]:
    rig: Rig = request.param
    kind = make(rig.kind, tools)
    bench = Bench(azure=sandbox, rig=rig, kind=kind, situation=await rig.build(sandbox))
    yield bench
    for text in bench.texts:
        assert not any(value in text for value in bench.values), "a value was shown"


every = pytest.mark.parametrize("bench", RIGS, indirect=True, ids=[rig.name for rig in RIGS])


def pairs(attribute: str) -> pytest.MarkDecorator:
    found = [(rig, operation) for rig in RIGS for operation in getattr(rig, attribute)]
    return pytest.mark.parametrize(
        ("bench", "operation"), found, indirect=["bench"], ids=[f"{rig.name}-{operation}" for rig, operation in found]
    )


@every
async def test_a_new_value_is_stale_until_it_is_delivered_and_then_seen(bench: Bench) -> None:
    before = bench.situation.neighbours()
    published = bench.publish()
    assert (await bench.look(published)).adoption is Adoption.STALE
    assert await bench.deliver(published) is None
    await bench.situation.settle()
    found = await bench.look(published)
    assert found.adoption is bench.done
    assert found.seen
    assert bench.situation.held() == bench.values[-1]
    assert bench.situation.neighbours() == before


@every
async def test_a_value_that_is_there_is_not_delivered_again(bench: Bench) -> None:
    published = bench.publish()
    await bench.converge(published)
    writes = bench.writes()
    for _ in range(2):
        assert await bench.deliver(published) is None
    assert bench.writes() == writes
    again = bench.publish()
    assert (await bench.look(again)).adoption is Adoption.STALE
    assert (await bench.converge(again)).adoption is bench.done
    assert bench.situation.held() == bench.values[-1]


@pairs("writes")
async def test_a_struck_delivery_converges_and_is_sent_once_at_a_time(bench: Bench, operation: str) -> None:
    before = bench.situation.neighbours()
    for fault in FAULTS:
        published = bench.publish()
        rule = bench.azure.fault(operation, fault)
        failed = await bench.deliver(published)
        assert rule.fired == 1, f"{fault} never struck"
        assert failed is not None, fault
        if fault in NO_EFFECT:
            assert bench.situation.held() != bench.values[-1] or operation != next(iter(bench.rig.writes)), fault
        found = await bench.converge(published)
        assert found.adoption is bench.done, (fault, found)
        assert bench.situation.held() == bench.values[-1], fault
        assert bench.situation.neighbours() == before, fault
        bench.azure.pass_time(timedelta(minutes=10).total_seconds())


@pairs("reads")
async def test_a_struck_look_is_unseen_and_says_what_happened(bench: Bench, operation: str) -> None:
    published = bench.publish()
    await bench.converge(published)
    for fault in ("500-before", "drop-before", "truncated", "429:1"):
        rule = bench.azure.fault(operation, fault)
        found = await bench.look(published)
        assert rule.fired == 1, fault
        assert (found.adoption, bool(found.because)) == (Adoption.UNSEEN, True), fault
    assert (await bench.look(published)).adoption is bench.done


@pairs("reads")
async def test_a_look_that_is_denied_is_unseen_and_names_the_permission(bench: Bench, operation: str) -> None:
    published = bench.publish()
    await bench.converge(published)
    bench.azure.fault(operation, "403", probability=1.0)
    found = await bench.look(published)
    permission = bench.rig.reads[operation]
    assert found.adoption is Adoption.UNSEEN
    assert permission in found.because
    assert permission in {one.action for one in KINDS[bench.rig.kind].needs}


@pairs("writes")
async def test_a_delivery_that_is_denied_names_the_permission(bench: Bench, operation: str) -> None:
    published = bench.publish()
    bench.azure.fault(operation, "403", probability=1.0)
    failed = await bench.deliver(published)
    permission = bench.rig.writes[operation]
    assert isinstance(failed, Denied)
    assert permission in failed.remedy
    assert permission in {one.action for one in KINDS[bench.rig.kind].needs}


@every
async def test_a_consumer_that_is_gone_is_unseen(bench: Bench) -> None:
    published = bench.publish()
    (bench.situation.vanish or bench.azure.state.consumers.clear)()
    assert (await bench.look(published)).adoption is bench.rig.gone
    assert isinstance(await bench.deliver(published), Fault) or not bench.rig.writes


@every
async def test_no_log_of_the_sdks_shows_a_value(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await bench.converge(bench.publish())
        for operation in list(bench.rig.writes)[:1]:
            bench.azure.fault(operation, "500-before")
        await bench.deliver(bench.publish())
    assert not any(value in caplog.text for value in bench.values)


def test_every_kind_stands_before_this_suite() -> None:
    assert {rig.kind for rig in RIGS} == set(KINDS)
