"""A journey stays bounded whoever it belongs to, and what it counted stays counted (R14)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.agents.journeys import JOURNEYS
from tests.pipeline import Pipeline
from xinghe.domain.attribution.order_credit import PATH_TOUCHES_MAX
from xinghe.domain.events import AdClicked, CartAdded, NoteViewed, OrderPaid, StoreVisited
from xinghe.domain.journey import Journey
from xinghe.domain.journey_rules import TOUCH_SEGMENT_BYTES
from xinghe.domain.metrics import AUDIENCE_NAMES
from xinghe.domain.touch import ROW_HEAD_BYTES
from xinghe.domain.windows import MINUTE_MS

START_MS: Final = 1_740_758_400_000
BOUND: Final = 200
SEGMENT_EVENTS_MAX: Final = TOUCH_SEGMENT_BYTES // (ROW_HEAD_BYTES + 1) + 1
ORDER_BYTES: Final = 250
"""An order's struct, its numbers, and its ids but for their letters."""
PATH_BYTES_MAX: Final = PATH_TOUCHES_MAX * (ROW_HEAD_BYTES + len("event-9999"))
CELLS_BYTES_MAX: Final = 500
"""What an order of three campaigns counts its person for."""
TYPES: Final = (NoteViewed, NoteViewed, NoteViewed, AdClicked, StoreVisited, CartAdded, OrderPaid)


def event(number: int, event_type: Any, step_ms: int, campaigns: int = 3) -> Any:
    values: dict[str, Any] = {
        "event_id": f"event-{number}",
        "person_id": "p1",
        "shop_id": "s1",
        "time_ms": START_MS + number * step_ms,
        "item_id": "i1",
    }
    if event_type in {NoteViewed, AdClicked}:
        values |= {"note_id": f"n{number % 7}", "campaign_id": f"c{number % campaigns}"}
    if event_type is OrderPaid:
        values |= {"order_id": f"o{number}", "amount_fen": 100}
    return event_type(**values)


def journey_of(pipeline: Pipeline) -> Journey:
    journey = pipeline.journeys[0].store(JOURNEYS).get(b"p1")
    assert isinstance(journey, Journey)
    return journey


def bytes_of(journey: Journey) -> Iterator[int]:
    """Of everything that grows with events."""
    yield len(journey.counted)
    yield len(journey.fingerprints)
    yield len(journey.audience) + len(journey.audience_kept)
    for segments in (journey.touches, journey.kept or (), journey.conversions or ()):
        # A list's slot costs 8 bytes, an object of bytes 33 and what it holds.
        yield from (len(segment) + 41 for segment in segments)
    for order in journey.orders or ():
        yield ORDER_BYTES + len(order.order_id) + len(order.event_id)
        yield len(order.path) + len(order.winner) + len(order.people)


def totals(pipeline: Pipeline, name: str) -> int:
    return sum(metrics[name] for key, metrics in pipeline.windows().items() if key[1] == "total")


@pytest.mark.parametrize("step_ms", [1_000, 10 * MINUTE_MS], ids=["within hours", "within weeks"])
@pytest.mark.parametrize("mix", [(NoteViewed,), (AdClicked,), (StoreVisited,), (OrderPaid,), TYPES])
def test_five_thousand_events_of_one_person_stay_small_in_memory_and_changelog(
    mix: tuple[Any, ...], step_ms: int
) -> None:
    pipeline = Pipeline(1, journey_events_max=BOUND)
    choose = random.Random(1)
    events = [event(number, choose.choice(mix), step_ms) for number in range(5_000)]
    task = pipeline.journeys[0]
    half_bytes = 0
    for at in range(0, len(events), 10):
        pipeline.feed(events[at : at + 10])
        task.commit()
        journey = journey_of(pipeline)
        assert journey.events <= BOUND + SEGMENT_EVENTS_MAX
        orders_bytes = len(journey.orders or ()) * (ORDER_BYTES + 60 + PATH_BYTES_MAX + CELLS_BYTES_MAX)
        assert sum(bytes_of(journey)) < 90 * BOUND + orders_bytes
        half_bytes = half_bytes or (task.changelog_bytes if at >= len(events) // 2 else 0)
    later_bytes = (task.changelog_bytes - half_bytes) / (len(events) / 2)
    orders_share = mix.count(OrderPaid) / len(mix)
    order_bytes = ORDER_BYTES + CELLS_BYTES_MAX + (PATH_BYTES_MAX if len(mix) > 1 else 0)
    assert later_bytes < 150 + orders_share * order_bytes, "bytes per event do not grow with the history"
    pipeline.settle()
    counted = {
        NoteViewed: "views",
        AdClicked: "ad_clicks",
        StoreVisited: "store_visits",
        CartAdded: "cart_adds",
    }
    for event_type, name in counted.items():
        assert totals(pipeline, name) == sum(type(one) is event_type for one in events)
    orders = sum(type(one) is OrderPaid for one in events)
    assert totals(pipeline, "orders_micros") == 1_000_000 * orders
    assert totals(pipeline, "gmv_fen") == 100 * orders
    assert len(pipeline.attributions()) == orders


@pytest.mark.parametrize("is_late", [False, True], ids=["in time", "backwards"])
def test_what_comes_in_one_commit_is_told_and_counted_before_it_is_cut_to_the_bound(is_late: bool) -> None:
    pipeline = Pipeline(1, journey_events_max=40)
    kinds = [TYPES[number % len(TYPES)] for number in range(700)]
    pipeline.feed([event(700 - n if is_late else n, kind, MINUTE_MS) for n, kind in enumerate(kinds)])
    pipeline.commit_journeys()
    assert journey_of(pipeline).events <= 40
    pipeline.settle()
    assert len(pipeline.attributions()) == kinds.count(OrderPaid) == 100
    assert totals(pipeline, "orders_micros") == 100 * 1_000_000
    assert totals(pipeline, "store_visits") == totals(pipeline, "cart_adds") == 100


@given(
    bound=st.integers(12, 40),
    choices=st.lists(
        # Commits are rare in some runs, so that far more than the bound may come before one.
        st.tuples(st.sampled_from(TYPES), st.integers(0, 9), st.booleans()),
        min_size=20,
        max_size=120,
    ),
    commits_of_10=st.integers(0, 10),
    late=st.booleans(),
    step_ms=st.sampled_from([1, 1_000, 6 * 60 * MINUTE_MS]),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_dropped_each_event_counts_once_and_each_person_as_one(
    bound: int, choices: list[tuple[Any, int, bool]], commits_of_10: int, late: bool, step_ms: int
) -> None:
    """Each journey's event is in the sums, once; nobody is two people, whatever was forgotten and recovered."""
    pipeline = Pipeline(1, journey_events_max=bound)
    for number, (event_type, chance, crashes) in enumerate(choices):
        # Backwards in time each touch comes after the conversions that it earns.
        pipeline.feed([event(len(choices) - number if late else number, event_type, step_ms)])
        if chance < commits_of_10:
            pipeline.commit_journeys()
            assert journey_of(pipeline).events <= bound + SEGMENT_EVENTS_MAX
            if crashes:
                pipeline.journeys[0].crash()
    pipeline.settle()
    kinds = [event_type for event_type, _, _ in choices]
    assert totals(pipeline, "views") == kinds.count(NoteViewed)
    assert totals(pipeline, "ad_clicks") == kinds.count(AdClicked)
    assert totals(pipeline, "store_visits") == kinds.count(StoreVisited)
    assert totals(pipeline, "cart_adds") == kinds.count(CartAdded)
    assert totals(pipeline, "orders_micros") == 1_000_000 * kinds.count(OrderPaid)
    assert len(pipeline.attributions()) == kinds.count(OrderPaid), "told before they are dropped"
    for key, metrics in pipeline.windows().items():
        assert min(metrics.values()) >= 0, key
        if "viewers" in metrics:
            assert metrics["viewers"] == min(metrics["views"], 1), key
            assert metrics["store_visitors"] == min(metrics["store_visits"], 1), key
            assert metrics["cart_users"] == min(metrics["cart_adds"], 1), key
            assert metrics["buyers"] == min(metrics["orders_micros"], 1), key
        if key[1] == "total":
            touches = metrics["views"] + metrics["ad_clicks"]
            assert sum(metrics[name] for name in AUDIENCE_NAMES) == min(touches, 1), key
