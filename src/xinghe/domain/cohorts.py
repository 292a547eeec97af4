"""Cohorts of a campaign: the credit of orders by the day of the touch, of the order, and of the change (ARCHITECTURE.md, R18)."""

from __future__ import annotations

from typing import NamedTuple


class CohortRow(NamedTuple):
    """What orders of one day give a campaign for touches of one day, as one model credits them; changes are signed.

    Days are numbers of `counted.day_number`. ``day`` is that of the order for ``orders_micros`` and ``gmv_fen``, that of the refund
    for ``refund_fen``. ``model`` is an index into `metrics.MODELS`.
    """

    touch_day: int
    order_day: int
    day: int
    model: int
    orders_micros: int
    gmv_fen: int
    refund_fen: int
