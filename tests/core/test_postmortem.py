"""The report for the post-mortem: the same facts make the same bytes, and what a stranger wrote does nothing to whoever reads it."""

import json
import random
import secrets
import string
from dataclasses import replace
from datetime import timedelta

import pytest
from markdown_it import MarkdownIt

from rotator.core.incident import State
from rotator.core.legible import LOOKED_AT_MAX, legible, span
from rotator.core.page import as_markdown
from rotator.core.postmortem import SOURCES_SHOWN, as_json, facts
from rotator.core.timeline import Timeline, timeline
from tests.core.chain import Chain, report
from tests.core.situations import NOW, SECOND
from tests.core.test_timeline import CLOSED, drained, memory_of

FORMATS = pytest.mark.parametrize("written", [as_json, as_markdown], ids=["json", "markdown"])


def key() -> str:
    """In the shape of a current key, made at run time."""
    letters = string.ascii_letters + string.digits
    before, middle, after = ("".join(secrets.choice(letters) for _ in range(count)) for count in (52, 12, 4))
    return f"{before}JQQJ99BA{middle}AAAAACOG{after}"


def whole(chain: Chain, *reports: object) -> Timeline:
    return timeline(chain.case, [*reports], chain.events, memory_of(chain))  # type: ignore[list-item]


@FORMATS
def test_the_same_facts_make_the_same_bytes_in_whatever_order_they_came(written: object) -> None:
    chain, told = drained(), [report(number, at=NOW) for number in range(9)]
    first = written(whole(chain, *told))  # type: ignore[operator]
    random.Random(1).shuffle(told)
    chain.events.reverse()
    assert written(timeline(chain.case, told, chain.events, memory_of(drained()))) == first  # type: ignore[operator]


@FORMATS
def test_an_anchor_and_what_happens_to_others_change_no_report(written: object) -> None:
    chain = drained()
    before = written(whole(chain, report()))  # type: ignore[operator]
    chain.say("report.anchored", incident=CLOSED.id, sha256="0" * 64, format="json")
    chain.say("incident.filed", incident="inc-other", mode="cut", source="github", note="", fingerprint="other")
    assert written(whole(chain, report())) == before  # type: ignore[operator]


def test_it_refers_to_the_chain_by_the_last_event_that_it_speaks_of() -> None:
    chain = drained()
    last = chain.events[-1]
    chain.say("something.else")
    audit = facts(whole(chain))["evidence"]["audit"]
    assert (audit["head_event"], audit["head"]) == (last.seq, last.hash)
    assert f"`#1`–`#{last.seq}`" in as_markdown(whole(chain)).decode()


def test_both_formats_have_the_evidence() -> None:
    told = whole(drained(), report(closing="done", answer="resolved as revoked"))
    known, page = json.loads(as_json(told)), as_markdown(told).decode()
    assert known["figures"]["exposure"]["seconds"] == 9.7
    assert known["evidence"]["proof"] == "3x401 at 1 of 1 endpoint(s)"
    for said in ("3x401 at 1 of 1 endpoint", "resolved as revoked", CLOSED.fingerprint, "9.700 s", known["evidence"]["audit"]["head"]):
        assert said in page
    assert len(known["timeline"]) == sum(line.startswith(("| 2026", "| by 2026")) for line in page.splitlines()) - 1


def test_a_hundred_sources_are_counted_and_the_first_of_each_kind_is_shown() -> None:
    told = [report(number, at=NOW + number * SECOND) for number in range(100)]
    rare = report(500, at=NOW + 500 * SECOND, source="gitguardian", closing="failed", answer="no such incident")
    sources = facts(whole(drained(), *told, rare))["sources"]
    assert (sources["total"], sources["by_source"]) == (101, {"gitguardian": 1, "github": 100})
    assert len(sources["shown"]) == SOURCES_SHOWN
    assert "gitguardian" in {one["source"] for one in sources["shown"]}
    assert f"{101 - SOURCES_SHOWN} more are not shown" in as_markdown(whole(drained(), *told, rare)).decode()


@FORMATS
def test_no_key_that_somebody_pasted_into_a_report_is_in_it(written: object) -> None:
    current, legacy = key(), secrets.token_hex(16)
    told = report(note=f"found {current} there", url=f"https://x/{legacy}", source_id=f"gist {current}", because=f"matches {legacy}")
    chain = drained(replace(CLOSED, note=f"it is {current}", held_because=legacy))
    chain.say("report.closed", incident=CLOSED.id, source="github", how="failed", told=f"they say {current}")
    page = written(whole(chain, told)).decode()  # type: ignore[operator]
    assert current not in page
    assert legacy not in page
    assert "[scrubbed]" in page or "\\[scrubbed\\]" in page


@pytest.mark.parametrize("cut", range(0, 90, 7))
def test_no_part_of_a_key_is_left_where_a_long_text_is_cut(cut: int) -> None:
    secret = key()
    text = " " * (LOOKED_AT_MAX - cut) + secret + " and so on"
    assert secret[:8] not in legible(text)


def test_what_strangers_wrote_is_no_markup_and_no_command_to_a_terminal() -> None:
    nasty = "a | b\n# c [d](https://evil) <script> @everyone \x1b[31m \u202e ![x](http://e) www.evil.example"
    page = as_markdown(whole(drained(replace(CLOSED, note=nasty)), report(note=nasty, source_id=nasty, url=nasty))).decode()
    for bad in ("\x1b", "\u202e", "<script>", "https://evil", "www.evil", "@everyone"):
        assert bad not in page
    html = MarkdownIt("commonmark").enable("table").render(page)
    assert "@everyone" in html, "it is shown letter by letter"
    for made in ("<a ", "<img", "<script", "<em>", "<h1>c"):
        assert made not in html
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} <= {3, 5, 7}, "nobody adds a column to a table"


def test_an_open_case_has_a_report_that_says_so() -> None:
    chain = Chain(replace(CLOSED, state=State.OPEN))
    chain.filed(state=State.OPEN)
    known = facts(timeline(chain.case, [report()], chain.events, None))
    assert known["figures"]["exposure"] == {"seconds": None, "at_most": False, "because": "it is not revoked"}
    assert known["summary"].endswith("It is open, and not known to be revoked.")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.02, "< 0.1 s"),
        (0.5, "0.5 s"),
        (2, "2 s"),
        (59.9, "59.9 s"),
        (59.96, "1 min"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (86_399.9, "1 d"),
        (108_000, "1 d 6 h"),
    ],
)
def test_a_duration_has_the_unit_that_it_fits(seconds: float, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said
