"""Cohorts of a campaign's credit: by the days of the touch, of the order and of the change (ARCHITECTURE.md, R18)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from typing import NamedTuple

from xinghe.audit.credit import Attribution, taken_back
from xinghe.audit.figures import Truth
from xinghe.domain.counted import day_number
from xinghe.domain.events import OrderRefunded


class CohortKey(NamedTuple):
    """A rule model and three days (`counted.day_number`).

    ``day`` is the order's own for what it brought, and that of the refund for what one took back.
    """

    model: str
    touch_day: int
    order_day: int
    day: int


class CohortSum(NamedTuple):
    """The credit of a cohort."""

    orders_micros: int = 0
    gmv_fen: int = 0
    refund_fen: int = 0


Cohorts = dict[CohortKey, CohortSum]
"""Those of one campaign; what is 0 in all is absent."""


def cohorts_of(truth: Truth, campaign_ids: Container[str] | None = None) -> dict[str, Cohorts]:
    """The cohorts of each campaign with a ``campaign_id``, or of those of ``campaign_ids``."""
    cohorts: dict[str, Cohorts] = defaultdict(dict)
    for key, order in truth.orders.items():
        _add_order(cohorts, order, truth.refunds.get(key, ()), campaign_ids)
    return dict(cohorts)


def _add_order(
    cohorts: dict[str, Cohorts],
    order: Attribution,
    refunds: Sequence[OrderRefunded],
    campaign_ids: Container[str] | None,
) -> None:
    order_day = day_number(order.time_ms)
    for model, given in order.credits.items():
        shares = taken_back(given, [refund.amount_fen for refund in refunds])
        for place, credit in enumerate(given):
            if ":" in credit.campaign_id or credit.touch_time_ms is None:
                continue
            if campaign_ids is not None and credit.campaign_id not in campaign_ids:
                continue
            into, touch_day = cohorts[credit.campaign_id], day_number(credit.touch_time_ms)
            brought = CohortSum(credit.orders_micros, credit.gmv_fen)
            _add(into, CohortKey(model, touch_day, order_day, order_day), brought)
            for refund, taken_fen in zip(refunds, shares, strict=True):
                key = CohortKey(model, touch_day, order_day, day_number(refund.time_ms))
                _add(into, key, CohortSum(refund_fen=taken_fen[place]))


def _add(into: Cohorts, key: CohortKey, amounts: CohortSum) -> None:
    if any(amounts):
        before = into.get(key, CohortSum())
        into[key] = CohortSum(*(one + other for one, other in zip(before, amounts, strict=True)))
