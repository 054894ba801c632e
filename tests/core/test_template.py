"""How a key stands inside a vault's value: alone, in a connection string, or in a field of a document."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.template import MARK, Template

ALONE = Template()
STRING = Template(text="Endpoint=https://chat.example/;Key={key};Region=west")
DOCUMENT = Template(text='{"endpoint": "https://chat.example", "auth": {"key": "{key}", "kind": "api-key"}}')
INSIDE = Template(text='{"connection": "Endpoint=https://chat.example/;Key={key}"}')
EVERY = [ALONE, STRING, DOCUMENT, INSIDE]

KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=90).filter(lambda key: key == key.strip() and key[0] != "{")


@pytest.mark.parametrize("template", EVERY, ids=lambda template: template.text)
@given(key=KEYS)
def test_what_is_filled_in_is_found_again(template: Template, key: str) -> None:
    assert template.extract(template.fill(key, None)) == key


@pytest.mark.parametrize("template", EVERY, ids=lambda template: template.text)
@given(first=KEYS, second=KEYS)
def test_a_rotation_replaces_the_key_and_nothing_of_the_old_one_stays(template: Template, first: str, second: str) -> None:
    rotated = template.fill(second, template.fill(first, None))
    assert rotated == template.fill(second, None)
    assert template.extract(rotated) == second


@pytest.mark.parametrize(
    ("template", "value"),
    [
        (STRING, "Endpoint=https://chat.example/;Key="),
        (STRING, "Endpoint=https://chat.example/;Key=;Region=west"),
        (STRING, "Endpoint=https://other.example/;Key=abc;Region=west"),
        (STRING, ""),
        (ALONE, ""),
        (DOCUMENT, "abc"),
        (DOCUMENT, "{broken"),
        (DOCUMENT, "[]"),
        (DOCUMENT, "{}"),
        (DOCUMENT, '{"auth": "abc"}'),
        (DOCUMENT, '{"auth": {"key": 7}}'),
        (DOCUMENT, '{"auth": {"key": null}}'),
        (DOCUMENT, '{"auth": {"key": ""}}'),
        (INSIDE, '{"connection": "Key=abc"}'),
    ],
)
def test_a_value_of_another_form_holds_no_key(template: Template, value: str) -> None:
    assert template.extract(value) is None


def test_white_space_order_and_further_fields_of_a_document_do_not_matter() -> None:
    value = '\n{ "more": [1, 2],\n  "auth": {"kind":"other", "key":\t"abc"} }\n'
    assert DOCUMENT.extract(value) == "abc"


def test_what_a_person_wrote_beside_the_key_survives_a_rotation() -> None:
    by_hand = {"endpoint": "https://moved.example", "auth": {"key": "old", "kind": "header", "note": "ask Ada"}, "retries": 3}
    rotated = json.loads(DOCUMENT.fill("new", json.dumps(by_hand)))
    by_hand["auth"]["key"] = "new"  # type: ignore[index]
    assert rotated == by_hand


def test_what_is_missing_in_a_document_is_written_as_the_template_says() -> None:
    assert json.loads(DOCUMENT.fill("new", '{"retries": 3}')) == {
        "endpoint": "https://chat.example",
        "auth": {"key": "new", "kind": "api-key"},
        "retries": 3,
    }


@pytest.mark.parametrize("current", [None, "", "not a document", "[1, 2]", '"text"', "{broken"])
def test_a_current_value_that_is_no_document_is_written_anew(current: str | None) -> None:
    assert json.loads(DOCUMENT.fill("new", current)) == json.loads(DOCUMENT.text.replace(MARK, "new"))


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["auth", "key", "kind", "endpoint", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["auth", "key", "endpoint", "x"]), DOCUMENTS, max_size=4), KEYS)
def test_of_any_document_only_the_key_changes(current: dict[str, Any], key: str) -> None:
    rotated = DOCUMENT.fill(key, json.dumps(current))
    assert DOCUMENT.extract(rotated) == key
    assert json.loads(DOCUMENT.fill(key, rotated)) == json.loads(rotated)
    kept = {name: value for name, value in current.items() if name != "auth" and value is not None}
    assert {name: value for name, value in json.loads(rotated).items() if name in kept} == kept


def test_a_key_with_quotes_and_backslashes_keeps_a_document_whole() -> None:
    key = 'a"b\\c\nd'
    assert json.loads(DOCUMENT.fill(key, None))["auth"]["key"] == key
    assert DOCUMENT.extract(DOCUMENT.fill(key, None)) == key


@pytest.mark.parametrize("pasted", ["abc\n", "\r\nabc", "  abc\t"])
def test_a_line_end_pasted_with_a_key_that_stands_alone_is_no_part_of_it(pasted: str) -> None:
    assert ALONE.extract(pasted) == "abc"


def test_in_any_other_form_every_character_counts() -> None:
    assert STRING.extract("Endpoint=https://chat.example/;Key= abc;Region=west") == " abc"
    assert STRING.extract("Endpoint=https://chat.example/;Key=abc;Region=west\n") is None


def test_white_space_alone_is_no_key() -> None:
    assert ALONE.extract(" \n") is None
