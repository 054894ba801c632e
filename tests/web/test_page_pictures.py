"""Pictures: each place is a share of the width, each name says what is seen, and no two things differ by colour alone."""

from datetime import timedelta
from xml.etree.ElementTree import Element, fromstring

import pytest

from rotator.core.snapshot import Adoption
from rotator.web.page import pictures
from rotator.web.page.pictures import Life, Mark
from tests.core.situations import DAY, NOW, SECOND


def drawn(picture: object) -> Element:
    return fromstring(str(picture))


def attributes(root: Element, tag: str, name: str) -> list[str]:
    return [one.get(name, "") for one in root.iter(tag)]


def name_of(root: Element) -> str:
    assert root.get("role") == "img"
    return root.findtext("title", "")


@pytest.mark.parametrize(
    ("used", "width", "tone"),
    [
        (0.0, "0.00%", "f-plain"),
        (0.5, "33.33%", "f-plain"),
        (0.9, "60.00%", "f-warn"),
        (1.0, "66.67%", "f-bad"),
        (1.5, "100.00%", "f-bad"),
        (40.0, "100.00%", "f-bad"),
        (-1.0, "0.00%", "f-plain"),
    ],
)
def test_a_bar_crosses_the_line_when_the_cryptoperiod_is_over(used: float, width: str, tone: str) -> None:
    root = drawn(pictures.age(used, "so old"))
    track, bar = root.findall("rect")
    assert (track.get("class"), bar.get("class"), bar.get("width")) == ("track", tone, width)
    assert attributes(root, "line", "x1") == ["66.67%"]
    assert name_of(root) == "so old"
    assert bool(root.findall(".//path")) is (used > 1.5), "an arrow where it runs out"


def test_a_column_stands_for_each_part_of_the_fleet_and_those_past_their_end_are_hatched() -> None:
    root = drawn(pictures.fleet([4, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 8], "a fleet"))
    assert attributes(root, "rect", "height") == ["42", "21", "10", "84"]
    assert [one.text for one in root.iter("text") if one.get("class") == "count"] == ["4", "2", "1", "8"]
    assert [one.text for one in root.iter("text") if not one.get("class")][-3:] == ["90", "100", "150"]
    hatched = {x for x, kind in zip(attributes(root, "line", "x1"), attributes(root, "line", "class"), strict=True) if kind == "cut"}
    assert hatched == {"84.17%", "92.50%"}


def test_a_fleet_of_nobody_has_no_column() -> None:
    assert drawn(pictures.fleet([0] * 12, "nobody")).findall("rect") == []


def test_no_column_that_counts_anyone_is_too_low_to_be_seen() -> None:
    root = drawn(pictures.fleet([50_000, 1, *[0] * 10], "a fleet"))
    assert attributes(root, "rect", "height") == ["84", "2"]


def test_each_way_to_run_on_a_value_has_a_shape_of_its_own() -> None:
    drawings = {how: drawn(pictures.adoption(how)) for how in Adoption}
    assert {name_of(root) for root in drawings.values()} == {how.value for how in Adoption}

    def shape(root: Element) -> tuple[str, ...]:
        """All that is drawn but its colour."""
        _, one = list(root)
        return (one.tag, *(f"{name}={value}" for name, value in sorted(one.attrib.items()) if name != "class"))

    assert len({shape(root) for root in drawings.values()}) == len(Adoption)


WALK = (
    Mark(name="Reported", at=NOW),
    Mark(name="Published", at=NOW + SECOND),
    Mark(name="Revoked", at=NOW + 2 * SECOND, at_latest=True),
    Mark(name="First 401", at=NOW + 3 * SECOND),
    Mark(name="Stable 401", at=NOW + 4 * SECOND),
)


@pytest.mark.parametrize(("number", "place"), list(enumerate(["0.00%", "25.00%", "50.00%", "75.00%", "100.00%"])))
def test_a_mark_lies_where_its_time_is(number: int, place: str) -> None:
    root = drawn(pictures.track(WALK, number, NOW + 4 * SECOND))
    assert attributes(root, "circle", "cx") == [place]
    assert ("hollow" in attributes(root, "circle", "class")[0]) is WALK[number].at_latest


def test_what_has_not_come_has_no_mark_and_says_so() -> None:
    root = drawn(pictures.track((WALK[0], Mark(name="Revoked", at=None)), 1, NOW + SECOND))
    assert root.findall("circle") == []
    assert name_of(root) == "Revoked: not yet"


def test_a_way_that_ended_is_whole_and_one_that_goes_on_is_broken() -> None:
    whole = drawn(pictures.way(WALK, NOW + 4 * SECOND, "ended"))
    goes_on = drawn(pictures.way((*WALK[:2], *(Mark(name=one.name, at=None) for one in WALK[2:])), NOW + 9 * SECOND, "goes on"))
    assert [one.get("stroke-dasharray") for one in whole.findall("line")] == [None, None]
    assert [one.get("stroke-dasharray") for one in goes_on.findall("line")] == [None, "4 3"]
    assert [one.get("x") for one in whole.findall("svg")] == ["0.00%", "25.00%", "50.00%", "75.00%", "100.00%"]
    assert len(goes_on.findall("svg")) == 2


def test_a_way_of_no_length_is_a_point_and_no_fault() -> None:
    assert drawn(pictures.way((WALK[0],), NOW, "just now")).get("role") == "img"


def test_times_that_a_clock_turned_round_stay_inside() -> None:
    turned = (WALK[0], Mark(name="Published", at=NOW - timedelta(hours=1)), Mark(name="Revoked", at=NOW + DAY))
    root = drawn(pictures.way(turned, NOW + SECOND, "turned round"))
    assert all(0 <= float(one.get("x", "").rstrip("%")) <= 100 for one in root.findall("svg"))


@pytest.mark.parametrize(
    ("life", "given", "valid", "cross", "disc"),
    [
        (Life(published=NOW - 5 * DAY), ("50.00%", "50.00%"), "0.40%", False, False),
        (Life(published=NOW - 10 * DAY, superseded=NOW - 5 * DAY), ("0.00%", "50.00%"), "50.00%", False, False),
        (
            Life(published=NOW - 10 * DAY, superseded=NOW - 5 * DAY, revoked=NOW - 4 * DAY, dead=NOW - 4 * DAY),
            ("0.00%", "50.00%"),
            "10.00%",
            True,
            True,
        ),
        (Life(published=NOW - 10 * DAY, revoked=NOW - 5 * DAY), ("0.00%", "50.00%"), "0.40%", True, False),
    ],
)
def test_a_life_is_given_out_then_valid_then_over(life: Life, given: tuple[str, str], valid: str, cross: bool, disc: bool) -> None:
    root = drawn(pictures.life(life, NOW - 10 * DAY, NOW, "a life"))
    pale, full = root.findall("rect")
    assert (full.get("x"), full.get("width"), pale.get("width")) == (*given, valid)
    assert (bool(root.findall("svg")), bool(root.findall("circle"))) == (cross, disc)


@pytest.mark.parametrize("name", ["<script>", '"quoted"', "a & b", "\u202e"])
def test_a_name_is_text_and_never_markup(name: str) -> None:
    assert name_of(drawn(pictures.age(0.5, name))) == name
