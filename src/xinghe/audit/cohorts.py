"""Cohorts (ARCHITECTURE.md, R18): what the orders of a campaign give it by the days of touch, order and change."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from xinghe.audit.credit import Credit
from xinghe.audit.figures import CohortKey, Truth
from xinghe.domain.events import OrderPaid, OrderRefunded
from xinghe.domain.metrics import MODELS
from xinghe.domain.windows import DAY_MS, SHANGHAI_OFFSET_MS


class Cohort(NamedTuple):
    """The credit by one model, ``MODELS[model]``; days count from 1 for 1970-01-01 in Shanghai."""

    touch_day: int
    order_day: int
    day: int
    model: int
    orders_micros: int
    gmv_fen: int
    refund_fen: int


def day_of(time_ms: int) -> int:
    """The number of the day that holds ``time_ms``.

    >>> day_of(-28_800_001), day_of(-28_800_000), day_of(0)
    (0, 1, 1)
    """
    return (time_ms + SHANGHAI_OFFSET_MS) // DAY_MS + 1


def first_ms_of(day: int) -> int:
    """The first millisecond of a day."""
    return (day - 1) * DAY_MS - SHANGHAI_OFFSET_MS


def cohorts_of(truth: Truth, campaign_id: str) -> list[Cohort]:
    """The cohorts of a campaign whose order day is still kept, ascending; of what comes to 0 there is none."""
    rows: dict[CohortKey, dict[str, int]] = truth.cohorts.get(campaign_id, {})
    return [
        Cohort(*key, amounts["orders_micros"], amounts["gmv_fen"], amounts["refund_fen"])
        for key, amounts in sorted(rows.items())
        if any(amounts.values()) and not truth.is_expired((campaign_id, "1d", first_ms_of(key[1])))
    ]


def add_credit(truth: Truth, order: OrderPaid, model: str, credit: Credit) -> None:
    """The credit stands at the order's own day."""
    _add(truth, order, order.time_ms, model, credit, "orders_micros", credit.orders_micros)
    _add(truth, order, order.time_ms, model, credit, "gmv_fen", credit.gmv_fen)


def add_refund(
    truth: Truth, order: OrderPaid, refund: OrderRefunded, model: str, credit: Credit, taken_fen: int
) -> None:
    """What a refund takes back of a credit stands at the refund's day."""
    _add(truth, order, refund.time_ms, model, credit, "refund_fen", taken_fen)


def _add(
    truth: Truth, order: OrderPaid, time_ms: int, model: str, credit: Credit, name: str, amount: int
) -> None:
    """Add to a cohort; what has no campaign (organic, unattributed) is in none."""
    if credit.touch_time_ms is None or credit.campaign_id.startswith("organic:"):
        return
    key = day_of(credit.touch_time_ms), day_of(order.time_ms), day_of(time_ms), MODELS.index(model)
    rows = truth.cohorts.setdefault(credit.campaign_id, {})
    rows.setdefault(key, defaultdict(int))[name] += amount
