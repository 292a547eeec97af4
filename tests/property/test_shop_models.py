"""The models of shops through both stages (R16): the same events give the same last records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.property.models import assert_models
from tests.property.test_stream import Run, bounded, channels, journeys_of_both, run_of, steps
from xinghe.audit.truth import LIMITS


def records(run: Run) -> dict[str, dict[str, Any]]:
    """The last record of each shop, but for how far the stream was."""
    return {
        shop_id: {name: part for name, part in value.items() if name != "watermark_ms"}
        for shop_id, value in run.pipeline.models().items()
    }


@given(data=st.data(), events=journeys_of_both, schedule=steps, other_schedule=steps)
@bounded
def test_any_order_batching_commit_and_crash_gives_the_same_records(
    data: st.DataObject,
    events: Sequence[Any],
    schedule: list[tuple[int, str]],
    other_schedule: list[tuple[int, str]],
) -> None:
    limits = LIMITS._replace(model_channel=data.draw(channels))
    run = run_of(events, schedule, limits)
    other = run_of(data.draw(st.permutations(events)), other_schedule, limits)
    assert records(run) == records(other)
    assert_models(run.truth(), run.pipeline)
