from __future__ import annotations

from xinghe.commands.demo_order import TOUCHES_MAX, most_telling
from xinghe.domain.outputs import Credit, Credits, OrderAttributed


def order(order_id: str, campaigns: str, refunds: int | None = None) -> OrderAttributed:
    path = [
        Credit(f"c{campaign}", "n", f"e{n}", n, "view", 0, 0, direct=False)
        for n, campaign in enumerate(campaigns)
    ]
    return OrderAttributed(order_id, "p", "s", 0, 1, 0, 1, Credits(path[-1:], linear=path), refunds=refunds)


def test_the_most_telling_order_has_most_campaigns_then_refunds_then_touches() -> None:
    orders = [order("one", "1", 9), order("same", "111", 2), order("two", "1212"), order("refunded", "12", 1)]
    for expected in ("refunded", "two", "same"):
        found = most_telling(orders)
        assert found is not None
        assert found.order_id == expected
        orders.remove(found)
    assert most_telling(orders) is None


def test_a_path_that_is_too_long_to_read_is_left_out() -> None:
    assert most_telling([order("long", "12" * TOUCHES_MAX)]) is None
