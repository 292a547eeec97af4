"""The arithmetic found again from an order's record is that of the stages that wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.outputs import attribution, credit
from tests.pipeline import Pipeline
from tests.property.events import journey_events
from xinghe.domain import events
from xinghe.domain.attribution.recorded import credits_by_model, path_of, told_of
from xinghe.domain.attribution.split import split
from xinghe.domain.metrics import MODELS
from xinghe.domain.order_rules import Windows
from xinghe.domain.outputs import OrderAttributed
from xinghe.domain.windows import DAY_MS, MINUTE_MS

MIDNIGHT_MS = 1_740_758_400_000


def records_of(batch: Sequence[Any], windows: Windows | None = None) -> list[OrderAttributed]:
    """Every revision of every order that the real stages tell."""
    pipeline = Pipeline(partitions=1, windows=windows)
    pipeline.feed(batch)
    pipeline.settle()
    return [
        msgspec.json.decode(sent.value or b"", type=OrderAttributed)
        for sent in pipeline.log
        if sent.topic == events.ORDER_ATTRIBUTED
    ]


def views(count: int, *, every_ms: int = MINUTE_MS) -> list[Any]:
    return [
        events.NoteViewed(f"v{number:03}", "p1", MIDNIGHT_MS + number * every_ms, "n1", "s1", "c1", "i1")
        for number in range(count)
    ]


def paid(amount_fen: int, time_ms: int) -> events.OrderPaid:
    return events.OrderPaid("paid", "p1", time_ms, "s1", "o1", "i1", amount_fen)


def assert_told(record: OrderAttributed, half_life_ms: int) -> None:
    """Each model's arithmetic leads to the record and adds up to the order."""
    told = told_of(record, half_life_ms)
    assert (told.differing, told.missing) == ([], [])
    assert [model.model for model in told.models] == list(MODELS)
    for model in told.models:
        recorded = {each.touch_event_id: each for each in credits_by_model(record)[model.model]}
        for each in model.credits:
            found = recorded.get(each.touch_event_id)
            got = (each.micros.got, each.fen.got, each.refund_fen)
            assert got == (
                (0, 0, 0) if found is None else (found.orders_micros, found.gmv_fen, found.refund_fen)
            )
            for share, total in ((each.micros, 1_000_000), (each.fen, record.amount_fen)):
                assert share.rounded_down * model.weights_sum + share.remainder == total * each.weight
                assert share.extra in {0, 1}
        assert sum(each.micros.got for each in model.credits) == 1_000_000
        assert sum(each.fen.got for each in model.credits) == record.amount_fen
        assert sum(each.refund_fen for each in model.credits) == record.refunded_fen
        assert sum(each.weight for each in model.credits) == model.weights_sum


@given(batch=journey_events(), payment_ms=st.sampled_from((30 * DAY_MS, 7 * DAY_MS + 3)))
@settings(max_examples=150)
def test_what_any_order_was_credited_is_found_again(batch: list[Any], payment_ms: int) -> None:
    windows = Windows(payment_ms=payment_ms)
    for record in records_of(batch, windows):
        assert_told(record, windows.half_life_ms)


@pytest.mark.parametrize("amount_fen", [1, 7, 12_345])
def test_a_path_with_less_fen_than_touches_and_a_winner_outside_of_a_path_of_very_many(
    amount_fen: int,
) -> None:
    click = events.AdClicked("click", "p1", MIDNIGHT_MS + 90_000, "n2", "s1", "c2", "i1")
    (record,) = records_of([*views(150), click, paid(amount_fen, MIDNIGHT_MS + DAY_MS)])
    assert_told(record, Windows().half_life_ms)
    ids = [touch.touch_event_id for touch in path_of(record)]
    assert ids == ["v000", *(f"v{number:03}" for number in range(51, 150))]
    assert [touch.touch_event_id for touch in record.credits.last_touch] == ["click"]


def test_an_order_without_a_touch_is_nobodys() -> None:
    (record,) = records_of([paid(700, MIDNIGHT_MS)])
    assert path_of(record) == []
    assert_told(record, Windows().half_life_ms)
    assert {each.campaign_id for model in told_of(record, 1).models for each in model.credits} == {
        "unattributed:s1"
    }


def test_a_record_of_other_settings_is_not_explained_by_wrong_arithmetic() -> None:
    (record,) = records_of([*views(3, every_ms=DAY_MS), paid(1_000, MIDNIGHT_MS + 3 * DAY_MS)])
    told = told_of(record, DAY_MS)
    assert told.differing == ["time_decay"]
    assert [model.model for model in told.models] == [name for name in MODELS if name != "time_decay"]


def test_refunds_that_are_not_as_split_are_not_explained() -> None:
    batch = [
        *views(3),
        paid(100, MIDNIGHT_MS + DAY_MS),
        events.OrderRefunded("r", "p1", MIDNIGHT_MS + 2 * DAY_MS, "s1", "o1", "r1", 50),
    ]
    record = records_of(batch)[-1]
    assert_told(record, Windows().half_life_ms)
    linear = record.credits.linear
    assert linear is not None
    taken = split(50, [each.gmv_fen for each in linear])
    assert [each.refund_fen for each in linear] == taken
    # One fen more of the first and one less of the last: the same sum, and not what one refund takes.
    wrong = [
        msgspec.structs.replace(each, refund_fen=fen + change)
        for each, fen, change in zip(linear, taken, (1, 0, -1), strict=True)
    ]
    changed = msgspec.structs.replace(record, credits=msgspec.structs.replace(record.credits, linear=wrong))
    assert told_of(changed, Windows().half_life_ms).differing == ["linear"]
    several = msgspec.structs.replace(changed, refunds=2)
    assert told_of(several, Windows().half_life_ms).differing == []


def test_an_old_record_with_one_model_only_is_shown_without_arithmetic() -> None:
    whole = attribution("o1", [credit("c1", 700)])
    old = msgspec.structs.replace(whole, credits=type(whole.credits)(last_touch=whole.credits.last_touch))
    told = told_of(old, 1)
    assert (told.models, told.differing) == ([], ["last_touch"])
    assert told.missing == list(MODELS[1:])
    assert [touch.touch_event_id for touch in path_of(old)] == ["e1"]
