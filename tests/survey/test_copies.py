"""Copies in vaults, without a hunt: who gives the key out, who holds it besides, and what tags alone tell."""

from collections.abc import Sequence
from unittest.mock import create_autospec

from rotator.azure.arm import ResourceManager
from rotator.core.credential import Credential, Dependent, Secret, Slot
from rotator.core.sealed import Fingerprint
from rotator.survey.copies import copies
from rotator.survey.estate import Holding
from tests.survey.finds import account, holding

CHAT = account("chat")
KEYS = {Slot.KEY1: Fingerprint("one"), Slot.KEY2: Fingerprint("two")}


def held(name: str, slot: Slot = Slot.KEY1, **about: bool) -> Holding:
    return holding(name, CHAT, slot=slot, fingerprint=KEYS[slot], **about)


async def found(holds: Sequence[Holding], ward: Credential | None = None, asked: bool = True) -> list[tuple[str, Slot | None, bool, bool]]:
    wards = {CHAT.id.lower(): ward} if ward else {}
    arm = create_autospec(ResourceManager, instance=True)
    those = await copies(arm, [CHAT], {CHAT.id: KEYS} if asked else {}, {CHAT.id: tuple(holds)}, wards, None)
    assert arm.mock_calls == []
    return [(one.resource.rsplit("/", 1)[1], one.slot, one.known, bool(one.asks)) for one in those.by_account[CHAT.id]]


async def test_one_secret_is_no_copy_and_a_second_one_is() -> None:
    assert await found([held("chat-key")]) == []
    assert await found([held("chat-key"), held("old", Slot.KEY2)]) == [("old", Slot.KEY2, False, False)]


async def test_a_secret_that_holds_more_than_the_key_gives_it_to_nobody_by_itself() -> None:
    assert await found([held("connection", whole=False)]) == [("connection", Slot.KEY1, False, True)]


async def test_what_the_settings_name_gives_the_key_out_and_their_copies_are_known() -> None:
    other = held("chat-key")
    ward = Credential(
        name="chat",
        account=CHAT.id.upper(),
        secret=Secret(vault="https://KV.vault.azure.net", name="Mine"),
        dependents=(Dependent(name="k", kind="key-vault", parameters={"secret": str(other.secret)}),),
    )
    assert await found([held("mine"), other, held("third")], ward) == [
        ("third", Slot.KEY1, False, False),
        ("chat-key", Slot.KEY1, True, False),
    ]


async def test_without_a_key_asked_the_tags_tell() -> None:
    assert await found([held("chat-key", by_tag=True), held("copy", by_tag=True)], asked=False) == [("copy", Slot.KEY1, False, False)]


async def test_a_secret_that_holds_a_key_of_before_is_no_copy() -> None:
    stale = holding("old", CHAT, fingerprint=Fingerprint("replaced"), by_tag=True)
    assert await found([held("chat-key"), stale]) == []
