"""Figures of orders side by side for each model (R9)."""

from __future__ import annotations

import pytest

from xinghe.domain.metrics import MODEL_COUNTED_INDEX, MODEL_COUNTED_NAMES, MODEL_PEOPLE_INDEX, MODELS
from xinghe.domain.orders import (
    Orders,
    OrdersChange,
    add_plain,
    changed_orders,
    decode_orders,
    encode_orders,
    no_orders,
)

GMV_PLAIN = MODEL_COUNTED_NAMES.index("gmv_fen")


@pytest.mark.parametrize("model", range(len(MODELS)))
def test_each_figure_is_found_again_by_model_and_name(model: int) -> None:
    for place, (name, index) in enumerate(MODEL_COUNTED_INDEX[model].items()):
        change = OrdersChange({}, {index: 7}, {})
        orders = changed_orders(None, change, 0, has_people=True)
        assert orders.of_model(model)[place] == sum(orders.counted) == 7
        assert orders.metrics()[f"{name}:{MODELS[model]}"] == 7
        add_plain(change.plain, change.counted, model)
        assert change.plain == {place: 7}
    for name, index in MODEL_PEOPLE_INDEX[model].items():
        orders = changed_orders(None, OrdersChange({}, {}, {index: 2}), model, has_people=True)
        assert orders.metrics()[f"{name}:{MODELS[model]}"] == orders.metrics()[name] == 2


def test_a_change_of_known_figures_adds() -> None:
    gmv = MODEL_COUNTED_INDEX[2]["gmv_fen"]
    before = changed_orders(None, OrdersChange({GMV_PLAIN: 5}, {gmv: 5}, {}), 0, has_people=False)
    after = changed_orders(
        encode_orders(before), OrdersChange({GMV_PLAIN: -2}, {gmv: -1}, {}), 3, has_people=False
    )
    assert (after.plain[GMV_PLAIN], after.of_model(2)[GMV_PLAIN]) == (3, 4)
    assert (after.people, after.people_model) == (None, 3)


def test_plain_figures_are_those_of_one_model_only() -> None:
    first, last = MODEL_COUNTED_INDEX[1].values(), MODEL_COUNTED_INDEX[2].values()
    plain: dict[int, int] = {0: 1}
    add_plain(plain, dict.fromkeys((*first, *last), 3), 1)
    assert plain == {0: 4} | dict.fromkeys(range(1, len(MODEL_COUNTED_NAMES)), 3)


def test_empty_is_where_no_model_has_a_figure() -> None:
    assert no_orders(has_people=True).is_empty()
    for change in (OrdersChange({}, {13: 1}, {}), OrdersChange({}, {}, {22: 1})):
        assert not changed_orders(None, change, 0, has_people=True).is_empty()
    # What is left of plain figures that a late setting did not correct is nobody's.
    assert changed_orders(None, OrdersChange({GMV_PLAIN: 5}, {}, {}), 0, has_people=True).is_empty()


def test_figures_come_back() -> None:
    orders = Orders([2**50], [-1, 2**60], None, 4)
    assert decode_orders(encode_orders(orders)) == orders
