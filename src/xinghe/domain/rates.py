"""Rates that readers of funnels show: quotients of two metrics of one window.

They are not stored: a quotient of two exact figures is exact, and cannot be added up. A rate is ``None`` while
one of its metrics is unknown or the one below the line is 0, since then there is no such rate, which is not 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple


class Rate(NamedTuple):
    """A rate is ``above / below``, both names of metrics (``domain/metrics.py``)."""

    above: str
    below: str
    meaning: str


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
    "roi": Rate("gmv_fen", "spend_fen", "Gross return on ad spend."),
    "roi_net": Rate("net_gmv_fen", "spend_fen", "Return on ad spend after refunds."),
}


def rate(name: str, metrics: Mapping[str, int]) -> Fraction | None:
    """A rate of ``RATES`` from the metrics of a window, exact.

    Distinct people are in ``1d`` and ``total`` windows only, ``spend_fen`` from ``1h`` up, so rates of them are too.

    >>> rate("roi", {"gmv_fen": 250, "spend_fen": 100}), rate("roi", {"gmv_fen": 250})
    (Fraction(5, 2), None)
    >>> rate("roi_net", {"net_gmv_fen": -1, "spend_fen": 3}), rate("roi", {"gmv_fen": 250, "spend_fen": 0})
    (Fraction(-1, 3), None)
    """
    above, below = metrics.get(RATES[name].above), metrics.get(RATES[name].below)
    return None if above is None or not below else Fraction(above, below)
