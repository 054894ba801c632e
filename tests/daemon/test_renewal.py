"""The secrets that the daemon holds, read anew: all in one switch, or none; a value is never said."""

import pytest

from rotator.core.faults import Misconfigured
from rotator.core.sealed import Sealed
from rotator.daemon.renewal import NotRenewed, Renewal, Secrets, Switch, references_of
from rotator.settings import parse


class Files:
    """What the references hold; one that is not there cannot be read."""

    def __init__(self, **held: str) -> None:
        self.held = held

    async def read(self, reference: str) -> Sealed:
        if reference not in self.held:
            raise Misconfigured("no such file")
        return Sealed(self.held[reference])


class Room:
    """Has the secrets that it was given, unless it does not like them."""

    def __init__(self, picky: bool = False) -> None:
        self.picky, self.given = picky, list[Secrets]()

    def __call__(self, secrets: Secrets) -> Switch:
        if self.picky:
            raise Misconfigured("the two tokens are one")
        return lambda: self.given.append(secrets)


async def renewal_of(files: Files, *rooms: Room) -> Renewal:
    made = Renewal({"a", "b"}, files.read)
    await made.held()
    made.furnish(*rooms)
    return made


async def test_what_changed_is_named_and_every_room_has_all_of_it() -> None:
    files, rooms = Files(a="one", b="two"), (Room(), Room())
    renewal = await renewal_of(files, *rooms)
    files.held["b"] = "three"
    switch = await renewal.prepared()
    assert not rooms[0].given, "nothing is switched before all is made"
    assert switch() == ["b"]
    assert [room.given for room in rooms] == [[{"a": Sealed("one"), "b": Sealed("three")}]] * 2
    assert await renewal.held() == {"a": Sealed("one"), "b": Sealed("three")}
    assert (await renewal.prepared())() == []
    assert len(rooms[0].given) == 1, "what is the same is left alone"


async def test_one_that_cannot_be_read_is_named_and_keeps_all_the_old_ones() -> None:
    files, room = Files(a="one", b="two"), Room()
    renewal = await renewal_of(files, room)
    files.held = {"a": "replaced-value"}
    with pytest.raises(NotRenewed) as refused:
        await renewal.prepared()
    assert refused.value.because == ("b: no such file",)
    assert not room.given
    assert await renewal.held() == {"a": Sealed("one"), "b": Sealed("two")}


async def test_a_room_that_cannot_be_made_of_them_keeps_the_others_as_they_are() -> None:
    files, easy = Files(a="one", b="two"), Room()
    renewal = await renewal_of(files, easy, Room(picky=True))
    files.held["a"] = "two"
    with pytest.raises(NotRenewed, match="the two tokens are one"):
        await renewal.prepared()
    assert not easy.given


def test_every_secret_that_is_held_is_read_anew() -> None:
    said = """
web: {operator_token: 'file:/o', viewer_token: 'file:/v'}
notify: {urls: ['env:URL']}
alerts: {github: {secret: 'file:/s', token: 'file:/t'}, signed: {secret: 'file:/w'}}
"""
    assert references_of(parse(said, "rotator.yaml")) == {"file:/o", "file:/v", "env:URL", "file:/s", "file:/t", "file:/w"}
