"""What a worker reports, from what it has measured."""

from __future__ import annotations

import math

import pytest

from streams.engine import metrics
from streams.worker_report import Measured, measured, quantile, stage_report
from xinghe.serving.records import StageReport

INF = math.inf


def test_a_stage_is_told_by_what_changed_between_two_moments() -> None:
    before = Measured(10.0, {"a": 100, "b": 7, "c": 1}, {"s": [(0.1, 5), (0.2, 9), (INF, 10)]})
    now = Measured(12.0, {"a": 150, "b": 7, "d": 50, "c": 9}, {"s": [(0.1, 7), (0.2, 13), (INF, 14)]})
    assert stage_report("s", [0, 1], ["a", "b", "d"], now, before) == StageReport(
        "s", [0, 1], records_per_s=50.0, commits=4, commit_p50_s=0.1, commit_p99_s=0.198
    )


def test_a_stage_that_did_nothing_has_no_times() -> None:
    now = Measured(12.0, {}, {"s": [(0.1, 7), (INF, 7)]})
    assert stage_report("s", [], ["a"], now, now._replace(at_s=10.0)) == StageReport(
        "s", [], 0.0, 0, None, None
    )
    assert stage_report("new", [], ["a"], now, now) == StageReport("new", [], 0.0, 0, None, None)


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        ([4, 4, 4, 4], 0.5, 0.05),
        ([0, 4, 4, 4], 0.5, 0.15),
        ([0, 0, 4, 4], 0.25, 0.25),
        ([1, 1, 1, 2], 1.0, 0.4),
        ([2, 2, 4, 4], 0.5, 0.1),
        ([0, 0, 0, 0], 0.5, None),
    ],
)
def test_a_quantile_lies_evenly_in_its_bucket(counts: list[int], share: float, value: float | None) -> None:
    assert quantile(list(zip((0.1, 0.2, 0.4, INF), counts, strict=True)), share) == value


def test_what_prometheus_measures_is_found() -> None:
    before = measured()
    metrics.EVENTS.labels("a.topic").inc(6)
    for seconds in (0.11, 0.12, 0.13):
        metrics.COMMIT_SECONDS.labels("a_stage").observe(seconds)
    told = stage_report("a_stage", [0], ["a.topic"], measured()._replace(at_s=before.at_s + 3), before)
    assert (told.records_per_s, told.commits) == (2.0, 3)
    assert told.commit_p50_s is not None
    assert 0.1 < told.commit_p50_s <= 0.15
