"""What looks like a key is taken out of a text, however it is written; and what only resembles one stays."""

import base64
import random
import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.keyshape import MARK, is_keylike, without_keys
from rotator.core.legible import legible

BASE62 = string.ascii_letters + string.digits


def current(chance: random.Random) -> str:
    """Made here and now, of the shape of today's keys."""
    first, middle, last = ("".join(chance.choices(BASE62, k=length)) for length in (52, 12, 4))
    return f"{first}JQQJ99CA{middle}AAABACOG{last}"


def legacy(chance: random.Random) -> str:
    return "".join(chance.choices("0123456789abcdef", k=32))


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


WAYS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": base64_of,
    "base64 without padding": lambda text: base64_of(text).rstrip("="),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 of base64": lambda text: base64_of(base64_of(text)),
    "hexadecimal": lambda text: text.encode().hex(),
    "HEXADECIMAL": lambda text: text.encode().hex().upper(),
    "base64 of a line": lambda text: base64_of(f"AZURE_OPENAI_KEY={text}\n"),
    "base64 of a document": lambda text: base64_of(f'{{"a": 1, "key": "{text}", "b": 2}}'),
}
chances = st.integers(0, 2**32).map(random.Random)


@pytest.mark.parametrize("way", WAYS)
@given(chances, st.sampled_from([current, legacy]), st.sampled_from(["data: ", "https://x/?k=", "key=", "https://x/a/", "", "x/y/", "z"]))
def test_no_way_of_writing_a_key_gets_through(way: str, chance: random.Random, make: Callable[[random.Random], str], before: str) -> None:
    key = make(chance)
    written = before + WAYS[way](key) + " and so on"
    assert is_keylike(written)
    for safe in (without_keys(written), legible(written)):
        assert MARK in safe
        assert not any(WAYS[each](key)[4:-4] in safe for each in WAYS)
        assert safe.endswith(" and so on")


@given(st.binary(min_size=1, max_size=400), st.sampled_from([base64_of, str]))
def test_what_is_no_key_stays_as_it_is(noise: bytes, outer: Callable[[str], str]) -> None:
    for written in (base64.b64encode(noise).decode(), noise.hex(), base64.urlsafe_b64encode(noise).decode()):
        if len(written) != 32:  # 32 hexadecimal digits are a key of the older shape
            assert without_keys(outer(written)) == outer(written)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 64,
        "0123456789abcdef" * 4,
        "/subscriptions/" + "b" * 36 + "/resourceGroups/" + "c" * 60,
        "W/\"datetime'2026-03-02'\"",
        "A" * 43,
    ],
    ids=["a digest", "another", "a resource", "an ETag", "a run"],
)
def test_what_only_resembles_one_stays(text: str) -> None:
    assert without_keys(text) == text
