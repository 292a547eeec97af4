"""The spend reports of a campaign as stage 2 keeps them (R18)."""

from __future__ import annotations

from typing import Any

from tests.pipeline import Pipeline
from xinghe.domain.events import AdSpent
from xinghe.domain.spend import Report
from xinghe.domain.windows import HOUR_MS

MIDNIGHT_MS = 1_740_758_400_000


def reports(pipeline: Pipeline, campaign_id: str) -> list[Report]:
    processor: Any = pipeline.campaigns[0].processor
    found: list[Report] = processor._spend.reports(campaign_id)
    return found


def test_a_report_that_says_when_it_was_made_came_then() -> None:
    pipeline = Pipeline(1)
    event = AdSpent("a", "c1", MIDNIGHT_MS, 7, 1, reported_ms=MIDNIGHT_MS + 2 * HOUR_MS)
    pipeline.feed([event], MIDNIGHT_MS + 90 * HOUR_MS)
    assert [one.reported_ms for one in reports(pipeline, "c1")] == [MIDNIGHT_MS + 2 * HOUR_MS]


def test_all_reports_that_may_count_are_kept_with_when_they_came_also_over_a_restart() -> None:
    pipeline = Pipeline(1)
    told = [
        ("a", "c1", 0, 1, 1),
        ("b", "c1", 0, 2, 30),
        ("c", "c1", 0, 1, 40),
        ("d", "c1", 5, 1, 6),
        ("e", "c2", 5, 1, 6),
    ]
    for event_id, campaign_id, hour, revision, recorded_hour in told:
        event = AdSpent(event_id, campaign_id, MIDNIGHT_MS + hour * HOUR_MS, 7, revision, impressions=3)
        pipeline.feed([event], MIDNIGHT_MS + recorded_hour * HOUR_MS)
    pipeline.settle()
    for _ in range(2):
        assert [
            (one.event_id, (one.reported_ms - MIDNIGHT_MS) // HOUR_MS) for one in reports(pipeline, "c1")
        ] == [("a", 1), ("b", 30), ("d", 6)]
        assert [
            (one.event_id, one.spend_fen, one.impressions, one.clicks) for one in reports(pipeline, "c2")
        ] == [("e", 7, 3, None)]
        assert reports(pipeline, "c3") == []
        pipeline.campaigns[0].crash()
