"""Rules and dashboard: every query is read by PromQL's own grammar, and asks for a metric and for labels that there are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from rotator.metrics import BY_NAME, KNOWN

INFRA = Path(__file__).parents[2] / "infra" / "prometheus"
OF_A_SCRAPE = {"instance", "job", "le"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load((INFRA / "rules.yaml").read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return list(json.loads((INFRA / "dashboard.json").read_text(encoding="utf-8"))["panels"])


def queries() -> list[Any]:
    named = [pytest.param(rule["expr"], id=rule["alert"]) for rule in rules()]
    drawn = [pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}") for panel in panels() for target in panel["targets"]]
    return [*named, *drawn]


def metric(name: str) -> Any:
    known = BY_NAME.get(name)
    if known is None:
        whole, _, part = name.rpartition("_")
        known = BY_NAME[whole] if part in ("bucket", "sum", "count") and BY_NAME[whole].kind == "histogram" else BY_NAME[name]
    return known


def selectors(node: Any) -> Iterator[tuple[str, set[str], set[str]]]:
    """Each selector of a query: its metric, the labels that it is matched by, and those that it is grouped by around it."""
    match type(node).__name__:
        case "VectorSelector":
            yield node.name, {one.name for one in node.matchers.matchers}, set()
        case "MatrixSelector":
            yield from selectors(node.vector_selector)
        case "AggregateExpr":
            by = set(node.modifier.labels) if node.modifier else set()
            yield from ((name, matched, grouped | by) for name, matched, grouped in selectors(node.expr))
        case "Call":
            for argument in node.args:
                yield from selectors(argument)
        case "BinaryExpr":
            yield from selectors(node.lhs)
            yield from selectors(node.rhs)
        case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
            yield from selectors(node.expr)


@pytest.mark.parametrize("query", queries())
def test_a_query_asks_for_what_there_is(query: str) -> None:
    found = list(selectors(promql_parser.parse(query.replace("$__rate_interval", "5m"))))
    assert found
    for name, matched, grouped in found:
        assert matched | grouped <= {*metric(name).labels, *OF_A_SCRAPE}, name


def test_a_query_for_what_there_is_not_would_be_found() -> None:
    with pytest.raises(KeyError):
        metric("rotator_made_up_total")
    assert list(selectors(promql_parser.parse("sum by (slot) (rate(rotator_steps_total[5m]))"))) == [
        ("rotator_steps_total", set(), {"slot"})
    ]


def test_every_metric_is_looked_at_somewhere() -> None:
    asked = {metric(name).name for rule in rules() for name, _, _ in selectors(promql_parser.parse(rule["expr"]))}
    drawn = [target["expr"].replace("$__rate_interval", "5m") for panel in panels() for target in panel["targets"]]
    asked |= {metric(name).name for query in drawn for name, _, _ in selectors(promql_parser.parse(query))}
    assert {one.name for one in KNOWN} - asked <= {"rotator_work_rows"}


def test_every_rule_says_how_urgent_it_is_and_what_to_type() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_every_rule_that_is_tested_is_there() -> None:
    tests = yaml.safe_load((INFRA / "rules.test.yaml").read_text(encoding="utf-8"))["tests"]
    assert {one["alertname"] for test in tests for one in test["alert_rule_test"]} <= {rule["alert"] for rule in rules()}


def test_panels_do_not_lie_over_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not own & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= own
