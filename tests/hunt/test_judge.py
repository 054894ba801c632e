"""Whose copy it is, and whether the settings know of it: pure, by fingerprint and by reference."""

import random
from typing import Any

import pytest

from rotator.core.credential import Dependent, Secret, Slot
from rotator.core.sealed import Sealed, fingerprint
from rotator.dependents.arm import Reference
from rotator.hunt.finding import Why, worst_first
from rotator.hunt.judge import Fleet, Live, Owner, fleet, is_known, judged
from rotator.hunt.place import Held, prints
from rotator.hunt.reach import spent

KEY, OTHER = fingerprint("key1 of chat"), fingerprint("of somebody else")
HOME, COPY = (Secret(vault="https://kv.vault.azure.net", name=name) for name in ("chat-key", "shared"))
GROUP = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups/batch"


def owned(*dependents: Dependent) -> Fleet:
    owner = Owner(name="chat", secret=HOME, others=(COPY,), dependents=dependents)
    return fleet({KEY: Live(owner="chat", slot=Slot.KEY1)}, [owner])


def held(**about: Any) -> Held:
    return Held(**{"what": "w", "resource": "r", "settings": {"kind": "app-service", "site": "/S", "setting": "KEY"}, **about})


def known(kind: str, **parameters: Any) -> Dependent:
    return Dependent(name="known", kind=kind, parameters=parameters)


def test_a_text_that_holds_no_live_key_is_no_finding() -> None:
    assert list(judged(held(fingerprints=(OTHER,)), owned())) == []


def test_a_key_that_is_all_of_a_text_is_ready_and_one_inside_asks_for_its_form() -> None:
    (whole,) = judged(held(fingerprints=(KEY,)), owned())
    (inside,) = judged(held(fingerprints=(OTHER, KEY)), owned())
    assert (whole.slot, whole.asks) == (Slot.KEY1, "")
    assert "format:" in inside.asks


def test_the_secret_that_gives_the_key_out_is_no_copy_and_another_is() -> None:
    for secret, finds in ((HOME, 0), (COPY, 1)):
        place = str(secret).upper().replace("HTTPS", "https")
        found = list(judged(held(resource=place, settings={"kind": "key-vault", "secret": place}, fingerprints=(KEY,)), owned()))
        assert len(found) == finds


@pytest.mark.parametrize(
    ("name", "version", "why", "asks"),
    [("chat-key", "", Why.READER, False), ("chat-key", "0123456789abcdef", Why.PINNED, False), ("shared", "", Why.READER, True)],
)
def test_a_reference_is_judged_by_what_it_leads_to(name: str, version: str, why: Why, asks: bool) -> None:
    (found,) = judged(held(reference=Reference(vault="https://KV.vault.azure.net/", name=name.upper(), version=version)), owned())
    assert (found.why, bool(found.asks)) == (why, asks)


def test_a_reference_to_a_secret_of_nobody_is_no_finding() -> None:
    assert list(judged(held(reference=Reference(vault="https://kv-2.vault.azure.net", name="chat-key")), owned())) == []


def test_who_is_known_is_found_and_only_a_pin_of_theirs_is_open() -> None:
    there = owned(known("app-service", site="/s/", setting="KEY"))
    for reference, is_open in (
        (Reference(vault="kv", name="chat-key"), False),
        (Reference(vault="kv", name="chat-key", version="01"), True),
    ):
        (found,) = judged(held(reference=reference), there)
        assert (found.known, found.is_open) == (True, is_open)


@pytest.mark.parametrize(("said", "is_"), [(None, True), ("chat", True), ("sidecar", False)])
def test_a_dependent_without_a_container_is_of_each(said: str | None, is_: bool) -> None:
    there = owned(known("container-instance", group=GROUP, variable="KEY", container=said))
    settings = {"kind": "container-instance", "group": GROUP, "variable": "KEY", "container": "chat"}
    assert is_known(held(settings=settings), there) is is_


def test_a_named_value_is_not_the_backend_of_its_name() -> None:
    there = owned(known("api-management", service="/a", named_value="chat", backend=None, header=None, query=None))
    settings = {"kind": "api-management", "service": "/a", "backend": "chat", "header": "api-key"}
    assert not is_known(held(settings=settings), there)


def test_what_is_open_comes_first_and_plain_copies_before_references() -> None:
    (copy,) = judged(held(fingerprints=(KEY,)), owned())
    (reader,) = judged(held(reference=Reference(vault="kv", name="chat-key")), owned())
    (settled,) = judged(held(fingerprints=(KEY,)), owned(known("app-service", site="/S", setting="KEY")))
    assert sorted([settled, reader, copy], key=worst_first) == [copy, reader, settled]


@pytest.mark.parametrize(
    ("calls", "share", "said"),
    [(100, 0.5, ""), (150, 0.5, "about 0 s"), (1_200, 1.0, "about 1 min 40 s"), (1_200, 0.5, "about 3 min 20 s")],
)
def test_what_a_hunt_costs_is_said_where_it_is_more_than_goes_at_once(calls: int, share: float, said: str) -> None:
    assert said in spent(calls, share)
    assert bool(said) is bool(spent(calls, share))


def test_a_key_at_the_end_of_a_very_long_text_is_found() -> None:
    """A Secret of Kubernetes may have a megabyte: what is too long to be searched would be a copy that nobody hears of."""
    key = "".join(random.SystemRandom().choices("0123456789abcdef", k=32))
    assert Sealed(key).fingerprint in prints(f"{'x ' * 500_000}{key}")
