"""The cohorts of campaigns as stage 2 keeps them: added up, dropped, recovered (R18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.deltas import send, tell_watermark
from tests.pipeline import Pipeline
from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_number, day_start_ms
from xinghe.domain.windows import DAY_MS

DAY = day_number(1_740_758_400_000)
BOUGHT = CohortRow(DAY, DAY + 1, DAY + 1, 0, 1_000_000, 500, 0)
REFUNDED = CohortRow(DAY, DAY + 1, DAY + 9, 0, 0, 0, 200)
LATER = CohortRow(DAY - 1, DAY + 2, DAY + 2, 4, 1, 2, 0)


def add(pipeline: Pipeline, *rows: CohortRow, campaign_id: str = "c1") -> None:
    send(pipeline, cohorts=rows, campaign_id=campaign_id)
    pipeline.settle()


def rows_of(pipeline: Pipeline, campaign_id: str = "c1") -> Sequence[CohortRow]:
    processor: Any = pipeline.campaigns[0].processor
    rows: list[CohortRow] = processor._cohorts.rows(campaign_id)
    return rows


def test_rows_of_the_same_days_and_model_add_up() -> None:
    pipeline = Pipeline(1)
    add(pipeline, LATER, REFUNDED, BOUGHT)
    add(pipeline, REFUNDED, BOUGHT._replace(model=1), BOUGHT._replace(orders_micros=-1, gmv_fen=-2))
    add(pipeline, BOUGHT, campaign_id="c2")
    assert rows_of(pipeline) == [
        BOUGHT._replace(orders_micros=999_999, gmv_fen=498),
        BOUGHT._replace(model=1),
        REFUNDED._replace(refund_fen=400),
        LATER,
    ]
    assert rows_of(pipeline, "c2") == [BOUGHT]
    assert rows_of(pipeline, "c3") == []


def test_they_are_there_after_a_restart_and_go_on() -> None:
    pipeline = Pipeline(1)
    add(pipeline, LATER, BOUGHT)
    pipeline.campaigns[0].crash()
    assert rows_of(pipeline) == [BOUGHT, LATER]
    add(pipeline, BOUGHT)
    assert rows_of(pipeline) == [BOUGHT._replace(orders_micros=2_000_000, gmv_fen=1_000), LATER]


def test_what_came_back_to_0_is_gone() -> None:
    pipeline = Pipeline(1)
    add(pipeline, BOUGHT)
    add(pipeline, BOUGHT._replace(orders_micros=-1_000_000, gmv_fen=-500))
    assert rows_of(pipeline) == []
    assert not pipeline.cohorts()
    add(pipeline, BOUGHT)
    assert rows_of(pipeline) == [BOUGHT]


def test_a_day_of_orders_is_dropped_600_days_after_its_end_and_never_comes_back() -> None:
    pipeline = Pipeline(1)
    add(pipeline, BOUGHT, LATER)
    tell_watermark(pipeline, day_start_ms(BOUGHT.order_day + 1) + 600 * DAY_MS - 1)
    pipeline.settle()
    assert rows_of(pipeline) == [BOUGHT, LATER]
    tell_watermark(pipeline, day_start_ms(BOUGHT.order_day + 1) + 600 * DAY_MS)
    pipeline.settle()
    assert rows_of(pipeline) == [LATER]
    add(pipeline, REFUNDED)
    assert rows_of(pipeline) == [LATER]
