"""Rates that readers of funnels show: quotients of metrics of one window (ARCHITECTURE.md, R19).

They are not stored: a quotient of two exact figures is exact, and cannot be added up. A rate is ``None`` while
one of its metrics is unknown or the one below the line is 0, since then there is no such rate, which is not 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from xinghe.domain.metrics import LAG_DAYS
from xinghe.domain.order import ORDER_MICROS


class Rate(NamedTuple):
    """A rate is ``(above - less) / (below / unit)``, all names of metrics (``domain/metrics.py``); ``less`` may be ``None``."""

    above: str
    below: str
    meaning: str
    less: str | None = None
    unit: int = 1


RATES: Final[Mapping[str, Rate]] = {
    "store_visit_rate": Rate("store_visits", "viewers", "Credited store visits per distinct viewer."),
    "coupon_redemption_rate": Rate(
        "coupon_redemptions", "coupon_claims", "Redeemed coupons per claimed coupon."
    ),
    "repurchase_rate": Rate(
        "repurchasers", "new_buyers", "Part of new buyers who bought again within 90 days."
    ),
    "repurchase_rate_30d": Rate(
        "repurchasers_30d", "new_buyers", "Part of new buyers who bought again within 30 days."
    ),
    "click_through_rate": Rate(
        "clicks", "impressions", "Clicks per ad shown, over the hours reported with both."
    ),
    "cost_per_engagement": Rate("spend_fen", "engagements", "Ad spend per engagement, in fen."),
    "cost_per_jump": Rate("spend_fen", "ad_clicks", "Ad spend per jump to Taobao by ad link, in fen."),
    "cost_per_store_visit": Rate("spend_fen", "store_visits", "Ad spend per credited store visit, in fen."),
    "cost_per_order": Rate(
        "spend_fen", "orders_micros", "Ad spend per credited order, in fen.", unit=ORDER_MICROS
    ),
    "roi": Rate("gmv_fen", "spend_fen", "Gross return on ad spend."),
    "roi_net": Rate("net_gmv_fen", "spend_fen", "Return on ad spend after refunds."),
    **{
        f"roi_{days}d": Rate(
            f"gmv_{days}d_fen", "spend_fen", f"Gross return within {days} days from touch to order."
        )
        for days in LAG_DAYS
    },
    **{
        f"roi_net_{days}d": Rate(
            f"gmv_{days}d_fen",
            "spend_fen",
            f"Return after refunds within {days} days from touch to order.",
            less=f"refund_{days}d_fen",
        )
        for days in LAG_DAYS
    },
}


def rate(name: str, metrics: Mapping[str, int]) -> Fraction | None:
    """A rate of ``RATES`` from the metrics of a window, exact.

    Costs are in fen. Distinct people are in ``1d`` and ``total`` windows only, ``spend_fen`` from ``1h`` up, so rates of them are too.

    >>> rate("roi", {"gmv_fen": 250, "spend_fen": 100}), rate("roi", {"gmv_fen": 250})
    (Fraction(5, 2), None)
    >>> rate("roi_net", {"net_gmv_fen": -1, "spend_fen": 3}), rate("roi", {"gmv_fen": 250, "spend_fen": 0})
    (Fraction(-1, 3), None)
    >>> rate("cost_per_order", {"spend_fen": 700, "orders_micros": 1_500_000})
    Fraction(1400, 3)
    """
    rate_ = RATES[name]
    above, below = metrics.get(rate_.above), metrics.get(rate_.below)
    less = 0 if rate_.less is None else metrics.get(rate_.less)
    if above is None or less is None or not below:
        return None
    return Fraction((above - less) * rate_.unit, below)
