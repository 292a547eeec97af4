"""What is bad with the stream, by what its workers report, and where to read what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from xinghe.dashboard.health import (
    ADVICE,
    COMMIT_S_MAX,
    DEAD_LETTERS_SECTION,
    LAG_RECORDS_MAX,
    REDIS_KEYS_MAX,
    SILENT_MS,
    WATERMARK_MS_MAX,
    health_of,
)
from xinghe.dashboard.health_page import recovering
from xinghe.dashboard.records_source import Reports
from xinghe.serving.records import DeadLetters, DeadLetterSample, StageReport, TopicLag, WorkerReport

NOW_MS = 1_790_000_000_000
STAGES = [
    StageReport("journeys", [0, 1], 1_000.5, 9, 0.04, COMMIT_S_MAX),
    StageReport("campaigns", [0], 90.0, 9, None, None),
]
WORKER = WorkerReport(
    instance="w1",
    version="1",
    started_ms=NOW_MS - 60_000,
    reported_ms=NOW_MS - SILENT_MS,
    stages=STAGES,
    lags=[TopicLag("a", LAG_RECORDS_MAX - 5, 7), TopicLag("b", 5, 5)],
    watermark_ms=NOW_MS - WATERMARK_MS_MAX,
    redis_pending_keys=REDIS_KEYS_MAX,
    recovering=[],
)
NO_DEAD_LETTERS = DeadLetters({}, {})


def faults(
    *workers: WorkerReport, instances: tuple[str, ...] = (), **changes: Any
) -> list[tuple[str, str | None]]:
    reports = Reports(list(instances), list(workers), changes.get("dead_letters", NO_DEAD_LETTERS))
    health = health_of(reports, NOW_MS, changes.get("problem"))
    assert health.state == ("well" if not health.problems else health.problems[0].state)
    return [(problem.fault, problem.instance) for problem in health.problems]


def test_at_every_limit_a_worker_is_well() -> None:
    assert faults(WORKER) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"reported_ms": NOW_MS - SILENT_MS - 1}, "silent"),
        ({"recovering": ["journeys-1"]}, "recovering"),
        ({"lags": [TopicLag("a", LAG_RECORDS_MAX, 7), TopicLag("b", 1, 1)]}, "lag"),
        ({"watermark_ms": NOW_MS - WATERMARK_MS_MAX - 1}, "watermark"),
        ({"stages": [replace(STAGES[0], commit_p99_s=COMMIT_S_MAX + 0.01)]}, "commits"),
        ({"redis_pending_keys": REDIS_KEYS_MAX + 1}, "redis_pending"),
    ],
)
def test_beyond_a_limit_it_is_told_of_that_worker(change: dict[str, Any], fault: str) -> None:
    well = replace(WORKER, instance="w2")
    assert faults(replace(WORKER, **change), well) == [(fault, "w1")]


def test_an_old_report_says_nothing_of_how_the_worker_is() -> None:
    old = replace(WORKER, reported_ms=NOW_MS - 60_000, redis_pending_keys=REDIS_KEYS_MAX + 1)
    assert faults(old) == [("silent", "w1")]


def test_a_worker_without_a_report_is_unknown_and_not_0() -> None:
    health = health_of(Reports(["w1", "w9"], [WORKER], NO_DEAD_LETTERS), NOW_MS, None)
    assert [(each.instance, each.state) for each in health.workers] == [("w1", "well"), ("w9", "bad")]
    assert (health.workers[1].report, health.workers[1].age_ms) == (None, None)
    assert faults(WORKER, instances=("w1", "w9")) == [("silent", "w9")]


def test_where_no_worker_reports_that_is_said_once_and_all_is_unknown() -> None:
    assert faults(instances=("w1", "w2")) == [("none", None)]
    health = health_of(Reports(["w1"], [], NO_DEAD_LETTERS), NOW_MS, None)
    unknown = (
        health.records_per_s,
        health.lag_records,
        health.watermark_ms,
        health.watermark_age_ms,
        health.redis_pending_keys,
    )
    assert unknown == (None,) * 5


def test_the_worst_comes_first() -> None:
    slow = replace(WORKER, redis_pending_keys=REDIS_KEYS_MAX + 1)
    undelivered = DeadLetters({"undeliverable": 1}, {})
    assert faults(slow, instances=("w9",), dead_letters=undelivered, problem="away") == [
        ("redis_away", None),
        ("silent", "w9"),
        ("redis_pending", "w1"),
        ("undelivered", None),
    ]


def test_figures_are_of_all_workers() -> None:
    other = replace(WORKER, instance="w2", watermark_ms=NOW_MS - 5_000, lags=[TopicLag("b", 20_000, 9)])
    none = replace(WORKER, instance="w3", watermark_ms=None, stages=[], lags=[])
    health = health_of(Reports([], [WORKER, other, none], NO_DEAD_LETTERS), NOW_MS, None)
    assert health.lags == [TopicLag("b", 20_005, 9), TopicLag("a", LAG_RECORDS_MAX - 5, 7)]
    assert health.lag_records == 30_000
    assert health.records_per_s == 2_001
    assert health.watermark_age_ms == WATERMARK_MS_MAX
    assert health.redis_pending_keys == 3 * REDIS_KEYS_MAX


def test_dead_letters_have_their_share_of_all_and_their_samples() -> None:
    sample = DeadLetterSample(NOW_MS, "future", "d", "t", "0", "1", "k", "v")
    found = DeadLetters({"future": 1, "invalid": 3, "too_late": 0}, {"future": [sample]})
    health = health_of(Reports([], [WORKER], found), NOW_MS, None)
    assert [(each.reason, each.count, each.share, len(each.samples)) for each in health.reasons] == [
        ("invalid", 3, 0.75, 0),
        ("future", 1, 0.25, 1),
        ("too_late", 0, 0.0, 0),
    ]
    assert health.dead_letters == 4


def test_the_runbook_has_every_section_that_is_named() -> None:
    runbook = (Path(__file__).parents[3] / "deploy/RUNBOOK.md").read_text()
    sections = set(re.findall(r"^### (\w+)$", runbook, re.MULTILINE))
    assert {advice.section for advice in ADVICE.values()} | {DEAD_LETTERS_SECTION} <= sections


def test_limits_are_those_of_the_rules_of_prometheus() -> None:
    rules = (Path(__file__).parents[3] / "deploy/prometheus/alerts.yml").read_text()
    for expression in (
        f"sum(xinghe_lag_records) > {LAG_RECORDS_MAX} ",
        f"(xinghe_watermark_timestamp_seconds) > {WATERMARK_MS_MAX // 1000}\n",
        f"(rate(xinghe_commit_seconds_bucket[5m]))) > {COMMIT_S_MAX:g}\n",
        f"sum by (instance) (xinghe_redis_pending_keys) > {REDIS_KEYS_MAX}\n",
    ):
        assert expression in rules


def test_recovering_tasks_are_told_by_their_stage() -> None:
    report = replace(WORKER, recovering=["journeys-3", "campaigns-0", "journeys-12"])
    assert recovering(report, "journeys") == "3, 12"
    assert recovering(report, "campaigns") == "0"
    assert recovering(WORKER, "journeys") == ""
