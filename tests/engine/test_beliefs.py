"""A run asks for nothing twice, and is not fooled by it: what each call costs, and what somebody else does meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from rotator.core.credential import Slot
from rotator.core.faults import Transient
from rotator.core.incident import Alert, Incident, State
from rotator.core.policy import Mode
from rotator.core.sealed import fingerprint
from rotator.core.step import Quiet
from rotator.engine.intake import Live, intake, recognise_all
from rotator.engine.observe import observe
from rotator.engine.perform import REFUSALS_IN_A_ROW
from rotator.engine.ports import HeldBy
from rotator.engine.reconcile import reconcile
from rotator.engine.urgency import gives_way, is_urgent
from tests.engine.corridor import EVER, Corridor
from tests.engine.world import HOSTS, Crash, Fate

ENOUGH = timedelta(minutes=2)
LOOKS = ("issuer.keys", "issuer.account", "vault.look")


def looks(corridor: Corridor) -> dict[str, int]:
    counted = Counter(corridor.trouble.calls)
    return {call: counted[call] for call in LOOKS}


async def test_an_idle_credential_costs_one_look_and_no_probe() -> None:
    corridor = Corridor()
    run = await corridor.walk()
    assert isinstance(run.decision, Quiet)
    assert [call for call in corridor.trouble.calls if call.startswith(("issuer", "vault", "data_plane"))] == list(
        dict.fromkeys(call for call in corridor.trouble.calls if call in LOOKS)
    )
    assert looks(corridor) == {"issuer.keys": 1, "issuer.account": 1, "vault.look": 1}


async def test_a_cut_looks_before_the_kill_and_before_its_case_is_closed_and_nowhere_between() -> None:
    corridor = Corridor()
    case = await corridor.leak(corridor.world.slots[Slot.KEY1], Mode.CUT)
    await corridor.walk(until=ENOUGH)
    assert corridor.case(case).state is State.CLOSED
    assert corridor.steps == ["revoke", "prove", "publish", "prove_dead", "retire"]
    assert looks(corridor) == {"issuer.keys": 2, "issuer.account": 2, "vault.look": 2}


async def test_a_drain_looks_once_more_before_it_kills() -> None:
    corridor = Corridor()
    case = await corridor.leak(corridor.world.slots[Slot.KEY1], Mode.DRAIN)
    await corridor.walk(until=ENOUGH)
    assert corridor.case(case).state is State.CLOSED
    assert looks(corridor) == {"issuer.keys": 3, "issuer.account": 3, "vault.look": 3}


async def test_a_scheduled_run_asks_the_vault_each_time_and_the_slots_only_before_a_mint_or_a_kill() -> None:
    corridor = Corridor(age=timedelta(days=8), overlap=timedelta(0))
    await corridor.walk(until=ENOUGH)
    assert corridor.minted == 2
    told = looks(corridor)
    assert told["issuer.keys"] <= 3
    assert told["vault.look"] > told["issuer.keys"]


async def test_what_a_person_regenerates_before_the_kill_of_a_drain_is_not_killed() -> None:
    """The leaked value is gone by then, and what stands in its slot is the person's."""
    corridor = Corridor()
    world = corridor.world
    leaked = world.slots[Slot.KEY1]
    case = await corridor.leak(leaked, Mode.DRAIN)
    corridor.trouble.then("vault.publish", lambda: world.person_regenerates(Slot.KEY1))
    await corridor.walk(until=ENOUGH)
    assert corridor.case(case).state is State.CLOSED
    assert [key.by for key in world.keys.values() if key.slot is Slot.KEY1] == ["azure", "person"]


async def test_what_a_person_regenerates_and_sets_during_a_rotation_is_adopted_and_not_replaced() -> None:
    corridor = Corridor(age=timedelta(days=8))
    world = corridor.world

    def by_hand() -> None:
        world.person_regenerates(Slot.KEY1)
        world.person_sets(world.slots[Slot.KEY1])

    corridor.trouble.then("journal.outcome", by_hand, skips=1)  # right after the mint of key2: the slots were told, and are believed
    await corridor.walk(until=ENOUGH)
    assert world.current_value == world.slots[Slot.KEY1]
    assert "publish" not in corridor.steps


async def test_nothing_is_believed_after_a_failure() -> None:
    """The set fails; the proof of death, which has its turn meanwhile, could stand on a belief, and does not."""
    corridor = Corridor()
    await corridor.leak(corridor.world.slots[Slot.KEY1], Mode.CUT)
    listed: list[int] = []
    corridor.trouble.fails("vault.publish", Transient("503"))
    corridor.trouble.then("data_plane.probe", lambda: listed.append(looks(corridor)["issuer.keys"]), skips=len(HOSTS))
    await corridor.walk(until=ENOUGH)
    assert listed == [2]


async def test_nothing_is_believed_while_an_outcome_is_not_known() -> None:
    corridor = Corridor()
    ports = corridor.world.ports("w1")
    seen = await observe(corridor.world.credential, ports)
    await corridor.leak(corridor.world.slots[Slot.KEY1], Mode.CUT)
    corridor.trouble.crashes("issuer.regenerate", after=True)
    with pytest.raises(Crash):
        await corridor.walk(until=ENOUGH)
    after = await observe(corridor.world.credential, ports, told=seen.told)
    assert after.unsettled
    assert not after.believes


@pytest.mark.parametrize("on", [2, 3, 60])
async def test_a_call_that_comes_late_is_not_sent_again_because_the_clock_was_set_on_meanwhile(on: int) -> None:
    corridor = Corridor()
    await corridor.leak(corridor.world.slots[Slot.KEY1], Mode.CUT)
    corridor.trouble.comes_late("issuer.regenerate", 0.9)
    asyncio.get_running_loop().call_later(0.02, corridor.world.skew.__setitem__, "w0", timedelta(seconds=on))
    await corridor.walk(until=ENOUGH)
    await asyncio.sleep(1)
    assert (corridor.minted, corridor.world.oracle.violations) == (1, [])


async def test_another_case_is_looked_at_afresh() -> None:
    """The second leak is of a value that stands in a slot since a moment: a belief older than it would call it gone."""
    corridor = Corridor()
    world = corridor.world
    await corridor.leak(world.slots[Slot.KEY1], Mode.CUT)
    second: list[asyncio.Task[Incident]] = []

    def by_hand() -> None:
        world.person_regenerates(Slot.KEY2)
        second.append(asyncio.ensure_future(corridor.leak(world.slots[Slot.KEY2], Mode.CUT)))

    corridor.trouble.then("vault.publish", by_hand)
    await corridor.walk(until=ENOUGH)
    assert corridor.case(await second[0]).state is State.CLOSED
    assert corridor.steps[:4] == ["revoke", "prove", "publish", "revoke"], "the second kill waits for no proof of the first death"
    assert world.refused_everywhere(next(key.value for key in world.keys.values() if key.by == "person"))


async def test_a_belief_does_not_outlive_its_time_nor_a_clock_that_is_set_back() -> None:
    corridor = Corridor()
    ports = corridor.world.ports("w0")
    seen = await observe(corridor.world.credential, ports)
    again = await observe(corridor.world.credential, ports, told=seen.told)
    assert again.believes
    assert again.snapshot.at == seen.snapshot.at
    assert looks(corridor) == {"issuer.keys": 1, "issuer.account": 1, "vault.look": 2}
    corridor.world.skew["w0"] = timedelta(seconds=-1)
    assert not (await observe(corridor.world.credential, ports, told=seen.told)).believes
    corridor.world.skew["w0"] = timedelta(seconds=11)
    assert not (await observe(corridor.world.credential, ports, told=seen.told)).believes


async def test_only_an_emergency_believes_the_vault() -> None:
    corridor = Corridor()
    ports = corridor.world.ports("w0")
    seen = await observe(corridor.world.credential, ports)
    await observe(corridor.world.credential, ports, told=seen.told, emergency=True)
    assert looks(corridor)["vault.look"] == 1
    corridor.world.skew["w0"] = timedelta(seconds=4)
    await observe(corridor.world.credential, ports, told=seen.told, emergency=True)
    assert looks(corridor) == {"issuer.keys": 1, "issuer.account": 1, "vault.look": 2}


async def test_a_leaked_value_is_recognised_seen_and_killed_with_one_list_of_keys() -> None:
    corridor = Corridor()
    world, credential = corridor.world, corridor.world.credential
    ports = world.ports("w0")
    leaked = fingerprint(world.slots[Slot.KEY1])
    found = (await recognise_all({leaked: ()}, [credential], ports))[leaked]
    assert isinstance(found, Live)
    seen = await observe(credential, ports, told=found.told)
    alert = Alert(source="test", reported_at=world.now(), fingerprint=leaked)
    await intake(alert, credential, ports, slot=found.slot, mode=Mode.CUT)
    lease = await ports.work.claim(credential.name)
    assert not isinstance(lease, HeldBy)
    listed: list[int] = []
    corridor.trouble.then("issuer.regenerate", lambda: listed.append(looks(corridor)["issuer.keys"]))
    await reconcile(credential, ports, lease, until=world.now() + ENOUGH, told=seen.told)
    assert listed == [1]
    assert world.refused_everywhere(next(iter(world.keys)))


async def test_the_calls_of_an_emergency_are_urgent_and_the_last_look_gives_way() -> None:
    corridor = Corridor()
    await corridor.leak(corridor.world.slots[Slot.KEY1], Mode.CUT)
    asked: list[tuple[str, bool, bool]] = []

    def note(call: str) -> Fate:
        asked.append((call, is_urgent(), gives_way()))
        return Fate()

    for call in ("issuer.keys", "issuer.regenerate", "data_plane.probe"):
        for _ in range(2):
            corridor.trouble.then(call, lambda call=call: note(call))  # type: ignore[misc]
    await corridor.walk(until=ENOUGH)
    assert ("issuer.regenerate", True, False) in asked
    assert ("data_plane.probe", True, False) in asked
    assert [one for one in asked if one[0] == "issuer.keys"] == [("issuer.keys", True, False), ("issuer.keys", False, True)]
    assert not is_urgent()


async def test_a_run_on_schedule_is_not_urgent() -> None:
    corridor, asked = Corridor(age=timedelta(days=8)), list[bool]()
    corridor.trouble.then("issuer.regenerate", lambda: asked.append(is_urgent()))
    await corridor.walk(until=ENOUGH)
    assert asked == [False]


async def test_a_death_takes_as_long_as_its_refusals_and_the_controls_go_beside_them() -> None:
    corridor = Corridor()
    await corridor.leak(corridor.world.slots[Slot.KEY1], Mode.CUT)
    corridor.trouble.hangs("data_plane.probe", 1.0, times=EVER)
    run = await corridor.walk(until=ENOUGH)
    at = {step.step: step.at for step in run.steps}
    assert (at["prove_dead"] - at["publish"]).total_seconds() < REFUSALS_IN_A_ROW + 0.5
