"""What the page of an order shows is what its record says."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from tests.outputs import attribution, credit
from tests.property.events import journey_events
from tests.unit.domain.test_recorded import MIDNIGHT_MS, paid, records_of, views
from xinghe.dashboard.look import Look
from xinghe.dashboard.order_page import FIRST_SHOWN, LAST_SHOWN, trace
from xinghe.domain import events
from xinghe.domain.attribution.recorded import credits_by_model
from xinghe.domain.metrics import MODELS
from xinghe.domain.order_rules import Windows
from xinghe.domain.windows import DAY_MS, HOUR_MS

LOOK = Look("en", "light", "green")
HALF_LIFE_MS = Windows().half_life_ms


@given(batch=journey_events())
@settings(max_examples=100)
def test_the_arithmetic_on_the_page_leads_to_the_record_and_adds_up(batch: list[Any]) -> None:
    for order in records_of(batch):
        shown = trace(order, HALF_LIFE_MS, LOOK)
        assert [model.name for model in shown["models"]] == list(MODELS)
        for model in shown["models"]:
            recorded = {each.touch_event_id: each for each in credits_by_model(order)[model.name]}
            for line in model.lines:
                event_id = None if line.place is None else line.place.touch.touch_event_id
                found = recorded.get(event_id)
                assert line.micros.got == f"{found.orders_micros if found else 0:,}"
                assert line.fen.got == f"{found.gmv_fen if found else 0:,}"
                assert line.net_fen == (found.gmv_fen - (found.refund_fen or 0) if found else 0)
            assert model.sums == (1_000_000, order.amount_fen, order.refunded_fen)
        for _, cells in shown["matrix"]:
            assert len(cells) == len(MODELS)
        for column, model_name in enumerate(MODELS):
            gmv_fen = sum(cells[column].gmv_fen for _, cells in shown["matrix"])
            assert gmv_fen == order.amount_fen, model_name


def test_the_journey_is_in_the_order_of_time_and_says_who_wins() -> None:
    batch = [
        events.NoteViewed("v", "p1", MIDNIGHT_MS, "n1", "s1", "c1", "i2"),
        events.AdClicked("k", "p1", MIDNIGHT_MS + HOUR_MS, "n2", "s1", "c2", "i1"),
        events.NoteLiked("l", "p1", MIDNIGHT_MS + 2 * HOUR_MS, "n3", "s1"),
        paid(999, MIDNIGHT_MS + DAY_MS),
    ]
    (order,) = records_of(batch)
    shown = trace(order, HALF_LIFE_MS, LOOK)
    assert [(place.number, place.touch.kind, place.before, place.wins) for place in shown["first"]] == [
        (1, "view", "1 d 0 h", False),
        (2, "ad_click", "23 h 0 min", True),
        (3, "like", "22 h 0 min", False),
    ]
    assert (shown["hidden"], shown["last"], shown["net_fen"]) == ([], [], 999)
    linear = next(model for model in shown["models"] if model.name == "linear")
    assert [(line.weight, line.percent, line.micros) for line in linear.lines] == [
        ("1", "33.3%", ("333,333", "0.333", "1", "333,334")),
        ("1", "33.3%", ("333,333", "0.333", "0", "333,333")),
        ("1", "33.3%", ("333,333", "0.333", "0", "333,333")),
    ]


def test_of_a_long_journey_the_middle_is_folded_and_nothing_is_lost() -> None:
    click = events.AdClicked("click", "p1", MIDNIGHT_MS + 90_000, "n2", "s1", "c2", "i1")
    (order,) = records_of([*views(150), click, paid(12_345, MIDNIGHT_MS + DAY_MS)])
    shown = trace(order, HALF_LIFE_MS, LOOK)
    assert (len(shown["first"]), len(shown["last"])) == (FIRST_SHOWN, LAST_SHOWN)
    places = [*shown["first"], *shown["hidden"], *shown["last"]]
    assert len(places) == 101
    assert [(place.number, place.touch.touch_event_id) for place in places if place.wins] == [(None, "click")]
    assert [place.number for place in places if place.number] == list(range(1, 101))


def test_an_order_without_a_touch_has_one_row() -> None:
    (order,) = records_of([paid(700, MIDNIGHT_MS)])
    shown = trace(order, HALF_LIFE_MS, LOOK)
    assert shown["first"] == []
    assert [(place, [cell.gmv_fen for cell in cells]) for place, cells in shown["matrix"]] == [
        (None, [700] * len(MODELS))
    ]


def test_what_is_not_as_computed_is_shown_without_arithmetic() -> None:
    (order,) = records_of([*views(3, every_ms=DAY_MS), paid(1_000, MIDNIGHT_MS + 3 * DAY_MS)])
    shown = {model.name: model for model in trace(order, DAY_MS, LOOK)["models"]}
    assert [name for name, model in shown.items() if model.lines is None] == ["time_decay"]
    assert [each.gmv_fen for _, each in shown["time_decay"].credits] == [
        each.gmv_fen for each in order.credits.time_decay or ()
    ]


def test_a_model_that_the_record_lacks_is_unknown_and_not_0() -> None:
    order = attribution("o1", [credit("c1", 700)], linear=None)  # type: ignore[arg-type]
    shown = trace(order, HALF_LIFE_MS, LOOK)
    assert shown["missing"] == ["linear"]
    (_, cells), *_ = shown["matrix"]
    assert [cell is None for cell in cells] == [name == "linear" for name in MODELS]
