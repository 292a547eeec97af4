"""New buyers and repurchases: how the orders of one person in one shop relate (ARCHITECTURE.md, R6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from xinghe.domain.order import Order
from xinghe.domain.windows import DAY_MS

NEW_AFTER_MS: Final = 365 * DAY_MS
"""Who has paid no order of a shop for this long is new to it."""
REPURCHASE_DAYS: Final = (30, 90)


class Relation(NamedTuple):
    """What an order is to those before it; ``first`` is ``None`` unless it is a repurchase within ``repurchase_days``."""

    order: Order
    is_new: bool
    repurchase_days: int
    first: Order | None


def relations(orders: Sequence[Order], from_rank: tuple[int, bytes]) -> Iterator[Relation]:
    """The relation of each order from ``from_rank`` on; ``orders`` are those of a shop by their rank.

    Of the orders before ``from_rank`` ``is_new`` is right already, which matters once those before them were dropped.
    """
    before: Order | None = None
    first: Order | None = None
    for order in orders:
        is_new = order.is_new
        if order.rank >= from_rank:
            is_new = _is_new(order, before)
            days = 0 if is_new or first is None else _repurchase_days(order.time_ms - first.time_ms)
            yield Relation(order, is_new, days, first if days else None)
        if is_new:
            first = order
        before = order


def _is_new(order: Order, before: Order | None) -> bool:
    if order.new_customer is not None:
        return order.new_customer
    return before is None or order.time_ms - before.time_ms > NEW_AFTER_MS


def _repurchase_days(lag_ms: int) -> int:
    """The smallest of ``REPURCHASE_DAYS`` that ``lag_ms`` lies within, 0 for none."""
    return next((days for days in REPURCHASE_DAYS if lag_ms <= days * DAY_MS), 0)
