"""Deltas as the journeys stage sends them, for tests of what the campaigns stage makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tests.pipeline import Pipeline
from xinghe.domain import events
from xinghe.domain.cohorts import CohortRow
from xinghe.domain.counted import day_number
from xinghe.domain.delta import Delta, Watermark
from xinghe.domain.metrics import (
    COUNTED_INDEX,
    MODEL_COUNTED_INDEX,
    MODEL_PEOPLE_INDEX,
    MODELS,
    PEOPLE_INDEX,
)
from xinghe.domain.recounts import Recount
from xinghe.domain.windows import MINUTE_MS

Row = tuple[str | None, int, int, int]
"""Note, minute, metric, change."""
Person = tuple[int, int, int]
"""Day number or 0 for to date, metric, change."""

LAST_TOUCH, FIRST_TOUCH, LINEAR, TIME_DECAY, POSITION_BASED = range(len(MODELS))


def counted(name: str, time_ms: int, change: int = 1, note_id: str | None = "n1") -> Row:
    """A row of a metric that is the same for every model."""
    return note_id, time_ms // MINUTE_MS, COUNTED_INDEX[name], change


def credited(
    time_ms: int, fen_by_model: Mapping[int, int], name: str = "gmv_fen", note_id: str | None = "n1"
) -> list[Row]:
    """Rows of one metric of orders, by the models named."""
    return [
        (note_id, time_ms // MINUTE_MS, MODEL_COUNTED_INDEX[model][name], fen)
        for model, fen in fen_by_model.items()
    ]


def person(name: str, time_ms: int, change: int = 1, model: int | None = None) -> list[Person]:
    """Rows of a people metric, in the day and to date."""
    metric = PEOPLE_INDEX[name] if model is None else MODEL_PEOPLE_INDEX[model][name]
    return [(day_number(time_ms), metric, change), (0, metric, change)]


def send(
    pipeline: Pipeline,
    counts: Sequence[Row] = (),
    people: Sequence[Person] = (),
    *,
    campaign_id: str = "c1",
    shop_id: str = "s1",
    watermark_ms: int = 0,
    cohorts: Sequence[CohortRow] = (),
    recounts: Sequence[Recount] = (),
) -> None:
    """Have the campaigns stage of one partition process a delta."""
    delta = Delta(0, watermark_ms, [], shop_id, list(counts), list(people), list(cohorts), list(recounts))
    pipeline.feed_records(events.CAMPAIGN_DELTA, 0, [(campaign_id.encode(), msgspec.msgpack.encode(delta))])


def tell_watermark(pipeline: Pipeline, watermark_ms: int, partition: int = 0) -> None:
    """Have the first partition of the campaigns stage hear a watermark of the journeys stage."""
    told = msgspec.msgpack.encode(Watermark(partition, watermark_ms, watermark_ms))
    pipeline.feed_records(events.CAMPAIGN_DELTA, 0, [(None, told)])
