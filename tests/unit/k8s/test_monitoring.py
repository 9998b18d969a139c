"""Alerts, dashboard and objectives name metrics and labels that exist; every alert has a runbook entry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import promql_parser
import pytest
import yaml

from libs.errors import CODES, reason_name
from libs.telemetry.metrics import Counter, Histogram
from tools.configuration import SERVICES
from tools.contracts import files
from tools.metrics import instruments

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "k8s" / "components" / "monitoring"
RULES = yaml.safe_load((FOLDER / "rules.yaml").read_text())["spec"]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
CALLERS = (ROOT / "docs" / "callers.md").read_text()

# Of prometheus_client's own collectors.
PROCESS = {
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
}
SCRAPED = {"instance", "job", "le"}
"""Labels that are not the instrument's."""
VALUES = {
    "service": set(SERVICES),
    "method": {method.name for file in files() for service in file.service for method in service.method},
    "code": {code.name for code in grpc.StatusCode},
    "reason": {"", *map(reason_name, CODES)},
}
"""What labels can be that have the same values everywhere."""


def known() -> dict[str, set[str]]:
    """Every series name with its labels."""
    found: dict[str, set[str]] = {name: set() for name in PROCESS}
    for own in instruments().values():
        for one in own:
            labels = set(one.labels)
            if isinstance(one, Histogram):
                found |= {one.name + suffix: labels for suffix in ("_bucket", "_sum", "_count")}
            else:
                found[one.name + ("_total" if isinstance(one, Counter) else "")] = labels
    return found


KNOWN = known()
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}


def expressions() -> Iterator[tuple[str, str]]:
    for name, rule in ALERTS.items():
        yield name, rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m").replace("$service", ".*")


def objectives() -> Iterator[tuple[str, str]]:
    for number, block in enumerate(re.findall(r"```promql\n(.*?)```", CALLERS, re.S), 1):
        yield f"docs/callers.md, {number}", block


def selectors(expression: Any) -> Iterator[Any]:
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for name in dir(expression):
        value = None if name.startswith("_") else getattr(expression, name)
        for inner in value if isinstance(value, list) else (value,):
            if isinstance(inner, promql_parser.Expr | promql_parser.VectorSelector):
                yield from selectors(inner)


def grouped(expression: str) -> set[str]:
    """Labels an expression groups or matches by."""
    lists = re.findall(r"\b(?:by|on|ignoring|group_left)\s*\(([^)]*)\)", expression)
    return {label.strip() for names in lists for label in names.split(",") if label.strip()}


@pytest.mark.parametrize(("where", "expression"), [*expressions(), *objectives()])
def test_an_expression_is_promql_over_series_and_labels_that_exist(where: str, expression: str) -> None:
    found = list(selectors(promql_parser.parse(expression)))
    assert found
    labels = set(SCRAPED)
    for selector in found:
        assert selector.name in KNOWN, where
        matched = {matcher.name for matcher in selector.matchers.matchers} - {"__name__"}
        assert matched <= KNOWN[selector.name] | SCRAPED, where
        for matcher in selector.matchers.matchers:
            if matcher.name in VALUES and ".*" not in matcher.value:
                assert set(matcher.value.split("|")) <= VALUES[matcher.name], where
        labels |= KNOWN[selector.name]
    assert grouped(expression) <= labels, where


def test_the_objectives_are_found() -> None:
    assert len(list(objectives())) >= 5


def test_every_alert_has_an_entry_in_the_runbook_and_no_entry_is_left_over() -> None:
    entries = set(re.findall(r"^## (\w+)$", RUNBOOK, re.M))
    assert entries == set(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    for section in re.split(r"^## ", RUNBOOK, flags=re.M)[1:]:
        assert "- See:" in section, section.splitlines()[0]
        assert "- Do:" in section, section.splitlines()[0]


def test_every_own_metric_stands_in_the_dashboard() -> None:
    shown = " ".join(expression for _, expression in expressions())
    missing = [one.name for own in instruments().values() for one in own if one.name not in shown]
    assert missing == []


def test_the_panels_of_a_row_do_not_overlap() -> None:
    places: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & places, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        places |= cells
