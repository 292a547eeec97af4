"""New buyers and repurchases (ARCHITECTURE.md, R6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from xinghe.domain.events import OrderPaid
from xinghe.domain.windows import DAY_MS

NEW_MS: Final = 365 * DAY_MS
REPURCHASE_MS: Final = {"repurchases": 90 * DAY_MS, "repurchases_30d": 30 * DAY_MS}
"""The longest time from the first order to the one that each of the metrics counts."""


class Purchase(NamedTuple):
    """What an order is among its person's orders of the shop; ``first`` is the new one that it repeats, if any."""

    is_new: bool
    first: OrderPaid | None
    repurchases: tuple[str, ...]


def purchases_of(orders: Iterable[OrderPaid]) -> dict[str, Purchase]:
    """By ``order_id``, of the counting orders of one person."""
    by_shop: dict[str, list[OrderPaid]] = defaultdict(list)
    for order in sorted(orders, key=lambda order: (order.time_ms, order.event_id)):
        by_shop[order.shop_id].append(order)
    return {
        order.order_id: _purchase(order, theirs[:index])
        for theirs in by_shop.values()
        for index, order in enumerate(theirs)
    }


def is_new(order: OrderPaid, before: list[OrderPaid]) -> bool:
    """Whether the order is new, as it says; else whether no order of the 365 days before it is known."""
    if order.new_customer is not None:
        return order.new_customer
    return all(order.time_ms - earlier.time_ms > NEW_MS for earlier in before)


def _purchase(order: OrderPaid, before: list[OrderPaid]) -> Purchase:
    """``before`` are the orders before it, ascending."""
    if is_new(order, before):
        return Purchase(is_new=True, first=None, repurchases=())
    first = next((before[at] for at in reversed(range(len(before))) if is_new(before[at], before[:at])), None)
    if first is None:
        return Purchase(is_new=False, first=None, repurchases=())
    lag_ms = order.time_ms - first.time_ms
    names = tuple(name for name, most_ms in REPURCHASE_MS.items() if lag_ms <= most_ms)
    return Purchase(is_new=False, first=first, repurchases=names)
