"""Rates are exact, and unknown where there is none."""

from __future__ import annotations

from fractions import Fraction

import pytest

from xinghe.domain.metrics import shown_counts, shown_without_orders
from xinghe.domain.rates import RATES, rate

METRICS = {
    "store_visits": 7,
    "viewers": 21,
    "coupon_redemptions": 1,
    "coupon_claims": 4,
    "repurchasers": 3,
    "repurchasers_30d": 2,
    "new_buyers": 9,
    "gmv_fen": 2**60 + 1,
    "net_gmv_fen": -5,
    "spend_fen": 3,
    "impressions": 300,
    "clicks": 7,
    "engagements": 6,
    "ad_clicks": 5,
    "orders_micros": 1_250_000,
    "gmv_7d_fen": 10,
    "gmv_15d_fen": 20,
    "gmv_30d_fen": 30,
    "refund_7d_fen": 4,
    "refund_15d_fen": 21,
    "refund_30d_fen": 30,
}
EXPECTED = {
    "store_visit_rate": Fraction(1, 3),
    "coupon_redemption_rate": Fraction(1, 4),
    "repurchase_rate": Fraction(1, 3),
    "repurchase_rate_30d": Fraction(2, 9),
    "roi": Fraction(2**60 + 1, 3),
    "roi_net": Fraction(-5, 3),
    "click_through_rate": Fraction(7, 300),
    "cost_per_engagement": Fraction(1, 2),
    "cost_per_jump": Fraction(3, 5),
    "cost_per_store_visit": Fraction(3, 7),
    "cost_per_order": Fraction(12, 5),
    "roi_7d": Fraction(10, 3),
    "roi_15d": Fraction(20, 3),
    "roi_30d": Fraction(10),
    "roi_net_7d": Fraction(2),
    "roi_net_15d": Fraction(-1, 3),
    "roi_net_30d": Fraction(0),
}


def test_each_rate_is_the_exact_quotient() -> None:
    assert {name: rate(name, METRICS) for name in RATES} == EXPECTED


@pytest.mark.parametrize("name", RATES)
def test_a_rate_of_unknown_metrics_or_of_nothing_is_unknown(name: str) -> None:
    above, below, _, less, _ = RATES[name]
    for left_out in {above, below, less or above}:
        assert rate(name, {key: value for key, value in METRICS.items() if key != left_out}) is None
    assert rate(name, METRICS | {below: 0}) is None
    assert rate(name, METRICS | {above: 0} | ({} if less is None else {less: 0})) == 0


def test_the_names_are_those_of_metrics() -> None:
    names = shown_counts([0] * 13, [0] * 3, [1] * 5) | shown_without_orders(has_people=True)
    assert all({one.above, one.below, one.less or one.above} <= names.keys() for one in RATES.values())
