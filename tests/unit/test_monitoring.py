"""Rules and settings of Prometheus and Alertmanager: right by their own tools, and about what the code measures."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml

import streams.engine.metrics
import streams.metric_defs
from deploy.grafana import generate

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
TOOLS = ROOT / ".xinghe/prometheus/usr/bin"
"""Where `make test` puts them when the machine has none."""
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in RULES]
CASES = yaml.safe_load((DEPLOY / "prometheus/alerts_test.yml").read_text())["tests"]
ALERTMANAGER = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text())
OF_OTHERS = {"up", "process_start_time_seconds"}
"""Of Prometheus itself, and of its client in each process."""


def run_tool(name: str, *arguments: str) -> None:
    tool = shutil.which(name) or shutil.which(name, path=str(TOOLS))
    if tool is None:
        pytest.skip(f"{name} is not installed (Debian: prometheus, prometheus-alertmanager)")
    done = subprocess.run([tool, *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_right() -> None:
    run_tool("promtool", "check", "rules", "prometheus/alerts.yml")


def test_the_rules_fire_when_they_should() -> None:
    run_tool("promtool", "test", "rules", "prometheus/alerts_test.yml")


def test_the_settings_of_prometheus_are_right() -> None:
    run_tool("promtool", "check", "config", "prometheus/prometheus.yml")


def test_the_settings_of_alertmanager_are_right() -> None:
    run_tool("amtool", "check-config", "alertmanager/alertmanager.yml")


PANELS: list[tuple[str, dict[str, Any]]] = [
    (f"{page.uid}: {panel['title']}", panel)
    for page in generate.PAGES
    for row in json.loads(generate.file(page).read_text(encoding="utf-8"))["panels"]
    for panel in [row, *row.get("panels", [])]
    if panel["type"] != "row"
]
PANEL_NAMES = [name for name, _ in PANELS]


def names_in(expression: str) -> set[str]:
    """Metric names of an expression: words before a selector, or of a metric's form."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"\b(?:xinghe_\w+|process_\w+|up(?=\{))", bare))


def measured() -> set[str]:
    """Every name that the code has, as Prometheus reads it."""
    suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
    modules = (streams.metric_defs, streams.engine.metrics)
    metrics = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, prometheus_client.metrics.MetricWrapperBase)
    ]
    return {metric._name + suffix for metric in metrics for suffix in suffixes[str(metric._type)]}


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_each_rule_is_about_what_the_code_measures(rule: dict[str, Any]) -> None:
    names = names_in(rule["expr"])

    assert names
    assert names <= measured() | OF_OTHERS


def test_what_a_rule_says_of_reasons_and_outcomes_is_in_the_code() -> None:
    said = set(re.findall(r'(?:outcome|reason)!?="(\w+)"', " ".join(rule["expr"] for rule in RULES)))
    code = "".join((ROOT / "streams" / name).read_text() for name in ("sink.py", "notifier.py"))

    assert said == {"failed", "undeliverable", "delivered"}
    assert all(f'"{one}"' in code for one in said)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_each_rule_says_what_to_do(rule: dict[str, Any]) -> None:
    page, anchor = rule["annotations"]["runbook"].split("#")
    headings = re.findall(r"^### (\w+)$", (ROOT / page).read_text(), re.MULTILINE)

    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert anchor == rule["alert"].lower()
    assert anchor in {heading.lower() for heading in headings}


def test_each_rule_is_tested_to_fire_and_not_to() -> None:
    tests = [test for case in CASES for test in case["alert_rule_test"]]

    assert {test["alertname"] for test in tests if test["exp_alerts"]} == set(NAMES)
    assert {test["alertname"] for test in tests if not test["exp_alerts"]} == set(NAMES)


def test_alertmanager_speaks_of_rules_that_there_are() -> None:
    matchers = [
        matcher
        for rule in ALERTMANAGER["inhibit_rules"]
        for matcher in rule["source_matchers"] + rule["target_matchers"]
    ]

    assert {name for matcher in matchers for name in re.findall(r"Xinghe\w+", matcher)} <= set(NAMES)


def test_rules_and_scrape_jobs_have_the_same_names() -> None:
    jobs = {
        job["job_name"]
        for job in yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    }

    assert jobs == {job for rule in RULES for job in re.findall(r'job="([\w-]+)"', rule["expr"])}


@pytest.mark.parametrize("page", generate.PAGES, ids=[page.uid for page in generate.PAGES])
def test_the_dashboards_are_as_they_are_generated(page: generate.Page) -> None:
    assert generate.file(page).read_text(encoding="utf-8") == generate.text(page), (
        "run: .venv/bin/python deploy/grafana/generate.py"
    )


def test_no_dashboard_is_left_over() -> None:
    assert set(generate.FOLDER.iterdir()) == {generate.file(page) for page in generate.PAGES}


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=PANEL_NAMES)
def test_each_panel_is_about_what_the_code_measures_and_says_what_it_is(
    name: str, panel: dict[str, Any]
) -> None:
    for target in panel["targets"]:
        names = names_in(target["expr"])
        assert names
        assert names <= measured() | OF_OTHERS
    assert panel["description"]
    assert len(panel["description"]) < 200
    sections = set(re.findall(r"Xinghe\w+", panel["description"]))
    assert sections <= set(NAMES)


def test_all_that_the_code_measures_is_on_a_dashboard() -> None:
    shown = {name for _, panel in PANELS for target in panel["targets"] for name in names_in(target["expr"])}
    families = {re.sub("_(total|bucket|count|sum)$", "", name) for name in measured()}

    assert {re.sub("_(total|bucket|count|sum)$", "", name) for name in shown} - OF_OTHERS == families


def test_the_expressions_of_the_dashboards_are_right(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": target["expr"].replace("$__rate_interval", "5m")}
        for number, target in enumerate(target for _, panel in PANELS for target in panel["targets"])
    ]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")

    run_tool("promtool", "check", "rules", str(path))


def test_panels_do_not_overlap() -> None:
    for page in generate.PAGES:
        cells = [
            (x, y)
            for panel in json.loads(generate.file(page).read_text(encoding="utf-8"))["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < generate.WIDTH
